"""RISE (Petsiuk et al. 2018, arXiv:1806.07421): hide many random places at once.

A mask is a small grid of random zeros and ones, enlarged (bilinear) and shifted by a random part of
a cell; where it is 0 the baseline picture is shown. The paper averages the output over the masks,
weighted by how much they keep of a pixel; such a mean has no zero and no unit. Here a pixel's value
is the slope of the steering over how much is kept of it (least squares): what keeping it and its
surroundings does, compared with hiding them. For masks of zeros and ones that is the mean with the
pixel minus the mean without. The masks are the same for each frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from carla_saliency.core import Array, Seen
from carla_saliency.saliency.blackbox import BATCH, BlackBox
from carla_saliency.saliency.colours import Values

KEEP = 0.5  # of the cells: then as many masks speak for a pixel as against it
LEAST_VARIATION = 1e-3  # of a pixel over very few masks, below which it was never hidden or kept


class Rise(BlackBox):
    """Explains a frame by the steering with each place minus without it."""

    name = "rise"
    title = "RISE"
    hint = ("against the baseline, this place", "pushes the steering left or right")

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid: change per cell."""
        rgb, baseline = seen.rgb.astype(np.float32), self.baseline.picture(seen)
        whole = self.outputs(seen, rgb[None], names)[0]
        kept, kept_twice = np.zeros(rgb.shape[:2]), np.zeros(rgb.shape[:2])
        pushed, total = np.zeros((len(names), *rgb.shape[:2])), np.zeros(len(names))
        for masks in self._masks(rgb.shape[0], rgb.shape[1]):
            pictures = baseline + masks[..., None] * (rgb - baseline)
            changes = self.outputs(seen, pictures, names) - whole  # a dead network's are all 0
            kept += masks.sum(axis=0)
            kept_twice += (masks**2).sum(axis=0)
            pushed += np.tensordot(changes, masks, (0, 0))  # (layers, H, W)
            total += changes.sum(axis=0)
        share = kept / self.options.masks
        together = pushed - total[:, None, None] * share
        varies = np.broadcast_to(kept_twice - kept * share, together.shape)
        slopes = np.divide(
            together, varies, out=np.zeros_like(together), where=varies > LEAST_VARIATION
        )
        return self.steer(seen), list(slopes)

    def _masks(self, rows: int, columns: int) -> Iterator[Array]:
        """Yield all masks in small batches, float32 (N, H, W), 1 = kept."""
        rng = np.random.default_rng(self.options.seed)
        size = self.cell_px(rows)
        down, across = math.ceil(rows / size) + 1, math.ceil(columns / size) + 1
        for start in range(0, self.options.masks, BATCH):
            masks = []
            for _ in range(min(BATCH, self.options.masks - start)):
                cells = (rng.random((down, across)) < KEEP).astype(np.float32)
                enlarged = cv2.resize(cells, (across * size, down * size))
                top, left = rng.integers(0, size, 2)
                masks.append(enlarged[top : top + rows, left : left + columns])
            yield np.stack(masks).astype(np.float32)
