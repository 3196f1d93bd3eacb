"""Convolutions and pooling, forward and backward, as ONNX nodes.

The way back of a convolution is ConvTranspose with the same weights; rows and columns that the
stride left over at the end are `output_padding`. That of a maximum goes to where the maximum was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from carla_saliency.core import Array
from carla_saliency.network.activations import fused_activation
from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import FLOAT, Backward, GraphBuilder, Value, flowing_shape


@dataclass(frozen=True)
class Window:
    """How a kernel moves over a picture; pairs are rows, columns.

    Attributes:
        kernel: Its size.
        strides: Its steps.
        dilation: Distance of its taps.
        pads: Zeros around: top, left, bottom, right (ONNX's order).
        output: Size of the result.
        left_over: At the end of the picture, not reached by any step.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]
    output: tuple[int, int]
    left_over: tuple[int, int]

    def attributes(self) -> dict[str, tuple[int, ...]]:
        """Return what ONNX's Conv and pooling want to know."""
        return {"kernel_shape": self.kernel, "strides": self.strides, "pads": self.pads}


def window(layer: Layer, x: Value, kernel: tuple[int, int], strides: tuple[int, int]) -> Window:
    """Place a kernel as TensorFlow does, for the padding "valid" or "same".

    Raises:
        BadInputError: If the layer wants another padding or layout, or the kernel does not fit.
    """
    padding, data_format = layer.config.get("padding", "valid"), layer.config.get("data_format")
    if padding not in ("valid", "same"):
        raise layer.refuse('padding "valid" or "same"', padding)
    if data_format not in (None, "channels_last"):
        raise layer.refuse('data_format "channels_last"', data_format)
    layer.require_picture(x.shape)
    dilation = layer.pair("dilation_rate", 1)
    before, after, output, left_over = [], [], [], []
    for size, taps, step, gap in zip(x.shape[:2], kernel, strides, dilation, strict=True):
        reach = (taps - 1) * gap + 1
        steps = math.ceil(size / step) if padding == "same" else (size - reach) // step + 1
        if steps < 1:
            raise layer.refuse(f"a picture of at least {reach} rows or columns", x.shape)
        total = max((steps - 1) * step + reach - size, 0)  # 0 for "valid"
        before.append(total // 2)
        after.append(total - total // 2)
        output.append(steps)
        left_over.append(size + total - ((steps - 1) * step + reach))
    return Window(
        kernel,
        strides,
        dilation,
        (before[0], before[1], after[0], after[1]),
        (output[0], output[1]),
        (left_over[0], left_over[1]),
    )


def convolve(
    b: GraphBuilder, x: Value, weights: Array, bias: Array | None, place: Window, groups: int
) -> tuple[Value, Backward]:
    """Emit one convolution; `weights` are (filters, channels / groups, rows, columns)."""
    how = {**place.attributes(), "dilations": place.dilation, "group": groups}
    kernel = b.constant(weights)
    inputs = [x.name, kernel] if bias is None else [x.name, kernel, b.constant(bias)]
    y = Value(b.op("Conv", *inputs, **how), (*place.output, len(weights)))
    return y, lambda g: b.op("ConvTranspose", g, kernel, output_padding=place.left_over, **how)


def bias_of(layer: Layer, index: int, filters: int) -> Array | None:
    """Return the bias, or None if the layer has none."""
    return layer.weight(index, (filters,)) if layer.config.get("use_bias", True) else None


def with_activation(
    layer: Layer, b: GraphBuilder, y: Value, through_layer: Backward
) -> tuple[Value, Backward]:
    """Append the layer's own activation."""
    y, through_activation = fused_activation(layer, b, y)
    return y, lambda g: through_layer(through_activation(g))


def conv2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A convolution, also in groups."""
    place = window(layer, x, layer.pair("kernel_size", 1), layer.pair("strides", 1))
    filters, groups = int(layer.config["filters"]), int(layer.config.get("groups", 1))
    if groups < 1 or x.shape[2] % groups:
        raise layer.refuse(f"groups that divide {x.shape[2]} channels", groups)
    kernel = layer.weight(0, (*place.kernel, x.shape[2] // groups, filters))
    y, backward = convolve(
        b, x, kernel.transpose(3, 2, 0, 1), bias_of(layer, 1, filters), place, groups
    )
    return with_activation(layer, b, y, backward)


def depthwise(
    layer: Layer, b: GraphBuilder, x: Value, bias: Array | None
) -> tuple[Value, Backward]:
    """Emit a convolution of each channel on its own."""
    place = window(layer, x, layer.pair("kernel_size", 1), layer.pair("strides", 1))
    channels, multiplier = x.shape[2], int(layer.config.get("depth_multiplier", 1))
    kernel = layer.weight(0, (*place.kernel, channels, multiplier)).transpose(2, 3, 0, 1)
    weights = kernel.reshape(channels * multiplier, 1, *place.kernel)
    return convolve(b, x, weights, bias, place, channels)


def depthwise_conv2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A convolution of each channel on its own."""
    layer.require_picture(x.shape)
    filters = x.shape[2] * int(layer.config.get("depth_multiplier", 1))
    y, backward = depthwise(layer, b, x, bias_of(layer, 1, filters))
    return with_activation(layer, b, y, backward)


def separable_conv2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A convolution of each channel on its own, then one of 1x1 over the channels."""
    middle, through_depthwise = depthwise(layer, b, x, None)
    filters = int(layer.config["filters"])
    kernel = layer.weight(1, (1, 1, middle.shape[2], filters)).transpose(3, 2, 0, 1)
    place = Window((1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (middle.shape[0], middle.shape[1]), (0, 0))
    y, through_pointwise = convolve(b, middle, kernel, bias_of(layer, 2, filters), place, 1)
    return with_activation(layer, b, y, lambda g: through_depthwise(through_pointwise(g)))


def pooling_window(layer: Layer, x: Value) -> Window:
    """Return where a pooling layer looks; its stride is its size unless the file says otherwise."""
    size = layer.pair("pool_size", 2)
    return window(layer, x, size, layer.pair("strides", 1) if layer.config.get("strides") else size)


def max_pooling2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """The largest of each window; gradient goes to the first of equals.

    MaxUnpool would overwrite where windows overlap, so the gradient is added up by index.
    """
    place = pooling_window(layer, x)
    y = Value(b.op("MaxPool", x.name, **place.attributes()), (*place.output, x.shape[2]))
    many, few = math.prod(x.shape), math.prod(y.shape)

    def backward(g: str) -> str:
        what = b.reshape(g, (few,))
        # ONNX's indices count through the whole batch; those of one example serve all targets
        index = b.reshape(b.second_output(y.name), (few,))
        index = b.op("Mod", index, b.constant(many, np.int64))
        index = b.op("Expand", index, b.op("Shape", what))
        batch = b.op("Shape", what, start=0, end=1)
        zeros = b.op("ConstantOfShape", b.op("Concat", batch, b.constant([many], np.int64), axis=0))
        total = b.op("ScatterElements", zeros, index, what, axis=1, reduction="add")
        return b.reshape(total, flowing_shape(x.shape))

    return y, backward


def global_max_pooling2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """The largest of each channel; equals share the gradient, as in TensorFlow."""
    channels = layer.require_picture(x.shape)[2]
    keep = bool(layer.config.get("keepdims"))
    largest = b.op("ReduceMax", x.name, axes=[2, 3], keepdims=1)

    def backward(g: str) -> str:
        chosen = b.op("Cast", b.op("Equal", x.name, largest), to=FLOAT)
        share = b.op("Div", chosen, b.sum(chosen, (2, 3)))
        return b.op("Mul", b.reshape(g, (channels, 1, 1)), share)

    if keep:
        return Value(largest, (1, 1, channels)), backward
    return Value(b.reshape(largest, (channels,)), (channels,)), backward


def average_pooling2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """The mean of each window, over what lies inside the picture."""
    place = pooling_window(layer, x)
    y = b.op("AveragePool", x.name, count_include_pad=0, **place.attributes())

    counts = []
    for axis in (0, 1):
        starts = np.arange(place.output[axis]) * place.strides[axis] - place.pads[axis]
        ends = np.minimum(starts + place.kernel[axis], x.shape[axis])
        counts.append(ends - np.maximum(starts, 0))
    share = 1.0 / np.outer(*counts)[None, None]
    channels = x.shape[2]

    def backward(g: str) -> str:
        return b.op(
            "ConvTranspose",
            b.op("Mul", g, b.constant(share)),
            b.constant(np.ones((channels, 1, *place.kernel))),
            output_padding=place.left_over,
            group=channels,
            **place.attributes(),
        )

    return Value(y, (*place.output, channels)), backward


def global_average_pooling2d(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """The mean of each channel."""
    rows, columns, channels = layer.require_picture(x.shape)
    keep = bool(layer.config.get("keepdims"))
    y = b.op("ReduceMean", x.name, axes=[2, 3], keepdims=int(keep))

    def backward(g: str) -> str:
        spread = b.constant(np.full((1, 1, rows, columns), 1 / (rows * columns)))
        return b.op("Mul", g if keep else b.reshape(g, (channels, 1, 1)), spread)

    return Value(y, (1, 1, channels) if keep else (channels,)), backward
