"""Which layers `--layer all` means."""

from __future__ import annotations

from collections.abc import Iterable

from carla_saliency.core import LayerInfo

STEERING = "steering"
LARGE = frozenset(
    {"Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D", "Conv1D", "Conv3D", "Dense"}
)


def every_layer(layers: Iterable[LayerInfo]) -> tuple[str, ...]:
    """Return the names of all convolutions and dense layers, and of the steering at the end.

    The dense layer whose one number the steering is would be the same map twice.
    """
    known = {layer.name: layer for layer in layers}
    names = [name for name, layer in known.items() if layer.kind in LARGE and name != STEERING]
    last = known.get(STEERING)
    source = None if last is None or last.kind in LARGE else known.get(last.source)
    if source is not None and source.name in names and source.shape == (1,):
        names.remove(source.name)
    return (*names, STEERING)
