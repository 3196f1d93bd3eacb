"""From raw attributions to colours on a grey picture: pure functions.

A map is turned into one byte per cell first (`signed_index`, `magnitude_index`); colours come from
a table afterwards, at the size of the screen. That is 17 times faster than blending in float, and
values are interpolated between left and right rather than colours.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Explanation, Image, Place
from carla_saliency.draw.palette import LEFT, RIGHT

DEAD_ZONE = 0.06  # weaker than this is not drawn: it would only be a veil
STRONGEST = 0.95  # the camera stays visible below the strongest colour
GAMMA = 0.75  # of opacity: weak pushes are raised a little
COARSE_PX = 8  # a map cell wider than this on the screen is drawn as the cell that it is


# ------------------------------------------------------------------ indices


def signed_index(attribution: Array, scale: float) -> Image:
    """Return one byte per cell: 128 is none, 1 full left, 255 full right.

    Args:
        attribution: (H, W), left negative.
        scale: The magnitude that becomes full; larger ones too. Of 0, all is none.
    """
    if not scale > 0:
        return np.full(attribution.shape, 128, np.uint8)
    index = attribution * np.float32(127 / scale)
    index += 128.5  # rounds, since the conversion below cuts off
    np.clip(index, 1, 255.5, out=index)
    return index.astype(np.uint8)


def magnitude_index(attribution: Array, scale: float) -> Image:
    """Return one byte per cell: 0 is none, 255 the scale or more; negative values are none.

    Args:
        attribution: (H, W).
        scale: The magnitude that becomes full. Of 0, all is none.
    """
    if not scale > 0:
        return np.zeros(attribution.shape, np.uint8)
    index = attribution * np.float32(255 / scale)
    index += 0.5
    np.clip(index, 0, 255.5, out=index)
    return index.astype(np.uint8)


def index_of(explanation: Explanation, scale: float) -> Image:
    """Return the map of an explanation as one byte per cell, as `table` wants it.

    Args:
        explanation: Its meaning says whether the map has a sign.
        scale: The magnitude that becomes full, in the map's own unit.
    """
    to_index = signed_index if explanation.meaning.signed else magnitude_index
    return to_index(explanation.attribution, scale)


# ------------------------------------------------------------------ tables


def alpha(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how opaque a magnitude in [0, 1] is drawn; nothing in the dead zone."""
    return np.where(magnitude < DEAD_ZONE, 0.0, STRONGEST * magnitude**GAMMA)


@lru_cache(maxsize=32)
def table(signed: bool, opacity: float = 1.0) -> tuple[Image, Image]:
    """Return the colours of all 256 indices, and how much of the picture below stays.

    Lightness rises with magnitude on both sides, so the map reads without colour vision as well.
    Maps without a sign get Inferno, never blue or orange. OpenCV has no diverging table.

    Args:
        signed: Which of the two kinds of index.
        opacity: Of the whole map, 0 to 1.

    Returns:
        Colours times their alpha, to be added, and 255 - alpha, to be multiplied with before;
        each (256, 1, 3) uint8.
    """
    steps = np.arange(256)
    if signed:
        magnitude = np.minimum(np.abs(steps - 128) / 127, 1.0)
        colours = np.where((steps < 128)[:, None], LEFT, RIGHT)
    else:
        magnitude = steps / 255
        brighter = (64 + magnitude * 191).round().astype(np.uint8)  # its dark end is no colour
        shades = cv2.applyColorMap(brighter.reshape(256, 1), cv2.COLORMAP_INFERNO)
        colours = shades.reshape(256, 3)[:, ::-1].astype(np.int64)
    a = alpha(magnitude)[:, None] * opacity
    colour = (colours * a).round().astype(np.uint8)
    keep = np.repeat(255 - (255 * a).round().astype(np.uint8), 3, axis=1)
    return colour.reshape(256, 1, 3), keep.reshape(256, 1, 3)


# ------------------------------------------------------------------ pictures

_DARKEST, _CONTRAST = 14, 0.40


def grey(picture: Image) -> Image:
    """Return a camera picture (H, W, 3) as dark grey (H, W): any colour on it is the map's."""
    light = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.convertScaleAbs(light, dst=light, alpha=_CONTRAST, beta=_DARKEST).astype(
        np.uint8, copy=False
    )


def enlarge(index: Image, size: tuple[int, int], coarse_px: float = COARSE_PX) -> Image:
    """Return an index map at (width, height) on the screen; a coarse one keeps its cells.

    A coarse map that is smoothed looks as if it knew more than it does.

    Args:
        index: The map.
        size: Wanted.
        coarse_px: Cells that are larger than this are drawn as they are.
    """
    height, width = index.shape
    how = cv2.INTER_LINEAR
    if max(size[0] / width, size[1] / height) > coarse_px:
        how = cv2.INTER_NEAREST_EXACT
    elif size[0] < width or size[1] < height:
        how = cv2.INTER_AREA  # else thin lines would be lost between the pixels
    return cv2.resize(index, size, interpolation=how).astype(np.uint8, copy=False)


def lay_over(
    target: Image,
    index: Image,
    tables: tuple[Image, Image],
    place: Place | None = None,
    coarse_px: float = COARSE_PX,
    grey: Image | None = None,
) -> None:
    """Lay a map over a picture, in place.

    Args:
        target: (H, W, 3), the very region that the network saw.
        index: The map, of any size.
        tables: From `table`.
        place: What the map covers of the target, in its pixels; what sticks out is cut off.
            None = all of it.
        coarse_px: Cells that are larger than this are drawn as they are.
        grey: (H, W), what is in the target if that has no colour: it takes half the time then.
    """
    if place is None:
        fine = enlarge(index, (target.shape[1], target.shape[0]), coarse_px)
    else:
        rows = _covered(place[0], place[1], target.shape[0])
        columns = _covered(place[2], place[3], target.shape[1])
        target, grey = target[rows, columns], None if grey is None else grey[rows, columns]
        if not target.size:
            return
        fine = _cut(index, place, (rows.start, columns.start), target.shape[:2], coarse_px)
    colour, keep = tables
    if grey is None:
        cv2.multiply(target, cv2.applyColorMap(fine, keep), dst=target, scale=1 / 255)
    else:  # keep is the same for red, green and blue
        kept = cv2.multiply(grey, cv2.LUT(fine, np.ascontiguousarray(keep[:, 0, 0])), scale=1 / 255)
        cv2.cvtColor(kept, cv2.COLOR_GRAY2RGB, dst=target)
    cv2.add(target, cv2.applyColorMap(fine, colour), dst=target)


def _covered(first: float, last: float, length: int) -> slice:
    """Return the pixels of a row or column whose middle lies between two places."""
    start = min(length, max(0, math.ceil(first - 0.5)))
    return slice(start, max(start, min(length, math.ceil(last - 0.5))))


def _cut(
    index: Image,
    place: Place,
    corner: tuple[int, int],
    shape: tuple[int, ...],
    coarse_px: float,
) -> Image:
    """Return what a map that lies at a place looks like in a window of (height, width) pixels.

    Args:
        index: The map.
        place: Where it lies.
        corner: Row and column of the window's first pixel, all inside the place.
        shape: Of the window.
        coarse_px: As in `lay_over`.
    """
    top, bottom, left, right = place
    cell_h, cell_w = (bottom - top) / index.shape[0], (right - left) / index.shape[1]
    first_y, first_x = (corner[0] + 0.5 - top) / cell_h, (corner[1] + 0.5 - left) / cell_w
    if max(cell_w, cell_h) > coarse_px:
        rows = (first_y + np.arange(shape[0]) / cell_h).astype(np.intp)
        columns = (first_x + np.arange(shape[1]) / cell_w).astype(np.intp)
        rows, columns = rows.clip(0, len(index) - 1), columns.clip(0, index.shape[1] - 1)
        cells: Image = index[rows[:, None], columns]
        return cells
    to_map = np.array([[1 / cell_w, 0, first_x - 0.5], [0, 1 / cell_h, first_y - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    fine = cv2.warpAffine(index, to_map, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    return fine.astype(np.uint8, copy=False)
