"""Pictures and maps as bytes: pictures without loss, maps in 16 bits."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Image

# 640x360 of rendered roads, one core: 9 ms and 270 kB; with libpng's own choice of filters 20 ms
_LEVEL = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_DEFAULT,
]
_COLOURS = [*_LEVEL, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
_TAGS = [*_LEVEL, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
JPEG_QUALITY = 90  # 1.4 ms


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG, without loss.

    Args:
        picture: RGB, uint8 (H, W, 3), or one channel, uint8 (H, W).
    """
    if picture.ndim == 3:
        _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _COLOURS)
    else:
        _, data = cv2.imencode(".png", picture, _TAGS)
    return data.tobytes()


def to_jpeg(picture: Image) -> bytes:
    """Return a picture as JPEG, nearly without visible loss: a sixth of a PNG's bytes.

    Args:
        picture: RGB, uint8 (H, W, 3).
    """
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()


def from_png(data: bytes) -> NDArray[np.uint8]:
    """Return the picture of a PNG: RGB, uint8 (H, W, 3), or one channel, uint8 (H, W).

    Raises:
        ValueError: If it is none.
    """
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if found is None:
        raise ValueError("not a PNG picture")
    picture: Image = cv2.cvtColor(found, cv2.COLOR_BGR2RGB) if found.ndim == 3 else found
    return picture


def to_grey(values: Array, signed: bool) -> tuple[NDArray[np.uint16], int, float]:
    """Return a map in 16 bits: a value is (pixel - zero) * step.

    Args:
        values: float32 (H, W).
        signed: Whether zero is to lie in the middle; so it does too where a value is negative.

    Returns:
        The pixels, uint16 (H, W), `zero` and `step`; step is 0 where the map is 0 everywhere.
    """
    signed = signed or bool((values < 0).any())
    zero, most = (32768, 32767) if signed else (0, 65535)
    step = float(np.abs(values).max(initial=0.0)) / most
    if step == 0:
        return np.full(values.shape, zero, np.uint16), zero, 0.0
    pixels = np.rint(values.astype(np.float64) / step) + zero
    return pixels.astype(np.uint16), zero, step


def from_grey(pixels: NDArray[Any], zero: int, step: float) -> Array:
    """Return the map of pixels, float32 (H, W); see `to_grey`."""
    return ((pixels.astype(np.float64) - zero) * step).astype(np.float32)
