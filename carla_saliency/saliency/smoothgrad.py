"""SmoothGrad (Smilkov et al. 2017, arXiv:1706.03825): the gradient, averaged over noisy pictures.

Normal noise is added to red, green and blue of every pixel (nothing is cut at 0 or 255), the
gradient per grey level is taken at each noisy picture, and a pixel's value is their mean, summed
over the colours. The noise is the same for each frame, so that a frame has one map.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Seen
from carla_saliency.saliency.colours import Values, added
from carla_saliency.saliency.method import BRIGHTER
from carla_saliency.saliency.sampled import Noisy


class SmoothGrad(Noisy):
    """Explains a frame by the mean gradient of the steering around it."""

    name = "smoothgrad"
    title = "SmoothGrad"
    per = "grey level"
    words = BRIGHTER
    hint = ("a brighter pixel would push", "the steering this way, on average")

    def map(self, seen: Seen, layer: str) -> Values:
        """Return the map, (H, W): steering per grey level, positive = right."""
        gradients = self.noisy_gradients(seen, layer)
        return added(gradients.mean(axis=0, dtype=np.float64))
