"""What a layer's settings say of its activation, as ONNX nodes; and the rules of the way back.

The functions themselves are in `activation_functions.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from carla_saliency.network.activation_functions import ACTIVATIONS as ACTIVATIONS
from carla_saliency.network.activation_functions import Emitted, elu, leaky_relu, relu, softmax
from carla_saliency.network.layers import Layer, NotInGraphError
from carla_saliency.network.onnx_builder import (
    Backward,
    GraphBuilder,
    Value,
    flowing_axis,
    flowing_constant,
)


def by_rule(b: GraphBuilder, x: str, emitted: Emitted) -> Emitted:
    """Replace an activation's way back if the builder's rule asks for it.

    Args:
        b: Its `rule` at this moment counts.
        x: The activation's input.
        emitted: The activation, with its true way back.

    Returns:
        The same output. The rule "relu" lets the gradient through where it is positive (Zeiler and
        Fergus 2014); "guided" where the activation's input is positive too (Springenberg et al.
        2015).
    """
    y, _ = emitted
    if b.rule == "true":
        return emitted
    if b.rule == "relu":
        return y, lambda g: b.op("Relu", g)
    return y, lambda g: b.op("Mul", b.op("Relu", g), b.mask(x))


def number(layer: Layer, key: str, default: float, least: float = -math.inf) -> float:
    """Return a setting that must be a finite number.

    Args:
        layer: That has it.
        key: Of the setting.
        default: Where the file does not say, or says null.
        least: What it must not be below.

    Raises:
        BadInputError: If it is something else.
    """
    value = layer.config.get(key)
    value = default if value is None else value
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value < least
    ):
        bound = "" if least == -math.inf else f" of at least {least:g}"
        raise layer.refuse(f"{key} as a finite number{bound}", value)
    return float(value)


def relu_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """The ReLU layer, which has settings that the activation lacks."""
    top = None if layer.config.get("max_value") is None else number(layer, "max_value", 0.0, 0.0)
    slope, threshold = (number(layer, key, 0.0, 0.0) for key in ("negative_slope", "threshold"))
    return relu(b, x.name, top, slope, threshold)


def thresholded_relu_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """The ThresholdedReLU layer of Keras 1 and 2: x above theta, else 0."""
    return relu(b, x.name, threshold=number(layer, "theta", 1.0, 0.0))


def leaky_relu_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """The LeakyReLU layer; its slope was called alpha before Keras 3, and its default is 0.3."""
    key = "negative_slope" if "negative_slope" in layer.config else "alpha"
    return leaky_relu(b, x.name, number(layer, key, 0.3))


def elu_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """The ELU layer."""
    return elu(b, x.name, number(layer, "alpha", 1.0))


def prelu_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """X above 0, a learned slope times x below."""
    shared = {axis % (len(x.shape) + 1) for axis in layer.config.get("shared_axes") or ()}
    shape = tuple(1 if axis in shared else size for axis, size in enumerate(x.shape, start=1))
    slope = b.constant(flowing_constant(layer.weight(0, shape)))
    below = b.op("Mul", b.op("Min", x.name, b.constant(0.0)), slope)
    rest = b.constant(1 - flowing_constant(layer.weight(0, shape)))

    def backward(g: str) -> str:
        return b.op("Mul", g, b.op("Add", b.op("Mul", b.mask(x.name), rest), slope))

    return b.op("Add", b.op("Relu", x.name), below), backward


def softmax_layer(layer: Layer, b: GraphBuilder, x: Value) -> Emitted:
    """The Softmax layer, along any one axis."""
    axis = layer.config.get("axis", -1)
    if isinstance(axis, list | tuple) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, int):
        raise layer.not_in_graph("one axis", axis)
    return softmax(b, x.name, flowing_axis(axis, x.shape))


# Layers that are nothing but an activation with settings. Files also have them inside other layers.
ACTIVATION_LAYERS: dict[str, Callable[[Layer, GraphBuilder, Value], Emitted]] = {
    "ReLU": relu_layer,
    "ThresholdedReLU": thresholded_relu_layer,
    "LeakyReLU": leaky_relu_layer,
    "ELU": elu_layer,
    "PReLU": prelu_layer,
    "Softmax": softmax_layer,
}


def activation_name(layer: Layer) -> str:
    """Return what the layer's `activation` setting names: a function, or a kind of layer.

    Returns:
        For example "relu" or "LeakyReLU"; "linear" where there is none; a text that is no name if
        the setting is not understood.
    """
    setting = layer.config.get("activation") or "linear"
    if isinstance(setting, dict):
        kind, inner = setting.get("class_name"), setting.get("config")
        setting = inner if kind == "function" else kind
    return setting if isinstance(setting, str) else repr(setting)


def fused_activation(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Emit what a layer's own `activation` setting says.

    Raises:
        BadInputError: If it is none of those known here.
    """
    name, setting = activation_name(layer), layer.config.get("activation")
    if name == "linear":
        return x, lambda g: g
    inner = setting.get("config") if isinstance(setting, dict) else None
    if name in ACTIVATION_LAYERS and name != "PReLU" and isinstance(inner, dict):
        emitted = ACTIVATION_LAYERS[name](Layer(name, layer.name, inner), b, x)
    elif name in ACTIVATIONS:
        emitted = ACTIVATIONS[name](b, x.name)
    else:
        raise NotInGraphError(
            f"layer {layer.name} ({layer.kind}): activation {name!r} is not known here; "
            f"known are {', '.join(sorted(ACTIVATIONS))}"
        )
    y, backward = by_rule(b, x.name, emitted)
    return Value(y, x.shape), backward


def activation(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """An activation as a layer."""
    if layer.kind not in ACTIVATION_LAYERS:
        return fused_activation(layer, b, x)
    y, backward = by_rule(b, x.name, ACTIVATION_LAYERS[layer.kind](layer, b, x))
    return Value(y, x.shape), backward


def is_linear(layer: Layer) -> bool:
    """Say whether the layer has no activation of its own; a layer that is one says so too."""
    return activation_name(layer) == "linear"


def activates(layer: Layer) -> bool:
    """Say whether the layer is an activation, or has one of its own that is not linear."""
    return layer.kind in ACTIVATION_LAYERS or not is_linear(layer)


def without_activation(layer: Layer) -> Layer:
    """Return the layer with its activation replaced by linear, under the same name.

    Args:
        layer: One that `activates`; if it is nothing but an activation, it becomes the kind
            "Activation" that does nothing.
    """
    if layer.kind in ACTIVATION_LAYERS:
        return Layer("Activation", layer.name, {"activation": "linear"}, (), layer.inputs)
    config: dict[str, Any] = {**layer.config, "activation": "linear"}
    return replace(layer, config=config)
