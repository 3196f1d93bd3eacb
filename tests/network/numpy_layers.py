"""What each kind of layer computes, written down in NumPy, float64: the reference of the tests.

Values are in Keras's layout with the batch in front. Nothing here knows of ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from carla_saliency.network.layers import Layer

Arrays = Sequence[np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def elu(x: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x / 6 + 0.5, 0, 1)


def relu(x: np.ndarray, top: float | None = None, slope: float = 0, start: float = 0) -> np.ndarray:
    high = x if top is None else np.minimum(x, top)
    return np.where(x > start, high, slope * (x - start))


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda x: x,
    "relu": relu,
    "relu6": lambda x: relu(x, 6),
    "leaky_relu": lambda x: relu(x, slope=0.2),
    "elu": elu,
    "celu": elu,
    "selu": lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "sigmoid": sigmoid,
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "hard_sigmoid": hard_sigmoid,
    "hard_sigmoid_keras2": lambda x: np.clip(x / 5 + 0.5, 0, 1),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "mish": lambda x: x * np.tanh(np.log(1 + np.exp(x))),
    "exponential": np.exp,
    "gelu": gelu,
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
}


def own_activation(layer: Layer, y: np.ndarray) -> np.ndarray:
    setting = layer.config.get("activation") or "linear"
    if isinstance(setting, dict):
        return LAYERS[setting["class_name"]](Layer(setting["class_name"], "", setting["config"]), y)
    return FUNCTIONS[setting](y)


def pair(value: Any, default: Any = 1) -> tuple[int, int]:
    value = default if value is None else value
    return (value, value) if isinstance(value, int) else tuple(value)


def patches(layer: Layer, x: np.ndarray, kernel: tuple[int, int], strides: Any, fill: float) -> Any:
    """Return for each tap of the kernel what it meets, (taps, N, rows, columns, channels)."""
    strides, dilation = pair(strides), pair(layer.config.get("dilation_rate"))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads = [(0, 0), (0, 0)]
    if layer.config.get("padding") == "same":
        totals = [
            max((-(-n // s) - 1) * s + r - n, 0)
            for n, s, r in zip(x.shape[1:3], strides, reach, strict=True)
        ]
        pads = [(t // 2, t - t // 2) for t in totals]
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(x.shape[1:3], reach, strides, strict=True))
    taps = []
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilation[0], column * dilation[1]
            part = x[:, top:, left:][:, :: strides[0], :: strides[1]]
            taps.append(part[:, :rows, :columns])
    return np.stack(taps)


def conv2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    kernel = layer.weights[0].astype(np.float64)
    groups = layer.config.get("groups", 1)
    taps = patches(layer, x, kernel.shape[:2], layer.config.get("strides"), 0)
    parts = [
        np.einsum("tnhwc,tcf->nhwf", p, k.reshape(-1, *k.shape[2:]))
        for p, k in zip(np.split(taps, groups, -1), np.split(kernel, groups, -1), strict=True)
    ]
    y = np.concatenate(parts, -1)
    return own_activation(layer, y + layer.weights[1] if len(layer.weights) > 1 else y)


def depthwise(layer: Layer, x: np.ndarray) -> np.ndarray:
    kernel = layer.weights[0].astype(np.float64)
    taps = patches(layer, x, kernel.shape[:2], layer.config.get("strides"), 0)
    y = np.einsum("tnhwc,tcm->nhwcm", taps, kernel.reshape(-1, *kernel.shape[2:]))
    return y.reshape(*y.shape[:3], -1)


def depthwise_conv2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return own_activation(layer, depthwise(layer, x) + layer.weights[1])


def separable_conv2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return own_activation(layer, depthwise(layer, x) @ layer.weights[1][0, 0] + layer.weights[2])


def pool(layer: Layer, x: np.ndarray, fill: float) -> Any:
    size = pair(layer.config.get("pool_size"), 2)
    return patches(layer, x, size, layer.config.get("strides") or size, fill)


def max_pooling2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return pool(layer, x, -np.inf).max(axis=0)


def average_pooling2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return np.nanmean(pool(layer, x, np.nan), axis=0)


def global_max_pooling2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return x.max(axis=(1, 2), keepdims=bool(layer.config.get("keepdims")))


def global_average_pooling2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return x.mean(axis=(1, 2), keepdims=bool(layer.config.get("keepdims")))


def normalization(layer: Layer, x: np.ndarray) -> np.ndarray:
    config = layer.config
    mean, variance = layer.weights or (config["mean"], config["variance"])
    spread = np.sqrt(np.asarray(variance, np.float64))
    return x * spread + mean if config.get("invert") else (x - mean) / spread


def batch_normalization(layer: Layer, x: np.ndarray) -> np.ndarray:
    axis, weights = layer.config.get("axis", -1), [w.astype(np.float64) for w in layer.weights]
    gamma = weights.pop(0) if layer.config.get("scale", True) else 1.0
    beta = weights.pop(0) if layer.config.get("center", True) else 0.0
    x = np.moveaxis(x, axis, -1)
    y = gamma * (x - weights[0]) / np.sqrt(weights[1] + layer.config["epsilon"]) + beta
    return np.moveaxis(y, -1, axis)


def standard(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


def learned(layer: Layer, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    weights = [w.astype(np.float64).reshape(shape) for w in layer.weights]
    y = y * weights.pop(0) if layer.config.get("scale", True) else y
    return y + weights.pop(0) if layer.config.get("center", True) else y


def layer_normalization(layer: Layer, x: np.ndarray) -> np.ndarray:
    axis = layer.config["axis"]
    axes = tuple(a % x.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    shape = tuple(n if a in axes else 1 for a, n in enumerate(x.shape))
    return learned(layer, standard(x, axes, layer.config.get("epsilon", 1e-3)), shape)


def group_normalization(layer: Layer, x: np.ndarray) -> np.ndarray:
    groups, channels = layer.config["groups"], x.shape[-1]
    groups = channels if groups == -1 else groups
    parts = np.split(x, groups, axis=-1)
    axes = tuple(range(1, x.ndim))
    y = np.concatenate([standard(p, axes, layer.config["epsilon"]) for p in parts], axis=-1)
    return learned(layer, y, (channels,))


def prelu(layer: Layer, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, layer.weights[0] * x)


def relu_layer(layer: Layer, x: np.ndarray) -> np.ndarray:
    config = layer.config
    slope, start = (config.get(key) or 0 for key in ("negative_slope", "threshold"))
    return relu(x, config.get("max_value"), slope, start)


def leaky_relu(layer: Layer, x: np.ndarray) -> np.ndarray:
    return relu(x, slope=layer.config.get("negative_slope", layer.config.get("alpha", 0.3)))


def dense(layer: Layer, x: np.ndarray) -> np.ndarray:
    y = x @ layer.weights[0].astype(np.float64)
    return own_activation(layer, y + layer.weights[1] if len(layer.weights) > 1 else y)


def reshape(layer: Layer, x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), *layer.config.get("target_shape", (-1,)))


def cropping2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    (top, bottom), (left, right) = layer.config["cropping"]
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def zero_padding2d(layer: Layer, x: np.ndarray) -> np.ndarray:
    return np.pad(x, ((0, 0), *layer.config["padding"], (0, 0)))


def resized(x: np.ndarray, axis: int, size: int, kind: str) -> np.ndarray:
    old = x.shape[axis]
    where = (np.arange(size) + 0.5) * old / size
    if kind == "nearest":
        return np.take(x, np.minimum(where.astype(int), old - 1), axis)
    lines = np.moveaxis(x, axis, -1)
    inner = np.apply_along_axis(
        lambda line: np.interp(where, np.arange(old) + 0.5, line), -1, lines
    )
    return np.moveaxis(inner, -1, axis)


def resizing(layer: Layer, x: np.ndarray) -> np.ndarray:
    if layer.kind == "UpSampling2D":
        factors = pair(layer.config.get("size"), 2)
        size, kind = (x.shape[1] * factors[0], x.shape[2] * factors[1]), "nearest"
    else:
        size, kind = (layer.config["height"], layer.config["width"]), "bilinear"
    kind = layer.config.get("interpolation", kind)
    return resized(resized(x, 1, size[0], kind), 2, size[1], kind)


def hsv(x: np.ndarray) -> np.ndarray:
    """Pixel by pixel, as OpenCV's manual says it."""
    y = np.empty_like(x)
    for at in np.ndindex(x.shape[:-1]):
        r, g, b = x[at]
        value, spread = max(r, g, b), max(r, g, b) - min(r, g, b)
        if value == r:
            degrees = 60 * (g - b) / (spread or 1)
        elif value == g:
            degrees = 120 + 60 * (b - r) / (spread or 1)
        else:
            degrees = 240 + 60 * (r - g) / (spread or 1)
        degrees = degrees + 360 if degrees < -1 else degrees
        y[at] = degrees / 2, 255 * spread / (value or 1), value
    return y


def colour(layer: Layer, x: np.ndarray) -> np.ndarray:
    luma = x @ [0.299, 0.587, 0.114]
    if layer.config["space"] == "bgr":
        return x[..., ::-1]
    if layer.config["space"] == "grey":
        return luma[..., None]
    if layer.config["space"] == "hsv":
        return hsv(x)
    u, v = 0.492 * (x[..., 2] - luma) + 128, 0.877 * (x[..., 0] - luma) + 128
    return np.clip(np.stack([luma, u, v], -1), 0, 255)


LAYERS: dict[str, Callable[[Layer, np.ndarray], np.ndarray]] = {
    "Colour": colour,
    "Rescaling": lambda layer, x: x * layer.config["scale"] + layer.config["offset"],
    "Normalization": normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "BatchNormalization": batch_normalization,
    "Conv2D": conv2d,
    "DepthwiseConv2D": depthwise_conv2d,
    "SeparableConv2D": separable_conv2d,
    "MaxPooling2D": max_pooling2d,
    "AveragePooling2D": average_pooling2d,
    "GlobalMaxPooling2D": global_max_pooling2d,
    "GlobalAveragePooling2D": global_average_pooling2d,
    "UpSampling2D": resizing,
    "Resizing": resizing,
    "Cropping2D": cropping2d,
    "ZeroPadding2D": zero_padding2d,
    "Flatten": reshape,
    "Reshape": reshape,
    "Permute": lambda layer, x: x.transpose(0, *layer.config["dims"]),
    "Dense": dense,
    "Activation": own_activation,
    "ReLU": relu_layer,
    "ThresholdedReLU": lambda layer, x: np.where(x > layer.config.get("theta", 1.0), x, 0),
    "LeakyReLU": leaky_relu,
    "ELU": lambda layer, x: elu(x, layer.config.get("alpha", 1.0)),
    "PReLU": prelu,
    "Softmax": lambda layer, x: softmax(x, int(np.ravel(layer.config.get("axis", -1))[0])),
}


def level(xs: Arrays) -> list[np.ndarray]:
    """Let a vector stand beside pictures as a picture of one pixel."""
    rank = max(x.ndim for x in xs)
    return [x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in xs]


MERGED: dict[str, Callable[[Layer, Arrays], np.ndarray]] = {
    "Add": lambda _, xs: sum(level(xs)),
    "Average": lambda _, xs: sum(level(xs)) / len(xs),
    "Subtract": lambda _, xs: np.subtract(*level(xs)),
    "Multiply": lambda _, xs: math.prod(level(xs)),
    "Maximum": lambda _, xs: np.stack(np.broadcast_arrays(*level(xs))).max(axis=0),
    "Minimum": lambda _, xs: np.stack(np.broadcast_arrays(*level(xs))).min(axis=0),
    "Concatenate": lambda layer, xs: np.concatenate(xs, axis=layer.config.get("axis", -1)),
}


def forward(layers: Sequence[Layer], xs: Arrays) -> np.ndarray:
    """Compute the layers one after another; the first has all the inputs."""
    first, *others = layers
    y = MERGED[first.kind](first, xs) if first.kind in MERGED else LAYERS[first.kind](first, *xs)
    for layer in others:
        y = LAYERS[layer.kind](layer, y)
    return y


def backward(layers: Sequence[Layer], xs: Arrays, g: np.ndarray, step: float) -> list[np.ndarray]:
    """Return the gradient of sum(g * output) to each input of a batch of one, by differences."""
    gradients = []
    for own, x in enumerate(xs):
        steps = step * np.eye(x.size).reshape(-1, *x.shape[1:])
        ends = []
        for sign in (1, -1):
            moved = [np.repeat(each, x.size, axis=0) for each in xs]
            moved[own] = x + sign * steps
            ends.append((forward(layers, moved) * g).reshape(x.size, -1).sum(axis=1))
        gradients.append(((ends[0] - ends[1]) / (2 * step)).reshape(x.shape))
    return gradients
