"""The pictures of a LeRobot dataset: an MP4 in which any picture is found quickly."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.container
import cv2
import numpy as np
from av.video.stream import VideoStream

from carla_saliency.core import Image

CAMERA = "observation.images.front"
VIDEO = f"videos/{CAMERA}/chunk-000/file-000.mp4"
X264: dict[str, object] = {
    "preset": "veryfast",
    "crf": "18",  # a picture is hard to tell from the original
    "g": "2",  # every second picture stands alone, as LeRobot's own: training reads them at random
    "bf": "0",  # so that the first one is at 0 s
    "threads": "1",
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}


class EpisodeVideo:
    """Writes an MP4; to be used as a context manager.

    Args:
        path: Of the file; its folder is made.
        rate_hz: Pictures per second.

    Attributes:
        info: What LeRobot says of a video; known after the first picture.

    Raises:
        OSError: If it can't be written; so does `write`, and the end of the block.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        path.parent.mkdir(parents=True)
        self.info: dict[str, Any] = {}
        self._rate = Fraction(rate_hz).limit_denominator(1001)
        self._file = av.open(str(path), "w", options={"movflags": "faststart"})
        self._stream: VideoStream | None = None
        self._count = 0

    def write(self, picture: Image) -> Image:
        """Append one picture; return it as it is written: with an even width and height."""
        height, width = picture.shape[:2]
        if height % 2 or width % 2:  # H.264 with half the colours has only even ones
            edge = (0, height % 2, 0, width % 2)
            picture = cv2.copyMakeBorder(picture, *edge, cv2.BORDER_REPLICATE).astype(np.uint8)
        stream = self._stream = self._stream or self._begin(picture)
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._file.mux(stream.encode(frame))
        self._count += 1
        return picture

    def __enter__(self) -> EpisodeVideo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._stream is not None and error is None:
                self._file.mux(self._stream.encode(None))
            self._file.close()
        except OSError:
            if error is None:  # else the first error is the one that tells
                raise

    def _begin(self, picture: Image) -> VideoStream:
        stream = self._file.add_stream("libx264", rate=self._rate)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = 1 / self._rate
        stream.options = X264
        whole = round(float(self._rate))
        self.info = {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": "h264",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": whole if self._rate == whole else float(self._rate),
            "video.channels": 3,
            "has_audio": False,
        }
        return stream
