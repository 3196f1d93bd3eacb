"""Layers that only move values: flattening, reshaping, permuting, cropping, padding."""

from __future__ import annotations

import math

import numpy as np

from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import Backward, GraphBuilder, Value

MAX_SIDE_PX = 8192
"""No picture is padded by more, or enlarged to more: a file may hold any number."""


def reshape(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Flatten and Reshape: values keep Keras's order, channels fastest."""
    size = math.prod(x.shape)
    target = (size,) if layer.kind == "Flatten" else tuple(layer.config.get("target_shape") or ())
    if -1 in target:
        rest = math.prod(n for n in target if n != -1)
        target = tuple(size // max(rest, 1) if n == -1 else n for n in target)
    if math.prod(target) != size:
        raise layer.refuse(f"a shape with {size} values", target)
    if len(target) not in (1, 3):
        raise layer.not_in_graph("a shape of 1 or 3 sizes", target)
    y = b.from_keras_layout(b.reshape(b.to_keras_layout(x), target), target)

    def backward(g: str) -> str:
        flat = b.to_keras_layout(Value(g, target))
        return b.from_keras_layout(b.reshape(flat, x.shape), x.shape).name

    return y, backward


def permute(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """The axes change places."""
    axes = layer.config.get("dims")
    if not isinstance(axes, list | tuple) or sorted(axes) != list(range(1, len(x.shape) + 1)):
        raise layer.refuse(f"dims that are 1 to {len(x.shape)} in some order", axes)
    if len(x.shape) != 3:
        return x, lambda g: g
    # where each of Keras's axes is as values flow, and which one is at each such place
    place, keras = (0, 2, 3, 1), (0, 3, 1, 2)
    order = [0, *(place[axes[keras[p] - 1]] for p in (1, 2, 3))]
    back = [order.index(p) for p in range(4)]
    y = Value(b.op("Transpose", x.name, perm=order), tuple(x.shape[axis - 1] for axis in axes))
    return y, lambda g: b.op("Transpose", g, perm=back)


def edges(layer: Layer, key: str) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of a cropping or padding."""
    value = layer.config.get(key, 1)
    sides = (value, value) if isinstance(value, int) else tuple(value)
    try:
        (top, bottom), (left, right) = ((s, s) if isinstance(s, int) else s for s in sides)
    except (TypeError, ValueError):
        raise layer.refuse(f"{key} as ((top, bottom), (left, right))", value) from None
    if not all(isinstance(v, int) and 0 <= v <= MAX_SIDE_PX for v in (top, bottom, left, right)):
        raise layer.refuse(f"{key} of whole numbers from 0 to {MAX_SIDE_PX}", value)
    return top, bottom, left, right


def pad(b: GraphBuilder, x: Value, sides: tuple[int, int, int, int]) -> Value:
    """Put zeros around a picture."""
    top, bottom, left, right = sides
    pads = b.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
    rows, columns, channels = x.shape
    return Value(b.op("Pad", x.name, pads), (rows + top + bottom, columns + left + right, channels))


def crop(b: GraphBuilder, x: Value, sides: tuple[int, int, int, int]) -> Value:
    """Cut the edges of a picture off."""
    top, bottom, left, right = sides
    rows, columns, channels = x.shape
    starts, ends = [top, left], [rows - bottom, columns - right]
    bounds = [b.constant(v, np.int64) for v in (starts, ends, [2, 3])]
    return Value(
        b.op("Slice", x.name, *bounds), (rows - top - bottom, columns - left - right, channels)
    )


def cropping2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Edges are cut off."""
    layer.require_picture(x.shape)
    sides = edges(layer, "cropping")
    y = crop(b, x, sides)
    if min(y.shape) < 1:
        raise layer.refuse(f"a cropping smaller than the picture {x.shape}", sides)
    return y, lambda g: pad(b, Value(g, y.shape), sides).name


def zero_padding2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Zeros are put around."""
    layer.require_picture(x.shape)
    sides = edges(layer, "padding")
    y = pad(b, x, sides)
    return y, lambda g: crop(b, Value(g, y.shape), sides).name
