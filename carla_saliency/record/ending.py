"""The end of a finished MCAP file, and what is left of a last chunk that is not whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    Chunk,
    DataEnd,
    Footer,
    McapRecord,
    Message,
    Schema,
    Statistics,
    SummaryOffset,
)

from carla_saliency.record import format as the
from carla_saliency.record.encode import contents_message
from carla_saliency.record.layout import (
    CHUNK_HEAD,
    HEAD,
    MAGIC,
    MESSAGE,
    Inner,
    bytes_of,
    entries_of,
    message_index,
    parsed,
    records_in,
)
from carla_saliency.record.whole import HARMED, Whole

_ZEROS = 16  # so many at the end were never written, by a computer that lost its power


def rest_of_chunk(whole: Whole, place: int) -> tuple[bytes, int]:
    """Return a chunk of the whole steps that a torn last chunk has, and add it to what is whole.

    A step is whole if another one, or what ends a chunk, comes after it.

    Args:
        whole: Is changed.
        place: Where in the file the chunk will be.

    Returns:
        The chunk with its index, and how many bytes of the torn one are in it; nothing and 0 if it
        has no whole step.
    """
    data = _torn_records(whole.torn)
    try:
        data = data[: _whole_end(data, whole.topics)]
        told = _Told()
        for one in records_in(data):
            told.add(one, data, whole)
    except HARMED:
        return b"", 0
    if not told.frame_ids:
        return b"", 0
    number, new = _contents_channel(whole)
    _, message = contents_message(told.frame_ids, told.sim_s, told.events)
    last = Message(number, told.time_ns, message, told.time_ns, told.sequence + 1)
    return _chunk(whole, place, data + bytes_of(*new, last)), len(data)


def end_of_file(whole: Whole, place: int) -> bytes:
    """Return all that comes after the last chunk of a finished file.

    Args:
        whole: What the file has.
        place: Where in the file it begins.
    """
    groups: Sequence[tuple[int, Iterable[McapRecord]]] = (
        (Opcode.SCHEMA, whole.schemas.values()),
        (Opcode.CHANNEL, whole.channels.values()),
        (Opcode.STATISTICS, (_statistics(whole),)),
        (Opcode.CHUNK_INDEX, whole.chunks),
        (Opcode.ATTACHMENT_INDEX, whole.attachments),
        (Opcode.METADATA_INDEX, whole.metadata),
    )
    data_end = bytes_of(DataEnd(0))
    start = place + len(data_end)
    summary, offsets = b"", b""
    for opcode, records in groups:
        group = bytes_of(*records)
        offsets += bytes_of(SummaryOffset(opcode, start + len(summary), len(group)))
        summary += group
    offsets_start = start + len(summary)
    summary += offsets
    footer = bytes_of(Footer(start, offsets_start, 0))
    crc = zlib.crc32(summary + footer[:-4])
    return data_end + summary + footer[:-4] + struct.pack("<I", crc) + MAGIC


# ------------------------------------------------------------------ inside


def _torn_records(torn: bytes) -> bytes:
    """Return what a torn chunk has of its records; nothing of one that is damaged otherwise."""
    if len(torn) < HEAD.size + CHUNK_HEAD.size or torn[0] != Opcode.CHUNK:
        return b""
    *_, name_size, size = CHUNK_HEAD.unpack_from(torn, HEAD.size)
    if name_size:
        return b""
    data = torn[HEAD.size + CHUNK_HEAD.size :][:size]
    written = data.rstrip(b"\0")
    if len(data) - len(written) < _ZEROS:
        written = data
    ends = [one.end for one in records_in(written)]
    return b"" if ends and ends[-1] == size else written  # complete, but not what was written


def _whole_end(data: bytes, known: Mapping[int, str]) -> int:
    """Return where the last step that is surely whole ends."""
    topics = dict(known)
    end = 0
    for one in records_in(data):
        record = parsed(one.opcode, data[one.start + HEAD.size : one.end])
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        if one.opcode != Opcode.MESSAGE:
            continue
        topic = topics.get(MESSAGE.unpack_from(data, one.start + HEAD.size)[0])
        if topic in (None, the.STEP.topic, the.CONTENTS.topic):
            end = end if topic is None else one.start
        if topic in (None, the.CONTENTS.topic):
            break
    return end


class _Told:
    """What the records of a chunk say that has to be said again at its end."""

    def __init__(self) -> None:
        self.frame_ids: list[int] = []
        self.sim_s: list[float] = []
        self.events: list[dict[str, Any]] = []
        self.time_ns = self.sequence = 0

    def add(self, one: Inner, data: bytes, whole: Whole) -> None:
        """Take one record; a new channel becomes known."""
        body = data[one.start + HEAD.size : one.end]
        record = parsed(one.opcode, body)
        if isinstance(record, (Schema, Channel)):
            whole.register(record)
        if one.opcode != Opcode.MESSAGE:
            return
        number, sequence, time_ns, _ = MESSAGE.unpack_from(body)
        topic = whole.topics[number]
        if topic == the.STEP.topic:
            step = the.STEP.schema.message.FromString(body[MESSAGE.size :])
            self.frame_ids.append(step.frame_id)
            self.sim_s.append(step.sim_s)
            self.time_ns, self.sequence = time_ns, sequence
        elif topic == the.EVENT.topic:
            event = the.EVENT.schema.message.FromString(body[MESSAGE.size :])
            fields = {name: getattr(event, name) for name in ("kind", "frame_id", "text", "found")}
            self.events.append({**fields, "step": len(self.frame_ids) - 1})


def _contents_channel(whole: Whole) -> tuple[int, list[McapRecord]]:
    """Return the number of the channel that ends chunks, and what makes it known if it is new."""
    topic, schema = the.CONTENTS.topic, the.CONTENTS.schema
    for number, known in whole.topics.items():
        if known == topic:
            return number, []
    about = Schema(max(whole.schemas, default=0) + 1, schema.data, "protobuf", schema.name)
    number = max(whole.channels, default=0) + 1
    channel = Channel(number, topic, "protobuf", {}, about.id)
    whole.register(about)
    whole.register(channel)
    return number, [about, channel]


def _chunk(whole: Whole, place: int, data: bytes) -> bytes:
    times, entries = entries_of(data)
    crc = zlib.crc32(data)
    chunk = bytes_of(Chunk("", data, max(times), min(times), crc, len(data)))
    offsets, index = message_index(entries, place + len(chunk))
    whole.add_chunk(place, times, len(data), entries, offsets, len(index))
    return chunk + index


def _statistics(whole: Whole) -> Statistics:
    return Statistics(
        attachment_count=len(whole.attachments),
        channel_count=len(whole.channels),
        channel_message_counts=dict(whole.counts),
        chunk_count=len(whole.chunks),
        message_count=whole.counts.total(),
        message_end_time=max((one.message_end_time for one in whole.chunks), default=0),
        message_start_time=min((one.message_start_time for one in whole.chunks), default=0),
        metadata_count=len(whole.metadata),
        schema_count=len(whole.schemas),
    )
