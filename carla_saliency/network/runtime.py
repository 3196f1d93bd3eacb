"""Runs a steering network with onnxruntime: the steering and what a query asks, in one call.

One thread: with a simulator, an encoder and a window on the same cores a second one makes the
median worse. No TensorFlow is imported, so a network is ready in a fraction of a second.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import onnxruntime

from carla_saliency.core import Answer, Array, Inputs, LayerInfo, Query
from carla_saliency.network import cache
from carla_saliency.network.asking import feed_of
from carla_saliency.network.inventory import inventory
from carla_saliency.network.layers import LayerGraph

FORWARD = Query(targets=())


class OnnxNetwork:
    """A steering network; implements `core.Network`.

    Args:
        graph: What a model file held, with one output of one number.
        digest: Of all that the graph was made from, for the cache of compiled graphs; "" = none.

    Raises:
        BadInputError: If the layers can't be computed; see `graph.to_onnx`.
    """

    runtime = f"onnxruntime {onnxruntime.__version__}"
    has_gradient = True

    def __init__(self, graph: LayerGraph, digest: str = "") -> None:
        self.graph = graph
        self._digest = digest
        self._sessions: dict[Query, onnxruntime.InferenceSession] = {}
        self._session(FORWARD)  # a model that can't be computed is refused here, not in the drive

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of the network's grid."""
        return self.graph.input_shape

    @cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer, in the order of computation."""
        from carla_saliency.network.graph import shapes_of  # needs onnx, which loads for 0.1 s

        return inventory(self.graph, shapes_of(self.graph))

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering alone, (N,); left negative."""
        (steering,) = self._session(FORWARD).run(None, feed_of(self.graph, FORWARD, inputs, None))
        return np.asarray(steering, np.float32)

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        """Return the steering and what the query asks, from one call.

        Args:
            query: With several targets and several inputs there is one call for each input.
            inputs: A batch of encoded images, and the speeds where the network takes them.
            gates: float32, (N, channels of the gated layer); None without a gate.

        Raises:
            BadInputError: If the query asks for what the layers can't give.
            ValueError: If it names an unknown layer, or the inputs do not fit.
        """
        session = self._session(query)
        feed = feed_of(self.graph, query, inputs, gates)
        count = len(inputs.image)
        if len(query.targets) <= 1 or count == 1:
            return self._answer(query, session, feed)
        if not count:
            feed = {name: np.zeros((1, *v.shape[1:]), np.float32) for name, v in feed.items()}
        each = [
            self._answer(query, session, {name: v[i : i + 1] for name, v in feed.items()})
            for i in range(max(count, 1))
        ]
        return _joined(each, count)

    def randomised(self, seed: int) -> OnnxNetwork:
        """Return a network of the same layers with new weights.

        Args:
            seed: See `LayerGraph.with_new_weights`.
        """
        return OnnxNetwork(self.graph.with_new_weights(seed))

    def _answer(
        self, query: Query, session: onnxruntime.InferenceSession, feed: dict[str, Array]
    ) -> Answer:
        names = [output.name for output in session.get_outputs()]
        values = dict(zip(names, session.run(None, feed), strict=True))

        def by_target(name: str) -> Array:
            value = values[name]
            return np.asarray(value[:, None] if len(query.targets) == 1 else value[None])

        image = feed["image"]
        nothing = np.empty((len(image), 0, *image.shape[1:]), np.float32)
        gradient = by_target("gradient") if query.targets else nothing
        outputs = {name: values[f"output_{i}"] for i, name in enumerate(query.keep)}
        output_gradients = {
            name: by_target(f"output_gradient_{i}")
            for i, name in enumerate(query.keep)
            if query.targets
        }
        return Answer(values["steering"], gradient, outputs, output_gradients)

    def _session(self, query: Query) -> onnxruntime.InferenceSession:
        if query not in self._sessions:
            self._sessions[query] = _compile(
                cache.stored(self._digest, query, lambda: self._written(query))
            )
        return self._sessions[query]

    def _written(self, query: Query) -> bytes:
        from carla_saliency.network.graph import to_onnx  # needs onnx, which loads for 0.1 s

        return to_onnx(self.graph, query)


def _joined(answers: list[Answer], count: int) -> Answer:
    """Return the first `count` of these answers as one."""

    def all_of(what: str) -> dict[str, Array]:
        return {
            name: np.concatenate([getattr(answer, what)[name] for answer in answers])[:count]
            for name in getattr(answers[0], what)
        }

    return Answer(
        np.concatenate([answer.steering for answer in answers])[:count],
        np.concatenate([answer.gradients for answer in answers])[:count],
        all_of("outputs"),
        all_of("output_gradients"),
    )


def _compile(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it has hints for its own developers below that
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
