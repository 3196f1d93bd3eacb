"""Gradient times input (Shrikumar et al. 2017, arXiv:1704.02685), with black as the baseline.

For each of red, green and blue on the network's grid, the gradient per grey level is multiplied by
the pixel's value in grey levels, and the three are added up. A value is a push: to first order,
what steering this pixel adds compared with a black one, positive to the right. Bright places count
for more than dark ones, whatever is around them; `contrast` has the surroundings as the baseline.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Image
from carla_saliency.saliency.colours import Values, added
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.saliency.method import PUSHES


class GradientXInput(Gradient):
    """Explains a frame by the gradient of the steering times the pixels' own values."""

    name = "gradient-x-input"
    title = "gradient × input"
    per = "pixel"
    words = PUSHES
    hint = ("against a black pixel, this one", "pushes the steering left or right")

    def combine(self, rgb: Image, per_level: Array) -> Values:
        """Return the map, (H, W): steering per pixel, positive = right."""
        return added(per_level * rgb.astype(np.float32))
