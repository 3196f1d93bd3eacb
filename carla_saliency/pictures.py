"""Pictures and videos of a camera on disk, as RGB arrays."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})
USUAL_RATE = 25.0  # where a file does not say how fast it is


def is_video(path: Path) -> bool:
    """Return whether a file is meant to be a video, by its name."""
    return path.suffix.lower() in VIDEOS


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


@dataclass(frozen=True, slots=True)
class VideoPicture:
    """One picture of a video.

    Attributes:
        number: 0, 1, ...
        time_s: From the beginning.
        rate: Pictures per second of the whole video.
        image: RGB, uint8, (H, W, 3); all of one video have one size.
    """

    number: int
    time_s: float
    rate: float
    image: Image


def read_video(path: Path) -> Iterator[VideoPicture]:
    """Yield the pictures of a video, one after the other: it need not fit into memory.

    Raises:
        BadInputError: If it can't be read, or has no picture.
    """
    import av  # 0.1 s that pictures need not wait for

    number = 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadInputError(f"{path} has no pictures in it: give a video or a PNG or JPEG")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or USUAL_RATE)
            for frame in container.decode(stream):
                if number == 0:
                    size = frame.width, frame.height
                rgb = frame.reformat(*size, format="rgb24").to_ndarray()
                time_s = frame.time if frame.time is not None else math.nan
                time_s = time_s if math.isfinite(time_s) else number / rate
                yield VideoPicture(number, time_s, rate, rgb.astype(np.uint8, copy=False))
                number += 1
    except (OSError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInputError(
            f"the video {path} can't be read after {number} pictures: {reason}"
        ) from None
    if number == 0:
        raise BadInputError(f"{path} is a video without any picture in it")
