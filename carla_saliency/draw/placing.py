"""Where a label may stand: near what it is about, on nothing else if that can be had."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carla_saliency.draw.layout import Box

MARGIN = 4.0  # units to the pane's edge
GAP = 5.0  # units to what it is about
STEP = 24.0  # units, of the search further away
ON_A_LABEL = 1e6  # worse than anything else

Boxes = NDArray[np.float64]  # (boxes, 4): as `Box`


@lru_cache(maxsize=256)  # marks stand still for ten ticks, or as long as the world does
def place_label(
    pane: Box,
    about: Box,
    sizes: tuple[tuple[float, float], ...],
    taken: tuple[Box, ...],
    marked: tuple[Box, ...],
    above: bool = False,
) -> tuple[int, Box]:
    """Return which variant of a label to write, and where.

    The first variant that finds a free place nearby is taken; if none does, the last one stands
    where it hides the least, never on another label as long as there is any other place.

    Args:
        pane: It stays inside.
        about: What it belongs to, one of the marked.
        sizes: (width, height) of the variants, the longest first.
        taken: Labels that are there already.
        marked: What should not be hidden either.
        above: Above first, else below first.
    """
    for number, size in enumerate(sizes):
        near = _inside(pane, _near(about, size, above))
        free = np.flatnonzero(_cost(near, about, taken, marked) == 0)
        if free.size:
            return number, _box(near[free[0]])
    anywhere = np.concatenate([near, _anywhere(pane, sizes[-1])])
    cost = _cost(anywhere, about, taken, marked) + _far(anywhere, about)
    return len(sizes) - 1, _box(anywhere[int(cost.argmin())])


def _near(about: Box, size: tuple[float, float], above: bool) -> Boxes:
    w, h = size
    x, y = about.x + (about.w - w) / 2, about.y + (about.h - h) / 2
    over, under = about.y - GAP - h, about.bottom + GAP
    rows = (over, under) if above else (under, over)
    places = [(x, rows[0]), (x, rows[1]), (about.right + GAP, y), (about.x - GAP - w, y)]
    places += [(left, row) for row in rows for left in (about.x, about.right - w)]
    return np.array([(left, top, w, h) for left, top in places])


def _inside(pane: Box, boxes: Boxes) -> Boxes:
    """Return the boxes, moved into the pane."""
    moved = boxes.copy()
    for axis in (0, 1):
        low = pane[axis] + MARGIN
        high = pane[axis] + pane[axis + 2] - MARGIN - boxes[:, axis + 2]
        moved[:, axis] = np.maximum(low, np.minimum(boxes[:, axis], high))
    return moved


def _anywhere(pane: Box, size: tuple[float, float]) -> Boxes:
    w, h = size
    x = np.arange(pane.x + MARGIN, max(pane.x + MARGIN + 1, pane.right - MARGIN - w), STEP)
    y = np.arange(pane.y + MARGIN, max(pane.y + MARGIN + 1, pane.bottom - MARGIN - h), STEP)
    left, top = (grid.ravel() for grid in np.meshgrid(x, y))
    return np.stack([left, top, np.full(left.shape, w), np.full(left.shape, h)], axis=1)


def _cost(
    boxes: Boxes, about: Box, taken: tuple[Box, ...], marked: tuple[Box, ...]
) -> NDArray[np.float64]:
    """Return what each box would hide: a label counts most, then another mark, then its own."""
    weights = [ON_A_LABEL] * len(taken) + [1.0 if box == about else 3.0 for box in marked]
    others = np.array([*taken, *marked], np.float64).reshape(-1, 4)
    sides = []
    for axis in (0, 1):
        low = np.maximum(boxes[:, None, axis], others[:, axis])
        ends = boxes[:, axis] + boxes[:, axis + 2], others[:, axis] + others[:, axis + 2]
        sides.append(np.maximum(0.0, np.minimum(ends[0][:, None], ends[1]) - low))
    cost: NDArray[np.float64] = sides[0] * sides[1] @ np.array(weights)
    return cost


def _far(boxes: Boxes, about: Box) -> NDArray[np.float64]:
    """Return how far the middles are from each other, in units."""
    x = boxes[:, 0] + boxes[:, 2] / 2 - about.x - about.w / 2
    y = boxes[:, 1] + boxes[:, 3] / 2 - about.y - about.h / 2
    return np.hypot(x, y)


def _box(values: NDArray[np.float64]) -> Box:
    return Box(*(float(value) for value in values))
