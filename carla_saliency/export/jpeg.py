"""Pictures as JPEG files, for the formats that keep them so."""

from __future__ import annotations

from pathlib import Path

import cv2

from carla_saliency.core import Image

QUALITY = 95  # of 100; a pixel of a rendered road is then off by about 1 level in the mean


def write_jpeg(path: Path, picture: Image) -> None:
    """Write an RGB picture (H, W, 3) as JPEG.

    Raises:
        OSError: If it can't be written.
    """
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    path.write_bytes(data.tobytes())
