"""What ONNX's operators become that move values, join them, or scale them by constants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array
from carla_saliency.network.onnx_constants import Constant, axes_of
from carla_saliency.network.onnx_flow import Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator, name_of
from carla_saliency.network.onnx_nodes import TYPES, Node

Arguments = Sequence[Any]


def weights_of(arguments: Arguments, index: int) -> Constant:
    """Return an input that must be a constant.

    Raises:
        NoLayerError: If it is computed from the image.
    """
    value = arguments[index]
    if not isinstance(value, np.ndarray):
        raise NoLayerError("with weights that depend on the image")
    return value


def channels_last(t: Translator, x: Flow) -> Flow:
    """Return a value whose second axis in ONNX, after the batch, is our last."""
    x = t.settle(x)
    return x if not x.order or x.order[0] == len(x.shape) - 1 else t.picture(x)


def laid_out(x: Flow, constant: Constant) -> NDArray[Any]:
    """Return a constant so that it broadcasts over our shape of a settled value.

    Raises:
        NoLayerError: If the constant is larger than the value.
    """
    rank = len(x.logical) + 1
    if constant.ndim > rank:
        raise NoLayerError("with a constant of more axes")
    constant = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    if constant.shape[0] != 1 or any(
        size not in (1, own) for size, own in zip(constant.shape[1:], x.logical, strict=True)
    ):
        raise NoLayerError("with a larger constant")
    order = [x.order.index(axis) for axis in range(len(x.order))]
    return constant[0].transpose(order) if len(order) > 1 else constant.reshape(-1)


def affine(t: Translator, node: Node, x: Flow, scale: Any, offset: Any) -> Flow:
    """Add a layer for x * scale + offset.

    Args:
        t: Where it is added.
        node: That gives it its name.
        x: The value.
        scale: A number, or an array that broadcasts over ONNX's shape.
        offset: The same.

    Raises:
        NoLayerError: If the array's shape does not allow that.
    """
    scale, offset = np.asarray(scale), np.asarray(offset)
    if scale.size == offset.size == 1:
        factors = {"scale": float(scale.item()), "offset": float(offset.item())}
        return t.pointwise(node, "Rescaling", factors, x)
    x = t.settle(x)
    scale, offset = laid_out(x, scale), laid_out(x, offset)
    if all(math.prod(each.shape[:-1]) == 1 for each in (scale, offset)):
        config = {
            key: value.item() if value.size == 1 else value.reshape(-1).tolist()
            for key, value in (("scale", scale), ("offset", offset))
        }
        return t.pointwise(node, "Rescaling", config, x)
    return _affine_of_places(t, node, x, scale, offset)


def _affine_of_places(
    t: Translator, node: Node, x: Flow, scale: NDArray[Any], offset: NDArray[Any]
) -> Flow:
    """Each place its own: a Normalization, (x - mean) / sqrt(variance)."""
    if (scale <= 0).any():
        raise NoLayerError("with a negative number for each place")
    scale, offset = np.broadcast_arrays(scale, offset)
    axes = [axis + 1 for axis, size in enumerate(scale.shape) if size > 1]
    sizes = [size for size in scale.shape if size > 1]
    mean, variance = (-offset / scale).reshape(sizes), (1 / scale**2).reshape(sizes)
    return t.pointwise(node, "Normalization", {"axis": axes}, x, [mean, variance])


def bias_after(t: Translator, node: Node, count: int, axis: int) -> tuple[Array | None, str]:
    """Return the constant that is added to a node's result, and the name of that sum.

    Args:
        t: The walk.
        node: Whose result it is.
        count: Numbers that a bias has.
        axis: Of the result, the batch included, along which a bias lies.

    Returns:
        None and "" if there is no such constant, or others use the result too.
    """
    user = t.only_user(node.outputs[0])
    bias = t.other_constant(user, node.outputs[0]) if user and user.kind == "Add" else None
    if user is None or bias is None or bias.size != count or bias.ndim < -axis:
        return None, ""
    if count > 1 and bias.shape[axis] != count:
        return None, ""
    return bias.reshape(count).astype(np.float32), user.outputs[0]


def merge(t: Translator, node: Node, flows: Sequence[Flow], kind: str) -> Flow:
    """Add a layer that joins values number by number."""
    first = flows[0]
    if any(len(each.logical) != len(first.logical) for each in flows):
        raise NoLayerError("of values with different axes")
    alike = {(each.shape, each.order, each.logical) for each in flows}
    if len(alike) > 1:
        settle = t.picture if len(first.logical) == 3 else t.settle
        flows = [settle(each) for each in flows]
    first = flows[0]
    shape, logical = (
        tuple(max(sizes) for sizes in zip(*shapes, strict=True))
        for shapes in ([each.shape for each in flows], [each.logical for each in flows])
    )
    layer = t.emit(name_of(node), kind, {}, flows, shape)
    if all(each.layer in t.nonnegative for each in flows) and kind != "Subtract":
        t.nonnegative.add(layer)
    return Flow(layer, shape, first.order, logical, first.label)


def concat(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """One behind the other, along any axis."""
    if not all(isinstance(each, Flow) for each in arguments):
        raise NoLayerError("with a constant")
    flows = [t.settle(each) for each in arguments]
    if len({each.order for each in flows}) > 1:
        flows = [t.picture(each) for each in flows]
    first = flows[0]
    axis = int(node.attributes["axis"]) % (len(first.logical) + 1) - 1
    if axis < 0:
        raise NoLayerError("along the batch")
    total = sum(each.logical[axis] for each in flows)
    own = first.order[axis]
    shape = (*first.shape[:own], total, *first.shape[own + 1 :])
    layer = t.emit(name_of(node), "Concatenate", {"axis": own + 1}, flows, shape)
    if all(each.layer in t.nonnegative for each in flows):
        t.nonnegative.add(layer)
    logical = (*first.logical[:axis], total, *first.logical[axis + 1 :])
    return Flow(layer, shape, first.order, logical)


# ------------------------------------------------------------------ shapes


def viewed(node: Node, x: Flow, logical: Sequence[int]) -> Flow:
    """Return the same numbers in another shape of ONNX's; `logical` is without the batch."""
    return replace(x, logical=tuple(logical), label=name_of(node))


def same(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """What changes nothing: Identity, Dropout outside training, Cast from float to float."""
    if node.kind == "Cast" and np.dtype(TYPES[int(node.attributes["to"])][0]).kind != "f":
        raise NoLayerError("to whole numbers")
    if len(arguments) > 2 and (not isinstance(arguments[2], np.ndarray) or arguments[2].any()):
        raise NoLayerError("in training")
    flow: Flow = arguments[0]
    return flow


def flatten(_: Translator, node: Node, arguments: Arguments) -> Flow:
    """All axes become one."""
    x: Flow = arguments[0]
    axis = int(node.attributes.get("axis", 1))
    axis += len(x.logical) + 1 if axis < 0 else 0
    if axis != 1:
        raise NoLayerError(f"at axis {axis}")
    return viewed(node, x, (math.prod(x.logical),))


def reshape(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Another shape, but for the batch."""
    x = arguments[0]
    if not isinstance(x, Flow) or not isinstance(arguments[1], np.ndarray):
        raise NoLayerError("to a shape that depends on the image")
    target = [int(size) for size in arguments[1].reshape(-1)]
    for batch in (t.batch, 1):  # 1: written by an exporter that saw one example
        sizes = (batch, *x.logical)
        shape = [sizes[i] if size == 0 else size for i, size in enumerate(target)]
        rest = math.prod(size for size in shape if size != -1)
        if -1 in shape and rest > 0:
            shape[shape.index(-1)] = math.prod(sizes) // rest
        fits = math.prod(shape) == math.prod(sizes) and min(shape, default=0) > 0
        if fits and shape[0] == batch:
            return viewed(node, x, shape[1:])
    raise NoLayerError(f"of {(*('N',), *x.logical)} to {tuple(target)}, which mixes examples")


def squeeze(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Axes of size 1 vanish."""
    x: Flow = arguments[0]
    rank = len(x.logical) + 1
    axes = axes_of(node, arguments)
    gone = {axis % rank for axis in axes} if axes is not None else set(range(1, rank))
    if 0 in gone and math.prod(x.logical) > 1:
        raise NoLayerError("of the batch")
    if axes is not None and any(axis and x.logical[axis - 1] != 1 for axis in gone):
        raise NoLayerError("of an axis that is larger than 1")
    kept = [n for i, n in enumerate(x.logical, start=1) if i not in gone or n != 1]
    return viewed(node, x, kept)


def unsqueeze(_: Translator, node: Node, arguments: Arguments) -> Flow:
    """Axes of size 1 are put between."""
    x: Flow = arguments[0]
    axes = axes_of(node, arguments) or []
    rank = len(x.logical) + 1 + len(axes)
    new = {axis % rank for axis in axes}
    if 0 in new or len(new) != len(axes):
        raise NoLayerError("before the batch")
    sizes = iter(x.logical)
    return viewed(node, x, [1 if axis in new else next(sizes) for axis in range(1, rank)])


def transpose(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Axes in another order; only what is remembered of them changes."""
    x: Flow = arguments[0]
    rank = len(x.logical) + 1
    axes = [int(axis) for axis in node.attributes.get("perm", range(rank - 1, -1, -1))]
    if sorted(axes) != list(range(rank)) or axes[0] != 0:
        raise NoLayerError("of the batch")
    x = t.settle(x)
    return replace(
        x,
        order=tuple(x.order[axis - 1] for axis in axes[1:]),
        logical=tuple(x.logical[axis - 1] for axis in axes[1:]),
    )


OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    **dict.fromkeys(("Identity", "Dropout", "Cast"), same),
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
}
