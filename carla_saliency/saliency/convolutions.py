"""Finding a network's convolutions, and where their activations are."""

from __future__ import annotations

from collections.abc import Sequence

from carla_saliency.core import LayerInfo, Network
from carla_saliency.errors import BadInputError

CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
NORMALISATIONS = ("BatchNormalization", "LayerNormalization", "GroupNormalization")


def with_activation(layers: Sequence[LayerInfo], convolution: LayerInfo) -> LayerInfo:
    """Return the layer that gives a convolution's output after its activation.

    That is itself if it has one of its own, or the activation layer that follows, perhaps behind a
    normalisation; itself too if there is none.
    """
    at = convolution
    while not at.activates:
        followers = [
            info
            for info in layers
            if info.source == at.name
            and info.shape == at.shape
            and info.kind not in CONVOLUTIONS
            and (info.activates or info.kind in NORMALISATIONS)
        ]
        if not followers:
            return convolution
        at = followers[0]
    return at


def default_layer(network: Network) -> str:
    """Return the layer for class activation maps: the deepest that still has a height and a width.

    It is the last convolution with more than one row and column, after its activation: in DAVE-2
    the one before the last, whose map has 20×3 cells.

    Raises:
        BadInputError: If there is none.
    """
    for info in reversed(network.layers):
        if info.kind in CONVOLUTIONS and len(info.shape) == 3 and min(info.shape[:2]) > 1:
            return with_activation(network.layers, info).name
    raise BadInputError(
        "the network has no convolution with more than one row and column to show a map on: "
        "give --layer, or use another method"
    )
