"""From Python: load a steering network, ask it, explain its steering on any camera picture.

    network = carla_saliency.load_network("dave2.keras")
    explanation = carla_saliency.explain(network, picture)

Steering is a number, left negative; how many degrees that is depends on the car.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carla_saliency import factory
from carla_saliency.core import Array, Explanation, Frame, Image, Inputs, Query
from carla_saliency.errors import BadInputError

Batch = NDArray[np.float32] | NDArray[np.uint8]


class Network:
    """A steering network; make one with `load_network`.

    Its methods take arrays exactly as they enter the model file's first layer: on its own grid, in
    its own colours and range. `explain` takes camera pictures instead.

    Args:
        steering: The network with its contract.

    Attributes:
        steering: The same.
    """

    def __init__(self, steering: factory.Steering) -> None:
        self.steering = steering

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of one input."""
        return self.steering.network.input_shape

    def steer(self, inputs: Batch) -> Array:
        """Return the steering of each input.

        Args:
            inputs: float32 or uint8, (N, H, W, C) with (H, W, C) the `input_shape`; uint8 is used
                as the numbers 0 to 255.

        Returns:
            float32, (N,); left negative. What the network says, even where that is beyond [-1, 1].

        Raises:
            BadInputError: If the type or the shape is another.
        """
        return self.steering.network.steer(self._inputs(inputs))

    def steer_and_gradient(self, inputs: Batch) -> tuple[Array, Array]:
        """Return the steering of each input and its gradient, from one call.

        Args:
            inputs: As in `steer`.

        Returns:
            Steering (N,), and d steering / d input (N, H, W, C), both float32: raw, with its sign,
            for each channel, per unit of the input.

        Raises:
            BadInputError: If the type or the shape is another.
        """
        answer = self.steering.network.run(Query(), self._inputs(inputs))
        return answer.steering, answer.gradients[:, 0]

    def _inputs(self, inputs: Batch) -> Inputs:
        dtype, shape = getattr(inputs, "dtype", type(inputs).__name__), np.shape(inputs)
        if dtype not in (np.float32, np.uint8) or len(shape) != 4 or shape[1:] != self.input_shape:
            grid = ", ".join(map(str, self.input_shape))
            raise BadInputError(
                f"inputs must be float32 or uint8 of shape (N, {grid}), received {dtype} {shape}"
            )
        return Inputs(np.ascontiguousarray(inputs, np.float32))


def load_network(path: str | Path) -> Network:
    """Return the network of a model file, after its gradient was found right.

    Args:
        path: A Keras model, `.keras` or `.h5`, read as data: nothing in it is executed. The camera
            contract beside it (`NAME.contract.json`), if there is one, says how `explain` makes its
            input of a camera picture.

    Raises:
        BadInputError: If the file or the contract can't be used.
    """
    return Network(factory.load_steering(str(path)))


def explain(network: Network, image: Image, method: str = "contrast") -> Explanation:
    """Return the steering for one camera picture, and how much each pixel moved it.

    Args:
        network: From `load_network`. Without a contract it is given the whole picture, resized to
            its input, as RGB values of 0 to 255.
        image: RGB, uint8, (H, W, 3): what the contract's camera sees, in any size.
        method: One of the saliency methods: "contrast", "gradient", "gradient-x-input" or
            "abs-gradient".

    Returns:
        `steering`, left negative, and `attribution`, float32 (rows, columns) of the network's
        input: steering per pixel ("contrast", "gradient-x-input") or per grey level ("gradient",
        "abs-gradient"), positive to the right where the method has a sign.

    Raises:
        BadInputError: If there is no such method, the picture is of another type or shows less than
            the network needs, or the network answers NaN or infinity.
    """
    factory.require_method(method, "method")
    dtype, shape = getattr(image, "dtype", type(image).__name__), np.shape(image)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise BadInputError(f"image must be RGB, uint8 (H, W, 3), received {dtype} {shape}")
    steering = factory.for_picture(network.steering, image)
    return factory.make_explainers(steering, method)[method].explain(Frame(0, 0.0, image))
