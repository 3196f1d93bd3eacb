"""Models are made simpler before they are written.

What only acts in training is left out, and BatchNormalization is merged into the convolution before
it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.network.activations import activates, is_linear, without_activation
from carla_saliency.network.kinds import (
    VANISHING,
    batch_normalization_constants,
    is_over_channels,
)
from carla_saliency.network.layers import Layer, LayerGraph

# Between the last activation and the steering these change nothing of what the activation does.
PASSING = VANISHING | {"Rescaling", "Flatten", "Reshape", "Permute"}


@contextmanager
def readable(layer: Layer) -> Iterator[None]:
    """Turn what malformed settings raise into one line; a file may hold anything.

    Args:
        layer: Whose settings are being read.

    Raises:
        BadInputError: If that fails.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused when the network is asked
            yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, MemoryError) as e:
        raise BadInputError(
            f"layer {layer.name} ({layer.kind}): its settings or weights can't be read: "
            f"{type(e).__name__} {str(e)[:80]!r}"
        ) from None


def fold(graph: LayerGraph, named: Collection[str] = ()) -> tuple[LayerGraph, dict[str, str]]:
    """Drop what acts in training only, and merge BatchNormalization into the layer before it.

    The merge is exact (both are linear per channel) where that layer has no activation and feeds
    nothing else; it saves two passes over each feature map, forward and backward.

    Args:
        graph: A model.
        named: Layers whose own outputs are asked for, so they may not be merged with a later one.

    Returns:
        The simpler model, and name of a layer that is gone -> the one that gives the same.
    """
    feeds: dict[str, int] = {}
    for name in [source for layer in graph.layers for source in layer.inputs] + list(graph.outputs):
        feeds[name] = feeds.get(name, 0) + 1
    kept: dict[str, Layer] = {}
    stands_for: dict[str, str] = {}
    for layer in graph.layers:
        layer = replace(layer, inputs=tuple(stands_for.get(s, s) for s in layer.inputs))
        if layer.kind in VANISHING:
            (stands_for[layer.name],) = layer.inputs
            feeds[layer.inputs[0]] = feeds.get(layer.inputs[0], 1) - 1 + feeds.get(layer.name, 0)
            continue
        with readable(layer):
            before = kept.get(layer.inputs[0]) if layer.kind == "BatchNormalization" else None
            alone = before and feeds[before.name] == 1 and before.name not in named
            if before and alone and _can_take(before, layer):
                del kept[before.name]
                layer = _merged(before, layer)
        kept[layer.name] = layer
    outputs = tuple(stands_for.get(name, name) for name in graph.outputs)
    return replace(graph, layers=tuple(kept.values()), outputs=outputs), stands_for


def _can_take(layer: Layer, normalization: Layer) -> bool:
    """Say whether the layer can do the BatchNormalization's work too."""
    if layer.kind not in ("Conv2D", "Dense") or not is_linear(layer) or not layer.weights:
        return False
    # a Dense layer may stand on pictures: then only "last" is certain to be the channels
    if layer.kind == "Dense":
        return normalization.config.get("axis", -1) in (-1, [-1])
    return is_over_channels(normalization, rank=4)


def _merged(layer: Layer, normalization: Layer) -> Layer:
    """Return the layer with the scale and the offset of the BatchNormalization behind it."""
    kernel = layer.weights[0].astype(np.float64)
    scale, offset = batch_normalization_constants(normalization, kernel.shape[-1])
    if layer.config.get("use_bias", True):
        offset = offset + layer.weight(1, (kernel.shape[-1],)) * scale
    return Layer(
        layer.kind,
        normalization.name,
        {**layer.config, "use_bias": True},
        ((kernel * scale).astype(np.float32), offset.astype(np.float32)),
        layer.inputs,
    )


def last_activation(graph: LayerGraph) -> str | None:
    """Return the layer with the activation of the output; None if the output is linear.

    Layers that were added to say what the output means, and those that only scale or reshape, are
    no output layers: a tanh before them is the last activation.
    """
    by_name = {layer.name: layer for layer in graph.layers}
    name = graph.outputs[0]
    while name in by_name:
        layer = by_name[name]
        if activates(layer):
            return name
        passing = layer.kind in PASSING or layer.kind == "Activation" or layer.config.get("added")
        if not passing or len(layer.inputs) != 1:
            return None
        (name,) = layer.inputs
    return None


def with_linear_end(graph: LayerGraph) -> LayerGraph:
    """Return the model with its last activation replaced by linear; the same if it has none."""
    last = last_activation(graph)
    layers = tuple(
        without_activation(layer) if layer.name == last else layer for layer in graph.layers
    )
    return replace(graph, layers=layers)
