"""The last 20 seconds: steering, place in the lane, speed, and what happened."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import STRIP_A, STRIP_OFFSET, STRIP_SPEED, Box
from carla_saliency.draw.palette import (
    AREA,
    BACKGROUND,
    FAILURE,
    GRID,
    HIGH,
    LINE,
    LOW,
    MID,
    ON_BADGE,
    PANEL,
    ROOM,
    WARNING,
    Colour,
)
from carla_saliency.draw.state import Tone
from carla_saliency.draw.text import SMALL

SECONDS = 20.0
DASH_S, GAP_S = 0.30, 0.20
OFFSET_RANGE_M = 1.5
FLAG_HEIGHT, FLAG_ROWS = 19, 3
FLAG = SMALL  # style of its words

Numbers = NDArray[np.float64]


class Field(IntEnum):
    """The columns of the history; steering in the unit of the strip."""

    TIME_S = 0
    NETWORK = 1
    EXPERT = 2
    BY_HAND = 3
    OFFSET_M = 4
    ROOM_M = 5
    SPEED_KMH = 6
    NOT_NETWORK = 7


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened, on the strips.

    Attributes:
        sim_s: When.
        text: One or two words.
        tone: Its colour.
        row: In which of the rows its words are; None: only its line.
        width: Of its box, in units.
    """

    sim_s: float
    text: str
    tone: Tone
    row: int | None
    width: float


class History:
    """What the strips show, of the last 20 simulated seconds.

    Args:
        tick_s: Simulated seconds between samples.
    """

    def __init__(self, tick_s: float) -> None:
        self._length = int(SECONDS / tick_s) + 2
        self._rows = np.full((2 * self._length, len(Field)), np.nan)
        self._count = 0
        self.flags: deque[Flag] = deque()

    def add(self, sim_s: float, values: dict[Field, float]) -> None:
        """Add one sample; a field that is left out has a gap. Time that goes back clears all."""
        if self._count and sim_s < self._rows[self._count - 1, Field.TIME_S]:
            self._count = 0
            self.flags.clear()
        if self._count == len(self._rows):  # copied down once in 20 s: the window stays contiguous
            self._rows[: self._length] = self._rows[-self._length :]
            self._count = self._length
        row = self._rows[self._count]
        row[:] = np.nan
        row[Field.TIME_S] = sim_s
        for field, value in values.items():
            row[field] = value
        self._count += 1
        while self.flags and self.flags[0].sim_s < sim_s - SECONDS:
            self.flags.popleft()

    def flag(self, text: str, tone: Tone, width: float) -> None:
        """Add a flag at the newest sample.

        Its row is chosen now and kept, so that no flag jumps while it moves to the left.
        """
        now = self.now_s
        row: int | None = None
        for candidate in range(FLAG_ROWS):
            last = next((f for f in reversed(self.flags) if f.row == candidate), None)
            if last is None or (now - last.sim_s) * STRIP_A.w / SECONDS > last.width + width + 6:
                row = candidate
                break
        self.flags.append(Flag(now, text, tone, row, width))

    @property
    def now_s(self) -> float:
        """Return the time of the newest sample; 0 if there is none."""
        return float(self._rows[self._count - 1, Field.TIME_S]) if self._count else 0.0

    def column(self, field: Field) -> Numbers:
        """Return one field of the last 20 s, oldest first; NaN in gaps."""
        rows = self._rows[max(0, self._count - self._length) : self._count]
        return rows[:, field]

    def latest(self, field: Field) -> float | None:
        """Return the newest value of a field; None in a gap."""
        if not self._count:
            return None
        value = float(self._rows[self._count - 1, field])
        return None if np.isnan(value) else value


def base(canvas: Canvas) -> None:
    """Draw what never changes: panels and grid."""
    for strip in (STRIP_A, STRIP_OFFSET, STRIP_SPEED):
        p = canvas.layout.pixels(strip)
        canvas.fill(p, PANEL)
        for quarter in (1, 2, 3):
            x = strip.x + strip.w * quarter / 4
            canvas.vertical(x, strip.y, strip.bottom, GRID)
    for strip in (STRIP_A, STRIP_OFFSET):
        canvas.horizontal(strip.y + strip.h / 2, strip.x, strip.right, GRID)


def steering(canvas: Canvas, history: History, limit: float) -> None:
    """Draw the steering of the network (solid) and the expert (dashed), right upwards.

    Args:
        canvas: Is drawn on.
        history: What to draw.
        limit: Value at the top of the strip.
    """
    plot = _Plot(canvas, STRIP_A, history, -limit, limit)
    others = history.column(Field.NOT_NETWORK) > 0
    for start, stop in _runs(others):
        plot.shade(start, stop)
    canvas.horizontal(STRIP_A.y + STRIP_A.h / 2, STRIP_A.x, STRIP_A.right, LINE)
    plot.line(Field.BY_HAND, LOW)
    plot.line(Field.EXPERT, MID, dashed=True)
    plot.line(Field.NETWORK, HIGH, thick=True)


def lane_offset(canvas: Canvas, history: History, limit_m: float) -> None:
    """Draw the place in the lane (right upwards), the room for the car, and the limits."""
    plot = _Plot(canvas, STRIP_OFFSET, history, -OFFSET_RANGE_M, OFFSET_RANGE_M)
    plot.band(Field.ROOM_M, ROOM)
    canvas.horizontal(STRIP_OFFSET.y + STRIP_OFFSET.h / 2, STRIP_OFFSET.x, STRIP_OFFSET.right, LINE)
    for side in (-1, 1):
        plot.level(side * limit_m, LOW)
    plot.line(Field.OFFSET_M, HIGH, thick=True)


def speed(canvas: Canvas, history: History, top_kmh: float) -> None:
    """Draw the speed as a filled curve."""
    plot = _Plot(canvas, STRIP_SPEED, history, 0.0, top_kmh)
    plot.area(Field.SPEED_KMH, AREA)
    plot.line(Field.SPEED_KMH, MID)


def flags(canvas: Canvas, history: History) -> None:
    """Draw what happened, as upright lines through all strips with a word at the top."""
    now = history.now_s
    for flag in history.flags:
        x = STRIP_A.right - (now - flag.sim_s) * STRIP_A.w / SECONDS
        if x < STRIP_A.x:
            continue
        colour = {"warning": WARNING, "failure": FAILURE, "high": HIGH}.get(flag.tone, MID)
        x = min(x, STRIP_A.right - 1)
        canvas.vertical(x, STRIP_A.y, STRIP_SPEED.bottom, colour)
        if flag.row is not None:
            _flag_words(canvas, flag, x, colour)


def _flag_words(canvas: Canvas, flag: Flag, x: float, colour: Colour) -> None:
    left = x if x + flag.width <= STRIP_A.right else x - flag.width + 1
    if left < STRIP_A.x:
        return
    assert flag.row is not None
    box = Box(left, STRIP_A.y + flag.row * (FLAG_HEIGHT + 2), flag.width, FLAG_HEIGHT)
    if flag.tone in ("warning", "failure"):
        canvas.fill(box, colour)
        canvas.text(Box(left + 5, box.y, flag.width - 5, box.h), flag.text, ON_BADGE)
    else:
        canvas.fill(box, BACKGROUND)
        canvas.outline(box, colour)
        canvas.text(Box(left + 5, box.y, flag.width - 5, box.h), flag.text, colour)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, last + 1) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


class _Plot:
    """Curves in one strip; the newest sample is at its right edge."""

    SHIFT = 4  # OpenCV's fixed point: curves move by fractions of a pixel, without a tremble

    def __init__(
        self, canvas: Canvas, strip: Box, history: History, low: float, high: float
    ) -> None:
        self._view = canvas.view(strip)
        self._history = history
        self._low, self._high = low, high
        self._height, width = self._view.shape[:2]
        age = history.now_s - history.column(Field.TIME_S)
        self._x = (width - 1) * (1 - age / SECONDS)
        self._time = history.column(Field.TIME_S)

    def _y(self, values: Numbers) -> Numbers:
        unit = (values - self._low) / (self._high - self._low)
        rows: Numbers = (self._height - 1) * (1 - np.clip(unit, 0.0, 1.0))
        return rows

    def _points(self, x: Numbers, y: Numbers) -> NDArray[np.int32]:
        both = np.stack([x, y], axis=1) * (1 << self.SHIFT)
        return both.round().astype(np.int32)

    def line(
        self, field: Field, colour: Colour, *, thick: bool = False, dashed: bool = False
    ) -> None:
        values = self._history.column(field)
        there = np.isfinite(values)
        if not there.any():
            return
        if dashed:  # by time, so that dashes travel with the curve
            there &= np.mod(self._time + 1e-6, DASH_S + GAP_S) < DASH_S
        points = self._points(self._x, self._y(np.nan_to_num(values)))
        pieces = [points[a:b] for a, b in _runs(there)]
        cv2.polylines(self._view, pieces, False, colour, 1, cv2.LINE_AA, self.SHIFT)
        if thick:  # twice thin: OpenCV's thick lines are filled polygons, ten times slower
            lower = [piece + np.array([0, 1 << self.SHIFT - 1], np.int32) for piece in pieces]
            cv2.polylines(self._view, lower, False, colour, 1, cv2.LINE_AA, self.SHIFT)

    def band(self, field: Field, colour: Colour) -> None:
        values = self._history.column(field)
        top = self._points(self._x, self._y(values := np.nan_to_num(values, nan=-1.0)))
        bottom = self._points(self._x, self._y(-values))
        for a, b in _runs(values > 0):
            outline = np.concatenate([top[a:b], bottom[a:b][::-1]])
            cv2.fillPoly(self._view, [outline], colour, cv2.LINE_8, self.SHIFT)

    def area(self, field: Field, colour: Colour) -> None:
        values = self._history.column(field)
        points = self._points(self._x, self._y(np.nan_to_num(values)))
        floor = self._height << self.SHIFT
        for a, b in _runs(np.isfinite(values)):
            ends = np.array([[points[b - 1, 0], floor], [points[a, 0], floor]], np.int32)
            cv2.fillPoly(
                self._view, [np.concatenate([points[a:b], ends])], colour, cv2.LINE_8, self.SHIFT
            )

    def shade(self, start: int, stop: int) -> None:
        left, right = int(self._x[start]), int(self._x[stop - 1]) + 1
        self._view[:, max(0, left) : right] = GRID

    def level(self, value: float, colour: Colour) -> None:
        y = round(float(self._y(np.array([value]))[0]))
        columns = np.arange(self._view.shape[1])
        self._view[y, columns // 8 % 2 == 0] = colour
