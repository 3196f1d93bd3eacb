"""Videos: anything that FFmpeg's libraries open from a file."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError
from carla_saliency.sources.source import Broken, Picture

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

USUAL_RATE = 25.0  # where a file does not say how fast it is
HIGHEST_RATE = 240.0  # a file that says more counts time in milliseconds, not pictures
WIDEST_PIXEL = 8.0  # a file that says more is wrong
CUT_OFF_S, CUT_OFF_SHARE = 0.5, 0.02  # missing at the end: less is how a container rounds


class VideoFile:
    """The pictures of a video's first stream, as a player shows them: turned, in order.

    Pixels that are not square are made so. Audio does not matter. The size is that of the first
    picture. What can't be decoded is named and left out; a file that ends too soon is named after
    its last picture.

    Args:
        path: The file.

    Attributes:
        path: The file.
        rate: Pictures per second of the whole video, also where the time between them varies.
        count: How many pictures it should have.
    """

    moving = keeps_times = True

    def __init__(self, path: Path) -> None:
        import av  # 0.1 s that pictures need not wait for

        self.path = path
        self.rate, self.count = USUAL_RATE, None
        with suppress(OSError, av.FFmpegError, BadInputError), _opened(path) as (_, stream):
            self.rate = _rate(stream)
            self.count = _count(stream, self.rate)

    def read(self, every: int = 1) -> Iterator[Picture | Broken]:
        """Yield the pictures, or of so many the first one, and what is broken."""
        import av

        reading = _Reading(self.path, self.rate, every)
        try:
            with _opened(self.path) as (container, stream):
                try:
                    for packet in container.demux(stream):
                        yield from reading.decode(stream, packet)
                except (OSError, av.FFmpegError):
                    yield from reading.decode(stream, None)  # what the decoder still holds
                    raise
                yield from reading.end(container, stream)
        except BadInputError as error:
            yield Broken(str(error))
        except (OSError, av.FFmpegError) as error:
            where, remedy = f"after {reading.count} pictures", ""
            if not reading.count:
                remedy = "; give a whole video, such as an MP4 file that plays"
            yield Broken(f"the video {self.path} can't be read {where}: {_reason(error)}{remedy}")


def is_video(path: Path) -> bool:
    """Return whether a file, whatever its name, has pictures that can be decoded."""
    import av

    with suppress(OSError, av.FFmpegError, BadInputError), _opened(path) as (container, _):
        return container.format.name != "tty"  # which takes any text for a terminal's recording
    return False


@dataclass(slots=True)
class _Reading:
    """How far a video has been read.

    Attributes:
        path: The file.
        rate: Pictures per second.
        every: Of so many pictures one is handed out.
        count: Pictures that could be read.
        broken: Pictures that could not.
        last_s: Time of the last picture, since the first.
    """

    path: Path
    rate: float
    every: int = 1
    count: int = 0
    broken: int = 0
    last_s: float = 0.0
    _first_s: float = 0.0
    _size: tuple[int, int] = (0, 0)

    def decode(
        self, stream: VideoStream, packet: Packet[VideoStream] | None
    ) -> Iterator[Picture | Broken]:
        """Yield what one packet gives, often nothing; without a packet, all that was held back."""
        import av

        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            yield self._broken(_time_s(packet), _reason(error))
            return
        for frame in frames:
            if frame.is_corrupt:  # made up by the decoder, from its neighbours
                yield self._broken(frame.time, "it is damaged")
                continue
            self._count(frame, stream)
            if (self.count - 1) % self.every == 0:
                yield self._picture(frame)

    def end(self, container: InputContainer, stream: VideoStream) -> Iterator[Broken]:
        """Yield what is wrong with the end of the file."""
        if self._is_cut_off(container, stream):
            yield Broken(
                f"the video {self.path} is cut off after {self.count} pictures "
                f"({self.last_s:.2f} s)"
            )
        elif self.count + self.broken == 0:
            yield Broken(f"{self.path} is a video without any picture in it")

    def _count(self, frame: VideoFrame, stream: VideoStream) -> None:
        time_s = frame.time
        if time_s is None or not math.isfinite(time_s):
            time_s = self.count / self.rate + self._first_s
        if self.count == 0:
            self._first_s, self._size = time_s, _shown_size(frame, stream)
        self.last_s = max(self.last_s, time_s - self._first_s)
        self.count += 1

    def _picture(self, frame: VideoFrame) -> Picture:
        # with threads of its own it takes three times as long
        rgb = frame.reformat(*self._size, format="rgb24", threads=1)
        image = np.asarray(rgb.to_ndarray(), np.uint8)
        upright = _turned(image, frame.rotation)
        return Picture(self.count - 1, self.path.name, upright, self.last_s)

    def _broken(self, at_s: float | None, reason: str) -> Broken:
        self.broken += 1
        where = "" if at_s is None else f" at {max(0.0, at_s - self._first_s):.2f} s"
        return Broken(f"the picture{where} of the video {self.path} can't be decoded: {reason}")

    def _is_cut_off(self, container: InputContainer, stream: VideoStream) -> bool:
        if "mp4" in _kinds(container) and _box_is_cut_off(self.path):
            return True
        expected_s = _expected_s(container, stream, self.rate)
        missing_s = expected_s - (self._first_s + self.last_s + 1 / self.rate)
        return missing_s > max(CUT_OFF_S, CUT_OFF_SHARE * expected_s)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and its first stream of pictures.

    Raises:
        BadInputError: If there is none.
        OSError: If it can't be read.
        FFmpegError: If it is no video.
    """
    with _container(path) as container:
        if not container.streams.video:
            raise BadInputError(f"{path} has no pictures in it: give a video or a PNG or JPEG")
        yield container, container.streams.video[0]


def _container(path: Path) -> InputContainer:
    import av

    # "file:" and the list: a name or a playlist must not make FFmpeg fetch something
    options = {"protocol_whitelist": "file,crypto,data"}
    try:
        return av.open(f"file:{path}", options=options)
    except (av.InvalidDataError, av.EOFError):
        # A recording that was killed may end within the table of a fragment: looked for in advance
        # that spoils the whole file, read on the way only its end.
        container = av.open(f"file:{path}", options={**options, "fflags": "ignidx"})
        if container.streams.video:
            return container
        container.close()
        raise


def _time_s(packet: Packet[VideoStream] | None) -> float | None:
    if packet is None or packet.pts is None or packet.time_base is None:
        return None
    return float(packet.pts * packet.time_base)


def _rate(stream: VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= HIGHEST_RATE else USUAL_RATE


def _count(stream: VideoStream, rate: float) -> int | None:
    if stream.frames:
        return int(stream.frames)
    if stream.duration and stream.time_base:
        return round(stream.duration * float(stream.time_base) * rate)
    said_s = _duration_tag_s(stream)
    return round(said_s * rate) if said_s else None


def _expected_s(container: InputContainer, stream: VideoStream, rate: float) -> float:
    """Return how long a file says that its pictures go on; 0 if its format does not promise it."""
    kinds = _kinds(container)
    if "avi" in kinds:
        return stream.frames / rate
    if "matroska" in kinds:
        all_s = (container.duration or 0) / 1e6
        return _duration_tag_s(stream) or (all_s if len(container.streams) == 1 else 0.0)
    return 0.0


def _kinds(container: InputContainer) -> list[str]:
    return container.format.name.split(",")


def _box_is_cut_off(path: Path) -> bool:
    """Return whether one of the boxes that an MP4 file consists of is longer than the file."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() + 8 <= end:
            start = file.tell()
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:  # the real one, too large for 32 bits, follows
                size = int.from_bytes(file.read(8), "big")
            if size < 8:  # 0: up to the end of the file; less: no box
                return False
            if start + size > end:
                return kind in (b"mdat", b"moof", b"moov")  # else it may be a camera's padding
            file.seek(start + size)
    return False


def _duration_tag_s(stream: VideoStream) -> float:
    """Return the seconds in Matroska's tag, for example "00:00:03.000000000"; 0 without."""
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return width and height with square pixels; neither side gets fewer than it has."""
    aspect = float(stream.sample_aspect_ratio or 1)  # width by height of a pixel
    if not WIDEST_PIXEL >= aspect >= 1 / WIDEST_PIXEL:
        return frame.width, frame.height
    if aspect >= 1:
        return round(frame.width * aspect), frame.height
    return frame.width, round(frame.height / aspect)


def _turned(image: Image, counterclockwise_deg: int) -> Image:
    """Return the picture upright: telephones turn the flag, not the pixels."""
    quarters = round(counterclockwise_deg / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
