"""A network that runs as its ONNX file says, for methods that only ask for the steering."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from carla_saliency.core import Answer, Array, Contract, Inputs, LayerInfo, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.layers import Layer, LayerGraph, Shape
from carla_saliency.network.output import explain_output, guess_output, steering_head

RUNTIME_ERRORS = (
    *(ort.Fail, ort.InvalidArgument, ort.InvalidGraph, ort.InvalidProtobuf, ort.NotImplemented),
    *(ort.RuntimeException, ort.EPFail, RuntimeError, ValueError, MemoryError),
)


@dataclass(frozen=True)
class FileInput:
    """What a file wants to be given.

    Attributes:
        name: In the file.
        dtype: Of the array.
    """

    name: str
    dtype: Any


class BlackBox:
    """A steering network without gradient; implements `core.Network`.

    Args:
        model: Serialised ONNX, whose operators and sizes were looked at.
        graph: Its inputs in our layout, and for each output a layer of the kind "ONNX", whose
            setting "index" says which output it is.
        inputs: The image, and the speed if the network takes it.
        reason: Why there is no gradient, and what works: one line.
        one_at_a_time: The file takes a batch of one only.

    Raises:
        BadInputError: If onnxruntime can't run it.
    """

    runtime = f"onnxruntime {onnxruntime.__version__}"
    has_gradient = False
    layers: tuple[LayerInfo, ...] = ()

    def __init__(
        self,
        model: bytes,
        graph: LayerGraph,
        inputs: Sequence[FileInput],
        reason: str,
        one_at_a_time: bool = False,
    ) -> None:
        self.graph, self.reason = graph, reason
        self._inputs = tuple(inputs)
        self._one_at_a_time = one_at_a_time
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is raised too
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
            values = self._try_out()
        except RUNTIME_ERRORS as error:
            raise BadInputError(f"onnxruntime can't run it: {_one_line(error)}") from None
        self._shapes: dict[str, Shape] = {
            layer.name: (value.shape[1],) for layer, value in zip(graph.layers, values, strict=True)
        }
        self._meaning: LayerGraph | None = None
        self.output = ""
        if list(self._shapes.values()) == [(1,)]:
            self._meaning = graph

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Rows, columns, channels of one picture."""
        return self.graph.input_shape

    @property
    def frames(self) -> int:
        """How many pictures in a row it is given; 1 for most."""
        return self.graph.frames

    @property
    def takes_speed(self) -> bool:
        """Whether it is also told the speed."""
        return self.graph.takes_speed

    @property
    def parameters(self) -> int:
        """Number of its weights."""
        return self.graph.parameters

    @property
    def channels_first(self) -> bool:
        """Whether the file's own image is (channels, rows, columns)."""
        return self.graph.channels_first

    def with_meaning(self, contract: Contract) -> BlackBox:
        """Return the same network with its answer read as the contract says.

        Where the contract says "steering" and the file answers something else, that is guessed, and
        said in `output`.

        Raises:
            BadInputError: If the file's outputs are not what the contract says.
        """
        kind, reason = guess_output(self.graph, self._shapes)
        guessed = ""
        if contract.output == "steering" and kind != "steering":
            contract = replace(contract, output=kind)
            guessed = f" (a guess: {reason})"
        result = copy.copy(self)
        result._meaning = steering_head(self.graph, self._shapes, contract)
        result.output = explain_output(contract, self.graph, self._shapes) + guessed
        return result

    def steer(self, inputs: Inputs) -> Array:
        """Return the steering, (N,); left negative.

        Raises:
            BadInputError: If the answer is not one number, and what it means was not said; or the
                file can't be run on these inputs.
            ValueError: If the inputs do not fit.
        """
        if self._meaning is None:
            sizes = ", ".join(f"{name} of {n}" for name, (n,) in self._shapes.items())
            raise BadInputError(
                f"a steering network must answer one number, received {sizes}: say with --output "
                "what they mean"
            )
        feed = self._feed(inputs)
        if not len(inputs.image):
            return np.empty(0, np.float32)
        try:
            values = self._run(feed)
        except RUNTIME_ERRORS as error:
            raise BadInputError(f"onnxruntime can't run it: {_one_line(error)}") from None
        return _steering(self._meaning, values)

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        """Return the steering, for a query that asks for nothing else.

        Raises:
            BadInputError: If it asks for gradients, for layers or for the last activation: the
                message names the methods that work.
        """
        if query.targets or query.keep or query.gate is not None or query.linear:
            raise BadInputError(f"this network has no gradient and no layers: {self.reason}")
        steering = self.steer(inputs)
        nothing = np.empty((len(steering), 0, *inputs.image.shape[1:]), np.float32)
        return Answer(steering, nothing)

    def randomised(self, seed: int) -> BlackBox:
        """Refuse: which of the file's numbers are weights is not known.

        Raises:
            BadInputError: Always.
        """
        raise BadInputError(
            f"new weights (seed {seed}) need a network whose layers are known: {self.reason}"
        )

    # -------------------------------------------------------------- the file

    def _try_out(self) -> list[Array]:
        """Return the answer to black pictures; finds whether the file takes several at once."""
        if not self._one_at_a_time:
            try:
                return self._run(self._feed(self._black(2)))
            except RUNTIME_ERRORS:
                self._one_at_a_time = True  # some exporters write the batch of their example
        return self._run(self._feed(self._black(1)))

    def _black(self, count: int) -> Inputs:
        image = np.zeros((count, *self.graph.image_shape), np.float32)
        return Inputs(image, np.zeros((count, 1), np.float32) if self.takes_speed else None)

    def _run(self, feed: list[NDArray[Any]]) -> list[Array]:
        """Return each output as (N, numbers), of N >= 1 examples."""
        names = [each.name for each in self._inputs]
        count = len(feed[0])
        size = 1 if self._one_at_a_time else count
        parts = []
        for i in range(0, count, size):
            part = {name: each[i : i + size] for name, each in zip(names, feed, strict=True)}
            values = self._session.run(None, part)
            parts.append([np.asarray(value, np.float32).reshape(size, -1) for value in values])
        return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]

    def _feed(self, inputs: Inputs) -> list[NDArray[Any]]:
        """Return the arrays that the file takes."""
        image, shape = inputs.image, self.graph.image_shape
        if image.dtype != np.float32 or image.shape[1:] != shape:
            raise ValueError(
                f"the image must be float32 of shape (N, {', '.join(map(str, shape))}), "
                f"received {image.dtype} {image.shape}"
            )
        arrays: list[NDArray[Any]] = [
            np.moveaxis(image, -1, -3) if self.graph.channels_first else image
        ]
        if self.takes_speed:
            speed = inputs.speed
            if speed is None or speed.shape != (len(image), 1):
                received = None if speed is None else speed.shape
                raise ValueError(
                    f"the speed must be of shape ({len(image)}, 1), received {received}"
                )
            arrays.append(speed)
        return [_as(each.dtype, array) for each, array in zip(self._inputs, arrays, strict=True)]


def _as(dtype: Any, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of the type that the file takes; whole numbers are rounded."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return np.ascontiguousarray(array, kind)


def _steering(graph: LayerGraph, values: Sequence[Array]) -> Array:
    """Return what the layers that say the meaning make of the file's outputs, (N,)."""
    known: dict[str, Array] = {}
    for layer in graph.layers:
        if layer.kind == "ONNX":
            known[layer.name] = values[layer.config["index"]]
        else:
            known[layer.name] = _applied(layer, known[layer.inputs[0]])
    return known[graph.outputs[0]].reshape(len(values[0])).astype(np.float32)


def _applied(layer: Layer, x: Array) -> Array:
    """Return a layer of the meaning on vectors (N, numbers)."""
    if layer.kind == "Softmax":
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
    if layer.kind == "Dense":
        kernel, *bias = layer.weights
        return np.asarray(x @ kernel + (bias[0] if bias else 0), np.float32)
    if layer.kind == "Rescaling":
        return np.asarray(x * layer.config["scale"] + layer.config["offset"], np.float32)
    if layer.kind in ("Flatten", "Activation"):  # of vectors; linear
        return x
    raise ValueError(f"no meaning is made with a layer of the kind {layer.kind}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
