"""From an ONNX graph to our layers: the walk over the nodes, and how values lie.

Our pictures have their channels last, ONNX's have them first. Instead of turning each value, the
walk remembers for each how ONNX's axes lie in ours (`Flow`): a Transpose or a Reshape then only
changes what is remembered, and a layer that turns values is emitted only where somebody needs them
in ONNX's very order. What the operators become is in the table of `onnx_operators`.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError
from carla_saliency.network.layers import Layer, Shape
from carla_saliency.network.onnx_constants import Constant, Folder
from carla_saliency.network.onnx_flow import PICTURE, VECTOR, Flow, NoLayerError, moves_nothing
from carla_saliency.network.onnx_nodes import LARGEST, Node, OnnxModel, shown

# What malformed settings raise; a file may hold anything.
UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, MemoryError)

Argument = Flow | Constant | None
Operator = Callable[["Translator", Node, Sequence[Any]], "Flow | tuple[Flow, ...]"]


class Translator:
    """Walks over a graph and collects layers.

    Attributes:
        model: The graph.
        batch: Its size among the sizes that the file computes with.
        values: Name in the file -> what it is.
        layers: So far.
        nonnegative: Layers whose values are never below 0.

    Args:
        model: A file's graph.
        flows: Name of an input in the file -> its value.
        batch: 1 if the file fixes it, else `ANY_BATCH`.
    """

    def __init__(self, model: OnnxModel, flows: dict[str, Flow], batch: int) -> None:
        self.model, self.batch = model, batch
        self.values: dict[str, Flow | Constant] = {**model.constants, **flows}
        self.layers: list[Layer] = []
        self.nonnegative: set[str] = set()
        self._names = {flow.layer for flow in flows.values()}
        self._folder = Folder()
        self._users: dict[str, list[Node]] = defaultdict(list)
        self.makers = {name: node for node in model.nodes for name in node.outputs if name}
        for node in model.nodes:
            for name in node.inputs:
                self._users[name].append(node)

    def run(self, operators: dict[str, Operator]) -> None:
        """Translate all nodes on the way to the outputs.

        Raises:
            NoLayerError: At the first that becomes no layer.
            BadInputError: If a node can't be read, or values are too large.
        """
        needed = set(self.model.outputs)
        for node in reversed(self.model.nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
        needed.discard("")
        # constants first: what looks ahead of a node wants to know them
        for node in sorted(self.model.nodes, key=lambda node: node.kind != "Constant"):
            if not needed.intersection(node.outputs) or node.outputs[0] in self.values:
                continue  # the latter: done together with the node before it
            try:
                with np.errstate(all="ignore"):
                    self._translate(node, operators)
            except NoLayerError as reason:
                why = f" ({reason})" if str(reason) else ""
                raise NoLayerError(f"operator {node.kind}{why}") from None
            except UNREADABLE as error:
                reason_text = " ".join(str(error).split())[:80]
                raise BadInputError(
                    f"operator {node.kind} {shown(node.name)} can't be read: "
                    f"{type(error).__name__} {reason_text!r}"
                ) from None

    def _translate(self, node: Node, operators: dict[str, Operator]) -> None:
        arguments: list[Argument] = [self.values[name] if name else None for name in node.inputs]
        while arguments and arguments[-1] is None:
            arguments.pop()
        flows = [each for each in arguments if isinstance(each, Flow)]
        constants = [each for each in arguments if isinstance(each, np.ndarray)]
        folded: Constant | None = None
        if node.kind == "Shape" and flows:
            sizes = np.array([self.batch, *flows[0].logical], np.int64)
            folded = sizes[slice(node.attributes.get("start", 0), node.attributes.get("end"))]
        elif not flows and len(constants) == len(arguments):
            folded = self._folder.fold(node, constants)
        if folded is not None:
            self.values[node.outputs[0]] = folded
            return
        if not flows or node.kind not in operators:
            raise NoLayerError
        results = operators[node.kind](self, node, arguments)
        results = results if isinstance(results, tuple) else (results,)
        for name, result in zip(node.outputs, results, strict=False):
            self.values[name] = result
        if any(self.is_used(name) for name in node.outputs[len(results) :]):
            raise NoLayerError("its second output")

    # -------------------------------------------------------------- the graph around a node

    def is_used(self, name: str) -> bool:
        """Say whether anything needs this value."""
        return bool(name) and (name in self._users or name in self.model.outputs)

    def only_user(self, name: str) -> Node | None:
        """Return the node that uses a value, if it is the only one and the value no output."""
        users = self._users[name]
        return users[0] if len(users) == 1 and name not in self.model.outputs else None

    @property
    def flows(self) -> dict[str, Flow]:
        """Name in the file -> what depends on the image or the speed."""
        return {name: value for name, value in self.values.items() if isinstance(value, Flow)}

    def other_constant(self, node: Node | None, name: str) -> Constant | None:
        """Return the constant that a node of two inputs joins with this value; None if none."""
        others = [each for each in node.inputs if each != name] if node else []
        value = self.values.get(others[0]) if len(others) == 1 else None
        return value if isinstance(value, np.ndarray) else None

    # -------------------------------------------------------------- layers

    def emit(
        self,
        name: str,
        kind: str,
        config: dict[str, Any],
        sources: Flow | Sequence[Flow],
        shape: Shape,
        weights: Sequence[Array] = (),
    ) -> str:
        """Add a layer and return its name.

        Args:
            name: Wanted; a number is added if there is such a one.
            kind: Keras's.
            config: Its settings.
            sources: What feeds it.
            shape: Of its output.
            weights: In Keras's order and layout.

        Raises:
            BadInputError: If the output is too large, or empty.
        """
        require_size(name, shape)
        inputs = (sources,) if isinstance(sources, Flow) else tuple(sources)
        own, number = name, 2
        while own in self._names:
            own, number = f"{name}_{number}", number + 1
        self._names.add(own)
        arrays = tuple(np.ascontiguousarray(weight, np.float32) for weight in weights)
        self.layers.append(Layer(kind, own, config, arrays, tuple(each.layer for each in inputs)))
        return own

    def pointwise(
        self,
        node: Node,
        kind: str,
        config: dict[str, Any],
        flow: Flow,
        weights: Sequence[Array] = (),
    ) -> Flow:
        """Add a layer that changes no shape, under the node's name."""
        return replace(
            flow, layer=self.emit(name_of(node), kind, config, flow, flow.shape, weights)
        )

    # -------------------------------------------------------------- how values lie

    def picture(self, flow: Flow) -> Flow:
        """Return the value with ONNX's channels, rows, columns as ours.

        Raises:
            NoLayerError: If ONNX has no three axes there.
        """
        if len(flow.logical) != 3:
            raise NoLayerError(f"on a value of {len(flow.logical) + 1} axes")
        return self._settle(flow, PICTURE)

    def vector(self, flow: Flow) -> Flow:
        """Return the value's numbers in ONNX's order, as one axis."""
        return self._settle(replace(flow, logical=(math.prod(flow.shape),)), VECTOR)

    def settle(self, flow: Flow) -> Flow:
        """Return the value so that each of ONNX's axes is one of ours."""
        if flow.settled:
            return flow
        return self.picture(flow) if len(flow.logical) == 3 else self._settled_vector(flow)

    def _settled_vector(self, flow: Flow) -> Flow:
        if len(flow.logical) > 1:
            raise NoLayerError(f"on a value of {len(flow.logical) + 1} axes")
        return self.vector(flow)

    def flattened(self, flow: Flow) -> tuple[Flow, NDArray[np.int64]]:
        """Return the value as one axis, and where in it each number in ONNX's order is.

        Spares turning it where weights can be put into another order instead.
        """
        count = math.prod(flow.shape)
        places = np.arange(count).reshape(flow.shape).transpose(flow.order).reshape(-1)
        if len(flow.shape) > 1:
            layer = self.emit(flow.label or f"{flow.layer}.flat", "Flatten", {}, flow, (count,))
            flow = Flow(layer, (count,), VECTOR, (count,))
        return flow, places

    def _settle(self, flow: Flow, order: tuple[int, ...]) -> Flow:
        logical, label = flow.logical, flow.label or f"{flow.layer}.turned"
        if flow.settled and flow.order == order:
            return flow
        wanted = tuple(logical[order.index(axis)] for axis in range(len(order)))
        if flow.settled and len(flow.order) == len(order):
            axes = [flow.order[order.index(axis)] for axis in range(len(order))]
            if moves_nothing(flow.shape, axes):
                return self._reshaped(flow, wanted, order, label)
            dims = [axis + 1 for axis in axes]
            layer = self.emit(label, "Permute", {"dims": dims}, flow, wanted)
            return Flow(layer, wanted, order, logical)
        if not moves_nothing(flow.shape, flow.order):
            dims = [axis + 1 for axis in flow.order]
            layer = self.emit(f"{label}.permute", "Permute", {"dims": dims}, flow, flow.turned)
            flow = Flow(layer, flow.turned, tuple(range(len(dims))), logical, label)
        if moves_nothing(wanted, order):
            return self._reshaped(flow, wanted, order, label)
        flow = self._reshaped(flow, logical, tuple(range(len(logical))), label)
        return self._settle(flow, order)

    def _reshaped(self, flow: Flow, shape: Shape, order: tuple[int, ...], label: str) -> Flow:
        if shape == flow.shape:
            return Flow(flow.layer, shape, order, flow.logical)
        kind, config = "Reshape", {"target_shape": list(shape)}
        if len(shape) == 1:
            kind, config = "Flatten", {}
        return Flow(self.emit(label, kind, config, flow, shape), shape, order, flow.logical)


def require_size(name: str, shape: Shape) -> None:
    """Refuse a value that is too large, or empty.

    Args:
        name: For the message.
        shape: Without the batch.

    Raises:
        BadInputError: If it is.
    """
    if min(shape, default=1) < 1 or math.prod(shape) > LARGEST:
        raise BadInputError(
            f"a value must have 1 to {LARGEST} numbers, {shown(name)} has the shape {shape}"
        )


def name_of(node: Node) -> str:
    """Return a layer's name: PyTorch's module if its weights tell it, else the node's."""
    module, dot, _ = (node.inputs[1] if len(node.inputs) > 1 else "").rpartition(".weight")
    text = module if dot and node.kind in NAMED_BY_WEIGHTS else node.name or node.outputs[0]
    text = re.sub(r"[^\w.+-]", "_", text.strip("/").replace("/", "."))[:60].strip("._")
    if not text or text.isdigit():
        return f"{node.kind.lower()}_{text}".rstrip("_")
    return text


NAMED_BY_WEIGHTS = frozenset({"Conv", "Gemm", "BatchNormalization", "PRelu"})
