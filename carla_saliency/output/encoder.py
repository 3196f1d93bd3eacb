"""Encodes pictures in a thread of its own: once, for every file that wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from queue import SimpleQueue
from threading import Thread

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.codecs import H264, VideoOptions

QUEUE_PICTURES = 8  # 22 MB of 1280x720; then `write` waits, so that nothing is dropped
# Room in the queue is a second queue of tokens: unlike a `Queue`, a `SimpleQueue` has no lock that
# a signal handler which raises in the main thread could leave locked.


@dataclass(frozen=True, slots=True)
class Piece:
    """One encoded picture.

    Attributes:
        data: As the encoder gave it; a key picture brings all that a player needs to begin.
        number: Of the picture, from 0; they come in this order, some may be missing.
        key: A player can begin here.
    """

    data: bytes
    number: int
    key: bool


def exact_rate(rate: float) -> Fraction:
    """Return pictures per second as the fraction that files are given."""
    return Fraction(rate).limit_denominator(1_001)


def wait_for(done: SimpleQueue[None]) -> None:
    """Wait for a word from a thread, to the end: a signal that raises meanwhile is raised after it.

    (A join that a signal breaks off can't be done again: the thread then counts as ended.)
    """
    try:
        done.get()
    except BaseException:
        done.get()
        raise


class Encoder:
    """Turns pictures into pieces, with a key picture at least every second.

    Args:
        size: (width, height) of the pictures in pixels, both even.
        rate: Pictures per simulated second.
        options: How they are encoded.
        clock_hz: Numbers per second; `rate` if each picture has the next number.

    Attributes:
        count: The number of the next picture: how many were handed in, unless they had their own.
        sinks: Are each given every piece, in the encoder's thread; to be changed before the first
            picture, or by a job that is handed to `between`. They must not raise.

    Raises:
        BadInputError: If the size is odd, the rate not positive, or there is no such encoder.
    """

    def __init__(
        self,
        size: tuple[int, int],
        rate: float,
        options: VideoOptions = H264,
        clock_hz: int | None = None,
    ) -> None:
        width, height = size
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise BadInputError(
                f"a video needs an even width and height, received {width}x{height}; "
                f"try {max(2, width // 2 * 2)}x{max(2, height // 2 * 2)}"
            )
        if not 0 < rate < 10_000:
            raise BadInputError(f"a video needs a rate between 0 and 10000 Hz, received {rate!r}")
        _require(options)
        self.count = 0
        self.sinks: list[Callable[[Piece], None]] = []
        self._rate, self._options = exact_rate(rate), options
        self._clock = Fraction(clock_hz or self._rate)
        self._shape = (height, width, 3)
        self._codec: VideoCodecContext | None = None
        self._items: SimpleQueue[tuple[int, Image] | Callable[[], None] | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(QUEUE_PICTURES):
            self._room.put(None)
        self._trouble: BaseException | None = None
        self._closed = False
        self._done: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread | None = None  # begins with the first picture or job

    def write(self, picture: Image, wait: bool = True, number: int = 0) -> None:
        """Hand in one picture.

        Args:
            picture: RGB, uint8, (height, width, 3); must not be changed afterwards.
            wait: While the encoder is behind; else this one is left out then.
            number: Of the picture, if it is later than the next one's.

        Raises:
            ValueError: If the picture has another size, or the encoder is closed.
            CarlaSaliencyError: If an earlier picture could not be encoded.
        """
        if picture.shape != self._shape or picture.dtype != "uint8":
            raise ValueError(
                f"a picture must be {self._shape} uint8, received {picture.shape} {picture.dtype}"
            )
        self._begin()
        self.check()
        self.count = max(self.count, number)
        if wait or not self._room.empty():
            self._room.get()
            self._items.put((self.count, picture))
        self.count += 1

    def between(self, job: Callable[[], None]) -> None:
        """Run a job in the encoder's thread, between the pictures so far and the next one.

        The sinks have all pieces of the former by then, and the next one will be a key picture.

        Args:
            job: Must not raise, nor take long.

        Raises:
            ValueError: If the encoder is closed.
        """
        self._begin()
        self._items.put(job)

    def close(self) -> None:
        """Encode what is left, and wait for it."""
        if not self._closed:
            self._closed = True
            if self._thread is not None:
                self._items.put(None)
                wait_for(self._done)

    def check(self) -> None:
        """Raise what went wrong in the thread.

        Raises:
            CarlaSaliencyError: If a picture could not be encoded.
        """
        if self._trouble is not None:
            raise CarlaSaliencyError(
                f"recording stopped: a picture could not be encoded ({self._trouble}); "
                "what was recorded so far can be played; record anew, in a smaller --res"
            ) from self._trouble

    # -------------------------------------------------------------- inside

    def _begin(self) -> None:
        if self._closed:
            raise ValueError("the video is closed: no more pictures can be written to it")
        if self._thread is None:
            self._thread = Thread(target=self._work, name="video", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            self._encode_all()
        finally:
            self._done.put(None)

    def _encode_all(self) -> None:
        while (item := self._items.get()) is not None:
            if callable(item):
                self._encode(None)
                item()
            else:
                number, picture = item
                self._encode(picture, number)
                self._room.put(None)
        self._encode(None)

    def _encode(self, picture: Image | None, number: int = 0) -> None:
        """Encode one picture, or (None) all that the encoder still holds."""
        if self._trouble is not None:  # only empty the queue, so that nobody waits for ever
            return
        try:
            for piece in self._pieces(picture, number):
                for sink in self.sinks:
                    sink(piece)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that hands in pictures
            self._trouble = error

    def _pieces(self, picture: Image | None, number: int) -> list[Piece]:
        if picture is None:
            codec, self._codec = self._codec, None  # the next one begins with a key picture
            packets = [] if codec is None else codec.encode(None)
        else:
            self._codec = self._codec or self._open()
            # without a copy, which would take 2 ms and the lock of all threads
            rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(picture), format="rgb24")
            frame = rgb.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", threads=1
            )
            frame.pts, frame.time_base = number, 1 / self._clock
            packets = self._codec.encode(frame)
        return [Piece(bytes(one), one.pts or 0, one.is_keyframe) for one in packets]

    def _open(self) -> VideoCodecContext:
        codec = av.CodecContext.create(self._options.encoder, "w")
        assert isinstance(codec, VideoCodecContext)
        codec.height, codec.width, _ = self._shape
        codec.pix_fmt = "yuv420p"
        codec.framerate, codec.time_base = self._rate, 1 / self._clock
        codec.options = self._options.told(float(self._rate))
        return codec


def _require(options: VideoOptions) -> None:
    try:
        av.Codec(options.encoder, "w")
    except ValueError as error:  # PyAV's UnknownCodecError is one
        raise BadInputError(
            f"--codec {options.codec} needs {options.encoder}, which this PyAV was built without; "
            "choose another --codec, or install PyAV from PyPI"
        ) from error
