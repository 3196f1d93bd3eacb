"""The nouns of a model file that was read: its layers, as plain values.

Each layer names the layers or inputs that feed it. Shapes are Keras's: rows, columns, channels,
without the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError

Shape = tuple[int, ...]


class NotInGraphError(BadInputError):
    """A setting that Keras knows and the fast graph does not: TensorFlow can run it."""


@dataclass(frozen=True)
class Layer:
    """One layer of a model file.

    Attributes:
        kind: Keras 3's class name, for example "Conv2D"; or "Colour", which is ours.
        name: In the file, for example "conv2d_1"; unique in the model.
        config: Its settings by Keras 3's names.
        weights: Float32 arrays in Keras 3's order and layout.
        inputs: Names of the layers or model inputs that feed it, in order.
    """

    kind: str
    name: str
    config: dict[str, Any]
    weights: tuple[Array, ...] = ()
    inputs: tuple[str, ...] = ()

    def refuse(self, expected: str, received: object) -> BadInputError:
        """Return the error for a setting that can't be honoured; the caller raises it."""
        return BadInputError(
            f"layer {self.name} ({self.kind}): expected {expected}, received {received!r}"
        )

    def not_in_graph(self, expected: str, received: object) -> NotInGraphError:
        """Return the error for a setting that TensorFlow can honour; the caller raises it."""
        return NotInGraphError(str(self.refuse(expected, received)))

    def weight(self, index: int, shape: Iterable[int]) -> Array:
        """Return one weight after looking at its shape.

        Args:
            index: In Keras's order, from 0.
            shape: That it must have.

        Raises:
            BadInputError: If the file lacks it, or it has another shape.
        """
        shape = tuple(shape)
        if index >= len(self.weights):
            raise self.refuse(f"weight {index} of shape {shape}", f"{len(self.weights)} weights")
        weight = self.weights[index]
        if weight.shape != shape:
            raise self.refuse(f"weight {index} of shape {shape}", weight.shape)
        return weight

    def require_picture(self, shape: Shape) -> tuple[int, int, int]:
        """Return the shape of the layer's input if it has rows, columns and channels.

        Args:
            shape: Keras's, without the batch.

        Raises:
            BadInputError: If it is a vector.
        """
        if len(shape) != 3:
            raise self.refuse("an input of rows, columns and channels", shape)
        return shape[0], shape[1], shape[2]

    def pair(self, key: str, default: int) -> tuple[int, int]:
        """Return a setting that is a positive number or two of them, as two: rows, columns.

        Args:
            key: Of the setting.
            default: Where the file does not say.

        Raises:
            BadInputError: If it is something else.
        """
        value = self.config.get(key)
        value = default if value is None else value
        rows_columns = (value, value) if isinstance(value, int) else tuple(value)
        if len(rows_columns) != 2 or not all(isinstance(v, int) and v > 0 for v in rows_columns):
            raise self.refuse(f"{key} as one or two positive integers", value)
        return rows_columns[0], rows_columns[1]


@dataclass(frozen=True)
class ModelInput:
    """What a model is given.

    Attributes:
        name: In the file.
        shape: (rows, columns, channels), (frames, rows, columns, channels) or (units,).
    """

    name: str
    shape: Shape


@dataclass(frozen=True)
class LayerGraph:
    """A whole model: from one image, and perhaps the speed, to its outputs.

    Attributes:
        inputs: The image; then the speed, if the model takes it.
        layers: In an order of computation: each after what feeds it.
        outputs: Names of the layers whose values are the model's answer.
        name: For messages and the window.
        source: What the file is, for example "Keras 2.1.6, HDF5".
        channels_first: The file's own image is (channels, rows, columns); `inputs` has it turned,
            and the first layer turns it back.
    """

    inputs: tuple[ModelInput, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    name: str = "model"
    source: str = ""
    channels_first: bool = False

    @property
    def image_shape(self) -> Shape:
        """Of one image input: (rows, columns, channels), or with the frames in front."""
        return self.inputs[0].shape

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of one picture."""
        rows, columns, channels = self.image_shape[-3:]
        return rows, columns, channels

    @property
    def frames(self) -> int:
        """How many pictures in a row it is given; 1 for most."""
        return self.image_shape[0] if len(self.image_shape) == 4 else 1

    @property
    def takes_speed(self) -> bool:
        """Whether it is also told the speed."""
        return len(self.inputs) > 1

    def with_new_weights(self, seed: int) -> LayerGraph:
        """Return the same layers with new weights.

        Kernels are drawn from a normal distribution with each kernel's own spread, so that signals
        stay as large as they were; biases become zero, what normalisations know stays.

        Args:
            seed: The same seed gives the same weights.
        """
        rng = np.random.default_rng(seed)
        return replace(self, layers=tuple(_with_new_weights(layer, rng) for layer in self.layers))

    @property
    def parameters(self) -> int:
        """Number of weights, the constants of the normalisations included."""
        return int(sum(np.size(weight) for layer in self.layers for weight in layer.weights))


def _with_new_weights(layer: Layer, rng: np.random.Generator) -> Layer:
    inner = layer.config.get("layer")  # of TimeDistributed
    kinds = layer.kind, str(inner.get("class_name")) if isinstance(inner, dict) else ""
    keeps = layer.config.get("added") or any("Normalization" in kind for kind in kinds)
    if keeps or not layer.weights:
        return layer
    weights = [
        rng.normal(0, max(float(weight.std()), 1e-12), weight.shape).astype(np.float32)
        if weight.ndim > 1
        else np.zeros_like(weight)
        for weight in layer.weights
    ]
    return replace(layer, weights=tuple(weights))


def chain(shape: Shape, layers: Iterable[Layer], name: str = "model") -> LayerGraph:
    """Return the model in which each layer is fed by the one before it.

    Args:
        shape: Of the image: rows, columns, channels.
        layers: At least one; what they say of their inputs is replaced.
        name: Of the model.
    """
    source, joined = "image", []
    for layer in layers:
        joined.append(replace(layer, inputs=(source,)))
        source = layer.name
    return LayerGraph((ModelInput("image", shape),), tuple(joined), (source,), name)
