"""Whether what a map points at moves the steering at all: it is filled in, and the network asked.

A gradient says what a tiny change would do; that does not show that the steering hangs on what is
there. So the strongest blobs of a map are filled in with their blurred surroundings, and compared
with patches of the same shape at random places, filled in the same way: a blob counts only if it
moves the steering by more than nearly all of these do.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Blob, CausalCheck, Image
from carla_saliency.insight.blobs import Box, ellipse, elsewhere, find_blobs
from carla_saliency.insight.filling import filled_many
from carla_saliency.insight.probe import Ask

PERCENTILE = 95.0
LIKE = 2.0  # areas are alike up to this factor
ENOUGH = 20  # with fewer patches of like area, patches of any area stand in


class _Patch(NamedTuple):
    frame_id: int
    area: int
    change: float


class BlobCheck:
    """Fills in the strongest blobs of maps, and remembers what filling in random patches does.

    The same frames and maps in the same order give the same answers.

    Args:
        least_change: Of the network's steering: what a person would notice.
        seed: Of the random places.
        blobs: How many blobs at most.
        patches: How many random patches are asked with each map.
        remembered: How many of the last random patches a blob is compared with.
    """

    def __init__(
        self,
        least_change: float,
        seed: int = 0,
        blobs: int = 5,
        patches: int = 27,
        remembered: int = 200,
    ) -> None:
        self._least_change, self._seed = least_change, seed
        self._blobs, self._count = blobs, patches
        self._patches: deque[_Patch] = deque(maxlen=remembered)

    def check(
        self, frame_id: int, rgb: Image, attribution: Array, steering: float, ask: Ask
    ) -> CausalCheck:
        """Return what filling in each of the strongest blobs does; asks once, one batch.

        What is filled in is the ellipse that touches the four sides of a blob's `place`.

        Args:
            frame_id: Of the frame.
            rgb: The frame on the network's grid, uint8 (H, W, 3).
            attribution: The map on that grid, float32 (H, W).
            steering: The network's own answer to the frame.
            ask: The network.
        """
        grid = rgb.shape[0], rgb.shape[1]
        boxes = find_blobs(attribution, self._blobs)
        if not boxes:
            return CausalCheck(frame_id, (), float("nan"), 0)
        patches = self._elsewhere(frame_id, boxes, grid)
        masks = np.stack([ellipse(box, grid) for box in boxes + patches])
        areas = np.count_nonzero(masks, axis=(1, 2))
        changes = ask(filled_many(rgb, masks)) - np.float32(steering)
        self._remember(frame_id, areas[len(boxes) :], changes[len(boxes) :])
        limits = [self._limit(int(area)) for area in areas[: len(boxes)]]
        blobs = tuple(
            Blob(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                float(change),
                bool(abs(change) > max(limit, self._least_change)),
            )
            for box, change, (limit, _) in zip(boxes, changes[: len(boxes)], limits, strict=True)
        )
        return CausalCheck(frame_id, blobs, *limits[0])

    def forget(self) -> None:
        """Forget all random patches: another network is asked from now on."""
        self._patches.clear()

    def _elsewhere(self, frame_id: int, boxes: list[Box], grid: tuple[int, int]) -> list[Box]:
        """Return the random patches, which have the blobs' shapes in turn."""
        random = np.random.default_rng((self._seed, frame_id))  # a frame looked at again: the same
        sizes = [(bottom - top, right - left) for top, bottom, left, right in boxes]
        counts = [len(range(turn, self._count, len(boxes))) for turn in range(len(boxes))]
        return [
            box
            for size, count in zip(sizes, counts, strict=True)
            for box in elsewhere(size, boxes, grid, count, random)
        ]

    def _remember(self, frame_id: int, areas: NDArray[np.intp], changes: Array) -> None:
        """Keep the changes by the newest patches, in place of those of the same frame."""
        kept = [patch for patch in self._patches if patch.frame_id != frame_id]
        self._patches.clear()
        self._patches.extend(kept)
        for area, change in zip(areas.tolist(), changes.tolist(), strict=True):
            self._patches.append(_Patch(frame_id, area, abs(change)))

    def _limit(self, area: int) -> tuple[float, int]:
        """Return what nearly all patches of like area stay below, and how many these are."""
        alike = [p.change for p in self._patches if area / LIKE <= p.area <= area * LIKE]
        if len(alike) < ENOUGH:
            alike = [patch.change for patch in self._patches]
        if not alike:
            return float("nan"), 0
        return float(np.percentile(alike, PERCENTILE)), len(alike)
