"""Fills holes in pictures from what lies around them, so smoothly that no seam is seen.

Pull-push after S. J. Gortler, R. Grzeszczuk, R. Szeliski and M. F. Cohen, "The Lumigraph", SIGGRAPH
1996, section 3.4: the known pixels are averaged down a pyramid with their weights (pull), and each
level is filled up from the coarser one where it has too little weight of its own (push). Close to
the edge of a hole the fill is what is just outside, deep inside it is the average of all around.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Image

Mask = NDArray[np.bool_]

# A pixel of a coarser level that is known to a quarter counts as known: its four children's weights
# are summed, as in the paper. Were they averaged, the step at the edge of a hole would be six times
# as high.
_KNOWN = 0.25

# From red, green, blue and weight to the weight, and to what is missing of it, four times over: far
# quicker than NumPy's broadcasting over so short an axis.
_WEIGHT = np.array([[0, 0, 0, 1]] * 4, np.float32)
_MISSING = np.array([[0, 0, 0, -1, 1]] * 4, np.float32)

# What is further from the hole than this and the hole's width changes the fill by one grey level on
# average, and costs most of the time.
_LEAST_MARGIN_PX = 8


def filled(picture: Image, hole: Mask, source: Mask | None = None) -> Image:
    """Return the picture with the hole filled in from its blurred surroundings.

    No pixel inside the hole has any influence on the result, unless the hole is the whole picture:
    then all of it becomes the picture's mean.

    Args:
        picture: RGB, uint8 (H, W, 3).
        hole: What is filled in, (H, W); everything else is returned as it is.
        source: The pixels that the fill is made of, (H, W), those in the hole not counted; None, or
            none outside of the hole = everything outside of the hole.

    Returns:
        uint8 (H, W, 3), a new array.

    Raises:
        ValueError: If the hole or the source is not of the picture's size.
    """
    pictures = filled_many(picture, hole[None], None if source is None else source[None])
    return np.asarray(pictures[0])


def filled_many(
    picture: Image, holes: NDArray[np.bool_], sources: NDArray[np.bool_] | None = None
) -> Image:
    """Return the picture once for each hole, with that hole filled in; see `filled`.

    Args:
        picture: RGB, uint8 (H, W, 3).
        holes: (N, H, W).
        sources: (N, H, W), or None.

    Returns:
        uint8 (N, H, W, 3).

    Raises:
        ValueError: If the holes or the sources are not of the picture's size.
    """
    for masks in (holes,) if sources is None else (holes, sources):
        if masks.shape != (len(holes), *picture.shape[:2]):
            raise ValueError(
                f"masks must be ({len(holes)}, {picture.shape[0]}, {picture.shape[1]}) for a "
                f"picture of {picture.shape}, received {masks.shape}"
            )
    pictures = np.repeat(picture[None], len(holes), axis=0)
    for i, hole in enumerate(np.ascontiguousarray(holes)):
        if hole.any():
            _fill(pictures[i], hole, None if sources is None else sources[i])
    return pictures


def _fill(picture: Image, hole: Mask, source: Mask | None) -> None:
    """Fill one hole, in place."""
    outside = ~hole
    usable = outside if source is None else source & outside
    if not usable.any():
        usable = outside
    if not usable.any():
        picture[:] = np.rint(picture.mean(axis=(0, 1)))
        return
    window = _around(hole)
    if not usable[window].any():
        window = (slice(None), slice(None))
    known = cv2.cvtColor(picture[window], cv2.COLOR_RGB2RGBA)  # with a weight of 255
    colours = _pull_push(cv2.copyTo(known, usable[window].view(np.uint8)))
    cv2.copyTo(colours, hole[window].view(np.uint8), picture[window])


def _around(hole: Mask) -> tuple[slice, slice]:
    """Return the rows and columns of a hole and of a margin as wide as it is."""
    left, top, width, height = cv2.boundingRect(hole.view(np.uint8))
    margin = max(_LEAST_MARGIN_PX, min(width, height))
    return (
        slice(max(0, top - margin), top + height + margin),
        slice(max(0, left - margin), left + width + margin),
    )


def _pull_push(known: NDArray[Any]) -> Image:
    """Return colours for every pixel, uint8 (h, w, 3); right only where `known` has no weight.

    Args:
        known: Colour and a weight of 255, or all 0; uint8 (h, w, 4), not all 0.
    """
    # The finest level is never filled as floats, and read as 16 bits: three quarters of the bytes
    # are there, and memory is what a large picture costs.
    level = _normalised(cv2.pyrDown(np.multiply(known, np.uint16(257))).astype(np.float32), 65535)
    levels = [level]
    while max(level.shape[:2]) > 1 and level[..., 3].min() < 1:
        level = _normalised(cv2.pyrDown(level))
        levels.append(level)
    values: Any = levels.pop()
    if values.shape[:2] == (1, 1):
        values /= values[..., 3:]
    for level in reversed(levels):
        values = cv2.pyrUp(values, dstsize=level.shape[1::-1])
        values = cv2.add(cv2.multiply(values, cv2.transform(level, _MISSING)), level)
    colours = cv2.cvtColor(cv2.convertScaleAbs(values, alpha=255), cv2.COLOR_RGBA2RGB)  # rounds
    return np.asarray(cv2.pyrUp(colours, dstsize=known.shape[1::-1]), np.uint8)


def _normalised(level: NDArray[Any], full: float = 1.0) -> Array:
    """Return a level with its weights raised to at most 1, and its colours with them.

    Args:
        level: Colours times weight, and the weight, float32 (h, w, 4).
        full: The weight of a pixel that is wholly known.
    """
    least: Any = (full * _KNOWN,) * 4  # OpenCV's types know no scalars
    known = cv2.max(cv2.transform(level, _WEIGHT), least)
    return np.asarray(cv2.divide(level, known), np.float32)
