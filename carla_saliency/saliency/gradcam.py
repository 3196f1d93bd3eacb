"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391).

Each feature map of the layer is weighted by the mean of the steering's gradient over it, and the
maps are added up. One weight for a whole map: where in it the gradient is does not count.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.saliency.cam import Cam
from carla_saliency.saliency.colours import Values


class GradCam(Cam):
    """Explains a frame by the feature maps that speak for a side."""

    name = "gradcam"
    title = "Grad-CAM"

    def combine(self, outputs: Values, gradients: Values) -> Values:
        """Return the sum of the feature maps, each times its mean gradient, (h, w)."""
        return np.asarray(outputs @ gradients.mean(axis=(0, 1)))
