"""How a value of an ONNX graph lies in ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carla_saliency.network.layers import Shape

# Where ONNX's channels, rows, columns are among our rows, columns, channels.
PICTURE = (2, 0, 1)
VECTOR = (0,)

ANY_BATCH = 1_000_003  # stands for a free batch among sizes: a prime divides none of them


class NoLayerError(Exception):
    """An operator that becomes no layer here; the text says why, where its kind alone does not."""


@dataclass(frozen=True)
class Flow:
    """A value that depends on the image or the speed, without its batch.

    Attributes:
        layer: The layer or model input that gives it.
        shape: Of what that gives: (rows, columns, channels) or (units,).
        order: Place in `shape` of each of ONNX's axes, before the last reshape.
        logical: ONNX's shape, after it.
        label: Name of the node that reshaped it.
    """

    layer: str
    shape: Shape
    order: tuple[int, ...]
    logical: Shape
    label: str = ""

    @property
    def turned(self) -> Shape:
        """Our shape with its axes in ONNX's order."""
        return tuple(self.shape[axis] for axis in self.order)

    @property
    def settled(self) -> bool:
        """Whether each of ONNX's axes is one of ours."""
        return self.turned == self.logical


def moves_nothing(shape: Shape, order: Sequence[int]) -> bool:
    """Say whether numbers stay in their order when the axes of this shape are put into that one."""
    real = [axis for axis in order if shape[axis] != 1]
    return real == sorted(real)
