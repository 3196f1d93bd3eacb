"""Resizing of pictures, forward and backward, as ONNX nodes.

It is linear and separable: one matrix for the rows, one for the columns; the way back has their
transposes. Places are computed in single precision, as TensorFlow does, since where a place falls
between two pixels, rounding decides which is the nearest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array
from carla_saliency.network.geometry import MAX_SIDE_PX
from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import Backward, GraphBuilder, Value


def places(new: int, old: int) -> Array:
    """Return where the centre of each new pixel is, in old pixels from the edge, (new,)."""
    return (np.arange(new, dtype=np.float32) + np.float32(0.5)) * (
        np.float32(old) / np.float32(new)
    )


def nearest(new: int, old: int) -> Array:
    """Return the (new, old) matrix by which each new pixel is the one it falls on."""
    matrix = np.zeros((new, old), np.float32)
    matrix[np.arange(new), np.minimum(places(new, old).astype(np.int64), old - 1)] = 1
    return matrix


def neighbours(new: int, old: int) -> tuple[tuple[NDArray[np.int64], Array], ...]:
    """Return the two old pixels that each new one is between, and how much of each, (new,)."""
    place = places(new, old) - np.float32(0.5)
    before = np.floor(place)
    share = place - before
    return tuple(
        (np.clip(pixel, 0, old - 1).astype(np.int64), weight)
        for pixel, weight in ((before, 1 - share), (before + 1, share))
    )


def bilinear(new: int, old: int) -> Array:
    """Return the (new, old) matrix by which a new pixel is between two; at the edges, one."""
    matrix = np.zeros((new, old), np.float32)
    for pixel, weight in neighbours(new, old):
        np.add.at(matrix, (np.arange(new), pixel), weight)
    return matrix


def between(b: GraphBuilder, name: str, new: int, old: int) -> str:
    """Emit a picture with new rows, each between two old ones.

    As fast as ONNX's Resize, and four times as fast as a matrix. Resize places its pixels with
    other roundings than TensorFlow, by which a picture of 0 to 255 differs by up to 0.02.
    """
    parts = [
        b.op("Mul", b.op("Gather", name, b.constant(at, np.int64), axis=2), b.constant(w[:, None]))
        for at, w in neighbours(new, old)
    ]
    return b.op("Add", *parts)


MATRICES = {"nearest": nearest, "bilinear": bilinear}


def resize(
    layer: Layer, b: GraphBuilder, x: Value, size: tuple[int, int]
) -> tuple[Value, Backward]:
    """Emit x in another size (rows, columns), by the layer's `interpolation`.

    Raises:
        BadInputError: If the interpolation is not known here, or the size is absurd.
    """
    rows, columns, channels = layer.require_picture(x.shape)
    kind = layer.config.get("interpolation", "bilinear")
    if kind not in MATRICES:
        raise layer.not_in_graph(f"interpolation {' or '.join(MATRICES)}", kind)
    if max(size) > MAX_SIDE_PX:
        raise layer.refuse(f"a size of at most {MAX_SIDE_PX} rows and columns", size)
    vertical, horizontal = MATRICES[kind](size[0], rows), MATRICES[kind](size[1], columns)
    # the order that leaves less for the second multiplication
    rows_first = size[0] * columns < rows * size[1]

    def multiply(name: str, left: Array, right: Array, left_first: bool) -> str:
        for on_left in (left_first, not left_first):
            matrix = b.constant(left if on_left else right)
            name = b.op("MatMul", *((matrix, name) if on_left else (name, matrix)))
        return name

    if kind == "bilinear":
        y = between(b, x.name, size[0], rows)
        y = b.op("Transpose", y, perm=(0, 1, 3, 2))
        y = between(b, y, size[1], columns)
        y = b.op("Transpose", y, perm=(0, 1, 3, 2))
    else:
        y = multiply(x.name, vertical, horizontal.T, rows_first)
    return Value(y, (*size, channels)), lambda g: multiply(
        g, vertical.T, horizontal, not rows_first
    )


def upsampling2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A whole number of times as large."""
    rows, columns, _ = layer.require_picture(x.shape)
    down, right = layer.pair("size", 2)
    config = {"interpolation": "nearest", **layer.config}
    return resize(replace(layer, config=config), b, x, (rows * down, columns * right))


def resizing(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Another size, whatever the aspect.

    Raises:
        BadInputError: If the layer wants to keep the aspect, or to smooth before.
    """
    for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias"):
        if layer.config.get(key):
            raise layer.not_in_graph(f"{key} false", True)
    size = layer.config.get("height"), layer.config.get("width")
    if not all(isinstance(n, int) and n > 0 for n in size):
        raise layer.refuse("height and width as positive integers", size)
    return resize(layer, b, x, (int(layer.config["height"]), int(layer.config["width"])))
