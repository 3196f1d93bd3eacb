"""What ONNX's convolutions and poolings become."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from carla_saliency.network.onnx_constants import axes_of
from carla_saliency.network.onnx_flow import PICTURE, Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator, name_of
from carla_saliency.network.onnx_moves import affine, bias_after, weights_of
from carla_saliency.network.onnx_nodes import Node
from carla_saliency.network.onnx_parts import zeros_around

Arguments = Sequence[Any]


@dataclass(frozen=True)
class Steps:
    """How a window moves along rows or columns.

    Attributes:
        size: Of the picture.
        reach: Of the window, with its gaps.
        stride: From one place to the next.
        before: Padding that is used.
        after: The same, at the end; it may be negative where places are left over.
        count: Number of places.
        beyond: Places that lie outside what the file pads (ceil_mode).
    """

    size: int
    reach: int
    stride: int
    before: int
    after: int
    count: int
    beyond: int = 0

    @property
    def is_valid(self) -> bool:
        """Whether it needs no padding."""
        return self.before == 0 and self.after <= 0

    @property
    def is_same(self) -> bool:
        """Whether Keras's padding "same" does it."""
        return (
            self.count == math.ceil(self.size / self.stride)
            and self.before == max(self.before + self.after, 0) // 2
        )


def steps_of(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> tuple[Steps, Steps]:
    """Return how a node's window moves along rows and along columns.

    Raises:
        NoLayerError: If its settings are not those of two axes.
    """
    strides, dilations = (
        [int(v) for v in node.attributes.get(key, [1, 1])] for key in ("strides", "dilations")
    )
    pads = [int(v) for v in node.attributes.get("pads", [0] * 4)]
    if not len(kernel) == len(strides) == len(dilations) == 2 or len(pads) != 4:
        raise NoLayerError("of other than two axes")
    if min(*kernel, *strides, *dilations) < 1 or min(pads) < 0:
        raise ValueError("sizes below 1")
    auto = node.attributes.get("auto_pad", "NOTSET")
    result = []
    for i in (0, 1):
        reach = (kernel[i] - 1) * dilations[i] + 1
        before, after = pads[i], pads[i + 2]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            count = math.ceil(sizes[i] / strides[i])
            total = max((count - 1) * strides[i] + reach - sizes[i], 0)
            before = total // 2 if auto == "SAME_UPPER" else total - total // 2
            after = total - before
        elif auto == "VALID":
            before = after = 0
        space = sizes[i] + before + after - reach
        count, beyond = space // strides[i] + 1, 0
        # a window that begins behind the picture does not count
        inside = count * strides[i] < sizes[i] + before
        if node.attributes.get("ceil_mode") and space % strides[i] and inside:
            beyond = strides[i] - space % strides[i]
            count += 1
        used = (count - 1) * strides[i] + reach - sizes[i] - before
        result.append(Steps(sizes[i], reach, strides[i], before, used, count, beyond))
    return result[0], result[1]


def placed(t: Translator, node: Node, x: Flow, steps: tuple[Steps, Steps]) -> tuple[Flow, str]:
    """Return the picture, with zeros around it where Keras's own padding is another; and that."""
    if all(each.is_valid for each in steps):
        return x, "valid"
    if all(each.is_same for each in steps):
        return x, "same"
    sides = [(each.before, max(each.after, 0)) for each in steps]
    return zeros_around(t, f"{name_of(node)}.pad", x, sides), "valid"


def conv(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A convolution; of each channel on its own where there are as many groups."""
    kernel = weights_of(arguments, 1)
    if kernel.ndim != 4:
        raise NoLayerError("of other than two axes")
    x = t.picture(arguments[0])
    filters, depth, *size = kernel.shape
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or depth * groups != x.shape[2] or filters % groups:
        raise ValueError(
            f"{filters} filters of {depth} channels for {x.shape[2]} in {groups} groups"
        )
    bias, end = bias_after(t, node, filters, axis=-3)
    if len(arguments) > 2:
        bias, end = weights_of(arguments, 2), ""
    steps = steps_of(node, x.shape[:2], size)
    x, padding = placed(t, node, x, steps)
    config: dict[str, Any] = {
        "kernel_size": list(size),
        "strides": [each.stride for each in steps],
        "padding": padding,
        "dilation_rate": [int(v) for v in node.attributes.get("dilations", [1, 1])],
        "use_bias": bias is not None,
        "activation": "linear",
    }
    if groups == x.shape[2] > 1:
        kind, config["depth_multiplier"] = "DepthwiseConv2D", filters // groups
        # ONNX has a channel's filters side by side
        weights = [kernel.reshape(groups, filters // groups, *size).transpose(2, 3, 0, 1)]
    else:
        kind = "Conv2D"
        config |= {"filters": filters, "groups": groups}
        weights = [kernel.transpose(2, 3, 1, 0)]
    if bias is not None:
        weights.append(bias.reshape(filters))
    y = _emitted(t, node, kind, config, x, steps, filters, weights)
    if end:
        t.values[end] = y
    return y


def _emitted(
    t: Translator,
    node: Node,
    kind: str,
    config: dict[str, Any],
    x: Flow,
    steps: tuple[Steps, Steps],
    channels: int,
    weights: Sequence[Any] = (),
) -> Flow:
    shape = (steps[0].count, steps[1].count, channels)
    layer = t.emit(name_of(node), kind, config, x, shape, weights)
    return Flow(layer, shape, PICTURE, (channels, *shape[:2]))


def pool(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """The largest or the mean of each window."""
    x = t.picture(arguments[0])
    size = [int(v) for v in node.attributes["kernel_shape"]]
    if any(int(v) != 1 for v in node.attributes.get("dilations", [1])):
        raise NoLayerError("with gaps")
    steps = steps_of(node, x.shape[:2], size)
    kind = {"MaxPool": "MaxPooling2D", "AveragePool": "AveragePooling2D"}[node.kind]
    before, whole = x, bool(node.attributes.get("count_include_pad"))
    counts_pads = kind == "AveragePooling2D" and whole
    if counts_pads and not all(each.is_valid for each in steps):
        if any(each.beyond for each in steps):
            raise NoLayerError("with ceil_mode and count_include_pad")
        x, padding = zeros_around(t, f"{name_of(node)}.pad", x, _sides(steps)), "valid"
    else:
        x, padding = placed(t, node, x, steps)
    padded = x.layer != before.layer
    if padded and kind == "MaxPooling2D" and before.layer not in t.nonnegative:
        # zeros would win against what is below 0; after a relu nothing is
        raise NoLayerError("with padding around numbers that may be below 0")
    config = {"pool_size": size, "strides": [each.stride for each in steps], "padding": padding}
    y = _emitted(t, node, kind, config, x, steps, x.shape[2])
    if padded and kind == "AveragePooling2D" and not whole:
        y = affine(t, node, y, math.prod(size) / _inside(steps)[None], 0.0)
    if before.layer in t.nonnegative:
        t.nonnegative.add(y.layer)
    return y


def _sides(steps: tuple[Steps, Steps]) -> list[tuple[int, int]]:
    return [(each.before, max(each.after, 0)) for each in steps]


def _inside(steps: tuple[Steps, Steps]) -> Any:
    """Return how much of each window is inside the picture, (rows, columns)."""
    counts = []
    for each in steps:
        starts = np.arange(each.count) * each.stride - each.before
        ends = np.minimum(starts + each.reach, each.size)
        counts.append(ends - np.maximum(starts, 0))
    inside = np.outer(*counts)
    if inside.min() < 1:
        raise ValueError("a window that is all outside the picture")
    return inside


def pool_all(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """The largest or the mean of each channel."""
    return _pooled(t, node, t.picture(arguments[0]), keep=True)


def _pooled(t: Translator, node: Node, x: Flow, keep: bool) -> Flow:
    kind = "GlobalMaxPooling2D" if "Max" in node.kind else "GlobalAveragePooling2D"
    channels = x.shape[2]
    shape = (1, 1, channels) if keep else (channels,)
    layer = t.emit(name_of(node), kind, {"keepdims": keep}, x, shape)
    if x.layer in t.nonnegative:
        t.nonnegative.add(layer)
    order = x.order if keep else (0,)
    return Flow(layer, shape, order, tuple(shape[axis] for axis in order))


def reduce(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """The largest or the mean over rows and columns."""
    x = t.settle(arguments[0])
    axes = axes_of(node, arguments)
    if axes is None or len(x.shape) != 3:
        raise NoLayerError("over other axes than rows and columns")
    ours = {x.order[axis % 4 - 1] if axis % 4 else -1 for axis in axes}
    if ours != {0, 1}:
        raise NoLayerError("over other axes than rows and columns")
    return _pooled(t, node, x, keep=bool(node.attributes.get("keepdims", 1)))


OPERATORS: dict[str, Operator] = {
    "Conv": conv,
    **dict.fromkeys(("MaxPool", "AveragePool"), pool),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool"), pool_all),
    **dict.fromkeys(("ReduceMax", "ReduceMean"), reduce),
}
