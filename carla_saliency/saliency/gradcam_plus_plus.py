"""Grad-CAM++ (Chattopadhay et al. 2018, arXiv:1710.11063).

A feature map's weight is the sum of its positive gradients g, each times

    alpha = g² / (2 g² + g³ · sum of the map) = 1 / (2 + g · sum of the map),

the paper's closed form for a score exp(steering): features that appear several times in the picture
count alike. Its maps are of ReLU, so that the denominator is at least 2; those of ELU can have a
negative sum, so that it could be zero: it is kept at 1 or more. With both sides, a map's weight is
that towards the right minus that towards the left.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.saliency.cam import Cam
from carla_saliency.saliency.colours import Values


class GradCamPlusPlus(Cam):
    """Explains a frame by the feature maps that speak for a side, weighted place by place."""

    name = "gradcam++"
    title = "Grad-CAM++"

    def combine(self, outputs: Values, gradients: Values) -> Values:
        """Return the sum of the feature maps, each times its weight, (h, w)."""
        weights = one_sided(outputs, gradients)
        if self.both:
            weights = weights - one_sided(outputs, -gradients)
        return np.asarray(outputs @ weights)


def one_sided(outputs: Values, gradients: Values) -> Values:
    """Return the paper's weight of each feature map, (channels,)."""
    positive = np.maximum(gradients, 0)
    below = np.maximum(2 + positive * outputs.sum(axis=(0, 1)), 1)
    return np.asarray((positive / below).sum(axis=(0, 1)))
