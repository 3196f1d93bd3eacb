"""Attention by class: where the map lies, over the last 20 s, and what if a class were not there.

The share says where the map is, the change of the steering says whether the class matters: a share
can look right with random weights, the change can't.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import ClassEffects, ClassShares, Image
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import SECONDS, Field, History, Numbers
from carla_saliency.draw.layout import LEGEND_B, LEGEND_NOTE, STRIP_B, Box
from carla_saliency.draw.palette import (
    BACKGROUND,
    CLASSES,
    HIGH,
    LEFT,
    LOW,
    MID,
    ON_BADGE,
    RIGHT,
    Colour,
)
from carla_saliency.draw.traces import runs
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
_COLUMN_GAP = 6.0


def _colour_table() -> Image:
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(CLASSES), 0] = CLASSES
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
    x = (width - 1) * (1 - (history.now_s - history.column(Field.TIME_S)) / SECONDS)
    tops = np.cumsum(np.nan_to_num(shares[:, :-1]), axis=1)
    borders = height * (1 - tops)  # rows, of each border between two classes
    first = max(0, round(float(x[0])))
    columns = np.arange(first, width)
    nearest = np.minimum(np.searchsorted(x, columns - 0.5), len(x) - 1)
    index, shown, target = _stacked(borders, nearest, height), known[nearest], view[:, first:]
    if shown.all():
        cv2.applyColorMap(index, _TABLE, dst=target)
    else:  # the grid stays in the gaps
        np.copyto(target, cv2.applyColorMap(index, _TABLE), where=shown[None, :, None])
    _separate(view, x, borders, known)


def _stacked(borders: Numbers, samples: NDArray[np.intp], height: int) -> Image:
    """Return which class each pixel belongs to, uint8 (height, columns).

    Rows are compared with the borders in bytes, once for each sample: much faster than a polygon
    for each class.

    Args:
        borders: Rows, (samples, 7), from the top.
        samples: Which of them each column shows.
        height: Of the strip.
    """
    rows = np.arange(height, dtype=np.int16)
    index = np.zeros((len(borders), height), np.uint8)  # upright columns lie level: quickly copied
    above = np.empty(index.shape, np.bool_)
    for border in np.ascontiguousarray(borders.round().astype(np.int16).T):
        np.less(rows, border[:, None], out=above)
        np.add(index, above.view(np.uint8), out=index)
    return cv2.transpose(np.take(index, samples, axis=0)).astype(np.uint8, copy=False)


def _separate(view: Image, x: Numbers, borders: Numbers, known: NDArray[np.bool_]) -> None:
    """Draw a dark line between each two classes: some pairs are alike for some eyes."""
    points = np.empty((borders.shape[1], len(x), 2))
    points[..., 0], points[..., 1] = x, borders.T
    points *= 16
    fixed, pieces_of = np.rint(points, out=points).astype(np.int32), runs(known)
    pieces = [line[a:b] for line in fixed for a, b in pieces_of]
    cv2.polylines(view, pieces, False, ON_BADGE, 1, cv2.LINE_8, 4)


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
    canvas.text(box, text, HIGH, align="centre", on=BACKGROUND)


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
    second = None
    if effects is not None:
        second = [_effect(i, effects, degrees) for i in range(len(NAMES))]
    _rows(canvas, shares, second, _short(-1.0 if degrees.car is None else -9.9, degrees))
    _note(canvas, effects, degrees)


def lifts(canvas: Canvas, shares: ClassShares | None) -> None:
    """Draw the classes with their share of now, and how many times as much that is as their area.

    Args:
        canvas: Is drawn on.
        shares: Of the shown frame; None if not known.
    """
    lift = np.full(len(NAMES), np.nan) if shares is None else shares.lift
    texts = [NONE if math.isnan(x) else f"×{x:.1f}" if x < 9.95 else f"×{x:.0f}" for x in lift]
    colours = [HIGH if x > 1 else LOW for x in lift]
    _rows(canvas, shares, list(zip(texts, colours, strict=True)), "×9.9")
    canvas.text(LEGEND_NOTE, ("% of map · × its share of the area", "% of map · × area"), LOW)


def _rows(
    canvas: Canvas,
    shares: ClassShares | None,
    second: list[tuple[str, Colour]] | None,
    widest: str,
) -> None:
    """Draw names and shares, and a second column of numbers with colours."""
    width = (LEGEND_B.w - _COLUMN_GAP) / _COLUMNS
    swatch, gap = (8, 3) if second is not None else (12, 5)
    slots = canvas.width("88") + 1, canvas.width(widest) + 1
    for i, names in enumerate(NAMES):
        x = LEGEND_B.x + i // _ROWS * (width + _COLUMN_GAP)
        y = LEGEND_B.y + 3 + 22 * (_ROWS - 1 - i % _ROWS)  # bottom up, as they are stacked
        canvas.fill(Box(x, y + 2, swatch, 12), CLASSES[i])
        right = x + width
        if second is not None:
            box = Box(right - slots[1], y, slots[1], 16)
            canvas.text(box, second[i][0], second[i][1], align="right", on=BACKGROUND)
            right -= slots[1] + 4
        percent = NONE if shares is None else f"{shares.share[i] * 100:.0f}"
        slot = slots[0] if len(percent) < 3 else canvas.width(percent) + 1
        canvas.text(Box(right - slot, y, slot, 16), percent, HIGH, align="right", on=BACKGROUND)
        left = x + swatch + gap
        canvas.text(Box(left, y, right - slot - 2 - left, 16), names, MID, on=BACKGROUND)


def _effect(group: int, effects: ClassEffects, degrees: Degrees) -> tuple[str, Colour]:
    """Return the change without a class, and its colour."""
    change = degrees.of_network(float(effects.change[group]))
    floor = abs(degrees.of_network(float(effects.floor[group])))
    text = NONE if math.isnan(change) else _short(change, degrees)
    return text, _side(change, floor, degrees)


def _side(change: float, floor: float, degrees: Degrees) -> Colour:
    """Return the colour of a change: of its side, or grey where plain road does as much."""
    least = NOTICEABLE_DEG if degrees.car is not None else NOTICEABLE_DEG / degrees.network
    if math.isnan(change) or abs(change) <= max(least, 0.0 if math.isnan(floor) else floor):
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
    canvas.text(LEGEND_NOTE, variants, LOW, on=BACKGROUND)
