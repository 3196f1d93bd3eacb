"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): hide one square after the other.

The squares do not overlap. Each is replaced by the same place of the baseline picture; the value of
its pixels is the steering of the frame minus the steering without the square: what it pushes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carla_saliency.core import Seen
from carla_saliency.saliency.blackbox import BlackBox
from carla_saliency.saliency.colours import Values


class Occlusion(BlackBox):
    """Explains a frame by the steering with each cell minus without it."""

    name = "occlusion"
    title = "occlusion"
    hint = ("against the baseline, this cell", "pushes the steering left or right")

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid: change per cell."""
        rgb, baseline = seen.rgb.astype(np.float32), self.baseline.picture(seen)
        rows, columns, _ = rgb.shape
        size = self.cell_px(rows)
        cells = [
            (slice(top, top + size), slice(left, left + size))
            for top in range(0, rows, size)
            for left in range(0, columns, size)
        ]
        pictures = np.repeat(rgb[None], len(cells) + 1, axis=0)  # the last one stays whole
        for picture, cell in zip(pictures[:-1], cells, strict=True):
            picture[cell] = baseline[cell]
        outputs = self.outputs(seen, pictures, names)
        values = np.zeros((rows, columns, len(names)))
        for cell, change in zip(cells, outputs[-1] - outputs[:-1], strict=True):
            values[cell] = change
        return self.steer(seen), list(np.moveaxis(values, 2, 0))
