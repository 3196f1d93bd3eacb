"""Finishes an MP4 file whose recording was cut off."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import av

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.faststart import make_faststart

_BOX = struct.Struct(">I4s")  # of each box: bytes with this head, kind
_KINDS = (b"ftyp", b"moov", b"moof", b"mdat", b"mfra", b"free", b"sidx", b"styp", b"prft", b"wide")
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class RepairedVideo:
    """What is in a file after its repair.

    Attributes:
        was_whole: It was finished and whole, and is as it was.
        pictures: That it has.
        seconds: That they last.
        lost_bytes: That were not whole.
        trouble: Why it plays, but could not be finished; "" if it is.
    """

    was_whole: bool
    pictures: int
    seconds: float
    lost_bytes: int
    trouble: str = ""


def repair_video(path: Path) -> RepairedVideo:
    """Drop the last piece of an MP4 file if it is not whole, and put its index to the begin.

    Args:
        path: The file. It is replaced by the finished one once that is whole; where there is no
            room for both, what can be played stays.

    Raises:
        BadInputError: If it is no MP4 file.
        CarlaSaliencyError: If it has no picture, or can't be read or written.
    """
    try:
        kinds, end = _boxes(path)
        size = path.stat().st_size
        if kinds[:1] != [b"ftyp"]:
            raise BadInputError(f"{path} is no MP4 video: expected one that was recorded")
        if b"moov" not in kinds or b"mdat" not in kinds:
            raise CarlaSaliencyError(f"{path}: nothing can be saved: it has no whole picture")
        was_whole = end == size and b"moof" not in kinds
        was_whole = was_whole and kinds.index(b"moov") < kinds.index(b"mdat")
        if end < size:
            os.truncate(path, end)
        trouble = "" if was_whole else _try_to_finish(path)
        pictures, seconds = _length(path)
    except (OSError, av.FFmpegError) as error:
        why = getattr(error, "strerror", None) or error
        raise CarlaSaliencyError(f"{path} can't be repaired: {why}") from error
    return RepairedVideo(was_whole, pictures, seconds, size - end, trouble)


def _boxes(path: Path) -> tuple[list[bytes], int]:
    """Return the kinds of the boxes that are whole, and where they end; a moof needs its mdat."""
    kinds: list[bytes] = []
    size, end, place = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while place + _BOX.size <= size:
            file.seek(place)
            count, kind = _BOX.unpack(file.read(_BOX.size))
            if count == 1:  # it is longer than 4 GB
                count = int.from_bytes(file.read(8))
            if count < _BOX.size or place + count > size or kind not in _KINDS:
                break
            kinds.append(kind)
            place += count
            if kind != b"moof":
                end = place
    if kinds[-1:] == [b"moof"]:
        kinds.pop()
    return kinds, end


def _try_to_finish(path: Path) -> str:
    """Put the index first; return what was against it, as far as that can be mended."""
    try:
        make_faststart(path)
    except OSError as error:  # PyAV's are such too
        if error.errno not in _FULL:
            raise
        return (
            f"its disk has no room for a finished one: free {path.stat().st_size / 1e6:.1f} MB "
            "there and repair it again"
        )
    return ""


def _length(path: Path) -> tuple[int, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        if not packets:
            raise CarlaSaliencyError(f"{path}: nothing can be saved: it has no whole picture")
        last = max(packets, key=lambda packet: packet.pts or 0)
        end = (last.pts or 0) + (last.duration or 0)
        return len(packets), float(end * (last.time_base or 0))
