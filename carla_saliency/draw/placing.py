"""Where a label may stand: near what it is about, on nothing else if that can be had."""

from __future__ import annotations

import math
from collections.abc import Sequence

from carla_saliency.draw.layout import Box

MARGIN = 4.0  # units to the pane's edge
GAP = 5.0  # units to what it is about
STEP = (24.0, 24.0)  # units, of the search further away
ON_A_LABEL = 1e6  # worse than anything else


def place_label(
    pane: Box,
    about: Box,
    sizes: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    marked: Sequence[Box],
    above: bool = False,
) -> tuple[int, Box]:
    """Return which variant of a label to write, and where.

    The first variant that finds a free place is taken; if none does, the last one stands where it
    hides the least, never on another label.

    Args:
        pane: It stays inside.
        about: What it belongs to.
        sizes: (width, height) of the variants, the longest first.
        taken: Labels that are there already.
        marked: What should not be hidden either.
        above: Above first, else below first.
    """
    for number, size in enumerate(sizes):
        near = [_inside(pane, box) for box in _near(about, size, above)]
        for box in near:
            if _cost(box, about, taken, marked) == 0:
                return number, box
    anywhere = [*near, *_anywhere(pane, sizes[-1])]
    best = min(anywhere, key=lambda box: _cost(box, about, taken, marked) + _far(box, about))
    return len(sizes) - 1, best


def _near(about: Box, size: tuple[float, float], above: bool) -> list[Box]:
    w, h = size
    x, y = about.x + (about.w - w) / 2, about.y + (about.h - h) / 2
    over, under = about.y - GAP - h, about.bottom + GAP
    places = [(x, over), (x, under)] if above else [(x, under), (x, over)]
    places += [(about.right + GAP, y), (about.x - GAP - w, y)]
    for row in (under, over):
        places += [(about.x, row), (about.right - w, row)]
    return [Box(left, top, w, h) for left, top in places]


def _inside(pane: Box, box: Box) -> Box:
    x = min(max(box.x, pane.x + MARGIN), pane.right - MARGIN - box.w)
    y = min(max(box.y, pane.y + MARGIN), pane.bottom - MARGIN - box.h)
    return Box(x, y, box.w, box.h)


def _anywhere(pane: Box, size: tuple[float, float]) -> list[Box]:
    free = pane.w - size[0] - 2 * MARGIN, pane.h - size[1] - 2 * MARGIN
    return [
        Box(pane.x + MARGIN + i * STEP[0], pane.y + MARGIN + j * STEP[1], *size)
        for j in range(int(free[1] / STEP[1]) + 1)
        for i in range(int(free[0] / STEP[0]) + 1)
    ]


def _cost(box: Box, about: Box, taken: Sequence[Box], marked: Sequence[Box]) -> float:
    """Return what would be hidden: a label counts most, then another mark, then its own."""
    cost = sum(ON_A_LABEL for other in taken if box.overlaps(other))
    return cost + sum(_shared(box, other) * (1 if other is about else 3) for other in marked)


def _shared(a: Box, b: Box) -> float:
    w = min(a.right, b.right) - max(a.x, b.x)
    h = min(a.bottom, b.bottom) - max(a.y, b.y)
    return w * h if w > 0 and h > 0 else 0.0


def _far(box: Box, about: Box) -> float:
    """Return how far the middles are from each other, in units."""
    x = box.x + box.w / 2 - about.x - about.w / 2
    y = box.y + box.h / 2 - about.y - about.h / 2
    return math.hypot(x, y)
