"""What older versions of Keras stored, in Keras 3's order and layout."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from carla_saliency.core import Array
from carla_saliency.network.legacy import Origin

logger = logging.getLogger(__name__)

Arrays = tuple[Array, ...]

CONVOLUTIONS = frozenset(
    {
        "AtrousConvolution2D",
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "Conv2DTranspose",
        "ConvLSTM2D",
        "Convolution1D",
        "Convolution2D",
        "Convolution3D",
        "Deconvolution2D",
    }
)
GATES = {"LSTM": 4, "ConvLSTM2D": 4, "GRU": 3}
# Keras 1 stored each gate apart (kernel, recurrent kernel, bias): input, cell, forget, output; now
# they are one array: input, forget, cell, output. A GRU's are update, reset, candidate in both.
GATE_ORDER = {"LSTM": (0, 2, 1, 3), "ConvLSTM2D": (0, 2, 1, 3), "GRU": (0, 1, 2)}


def modern(kind: str, config: dict[str, Any], weights: Arrays, origin: Origin) -> Arrays:
    """Return a layer's weights as Keras 3 has them.

    BatchNormalization needs no change: what Keras 1 called `running_std` was the variance.

    Args:
        kind: Class name, as the file has it.
        config: As the file has it.
        weights: As the file has them.
        origin: Who wrote it.
    """
    if not weights:
        return weights
    if kind == "TimeDistributed":
        inner = config["layer"]
        return modern(inner["class_name"], inner["config"], weights, origin)
    if kind == "Bidirectional":
        inner, half = config["layer"], len(weights) // 2
        both = (weights[:half], weights[half:])
        parts = [modern(inner["class_name"], inner["config"], part, origin) for part in both]
        return parts[0] + parts[1]
    if kind in GATES and len(weights) == 3 * GATES[kind]:
        weights = joined_gates(weights, GATE_ORDER[kind])
    if kind in ("CuDNNLSTM", "CuDNNGRU") and len(weights) == 3:
        return from_cudnn(kind, weights)
    if kind in CONVOLUTIONS:
        return (convolution_kernel(kind, config, weights[0], origin), *weights[1:])
    return weights


def joined_gates(weights: Arrays, order: Sequence[int]) -> Arrays:
    """Return kernel, recurrent kernel and bias of all gates from those of each."""
    return tuple(
        np.concatenate([weights[3 * gate + part] for gate in order], axis=-1) for part in range(3)
    )


def from_cudnn(kind: str, weights: Arrays) -> Arrays:
    """Return the weights of a layer that only a GPU could run, for the one that runs anywhere."""
    gates = 4 if kind == "CuDNNLSTM" else 3

    def each_gate(matrix: Array, change: Callable[[Array], Array]) -> Array:
        return np.hstack([change(part) for part in np.hsplit(matrix, gates)])

    kernel = each_gate(weights[0], lambda k: k.T.reshape(k.shape, order="F"))
    recurrent = each_gate(weights[1], lambda k: k.T)
    both = weights[2].reshape(2, -1)
    bias = both.sum(axis=0, dtype=np.float32) if kind == "CuDNNLSTM" else both
    return kernel, recurrent, bias


def convolution_kernel(kind: str, config: dict[str, Any], kernel: Array, origin: Origin) -> Array:
    """Return a kernel as rows, columns, channels, filters, of a correlation.

    Theano convolved: its kernels are mirrored.
    """
    rank = kernel.ndim
    if origin.major < 2:
        if kind == "Convolution1D" and rank == 4:
            has_rows = kernel.shape[0] == config.get("filter_length") and kernel.shape[1] == 1
            kernel = (kernel if has_rows else kernel.transpose(2, 3, 1, 0))[:, 0]
            rank = 3
        elif config.get("dim_ordering") == "th" and rank >= 4:
            kernel = kernel.transpose(*range(2, rank), 1, 0)
        if kind == "Deconvolution2D" and config.get("dim_ordering") != "th":
            kernel = kernel.swapaxes(-1, -2)
        if config.get("dim_ordering") == "th" and not origin.backend:
            logger.warning(
                "the file does not say whether TensorFlow or Theano ran it; TensorFlow is assumed: "
                "if it steers wrongly, its kernels are mirrored"
            )
    if origin.backend == "theano":
        kernel = np.flip(kernel, axis=tuple(range(rank - 2)))
    return np.ascontiguousarray(kernel)
