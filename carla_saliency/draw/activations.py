"""What a layer answers: its filters as grey pictures, or its units as bars, on one scale."""

from __future__ import annotations

import math

import cv2
import numpy as np

from carla_saliency.core import Array, Image, LayerInfo
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import Box, Pixels
from carla_saliency.draw.palette import HIGH, LINE, LOW, MID, PANEL
from carla_saliency.draw.text import SMALL
from carla_saliency.draw.words import plain

GAP = 4.0  # units between filters
NUMBER = 20.0  # units, of the row with the filters' numbers
LOWEST = 12.0  # units: filters of one row are drawn at least so high
MOST_COLUMNS = 24


def newest(values: Array) -> Array:
    """Return (rows, columns, filters) or (units,) of a layer's output, without the batch.

    Of a layer that has several frames, the newest is the one that is seen.
    """
    while values.ndim not in (1, 3):
        values = values[-1]
    return values


def describe(layer: LayerInfo, values: Array) -> tuple[str, ...]:
    """Return name, kind, size and range of a layer's output; variants, longest first."""
    values = newest(values)
    if values.ndim == 1:
        size = f"{len(values)} units"
    else:
        rows, columns, filters = values.shape
        size = f"{filters} filters of {columns}×{rows}"
    low, high = plain(float(values.min())), plain(float(values.max()))
    return (
        f"{layer.name} · {layer.kind} · {size} · {low} … {high}",
        f"{layer.name} · {size} · {low} … {high}",
        f"{layer.name} · {size}",
    )


def grey(values: Array) -> Image:
    """Return values as grey: the smallest of all is black, the largest white; flat is black."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    shades: Image = ((values - low) * (255 / (high - low))).round().astype(np.uint8)
    return shades


# ------------------------------------------------------------------ filters


def columns_to_fit(shape: tuple[int, int], count: int, box: Box) -> int:
    """Return in how many columns filters of (rows, columns) are largest in a box."""

    def enlarged(across: int) -> float:
        down = math.ceil(count / across)
        wide = (box.w - GAP * (across - 1)) / across
        high = (box.h - GAP * (down - 1)) / down
        return min(wide / shape[1], high / shape[0])

    return max(range(1, count + 1), key=enlarged)


def mosaic(canvas: Canvas, box: Box, values: Array) -> None:
    """Draw all filters (rows, columns, filters) side by side, as large as they fit into a box."""
    rows, columns, count = values.shape
    across = columns_to_fit((rows, columns), count, box)
    down = math.ceil(count / across)
    wide = (box.w - GAP * (across - 1)) / across
    high = (box.h - GAP * (down - 1)) / down
    k = min(wide / columns, high / rows)
    w, h = columns * k, min(high, max(rows * k, LOWEST))
    left = box.x + (box.w - across * w - (across - 1) * GAP) / 2
    top = box.y + (box.h - down * h - (down - 1) * GAP) / 2
    shades = grey(values)
    for i in range(count):
        place = Box(left + i % across * (w + GAP), top + i // across * (h + GAP), w, h)
        paste(canvas, canvas.layout.pixels(place), shades[..., i])


def numbered_columns(shape: tuple[int, int], count: int, width: float) -> int:
    """Return in how many columns all filters of a layer are drawn on a sheet of their own."""
    for across in (4, 6, 8, 12, 16):
        high = filter_height(shape, (width - GAP * (across - 1)) / across) + NUMBER + GAP
        if across >= count or math.ceil(count / across) * high <= 800:
            return across
    return MOST_COLUMNS


def filter_height(shape: tuple[int, int], width: float) -> float:
    """Return how high a filter of (rows, columns) is at this width."""
    return max(LOWEST, width * shape[0] / shape[1])


def numbered_height(shape: tuple[int, int], count: int, width: float) -> float:
    """Return how high `numbered` draws."""
    across = numbered_columns(shape, count, width)
    each = filter_height(shape, (width - GAP * (across - 1)) / across) + NUMBER + GAP
    return math.ceil(count / across) * each


def numbered(canvas: Canvas, box: Box, values: Array) -> None:
    """Draw all filters (rows, columns, filters) with their numbers, from a box's top."""
    rows, columns, count = values.shape
    across = numbered_columns((rows, columns), count, box.w)
    w = (box.w - GAP * (across - 1)) / across
    h = filter_height((rows, columns), w)
    shades = grey(values)
    for i in range(count):
        x, y = box.x + i % across * (w + GAP), box.y + i // across * (h + NUMBER + GAP)
        canvas.text(Box(x, y, w, NUMBER), str(i), LOW)
        paste(canvas, canvas.layout.pixels(Box(x, y + NUMBER, w, h)), shades[..., i])


def paste(canvas: Canvas, place: Pixels, shades: Image) -> None:
    """Draw one filter: its cells as they are, unless there are more of them than pixels."""
    rows, columns = shades.shape
    smaller = place.w < columns or place.h < rows
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST_EXACT
    large = cv2.resize(np.ascontiguousarray(shades), (place.w, place.h), interpolation=how)
    canvas.view(place)[...] = large[..., None]


# ------------------------------------------------------------------ units


def bars(canvas: Canvas, box: Box, values: Array) -> None:
    """Draw the units of a layer as bars from zero, with the numbers of some below."""
    canvas.fill(box, PANEL)
    plot = Box(box.x + 8, box.y + 8, box.w - 16, box.h - 16 - NUMBER)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0
    zero = plot.y + plot.h * high / span
    step = min(48.0, plot.w / len(values))
    width = max(step * 0.7, 1 / canvas.layout.k)
    left = plot.x + (plot.w - step * len(values)) / 2
    for i, each in enumerate(values.tolist()):
        y = plot.y + plot.h * (high - each) / span
        top, bottom = min(y, zero), max(y, zero)
        if bottom > top:
            canvas.fill(Box(left + step * i + (step - width) / 2, top, width, bottom - top), MID)
    canvas.horizontal(zero, plot.x, plot.right, LOW)
    apart = max(40.0, canvas.width(str(len(values))) + 10)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if n * step >= apart)
    for i in range(0, len(values), every):
        w = canvas.width(str(i)) + 1
        canvas.text(Box(left + step * (i + 0.5) - w / 2, plot.bottom + 4, w, NUMBER), str(i), LOW)


# ------------------------------------------------------------------ scale


def ruler(canvas: Canvas, row: Box, values: Array) -> None:
    """Draw a grey bar in a row 36 high, with the numbers of black, white and, if inside, zero."""
    low, high = float(values.min()), float(values.max())
    bar = Box(row.x, row.y, row.w, 12)
    view = canvas.view(bar)
    view[...] = np.linspace(0, 255, view.shape[1]).round().astype(np.uint8)[None, :, None]
    canvas.outline(bar, LINE)
    slot = Box(row.x, row.y + 15, row.w, 20)
    ends = plain(low), plain(high)
    canvas.text(slot, ends[0], HIGH)
    canvas.text(slot, ends[1], HIGH, align="right")
    if low < 0 < high:
        x = row.x + row.w * -low / (high - low)
        free = x - 6 - canvas.width(ends[0], SMALL) > row.x + 6
        free = free and x + 6 + canvas.width(ends[1], SMALL) < row.right - 6
        canvas.vertical(x, bar.y, bar.bottom + 4, MID)
        if free:
            canvas.text(Box(x - 10, slot.y, 20, 20), "0", MID, align="centre")
