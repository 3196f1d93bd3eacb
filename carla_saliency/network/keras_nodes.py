"""Keras's lists of layers, old and new: their names, and which calls feed which."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from carla_saliency.network.keras_kinds import MODELS

ARITHMETIC = frozenset({"Add", "Subtract", "Multiply", "TrueDivide", "Divide"})

LayerConfig = dict[str, Any]
Reference = tuple[str, int, int]  # layer, which call of it, which of its outputs
# What feeds one call and, for an operation, its operands: None in the place of a reference.
Node = tuple[list[Reference], tuple[Any, ...] | None]


def layers_in(model: LayerConfig) -> list[LayerConfig]:
    """Return a model's layers as they are in the file."""
    config = model["config"]
    layers = config if isinstance(config, list) else config["layers"]
    if not isinstance(layers, list):
        raise TypeError("a model's layers are not a list")
    return layers


def name_of(layer: LayerConfig) -> str:
    """Return a layer's name, which old files have in its settings only."""
    config = layer["config"]
    name = config.get("name") if isinstance(config, dict) else None
    name = name or layer.get("name")
    if not isinstance(name, str):
        raise TypeError(f"a layer of kind {layer['class_name']} has no name")
    return name


def model_in(layer: LayerConfig) -> LayerConfig | None:
    """Return the model that a layer is, or that it applies to each frame."""
    if layer["class_name"] == "TimeDistributed":
        layer = layer["config"]["layer"]
    config = layer["config"]
    has_layers = isinstance(config, list) or "layers" in config
    return layer if layer["class_name"] in MODELS and has_layers else None


def is_sequential(model: LayerConfig) -> bool:
    """Say whether each layer is fed by the one before it."""
    return bool(model["class_name"] == "Sequential")


def is_operation(layer: LayerConfig) -> bool:
    """Say whether it is a function such as keras.ops.add, which is listed like a layer."""
    module, kind = str(layer.get("module") or ""), layer["class_name"]
    if "ops" in module.split(".") or kind in ("TFOpLambda", "TensorFlowOpLayer"):
        return True
    # In HDF5, Keras 3 leaves the module out: a layer takes a list, an operation two arguments.
    nodes = layer.get("inbound_nodes") or [None]
    is_new = kind in ARITHMETIC and isinstance(nodes[0], dict)
    return is_new and len(nodes[0].get("args", [])) == 2


def nodes_of(
    layers: dict[str, LayerConfig], outputs: list[Reference]
) -> dict[tuple[str, int], Node]:
    """Return what feeds each call of each layer."""
    listed = {
        name: [_node(node, layer) for node in layer.get("inbound_nodes") or []]
        for name, layer in layers.items()
    }
    highest: dict[str, int] = {}
    used = [references for nodes in listed.values() for references, _ in nodes]
    for name, node, _ in itertools.chain(outputs, *used):
        highest[name] = max(highest.get(name, 0), node)
    found: dict[tuple[str, int], Node] = {}
    for name, nodes in listed.items():
        # Before Keras 3, a model inside a model counts its own making as call 0.
        is_late = model_in(layers[name]) is not None and highest.get(name, 0) >= len(nodes) > 0
        found.update({(name, place + is_late): node for place, node in enumerate(nodes)})
    return found


def ends(value: Any) -> list[Reference]:
    """Return the references of `["name", 0, 0]`, `[["name", 0, 0], ...]` or a dict of them."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return [_reference(value)]
    return [_reference(end) for end in (value.values() if isinstance(value, dict) else value)]


def _reference(value: Any) -> Reference:
    name, node, index = value[:3]
    if not isinstance(name, str) or not isinstance(node, int) or not isinstance(index, int):
        raise TypeError(f"{str(value)[:40]} does not name a layer")
    if node < 0 or index < 0:
        raise ValueError(f"{str(value)[:40]} does not name a layer")
    return name, node, index


def _node(node: Any, layer: LayerConfig) -> Node:
    """Return the references of one call and, for an operation, its operands."""
    if isinstance(node, dict):  # Keras 3
        values = [*node.get("args", []), *(node.get("kwargs") or {}).values()]
    else:
        values = []
        # tf.keras leaves the outer list out where there is one input
        for entry in [node] if node and isinstance(node[0], str) else node:
            values.append(_OldTensor(entry[:3]) if entry[0] != "_CONSTANT_VALUE" else entry[2])
            if layer["class_name"] == "TFOpLambda" and len(entry) > 3:
                values.extend(_old_operand(v) for k, v in entry[3].items() if k != "name")
    references = list(_tensors(values))
    if not is_operation(layer):
        return references, None
    return references, tuple(None if list(_tensors(v)) else v for v in values)


class _OldTensor(list[Any]):
    """The name, call and output of a tensor, as older files have them."""


def _old_operand(value: Any) -> Any:
    is_tensor = isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str)
    return _OldTensor(value[:3]) if is_tensor else value


def _tensors(value: Any) -> Iterator[Reference]:
    if isinstance(value, _OldTensor):
        yield _reference(value)
    elif isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield _reference(value["config"]["keras_history"])
        else:
            for inner in value.values():
                yield from _tensors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _tensors(inner)
