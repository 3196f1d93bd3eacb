"""How much of a map's attention lies on each semantic class, exact to the part of a pixel."""

from __future__ import annotations

import re

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import GROUPS, Array, ClassShares

Tags = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# CARLA's classes in the order of their tags, which were numbered anew in 0.9.14.
_UNTIL_0_9_13 = (
    "unlabeled building fence other pedestrian pole road_line road sidewalk vegetation vehicle "
    "wall traffic_sign sky ground bridge rail_track guard_rail traffic_light static dynamic water "
    "terrain"
)
_FROM_0_9_14 = (
    "unlabeled road sidewalk building wall fence pole traffic_light traffic_sign vegetation "
    "terrain sky pedestrian rider car truck bus train motorcycle bicycle static dynamic other "
    "water road_line ground bridge rail_track guard_rail"
)
_CLASSES = {
    "lines": "road_line",
    "road": "road",
    "sidewalk": "sidewalk ground",
    "wall": "wall fence guard_rail pole traffic_sign traffic_light",
    "vegetation": "vegetation terrain",
    "vehicle": "vehicle car truck bus train motorcycle bicycle rider pedestrian",
    "sky": "sky",
}
_GROUP_OF = {name: group for group, names in _CLASSES.items() for name in names.split()}
_OTHERWISE = "building"  # building, and whatever is none of the others: static things, water, ...


def tag_table(server_version: str) -> Tags:
    """Return which group each semantic tag of a server belongs to, uint8 (256,): tag -> `GROUPS`.

    Args:
        server_version: As the server says it, for example "0.9.16" or "0.9.13-dirty". One that
            can't be read is taken for a new one.
    """
    numbers = re.match(r"\D*(\d+)\.(\d+)(?:\.(\d+))?", server_version)
    old = numbers is not None and tuple(int(n or 0) for n in numbers.groups()) < (0, 9, 14)
    table = np.full(256, GROUPS.index(_OTHERWISE), np.uint8)
    for tag, name in enumerate((_UNTIL_0_9_13 if old else _FROM_0_9_14).split()):
        table[tag] = GROUPS.index(_GROUP_OF.get(name, _OTHERWISE))
    return table


def cover(region: Tags, shape: tuple[int, int], table: Tags) -> Array:
    """Return how much of each cell of the network's grid is of each group, float32 (H, W, 8).

    The fractions of a cell sum to 1. Its edges may run through pixels, and it may be smaller than
    one: areas are exact, from summed-area tables (F. C. Crow, "Summed-Area Tables for Texture
    Mapping", SIGGRAPH 1984).

    Args:
        region: Tags of those pixels of the camera that the network's grid covers, uint8 (h, w).
        shape: (H, W) of the grid.
        table: From `tag_table`.
    """
    groups = cv2.LUT(region, table)
    fractions = np.zeros((*shape, len(GROUPS)), np.float32)
    cells_per_pixel = shape[0] * shape[1] / region.size
    # one memory for all groups: new memory costs more than the sums
    there = np.empty(region.shape, bool)
    integral = np.empty((region.shape[0] + 1, region.shape[1] + 1), np.int32)
    for group in range(len(GROUPS)):
        if np.equal(groups, group, out=there).any():
            sums = _at_edges(cv2.integral(there.view(np.uint8), integral), shape[0])
            sums = _at_edges(sums.T, shape[1]).T
            areas = sums[1:, 1:] - sums[1:, :-1] - sums[:-1, 1:] + sums[:-1, :-1]
            # below 0 by a rounding error of 1e-11 where the group is not
            fractions[..., group] = np.maximum(areas * cells_per_pixel, 0)
    return fractions


def shares(
    frame_id: int, attribution: Array, cover: Array, covered: Mask | None = None
) -> ClassShares:
    """Return how a map's attention, the sum of |attribution|, and its area fall on the groups.

    Args:
        frame_id: Of the frame.
        attribution: On the network's grid, float32 (H, W).
        cover: Of the same frame, from `cover`, float32 (H, W, 8).
        covered: Where the map covers the grid, (H, W); nothing else counts. None = everywhere.

    Raises:
        ValueError: If the map and the classes are not of one grid.
    """
    if attribution.shape != cover.shape[:2]:
        raise ValueError(
            f"the map must be on the grid of the classes {cover.shape[:2]}, "
            f"received {attribution.shape}"
        )
    there = np.ones(attribution.shape) if covered is None else covered.astype(np.float64)
    sums = np.stack([np.abs(attribution) * there, there]).reshape(2, -1) @ cover.reshape(
        -1, len(GROUPS)
    )
    totals = sums.sum(axis=1, keepdims=True)
    share, area = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    return ClassShares(frame_id, share.astype(np.float32), area.astype(np.float32))


def _at_edges(sums: NDArray[np.generic], cells: int) -> NDArray[np.float64]:
    """Return running sums over pixels, (n + 1, ...), at the edges of so many equal cells."""
    edges = np.linspace(0, len(sums) - 1, cells + 1)
    before = np.minimum(edges.astype(int), len(sums) - 2)
    part = (edges - before)[:, None]
    return np.asarray(sums[before] * (1 - part) + sums[before + 1] * part, np.float64)
