"""What ONNX's operators become that take parts of values, or put zeros around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from carla_saliency.network.onnx_constants import slices_of
from carla_saliency.network.onnx_flow import Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator, name_of
from carla_saliency.network.onnx_moves import viewed
from carla_saliency.network.onnx_nodes import LARGEST, Node

Arguments = Sequence[Any]


def select(t: Translator, node: Node, x: Flow, axis: int, indices: Sequence[int]) -> Flow:
    """Add a layer that takes some places along one axis, counted with the batch."""
    x = t.settle(x)
    axis = axis % (len(x.logical) + 1) - 1
    if axis < 0:
        raise NoLayerError("of the batch")
    size = x.logical[axis]
    if len(indices) * size > LARGEST:
        raise NoLayerError(f"of {len(indices)} places")
    places = [index + size if index < 0 else index for index in indices]
    if not places or not all(0 <= place < size for place in places):
        raise ValueError(f"places {places[:4]} of {size}")
    if places == list(range(size)):
        return x
    own, count = x.order[axis], len(places)
    shape = (*x.shape[:own], count, *x.shape[own + 1 :])
    logical = (*x.logical[:axis], count, *x.logical[axis + 1 :])
    if own == len(x.shape) - 1:
        layer = _chosen(t, node, x, places, shape)
    elif places == list(range(places[0], places[0] + count)):
        sides = [[0, 0], [0, 0]]
        sides[own] = [places[0], size - places[0] - count]
        layer = t.emit(name_of(node), "Cropping2D", {"cropping": sides}, x, shape)
    else:
        raise NoLayerError("of rows or columns that are not side by side")
    if x.layer in t.nonnegative:
        t.nonnegative.add(layer)
    return Flow(layer, shape, x.order, logical)


def _chosen(t: Translator, node: Node, x: Flow, places: list[int], shape: tuple[int, ...]) -> str:
    """Channels or units by a matrix of zeros and ones; `added` says that it was not learned."""
    matrix = np.zeros((x.shape[-1], len(places)), np.float32)
    matrix[places, np.arange(len(places))] = 1
    config = {"units": len(places), "use_bias": False, "activation": "linear", "added": True}
    return t.emit(name_of(node), "Dense", config, x, shape, [matrix])


def sliced(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A part along some axes."""
    x: Flow = arguments[0]
    for axis, bounds in slices_of(node, arguments, (t.batch, *x.logical)).items():
        if axis or bounds != (0, t.batch, 1):
            x = select(t, node, x, axis, range(*bounds))
    return x


def gather(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Some places along one axis, in any order."""
    x, indices = arguments
    if not isinstance(x, Flow) or not isinstance(indices, np.ndarray) or indices.ndim > 1:
        raise NoLayerError
    axis = int(node.attributes.get("axis", 0)) % (len(x.logical) + 1)
    y = select(t, node, x, axis, [int(index) for index in indices.reshape(-1)])
    if indices.ndim == 0:
        return viewed(node, y, (*y.logical[: axis - 1], *y.logical[axis:]))
    return y


def split(t: Translator, node: Node, arguments: Arguments) -> tuple[Flow, ...]:
    """Parts along one axis."""
    x: Flow = arguments[0]
    axis = int(node.attributes.get("axis", 0)) % (len(x.logical) + 1)
    sizes = node.attributes.get("split", arguments[1] if len(arguments) > 1 else None)
    size, parts = (t.batch, *x.logical)[axis], len(node.outputs)
    if sizes is None:
        each = -(-size // parts)
        sizes = [each] * (parts - 1) + [size - each * (parts - 1)]
    ends = np.cumsum([int(n) for n in np.asarray(sizes).reshape(-1)]).tolist()
    starts = [0, *ends[:-1]]
    return tuple(
        select(t, node, x, axis, range(start, end)) for start, end in zip(starts, ends, strict=True)
    )


def padded(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Zeros around a picture."""
    if node.attributes.get("mode", "constant") != "constant":
        raise NoLayerError(str(node.attributes["mode"])[:20])
    value = node.attributes.get("value", arguments[2] if len(arguments) > 2 else None)
    if value is not None and np.any(np.asarray(value)):
        raise NoLayerError("with numbers other than 0")
    x: Flow = arguments[0]
    rank = len(x.logical) + 1
    pads = node.attributes.get("pads", arguments[1] if len(arguments) > 1 else None)
    amounts = [int(n) for n in np.asarray(pads).reshape(-1)]
    axes = list(range(rank)) if len(arguments) < 4 else [int(a) % rank for a in arguments[3]]
    around = dict(
        zip(axes, zip(amounts[: len(axes)], amounts[len(axes) :], strict=True), strict=True)
    )
    around = {axis: sides for axis, sides in around.items() if sides != (0, 0)}
    if not around:
        return x
    if min(min(sides) for sides in around.values()) < 0:
        raise NoLayerError("with less than 0")
    x = t.settle(x) if len(x.logical) == 3 else t.picture(x)
    if 0 in around or any(x.order[axis - 1] == 2 for axis in around):
        raise NoLayerError("of channels")
    ours = {x.order[axis - 1]: sides for axis, sides in around.items()}
    return zeros_around(t, name_of(node), x, [ours.get(axis, (0, 0)) for axis in (0, 1)])


def zeros_around(t: Translator, name: str, x: Flow, sides: Sequence[tuple[int, int]]) -> Flow:
    """Add zeros before and after the rows and the columns."""
    rows, columns = (size + sum(each) for size, each in zip(x.shape, sides, strict=False))
    shape = (rows, columns, x.shape[2])
    config = {"padding": [list(each) for each in sides]}
    layer = t.emit(name, "ZeroPadding2D", config, x, shape)
    if x.layer in t.nonnegative:
        t.nonnegative.add(layer)
    return Flow(layer, shape, x.order, tuple(shape[axis] for axis in x.order))


OPERATORS: dict[str, Operator] = {
    "Slice": sliced,
    "Gather": gather,
    "Split": split,
    "Pad": padded,
}
