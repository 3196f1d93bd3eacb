"""Pictures of a camera on disk, as RGB arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError


def read_picture(path: Path) -> Image:
    """Return a picture file as RGB, uint8, (H, W, 3).

    Raises:
        BadInputError: If it can't be read, or is no picture.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BadInputError(f"can't read the picture {path}: {error.strerror}") from None
    try:
        with _silent_decoders():
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except cv2.error:  # for example more pixels than OpenCV takes
        picture = None
    if picture is None:
        raise BadInputError(
            f"{path} is not a whole picture that can be read: give a PNG or JPEG file"
        )
    return picture.astype(np.uint8, copy=False)


@contextmanager
def _silent_decoders() -> Iterator[None]:
    """Keep libpng and OpenCV from writing to stderr past Python: what is wrong is said by us."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def write_picture(path: Path, picture: Image) -> None:
    """Write an RGB picture as PNG.

    Raises:
        BadInputError: If the file can't be written.
    """
    data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise BadInputError(f"{path} can't be written: {error.strerror}") from None
