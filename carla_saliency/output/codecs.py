"""How videos are encoded: which codec, how good, and what each encoder is told."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from carla_saliency.errors import BadInputError

os.environ.setdefault("SVT_LOG", "1")  # only errors: it greets with 20 lines for every video

Codec = Literal["h264", "hevc", "av1"]


@dataclass(frozen=True)
class _Kind:
    """One encoder.

    Attributes:
        encoder: FFmpeg's name of it.
        crf: The usual quality.
        worst: The largest value of it.
        options: For a quality, with a key picture every so many pictures.
    """

    encoder: str
    crf: int
    worst: int
    options: Callable[[int, int], dict[str, str]]


# All of them: one thread, no pictures from the future (a file begins at 0 s), little held back (it
# is lost by a kill), and what the numbers of the colours mean (unsaid, players guess it).
def _x264(crf: int, group: int) -> dict[str, str]:
    return {
        "preset": "veryfast",  # 1280x720: 7 to 12 ms; superfast: a fifth less, twice the size
        "crf": str(crf),
        "threads": "1",
        "bf": "0",
        "rc-lookahead": "5",
        "g": str(group),
        "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
    }


def _x265(crf: int, group: int) -> dict[str, str]:
    return {
        "preset": "ultrafast",  # 3 times as long as H.264; the next one is too slow for a drive
        "crf": str(crf),
        "g": str(group),
        "x265-params": (
            f"log-level=none:pools=none:frame-threads=1:bframes=0:rc-lookahead=5:keyint={group}:"
            "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=limited"
        ),
    }


def _svt_av1(crf: int, group: int) -> dict[str, str]:
    return {
        "preset": "12",  # half as long again as H.264, half its size at the same quality
        "crf": str(crf),
        "g": str(group),
        "svtav1-params": (
            "pred-struct=1:lp=1:color-primaries=1:transfer-characteristics=1:"
            "matrix-coefficients=1:color-range=0"
        ),
    }


_KINDS: dict[Codec, _Kind] = {
    "h264": _Kind("libx264", 23, 51, _x264),
    "hevc": _Kind("libx265", 28, 51, _x265),
    "av1": _Kind("libsvtav1", 43, 63, _svt_av1),
}


@dataclass(frozen=True)
class VideoOptions:
    """How a video is encoded.

    Attributes:
        codec: "h264" plays everywhere. "av1" takes half as long again; its usual quality is better,
            for about the same space (43 is as good as 23 of h264, for 60 % of it). "hevc" takes
            three times as long, and its usual file is smaller but not as good.
        crf: Quality, 0 = best, at most 51 (63 for av1); None = usual: 23 (28 for hevc, 43 for av1).
        fast: H.264 takes half the time, on two cores, and up to twice the space.

    Raises:
        BadInputError: If the quality is outside its range.
    """

    codec: Codec = "h264"
    crf: int | None = None
    fast: bool = False

    def __post_init__(self) -> None:
        worst = _KINDS[self.codec].worst
        if self.crf is not None and not 0 <= self.crf <= worst:
            raise BadInputError(
                f"--crf must be from 0 (best) to {worst} for {self.codec}, received {self.crf}"
            )

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return _KINDS[self.codec].encoder

    def told(self, rate: float) -> dict[str, str]:
        """Return what the encoder is told, with a key picture at least every second.

        Args:
            rate: Pictures per second.
        """
        kind = _KINDS[self.codec]
        crf = kind.crf if self.crf is None else self.crf
        options = kind.options(crf, max(1, round(rate)))
        if self.fast and self.codec == "h264":
            # 1280x360: 5 ms of a core instead of 10 (superfast: 7), 3.1 Mbit/s instead of 1.6
            options |= {"preset": "ultrafast", "threads": "2"}
        return options


H264 = VideoOptions()
