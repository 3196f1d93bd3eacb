"""Collects ONNX nodes and constants; knows the layout of values, nothing of layers.

Pictures flow as (N, channels, rows, columns), since ONNX's convolutions want that, while every
shape in Python stays Keras's (rows, columns, channels). Vectors flow as (N, units).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.network.layers import Layer, Shape

if TYPE_CHECKING:
    import onnx

# 17 has all that is used here (ScatterElements that adds: 16) and needs no newer runtime;
# 8 is the file format of that time.
OPSET = 17
IR_VERSION = 8
FLOAT = 1  # ONNX's number of the type float32


@dataclass(frozen=True)
class Value:
    """Something computed.

    Attributes:
        name: In the graph.
        shape: Keras's, without the batch: (rows, columns, channels) or (units,).
    """

    name: str
    shape: Shape


# Names in a graph to shapes; a text is a free size.
Shapes = dict[str, list[str | int]]

# From the gradient of what is asked to a layer's output, to that to its input. Names, same layouts.
# The gradient may have T of them along the batch, for one example: batches broadcast.
Backward = Callable[[str], str]


@dataclass(frozen=True)
class _Node:
    """An operation of the graph."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class GraphBuilder:
    """Grows one ONNX graph node by node.

    The package `onnx` is only needed, and imported, for the finished graph: it loads for a while.

    Attributes:
        rule: How gradient passes the activations that are emitted from now on: "true", "guided" or
            "relu"; see `core.Query`.
    """

    def __init__(self) -> None:
        self.rule = "true"
        self._nodes: list[_Node] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._count = 0

    def _new_name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, values: Any, dtype: type[np.generic] = np.float32) -> str:
        """Add an array (or a number) and return its name."""
        name = self._new_name("constant")
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        self._constants[name] = array
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        names = [self._new_name(kind.lower()) for _ in range(outputs)]
        self._nodes.append(_Node(kind, list(inputs), names, attributes))
        return names

    def second_output(self, name: str) -> str:
        """Return the second output of the node whose first is `name`, asking for it if need be.

        What nobody asks for, the runtime need not compute.
        """
        node = next(node for node in self._nodes if node.outputs[0] == name)
        if len(node.outputs) == 1:
            node.outputs.append(self._new_name(node.kind.lower()))
        return node.outputs[1]

    def alias(self, name: str, new_name: str) -> None:
        """Give something computed a name that is part of the graph's interface."""
        self._nodes.append(_Node("Identity", [name], [new_name], {}))

    def sum(self, name: str, axes: Sequence[int]) -> str:
        """Sum along axes as values flow, which stay, with size 1."""
        return self.op("ReduceSum", name, self.constant(list(axes), np.int64), keepdims=1)

    def mask(self, name: str, above: float = 0.0, below: float | None = None) -> str:
        """Return 1 where a value is between two bounds, neither included, else 0."""
        inside = self.op("Greater", name, self.constant(above))
        if below is not None:
            inside = self.op("And", inside, self.op("Less", name, self.constant(below)))
        return self.op("Cast", inside, to=FLOAT)

    def ones_like(self, name: str) -> str:
        """Return a value of the same shape, filled with 1."""
        return self.op("Expand", self.constant(1.0), self.op("Shape", name))

    def reshape(self, name: str, shape: Shape) -> str:
        """Reshape all but the batch; `shape` is as the value flows, not as Keras has it."""
        return self.op("Reshape", name, self.constant([-1, *shape], np.int64))

    def to_keras_layout(self, value: Value) -> str:
        """Return (N, rows, columns, channels) for a picture; a vector as it is."""
        if len(value.shape) != 3:
            return value.name
        return self.op("Transpose", value.name, perm=(0, 2, 3, 1))

    def from_keras_layout(self, name: str, shape: Shape) -> Value:
        """Return the value for what is in Keras's layout."""
        if len(shape) == 3:
            name = self.op("Transpose", name, perm=(0, 3, 1, 2))
        return Value(name, shape)

    def model(self, inputs: Shapes, outputs: Shapes) -> onnx.ModelProto:
        """Return the finished graph.

        Args:
            inputs: Name to shape; a text is a free size.
            outputs: The same, for names that nodes gave.
        """
        from onnx import helper, numpy_helper

        def infos(values: Shapes) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in values.items()
            ]

        nodes = [helper.make_node(n.kind, n.inputs, n.outputs, **n.attributes) for n in self._nodes]
        constants = [numpy_helper.from_array(a, name) for name, a in self._constants.items()]
        graph = helper.make_graph(nodes, "steering", infos(inputs), infos(outputs), constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        return model


# How a kind of layer with one input, or with several, is written.
Emit = Callable[[Layer, GraphBuilder, Value], tuple[Value, Backward]]
EmitMerge = Callable[[Layer, GraphBuilder, tuple[Value, ...]], tuple[Value, tuple[Backward, ...]]]


def flowing_shape(shape: Shape) -> Shape:
    """Return how a value of this Keras shape flows, without the batch."""
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else shape


def flowing_axis(axis: int, shape: Shape) -> int:
    """Return where a Keras axis (counted with the batch, or from the end) is as values flow.

    Args:
        axis: For example -1 or 3 for the channels of a picture.
        shape: Keras's, without the batch.

    Raises:
        ValueError: If there is no such axis, or it is the batch.
    """
    rank = len(shape) + 1
    if axis < 0:
        axis += rank
    if not 1 <= axis < rank:
        raise ValueError(f"axis must be in 1..{rank - 1}, received {axis}")
    return {1: 2, 2: 3, 3: 1}[axis] if rank == 4 else axis


def flowing_constant(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in Keras's layout, without a batch, so that it broadcasts over values."""
    if array.ndim == 3:
        array = array.transpose(2, 0, 1)
    return array[None]
