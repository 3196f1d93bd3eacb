"""From Python: load a steering network, ask it, explain its steering on any camera picture.

    network = carla_saliency.load_network("dave2.keras")
    explanation = carla_saliency.explain(network, picture)

Steering is a number, left negative; how many degrees that is depends on the car.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carla_saliency import factory
from carla_saliency.core import Array, Explanation, Frame, Image, Inputs, LayerInfo, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.loading import Reading
from carla_saliency.saliency import Options

Batch = NDArray[np.float32] | NDArray[np.uint8]


class Network:
    """A steering network; make one with `load_network`.

    Its methods take arrays exactly as they enter the model file's first layer: on its own grid, in
    its own layout, colours and range. `explain` takes camera pictures instead.

    Args:
        steering: The network with its contract.

    Attributes:
        steering: The same.
    """

    def __init__(self, steering: factory.Steering) -> None:
        self.steering = steering

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one input, as the file has it: rows, columns, channels for most.

        (channels, rows, columns) for a file whose pictures are so; (frames, ...) for a network that
        takes several pictures in a row.
        """
        graph = self.steering.network.graph
        return _as_file(graph.image_shape) if graph.channels_first else graph.image_shape

    @property
    def takes_speed(self) -> bool:
        """Whether the network has a second input for the speed."""
        return self.steering.network.graph.takes_speed

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Its layers, in the order of computation; their names are what `layer` may be."""
        return self.steering.network.layers

    def steer(self, inputs: Batch, speed: Batch | None = None) -> Array:
        """Return the steering of each input.

        Args:
            inputs: float32 or uint8, (N, H, W, C) with (H, W, C) the `input_shape`; uint8 is used
                as the numbers 0 to 255.
            speed: float32, (N, 1), as it enters the file; for a network that takes it only.

        Returns:
            float32, (N,): the steering as the contract defines it, left negative, even where that
            is beyond [-1, 1].

        Raises:
            BadInputError: If a type or a shape is another.
        """
        return self.steering.network.steer(self._inputs(inputs, speed))

    def steer_and_gradient(self, inputs: Batch, speed: Batch | None = None) -> tuple[Array, Array]:
        """Return the steering of each input and its gradient, from one call.

        Args:
            inputs: As in `steer`.
            speed: As in `steer`.

        Returns:
            Steering (N,), and d steering / d input (N, *input_shape), both float32: raw, with its
            sign, for each channel, per unit of the input.

        Raises:
            BadInputError: If a type or a shape is another, or the network has no gradient.
        """
        network = self.steering.network
        answer = network.run(Query(), self._inputs(inputs, speed))
        gradient = answer.gradients[:, 0]
        if network.graph.channels_first:
            gradient = np.ascontiguousarray(np.moveaxis(gradient, -1, -3))
        return answer.steering, gradient

    def _inputs(self, inputs: Batch, speed: Batch | None) -> Inputs:
        graph, expected = self.steering.network.graph, self.input_shape
        dtype, shape = getattr(inputs, "dtype", type(inputs).__name__), np.shape(inputs)
        if dtype not in (np.float32, np.uint8) or shape[1:] != expected:
            grid = ", ".join(map(str, expected))
            raise BadInputError(
                f"inputs must be float32 or uint8 of shape (N, {grid}), received {dtype} {shape}"
            )
        image = np.moveaxis(inputs, -3, -1) if graph.channels_first else inputs
        image = np.ascontiguousarray(image, np.float32)
        if not graph.takes_speed and speed is None:
            return Inputs(image)
        if speed is None or not graph.takes_speed or np.shape(speed) != (len(image), 1):
            wanted = f"of shape ({len(image)}, 1)" if graph.takes_speed else "None"
            received = None if speed is None else np.shape(speed)
            raise BadInputError(f"speed must be {wanted} for this network, received {received}")
        return Inputs(image, np.asarray(speed, np.float32))


def _as_file(shape: tuple[int, ...]) -> tuple[int, ...]:
    *frames, rows, columns, channels = shape
    return (*frames, channels, rows, columns)


def load_network(
    path: str | Path,
    *,
    preprocess: str | None = None,
    output: str | None = None,
    contract: str | Path | Mapping[str, object] | None = None,
    arch: str | Path | None = None,
) -> Network:
    """Return the network of a model file, after its gradient was found right.

    Args:
        path: A model: `.keras`, HDF5 of any Keras, SavedModel folder, or ONNX; read as data:
            nothing in it is executed.
        preprocess: Takes the place of a Lambda in the file: steps joined by "|", for example
            "x/127.5-1".
        output: What the network answers: "steering", "degrees", "radians", "bins", "two-heads" or
            "vector:I"; guessed from the file if not given.
        contract: How `explain` makes the input of a camera picture, and what the answer is in
            degrees: the name of a preset ("dave2", "udacity", "donkey", "seed"), a file, or parts
            of one such as {"crop": "60,135,0,320", "colour": "yuv"}. None = `NAME.contract.json`
            beside the model, or a guess.
        arch: Layers for a file of weights only: "dave2", or a Keras `model.json`.

    Raises:
        BadInputError: If the file or the contract can't be used.
    """
    parts = {"preprocess": preprocess, "output": output}
    named = None
    if isinstance(contract, Mapping):
        parts |= {key: _as_text(value) for key, value in contract.items()}
    elif contract is not None:
        named = str(contract)
    given = {key: value for key, value in parts.items() if value is not None}
    reading = Reading(None if arch is None else str(arch), named, given)
    return Network(factory.read_steering(path, reading))


def _as_text(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value)


def explain(
    network: Network, image: Image, method: str = "contrast", layer: str | None = None
) -> Explanation:
    """Return the steering for one camera picture, and how much each pixel moved it.

    Args:
        network: From `load_network`. Without a contract it is given the whole picture, resized to
            its input, as RGB values of 0 to 255.
        image: RGB, uint8, (H, W, 3): what the contract's camera sees, in any size.
        method: One of the saliency methods, for example "contrast", "gradient" or "layercam"; their
            names are the keys of `carla_saliency.saliency.METHODS`.
        layer: Name of a layer. For "gradcam", "gradcam++" and "layercam" the one at which the
            steering is attributed; for all others the one whose output is explained instead of the
            steering. None = the steering, at the method's own choice of layer.

    Returns:
        `steering`, left negative, and `attribution`, float32: (rows, columns) of the network's
        input, or of the layer's cells; `meaning` has its unit and says whether its sign is a side
        (then positive is right), `place` what part of the input it covers. Where the unit begins
        with "deg", values are in steering: times the car's lock they are degrees.

    Raises:
        BadInputError: If there is no such method or layer, the picture is of another type or shows
            less than the network needs, or the network answers NaN or infinity.
    """
    factory.require_method(method, "method")
    dtype, shape = getattr(image, "dtype", type(image).__name__), np.shape(image)
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise BadInputError(f"image must be RGB, uint8 (H, W, 3), received {dtype} {shape}")
    steering = factory.for_picture(network.steering, image)
    steering.feed.forget()  # this picture follows no other
    explainers = factory.make_explainers(steering, method, Options(layer=layer))
    return explainers[method].explain(Frame(0, 0.0, image))
