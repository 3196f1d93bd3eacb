"""Gradient times what stands out: each pixel's difference from its blurred surroundings.

For each of red, green and blue on the network's grid, the gradient per grey level is multiplied by
the pixel minus the same picture blurred by a Gaussian, and the three are added up. It is gradient
times input (Shrikumar et al. 2017, arXiv:1704.02685) with the blurred picture as the baseline, so a
value is a push: to first order, what steering this pixel's difference from its surroundings adds,
positive to the right. It costs as much as the gradient.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Image
from carla_saliency.saliency.baseline import blurred
from carla_saliency.saliency.colours import Values, added
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.saliency.method import PUSHES


class Contrast(Gradient):
    """Explains a frame by the gradient of the steering times the picture's local contrast."""

    name = "contrast"
    title = "gradient × (frame − blur)"
    per = "pixel"
    words = PUSHES
    hint = ("what stands out here pushes", "the steering left or right")

    def combine(self, rgb: Image, per_level: Array) -> Values:
        """Return the map, (H, W): steering per pixel, positive = right."""
        stands_out = rgb.astype(np.float32) - blurred(rgb)
        return added(per_level * stands_out)
