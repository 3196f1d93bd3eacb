"""Kinds of Keras layers, forward and backward, as ONNX nodes: the table `KINDS`.

Each takes the layer, the builder and its input, and returns its output and the way back: a function
from the gradient to its output to that to its input. Convolutions and pooling are in
`convolutions.py`, what only moves values in `geometry.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.network import convolutions, geometry
from carla_saliency.network.activations import ACTIVATION_LAYERS, fused_activation
from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import (
    Backward,
    GraphBuilder,
    Value,
    flowing_axis,
    flowing_constant,
)

Emit = Callable[[Layer, GraphBuilder, Value], tuple[Value, Backward]]


def affine(
    b: GraphBuilder, x: Value, scale: NDArray[Any], offset: NDArray[Any]
) -> tuple[Value, Backward]:
    """Emit x * scale + offset; both broadcast over Keras's shape of x."""
    rank = len(x.shape)
    scale, offset = (a.reshape((1,) * (rank - a.ndim) + a.shape) for a in (scale, offset))
    factor = b.constant(flowing_constant(scale))
    y = b.op("Mul", x.name, factor)
    if np.any(offset):
        y = b.op("Add", y, b.constant(flowing_constant(offset)))
    return Value(y, x.shape), lambda g: b.op("Mul", g, factor)


def per_channel(layer: Layer, value: Any, channels: int) -> NDArray[np.float64]:
    """Return a setting that is a number, or one for each channel, as an array of 0 or 1 axis.

    Raises:
        BadInputError: If it is something else.
    """
    try:
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        values = np.full((0, 0), np.nan)
    if values.ndim > 1 or values.size not in (1, channels) or not np.isfinite(values).all():
        raise layer.refuse("a number or one per channel", value)
    return values


def rescaling(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """X * scale + offset, with numbers or one per channel."""
    scale, offset = (
        per_channel(layer, layer.config.get(key, default), x.shape[-1])
        for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    return affine(b, x, scale, offset)


def normalization(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """(x - mean) / max(sqrt(variance), 1e-7), with constants from the training data."""
    config, rank = layer.config, len(x.shape) + 1
    axes = config.get("axis", -1)
    axes = () if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    kept = {axis % rank for axis in axes}
    shape = tuple(size if axis in kept else 1 for axis, size in enumerate(x.shape, start=1))
    if config.get("mean") is not None:
        mean, variance = (np.asarray(config[key], np.float64) for key in ("mean", "variance"))
    else:
        flat = tuple(x.shape[axis - 1] for axis in sorted(kept))
        mean, variance = (layer.weight(i, flat).astype(np.float64) for i in (0, 1))
    if mean.size not in (1, math.prod(shape)) or mean.size != variance.size:
        raise layer.refuse(f"mean and variance of shape {shape}", mean.shape)
    if mean.size > 1:
        mean, variance = mean.reshape(shape), variance.reshape(shape)
    else:
        mean, variance = mean.reshape(()), variance.reshape(())
    spread = np.maximum(np.sqrt(variance), 1e-7)
    if config.get("invert"):
        return affine(b, x, spread, mean)
    return affine(b, x, 1 / spread, -mean / spread)


def batch_normalization_constants(
    layer: Layer, channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset per channel, as the layer acts outside training."""
    config = layer.config
    names = [key for key in ("scale", "center") if config.get(key, True)] + ["mean", "variance"]
    values = {
        name: layer.weight(index, (channels,)).astype(np.float64)
        for index, name in enumerate(names)
    }
    scale = values.get("scale", 1.0) / np.sqrt(
        values["variance"] + float(config.get("epsilon", 1e-3))
    )
    return scale, values.get("center", 0.0) - values["mean"] * scale


def is_over_channels(layer: Layer, rank: int) -> bool:
    """Say whether the layer's `axis` is the last one; `rank` counts the batch."""
    axis = layer.config.get("axis", -1)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    return len(axes) == 1 and axes[0] % rank == rank - 1


def batch_normalization(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A scale and an offset per channel."""
    if not is_over_channels(layer, len(x.shape) + 1):
        raise layer.refuse("axis -1", layer.config.get("axis"))
    return affine(b, x, *batch_normalization_constants(layer, x.shape[-1]))


def layer_normalization(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Each example by its own mean and variance; the mean and the variance carry gradient too."""
    config = layer.config
    if config.get("rms_scaling"):
        raise layer.refuse("rms_scaling false", True)
    axis = config.get("axis", -1)
    keras_axes = sorted(
        a % (len(x.shape) + 1) for a in ((axis,) if isinstance(axis, int) else axis)
    )
    axes = sorted(flowing_axis(a, x.shape) for a in keras_axes)

    def mean(name: str) -> str:
        return b.op("ReduceMean", name, axes=axes, keepdims=1)

    centred = b.op("Sub", x.name, mean(x.name))
    variance = mean(b.op("Mul", centred, centred))
    epsilon = b.constant(float(config.get("epsilon", 1e-3)))
    rate = b.op("Reciprocal", b.op("Sqrt", b.op("Add", variance, epsilon)))
    normal = b.op("Mul", centred, rate)

    def through_normal(g: str) -> str:
        along = b.op("Mul", normal, mean(b.op("Mul", g, normal)))
        return b.op("Mul", rate, b.op("Sub", b.op("Sub", g, mean(g)), along))

    sizes = tuple(x.shape[a - 1] for a in keras_axes)
    broadcast = tuple(s if a in keras_axes else 1 for a, s in enumerate(x.shape, start=1))
    names = [key for key in ("scale", "center") if config.get(key, True)]
    values = {name: layer.weight(i, sizes).reshape(broadcast) for i, name in enumerate(names)}
    if not names:
        return Value(normal, x.shape), through_normal
    y, through_affine = affine(
        b,
        Value(normal, x.shape),
        values.get("scale", np.ones(broadcast)),
        values.get("center", np.zeros(broadcast)),
    )
    return y, lambda g: through_normal(through_affine(g))


def activation(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """An activation as a layer."""
    if layer.kind in ACTIVATION_LAYERS:
        y, backward = ACTIVATION_LAYERS[layer.kind](layer, b, x.name)
    else:
        y, backward = fused_activation(layer, b, x.name)
    return Value(y, x.shape), backward


def prelu(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """X above 0, a learned slope times x below."""
    shared = {axis % (len(x.shape) + 1) for axis in layer.config.get("shared_axes") or ()}
    shape = tuple(1 if axis in shared else size for axis, size in enumerate(x.shape, start=1))
    slope = b.constant(flowing_constant(layer.weight(0, shape)))
    above = b.op("Greater", x.name, b.constant(0.0))
    y = b.op("Where", above, x.name, b.op("Mul", x.name, slope))
    return Value(y, x.shape), lambda g: b.op("Where", above, g, b.op("Mul", g, slope))


def vanish(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """What acts in training only."""
    return x, lambda g: g


def dense(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A matrix, on a vector; on a picture it acts on the channels, as a 1x1 convolution."""
    units, size = int(layer.config["units"]), x.shape[-1]
    if len(x.shape) == 3:
        return convolutions.conv2d(as_pointwise(layer, (size, units)), b, x)
    matrix = layer.weight(0, (size, units))
    y = b.op("MatMul", x.name, b.constant(matrix))
    if layer.config.get("use_bias", True):
        y = b.op("Add", y, b.constant(layer.weight(1, (units,))))
    y, through_activation = fused_activation(layer, b, y)
    # transposed here, not by the runtime in each call
    back = b.constant(np.ascontiguousarray(matrix.T))
    return Value(y, (units,)), lambda g: b.op("MatMul", through_activation(g), back)


def as_pointwise(layer: Layer, shape: tuple[int, int]) -> Layer:
    """Return a dense layer, whose matrix has this shape, as a convolution of 1x1."""
    config: dict[str, Any] = {"filters": shape[1], "kernel_size": 1, "strides": 1}
    for key in ("activation", "use_bias"):
        config[key] = layer.config.get(key, key == "use_bias")
    kernel = layer.weight(0, shape)[None, None]
    return Layer("Conv2D", layer.name, config, (kernel, *layer.weights[1:]))


KINDS: dict[str, Emit] = {
    "Rescaling": rescaling,
    "Normalization": normalization,
    "LayerNormalization": layer_normalization,
    "BatchNormalization": batch_normalization,
    "Conv2D": convolutions.conv2d,
    "DepthwiseConv2D": convolutions.depthwise_conv2d,
    "SeparableConv2D": convolutions.separable_conv2d,
    "MaxPooling2D": convolutions.max_pooling2d,
    "AveragePooling2D": convolutions.average_pooling2d,
    "GlobalAveragePooling2D": convolutions.global_average_pooling2d,
    "Activation": activation,
    "ReLU": activation,
    "LeakyReLU": activation,
    "ELU": activation,
    "PReLU": prelu,
    "Dense": dense,
    "Flatten": geometry.reshape,
    "Reshape": geometry.reshape,
    "Cropping2D": geometry.cropping2d,
    "ZeroPadding2D": geometry.zero_padding2d,
    # only in training
    "Dropout": vanish,
    "SpatialDropout2D": vanish,
    "GaussianDropout": vanish,
    "GaussianNoise": vanish,
    "AlphaDropout": vanish,
    "ActivityRegularization": vanish,
    "RandomBrightness": vanish,
    "RandomContrast": vanish,
    "RandomFlip": vanish,
    "RandomTranslation": vanish,
    "RandomRotation": vanish,
    "RandomZoom": vanish,
}
VANISHING = frozenset(kind for kind, emit in KINDS.items() if emit is vanish)
