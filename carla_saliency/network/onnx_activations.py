"""What ONNX's activations become."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from carla_saliency.network.onnx_constants import Constant
from carla_saliency.network.onnx_flow import Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator
from carla_saliency.network.onnx_moves import laid_out, weights_of
from carla_saliency.network.onnx_nodes import Node

Arguments = Sequence[Any]

ACTIVATIONS = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Exp": "exponential",
    "Mish": "mish",
    "HardSwish": "hard_silu",
}
NONNEGATIVE = frozenset({"relu", "sigmoid", "softplus", "exponential", "softmax", "hard_sigmoid"})


def activate(t: Translator, node: Node, x: Flow, function: str) -> Flow:
    """Add an activation by Keras's name."""
    y = t.pointwise(node, "Activation", {"activation": function}, x)
    if function in NONNEGATIVE:
        t.nonnegative.add(y.layer)
    return y


def activation(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """An activation without settings."""
    return activate(t, node, arguments[0], ACTIVATIONS[node.kind])


def with_slope(kind: str, key: str, default: float) -> Operator:
    """Return an operator that is a layer with one setting, called alpha in ONNX."""

    def operator(t: Translator, node: Node, arguments: Arguments) -> Flow:
        value = float(node.attributes.get("alpha", default))
        return t.pointwise(node, kind, {key: value}, arguments[0])

    return operator


def with_usual(function: str, **usual: float) -> Operator:
    """Return an operator that is an activation where its settings are the usual ones."""

    def operator(t: Translator, node: Node, arguments: Arguments) -> Flow:
        for key, value in usual.items():
            received = float(node.attributes.get(key, value))
            if not math.isclose(received, value, rel_tol=1e-5):
                raise NoLayerError(f"{key} {received:g}")
        return activate(t, node, arguments[0], function)

    return operator


def hard_sigmoid(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A line cut at 0 and 1."""
    slope, offset = (
        float(node.attributes.get(key, usual)) for key, usual in (("alpha", 0.2), ("beta", 0.5))
    )
    if math.isclose(slope, 1 / 6, rel_tol=1e-5) and offset == 0.5:
        return activate(t, node, arguments[0], "hard_sigmoid")
    line = t.pointwise(node, "Rescaling", {"scale": slope, "offset": offset}, arguments[0])
    return cut(t, node, line, 0.0, 1.0)


def gelu(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """The exact form, not that with a tanh."""
    if node.attributes.get("approximate", "none") != "none":
        raise NoLayerError("with tanh")
    return activate(t, node, arguments[0], "gelu")


def erf(t: Translator, node: Node, _: Arguments) -> Flow:
    """The heart of a gelu, as exporters write that before opset 20."""
    scaling = t.makers.get(node.inputs[0])
    source = next((name for name in scaling.inputs if name in t.flows), "") if scaling else ""
    factor = t.other_constant(scaling, source) if scaling else None
    wanted = {"Div": math.sqrt(2), "Mul": math.sqrt(0.5)}.get(scaling.kind if scaling else "")
    adding = t.only_user(node.outputs[0])
    one = t.other_constant(adding, node.outputs[0]) if adding and adding.kind == "Add" else None
    if adding is None or wanted is None or not is_number(factor, wanted) or not is_number(one, 1):
        raise NoLayerError
    x = t.flows[source]
    passed, name, missing = [adding.outputs[0]], adding.outputs[0], {"x", "half"}
    while missing:
        user = t.only_user(name)
        found = _gelu_factors(t, user, name, source) if user and user.kind == "Mul" else set()
        if user is None or not found or not found <= missing:
            raise NoLayerError
        missing -= found
        name = user.outputs[0]
        passed.append(name)
    y = activate(t, t.makers[name], x, "gelu")
    t.values.update(dict.fromkeys(passed, y))
    return y  # what is between has no value of its own, and no other user


def _gelu_factors(t: Translator, user: Node, name: str, source: str) -> set[str]:
    """Return by which of the factors x and one half this multiplies."""
    if is_number(t.other_constant(user, name), 0.5):
        return {"half"}
    (other,) = [each for each in user.inputs if each != name] or [""]
    if other == source:
        return {"x"}
    maker = t.makers.get(other)
    halved = maker is not None and maker.kind == "Mul" and source in maker.inputs
    return {"x", "half"} if halved and is_number(t.other_constant(maker, source), 0.5) else set()


def is_number(value: Constant | None, wanted: float) -> bool:
    """Say whether a constant is one number, this one."""
    return (
        value is not None and value.size == 1 and math.isclose(value.item(), wanted, rel_tol=1e-4)
    )


def prelu(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A learned slope below 0, for all, for each channel or for each unit."""
    x = t.settle(arguments[0])
    slope = laid_out(x, weights_of(arguments, 1))
    if len(x.shape) == 3 and slope.shape[:2] != (1, 1):
        raise NoLayerError("a slope for each place")
    sizes = (*slope.shape[:-1], x.shape[-1])
    config = {"shared_axes": [1, 2] if len(x.shape) == 3 else None}
    return t.pointwise(node, "PReLU", config, x, [np.broadcast_to(slope, sizes)])


def softmax(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Along one axis."""
    x = t.settle(arguments[0])
    new = t.model.opset >= 13
    axis = int(node.attributes.get("axis", -1 if new else 1)) % (len(x.logical) + 1)
    function = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.kind]
    if axis < 1 or (len(x.shape) > 1 and (not new or function != "softmax")):
        raise NoLayerError(f"along axis {axis}")
    if len(x.shape) == 1:
        return activate(t, node, x, function)
    return t.pointwise(node, "Softmax", {"axis": x.order[axis - 1] + 1}, x)


def clip(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """Cut at one or two constants."""
    ends: list[float | None] = []
    for i, key in enumerate(("min", "max"), start=1):
        value = node.attributes.get(key, arguments[i] if len(arguments) > i else None)
        if isinstance(value, Flow):
            raise NoLayerError("at what depends on the image")
        number = None if value is None else float(np.asarray(value).item())
        ends.append(None if number is None or abs(number) > 1e38 else number)
    return cut(t, node, arguments[0], *ends)


def cut(t: Translator, node: Node, x: Flow, low: float | None, high: float | None) -> Flow:
    """Add layers that cut at two numbers; None = not at that end."""
    if low is None and high is None:
        return x
    if low is None:
        flipped = t.pointwise(node, "Rescaling", {"scale": -1.0, "offset": high}, x)
        flipped = activate(t, node, flipped, "relu")
        return t.pointwise(node, "Rescaling", {"scale": -1.0, "offset": high}, flipped)
    if (low, high) == (-1.0, 1.0):
        return activate(t, node, x, "hard_tanh")
    if low:
        x = t.pointwise(node, "Rescaling", {"scale": 1.0, "offset": -low}, x)
    y = t.pointwise(node, "ReLU", {"max_value": None if high is None else high - low}, x)
    if low:
        y = t.pointwise(node, "Rescaling", {"scale": 1.0, "offset": low}, y)
    if low >= 0:
        t.nonnegative.add(y.layer)
    return y


SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(ACTIVATIONS, activation),
    "LeakyRelu": with_slope("LeakyReLU", "negative_slope", 0.01),
    "Elu": with_slope("ELU", "alpha", 1.0),
    "ThresholdedRelu": with_slope("ThresholdedReLU", "theta", 1.0),
    "Selu": with_usual("selu", **SELU),
    "Celu": with_usual("celu", alpha=1.0),
    "HardSigmoid": hard_sigmoid,
    "Gelu": gelu,
    "Erf": erf,
    "PRelu": prelu,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Clip": clip,
}
