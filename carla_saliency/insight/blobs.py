"""The parts of a map that stand out, as ellipses, and places for as large ones elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array
from carla_saliency.insight.ranks import is_flat

Box = tuple[int, int, int, int]
"""Around an ellipse, on the network's grid in whole pixels: top, bottom, left, right."""

Pixel = tuple[int, int]
Mask = NDArray[np.bool_]

SMOOTHING = 0.015  # of the grid's width: a gradient's single pixels are no blobs
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)  # of the peak: a blob is what is above, as low as it stays small
LARGEST = 0.05  # of the grid: a long line is several blobs
STANDS_OUT = 0.25  # of a blob's largest value: its outer rows and columns have as much
FAINT = 0.1  # of the map's peak: below it nothing stands out
SMALLEST_PX = 3


def find_blobs(attribution: Array, count: int = 5) -> list[Box]:
    """Return the strongest parts of a map's magnitude, the strongest first; they don't overlap.

    From the highest peak of the slightly smoothed map a part grows to all that is connected with it
    and above half of its height, or above more of it where that is more than 5 % of the grid. Then
    the next highest peak is looked for around it, and so on.

    Args:
        attribution: Float32 (H, W) of the network's grid; the sign does not matter.
        count: At most.

    Returns:
        At least 3 x 3 pixels each (if the grid has as many); none where the map is flat.
    """
    magnitude = np.abs(attribution)
    if is_flat(magnitude):
        return []
    sigma = max(SMOOTHING * attribution.shape[1], 0.8)
    left = cv2.GaussianBlur(magnitude, (0, 0), sigma).astype(np.float32, copy=False)
    faint, margin = FAINT * float(left.max()), max(round(2 * sigma), 2)
    smallest = min(SMALLEST_PX, *left.shape)
    boxes: list[Box] = []
    while len(boxes) < count and left.max() > faint:
        grown, middle = _grown(left)
        box = _cut(_trimmed(magnitude, grown, middle), boxes, middle)
        rows, columns = slice(*box[:2]), slice(*box[2:])
        squeezed = min(box[1] - box[0], box[3] - box[2]) < smallest  # in between others
        slope = magnitude[rows, columns].max() <= faint  # of another one, made by the smoothing
        if not squeezed and not slope:
            boxes.append(box)
        left[_around(box, margin)] = 0
    return boxes


def ellipse(box: Box, grid: tuple[int, int]) -> Mask:
    """Return the pixels whose centres are in the ellipse that touches the box's sides.

    Args:
        box: On the grid.
        grid: (H, W).

    Returns:
        Bool (H, W).
    """
    top, bottom, left, right = box
    rows = (np.arange(top, bottom) + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
    columns = (np.arange(left, right) + 0.5 - (left + right) / 2) / ((right - left) / 2)
    mask = np.zeros(grid, np.bool_)
    mask[top:bottom, left:right] = rows[:, None] ** 2 + columns**2 <= 1
    return mask


def elsewhere(
    size: tuple[int, int],
    boxes: list[Box],
    grid: tuple[int, int],
    count: int,
    random: np.random.Generator,
) -> list[Box]:
    """Return boxes of one size at random places that overlap none of the given ones.

    Where the grid has no such place, they are where they overlap the least.

    Args:
        size: Rows, columns of each.
        boxes: To be kept away from.
        grid: (H, W).
        count: How many.
        random: Chooses.
    """
    taken = np.zeros(grid, np.uint8)
    for top, bottom, left, right in boxes:
        taken[top:bottom, left:right] = 1
    height, width = size
    sums = cv2.integral(taken)
    overlap = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    places = np.flatnonzero(overlap == overlap.min())
    tops, lefts = np.unravel_index(random.choice(places, count), overlap.shape)
    return [
        (top, top + height, left, left + width)
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
    ]


def _grown(values: Array) -> tuple[Box, Pixel]:
    """Return the box around what is connected with the highest value, and a pixel that it is about.

    Where too much is connected, for example in a cell of a coarse map, it is the middle of it.
    """
    at = np.unravel_index(int(values.argmax()), values.shape)
    peak, largest = (int(at[0]), int(at[1])), LARGEST * values.size
    for level in LEVELS:
        above = (values >= level * values[peak]).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
        left, top, width, height = (int(v) for v in stats[labels[peak], :4])
        if width * height <= largest:
            return (top, top + height, left, left + width), peak
    rows, columns = np.nonzero(labels == labels[peak])
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    middle = int(rows[nearest]), int(columns[nearest])
    shrink = np.sqrt(largest / (width * height))
    top, bottom = _about(middle[0], int(height * shrink), values.shape[0])
    left, right = _about(middle[1], int(width * shrink), values.shape[1])
    return (top, bottom, left, right), middle


def _about(middle: int, length: int, end: int) -> tuple[int, int]:
    length = max(length, 1)
    begin = min(max(middle - length // 2, 0), end - length)
    return begin, begin + length


def _trimmed(magnitude: Array, box: Box, pixel: Pixel) -> Box:
    """Return the box without what only the smoothing put into it, but with the pixel."""
    top, bottom, left, right = box
    part = magnitude[top:bottom, left:right]
    strong = part >= STANDS_OUT * part.max()
    rows = np.flatnonzero(strong.any(axis=1)) + top
    columns = np.flatnonzero(strong.any(axis=0)) + left
    trimmed = (
        min(int(rows[0]), pixel[0]),
        max(int(rows[-1]), pixel[0]) + 1,
        min(int(columns[0]), pixel[1]),
        max(int(columns[-1]), pixel[1]) + 1,
    )
    return _at_least(trimmed, magnitude.shape)


def _at_least(box: Box, grid: tuple[int, ...]) -> Box:
    """Return the box, or one around it of the smallest size."""
    top, bottom = _wide(box[0], box[1], grid[0])
    left, right = _wide(box[2], box[3], grid[1])
    return top, bottom, left, right


def _wide(begin: int, end: int, length: int) -> tuple[int, int]:
    if end - begin >= SMALLEST_PX:
        return begin, end
    begin = min(max((begin + end - SMALLEST_PX) // 2, 0), max(length - SMALLEST_PX, 0))
    return begin, min(begin + SMALLEST_PX, length)


def _cut(box: Box, taken: list[Box], pixel: Pixel) -> Box:
    """Return the largest part of the box that has the pixel and overlaps none of the taken ones."""
    for other in taken:
        top, bottom, left, right = box
        if other[0] >= bottom or other[1] <= top or other[2] >= right or other[3] <= left:
            continue
        parts = (
            (max(top, other[1]), bottom, left, right),
            (top, min(bottom, other[0]), left, right),
            (top, bottom, max(left, other[3]), right),
            (top, bottom, left, min(right, other[2])),
        )
        box = max((part for part in parts if _has(part, pixel)), key=_area)
    return box


def _has(box: Box, pixel: Pixel) -> bool:
    return box[0] <= pixel[0] < box[1] and box[2] <= pixel[1] < box[3]


def _area(box: Box) -> int:
    return (box[1] - box[0]) * (box[3] - box[2])


def _around(box: Box, margin_px: int) -> tuple[slice, slice]:
    top, bottom, left, right = box
    return (
        slice(max(0, top - margin_px), bottom + margin_px),
        slice(max(0, left - margin_px), right + margin_px),
    )
