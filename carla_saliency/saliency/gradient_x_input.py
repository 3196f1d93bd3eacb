"""Gradient times input (Shrikumar et al. 2017, arXiv:1704.02685), with black as the baseline.

For each of red, green and blue on the network's grid, the gradient per grey level is multiplied by
the pixel's value in grey levels, and the three are added up. A value is a push: to first order,
what steering this pixel adds compared with a black one, positive to the right. Bright places count
for more than dark ones, whatever is around them; `contrast` has the surroundings as the baseline.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Image
from carla_saliency.saliency.gradient import Gradient


class GradientXInput(Gradient):
    """Explains a frame by the gradient of the steering times the pixels' own values."""

    name = "gradient-x-input"
    title = "gradient × input"
    unit = "deg / pixel"
    left = "pushes left"
    right = "pushes right"
    hint = ("against a black pixel, this one", "pushes the steering left or right")

    def attribution(self, rgb: Image, per_level: Array) -> Array:
        """Return the map, (H, W): steering per pixel, positive = right."""
        return np.asarray((per_level * rgb.astype(np.float32)).sum(axis=2), np.float32)
