"""Activations, forward and backward, as ONNX nodes.

Each takes the builder, the name of its input and its settings, and returns the name of its output
and the way back. Where the derivative follows from the output, the input is not kept. At a kink the
derivative is TensorFlow's: that of the left side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import Backward, GraphBuilder

Emitted = tuple[str, Backward]
Activation = Callable[..., Emitted]


def linear(b: GraphBuilder, x: str) -> Emitted:
    """Nothing at all."""
    return x, lambda g: g


def relu(b: GraphBuilder, x: str, max_value: float | None = None) -> Emitted:
    """max(x, 0), and not above `max_value`."""
    zero = b.constant(0.0)
    if max_value is None:
        y = b.op("Relu", x)
        return y, lambda g: b.op("Where", b.op("Greater", y, zero), g, zero)
    top = b.constant(max_value)
    inside = b.op("And", b.op("Greater", x, zero), b.op("Less", x, top))
    return b.op("Clip", x, zero, top), lambda g: b.op("Where", inside, g, zero)


def leaky_relu(b: GraphBuilder, x: str, slope: float = 0.2) -> Emitted:
    """X above 0, slope x below; 0.2 is what Keras's activation of that name has."""

    def backward(g: str) -> str:
        above = b.op("Greater", x, b.constant(0.0))
        return b.op("Where", above, g, b.op("Mul", g, b.constant(slope)))

    return b.op("LeakyRelu", x, alpha=slope), backward


def elu(b: GraphBuilder, x: str, alpha: float = 1.0) -> Emitted:
    """X above 0, alpha (exp(x) - 1) below."""
    y = b.op("Elu", x, alpha=alpha)

    def backward(g: str) -> str:
        if alpha == 1.0:  # one derivative for both sides: min(y, 0) + 1
            below = b.op("Min", y, b.constant(0.0))
            return b.op("Mul", g, b.op("Add", below, b.constant(1.0)))
        slope = b.op("Add", y, b.constant(alpha))
        above = b.op("Greater", x, b.constant(0.0))
        return b.op("Where", above, g, b.op("Mul", g, slope))

    return y, backward


def selu(b: GraphBuilder, x: str) -> Emitted:
    """The scaled elu of Klambauer et al. 2017."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    y, through_elu = elu(b, x, alpha)
    factor = b.constant(scale)
    return b.op("Mul", y, factor), lambda g: through_elu(b.op("Mul", g, factor))


def tanh(b: GraphBuilder, x: str) -> Emitted:
    """The hyperbolic tangent."""
    y = b.op("Tanh", x)
    return y, lambda g: b.op("Mul", g, b.op("Sub", b.constant(1.0), b.op("Mul", y, y)))


def sigmoid(b: GraphBuilder, x: str) -> Emitted:
    """1 / (1 + exp(-x))."""
    y = b.op("Sigmoid", x)
    return y, lambda g: b.op("Mul", g, b.op("Mul", y, b.op("Sub", b.constant(1.0), y)))


def softplus(b: GraphBuilder, x: str) -> Emitted:
    """log(1 + exp(x))."""
    return b.op("Softplus", x), lambda g: b.op("Mul", g, b.op("Sigmoid", x))


def softsign(b: GraphBuilder, x: str) -> Emitted:
    """X / (1 + |x|); its derivative is (1 - |y|)²."""
    y = b.op("Softsign", x)

    def backward(g: str) -> str:
        rest = b.op("Sub", b.constant(1.0), b.op("Abs", y))
        return b.op("Mul", g, b.op("Mul", rest, rest))

    return y, backward


def silu(b: GraphBuilder, x: str) -> Emitted:
    """X sigmoid(x), also called swish."""
    s = b.op("Sigmoid", x)
    y = b.op("Mul", x, s)

    def backward(g: str) -> str:
        rest = b.op("Mul", y, b.op("Sub", b.constant(1.0), s))
        return b.op("Mul", g, b.op("Add", s, rest))

    return y, backward


def exponential(b: GraphBuilder, x: str) -> Emitted:
    """exp(x)."""
    y = b.op("Exp", x)
    return y, lambda g: b.op("Mul", g, y)


def gelu(b: GraphBuilder, x: str) -> Emitted:
    """X times the normal distribution's cumulative (the exact form, Keras's default)."""
    half, one = b.constant(0.5), b.constant(1.0)
    error = b.op("Erf", b.op("Mul", x, b.constant(math.sqrt(0.5))))
    cumulative = b.op("Mul", half, b.op("Add", one, error))

    def backward(g: str) -> str:
        bell = b.op("Exp", b.op("Mul", b.op("Mul", x, x), b.constant(-0.5)))
        density = b.op("Mul", bell, b.constant(1 / math.sqrt(2 * math.pi)))
        return b.op("Mul", g, b.op("Add", cumulative, b.op("Mul", x, density)))

    return b.op("Mul", x, cumulative), backward


ACTIVATIONS: dict[str, Activation] = {
    "linear": linear,
    "relu": relu,
    "relu6": lambda b, x: relu(b, x, 6.0),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "softsign": softsign,
    "silu": silu,
    "swish": silu,
    "exponential": exponential,
    "gelu": gelu,
}


def number(layer: Layer, value: Any) -> float:
    """Return a setting that must be a finite number.

    Raises:
        BadInputError: If it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise layer.refuse("a finite number", value)
    return float(value)


def relu_layer(layer: Layer, b: GraphBuilder, x: str) -> Emitted:
    """The ReLU layer, which has settings that the activation lacks."""
    config = layer.config
    top, slope = config.get("max_value"), config.get("negative_slope") or 0.0
    if config.get("threshold"):
        raise layer.refuse("threshold 0", config["threshold"])
    if slope and top is not None:
        raise layer.refuse("either negative_slope or max_value", config)
    if slope:
        return leaky_relu(b, x, number(layer, slope))
    return relu(b, x, None if top is None else number(layer, top))


def leaky_relu_layer(layer: Layer, b: GraphBuilder, x: str) -> Emitted:
    """The LeakyReLU layer; its slope was called alpha before Keras 3, and its default is 0.3."""
    slope = layer.config.get("negative_slope", layer.config.get("alpha", 0.3))
    return leaky_relu(b, x, number(layer, slope))


def elu_layer(layer: Layer, b: GraphBuilder, x: str) -> Emitted:
    """The ELU layer."""
    return elu(b, x, number(layer, layer.config.get("alpha", 1.0)))


# Layers that are nothing but an activation with settings. Files also have them inside other layers.
ACTIVATION_LAYERS: dict[str, Callable[[Layer, GraphBuilder, str], Emitted]] = {
    "ReLU": relu_layer,
    "LeakyReLU": leaky_relu_layer,
    "ELU": elu_layer,
}


def fused_activation(layer: Layer, b: GraphBuilder, x: str) -> Emitted:
    """Emit what a layer's own `activation` setting says.

    Raises:
        BadInputError: If it is none of those known here.
    """
    setting = layer.config.get("activation") or "linear"
    if isinstance(setting, dict):
        kind, inner = setting.get("class_name"), setting.get("config")
        if kind in ACTIVATION_LAYERS and isinstance(inner, dict):
            return ACTIVATION_LAYERS[kind](Layer(kind, layer.name, inner), b, x)
        setting = inner if kind == "function" else kind
    if not isinstance(setting, str) or setting not in ACTIVATIONS:
        raise BadInputError(
            f"layer {layer.name} ({layer.kind}): activation {setting!r} is not known here; "
            f"known are {', '.join(sorted(ACTIVATIONS))}"
        )
    return ACTIVATIONS[setting](b, x)


def is_linear(layer: Layer) -> bool:
    """Say whether the layer has no activation of its own."""
    return layer.config.get("activation") in (None, "linear")
