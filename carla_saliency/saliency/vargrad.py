"""VarGrad (Adebayo et al. 2018, arXiv:1810.03307): how much the gradient varies under noise.

As SmoothGrad, but a pixel's value is the variance over the noisy pictures, the largest of the three
colours: where the network is curved, which is where features begin and end.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Seen
from carla_saliency.saliency.colours import Values, largest
from carla_saliency.saliency.method import AMOUNT, STEERING
from carla_saliency.saliency.sampled import Noisy


class VarGrad(Noisy):
    """Explains a frame by the variance of the gradient of the steering around it."""

    name = "vargrad"
    title = "VarGrad"
    signed = False
    words = AMOUNT
    hint = ("how much the gradient here varies", "when the picture is noisy")

    def unit_of(self, layer: str) -> str:
        """Return the unit: a square, so not in degrees, which grow with the car's lock once."""
        return f"({STEERING if layer == STEERING else layer} / grey level)²"

    def map(self, seen: Seen, layer: str) -> Values:
        """Return the map, (H, W): (steering per grey level) squared, never negative."""
        gradients = self.noisy_gradients(seen, layer)
        return largest(gradients.var(axis=0, dtype=np.float64))
