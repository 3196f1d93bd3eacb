"""Whether a frame is unlike all that the network learned from.

A frame is where the outputs of the last layer before the steering put it. How far it is from the
nearest of the frames that the network knows says how new it is: k-nearest-neighbour detection of
what is out of distribution, with k = 1, so that there is a frame to be shown (Sun, Ming, Zhu, Li,
"Out-of-Distribution Detection with Deep Nearest Neighbors", 2022).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Image, LayerInfo, Novelty
from carla_saliency.insight.calibration_values import KnownFrames, Source

KNOWN_FRAMES = 500
"""So many frames of the training are kept."""

FEATURES = 64
"""A layer with more units is folded to so many."""

ENOUGH_UNITS = 16
"""A layer of fewer, such as DAVE-2's last 10, knows hardly more than the steering itself."""

LEAST_UNITS = 4
USUAL_PERCENT = 99  # of the known frames are nearer to another one than this distance
MARGIN = 1.25  # times as far is new: a frame between known ones is not
BESIDE = 10  # frames before and after one in a drive show the same place: they don't count as known
LEAST_SPREAD = 0.01  # of the largest spread: a unit that never changed must not decide alone

THUMBNAIL_PX = (200, 120)  # at most, width and height
THUMBNAIL_BYTES = 850_000  # all of them, as they are packed in the file
SIZES_AND_QUALITIES = (
    *((1.0, quality) for quality in (90, 85, 80, 70, 60, 50)),
    *((size, 50) for size in (0.8, 0.6, 0.4, 0.3, 0.2, 0.1)),  # only noise gets this far
)


def penultimate(layers: tuple[LayerInfo, ...]) -> str | None:
    """Return the last layer of a vector before the one that answers; None if there is none.

    What answers is the last layer with weights; what follows it only says what its numbers mean.
    Of several layers it is the last one with 16 units or more: the shipped network's last layer has
    10, and puts every frame of a road that it can't drive among those that it knows.

    Args:
        layers: Of the network, in the order of computation.
    """
    weighted = [i for i, layer in enumerate(layers) if layer.parameters > 0]
    before = layers[: weighted[-1]] if weighted else layers
    vectors = [
        layer
        for layer in before
        if (len(layer.shape) == 1 or layer.kind.startswith("Global")) and layer.kind != "Dropout"
    ]
    for least in (ENOUGH_UNITS, LEAST_UNITS):
        wide = [layer.name for layer in vectors if int(np.prod(layer.shape)) >= least]
        if wide:
            return wide[-1]
    return None


def folded(outputs: Array) -> Array:
    """Return the outputs of a layer as at most 64 numbers, (N, units) -> (N, min(units, 64)).

    More are added up in 64 sums with random signs, which keeps distances as they are in the mean,
    needs no table and is the same everywhere: Weinberger et al., "Feature Hashing for Large Scale
    Multitask Learning", 2009.
    """
    units = outputs.shape[1]
    if units <= FEATURES:
        return outputs.astype(np.float32, copy=False)
    where, sign = _fold(units)
    sums = [np.bincount(where, sign * row, FEATURES) for row in outputs]
    return np.array(sums, np.float32).reshape(len(outputs), FEATURES)


@lru_cache(maxsize=4)
def _fold(units: int) -> tuple[NDArray[np.intp], Array]:
    """Return in which sum each unit is, and with which sign."""
    index = np.arange(1, units + 1, dtype=np.uint64)
    mixed = index * np.uint64(0x9E3779B97F4A7C15)  # wraps: Fibonacci hashing
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    where = (mixed >> np.uint64(40)) % np.uint64(FEATURES)
    sign = np.where(mixed >> np.uint64(63), np.float32(1), np.float32(-1))
    return where.astype(np.intp), sign


def known_frames(
    layer: str, outputs: Array, pictures: Sequence[Image], source: Source
) -> KnownFrames:
    """Return what is to be kept of frames that the network knows.

    Args:
        layer: Whose outputs they are.
        outputs: Of that layer, float32 (N, units), finite.
        pictures: What the network was given: RGB on its grid, uint8 (H, W, 3), N of them.
        source: Where they are from.

    Raises:
        ValueError: If there are fewer than two, or not as many pictures.
    """
    if len(outputs) != len(pictures) or len(outputs) < 2:
        raise ValueError(f"expected two frames or more, received {outputs.shape} and pictures")
    features = folded(outputs)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.maximum(spread, max(LEAST_SPREAD * float(spread.max()), 1e-6))
    kept = ((features - mean) / spread).astype(np.float16)
    beside = 0 if source == "training" else min(BESIDE, len(kept) // 4)
    return KnownFrames(
        layer=layer,
        units=outputs.shape[1],
        source=source,
        features=kept,
        mean=mean,
        spread=spread,
        limit=MARGIN * float(np.percentile(_to_nearest_other(kept, beside), USUAL_PERCENT)),
        thumbnails=_thumbnails(pictures),
    )


class NoveltyCheck:
    """Compares frames with those that the network knows; 0.1 ms each.

    Args:
        known: Of the network's calibration.
    """

    def __init__(self, known: KnownFrames) -> None:
        self._known = known
        self._features = known.features.astype(np.float32)
        self._shown: tuple[int, Image] | None = None

    @property
    def layer(self) -> str:
        """Whose outputs are to be looked at."""
        return self._known.layer

    def look(self, outputs: Array) -> Novelty:
        """Return how unlike the known frames one is.

        Args:
            outputs: Of `layer` for this frame, float32, as many as it has units.

        Raises:
            ValueError: If there are not as many.
        """
        known = self._known
        if outputs.size != known.units:
            raise ValueError(f"{known.layer} has {known.units} units, received {outputs.shape}")
        here = (folded(outputs.reshape(1, -1))[0] - known.mean) / known.spread
        apart = self._features - here
        squares = np.einsum("ij,ij->i", apart, apart)
        nearest = int(squares.argmin())
        shown = self._shown  # once: an inspecting thread may ask at the same time
        if shown is None or shown[0] != nearest:
            shown = self._shown = nearest, known.picture(nearest)
        return Novelty(
            distance=float(np.sqrt(squares[nearest] / len(here))),
            limit=known.limit,
            nearest=shown[1],
            stand_in=known.source == "nominal drive",
        )


def _to_nearest_other(features: NDArray[np.float16], beside: int) -> Array:
    """Return the distance of each frame to the nearest other one, (N,).

    Args:
        features: (N, D)
        beside: So many frames before and after one are not others.
    """
    values, index = features.astype(np.float32), np.arange(len(features))
    squares = np.stack([((values - each) ** 2).mean(axis=1) for each in values])
    squares[np.abs(index[:, None] - index) <= beside] = np.inf
    nearest: Array = np.sqrt(squares.min(axis=1))
    return nearest


def _thumbnails(pictures: Sequence[Image]) -> tuple[bytes, ...]:
    """Return JPEG files, as large and as good as all of them may be together."""
    height, width = pictures[0].shape[:2]
    largest = min(1.0, THUMBNAIL_PX[0] / width, THUMBNAIL_PX[1] / height)
    files: list[bytes] = []
    for part, quality in SIZES_AND_QUALITIES:
        factor = largest * part
        size = max(1, round(width * factor)), max(1, round(height * factor))
        files = [_jpeg(each, size, quality) for each in pictures]
        if len(zlib.compress(b"".join(files))) <= THUMBNAIL_BYTES:  # half of each is tables
            break
    return tuple(files)


def _jpeg(picture: Image, size: tuple[int, int], quality: int) -> bytes:
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
