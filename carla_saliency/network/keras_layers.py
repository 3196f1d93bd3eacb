"""Keras's own layers, from the settings and weights of a model file.

Only layers that are known to need no other code are made, by calling their classes with settings
that are plain values. What a file says is never deserialised by Keras, so no code in it can run.
TensorFlow is imported when the first one is made, not before.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.network.keras_kinds import (
    ACTIVATION_LAYERS,
    ACTIVATIONS,
    KERAS_KINDS,
    RECURRENT,
)
from carla_saliency.network.layers import Layer
from carla_saliency.network.tensorflow_functions import hard_sigmoid_keras2, thresholded_relu

# Masks travel beside the values, and would be lost where an activation is a step of its own.
# Versions of Keras differ in whether RandomCrop crops outside training.
KNOWN = KERAS_KINDS - {"Masking", "RandomCrop"}
MEMORIES = RECURRENT | {"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
# What acts in training only, and what is given apart.
UNUSED = frozenset(
    {"self", "name", "seed", "dtype", "dropout", "recurrent_dropout", "layer", "backward_layer"}
)
UNUSED_ENDS = ("_initializer", "_regularizer", "_constraint")


@cache
def tensorflow() -> Any:
    """Import TensorFlow without its messages, for one thread of the processor.

    Raises:
        BadInputError: If Keras was told to run on something else.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own, on import
        import keras
        import tensorflow as tf
    if keras.backend.backend() != "tensorflow":
        raise BadInputError(
            "Keras must run on TensorFlow for this network, received the backend "
            f"{keras.backend.backend()!r}: unset KERAS_BACKEND"
        )
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # it is at work in this process already
        pass
    return tf


def activation_function(layer: Layer, key: str) -> Callable[[Any], Any] | None:
    """Return what a layer's setting names: a function of Keras, or a layer that is an activation.

    Args:
        layer: That has the setting, or not.
        key: "activation" or "recurrent_activation".

    Returns:
        None if it is linear.

    Raises:
        BadInputError: If it is something else.
    """
    import keras

    setting = layer.config.get(key) or "linear"
    if isinstance(setting, dict):
        kind, inner = setting.get("class_name"), setting.get("config")
        if kind in ACTIVATION_LAYERS - {"PReLU"} and isinstance(inner, dict):
            within = Layer(kind, layer.name, inner)
            if kind == "ThresholdedReLU":  # Keras 3 has it no more
                return partial(thresholded_relu, within)
            return keras_layer(within)  # type: ignore[no-any-return]
        setting = inner if kind == "function" else kind
    if setting == "linear":
        return None
    if setting == "hard_sigmoid_keras2":
        return hard_sigmoid_keras2
    function = getattr(keras.activations, setting, None) if setting in ACTIVATIONS else None
    if function is None:
        raise layer.refuse(f"an {key} of Keras", setting)
    return function  # type: ignore[no-any-return]


def inner_layer(layer: Layer, key: str = "layer") -> Layer:
    """Return the layer inside another one's settings, with that one's name and weights.

    Args:
        layer: TimeDistributed or Bidirectional.
        key: Of the setting.
    """
    inner = layer.config[key]
    return Layer(inner["class_name"], layer.name, inner["config"], layer.weights)


def keras_layer(layer: Layer) -> Any:
    """Make a Keras layer, without weights yet.

    An activation in its settings is left out, but that of a memory is part of it.

    Args:
        layer: Of the file.

    Raises:
        BadInputError: If its kind is unknown or needs code, or a setting can't be honoured.
        TypeError, ValueError: If a setting is malformed.
    """
    import keras

    if layer.kind not in KNOWN:
        raise BadInputError(
            f"layer {layer.name}: expected a layer of Keras that is known here and needs no other "
            f"code, received {layer.kind[:60]}: build the model without it and save it again"
        )
    if layer.config.get("stateful"):
        raise layer.refuse("stateful false (frames given together, not one by one)", True)
    found = getattr(keras.layers, layer.kind, None)
    if not inspect.isclass(found) or not found.__module__.startswith("keras."):
        raise layer.refuse(f"a layer that Keras {keras.__version__} has", layer.kind)
    empty = _initializer(sum(weight.size for weight in layer.weights), layer)
    # Bidirectional makes its layers anew from their settings, by these names
    names = {"Empty": type(empty), "hard_sigmoid_keras2": hard_sigmoid_keras2}
    with keras.saving.custom_object_scope(names):
        return found(**_settings(layer, inspect.signature(found.__init__).parameters, empty))


def _settings(layer: Layer, known: Iterable[str], empty: Any) -> dict[str, Any]:
    """Return what Keras is told; settings that this version doesn't know are left out."""
    import keras

    settings: dict[str, Any] = {"dtype": "float32"}
    for key in known:
        if key.endswith("_initializer"):
            settings[key] = empty
        elif key in ("activation", "recurrent_activation"):
            if layer.kind in MEMORIES and key in layer.config:
                settings[key] = activation_function(layer, key) or keras.activations.linear
        elif key in layer.config and key not in UNUSED and not key.endswith(UNUSED_ENDS):
            settings[key] = _plain(layer, key, layer.config[key])
    for key in ("layer", "backward_layer"):
        if layer.kind == "Bidirectional" and layer.config.get(key) is not None:
            settings[key] = keras_layer(inner_layer(layer, key))
    return settings


def _initializer(most: int, layer: Layer) -> Any:
    """Return what fills new weights with 0, but never more of them than the file has."""
    import keras

    class Empty(keras.initializers.Initializer):  # type: ignore[misc]
        def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> Any:
            if math.prod(shape) > most:
                raise layer.refuse(f"at least {math.prod(shape)} numbers as weights", most)
            return keras.ops.zeros(shape, dtype)

        def get_config(self) -> dict[str, Any]:
            return {}

    return Empty()


def _plain(layer: Layer, key: str, value: Any) -> Any:
    """Return a setting if it is made of numbers, texts and lists."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        value = tuple(value["items"])
    if isinstance(value, list | tuple):
        return type(value)(_plain(layer, key, each) for each in value)
    if isinstance(value, bool | int | float | str | None):
        return value
    raise layer.refuse(f"{key} as a plain value", value)


def set_weights(layer: Layer, own: Any) -> None:
    """Give a layer's weights to the Keras layer that was made of it.

    Args:
        layer: Of the file.
        own: Keras's, built; None if it has no weights.

    Raises:
        BadInputError: If their number or shapes are not what the settings say.
    """
    given = layer.weights
    expected = [tuple(weight.shape) for weight in own.weights] if own is not None else []
    normalises = hasattr(own, "finalize_state") and expected
    if normalises and len(given) == 2:  # without the number of pictures it was adapted to
        given = (*given, np.zeros((), np.float32))
    if [weight.shape for weight in given] != expected:
        raise layer.refuse(f"weights of shapes {expected}", [weight.shape for weight in given])
    if given:
        own.set_weights(given)
    if normalises:
        own.finalize_state()
