"""Models that were built for (channels, rows, columns), as layers for (rows, columns, channels).

Each such layer is put between two Permute layers; those of neighbours cancel, and layers that act
on each value alone let them pass. What is left is mostly one Permute before a Flatten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from carla_saliency.network.keras_kinds import MERGES
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput

Dims = tuple[int, ...]  # of a Permute, counted from 1

FIRST = "channels_first"
ELEMENTWISE = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "Identity",
        "LeakyReLU",
        "ReLU",
        "ThresholdedReLU",
    }
)
WITH_AXIS = frozenset({"BatchNormalization", "Concatenate", "Normalization"})
TO_VECTOR = ("Flatten", "Global")


def data_format(layer: Layer) -> str | None:
    """Return the layout that a layer was built for; None where it doesn't care."""
    inner = layer.config.get("layer") if layer.kind == "TimeDistributed" else None
    found = (inner["config"] if inner else layer.config).get("data_format")
    return found if isinstance(found, str) else None


def is_channels_first(layers: Iterable[Layer], image: str) -> bool:
    """Say whether a model's own image is (channels, rows, columns).

    Args:
        layers: In an order of computation.
        image: Name of the input.
    """
    alike = {image}
    for layer in layers:
        if alike.isdisjoint(layer.inputs):
            continue
        found = data_format(layer)
        if found is not None:
            return found == FIRST
        if layer.kind not in ("Permute", "Reshape", "Dense"):
            alike.add(layer.name)
    return False


def turned(graph: LayerGraph) -> LayerGraph:
    """Return the model with all layers in Keras's usual layout, and the image too.

    Args:
        graph: As the file has it; some layers may have the setting `data_format`.
    """
    if all(data_format(layer) != FIRST for layer in graph.layers):
        return graph
    image, *others = graph.inputs
    ranks = {entry.name: len(entry.shape) for entry in graph.inputs}
    layers: list[Layer] = []
    renamed: dict[str, str] = {}
    first = is_channels_first(graph.layers, image.name)
    if first:
        *frames, channels, rows, columns = image.shape
        image = ModelInput(image.name, (*frames, rows, columns, channels))
        start = Layer("Permute", f"{image.name}/turned", {"dims": list(_back(len(image.shape)))})
        layers.append(replace(start, inputs=(image.name,)))
        renamed[image.name] = start.name
        ranks[start.name] = len(image.shape)
    for layer in graph.layers:
        layer = replace(layer, inputs=tuple(renamed.get(name, name) for name in layer.inputs))
        added = _around(layer, ranks) if data_format(layer) == FIRST else [layer]
        for one in added:
            ranks[one.name] = _rank(one, ranks)
        renamed[layer.name] = added[-1].name
        layers += added
    outputs = tuple(renamed[name] for name in graph.outputs)
    joined, outputs = _simplified(layers, outputs)
    return replace(
        graph, inputs=(image, *others), layers=joined, outputs=outputs, channels_first=first
    )


def _rank(layer: Layer, ranks: dict[str, int]) -> int:
    """Return the number of a layer's output sizes, without the batch."""
    if layer.kind.startswith(TO_VECTOR) and not layer.config.get("keepdims"):
        return 1
    if layer.kind == "Reshape":
        return len(layer.config.get("target_shape") or (0,))
    if layer.kind in ("LSTM", "GRU", "SimpleRNN"):
        return 2 if layer.config.get("return_sequences") else 1
    if layer.kind == "ConvLSTM2D":
        return 4 if layer.config.get("return_sequences") else 3
    return ranks[layer.inputs[0]]


def _forth(rank: int) -> Dims:
    """From channels first to channels last; frames, if any, stay in front."""
    return (1, 3, 4, 2) if rank == 4 else (*range(2, rank + 1), 1)


def _back(rank: int) -> Dims:
    return (1, 4, 2, 3) if rank == 4 else (rank, *range(1, rank))


def _volume(kind: str, rank: int, forth: bool) -> Dims:
    if kind.endswith("3D") and rank == 4:  # its first size is depth, not frames
        return (2, 3, 4, 1) if forth else (4, 1, 2, 3)
    return _forth(rank) if forth else _back(rank)


def _around(layer: Layer, ranks: dict[str, int]) -> list[Layer]:
    """Return the layer in the usual layout, between two Permutes."""
    rank = ranks[layer.inputs[0]]
    usual = replace(layer, config=_usual(layer))
    if rank == 1:
        return [usual]
    before = Layer("Permute", f"{layer.name}/in", {"dims": list(_volume(layer.kind, rank, True))})
    before = replace(before, inputs=layer.inputs)
    usual = replace(usual, inputs=(before.name,))
    rank = _rank(usual, {before.name: rank})
    if rank == 1:
        return [before, usual]
    after = Layer("Permute", f"{layer.name}/out", {"dims": list(_volume(layer.kind, rank, False))})
    return [before, usual, replace(after, inputs=(usual.name,))]


def _usual(layer: Layer) -> dict[str, Any]:
    config = dict(layer.config)
    if layer.kind == "TimeDistributed":
        inner = config["layer"]
        inside = {**inner["config"], "data_format": "channels_last"}
        return {**config, "layer": {**inner, "config": inside}}
    return {**config, "data_format": "channels_last"}


# ------------------------------------------------------------------ fewer Permutes


def _simplified(
    layers: list[Layer], outputs: tuple[str, ...]
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Move Permutes behind what lets them pass, drop pairs that cancel; return new outputs too."""
    found: dict[str, Layer] = {}
    now: dict[str, str] = {}  # a layer that was moved or dropped -> what has its value
    for layer in layers:
        layer = replace(layer, inputs=tuple(now.get(name, name) for name in layer.inputs))
        sources = [found.get(name) for name in layer.inputs]
        permutes = [s for s in sources if s is not None and s.kind == "Permute"]
        dims = tuple(permutes[0].config["dims"]) if permutes else ()
        if layer.kind == "Permute" and permutes:
            if all(dims[d - 1] == place for place, d in enumerate(layer.config["dims"], start=1)):
                now[layer.name] = permutes[0].inputs[0]
                continue
        elif permutes and len(permutes) == len(sources) and _are_alike(permutes):
            moved = _moved(layer, dims)
            if moved is not None:
                layer = replace(moved, inputs=tuple(p.inputs[0] for p in permutes))
                behind = Layer("Permute", f"{layer.name}/out", {"dims": list(dims)})
                found[behind.name] = replace(behind, inputs=(layer.name,))
                now[layer.name] = behind.name
        found[layer.name] = layer
    outputs = tuple(now.get(name, name) for name in outputs)
    return _used(found, outputs), outputs


def _are_alike(permutes: list[Layer]) -> bool:
    return all(layer.config["dims"] == permutes[0].config["dims"] for layer in permutes)


def _moved(layer: Layer, dims: Dims) -> Layer | None:
    """Return what does the same before a Permute as the layer does behind it; None if nothing."""
    kind, config = layer.kind, layer.config
    if kind in ELEMENTWISE or kind in MERGES - WITH_AXIS - {"Dot"}:
        return layer
    if kind == "Activation" and config.get("activation") not in ("softmax", "log_softmax"):
        return layer
    if kind == "Rescaling":
        per_channel = any(isinstance(config.get(key), list) for key in ("scale", "offset"))
        return None if per_channel else layer
    if kind == "PReLU" and layer.weights:
        slopes = np.transpose(layer.weights[0], np.argsort(dims))
        shared = [dims[axis - 1] for axis in config.get("shared_axes") or ()]
        return replace(layer, config={**config, "shared_axes": shared}, weights=(slopes,))
    if kind in WITH_AXIS:
        axis = config.get("axis", -1)
        axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if isinstance(axis, int) and axis % (len(dims) + 1):
            place = dims[axis % (len(dims) + 1) - 1]
            place = -1 if place == len(dims) else place
            return replace(layer, config={**config, "axis": place})
    return None


def _used(found: dict[str, Layer], outputs: tuple[str, ...]) -> tuple[Layer, ...]:
    """Return the layers that lead to the outputs, in an order of computation."""
    wanted, used, waiting = set(), [], list(reversed(outputs))
    while waiting:
        name = waiting[-1]
        missing = [n for n in found[name].inputs if n in found and n not in wanted]
        if missing and name not in wanted:
            waiting += missing[::-1]
            continue
        waiting.pop()
        if name not in wanted:
            wanted.add(name)
            used.append(found[name])
    return tuple(used)
