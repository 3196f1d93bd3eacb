"""Gradient times what stands out: each pixel's difference from its blurred surroundings.

For each of red, green and blue on the network's grid, the gradient per grey level is multiplied by
the pixel minus the same picture blurred by a Gaussian, and the three are added up. It is gradient
times input (Shrikumar et al. 2017, arXiv:1704.02685) with the blurred picture as the baseline, so a
value is a push: to first order, what steering this pixel's difference from its surroundings adds,
positive to the right. It costs as much as the gradient.
"""

from __future__ import annotations

import cv2
import numpy as np

from carla_saliency.core import Array, Image
from carla_saliency.saliency.gradient import Gradient

SIGMA_PER_ROW = 6 / 66  # 6 px on DAVE-2's 66 rows, in proportion on others


class Contrast(Gradient):
    """Explains a frame by the gradient of the steering times the picture's local contrast."""

    name = "contrast"
    title = "gradient × (frame − blur)"
    unit = "deg / pixel"
    left = "pushes left"
    right = "pushes right"
    hint = ("what stands out here pushes", "the steering left or right")

    def attribution(self, rgb: Image, per_level: Array) -> Array:
        """Return the map, (H, W): steering per pixel, positive = right."""
        picture = rgb.astype(np.float32)
        surroundings = cv2.GaussianBlur(picture, (0, 0), SIGMA_PER_ROW * len(rgb))
        return np.asarray((per_level * (picture - surroundings)).sum(axis=2), np.float32)
