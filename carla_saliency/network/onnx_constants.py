"""What an ONNX graph computes of constants alone: mostly sizes, which exporters write as nodes.

PyTorch writes a view as Shape, Gather, Unsqueeze, Concat and Reshape. NumPy computes that when the
file is read. Nothing here grows beyond a limit that is looked at before memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.errors import BadInputError
from carla_saliency.network.onnx_flow import NoLayerError
from carla_saliency.network.onnx_nodes import LARGEST, TYPES, Node

Constant = NDArray[Any]
Arguments = Sequence[Constant]


class Folder:
    """Computes nodes whose inputs are constants; counts what that takes."""

    def __init__(self) -> None:
        self._left = LARGEST

    def fold(self, node: Node, arguments: Arguments) -> Constant | None:
        """Return the node's output, or None if its operator is none of those known here.

        Args:
            node: With one output.
            arguments: Its inputs; those left out at the end are not there.

        Raises:
            BadInputError: If all such constants together are too large.
        """
        if node.kind not in FOLDS:
            return None
        needed = _size(node, arguments)
        self._left -= needed
        if self._left < 0:
            raise BadInputError(
                f"operator {node.kind} makes a constant of {needed} numbers; all together may have "
                f"{LARGEST}"
            )
        return np.asarray(FOLDS[node.kind](node, arguments))


def _size(node: Node, arguments: Arguments) -> int:
    """Return how many numbers the output has, at most."""
    if node.kind == "ConstantOfShape":
        return math.prod(int(size) for size in arguments[0].reshape(-1))
    if node.kind in ARITHMETIC:
        # not np.broadcast_shapes: that refuses what is too large for it with another error
        rank = max(each.ndim for each in arguments)
        shapes = [(1,) * (rank - each.ndim) + each.shape for each in arguments]
        return math.prod(max(sizes) for sizes in zip(*shapes, strict=True))
    if node.kind == "Gather":
        axis = int(node.attributes.get("axis", 0))
        array, indices = arguments
        return int(indices.size * (array.size // max(array.shape[axis], 1)))
    return sum(each.size for each in arguments)


def axes_of(node: Node, arguments: Sequence[Any]) -> list[int] | None:
    """Return the axes that an operator says in an attribute (older) or its second input; or None.

    Raises:
        NoLayerError: If that input is computed from the image.
    """
    if "axes" in node.attributes:
        return [int(axis) for axis in node.attributes["axes"]]
    if len(arguments) < 2 or arguments[1] is None:
        return None
    if not isinstance(arguments[1], np.ndarray):
        raise NoLayerError("along axes that depend on the image")
    return [int(axis) for axis in arguments[1].reshape(-1)]


def constant(node: Node, _: Arguments) -> Constant:
    """Return what a Constant node holds."""
    if "value" in node.attributes:
        return np.asarray(node.attributes["value"])
    for key, dtype in (("float", np.float32), ("int", np.int64)):
        for name in (f"value_{key}", f"value_{key}s"):
            if name in node.attributes:
                return np.asarray(node.attributes[name], dtype)
    raise ValueError("a constant without numbers")


def filled(node: Node, arguments: Arguments) -> Constant:
    """Return an array of one value."""
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).reshape(-1)
    return np.full([int(size) for size in arguments[0].reshape(-1)], value[0])


def cast(node: Node, arguments: Arguments) -> Constant:
    """Return an array as another type."""
    return arguments[0].astype(TYPES[int(node.attributes["to"])][0])


def squeeze(node: Node, arguments: Arguments) -> Constant:
    """Return an array without some axes of size 1."""
    axes = axes_of(node, arguments)
    return np.squeeze(arguments[0], None if axes is None else tuple(axes))


def unsqueeze(node: Node, arguments: Arguments) -> Constant:
    """Return an array with more axes of size 1."""
    return np.expand_dims(arguments[0], tuple(axes_of(node, arguments) or ()))


def reshape(_: Node, arguments: Arguments) -> Constant:
    """Return an array in another shape; 0 keeps a size."""
    sizes = enumerate(int(size) for size in arguments[1].reshape(-1))
    return arguments[0].reshape([arguments[0].shape[i] if n == 0 else n for i, n in sizes])


def transpose(node: Node, arguments: Arguments) -> Constant:
    """Return an array with its axes in another order."""
    return np.transpose(arguments[0], node.attributes.get("perm"))


def concat(node: Node, arguments: Arguments) -> Constant:
    """Return arrays one behind the other."""
    return np.concatenate(list(arguments), axis=int(node.attributes["axis"]))


def gather(node: Node, arguments: Arguments) -> Constant:
    """Return some of an array."""
    axis = int(node.attributes.get("axis", 0))
    return np.take(arguments[0], arguments[1].astype(np.int64), axis=axis)


def slices_of(
    node: Node, arguments: Sequence[Any], shape: Sequence[int]
) -> dict[int, tuple[int, int, int]]:
    """Return axis -> start, stop, step as in `range`, from a Slice's attributes or inputs.

    Args:
        node: The Slice.
        arguments: Its inputs; the first is not looked at.
        shape: Of the first, the batch included.

    Raises:
        NoLayerError: If a bound is computed from the image.
    """
    bounds: list[list[int] | None] = []
    for i, key in enumerate(("starts", "ends", "axes", "steps"), start=1):
        value = node.attributes.get(key, arguments[i] if len(arguments) > i else None)
        if value is not None and not isinstance(value, np.ndarray | list):
            raise NoLayerError(f"with {key} that depend on the image")
        bounds.append(None if value is None else [int(v) for v in np.asarray(value).reshape(-1)])
    starts, ends = bounds[0] or [], bounds[1] or []
    axes, steps = bounds[2] or list(range(len(starts))), bounds[3] or [1] * len(starts)
    result = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        result[axis % len(shape)] = slice(start, end, step).indices(shape[axis])
    return result


def sliced(node: Node, arguments: Arguments) -> Constant:
    """Return a part of an array."""
    array = arguments[0]
    for axis, bounds in slices_of(node, arguments, array.shape).items():
        array = np.take(array, np.arange(*bounds), axis=axis)
    return array


def divide(one: Constant, other: Constant) -> Constant:
    """Return the quotient; of whole numbers without the rest, as ONNX has it."""
    if one.dtype.kind in "iu" and other.dtype.kind in "iu":
        return np.trunc(one / other).astype(one.dtype)
    return np.asarray(one / other)


ARITHMETIC: dict[str, Callable[[Constant, Constant], Constant]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": divide,
}


def arithmetic(node: Node, arguments: Arguments) -> Constant:
    """Return the result of two arrays, number by number."""
    return ARITHMETIC[node.kind](arguments[0], arguments[1])


FOLDS: dict[str, Callable[[Node, Arguments], Constant]] = {
    "Constant": constant,
    "ConstantOfShape": filled,
    "Identity": lambda _, arguments: arguments[0],
    "Cast": cast,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Reshape": reshape,
    "Transpose": transpose,
    "Concat": concat,
    "Gather": gather,
    "Slice": sliced,
    "Neg": lambda _, arguments: -arguments[0],
    "Sqrt": lambda _, arguments: np.sqrt(arguments[0]),
    "Reciprocal": lambda _, arguments: 1 / arguments[0],
    "Floor": lambda _, arguments: np.floor(arguments[0]),
    **dict.fromkeys(ARITHMETIC, arithmetic),
}
