"""Kinds of layers with several inputs, forward and backward, as ONNX nodes: the table `MERGES`.

Each takes the layer, the builder and its inputs, and returns its output and one way back for each
input. As in Keras, inputs are broadcast from their last axis on: a vector over a picture's channels
at each place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from carla_saliency.network.layers import Layer, Shape
from carla_saliency.network.onnx_builder import (
    FLOAT,
    Backward,
    EmitMerge,
    GraphBuilder,
    Value,
    flowing_axis,
    flowing_shape,
)

Merged = tuple[str, list[Backward]]
Elementwise = Callable[[GraphBuilder, list[str]], Merged]


def added(b: GraphBuilder, xs: list[str]) -> Merged:
    """The sum."""
    return chained(b, "Add", xs)[-1], [lambda g: g] * len(xs)


def averaged(b: GraphBuilder, xs: list[str]) -> Merged:
    """The mean."""
    share = b.constant(1 / len(xs))
    y = b.op("Mul", chained(b, "Add", xs)[-1], share)
    return y, [lambda g: b.op("Mul", g, share)] * len(xs)


def subtracted(b: GraphBuilder, xs: list[str]) -> Merged:
    """The first minus the second."""
    return b.op("Sub", *xs), [lambda g: g, lambda g: b.op("Neg", g)]


def multiplied(b: GraphBuilder, xs: list[str]) -> Merged:
    """The product; each is moved by what the others are."""

    def way(own: int) -> Backward:
        def backward(g: str) -> str:
            for i, x in enumerate(xs):
                g = g if i == own else b.op("Mul", g, x)
            return g

        return backward

    return chained(b, "Mul", xs)[-1], [way(i) for i in range(len(xs))]


def extreme(kind: str, first: str, later: str) -> Elementwise:
    """Return the largest or the smallest; of equals the first has the gradient.

    Args:
        kind: "Max" or "Min".
        first: How the best so far compares with the next input where it stays the best.
        later: How it compares where it does not.
    """

    def emit(b: GraphBuilder, xs: list[str]) -> Merged:
        best = chained(b, kind, xs)

        def way(own: int) -> Backward:
            def backward(g: str) -> str:
                # each input has what all later ones have not won
                for i in range(len(xs) - 1, max(own, 1) - 1, -1):
                    won = b.op(later if i == own else first, best[i - 1], xs[i])
                    g = b.op("Mul", g, b.op("Cast", won, to=FLOAT))
                return g

            return backward

        return best[-1], [way(i) for i in range(len(xs))]

    return emit


def chained(b: GraphBuilder, kind: str, xs: list[str]) -> list[str]:
    """Emit x0, then x0 and x1, then those and x2, and so on."""
    results = xs[:1]
    for x in xs[1:]:
        results.append(b.op(kind, results[-1], x))
    return results


def broadcast_shape(layer: Layer, shapes: list[Shape]) -> Shape:
    """Return the shape of the result.

    Raises:
        BadInputError: If the shapes don't fit each other.
    """
    sizes = tuple(max(each) for each in zip(*shapes, strict=True))
    if any(
        size not in (1, whole) for shape in shapes for size, whole in zip(shape, sizes, strict=True)
    ):
        raise layer.refuse("inputs of the same shape, or of size 1 on an axis", shapes)
    return sizes


def elementwise(emit: Elementwise, inputs: int | None = None) -> EmitMerge:
    """Return a kind of layer that computes one value from those at the same place.

    Args:
        emit: On values that broadcast.
        inputs: How many there must be; None for any number.
    """

    def merge(
        layer: Layer, b: GraphBuilder, xs: tuple[Value, ...]
    ) -> tuple[Value, tuple[Backward, ...]]:
        if inputs not in (None, len(xs)) or not xs:
            raise layer.refuse(f"{inputs or 'some'} inputs", len(xs))
        rank = max(len(x.shape) for x in xs)
        levelled = [level(layer, b, x, rank) for x in xs]
        shape = broadcast_shape(layer, [x.shape for x in levelled])
        y, ways = emit(b, [x.name for x in levelled])

        def whole(own: Value, inner: Value, way: Backward) -> Backward:
            return lambda g: gathered(b, way(g), own.shape, inner.shape, shape)

        backwards = (whole(*each) for each in zip(xs, levelled, ways, strict=True))
        return Value(y, shape), tuple(backwards)

    return merge


def level(layer: Layer, b: GraphBuilder, x: Value, rank: int) -> Value:
    """Return a vector beside pictures as a picture of one pixel, as Keras sees it."""
    if len(x.shape) == rank:
        return x
    if len(x.shape) != 1 or rank != 3:
        raise layer.not_in_graph("pictures and vectors", x.shape)
    return Value(b.reshape(x.name, (x.shape[0], 1, 1)), (1, 1, x.shape[0]))


def gathered(b: GraphBuilder, g: str, own: Shape, inner: Shape, whole: Shape) -> str:
    """Sum a gradient over the axes along which an input was broadcast.

    Args:
        b: The graph.
        g: The gradient, of the result's shape.
        own: Shape of the input.
        inner: That shape with the result's rank.
        whole: Shape of the result.
    """
    axes = [
        flowing_axis(axis, whole)
        for axis, (size, wide) in enumerate(zip(inner, whole, strict=True), start=1)
        if size != wide
    ]
    if axes:
        g = b.sum(g, sorted(axes))
    return g if own == inner else b.reshape(g, flowing_shape(own))


def concatenate(
    layer: Layer, b: GraphBuilder, xs: tuple[Value, ...]
) -> tuple[Value, tuple[Backward, ...]]:
    """One behind the other, along any axis."""
    axis = layer.config.get("axis", -1)
    shapes = [x.shape for x in xs]
    rank = len(shapes[0]) + 1
    if not isinstance(axis, int) or not axis % rank >= 1:
        raise layer.refuse("an axis that is not the batch", axis)
    at = axis % rank - 1
    if any((*s[:at], *s[at + 1 :]) != (*shapes[0][:at], *shapes[0][at + 1 :]) for s in shapes):
        raise layer.refuse(f"inputs that differ on axis {axis} only", shapes)
    place, ends = flowing_axis(axis, shapes[0]), [0]
    for shape in shapes:
        ends.append(ends[-1] + shape[at])
    y = b.op("Concat", *(x.name for x in xs), axis=place)

    def way(own: int) -> Backward:
        bounds = ([ends[own]], [ends[own + 1]], [place])
        return lambda g: b.op("Slice", g, *(b.constant(v, np.int64) for v in bounds))

    shape = (*shapes[0][:at], ends[-1], *shapes[0][at + 1 :])
    return Value(y, shape), tuple(way(i) for i in range(len(xs)))


MERGES: dict[str, EmitMerge] = {
    "Add": elementwise(added),
    "Average": elementwise(averaged),
    "Subtract": elementwise(subtracted, inputs=2),
    "Multiply": elementwise(multiplied),
    "Maximum": elementwise(extreme("Max", "GreaterOrEqual", "Less")),
    "Minimum": elementwise(extreme("Min", "LessOrEqual", "Greater")),
    "Concatenate": concatenate,
}
