"""The nouns of a model file that was read: its layers, as plain values.

A `LayerGraph` is a chain: each layer takes what the one before it gives. Shapes are Keras's, rows,
columns, channels, without the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One layer of a model file.

    Attributes:
        kind: Keras's class name, for example "Conv2D".
        name: In the file, for example "conv2d_1".
        config: Its settings as the file has them.
        weights: Float32 arrays in Keras's order and layout.
    """

    kind: str
    name: str
    config: dict[str, Any]
    weights: tuple[Array, ...] = ()

    def refuse(self, expected: str, received: object) -> BadInputError:
        """Return the error for a setting that can't be honoured; the caller raises it."""
        return BadInputError(
            f"layer {self.name} ({self.kind}): expected {expected}, received {received!r}"
        )

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
class LayerGraph:
    """A whole model: a chain of layers from one image to its outputs.

    Attributes:
        input_shape: Rows, columns, channels.
        layers: In the order of computation, without the input layer.
        name: For messages and the window.
    """

    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    name: str = "model"

    @property
    def parameters(self) -> int:
        """Number of weights, the constants of the normalisations included."""
        return int(sum(np.size(weight) for layer in self.layers for weight in layer.weights))
