"""Pictures as PNG: without loss, and every program opens it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.output.lossless import Pixels


def to_png(pixels: Pixels) -> bytes:
    """Return a PNG of RGB (H, W, 3) or of one channel (H, W), uint8."""
    colour = pixels.ndim == 3
    data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if colour else pixels)[1]
    return data.tobytes()


def read_png(path: Path) -> Pixels:
    """Return RGB (H, W, 3), or one channel (H, W), uint8.

    Raises:
        CarlaSaliencyError: If it can't be read, or is no picture.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise CarlaSaliencyError(f"{path} can't be read ({error.strerror})") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise CarlaSaliencyError(f"{path} can't be read: it is no picture, or only half of one")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, np.uint8)
