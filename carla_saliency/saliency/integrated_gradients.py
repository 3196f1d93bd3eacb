"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365).

On the straight way in RGB from a baseline picture to the frame, the gradient per grey level is
taken in the middle of each of equal steps (midpoint rule). A pixel's value is the mean of these
times what the pixel differs from the baseline, summed over the colours: all values together are the
steering of the frame minus that of the baseline (completeness).
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Feed, Network, Seen
from carla_saliency.saliency.baseline import BASELINE_WORDS, Baseline
from carla_saliency.saliency.colours import Values, added
from carla_saliency.saliency.options import DEFAULTS, Options
from carla_saliency.saliency.sampled import Sampled


def midpoints(steps: int) -> Array:
    """Return the shares of the way at which the gradient is taken, in (0, 1)."""
    return ((np.arange(steps) + 0.5) / steps).astype(np.float32)


class IntegratedGradients(Sampled):
    """Explains a frame by what each pixel adds on the way from a baseline."""

    name = "integrated-gradients"
    title = "integrated gradients"
    hint = ("against the baseline, this pixel", "pushes the steering left or right")

    def __init__(self, network: Network, feed: Feed, options: Options = DEFAULTS) -> None:
        super().__init__(network, feed, options)
        self.baseline = Baseline(options.baseline)

    def full_title(self, *details: str) -> str:
        """Return the title with the baseline."""
        words = BASELINE_WORDS[self.options.baseline]
        return super().full_title(f"baseline: {words}", *details)

    def map(self, seen: Seen, layer: str) -> Values:
        """Return the map, (H, W): steering per pixel, positive = right."""
        start = self.baseline.picture(seen)
        way = seen.rgb - start
        pictures = start + midpoints(self.options.steps)[:, None, None, None] * way
        mean = self.gradients(seen, pictures, layer).mean(axis=0, dtype=np.float64)
        return added(mean * way)
