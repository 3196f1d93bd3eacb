"""What the insights may ask of a network, answered by the one that is loaded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Explanation, Network, Query, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.factory.steering import Steering
from carla_saliency.insight.probe import Probe
from carla_saliency.saliency import METHODS, Method, Options

SEED = 0  # of the random weights


def make_probe(
    steering: Steering,
    options: Options,
    layer: Callable[[], str | None] = lambda: None,
    patient: bool = False,
) -> Probe:
    """Return how the insights ask a network.

    Args:
        steering: The network.
        options: Of its saliency methods.
        layer: Returns the layer that the methods are asked about just now.
        patient: The network with random weights is waited for, which takes a moment once.
    """
    contract, network, feed = steering.contract, steering.network, steering.feed

    def vary(seen: Seen, pictures: NDArray[Any]) -> Array:
        return network.steer(feed.vary(seen, pictures))

    names = {layer.name for layer in network.layers} if network.has_gradient else set()

    def features(seen: Seen, name: str) -> Array | None:
        if name not in names:
            return None
        outputs = network.run(Query(targets=(), keep=(name,)), seen.inputs).outputs
        return np.asarray(outputs[name][0], np.float32).ravel()

    return Probe(
        grid=(contract.input_height_px, contract.input_width_px),
        lock_deg=contract.max_steer_deg,
        look=feed.look,
        vary=vary,
        region=steering.preprocess.grid_rect,
        random_map=_RandomMaps(steering, options, layer, patient),
        features=features,
    )


class _RandomMaps:
    """Explains a frame with random weights; the network is made in a thread when first asked."""

    def __init__(
        self,
        steering: Steering,
        options: Options,
        layer: Callable[[], str | None],
        patient: bool,
    ) -> None:
        self._steering, self._options, self._layer = steering, options, layer
        self._patient = patient
        self._making: dict[tuple[str, str | None], Future[Method | None]] = {}
        self._network: Network | None = None  # one for all methods: it may be large
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="random weights")

    def __call__(self, seen: Seen, explanation: Explanation) -> Explanation | None:
        method, layer = explanation.method, self._layer()
        kind = METHODS.get(method)
        if kind is None or kind.slow or not self._steering.network.has_gradient:
            return None
        making = self._making.get((method, layer))
        if making is None:
            making = self._making[method, layer] = self._pool.submit(self._make, kind, layer, seen)
        made = making.result() if self._patient or making.done() else None
        if made is None:
            return None
        with suppress(BadInputError):  # random weights may answer infinity where the own ones don't
            return made.explain_seen(seen)
        return None

    def _make(self, kind: type[Method], layer: str | None, seen: Seen) -> Method | None:
        with suppress(BadInputError):  # the same method, but of layers that can't be asked so
            self._network = self._network or self._steering.network.randomised(SEED)
            options = replace(self._options, layer=layer)
            method = kind(self._network, self._steering.feed, options)
            method.explain_seen(seen)  # compiles here, not in a tick
            return method
        return None
