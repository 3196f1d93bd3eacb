"""The statistics by which policies normalise what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Image

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
PICTURES = 200  # of a drive, evenly spread, are looked at
EVERY_PX = 4  # and of each every fourth pixel, both ways

Stats = dict[str, Any]


def stats_of(values: NDArray[Any]) -> Stats:
    """Return what is said of a feature, as lists.

    Args:
        values: (N,) or (N, features).
    """
    table = values.astype(np.float64).reshape(len(values), -1)
    return _stats(table, len(table), (table.shape[1],))


class PictureSample:
    """Some pixels of some pictures of a drive.

    Args:
        count: Of the pictures that there will be.
    """

    def __init__(self, count: int) -> None:
        wanted = np.linspace(0, count - 1, min(count, PICTURES)).round()
        self._wanted = frozenset(int(each) for each in wanted)
        self._seen = 0
        self._pixels: list[Image] = []

    def add(self, picture: Image) -> None:
        """Look at the next picture, RGB (H, W, 3)."""
        if self._seen in self._wanted:
            self._pixels.append(picture[::EVERY_PX, ::EVERY_PX].reshape(-1, 3).copy())
        self._seen += 1

    def stats(self) -> Stats:
        """Return what is said of them: of red, green and blue in [0, 1], each (3, 1, 1)."""
        pixels = np.concatenate(self._pixels)
        return _stats(pixels.astype(np.float32) / 255, len(self._pixels), (3, 1, 1))


def _stats(table: NDArray[Any], count: int, shape: tuple[int, ...]) -> Stats:
    quantiles = np.quantile(table, QUANTILES, axis=0)
    found = {
        "min": table.min(axis=0),
        "max": table.max(axis=0),
        "mean": table.mean(axis=0, dtype=np.float64),
        "std": table.std(axis=0, dtype=np.float64),
        **{f"q{round(q * 100):02d}": row for q, row in zip(QUANTILES, quantiles, strict=True)},
    }
    stats: Stats = {
        name: value.astype(np.float64).reshape(shape).tolist() for name, value in found.items()
    }
    stats["count"] = [count]
    return stats
