"""The last 20 seconds: steering, place in the lane, speed, and what happened."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import SECONDS, Field, Flag, History, Numbers
from carla_saliency.draw.layout import STRIP_A, STRIP_B, STRIP_OFFSET, STRIP_SPEED, Box
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
    OTHER,
    PANEL,
    ROOM,
    WARNING,
    Colour,
)
from carla_saliency.draw.text import SMALL

Mode = Literal["classes", "lane", "compare", "inspect"]  # what strip B holds
DASH_S, GAP_S = 0.30, 0.20
OFFSET_RANGE_M = 1.5
FLAG_HEIGHT = 19
FLAG = SMALL  # style of its words


def base(canvas: Canvas, mode: Mode) -> None:
    """Draw what rarely changes: panels and grid."""
    lower = {"lane": (STRIP_OFFSET, STRIP_SPEED), "inspect": ()}.get(mode, (STRIP_B,))
    for strip in (STRIP_A, *lower):
        canvas.fill(strip, PANEL)
        for quarter in (1, 2, 3):
            x = strip.x + strip.w * quarter / 4
            canvas.vertical(x, strip.y, strip.bottom, GRID)
    for strip in (STRIP_A, STRIP_OFFSET) if mode == "lane" else (STRIP_A,):
        canvas.horizontal(strip.y + strip.h / 2, strip.x, strip.right, GRID)


def steering(canvas: Canvas, history: History, limit: float, mode: Mode = "lane") -> None:
    """Draw the steering of the network (solid), the expert and network B (dashed), right upwards.

    Args:
        canvas: Is drawn on.
        history: What to draw.
        limit: Value at the top of the strip.
        mode: Of the lower strip: where two networks are compared, the expert is left out.
    """
    plot = Plot(canvas, STRIP_A, history, -limit, limit)
    others = history.column(Field.NOT_NETWORK) > 0
    for start, stop in runs(others):
        plot.shade(start, stop)
    canvas.horizontal(STRIP_A.y + STRIP_A.h / 2, STRIP_A.x, STRIP_A.right, LINE)
    plot.line(Field.BY_HAND, LOW)
    if mode != "compare":
        plot.line(Field.EXPERT, MID, dashed=True)
    plot.line(Field.NETWORK, HIGH, thick=True)
    plot.line(Field.OTHER, OTHER, thick=True, dashed=True)


def lane_offset(canvas: Canvas, history: History, limit_m: float) -> None:
    """Draw the place in the lane (right upwards), the room for the car, and the limits."""
    plot = Plot(canvas, STRIP_OFFSET, history, -OFFSET_RANGE_M, OFFSET_RANGE_M)
    plot.band(Field.ROOM_M, ROOM)
    canvas.horizontal(STRIP_OFFSET.y + STRIP_OFFSET.h / 2, STRIP_OFFSET.x, STRIP_OFFSET.right, LINE)
    for side in (-1, 1):
        plot.level(side * limit_m, LOW)
    plot.line(Field.OFFSET_M, HIGH, thick=True)


def speed(canvas: Canvas, history: History, top_kmh: float) -> None:
    """Draw the speed as a filled curve."""
    plot = Plot(canvas, STRIP_SPEED, history, 0.0, top_kmh)
    plot.area(Field.SPEED_KMH, AREA)
    plot.line(Field.SPEED_KMH, MID)


def flags(canvas: Canvas, history: History, mode: Mode = "lane") -> None:
    """Draw what happened, as upright lines through the strips with a word at the top."""
    now = history.now_s
    bottom = STRIP_A.bottom if mode == "inspect" else STRIP_B.bottom
    shown: list[tuple[Flag, float, Colour]] = []
    for flag in history.flags:
        x = STRIP_A.right - (now - flag.sim_s) * STRIP_A.w / SECONDS
        if x < STRIP_A.x:
            continue
        colour = {"warning": WARNING, "failure": FAILURE, "high": HIGH}.get(flag.tone, MID)
        shown.append((flag, min(x, STRIP_A.right - 1), colour))
    for _, x, colour in shown:
        if mode == "classes":  # some of the classes are as light as the line
            canvas.vertical(x, STRIP_B.y, bottom, ON_BADGE, 3)
        canvas.vertical(x, STRIP_A.y, bottom, colour)
    for flag, x, colour in shown:  # no line runs through a word
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


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (first, last + 1) of each run of True."""
    if not len(mask):
        return []
    edges: list[int] = (np.flatnonzero(mask[1:] != mask[:-1]) + 1).tolist()
    edges = [0, *edges] if mask[0] else edges
    edges = [*edges, len(mask)] if mask[-1] else edges
    return list(zip(edges[::2], edges[1::2], strict=True))


class Plot:
    """Curves in one strip; the newest sample is at its right edge."""

    SHIFT = 4  # OpenCV's fixed point: curves move by fractions of a pixel, without a tremble

    def __init__(
        self, canvas: Canvas, strip: Box, history: History, low: float, high: float
    ) -> None:
        self._view, self._surface = canvas.view(strip), canvas.surface
        self._place = canvas.pens.pixels(strip)
        self._history = history
        self._low, self._high = low, high
        self._height, width = self._view.shape[:2]
        age = history.now_s - history.column(Field.TIME_S)
        self._x = (width - 1) * (1 - age / SECONDS)
        self._time = history.column(Field.TIME_S)

    def _y(self, values: Numbers) -> Numbers:
        unit = (values - self._low) / (self._high - self._low)
        rows: Numbers = (self._height - 1) * (1 - np.minimum(np.maximum(unit, 0.0), 1.0))
        return rows

    def _points(self, x: Numbers, y: Numbers) -> NDArray[np.int32]:
        both = np.empty((len(x), 2))
        both[:, 0], both[:, 1] = x, y
        both *= 1 << self.SHIFT
        return np.rint(both, out=both).astype(np.int32)

    def line(
        self, field: Field, colour: Colour, *, thick: bool = False, dashed: bool = False
    ) -> None:
        """Draw a curve; with gaps where it is not known."""
        values = self._history.column(field)
        there = np.isfinite(values)
        if not there.any():
            return
        if dashed:  # by time, so that dashes travel with the curve
            there &= np.mod(self._time + 1e-6, DASH_S + GAP_S) < DASH_S
        points = self._points(self._x, self._y(np.where(there, values, 0.0)))
        pieces = [points[a:b] for a, b in runs(there)]
        if thick:  # twice thin: OpenCV's thick lines are filled polygons, ten times slower
            lower = points + np.array([0, 1 << self.SHIFT - 1], np.int32)
            pieces += [lower[a:b] for a, b in runs(there)]
        cv2.polylines(self._view, pieces, False, colour, 1, cv2.LINE_AA, self.SHIFT)

    def band(self, field: Field, colour: Colour) -> None:
        """Fill between a curve and its mirror image."""
        values = self._history.column(field)
        top = self._points(self._x, self._y(values := np.nan_to_num(values, nan=-1.0)))
        bottom = self._points(self._x, self._y(-values))
        for a, b in runs(values > 0):
            outline = np.concatenate([top[a:b], bottom[a:b][::-1]])
            cv2.fillPoly(self._view, [outline], colour, cv2.LINE_8, self.SHIFT)

    def area(self, field: Field, colour: Colour, beyond: float = 0.0) -> None:
        """Fill between a curve and zero (or the bottom), where it is at least so far from zero."""
        values = np.nan_to_num(self._history.column(field))
        there = np.isfinite(self._history.column(field)) & (np.abs(values) >= beyond)
        points = self._points(self._x, self._y(values))
        zero = (self._height << self.SHIFT) if self._low >= 0 else self._level_px(0.0)
        for a, b in runs(there):
            ends = np.array([[points[b - 1, 0], zero], [points[a, 0], zero]], np.int32)
            outline = np.concatenate([points[a:b], ends])
            cv2.fillPoly(self._view, [outline], colour, cv2.LINE_8, self.SHIFT)

    def _level_px(self, value: float) -> int:
        return round(float(self._y(np.array([value]))[0]) * (1 << self.SHIFT))

    def shade(self, start: int, stop: int) -> None:
        """Darken the samples from one to before another."""
        left, right = int(self._x[start]), int(self._x[stop - 1]) + 1
        left, p = max(0, left), self._place
        self._surface.fill(GRID, (p.x + left, p.y, min(right, p.w) - left, p.h))

    def level(self, value: float, colour: Colour) -> None:
        """Draw a dashed line at a value."""
        y = round(float(self._y(np.array([value]))[0]))
        columns = np.arange(self._view.shape[1])
        self._view[y, columns // 8 % 2 == 0] = colour
