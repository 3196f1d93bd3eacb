"""What ONNX's operators become: arithmetic, normalisations, dense layers; and the whole table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from carla_saliency.core import Array
from carla_saliency.network import (
    onnx_activations,
    onnx_moves,
    onnx_parts,
    onnx_resizing,
    onnx_windows,
)
from carla_saliency.network.onnx_activations import cut
from carla_saliency.network.onnx_flow import Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator, name_of
from carla_saliency.network.onnx_moves import weights_of
from carla_saliency.network.onnx_nodes import Node

Arguments = Sequence[Any]

# ------------------------------------------------------------------ arithmetic


def arithmetic(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Two values, or one and a constant."""
    one, other = arguments
    if isinstance(one, Flow) and isinstance(other, Flow):
        if node.kind == "Div":
            raise NoLayerError("by what depends on the image")
        return onnx_moves.merge(t, node, (one, other), MERGES[node.kind])
    if not isinstance(one, Flow):
        if node.kind == "Div":
            raise NoLayerError("by what depends on the image")
        constant = one.astype(np.float64)
        scale, offset = {"Add": (1.0, constant), "Sub": (-1.0, constant), "Mul": (constant, 0.0)}[
            node.kind
        ]
        return onnx_moves.affine(t, node, other, scale, offset)
    constant = other.astype(np.float64)
    scale, offset = {
        "Add": (1.0, constant),
        "Sub": (1.0, -constant),
        "Mul": (constant, 0.0),
        "Div": (1 / constant, 0.0),
    }[node.kind]
    return onnx_moves.affine(t, node, one, scale, offset)


MERGES = {
    "Add": "Add",
    "Sub": "Subtract",
    "Mul": "Multiply",
    "Sum": "Add",
    "Mean": "Average",
    "Max": "Maximum",
    "Min": "Minimum",
}


def variadic(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Any number of values."""
    flows = [each for each in arguments if isinstance(each, Flow)]
    if len(flows) == len(arguments):
        return flows[0] if len(flows) == 1 else onnx_moves.merge(t, node, flows, MERGES[node.kind])
    rest = [each for each in arguments if not isinstance(each, Flow)]
    if len(flows) == len(rest) == rest[0].size == 1 and node.kind in ("Max", "Min"):
        number = float(rest[0].item())
        ends = (number, None) if node.kind == "Max" else (None, number)
        return cut(t, node, flows[0], *ends)
    raise NoLayerError("of values and constants")


def negative(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """The same with another sign."""
    return t.pointwise(node, "Rescaling", {"scale": -1.0, "offset": 0.0}, arguments[0])


# ------------------------------------------------------------------ normalisations


def batch_normalization(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """With constants, as outside training."""
    if node.attributes.get("training_mode") or not node.attributes.get("spatial", 1):
        raise NoLayerError("in training" if node.attributes.get("training_mode") else "spatial 0")
    x = onnx_moves.channels_last(t, arguments[0])
    weights = [weights_of(arguments, i).reshape(x.shape[-1]) for i in range(1, 5)]
    config = {"axis": -1, "epsilon": float(node.attributes.get("epsilon", 1e-5))}
    return t.pointwise(node, "BatchNormalization", config, x, weights)


def layer_normalization(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Each example by its own mean and variance, along the last axes."""
    x = t.settle(arguments[0])
    rank = len(x.logical)
    first = int(node.attributes.get("axis", -1)) % (rank + 1)
    if first < 1:
        raise NoLayerError("over the batch")
    ours = sorted(x.order[axis - 1] for axis in range(first, rank + 1))
    sizes = tuple(x.shape[axis] for axis in ours)
    weights: list[Array] = []
    for i in range(1, min(len(arguments), 3)):
        whole = np.broadcast_to(onnx_moves.laid_out(x, weights_of(arguments, i)), x.shape)
        index = tuple(slice(None) if axis in ours else 0 for axis in range(rank))
        weights.append(whole[index].reshape(sizes))
    config = {
        "axis": [axis + 1 for axis in ours],
        "epsilon": float(node.attributes.get("epsilon", 1e-5)),
        "scale": len(weights) > 0,
        "center": len(weights) > 1,
    }
    return t.pointwise(node, "LayerNormalization", config, x, weights)


def instance_normalization(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Each channel of each example by its own mean and variance."""
    x = t.picture(arguments[0])
    channels = x.shape[-1]
    weights = [weights_of(arguments, i).reshape(channels) for i in (1, 2)]
    epsilon = float(node.attributes.get("epsilon", 1e-5))
    config = {"groups": channels, "axis": -1, "epsilon": epsilon, "scale": True, "center": True}
    return t.pointwise(node, "GroupNormalization", config, x, weights)


# ------------------------------------------------------------------ dense


def gemm(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A matrix and an offset."""
    x, matrix = arguments[0], weights_of(arguments, 1).astype(np.float32)
    if not isinstance(x, Flow) or len(x.logical) != 1 or node.attributes.get("transA"):
        raise NoLayerError("of this shape")
    matrix = matrix.T if node.attributes.get("transB") else matrix
    alpha, beta = (float(node.attributes.get(key, 1.0)) for key in ("alpha", "beta"))
    bias = None
    if len(arguments) > 2:
        own = (beta * weights_of(arguments, 2)).astype(np.float32)
        bias = np.broadcast_to(own.reshape(-1), matrix.shape[1:])
    return dense(t, node, x, alpha * matrix, bias)


def matmul(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A matrix; with the constant that is added to the result, if only that uses it."""
    x, matrix = arguments[0], weights_of(arguments, 1).astype(np.float32)
    if not isinstance(x, Flow) or matrix.ndim != 2 or not x.logical:
        raise NoLayerError("of this shape")
    bias, end = onnx_moves.bias_after(t, node, matrix.shape[1], axis=-1)
    if math.prod(x.logical[:-1]) == 1:
        y = dense(t, node, replace(x, logical=x.logical[-1:]), matrix, bias)
        y = replace(y, logical=(*x.logical[:-1], matrix.shape[1]))
    else:
        x = t.settle(x)
        if x.order[-1] != len(x.shape) - 1:
            raise NoLayerError("along rows")
        config, weights = _dense_settings(matrix, bias)
        shape = (*x.shape[:-1], matrix.shape[1])
        layer = t.emit(name_of(node), "Dense", config, x, shape, weights)
        y = Flow(layer, shape, x.order, (*x.logical[:-1], matrix.shape[1]))
    if end:
        t.values[end] = y
    return y


def dense(t: Translator, node: Node, x: Flow, matrix: Array, bias: Array | None) -> Flow:
    """Add a dense layer on a vector; rather than the vector the matrix is put into our order."""
    if len(matrix) != math.prod(x.shape):
        raise ValueError(f"a matrix of {len(matrix)} rows for {math.prod(x.shape)} numbers")
    name = name_of(node)
    x, places = t.flattened(x)
    own = np.empty_like(matrix)
    own[places] = matrix
    config, weights = _dense_settings(own, bias)
    shape = (matrix.shape[1],)
    return Flow(t.emit(name, "Dense", config, x, shape, weights), shape, (0,), shape)


def _dense_settings(matrix: Array, bias: Array | None) -> tuple[dict[str, Any], list[Array]]:
    weights = [matrix] if bias is None else [matrix, bias]
    config = {"units": matrix.shape[1], "use_bias": bias is not None, "activation": "linear"}
    return config, weights


OPERATORS: dict[str, Operator] = {
    **onnx_activations.OPERATORS,
    **onnx_moves.OPERATORS,
    **onnx_parts.OPERATORS,
    **onnx_resizing.OPERATORS,
    **onnx_windows.OPERATORS,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), arithmetic),
    **dict.fromkeys(("Sum", "Mean", "Max", "Min"), variadic),
    "Neg": negative,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "InstanceNormalization": instance_normalization,
    "Gemm": gemm,
    "MatMul": matmul,
}
