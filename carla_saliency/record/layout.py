"""How the bytes of an MCAP file lie: what the library does not tell of where its records are."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    Channel,
    McapRecord,
    MessageIndex,
    Metadata,
    Schema,
)

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # of each record: opcode, length of what follows
MESSAGE = struct.Struct("<HIQQ")  # of a message: channel, sequence, log time, publish time
CHUNK_HEAD = struct.Struct("<QQQIIQ")  # times, bytes, CRC, (no name of a compression), bytes
FILLER = 0x80  # an opcode that all readers skip
# how an uncompressed chunk begins: lengths below 4 GB, no name of a compression
CHUNK = re.compile(rb"\x06(?=.{4}\0{4}.{20}\0{4}.{4}\0{4}.{4}\0{4})", re.DOTALL)
Entries = dict[int, list[tuple[int, int]]]
"""Channel -> (log time, where it begins in the chunk's records) of each of its messages."""
_INSIDE = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)


@dataclass(frozen=True)
class Inner:
    """One record inside of a chunk.

    Attributes:
        opcode: What kind it is.
        start: Where it begins in the chunk's records, in bytes.
        end: Where it ends.
    """

    opcode: int
    start: int
    end: int


def records_in(data: bytes) -> Iterator[Inner]:
    """Yield the records inside of a chunk as far as they are whole."""
    place = 0
    while place + HEAD.size <= len(data):
        opcode, length = HEAD.unpack_from(data, place)
        end = place + HEAD.size + length
        least = MESSAGE.size if opcode == Opcode.MESSAGE else 0
        if end > len(data) or opcode not in _INSIDE or length < least:
            return
        yield Inner(opcode, place, end)
        place = end


def entries_of(data: bytes) -> tuple[list[int], Entries]:
    """Return the log times of the messages in a chunk, and its messages by channel.

    Raises:
        ValueError: If it is not made of whole records.
    """
    times: list[int] = []
    entries: Entries = {}
    end = 0
    for one in records_in(data):
        end = one.end
        if one.opcode == Opcode.MESSAGE:
            number, _, time_ns, _ = MESSAGE.unpack_from(data, one.start + HEAD.size)
            times.append(time_ns)
            entries.setdefault(number, []).append((time_ns, one.start))
    if end != len(data):
        raise ValueError("a chunk is not made of whole records")
    return times, entries


def message_index(entries: Entries, place: int) -> tuple[dict[int, int], bytes]:
    """Return where the index of each channel is, and the index of a chunk.

    Args:
        entries: Of the chunk.
        place: Of the index in the file.
    """
    index = b""
    offsets = {}
    for number, records in entries.items():
        offsets[number] = place + len(index)
        index += bytes_of(MessageIndex(number, records))
    return offsets, index


def parsed(opcode: int, body: bytes) -> McapRecord | None:
    """Return a record; None if it is of a kind that no repair has to know.

    Raises:
        McapError: If it is damaged; so do struct.error and UnicodeDecodeError.
    """
    kinds: dict[int, Callable[[ReadDataStream], McapRecord]] = {
        Opcode.SCHEMA: Schema.read,
        Opcode.CHANNEL: Channel.read,
        Opcode.ATTACHMENT: Attachment.read,
        Opcode.METADATA: Metadata.read,
    }
    read = kinds.get(opcode)
    return None if read is None else read(ReadDataStream(BytesIO(body)))


def bytes_of(*records: McapRecord) -> bytes:
    """Return records as they are in the file."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]
