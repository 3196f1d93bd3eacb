"""Attention by class: where the map lies, over the last 20 s, and what if a class were not there.

The share says where the map is, the change of the steering says whether the class matters: a share
can look right with random weights, the change can't.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import ClassEffects, ClassShares, Image
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import SECONDS, Field, History
from carla_saliency.draw.layout import LEGEND_B, LEGEND_NOTE, STRIP_B, Box
from carla_saliency.draw.palette import (
    BACKGROUND,
    CLASSES,
    HIGH,
    LEFT,
    LOW,
    MID,
    ON_BADGE,
    PANEL,
    RIGHT,
    Colour,
)
from carla_saliency.draw.words import NONE, Degrees, signed

NAMES = (
    ("lines", ""),
    ("road", ""),
    ("sidewalk", "walk", ""),
    ("wall, fence", "walls", "wall", ""),
    ("vegetation", "plants", "veg", ""),
    ("building, other", "building", "bldg", ""),
    ("vehicle", "cars", "car", ""),
    ("sky", ""),
)  # of `core.GROUPS`; where a small window has no room, the colour alone says it
NOTICEABLE_DEG = 0.05
DASH = 6  # pixels
_COLUMNS, _ROWS = 2, 4
_COLUMN_GAP, _SWATCH = 6.0, 8.0
_SEPARATOR, _GAP = len(CLASSES), len(CLASSES) + 1


def _colour_table() -> Image:
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(CLASSES) + 2, 0] = (*CLASSES, ON_BADGE, PANEL)
    return table


_TABLE = _colour_table()


# ------------------------------------------------------------------ the strip


def strip(canvas: Canvas, history: History) -> None:
    """Draw the shares of the last 20 s, stacked bottom up; gaps where there are none."""
    view = canvas.view(STRIP_B)
    height, width = view.shape[:2]
    shares = history.shares
    known = np.isfinite(shares[:, 0])
    if not known.any():
        return
    age = history.now_s - history.column(Field.TIME_S)
    columns = (width - 1) * (1 - age / SECONDS)
    first = max(0, round(float(columns[0])))
    nearest = np.searchsorted(columns, np.arange(first, width) - 0.5)
    index = _stacked(shares, height)[:, np.minimum(nearest, len(columns) - 1)]
    shown = known[np.minimum(nearest, len(columns) - 1)]
    coloured = cv2.applyColorMap(np.ascontiguousarray(index), _TABLE)
    if shown.all():
        view[:, first:] = coloured
    else:  # the grid stays in the gaps
        np.copyto(view[:, first:], coloured, where=shown[None, :, None])


def _stacked(shares: NDArray[np.float64], height: int) -> Image:
    """Return which class each pixel belongs to, uint8 (height, samples).

    Rows are compared with the places of the borders, all samples at once and in bytes: a polygon
    per class takes ten times as long.
    """
    tops = np.cumsum(np.nan_to_num(shares), axis=1)
    borders = (tops[:, :-1] * height).round().astype(np.int16)  # rows from the bottom
    rows = np.arange(height - 1, -1, -1, dtype=np.int16)[:, None]
    index = np.zeros((height, len(shares)), np.uint8)
    for border in borders.T:
        index += rows >= border
    changes = index[1:] != index[:-1]
    index[1:][changes] = _SEPARATOR
    return index


def usual(canvas: Canvas, on_road: float) -> None:
    """Draw how much of the attention is on road and lines in a nominal drive."""
    view = canvas.view(STRIP_B)
    height, width = view.shape[:2]
    y = min(height - 1, max(0, round(height * (1 - on_road))))
    dark = np.arange(width) // DASH % 2 == 0
    view[y, dark], view[y, ~dark] = ON_BADGE, HIGH  # the one or the other is seen on any class
    text = f"usual road + lines {on_road * 100:.0f} %"
    box_height, line = 20.0, STRIP_B.y + STRIP_B.h * (1 - on_road)
    below = line + 5 + box_height <= STRIP_B.bottom
    top = line + 5 if below else line - 5 - box_height
    box = Box(STRIP_B.x + 6, top, canvas.width(text) + 12, box_height)
    canvas.plate(box, BACKGROUND)
    canvas.text(box, text, HIGH, align="centre")


def none(canvas: Canvas, why: str) -> None:
    """Say why there is no attention by class."""
    canvas.text(Box(STRIP_B.x + 12, STRIP_B.y, STRIP_B.w - 24, STRIP_B.h), why, MID, align="centre")


# ------------------------------------------------------------------ the legend


def legend(
    canvas: Canvas, shares: ClassShares | None, effects: ClassEffects | None, degrees: Degrees
) -> None:
    """Draw the classes with the share of now, and how the steering would change without each.

    Args:
        canvas: Is drawn on.
        shares: Of the shown frame; None if not known.
        effects: Of a class that is painted over; None leaves the names more room.
        degrees: Of the network's steering.
    """
    width = (LEGEND_B.w - _COLUMN_GAP) / _COLUMNS
    for i, names in enumerate(NAMES):
        column, row = i // _ROWS, i % _ROWS
        x = LEGEND_B.x + column * (width + _COLUMN_GAP)
        y = LEGEND_B.y + 11 + 22 * (_ROWS - 1 - row)  # bottom up, as they are stacked
        canvas.fill(Box(x, y - 6, _SWATCH, 12), CLASSES[i])
        right = x + width
        if effects is not None:
            right = _effect(canvas, right, y, i, effects, degrees)
        percent = NONE if shares is None else f"{shares.share[i] * 100:.0f}"
        slot = max(canvas.width("88"), canvas.width(percent)) + 1
        canvas.text(Box(right - slot, y - 8, slot, 16), percent, HIGH, align="right")
        left = x + _SWATCH + 3
        canvas.text(Box(left, y - 8, right - slot - 2 - left, 16), names, MID)
    _note(canvas, effects, degrees)


def _effect(
    canvas: Canvas, right: float, y: float, group: int, effects: ClassEffects, degrees: Degrees
) -> float:
    """Draw the change without a class, at the right; return where its slot begins."""
    slot = canvas.width(_short(-1.0 if degrees.car is None else -9.9, degrees)) + 1
    change = degrees.of_network(float(effects.change[group]))
    floor = abs(degrees.of_network(float(effects.floor[group])))
    text = NONE if np.isnan(change) else _short(change, degrees)
    canvas.text(
        Box(right - slot, y - 8, slot, 16), text, _side(change, floor, degrees), align="right"
    )
    return right - slot - 4


def _side(change: float, floor: float, degrees: Degrees) -> Colour:
    """Return the colour of a change: of its side, or grey where plain road does as much."""
    least = NOTICEABLE_DEG if degrees.car is not None else NOTICEABLE_DEG / degrees.network
    if np.isnan(change) or abs(change) <= max(least, 0.0 if np.isnan(floor) else floor):
        return LOW
    return LEFT if change < 0 else RIGHT


def _short(value: float, degrees: Degrees) -> str:
    """Return a change in three digits at most: there is room for no more."""
    if degrees.car is None:
        return signed(value, 2).replace("0.", ".", 1)
    return signed(value, 0 if abs(value) >= 9.95 else 1)


def _note(canvas: Canvas, effects: ClassEffects | None, degrees: Degrees) -> None:
    """Say what the numbers of the legend are."""
    if effects is None:
        canvas.text(LEGEND_NOTE, ("% of the map's sum", "% of the map"), LOW)
        return
    unit = "steering" if degrees.car is None else "°"
    known = effects.floor[np.isfinite(effects.floor)]
    floor = abs(degrees.of_network(float(known.max()))) if known.size else None
    end = "" if floor is None else f" · floor {floor:.{2 if degrees.car is None else 1}f}"
    end += degrees.suffix if floor is not None else ""
    variants = (
        f"% of map · {unit} if not there{end}",
        f"% · {unit} if not there{end}",
        f"% · {unit} if gone{end}",
        f"% · {unit} if gone",
    )
    canvas.text(LEGEND_NOTE, variants, LOW)
