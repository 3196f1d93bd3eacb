"""The gradient of the steering to the pixels, with its sign (Simonyan 2013, arXiv:1312.6034).

A pixel's value is the change of the steering when red, green and blue of that pixel all rise by one
grey level: the chain rule is followed through scale and colour conversion back to the picture on
the network's grid. It says what *would* change the steering, not what caused it: a plain road has a
gradient too.
"""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Explanation, Frame, Image, Inputs, Network, Preprocess, Query
from carla_saliency.errors import BadInputError


class Gradient:
    """Explains a frame by the gradient of the steering.

    Args:
        network: Asked once for each frame; steering and gradient come from the same call.
        preprocess: What the network's contract does to a picture.

    Attributes:
        name: In the table and on the command line.
        title: For the window.
        signed: The sign means left and right.
        unit: Of a value, where steering is shown in degrees.
        left: What a negative value says.
        right: What a positive value says.
        hint: How to read the map, two short lines.
    """

    name = "gradient"
    title = "gradient"
    signed = True
    unit = "deg / grey level"
    left = "brighter = left"
    right = "brighter = right"
    hint = ("a brighter pixel would push", "the steering this way")

    def __init__(self, network: Network, preprocess: Preprocess) -> None:
        self.network = network
        self.preprocess = preprocess

    def explain(self, frame: Frame) -> Explanation:
        """Return the steering and the map of one frame, (H, W) on the network's grid.

        Raises:
            BadInputError: If the network answers NaN or infinity.
        """
        rgb = self.preprocess.crop(frame.image)
        image = self.preprocess.encode(rgb)
        answer = self.network.run(Query(), Inputs(image[None]))
        per_level = self.preprocess.pull_back(rgb, answer.gradients[0, 0])
        steering, values = float(answer.steering[0]), self.attribution(rgb, per_level)
        if not (np.isfinite(steering) and np.isfinite(values).all()):
            raise BadInputError(
                f"the network answers NaN or infinity for frame {frame.frame_id}: its weights or "
                "its contract's scale are wrong: give another --model"
            )
        return Explanation(frame.frame_id, self.name, steering, values)

    def attribution(self, rgb: Image, per_level: Array) -> Array:
        """Return the map, (H, W).

        Args:
            rgb: On the network's grid, (H, W, 3).
            per_level: Gradient of the steering per grey level of R, G, B, (H, W, 3).
        """
        return np.asarray(per_level.sum(axis=2), np.float32)
