"""What the network would do if a semantic class were not there: it is painted over, and asked.

A share of attention can look right with random weights; this can't, since the network itself
answers. How much it answers to any change of so many pixels is measured beside it: the floor.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import GROUPS, Array, ClassEffects, Image
from carla_saliency.insight.filling import filled_many
from carla_saliency.insight.probe import Ask

Mask = NDArray[np.bool_]
Groups = NDArray[np.uint8]
LINES, ROAD = GROUPS.index("lines"), GROUPS.index("road")

PART_FROM = 0.1
"""A pixel of which so much is line belongs to the lines, whatever the rest of it is.

Lines are thinner than the grid's pixels from a few metres on: by the largest part, 16 % of their
area would stay in the picture; from a tenth on 1 % does, in half as many pixels again as they have
area.
"""

_TRACE = 0.02  # a class isn't painted over with pixels of which it is more: it would shine through
_LEAST_PART = 0.001  # of the grid; less of a class is not asked
_CLEAR_PX = 2.0  # of plain road from everything else
_FLOORS_KEPT = 5


def partition(cover: Array) -> Groups:
    """Return which one group each pixel of the grid belongs to, uint8 (H, W).

    Args:
        cover: How much of each pixel is of each group, float32 (H, W, 8).
    """
    groups: Groups = cover.argmax(axis=2).astype(np.uint8)
    groups[cover[..., LINES] >= PART_FROM] = LINES
    return groups


def plain_road(groups: Groups) -> Mask:
    """Return where the road has nothing else within 2 pixels, (H, W); `groups` is a partition."""
    road = (groups == ROAD).astype(np.uint8)
    return np.asarray(cv2.distanceTransform(road, cv2.DIST_L2, 5) > _CLEAR_PX)


class WithoutClasses:
    """Paints each class over with its surroundings and asks how the steering changes.

    Args:
        seed: Of where the pieces of plain road are taken.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._turn = -1  # the group whose floor was measured last
        self._floors: tuple[deque[float], ...] = tuple(deque(maxlen=_FLOORS_KEPT) for _ in GROUPS)

    def forget(self) -> None:
        """Drop the floors: what comes is another scene, or another network."""
        for floors in self._floors:
            floors.clear()

    def measure(
        self, frame_id: int, rgb: Image, cover: Array, steering: float, ask: Ask
    ) -> ClassEffects:
        """Return how the steering changes without each class in sight, and how much is nothing.

        Asks once, at most 9 pictures: one for each class of which there is at least a thousandth of
        the picture, and a piece of plain road, as large as one of these classes, painted over with
        road. The classes take turns in that; a floor is the mean of its last 5.

        Args:
            frame_id: Of the frame.
            rgb: The frame on the network's grid, uint8 (H, W, 3).
            cover: How much of each pixel is of each group, float32 (H, W, 8).
            steering: The network's own, for this frame.
            ask: Answers pictures.
        """
        groups = partition(cover)
        areas = np.bincount(groups.ravel(), minlength=len(GROUPS))
        in_sight = [k for k, area in enumerate(areas) if area >= _LEAST_PART * groups.size]
        holes = [_painted(group, groups, cover) for group in in_sight]
        sources = [_surroundings(group, groups, cover) for group in in_sight]
        plain = plain_road(groups)
        if plain.any():
            turn = next((i for i, k in enumerate(in_sight) if k > self._turn), 0)
            self._turn = in_sight[turn]
            holes.append(self._piece(plain, int(holes[turn].sum())))
            sources.append(_clean_road(groups, cover))
        pictures = filled_many(rgb, np.stack(holes), np.stack(sources))
        changes = np.asarray(ask(pictures), np.float32) - np.float32(steering)
        change, floor = np.full((2, len(GROUPS)), np.nan, np.float32)
        change[in_sight] = changes[: len(in_sight)]
        if plain.any():
            self._floors[self._turn].append(abs(float(changes[-1])))
            floor[in_sight] = [_mean(self._floors[group]) for group in in_sight]
        return ClassEffects(frame_id, change, floor)

    def _piece(self, plain: Mask, area: int) -> Mask:
        """Return so many pixels of plain road, or all, those nearest to one drawn at random."""
        rows, columns = np.nonzero(plain)
        seed = self._random.integers(len(rows))
        if len(rows) <= area:
            return plain
        distances = (rows - rows[seed]) ** 2 + (columns - columns[seed]) ** 2
        nearest = np.argpartition(distances, area)[:area]
        piece = np.zeros_like(plain)
        piece[rows[nearest], columns[nearest]] = True
        return piece


def _painted(group: int, groups: Groups, cover: Array) -> Mask:
    """Return where a class is painted over: with the pixels that it shares with others, but lines.

    Those along its edge would be left as its dotted outline.
    """
    shared = (cover[..., group] >= PART_FROM) & (groups != LINES)
    return np.asarray(shared | (groups == group))


def _surroundings(group: int, groups: Groups, cover: Array) -> Mask:
    """Return the pixels that a class is painted over with.

    Of lines, those of the road; of others all others, but lines: they are in front of things, never
    behind, and are right beside most of the road, which would become as white as they are.
    """
    if group == LINES:
        return _clean_road(groups, cover)
    return np.asarray((groups != LINES) & (cover[..., group] <= _TRACE))


def _clean_road(groups: Groups, cover: Array) -> Mask:
    """Return the road's pixels without a trace of line; with it, if all have one."""
    road = groups == ROAD
    clean = road & (cover[..., LINES] <= _TRACE)
    return np.asarray(clean if clean.any() else road)


def _mean(values: Collection[float]) -> float:
    """Return their mean; NaN if there are none."""
    return sum(values) / len(values) if values else math.nan
