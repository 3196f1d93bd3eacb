"""From layers to one ONNX graph that answers the steering and what a query asks, at once.

The gradient is written out node by node, since no exporter does it: tf2onnx can't translate a
GradientTape. All agree with TensorFlow to 1e-5 of the largest value; the tests say so.

Gradients of several targets travel together, stacked in the batch: each begins at its own layer and
joins those that come from further back, so nine layers cost little more than the deepest one does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from carla_saliency.core import Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.asking import GATES, IMAGE, SPEED, STEERING, require_layers
from carla_saliency.network.folding import fold, last_activation, readable, with_linear_end
from carla_saliency.network.kinds import KINDS
from carla_saliency.network.layers import Layer, LayerGraph, Shape
from carla_saliency.network.merges import MERGES
from carla_saliency.network.onnx_builder import Backward, GraphBuilder, Value, flowing_shape


def unknown_kinds(graph: LayerGraph) -> list[str]:
    """Return the kinds of layers that can't be written as ONNX here; their names, sorted."""
    known = KINDS.keys() | MERGES.keys()
    return sorted({layer.kind for layer in graph.layers} - known)


def shapes_of(graph: LayerGraph) -> dict[str, Shape]:
    """Return the shape of every layer's output, in Keras's layout, without the batch.

    Raises:
        BadInputError: As `to_onnx`.
    """
    emitted = _Emitted(GraphBuilder(), graph)
    for layer in graph.layers:
        emitted.add(layer)
    return {layer.name: emitted.values[layer.name].shape for layer in graph.layers}


def to_onnx(graph: LayerGraph, query: Query) -> bytes:
    """Write the layers as ONNX.

    Args:
        graph: What a file held, with one output of one number.
        query: What is asked beside the steering.

    Returns:
        A serialised model: input "image" (N, H, W, C), also "speed" (N, 1) and "gates" (N,
        channels) where they are needed; outputs "steering" (N,) and as the query asks "gradient",
        for each kept layer i "output_i" and "output_gradient_i". Gradients of one target are
        (N, ...); those of T targets are (T, ...), and the batch must then be of one.

    Raises:
        BadInputError: If a layer is of an unknown kind or has an unknown setting, its weights don't
            fit, or the output is not one number.
        ValueError: If the query names a layer that does not exist.
    """
    require_layers((layer.name for layer in graph.layers), query)
    if query.linear:
        graph = with_linear_end(graph)
    named = {name for name, _ in query.targets} | set(query.keep) | {query.gate or ""}
    folded, stands_for = fold(graph, named)
    b = GraphBuilder()
    emitted = _Emitted(b, folded, spared=last_activation(folded), rule=query.rule)
    gate = None if query.gate is None else stands_for.get(query.gate, query.gate)
    for layer in folded.layers:
        emitted.add(layer)
        if layer.name == gate:
            emitted.gate(layer.name)
    end = emitted.values[folded.outputs[0]]
    if len(folded.outputs) != 1 or math.prod(end.shape) != 1:
        raise BadInputError(
            f"a steering network must have one output, received one of shape {end.shape}: "
            "say with --output what it means, or use a model whose last layer is the steering"
        )
    b.alias(b.op("Reshape", end.name, b.constant([-1], np.int64)), STEERING)
    outputs: dict[str, list[str | int]] = {STEERING: ["N"]}
    where = [
        folded.outputs[0] if name == STEERING else stands_for.get(name, name)
        for name, _ in query.targets
    ]
    backward = _WayBack(b, emitted, [stands_for.get(name, name) for name in query.keep])
    targets = list(zip(where, (index for _, index in query.targets), strict=True))
    backward.run(targets)
    batch: str | int = "N" if len(targets) == 1 else len(targets)
    if targets:
        gradient = backward.aligned(folded.inputs[0].name, len(targets))
        b.alias(b.to_keras_layout(gradient), "gradient")
        outputs["gradient"] = [batch, *graph.image_shape]
    for i, name in enumerate(query.keep):
        own = stands_for.get(name, name)
        value = emitted.values[own]
        b.alias(b.to_keras_layout(value), f"output_{i}")
        outputs[f"output_{i}"] = ["N", *value.shape]
        if targets:
            b.alias(b.to_keras_layout(backward.aligned(own, len(targets))), f"output_gradient_{i}")
            outputs[f"output_gradient_{i}"] = [batch, *value.shape]
    return bytes(b.model(emitted.inputs, outputs).SerializeToString())


@dataclass
class _Emitted:
    """The forward part: what each layer gives, and the ways back.

    Attributes:
        b: The graph that grows.
        graph: The layers.
        spared: The last activation, which no rule changes.
        rule: For the way back through all others.
        values: Name of a layer or an input -> what it gives.
        ways_back: Name of a layer -> one way back for each of its inputs.
        inputs: Of the ONNX model.
        of_image: Names of all that depends on the image.
    """

    b: GraphBuilder
    graph: LayerGraph
    spared: str | None = None
    rule: str = "true"
    values: dict[str, Value] = field(default_factory=dict)
    ways_back: dict[str, tuple[Backward, ...]] = field(default_factory=dict)
    inputs: dict[str, list[str | int]] = field(default_factory=dict)
    of_image: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        image, *others = self.graph.inputs
        if len(image.shape) != 3:
            raise BadInputError(f"one picture at a time is expected here, received {image.shape}")
        self.inputs[IMAGE] = ["N", *image.shape]
        self.values[image.name] = self.b.from_keras_layout(IMAGE, image.shape)
        self.of_image.add(image.name)
        for other in others:
            self.inputs[SPEED] = ["N", *other.shape]
            self.values[other.name] = Value(SPEED, other.shape)

    def add(self, layer: Layer) -> None:
        """Emit one layer."""
        sources = tuple(self.values[name] for name in layer.inputs)
        self.b.rule = "true" if layer.name == self.spared else self.rule
        with readable(layer):
            if layer.kind in MERGES:
                value, ways = MERGES[layer.kind](layer, self.b, sources)
            elif layer.kind in KINDS:
                (source,) = sources
                value, way = KINDS[layer.kind](layer, self.b, source)
                ways = (way,)
            else:
                raise BadInputError(
                    f"layer {layer.name} is of the kind {layer.kind}, which is not known here; "
                    f"known are {', '.join(sorted(KINDS.keys() | MERGES.keys()))}"
                )
        self.values[layer.name], self.ways_back[layer.name] = value, ways
        if self.of_image.intersection(layer.inputs):
            self.of_image.add(layer.name)

    def gate(self, name: str) -> None:
        """Multiply a layer's channels by an input of the model."""
        b, value = self.b, self.values[name]
        channels = value.shape[-1]
        self.inputs[GATES] = ["N", channels]
        factor = b.reshape(GATES, (channels, 1, 1)) if len(value.shape) == 3 else GATES
        ways = self.ways_back[name]
        self.values[name] = Value(b.op("Mul", value.name, factor), value.shape)
        self.ways_back[name] = tuple(
            lambda g, way=way: way(b.op("Mul", g, factor))  # type: ignore[misc]
            for way in ways
        )


@dataclass(frozen=True)
class _Stacked:
    """Gradients of some targets to one value, stacked in the batch."""

    name: str
    targets: tuple[int, ...]


class _WayBack:
    """The gradients of all targets to every layer on their way to the image.

    Args:
        b: The graph that grows.
        emitted: Its forward part.
        keep: Layers whose gradients are wanted although the image may not feed them.
    """

    def __init__(self, b: GraphBuilder, emitted: _Emitted, keep: Iterable[str]) -> None:
        self._b, self._emitted = b, emitted
        self._wanted = emitted.of_image | set(keep)
        self._arrived: dict[str, list[_Stacked]] = {}
        self._at: dict[str, _Stacked] = {}

    def run(self, targets: list[tuple[str, str | int]]) -> None:
        """Go back from every target, the last layer first."""
        for layer in reversed(self._emitted.graph.layers):
            for number, (name, index) in enumerate(targets):
                if name == layer.name:
                    self._arrive(name, _Stacked(self._seed(name, index), (number,)))
            if layer.name not in self._arrived:
                continue
            here = self._join(layer.name)
            ways = self._emitted.ways_back[layer.name]
            for source, way in zip(layer.inputs, ways, strict=True):
                if source in self._wanted:
                    self._arrive(source, _Stacked(way(here.name), here.targets))
        for each in self._emitted.graph.inputs:
            if each.name in self._arrived:
                self._join(each.name)

    def aligned(self, name: str, count: int) -> Value:
        """Return the gradients of all targets to one value, in their order; zeros where no way."""
        b, value = self._b, self._emitted.values[name]
        here = self._at.get(name)
        if here is not None and here.targets == tuple(range(count)):
            return Value(here.name, value.shape)
        shape = flowing_shape(value.shape)
        if count == 1:  # as many as there are examples
            return Value(b.op("Mul", b.constant(0.0), value.name), value.shape)
        zeros = b.constant(np.zeros((1, *shape), np.float32))
        if here is None:
            return Value(b.op("Concat", *([zeros] * count), axis=0), value.shape)
        rows = [here.targets.index(t) if t in here.targets else -1 for t in range(count)]
        extended = b.op("Concat", here.name, zeros, axis=0)
        order = b.constant([r if r >= 0 else len(here.targets) for r in rows], np.int64)
        return Value(b.op("Gather", extended, order, axis=0), value.shape)

    def _arrive(self, name: str, gradient: _Stacked) -> None:
        self._arrived.setdefault(name, []).append(gradient)

    def _seed(self, name: str, index: str | int) -> str:
        """Return the gradient of a target to its own layer: see `core.Target`."""
        b, value = self._b, self._emitted.values[name]
        ones = b.ones_like(value.name)
        shape = flowing_shape(value.shape)
        weights = np.full((1, *shape), 1 / math.prod(shape[1:]), np.float32)
        if isinstance(index, int) and math.prod(value.shape) > 1:
            if not 0 <= index < shape[0]:
                raise ValueError(f"{name} has filters 0 to {shape[0] - 1}, received {index}")
            weights[:, np.arange(shape[0]) != index] = 0
        if (weights == 1).all():
            return ones
        return b.op("Mul", ones, b.constant(weights))

    def _join(self, name: str) -> _Stacked:
        """Add up what arrived for the same target, put the others side by side."""
        b, (first, *others) = self._b, self._arrived[name]
        joined = first
        for other in others:
            if other.targets == joined.targets:
                joined = _Stacked(b.op("Add", joined.name, other.name), joined.targets)
            elif not set(other.targets) & set(joined.targets):
                both = b.op("Concat", joined.name, other.name, axis=0)
                joined = _Stacked(both, joined.targets + other.targets)
            else:
                joined = self._join_overlapping(joined, other)
        self._at[name] = joined
        return joined

    def _join_overlapping(self, one: _Stacked, other: _Stacked) -> _Stacked:
        b = self._b

        def only(stack: _Stacked, target: int) -> str:
            row = b.constant([stack.targets.index(target)], np.int64)
            return b.op("Gather", stack.name, row, axis=0)

        targets = tuple(sorted({*one.targets, *other.targets}))
        pieces = []
        for target in targets:
            parts = [only(stack, target) for stack in (one, other) if target in stack.targets]
            pieces.append(parts[0] if len(parts) == 1 else b.op("Add", *parts))
        return _Stacked(b.op("Concat", *pieces, axis=0), targets)
