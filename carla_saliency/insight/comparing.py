"""Two networks on one drive: how far apart they steer, how alike their maps are, where they differ.

The difference is always B's command minus A's, whoever of them drives.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from carla_saliency.core import (
    Array,
    Comparison,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Place,
)
from carla_saliency.insight.ranks import is_flat

COLUMNS = 160  # of the cells in which maps of two grids are compared
SOON_S = 2.0  # a disagreement that lasts is told after so long
WINDOW_S = 20.0
TINY_S = 1e-6  # simulated times are sums of ticks


@dataclass(frozen=True, slots=True)
class View:
    """What a network sees of the camera's picture.

    Attributes:
        area: The rows and columns of the picture that its grid covers: top, bottom, left, right.
        grid: (H, W) of its grid.
    """

    area: tuple[int, int, int, int]
    grid: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Numbers:
    """How the two got on in the last 20 s.

    Attributes:
        mean: Of |B - A|, in commands to the live car.
        above: Share of the frames in which it was above the limit, 0 to 1.
        bookmarks: How many disagreements were told in all of the drive.
    """

    mean: float = 0.0
    above: float = 0.0
    bookmarks: int = 0


class Comparing:
    """Compares two networks step after step, and tells where they disagree most.

    Args:
        limit: |B - A| above which they disagree, in commands to the live car.
        lock_deg: Of the live car's wheels at steering 1, for the words; None: degrees are not
            known.
        seconds: A disagreement that is shorter is none.
        a: What A sees, and
        b: what B sees, to compare their maps; None: they are not compared.
    """

    def __init__(
        self,
        limit: float,
        lock_deg: float | None = None,
        seconds: float = 0.3,
        a: View | None = None,
        b: View | None = None,
    ) -> None:
        self._limit, self._lock_deg, self._seconds = limit, lock_deg, seconds
        self._views = None if a is None or b is None else (a, b)
        self._recent: deque[tuple[float, float]] = deque()  # seconds, |B - A|
        self._stretch: _Stretch | None = None
        self._last_s = -math.inf
        self._bookmarks = 0

    def add(self, step: DriveStep) -> tuple[Comparison | None, Event | None]:
        """Compare the two on one more step.

        Returns:
            How they compare, None where one of them has no answer; and a disagreement that ended
            with this step, or has lasted for 2 s, with the frame at which it was largest.
        """
        frame = step.observation.frame
        if frame.sim_s < self._last_s:
            self._recent.clear()
            self._stretch = None
        self._last_s = frame.sim_s
        commands = _commands(step.decision)
        if commands is None:
            return None, self._ended()
        difference = commands[1] - commands[0]
        self._recent.append((frame.sim_s, abs(difference)))
        while self._recent[0][0] <= frame.sim_s - WINDOW_S + TINY_S:
            self._recent.popleft()
        event = self._watch(frame.frame_id, frame.sim_s, difference)
        return Comparison(difference, self._alike(step.decision)), event

    @property
    def numbers(self) -> Numbers:
        """Of the last 20 s."""
        if not self._recent:
            return Numbers(bookmarks=self._bookmarks)
        values = np.array([value for _, value in self._recent])
        above = float(np.mean(values > self._limit))
        return Numbers(float(values.mean()), above, self._bookmarks)

    def _watch(self, frame_id: int, sim_s: float, difference: float) -> Event | None:
        """Follow a stretch of disagreement; return it when it ends or has lasted."""
        if abs(difference) <= self._limit:
            return self._ended()
        if self._stretch is None:
            self._stretch = _Stretch(sim_s, sim_s, frame_id, difference)
        stretch = self._stretch
        stretch.last_s = sim_s
        if abs(difference) > abs(stretch.peak):
            stretch.frame_id, stretch.peak = frame_id, difference
        if sim_s - stretch.since_s >= SOON_S - TINY_S:
            return self._tell(stretch)
        return None

    def _ended(self) -> Event | None:
        stretch, self._stretch = self._stretch, None
        if stretch is None or stretch.last_s - stretch.since_s < self._seconds - TINY_S:
            return None
        return self._tell(stretch)

    def _tell(self, stretch: _Stretch) -> Event | None:
        """Return the event, once."""
        if stretch.told:
            return None
        stretch.told = True
        self._bookmarks += 1
        apart = abs(stretch.peak)
        by = f"{apart:.3f}" if self._lock_deg is None else f"{apart * self._lock_deg:.1f}°"
        side = "right" if stretch.peak > 0 else "left"
        text = f"D{self._bookmarks}: B steers {by} further {side} than A"
        return Event(EventKind.NETWORKS, stretch.frame_id, text)

    def _alike(self, decision: Decision) -> float | None:
        """Return the correlation of the two maps of one frame; None without two."""
        own, shadow = decision.explanation, decision.shadow
        other = None if shadow is None else shadow.explanation
        if shadow is None or own is None or other is None or own.frame_id != other.frame_id:
            return None
        if self._views is None:
            return None
        view, other_view = self._views if shadow.letter == "B" else self._views[::-1]
        return alike(own, view, other, other_view)


@dataclass(slots=True)
class _Stretch:
    """Frames in a row in which the two disagree."""

    since_s: float
    last_s: float
    frame_id: int
    peak: float
    told: bool = False


def _commands(decision: Decision) -> tuple[float, float] | None:
    """Return A's and B's command."""
    own, shadow = decision.network_steering, decision.shadow
    if shadow is None or shadow.command is None or own is None:
        return None
    return (own, shadow.command) if shadow.letter == "B" else (shadow.command, own)


# ------------------------------------------------------------------ maps


def alike(one: Explanation, view: View, other: Explanation, other_view: View) -> float | None:
    """Return the correlation (Pearson) of two maps of one camera picture, where both look.

    Maps of the same pixels are compared as they are; others as the means in square cells, 160
    beside each other, of the part of the picture that both cover.

    Returns:
        -1 to 1; None where the maps have no part in common, or one of them is flat there.
    """
    own, its = one.attribution, other.attribution
    area, other_area = _covers(one, view), _covers(other, other_view)
    if (area, own.shape) != (other_area, its.shape):
        part = _shared(area, other_area, view.area, other_view.area)
        if part[1] <= part[0] or part[3] <= part[2]:
            return None
        own, its = on_camera(own, area, part), on_camera(its, other_area, part)
    return _correlation(own, its)


def on_camera(values: Array, area: Place, part: Place) -> Array:
    """Return a map's means in square cells of a part of the camera's picture, 160 cells wide.

    Args:
        values: The map, float32 (h, w).
        area: What it covers of the picture: top, bottom, left, right.
        part: Inside the area.

    Returns:
        float32 (rows, 160).
    """
    rows = max(1, round(COLUMNS * (part[1] - part[0]) / (part[3] - part[2])))
    down = _means(area[0], area[1], values.shape[0], part[0], part[1], rows)
    across = _means(area[2], area[3], values.shape[1], part[2], part[3], COLUMNS)
    return (down @ values @ across.T).astype(np.float32, copy=False)


@lru_cache(maxsize=64)
def _means(begin: float, end: float, cells: int, to: float, till: float, count: int) -> Array:
    """Return how much of each cell of one axis is in each cell of another, float32 (count, cells).

    Args:
        begin: Of the first cell.
        end: Of the last cell.
        cells: Between them.
        to: Begin of the first new cell.
        till: End of the last new cell.
        count: New cells.
    """
    edges = np.linspace(begin, end, cells + 1)
    wanted = np.linspace(to, till, count + 1)[:, None]
    shared = np.minimum(edges[1:], wanted[1:]) - np.maximum(edges[:-1], wanted[:-1])
    shared = np.maximum(shared, 0)
    means: Array = (shared / shared.sum(axis=1, keepdims=True)).astype(np.float32)
    return means


def _covers(explanation: Explanation, view: View) -> Place:
    """Return what a map covers of the camera's picture: top, bottom, left, right."""
    top, bottom, left, right = (float(v) for v in view.area)
    if explanation.place is None:
        return top, bottom, left, right
    rows, columns = (bottom - top) / view.grid[0], (right - left) / view.grid[1]
    place = explanation.place
    return (
        top + place[0] * rows,
        top + place[1] * rows,
        left + place[2] * columns,
        left + place[3] * columns,
    )


def _shared(*areas: Place) -> Place:
    """Return what is in all of these; its ends are out of order if that is nothing."""
    tops, bottoms, lefts, rights = zip(*areas, strict=True)
    return max(tops), min(bottoms), max(lefts), min(rights)


def _correlation(one: Array, other: Array) -> float | None:
    if is_flat(one) or is_flat(other):
        return None
    a, b = (np.ravel(values).astype(np.float64) for values in (one, other))
    a, b = a - a.mean(), b - b.mean()
    size = float(a @ a) * float(b @ b)
    return None if size == 0 else float(np.clip((a @ b) / math.sqrt(size), -1, 1))
