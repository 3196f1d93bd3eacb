"""Weights alone, and what says which layers they belong to: DAVE-2, or a Keras model.json."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import h5py

from carla_saliency.errors import BadInputError
from carla_saliency.network import dave2, keras_weights
from carla_saliency.network.keras_config import Listed, listing
from carla_saliency.network.keras_kinds import weight_counts
from carla_saliency.network.keras_weights import NewWeights, OldWeights, Reader, Weights
from carla_saliency.network.legacy import Origin, normalised

logger = logging.getLogger(__name__)

Config = dict[str, Any]

DAVE2_IMAGE = (66, 200)
DAVE2_FLAT = 1152  # values behind the last convolution: 1 x 18 x 64
MAX_JSON_BYTES = 2**23


def parsed_json(data: bytes, what: str) -> Config:
    """Return a JSON object.

    Args:
        data: Its text.
        what: It is, for the message.

    Raises:
        BadInputError: If it is none, or far larger than any model's.
    """
    if len(data) > MAX_JSON_BYTES:
        raise BadInputError(
            f"{what} must be under {MAX_JSON_BYTES >> 20} MiB, received {len(data)} bytes: this is "
            "not a steering network"
        )
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadInputError(f"{what} is not a JSON object: save the model again in Keras")
    return value


def is_model(config: Config) -> bool:
    """Say whether a JSON object is a model of Keras."""
    return "class_name" in config and "config" in config


def read_architecture(path: Path) -> tuple[Config, Origin]:
    """Return the model in a Keras model.json, and who wrote it.

    Raises:
        BadInputError: If it can't be read, or is something else.
    """
    try:
        with path.open("rb") as file:
            config = parsed_json(file.read(MAX_JSON_BYTES + 1), f"--arch {path}")
    except OSError as error:
        raise BadInputError(
            f"--arch {path}: expected dave2 or a Keras model.json, received a file that can't be "
            f"read: {error.strerror}"
        ) from None
    if not is_model(config):
        raise BadInputError(
            f"--arch {path} is JSON but not a Keras model: expected what model.to_json() writes"
        )
    origin = Origin(str(config.get("keras_version") or ""), str(config.get("backend") or ""))
    return config, origin


def weights_for(config: Config, origin: Origin, file: h5py.File) -> Weights:
    """Return the weights in a file without a model, as those of a model's layers.

    By name where all names agree; else in order, if there are as many layers with weights. Nothing
    is left out silently.

    Raises:
        BadInputError: If they don't fit.
    """
    listed, reader = listing(config), Reader(file)
    groups = keras_weights.groups_with_weights(file)
    if not groups:
        return NewWeights(file, listed, reader)
    names = {layer.name for layer in listed}
    if names.issuperset(groups):
        return OldWeights(file, listed, reader)
    weighted = [layer.name for layer in listed if _has_weights(layer, origin)]
    if len(weighted) != len(groups):
        raise BadInputError(
            f"expected weights of {len(weighted)} layers for this architecture, received those of "
            f"{len(groups)}: they belong to another one"
        )
    return OldWeights(file, listed, reader, dict(zip(weighted, groups, strict=True)))


def _has_weights(layer: Listed, origin: Origin) -> bool:
    if layer.inside:
        return any(_has_weights(one, origin) for one in layer.inside)
    if layer.kind in ("InputLayer", "Lambda"):
        return False
    return weight_counts(*normalised(layer.name, layer.kind, layer.config, origin)) != (0, 0)


# ------------------------------------------------------------------ DAVE-2


def dave2_for(file: h5py.File) -> tuple[Config, Weights]:
    """Return the DAVE-2 whose weights these are: this project's, or the published one.

    Weights don't say which activation they were trained with: the published one is given ELU.

    Raises:
        BadInputError: If they are of neither.
    """
    stored = keras_weights.stored_in_order(file, Reader(file))
    shapes = [tuple(array.shape for array in weights) for _, weights in stored]
    channels = next((shape[0][2] for shape in shapes if shape and len(shape[0]) == 4), 3)
    for published in (False, True):
        config, expected = dave2_model(published, channels)
        if sorted(shapes) == sorted(expected):
            if published:
                logger.warning(
                    "weights don't say which activation they were trained with: ELU is assumed; "
                    "if that is wrong, pass the model's JSON with --arch FILE.json"
                )
            return config, weights_for(config, Origin("3"), file)
    raise BadInputError(
        "expected the weights of DAVE-2 (convolutions 24, 36, 48, 64, 64 and Dense 100, 50, 10, 1 "
        f"from {DAVE2_IMAGE[0]}x{DAVE2_IMAGE[1]}), received shapes {str(shapes)[:120]}: pass the "
        "model's JSON with --arch FILE.json"
    )


def dave2_model(published: bool, channels: int = 3) -> tuple[Config, list[tuple[Any, ...]]]:
    """Return DAVE-2 as Keras's configuration, and the shapes of its weights, layer by layer.

    Args:
        published: As in the paper; else as `dave2.build` makes it.
        channels: Of the image.
    """
    layers: list[Config] = []
    shapes: list[tuple[Any, ...]] = []

    def add(kind: str, name: str, *weights: tuple[int, ...], **config: Any) -> None:
        layers.append({"class_name": kind, "config": {"name": name, **config}})
        if weights:
            shapes.append(weights)

    add("InputLayer", "image", batch_shape=[None, *DAVE2_IMAGE, channels])
    own = "linear" if not published else "elu"
    if not published:
        add("LayerNormalization", "standardise", axis=[1, 2, 3], center=False, scale=False)
    for number, (filters, size, stride) in enumerate(dave2.CONVOLUTIONS, start=1):
        weights = [(size, size, channels, filters), (filters,)][: 1 + published]
        settings = {"filters": filters, "kernel_size": [size, size], "strides": [stride, stride]}
        settings.update(activation=own, use_bias=published)
        add("Conv2D", f"conv{number}", *weights, **settings)
        if not published:
            add("BatchNormalization", f"norm{number}", *[(filters,)] * 4, axis=-1, epsilon=1e-3)
            add("Activation", f"elu{number}", activation="elu")
        channels = filters
    add("Flatten", "flatten")
    if not published:
        add("Dropout", "dropout", rate=dave2.DROPOUT)
    size = DAVE2_FLAT
    for number, units in enumerate((*dave2.DENSE, 1), start=1):
        is_last = units == 1
        name, activation = ("output", "linear") if is_last else (f"dense{number}", "elu")
        add("Dense", name, (size, units), (units,), units=units, activation=activation)
        size = units
    if not published:
        add("Rescaling", "steering", scale=dave2.OUTPUT_SCALE, offset=0.0)
    return {"class_name": "Sequential", "config": {"name": "dave2", "layers": layers}}, shapes
