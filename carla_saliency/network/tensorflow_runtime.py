"""Runs a steering network in TensorFlow, for layers that can't be part of the ONNX graph.

Recurrent layers, three-dimensional convolutions, attention and the like. Each query is compiled
once, into one function that answers the steering and the gradients of all targets together.
Importing TensorFlow takes seconds, so that is done when a network is made, not before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from carla_saliency.core import Answer, Array, Inputs, LayerInfo, Query, Target
from carla_saliency.errors import BadInputError
from carla_saliency.network.asking import STEERING, feed_of, require_layers
from carla_saliency.network.folding import last_activation
from carla_saliency.network.inventory import inventory
from carla_saliency.network.keras_layers import tensorflow
from carla_saliency.network.layers import LayerGraph, Shape
from carla_saliency.network.tensorflow_layers import Step, build, computable, through

FORWARD = Query(targets=())


def shapes_of(graph: LayerGraph) -> dict[str, Shape]:
    """Return the shape of every layer's output, in Keras's layout, without the batch.

    Raises:
        BadInputError: As `TensorFlowNetwork`.
    """
    return build(graph).shapes


class TensorFlowNetwork:
    """A steering network; implements `core.Network`.

    Args:
        graph: What a model file held, with one output of one number.

    Raises:
        BadInputError: If a layer is of an unknown kind, its settings or weights don't fit, or the
            output is not one number.
    """

    has_gradient = True

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph
        self._tf = tensorflow()
        self.runtime = f"TensorFlow {self._tf.__version__}"
        self._built = build(graph)
        shape = self._built.shapes.get(graph.outputs[0], ())
        if len(graph.outputs) != 1 or math.prod(shape) != 1 or not shape:
            raise BadInputError(
                f"a steering network must have one output, received one of shape {shape}: "
                "say with --output what it means, or use a model whose last layer is the steering"
            )
        self._last = last_activation(graph)
        # a model that can't be computed is refused here, not in the drive
        self._compiled = {FORWARD: self._compile(FORWARD)}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of the network's grid."""
        return self.graph.input_shape

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer, in the order of computation."""
        infos = inventory(self.graph, self._built.shapes)
        return tuple(
            replace(info, activates=any(step.activates for step in self._built.steps[info.name]))
            for info in infos
        )

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering alone, (N,); left negative."""
        return self.run(FORWARD, inputs).steering

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        """Return the steering and what the query asks, from one call.

        Args:
            query: What is asked.
            inputs: A batch of encoded images, and the speeds where the network takes them.
            gates: float32, (N, channels of the gated layer); None without a gate.

        Raises:
            ValueError: If the query names an unknown layer, or the inputs do not fit.
        """
        feed = feed_of(self.graph, query, inputs, gates).values()
        if query not in self._compiled:
            require_layers(self._built.shapes, query)
            self._compiled[query] = self._compile(query)
        found = {
            name: np.array(value)  # a copy of our own, which can be written to
            for name, value in self._compiled[query](*map(self._tf.constant, feed)).items()
        }
        return Answer(
            found["steering"],
            found["gradients"],
            {name: found[f"output_{i}"] for i, name in enumerate(query.keep)},
            {
                name: found[f"output_gradient_{i}"]
                for i, name in enumerate(query.keep)
                if query.targets
            },
        )

    def randomised(self, seed: int) -> TensorFlowNetwork:
        """Return a network of the same layers with new weights.

        Args:
            seed: See `LayerGraph.with_new_weights`.
        """
        return TensorFlowNetwork(self.graph.with_new_weights(seed))

    def _compile(self, query: Query) -> Callable[..., dict[str, Any]]:
        tf, count = self._tf, len(self.graph.inputs)

        def answer(*feed: Any) -> dict[str, Any]:
            inputs, gates = feed[:count], feed[count:]
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                for each in inputs:
                    tape.watch(each)
                values = self._forward(query, inputs, *gates)
                scalars = [self._scalar(values, target) for target in query.targets]
            kept = [values[name] for name in query.keep]
            rows = [
                tape.gradient(scalar, [inputs[0], *kept], unconnected_gradients="zero")
                for scalar in scalars
            ]
            found = {"steering": tf.reshape(values[self.graph.outputs[0]], [-1])}
            stacked = [tf.stack(gradients, axis=1) for gradients in zip(*rows, strict=True)]
            nothing = tf.zeros([tf.shape(inputs[0])[0], 0, *inputs[0].shape[1:]])
            found["gradients"] = stacked[0] if stacked else nothing
            for i, value in enumerate(kept):
                found[f"output_{i}"] = value
            for i, gradient in enumerate(stacked[1:]):
                found[f"output_gradient_{i}"] = gradient
            return found

        shapes = [each.shape for each in self.graph.inputs]
        if query.gate is not None:
            shapes.append(self._built.shapes[query.gate][-1:])
        signature = [tf.TensorSpec((None, *shape), tf.float32) for shape in shapes]
        function = tf.function(answer, input_signature=signature, autograph=False)
        return function.get_concrete_function()  # type: ignore[no-any-return]

    def _forward(self, query: Query, inputs: tuple[Any, ...], gates: Any = None) -> dict[str, Any]:
        """Return what every layer gives, by its name."""
        tf = self._tf
        names = [each.name for each in self.graph.inputs]
        values = dict(zip(names, inputs, strict=True))
        for layer in self.graph.layers:

            def activate(step: Step, x: Any, is_last: bool = layer.name == self._last) -> Any:
                if is_last:
                    return x if query.linear else step.call(x)
                return step.call(x) if query.rule == "true" else self._by_rule(query.rule, step, x)

            sources = [values[name] for name in layer.inputs]
            with computable(layer):
                value = through(self._built.steps[layer.name], sources, activate)
            # a tensor of its own, also where the layer does nothing: gradients are to this one
            value = tf.identity(value)
            if layer.name == query.gate:
                ones = [1] * (len(value.shape) - 2)
                value *= tf.reshape(gates, [-1, *ones, value.shape[-1]])
            values[layer.name] = value
        return values

    def _by_rule(self, rule: str, step: Step, x: Any) -> Any:
        """Return an activation of x with another way back.

        The rule "relu" lets the gradient through where it is positive (Zeiler and Fergus 2014);
        "guided" where the activation's input is positive too (Springenberg et al. 2015).
        """
        tf = self._tf

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def passed(x: Any, y: Any) -> tuple[Any, Callable[[Any], tuple[Any, None]]]:
            def backward(g: Any) -> tuple[Any, None]:
                lets_through = (g > 0) & (x > 0) if rule == "guided" else g > 0
                return tf.where(lets_through, g, tf.zeros_like(g)), None

            return tf.identity(y), backward

        return passed(x, tf.stop_gradient(step.call(x)))

    def _scalar(self, values: Mapping[str, Any], target: Target) -> Any:
        """Return a target, summed over the batch: its examples do not depend on each other."""
        tf, (name, index) = self._tf, target
        value = values[self._own_name(name)]
        if isinstance(index, int) and math.prod(value.shape[1:]) > 1:
            if not 0 <= index < value.shape[-1]:
                raise ValueError(f"{name} has filters 0 to {value.shape[-1] - 1}, received {index}")
            value = value[..., index : index + 1]
        return tf.reduce_sum(value) / math.prod(value.shape[1:-1])

    def _own_name(self, name: str) -> str:
        is_output = name == STEERING and name not in self._built.shapes
        return self.graph.outputs[0] if is_output else name
