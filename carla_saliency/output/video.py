"""A video of the drive, in simulated time: an MP4 that survives a crash."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

import av
import av.container

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.codecs import H264, VideoOptions
from carla_saliency.output.encoder import Encoder, Piece, exact_rate
from carla_saliency.output.faststart import make_faststart

log = logging.getLogger(__name__)

CLOCK_HZ = 90_000  # MPEG's: the usual rates are whole numbers of it
FRAGMENTED = {  # written in pieces that need nothing later: a kill -9 costs the last piece only
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "250000",  # microseconds: a piece is at most a quarter of a second
    "flush_packets": "1",
}


class VideoFile:
    """An MP4 file that takes what an encoder gives; its time begins at 0 with its first picture.

    While it is written it is a row of pieces, of which a kill costs the last one only; once it is
    closed it is an ordinary file, its index first.

    Args:
        path: An .mp4 file; one that exists is overwritten.
        size: (width, height) of the pictures in pixels.
        rate: Pictures per simulated second.
        options: How they were encoded.
        clock_hz: Numbers of pictures per second; `rate` if each has the next one.

    Attributes:
        path: The file.
        note: Why it stayed in pieces, which most players play as well; "" if it did not.

    Raises:
        BadInputError: If it can't be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: float,
        options: VideoOptions = H264,
        clock_hz: int | None = None,
    ) -> None:
        self.path, self.note = path, ""
        self._rate = exact_rate(rate)
        self._clock = Fraction(clock_hz or self._rate)
        self._container, self._is_new = _open(path)
        width, height = size
        self._stream = self._container.add_mux_stream(
            options.codec, rate=self._rate, width=width, height=height, time_base=1 / self._clock
        )
        self._first: int | None = None
        self._trouble: BaseException | None = None

    def write(self, piece: Piece) -> None:
        """Append one piece, the first one a key picture; what goes wrong is told by `check`."""
        if self._trouble is None:
            self._guard(partial(self._mux, piece))

    def close(self) -> None:
        """Finish the file; without any picture none is left behind."""
        self.end()
        self.finish()

    def end(self) -> None:
        """Close the file as it is: it plays, in pieces; without any picture none is left."""
        self._guard(self._container.close)
        if self._first is None and self._is_new:
            self._guard(partial(self.path.unlink, missing_ok=True))

    def finish(self) -> None:
        """Make an ordinary file of it after its end, from any thread: about a second per 100 MB."""
        if self._first is None or self._trouble is not None:
            return
        try:
            make_faststart(self.path)
        except (OSError, av.FFmpegError) as error:  # it plays as it is
            self.note = f"its index could not be put first ({error.strerror or error})"

    def check(self) -> None:
        """Raise what went wrong.

        Raises:
            CarlaSaliencyError: If a picture could not be written.
        """
        if self._trouble is not None:
            raise CarlaSaliencyError(
                f"recording stopped: {self.path} can't be written any further ({self.reason}); "
                "what it has so far can be played; free some space on the disk, then record anew"
            ) from self._trouble

    @property
    def reason(self) -> str:
        """Return what went wrong, in a few words; "" if nothing did."""
        if self._trouble is None:
            return ""
        return getattr(self._trouble, "strerror", None) or str(self._trouble)

    def _guard(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that hands in pictures
            self._trouble = self._trouble or error

    def _mux(self, piece: Piece) -> None:
        if self._first is None:
            self._first = piece.number
        packet = av.Packet(piece.data)
        packet.pts = packet.dts = piece.number - self._first
        packet.duration, packet.time_base = round(self._clock / self._rate), 1 / self._clock
        packet.is_keyframe = piece.key
        packet.stream = self._stream
        self._container.mux_one(packet)


class Video:
    """Writes pictures to a file from a thread of its own.

    Args:
        path: An .mp4 file; one that exists is overwritten.
        size: (width, height) of the pictures in pixels, both even.
        rate: Pictures per simulated second.
        options: How they are encoded.
        keeps_times: Each picture is shown at a time of its own, not evenly.

    Attributes:
        path: The file.
        count: Pictures that were handed in.

    Raises:
        BadInputError: If the size is odd, the rate not positive, or the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: float,
        options: VideoOptions = H264,
        keeps_times: bool = False,
    ) -> None:
        self.path, self.count = path, 0
        self._rate, self._keeps_times = rate, keeps_times
        clock_hz = CLOCK_HZ if keeps_times else None
        self._encoder = Encoder(size, rate, options, clock_hz)
        self._file = VideoFile(path, size, rate, options, clock_hz)
        self._encoder.sinks.append(self._file.write)
        self._closed = False

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
        return float(self.count / exact_rate(self._rate))

    def write(self, picture: Image, at_s: float = 0.0) -> None:
        """Hand in one picture; waits while the encoder is behind.

        Args:
            picture: RGB, uint8, (height, width, 3); must not be changed afterwards.
            at_s: When it is shown, after the one before it; only if the video keeps times.

        Raises:
            ValueError: If the picture has another size, or the video is closed.
            CarlaSaliencyError: If an earlier picture could not be written.
        """
        self._file.check()
        self._encoder.write(picture, number=round(at_s * CLOCK_HZ) if self._keeps_times else 0)
        self.count += 1

    def close(self) -> None:
        """Write what is left and finish the file; without any picture none is left behind.

        Raises:
            CarlaSaliencyError: If a picture could not be written.
        """
        if not self._closed:
            self._closed = True
            self._encoder.close()
            self._file.close()
            self._encoder.check()
            self._file.check()


class Excerpt:
    """The last seconds of a video, to be saved later and from any thread.

    Args:
        pieces: Will hold the pieces, once.
        size: (width, height) of the pictures.
        rate: Pictures per simulated second.
        options: How they were encoded.
    """

    def __init__(
        self,
        pieces: SimpleQueue[list[Piece]],
        size: tuple[int, int],
        rate: float,
        options: VideoOptions = H264,
    ) -> None:
        self._pieces, self._size, self._rate = pieces, size, rate
        self._options = options

    def save(self, path: Path) -> int:
        """Write the file, once; waits until the encoder has come so far.

        Returns:
            How many pictures it has; without any there is no file.

        Raises:
            CarlaSaliencyError: If it can't be written.
        """
        pieces = self._pieces.get()
        file = VideoFile(path, self._size, self._rate, self._options)
        for piece in pieces:
            file.write(piece)
        file.close()
        if file.reason:
            raise CarlaSaliencyError(f"its video can't be written ({file.reason})")
        return len(pieces)


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
