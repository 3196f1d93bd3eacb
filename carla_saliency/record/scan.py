"""What of an MCAP file is whole, whatever happened to it: read once from begin to end."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable

from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    Metadata,
    MetadataIndex,
    Schema,
)

from carla_saliency.record import format as the
from carla_saliency.record.layout import (
    CHUNK,
    CHUNK_HEAD,
    FILLER,
    HEAD,
    MAGIC,
    Entries,
    bytes_of,
    entries_of,
    message_index,
    parsed,
    records_in,
)
from carla_saliency.record.whole import HARMED, Whole

_RECORD_LIMIT = 256 << 20  # ours are a few MB; a damaged length must not fill the memory
_WINDOW = 8 << 20
_TAKEN = (
    *(Opcode.HEADER, Opcode.SCHEMA, Opcode.CHANNEL, Opcode.CHUNK),
    *(Opcode.ATTACHMENT, Opcode.METADATA, Opcode.DATA_END, FILLER),
)
_OURS = {channel.topic: channel.schema for channel in the.CHANNELS}


class Scanner:
    """Scans one file.

    Args:
        fd: Of the file, readable.
        advance: Is told how many bytes more were read.
    """

    def __init__(self, fd: int, advance: Callable[[int], None]) -> None:
        self._fd, self._advance = fd, advance
        self._size = os.fstat(fd).st_size
        self._found = Whole()

    def run(self) -> Whole:
        """Return what is whole.

        Raises:
            ValueError: If it is no MCAP file.
            OSError: If it can't be read.
        """
        place = self._start()
        while place < self._size:
            opcode, after = self._record(place)
            if opcode == Opcode.DATA_END:
                break
            if after is None:
                after = self._next_chunk(place + HEAD.size)
                self._damaged(place, after)
            if after is None or self._found.index:
                place = after or place
                break
            self._advance(after - place)
            place = after
        self._found.end = min(place, self._size)
        return self._found

    # -------------------------------------------------------------- inside

    def _read(self, place: int, count: int) -> bytes:
        return os.pread(self._fd, count, place)

    def _start(self) -> int:
        begin = self._read(0, len(MAGIC) + 1)
        if begin[:-1] != MAGIC:
            if len(begin) <= len(MAGIC) or begin[-1] != Opcode.HEADER:
                raise ValueError("it does not begin as an MCAP file does")
            self._found.patches.append((0, MAGIC))
        return len(MAGIC)

    def _record(self, place: int) -> tuple[int, int | None]:
        """Take one record; return its opcode and where the next begins, None if it is damaged."""
        head = self._read(place, HEAD.size)
        if len(head) < HEAD.size:
            return 0, None
        opcode, length = HEAD.unpack(head)
        after = place + HEAD.size + length
        if after > self._size or opcode not in _TAKEN:
            return 0, None
        if opcode != FILLER and length > (4 if opcode == Opcode.DATA_END else _RECORD_LIMIT):
            return 0, None
        try:
            return opcode, self._take(opcode, place, after)
        except HARMED:
            return 0, None

    def _take(self, opcode: int, place: int, after: int) -> int | None:
        if opcode in (FILLER, Opcode.DATA_END):
            return after
        body = self._read(place + HEAD.size, after - place - HEAD.size)
        if opcode == Opcode.CHUNK:
            return self._chunk(place, body)
        length = after - place
        record = parsed(opcode, body)
        if isinstance(record, (Schema, Channel)):
            self._found.register(record)
        elif isinstance(record, Metadata):
            self._found.metadata.append(MetadataIndex(place, length, record.name))
        elif isinstance(record, Attachment):
            if zlib.crc32(body[:-4]) != struct.unpack("<I", body[-4:])[0]:
                return None
            about = (record.log_time, record.create_time, len(record.data), record.name)
            self._found.attachments.append(
                AttachmentIndex(place, length, *about, record.media_type)
            )
        return after

    def _chunk(self, place: int, body: bytes) -> int | None:
        """Take a chunk and the index of its messages, which follows it."""
        crc = CHUNK_HEAD.unpack_from(body)[3]
        data = body[CHUNK_HEAD.size :]
        if zlib.crc32(data) != crc:
            return None
        times, entries = self._chunk_records(data)
        head = CHUNK_HEAD.pack(min(times), max(times), len(data), crc, 0, len(data))
        if head != body[: CHUNK_HEAD.size]:
            self._found.patches.append((place + HEAD.size, head))
        index_place = place + HEAD.size + len(body)
        offsets, index = message_index(entries, index_place)
        after = self._message_index(index_place, index)
        self._found.add_chunk(place, times, len(data), entries, offsets, len(index))
        return after

    def _chunk_records(self, data: bytes) -> tuple[list[int], Entries]:
        """Return what `entries_of` does; channels become known.

        Raises:
            ValueError: If a message is of no known channel, or there is none.
        """
        for one in records_in(data):
            record = parsed(one.opcode, data[one.start + HEAD.size : one.end])
            if isinstance(record, (Schema, Channel)):
                self._found.register(record)
        times, entries = entries_of(data)
        if not times or not entries.keys() <= self._found.channels.keys():
            raise ValueError("a chunk has messages of unknown channels, or none")
        return times, entries

    def _message_index(self, place: int, index: bytes) -> int:
        """Return what comes after the index of a chunk, as it is or as it should be."""
        there = self._read(place, len(index))
        after = place + len(index)
        if there == index:
            return after
        if after > self._size:
            self._found.index = index
            return place
        follows = self._read(after, 1)
        if follows and follows[0] not in _TAKEN and not index.startswith(there.rstrip(b"\0")):
            raise ValueError("a chunk has no index")
        self._found.patches.append((place, index))
        return after

    def _damaged(self, place: int, after: int | None) -> None:
        """Note what is damaged from here to the next whole chunk, or (None) to the end."""
        count = (self._size if after is None else after) - place
        self._found.lost += count
        data = self._read(place, min(count, _RECORD_LIMIT))
        if after is None:
            self._found.torn = data
            return
        self._found.holes += 1
        saved = self._channels_in(data)
        if len(saved) + HEAD.size > count:
            saved = b""
        filler = HEAD.pack(FILLER, count - len(saved) - HEAD.size)
        self._found.patches.append((place, saved + filler))

    def _channels_in(self, torn: bytes) -> bytes:
        """Return records that say which channels a damaged chunk makes known."""
        saved = b""
        data = torn[HEAD.size + CHUNK_HEAD.size :] if torn[0] == Opcode.CHUNK else b""
        for one in records_in(data):
            try:
                channel = parsed(one.opcode, data[one.start + HEAD.size : one.end])
            except HARMED:
                continue
            if not isinstance(channel, Channel) or channel.topic not in _OURS:
                continue
            ours = _OURS[channel.topic]  # a schema of ours only ever gets more fields
            schema = Schema(channel.schema_id, ours.data, "protobuf", ours.name)
            for record in (schema, channel):
                self._found.register(record)
                saved += bytes_of(record)
        return saved

    def _next_chunk(self, place: int) -> int | None:
        """Return where the next whole chunk begins."""
        while place < self._size:
            window = self._read(place, _WINDOW + HEAD.size + CHUNK_HEAD.size)
            for match in CHUNK.finditer(window, 0, _WINDOW):
                if self._is_chunk(place + match.start()):
                    return place + match.start()
            place += _WINDOW
        return None

    def _is_chunk(self, place: int) -> bool:
        head = self._read(place, HEAD.size + CHUNK_HEAD.size)
        if len(head) < HEAD.size + CHUNK_HEAD.size:
            return False
        (_, length), (*_, crc, _, size) = HEAD.unpack_from(head), CHUNK_HEAD.unpack_from(head, 9)
        if length != CHUNK_HEAD.size + size or place + HEAD.size + length > self._size:
            return False
        if size > _RECORD_LIMIT:
            return False
        return zlib.crc32(self._read(place + len(head), size)) == int(crc)
