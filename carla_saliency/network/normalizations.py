"""Layers that scale and shift, by constants or by each example's own statistics, as ONNX nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.network.activation_functions import Emitted
from carla_saliency.network.activations import number
from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import (
    Backward,
    GraphBuilder,
    Value,
    flowing_axis,
    flowing_constant,
    flowing_shape,
)


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
    """A scale and an offset for each place on one axis, mostly the channels."""
    axis = layer.config.get("axis", -1)
    if isinstance(axis, list | tuple) and len(axis) == 1:
        (axis,) = axis
    if not isinstance(axis, int) or not axis % (len(x.shape) + 1) >= 1:
        raise layer.not_in_graph("one axis, not the batch", axis)
    own = axis % (len(x.shape) + 1)
    shape = tuple(size if i == own else 1 for i, size in enumerate(x.shape, start=1))
    scale, offset = batch_normalization_constants(layer, x.shape[own - 1])
    return affine(b, x, scale.reshape(shape), np.broadcast_to(offset, scale.shape).reshape(shape))


def standardise(b: GraphBuilder, x: str, axes: Sequence[int], epsilon: float) -> Emitted:
    """Emit (x - mean) / sqrt(variance + epsilon) along axes as values flow.

    The mean and the variance carry gradient too.
    """

    def mean(name: str) -> str:
        return b.op("ReduceMean", name, axes=list(axes), keepdims=1)

    centred = b.op("Sub", x, mean(x))
    variance = mean(b.op("Mul", centred, centred))
    rate = b.op("Reciprocal", b.op("Sqrt", b.op("Add", variance, b.constant(epsilon))))
    normal = b.op("Mul", centred, rate)

    def backward(g: str) -> str:
        along = b.op("Mul", normal, mean(b.op("Mul", g, normal)))
        return b.op("Mul", rate, b.op("Sub", b.op("Sub", g, mean(g)), along))

    return normal, backward


def learned(
    layer: Layer, b: GraphBuilder, x: Value, sizes: Sequence[int], shape: Sequence[int]
) -> tuple[Value, Backward]:
    """Emit the scale and the offset that a layer may have learned.

    Args:
        layer: With the settings `scale` and `center`.
        b: The graph.
        x: What is scaled.
        sizes: Shape of each weight.
        shape: To which it is reshaped, so that it broadcasts over Keras's shape of x.
    """
    names = [key for key in ("scale", "center") if layer.config.get(key, True)]
    values = {name: layer.weight(i, sizes).reshape(shape) for i, name in enumerate(names)}
    if not values:
        return x, lambda g: g
    scale, offset = values.get("scale", np.ones(shape)), values.get("center", np.zeros(shape))
    return affine(b, x, scale, offset)


def layer_normalization(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Each example by its own mean and variance, along any axes."""
    config = layer.config
    if config.get("rms_scaling"):
        raise layer.not_in_graph("rms_scaling false", True)
    axis = config.get("axis", -1)
    keras_axes = sorted(
        a % (len(x.shape) + 1) for a in ((axis,) if isinstance(axis, int) else axis)
    )
    if not keras_axes:
        raise layer.refuse("at least one axis", axis)
    axes = sorted(flowing_axis(a, x.shape) for a in keras_axes)
    normal, through_normal = standardise(b, x.name, axes, number(layer, "epsilon", 1e-3))
    sizes = tuple(x.shape[a - 1] for a in keras_axes)
    shape = tuple(s if a in keras_axes else 1 for a, s in enumerate(x.shape, start=1))
    y, through_learned = learned(layer, b, Value(normal, x.shape), sizes, shape)
    return y, lambda g: through_normal(through_learned(g))


def group_normalization(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Each group of channels by its own mean and variance (Wu and He 2018)."""
    channels = x.shape[-1]
    groups = layer.config.get("groups", 32)
    groups = channels if groups == -1 else groups
    if not is_over_channels(layer, len(x.shape) + 1):
        raise layer.not_in_graph("axis -1", layer.config.get("axis"))
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise layer.refuse(f"groups that divide {channels} channels", groups)
    grouped = (groups, math.prod(x.shape) // groups)  # channels are first, as values flow
    epsilon = number(layer, "epsilon", 1e-3)
    normal, through_normal = standardise(b, b.reshape(x.name, grouped), (2,), epsilon)
    whole = flowing_shape(x.shape)
    y, through_learned = learned(
        layer, b, Value(b.reshape(normal, whole), x.shape), (channels,), (channels,)
    )

    def backward(g: str) -> str:
        return b.reshape(through_normal(b.reshape(through_learned(g), grouped)), whole)

    return y, backward
