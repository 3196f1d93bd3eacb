"""Runs a steering network with onnxruntime: the steering alone, or with its gradient in one call.

One thread: with a simulator, an encoder and a window on the same cores a second one makes the
median worse. No TensorFlow is imported, so a network is ready in a fraction of a second.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnxruntime

from carla_saliency.core import Answer, Array, Inputs, Query
from carla_saliency.network.check import check_gradient
from carla_saliency.network.contract import load_contract, require_fit
from carla_saliency.network.files import load
from carla_saliency.network.graph import to_onnx
from carla_saliency.network.layers import LayerGraph

logger = logging.getLogger(__name__)

FORWARD = Query(targets=())
STEERING = Query()


class OnnxNetwork:
    """A steering network; implements `core.Network`.

    Args:
        graph: What a model file held.

    Raises:
        BadInputError: If the layers can't be computed; see `graph.to_onnx`.
    """

    def __init__(self, graph: LayerGraph) -> None:
        self.graph = graph
        self._sessions: dict[Query, onnxruntime.InferenceSession] = {}
        self._session(FORWARD)  # a model that can't be computed is refused here, not in the drive

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of the network's grid."""
        return self.graph.input_shape

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering alone, (N,); left negative."""
        (steering,) = self._session(FORWARD).run(None, {"image": self._image(inputs)})
        return np.asarray(steering, np.float32)

    def run(self, query: Query, inputs: Inputs) -> Answer:
        """Return the steering and the gradients that are asked for, from one call.

        Args:
            query: Its targets may be () or (("steering", "mean"),).
            inputs: A batch of encoded images.

        Returns:
            Steering (N,), and gradients (N, T, H, W, C) per unit of the *encoded* image.

        Raises:
            ValueError: If the query asks for something else, or the image does not fit.
        """
        image = self._image(inputs)
        steering, *gradients = self._session(query).run(None, {"image": image})
        stacked = (
            np.stack(gradients, axis=1)
            if gradients
            else np.empty((len(image), 0, *image.shape[1:]), np.float32)
        )
        return Answer(np.asarray(steering, np.float32), stacked)

    def _session(self, query: Query) -> onnxruntime.InferenceSession:
        if query not in self._sessions:
            if query not in (FORWARD, STEERING):
                raise ValueError(
                    f"targets must be () or (('steering', 'mean'),), received {query.targets}"
                )
            self._sessions[query] = _compile(to_onnx(self.graph, query == STEERING))
        return self._sessions[query]

    def _image(self, inputs: Inputs) -> Array:
        image = inputs.image
        if image.dtype != np.float32 or image.ndim != 4 or image.shape[1:] != self.input_shape:
            raise ValueError(
                f"the image must be float32 of shape (N, {', '.join(map(str, self.input_shape))}), "
                f"received {image.dtype} {image.shape}"
            )
        return image


def _compile(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it has hints for its own developers below that
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load_network(path: str | Path) -> OnnxNetwork:
    """Return the network of a model file, after its gradient was found right.

    Args:
        path: A Keras model, `.keras` or `.h5`. A contract beside it is used for the range of the
            input in the check, and must fit the network.

    Raises:
        BadInputError: If the file or the contract can't be used, or the gradient is wrong.
    """
    graph = load(path)
    contract = load_contract(path)
    if contract is not None:
        require_fit(contract, graph.input_shape)
    network = OnnxNetwork(graph)
    if contract is not None:
        ends = contract.offset, contract.offset + 255 * contract.scale
        ranges = [(min(ends), max(ends))]
    else:
        ranges = [(0.0, 255.0), (-1.0, 1.0)]  # which of them it was trained with is not known
    check_gradient(network, network.input_shape, ranges)
    logger.info("%s: %d weights, input %s", path, graph.parameters, graph.input_shape)
    return network
