"""Videos of small pictures, as different programs write them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (64, 48)


def noisy(count: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Return pictures of blocks that all differ: each needs some bytes in the file."""
    rng, (width, height) = np.random.default_rng(0), size
    pictures = []
    for _ in range(count):
        blocks = rng.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
        whole = blocks.repeat(8, axis=0).repeat(8, axis=1)
        pictures.append(np.ascontiguousarray(whole[:height, :width]))
    return pictures


def write(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    movflags: str = "faststart",
    turned_deg: int = 0,
    audio: bool = False,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Write a video of 20 pictures a second, or with these times in twentieths of a second."""
    options = {"movflags": movflags} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=20)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.gop_size = pixels, 10
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if turned_deg:
            stream.set_display_rotation(turned_deg)
        sound = container.add_stream("aac", rate=8000, layout="mono") if audio else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if ticks is None else ticks[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(
                np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
            )
            silence.sample_rate = 8000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """Return a copy of the file that ends after this share of its bytes."""
    data = path.read_bytes()
    cut_off = path.with_name(f"cut_{path.name}")
    cut_off.write_bytes(data[: int(len(data) * share)])
    return cut_off
