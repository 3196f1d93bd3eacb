"""A video of the drive, in simulated time: H.264 in an MP4 that survives a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType

import av
import av.container
import av.video.stream

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError, CarlaSaliencyError

log = logging.getLogger(__name__)

QUEUE_PICTURES = 8  # 22 MB of 1280x720; then `write` waits, so that nothing is dropped
# Room in the queue is a second queue of tokens: unlike a `Queue`, a `SimpleQueue` has no lock that
# a signal handler which raises in the main thread could leave locked.
ENCODER = {  # 1280x720, one thread: 7 ms a picture, 1.1 Mbit/s; superfast 6 ms and twice the size
    "preset": "veryfast",
    "crf": "23",
    "threads": "1",
    "bf": "0",  # without pictures from the future the file begins at 0 s
    "rc-lookahead": "5",  # what the encoder holds back is lost by a kill
    # what the numbers of the colours mean; unsaid, players guess by the height of the picture
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
}
FRAGMENTED = {  # written in pieces that need nothing later: a kill -9 costs the last piece only
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "250000",  # microseconds: a piece is at most a quarter of a second
    "flush_packets": "1",
}


class Video:
    """Writes pictures to a file from a thread of its own.

    Args:
        path: An .mp4 file; one that exists is overwritten.
        size: (width, height) of the pictures in pixels, both even.
        rate: Pictures per simulated second.

    Attributes:
        path: The file.
        count: Pictures handed in so far.

    Raises:
        BadInputError: If the size is odd, the rate not positive, or the file can't be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], rate: float) -> None:
        width, height = size
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise BadInputError(
                f"a video needs an even width and height, received {width}x{height}; "
                f"try {max(2, width // 2 * 2)}x{max(2, height // 2 * 2)}"
            )
        if not 0 < rate < 10_000:
            raise BadInputError(f"a video needs a rate between 0 and 10000 Hz, received {rate!r}")
        self.path = path
        self.count = 0
        self._rate = Fraction(rate).limit_denominator(1_001)
        self._shape = (height, width, 3)
        self._container, self._is_new = _open(path)
        self._stream = self._container.add_stream(
            "libx264", rate=self._rate, options={**ENCODER, "g": str(max(1, round(rate)))}
        )
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._pictures: SimpleQueue[Image | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(QUEUE_PICTURES):
            self._room.put(None)
        self._trouble: BaseException | None = None
        self._closed = False
        self._thread = Thread(target=self._encode_all, name="video", daemon=True)
        self._thread.start()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except CarlaSaliencyError as trouble:
            if error is None:
                raise
            log.warning("%s", trouble)  # the first error is the one that tells

    @property
    def seconds(self) -> float:
        """Return how many simulated seconds were handed in."""
        return float(self.count / self._rate)

    def write(self, picture: Image) -> None:
        """Hand in one picture; waits while the encoder is behind.

        Args:
            picture: RGB, uint8, (height, width, 3); must not be changed afterwards.

        Raises:
            ValueError: If the picture has another size, or the video is closed.
            CarlaSaliencyError: If an earlier picture could not be written.
        """
        if picture.shape != self._shape or picture.dtype != "uint8":
            raise ValueError(
                f"a picture must be {self._shape} uint8, received {picture.shape} {picture.dtype}"
            )
        if self._closed:
            raise ValueError(f"{self.path} is closed: no more pictures can be written to it")
        self._check()
        self._room.get()
        self._pictures.put(picture)
        self.count += 1

    def close(self) -> None:
        """Write what is left and finish the file; without any picture none is left behind.

        Raises:
            CarlaSaliencyError: If a picture could not be written.
        """
        if not self._closed:
            self._closed = True
            self._pictures.put(None)
            self._thread.join()
            if not self.count and self._is_new:
                self.path.unlink(missing_ok=True)
            self._check()

    def _check(self) -> None:
        if self._trouble is not None:
            reason = getattr(self._trouble, "strerror", None) or str(self._trouble)
            raise CarlaSaliencyError(
                f"recording stopped: {self.path} can't be written any further ({reason}); "
                "what it has so far can be played; free some space on the disk, then record anew"
            ) from self._trouble

    # -------------------------------------------------------------- the other thread

    def _encode_all(self) -> None:
        number = 0
        while (picture := self._pictures.get()) is not None:
            if self._trouble is None:  # else only empty the queue, so that nobody waits for ever
                self._guard(partial(self._encode, picture, number))
                number += 1
            self._room.put(None)
        if number:
            self._guard(partial(self._encode, None, number))
        self._guard(self._container.close)

    def _guard(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that hands in pictures
            self._trouble = self._trouble or error

    def _encode(self, picture: Image | None, number: int) -> None:
        """Encode one picture, or (None) all that the encoder still holds."""
        frame = None
        if picture is not None:
            rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = rgb.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
            )
            frame.pts, frame.time_base = number, 1 / self._rate
        for packet in self._stream.encode(frame):
            self._container.mux(packet)


def _open(path: Path) -> tuple[av.container.OutputContainer, bool]:
    """Return the container, and whether there was no such file before.

    Raises:
        BadInputError: If there is no such folder, or it can't be written.
    """
    try:
        if not path.parent.is_dir():
            raise BadInputError(f"{path}: the folder {path.parent} does not exist; make it first")
        if path.is_dir():
            raise BadInputError(f"{path} is a folder; a video needs a file, for example drive.mp4")
        is_new = not path.exists()
        with path.open("ab"):  # PyAV opens it with the first picture: too late for a clear error
            pass
        return av.open(str(path), "w", format="mp4", options=FRAGMENTED), is_new
    except (OSError, av.FFmpegError) as error:
        raise BadInputError(
            f"{path} can't be written: {error.strerror or error}; choose another place"
        ) from error
