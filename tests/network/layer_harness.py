"""One layer, or a few in a row, as a graph that gives the output and each input's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime

from carla_saliency.network.kinds import KINDS
from carla_saliency.network.layers import Layer, Shape
from carla_saliency.network.merges import MERGES
from carla_saliency.network.onnx_builder import GraphBuilder, Shapes, Value


@dataclass
class Emitted:
    """Layers as ONNX; values are in Keras's layout."""

    session: onnxruntime.InferenceSession
    shape: Shape

    def forward(self, *xs: np.ndarray) -> np.ndarray:
        feeds = {f"x{i}": x.astype(np.float32) for i, x in enumerate(xs)}
        return self.session.run(
            ["y"], {**feeds, "g": np.zeros((len(xs[0]), *self.shape), np.float32)}
        )[0]

    def backward(self, xs: Sequence[np.ndarray], g: np.ndarray) -> list[np.ndarray]:
        feeds = {f"x{i}": x.astype(np.float32) for i, x in enumerate(xs)}
        names = [f"d{i}" for i in range(len(xs))]
        return self.session.run(names, {**feeds, "g": g.astype(np.float32)})


def emit(layers: Sequence[Layer], shapes: Sequence[Shape], rule: str = "true") -> Emitted:
    """Write the layers: the first takes all the inputs, each other one that before it."""
    b = GraphBuilder()
    b.rule = rule
    xs = tuple(b.from_keras_layout(f"x{i}", shape) for i, shape in enumerate(shapes))
    first, *others = layers
    if first.kind in MERGES:
        value, ways = MERGES[first.kind](first, b, xs)
    else:
        value, way = KINDS[first.kind](first, b, *xs)
        ways = (way,)
    ways_on = []
    for layer in others:
        value, way = KINDS[layer.kind](layer, b, value)
        ways_on.append(way)
    g = b.from_keras_layout("g", value.shape).name
    for way in reversed(ways_on):
        g = way(g)
    b.alias(b.to_keras_layout(value), "y")
    for i, (x, way) in enumerate(zip(xs, ways, strict=True)):
        b.alias(b.to_keras_layout(Value(way(g), x.shape)), f"d{i}")
    inputs: Shapes = {f"x{i}": ["N", *shape] for i, shape in enumerate(shapes)}
    outputs: Shapes = {f"d{i}": ["M", *shape] for i, shape in enumerate(shapes)}
    model = b.model({**inputs, "g": ["T", *value.shape]}, {"y": ["N", *value.shape], **outputs})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return Emitted(session, value.shape)
