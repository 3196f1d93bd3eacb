"""Finishes a record that was not finished, or is damaged, in its place.

What is whole stays where it is: only the end of the file is written anew, with the indexes that a
finished one has, so that it takes hardly any disk, whatever the size.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Metadata

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.record import format as the
from carla_saliency.record.ending import end_of_file, rest_of_chunk
from carla_saliency.record.facts import Facts
from carla_saliency.record.layout import CHUNK_HEAD, HEAD, MAGIC, parsed
from carla_saliency.record.scan import Scanner
from carla_saliency.record.whole import HARMED, Whole

_DATA_END, _FOOTER = struct.Struct("<BQI"), struct.Struct("<BQQQI")
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Repaired:
    """What is in a file after its repair.

    Attributes:
        was_whole: It was finished and whole, and is as it was.
        steps: That it has.
        seconds: Simulated, that they last.
        lost_bytes: That were not whole.
        holes: Places before the end where steps are missing.
    """

    was_whole: bool
    steps: int
    seconds: float
    lost_bytes: int
    holes: int


def repair(path: Path, advance: Callable[[int], None] = lambda _: None) -> Repaired:
    """Finish the MCAP file of a record.

    Nothing is lost by it: if the disk has no room for the new end, or all ends in the middle of it,
    the file can be read and repaired as before.

    Args:
        path: The file.
        advance: Is told how many bytes more were looked at.

    Raises:
        BadInputError: If it is no record of ours, or is still being written.
        CarlaSaliencyError: If nothing can be saved, or it can't be written; it is as it was then.
    """
    try:
        with _alone(path) as fd:
            return _repair(fd, path, advance)
    except OSError as error:
        raise CarlaSaliencyError(f"{path} can't be repaired: {error.strerror or error}") from error


def _repair(fd: int, path: Path, advance: Callable[[int], None]) -> Repaired:
    try:
        whole = Scanner(fd, advance).run()
    except ValueError as error:
        raise BadInputError(f"{path} is no record of a drive: {error}") from error
    facts = _facts(fd, whole, path)
    was_whole = not whole.patches and not whole.index and _is_finished(fd, whole)
    lost = whole.lost
    if not was_whole:
        chunk, saved = rest_of_chunk(whole, whole.end + len(whole.index))
        lost -= saved
        end = whole.index + chunk
        end += end_of_file(whole, whole.end + len(end))
        if not whole.steps:
            raise CarlaSaliencyError(f"{path}: nothing can be saved: it has no whole step")
        _write(fd, path, whole, end)
    return Repaired(was_whole, whole.steps, whole.steps / facts.rate_hz, lost, whole.holes)


def require_finished_writing(path: Path) -> None:
    """Refuse a file that somebody writes to; one that is not there passes.

    Raises:
        BadInputError: If somebody does.
        OSError: If it can't be read.
    """
    if not path.exists():
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # a lease to read is refused where somebody has the file open to write; some disks have none
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise BadInputError(f"{path} is still being written: end that drive first") from None
    finally:
        os.close(fd)


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Open a file that nobody writes to.

    Raises:
        BadInputError: If somebody does, or it is not there.
        OSError: If it can't be written.
    """
    if not path.exists():
        raise BadInputError(f"{path} is not there: expected a record of a drive")
    require_finished_writing(path)
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _facts(fd: int, whole: Whole, path: Path) -> Facts:
    """Return what the record says of its drive.

    Raises:
        BadInputError: If it says nothing.
        CarlaSaliencyError: If that is damaged.
    """
    for one in whole.metadata:
        if one.name != the.METADATA:
            continue
        record = parsed(
            Opcode.METADATA, os.pread(fd, one.length - HEAD.size, one.offset + HEAD.size)
        )
        assert isinstance(record, Metadata)
        try:
            return Facts.from_json(record.metadata[the.METADATA])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CarlaSaliencyError(
                f"{path}: what it says of its drive is damaged ({error}), so that it can't be "
                "repaired; mcap's own tools may recover its pictures: mcap recover"
            ) from error
    raise BadInputError(f"{path} is no record of a drive: it says nothing of one")


def _is_finished(fd: int, whole: Whole) -> bool:
    """Return whether the end of the file is whole, and names all that was found."""
    size = os.fstat(fd).st_size
    data_end = os.pread(fd, _DATA_END.size, whole.end)
    footer = os.pread(fd, _FOOTER.size + len(MAGIC), size - _FOOTER.size - len(MAGIC))
    if len(data_end) < _DATA_END.size or data_end[0] != Opcode.DATA_END:
        return False
    opcode, _, start, _, crc = _FOOTER.unpack_from(footer)
    if opcode != Opcode.FOOTER or footer[_FOOTER.size :] != MAGIC:
        return False
    if start != whole.end + _DATA_END.size:
        return False
    summary = os.pread(fd, size - len(MAGIC) - 4 - start, start)
    if crc not in (0, zlib.crc32(summary)):
        return False
    return _summary_names(fd, whole)


def _summary_names(fd: int, whole: Whole) -> bool:
    try:
        with open(fd, "rb", closefd=False) as file:
            summary = SeekingReader(file).get_summary()
    except HARMED:
        return False
    return summary is not None and (
        summary.chunk_indexes == whole.chunks
        and summary.metadata_indexes == whole.metadata
        and summary.attachment_indexes == whole.attachments
        and summary.channels == whole.channels
        and summary.schemas == whole.schemas
    )


def _write(fd: int, path: Path, whole: Whole, end: bytes) -> None:
    """Write the patches and the end.

    The room for it is taken first, as zeros: that alone can fail because the disk is full, and is
    undone then. All after it goes over bytes that the file has already.

    Raises:
        CarlaSaliencyError: If there is no room.
        OSError: If it can't be written.
    """
    size, new_size = os.fstat(fd).st_size, whole.end + len(end)
    try:
        if new_size > size:
            os.posix_fallocate(fd, size, new_size - size)
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(fd, size)
        if error.errno in _FULL:
            raise CarlaSaliencyError(
                f"{path} can't be repaired, its disk is full: free {_room(new_size - size)} there "
                "and repair it again"
            ) from error
        raise
    # the begin goes last: with it a chunk counts as whole, if the end begins with one
    begin = HEAD.size + CHUNK_HEAD.size
    pieces = (whole.end + begin, end[begin:]), (whole.end, end[:begin])
    for place, data in (*whole.patches, *pieces):
        _write_all(fd, data, place)
    os.ftruncate(fd, new_size)
    os.fsync(fd)


def _write_all(fd: int, data: bytes, place: int) -> None:
    while data:
        count = os.pwrite(fd, data, place)
        data, place = data[count:], place + count


def _room(count: int) -> str:
    blocks = count // 4096 + 2
    return f"{blocks * 4} kB" if blocks < 250 else f"{blocks / 244 + 0.1:.1f} MB"
