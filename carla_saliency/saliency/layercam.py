"""LayerCAM (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943).

Each value of the layer is multiplied by its own gradient (towards one side: where that is
positive), and a cell's value is the sum over its channels: to first order, what steering the cell
adds compared with one of zeros. It works on shallow layers too.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.saliency.cam import Cam
from carla_saliency.saliency.colours import Values


class LayerCam(Cam):
    """Explains a frame by gradient times activation in each cell of a layer."""

    name = "layercam"
    title = "LayerCAM"
    in_degrees = True

    def combine(self, outputs: Values, gradients: Values) -> Values:
        """Return the sum over channels of output times gradient, (h, w): steering per cell."""
        if not self.both:
            gradients = np.maximum(gradients, 0)
        return np.asarray((outputs * gradients).sum(axis=2))
