"""The size of the gradient, without its sign (Simonyan et al. 2013, arXiv:1312.6034, section 3.1).

A pixel's value is the largest of |gradient per grey level| over red, green and blue: how much the
steering changes with that colour of the pixel, no matter to which side. It is the picture that
most articles show.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Image
from carla_saliency.saliency.colours import Values, largest
from carla_saliency.saliency.gradient import Gradient
from carla_saliency.saliency.method import AMOUNT


class AbsGradient(Gradient):
    """Explains a frame by the magnitude of the gradient of the steering."""

    name = "abs-gradient"
    title = "|gradient|"
    signed = False
    words = AMOUNT
    hint = ("how much this pixel changes", "the steering, to either side")

    def combine(self, rgb: Image, per_level: Array) -> Values:
        """Return the map, (H, W): steering per grey level, never negative."""
        return largest(np.abs(per_level))
