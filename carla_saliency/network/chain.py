"""Keras's model configurations, old and new, to the layers in their order of computation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carla_saliency.errors import BadInputError

LayerConfig = dict[str, Any]


def chain_of(
    path: Path, config: dict[str, Any]
) -> tuple[list[LayerConfig], list[LayerConfig], str]:
    """Return all layers as listed, those on the way from input to output, and the model's name.

    Args:
        path: For messages.
        config: Of the model: `class_name` and `config`. The latter is a list up to Keras 2.1.

    Raises:
        BadInputError: If it is no Sequential or Functional model, or not one chain.
        KeyError, TypeError, ValueError, IndexError, AttributeError: If it is malformed.
    """
    kind, inner = config.get("class_name"), config.get("config")
    if kind not in ("Sequential", "Functional", "Model"):
        raise BadInputError(
            f"{path}: expected a Sequential or Functional model, received {kind!r}: a model of a "
            "class of your own can't be read without its code"
        )
    if isinstance(inner, list):
        return inner, _named(inner), "sequential"
    if not isinstance(inner, dict):
        raise TypeError("the configuration has no layers")
    layers = list(inner["layers"])
    if kind == "Sequential":
        return layers, _named(layers), str(inner.get("name", "sequential"))
    return layers, _functional_chain(path, inner, layers), str(inner.get("name", "model"))


def _named(layers: list[LayerConfig]) -> list[LayerConfig]:
    for layer in layers:
        if not isinstance(layer["config"], dict) or not isinstance(layer["class_name"], str):
            raise TypeError("a layer has no settings")
    return list(layers)


def _functional_chain(
    path: Path, inner: dict[str, Any], layers: list[LayerConfig]
) -> list[LayerConfig]:
    by_name = {layer["config"]["name"]: layer for layer in _named(layers)}
    ends = {key: _ends(inner[key]) for key in ("input_layers", "output_layers")}
    for what, names in ends.items():
        if len(names) != 1:
            raise BadInputError(
                f"{path}: expected a model with one image in and the steering out, received "
                f"{len(names)} {what.replace('_layers', 's')}: {', '.join(names)}"
            )
    chain = [by_name[ends["output_layers"][0]]]
    while chain[-1]["class_name"] != "InputLayer":
        layer = chain[-1]
        sources = list(_sources(layer.get("inbound_nodes", [])))
        if len(sources) != 1 or len(chain) > len(layers):
            raise BadInputError(
                f"{path}: expected one chain of layers, but {layer['config']['name']} "
                f"({layer['class_name']}) is joined to {len(sources)} others"
            )
        chain.append(by_name[sources[0]])
    return chain[::-1]


def _ends(value: Any) -> list[str]:
    """Return the layers of `["name", 0, 0]` or `[["name", 0, 0], ...]`."""
    if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return [value[0]]
    return [end[0] for end in (value.values() if isinstance(value, dict) else value)]


def _sources(nodes: Any) -> Iterator[str]:
    """Yield the names of the layers that feed one, from Keras 3's nodes or older ones."""
    for node in nodes:
        if isinstance(node, dict):
            yield from _tensors(node.get("args", []))
            yield from _tensors(node.get("kwargs", {}))
        elif node and isinstance(node[0], str):
            yield node[0]  # tf.keras wrote this for a single input at times
        else:
            for entry in node:
                yield entry[0]


def _tensors(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"][0]
        else:
            for inner in value.values():
                yield from _tensors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tensors(inner)


def input_shape_of(path: Path, chain: list[LayerConfig]) -> tuple[int, int, int]:
    """Return rows, columns and channels of the model's image.

    Args:
        path: For messages.
        chain: The layers on the way from input to output; the first knows the shape.

    Raises:
        BadInputError: If the shape is not stated, or not that of one image.
    """
    if not chain:
        raise BadInputError(f"{path}: the model has no layers")
    config = chain[0]["config"]
    shape = config.get("batch_shape") or config.get("batch_input_shape")
    shape = list(shape or chain[0].get("build_config", {}).get("input_shape") or [])
    if len(shape) != 4 or not all(isinstance(size, int) and size > 0 for size in shape[1:]):
        raise BadInputError(
            f"{path}: expected an input of (batch, rows, columns, channels) with fixed sizes, "
            f"received {shape or 'none'}: one image in, no sequence of images"
        )
    return shape[1], shape[2], shape[3]
