"""How alike two maps are: the correlation of their ranks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array

COLUMNS = 50
"""Maps are compared in square cells, about so many beside each other."""

FLAT = 1e-6
"""A map whose values differ by less than this part of the largest says nothing."""


def magnitudes(attribution: Array) -> Array:
    """Return a map's magnitudes in cells of some pixels squared, to be compared, float32 (h, w).

    From one pixel to the next a gradient flickers, which makes maps that look alike unlike. In the
    mean of 4 x 4 pixels (of 200 columns) the maps of two networks with random weights have a rank
    correlation of 0.9, pixel by pixel 0.5 to 0.65, no more than that of a trained one and a random
    one: only in cells do these differ.

    Args:
        attribution: Float32 (H, W) of the network's grid, or any other values there.
    """
    height, width = attribution.shape
    cell_px = max(1, round(width / COLUMNS))
    size = (max(1, width // cell_px), max(1, height // cell_px))
    resized = cv2.resize(np.abs(attribution), size, interpolation=cv2.INTER_AREA)
    return resized.astype(np.float32, copy=False)


def is_flat(values: Array) -> bool:
    """Return whether a map has no shape: all of its values are (nearly) the same.

    Args:
        values: Finite, of any shape.
    """
    largest = float(np.abs(values).max(initial=0.0))
    return bool(np.ptp(values) <= FLAT * largest)


def ranks(values: Array) -> NDArray[np.float64]:
    """Return the centred ranks of values, of length 1; equal values share their mean rank.

    The dot product of two of them is Spearman's rank correlation (Spearman, "The proof and
    measurement of association between two things", 1904).

    Args:
        values: Of any shape, at least one.

    Returns:
        float64 (values.size,); all 0 where the values are flat.
    """
    flat = values.ravel()
    if is_flat(values):
        return np.zeros(flat.size)
    order = np.argsort(flat, kind="stable")
    begins = np.flatnonzero(np.diff(flat[order], prepend=-np.inf) > 0)
    lengths = np.diff(begins, append=flat.size)
    result = np.empty(flat.size)
    result[order] = np.repeat(begins + (lengths - 1) / 2, lengths)
    result -= (flat.size - 1) / 2
    return result / np.linalg.norm(result)


def alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the rank correlation of two maps by their `ranks`; 0 where one of them is flat."""
    return float(one @ other)
