"""What every runtime refuses before it runs: layers that don't exist, inputs that don't fit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from carla_saliency.core import Array, Inputs, Query
from carla_saliency.network.layers import LayerGraph

IMAGE, SPEED, GATES, STEERING = "image", "speed", "gates", "steering"


def require_layers(names: Iterable[str], query: Query) -> None:
    """Refuse a query about a layer that does not exist.

    Args:
        names: Of all layers; "steering" may always be asked for as a target.
        query: To be answered.

    Raises:
        ValueError: With the layers that do exist.
    """
    known = {*names}
    targets = [name for name, _ in query.targets if name != STEERING]
    for name in [*targets, *query.keep, *([] if query.gate is None else [query.gate])]:
        if name not in known:
            raise ValueError(f"there is no layer {name!r}; there are {', '.join(sorted(known))}")


def feed_of(
    graph: LayerGraph, query: Query, inputs: Inputs, gates: Array | None
) -> dict[str, Array]:
    """Return what a runtime is fed: "image", and "speed" and "gates" where they are needed.

    Raises:
        ValueError: If something is missing, or does not fit the model.
    """
    image, shape = inputs.image, graph.image_shape
    if image.dtype != np.float32 or image.shape[1:] != shape:
        raise ValueError(
            f"the image must be float32 of shape (N, {', '.join(map(str, shape))}), "
            f"received {image.dtype} {image.shape}"
        )
    feed = {IMAGE: image}
    if graph.takes_speed:
        speed = inputs.speed
        if speed is None or speed.dtype != np.float32 or speed.shape != (len(image), 1):
            received = None if speed is None else f"{speed.dtype} {speed.shape}"
            raise ValueError(
                f"the speed must be float32 of shape ({len(image)}, 1), received {received}"
            )
        feed[SPEED] = speed
    if query.gate is not None:
        if gates is None:
            raise ValueError(f"the gates of {query.gate} are missing")
        feed[GATES] = np.asarray(gates, np.float32)
    return feed
