"""Reads the MCAP file of a record: its index at once, a chunk when it is asked for."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Chunk, ChunkIndex, Message
from mcap.stream_reader import breakup_chunk

from carla_saliency.errors import BadInputError
from carla_saliency.record import format as the
from carla_saliency.record.facts import Facts
from carla_saliency.record.layout import CHUNK_HEAD, HEAD, MESSAGE

_UNREADABLE = (
    *(McapError, DecodeError, struct.error, UnicodeDecodeError, OSError),
    *(ValueError, KeyError, TypeError, AttributeError),
)
_ENTRY = struct.Struct("<BQHIQQ")  # index of one message: .., channel, bytes, log time, offset


class DamagedError(Exception):
    """A chunk cannot be read; the text says why."""


@dataclass(frozen=True)
class ChunkPlace:
    """Where a chunk is, and what it holds.

    Attributes:
        index: Of the file.
        contents: A `Contents` message.
    """

    index: ChunkIndex
    contents: Any


class Stored:
    """The file of a finished record.

    Args:
        folder: Of the record.

    Attributes:
        facts: Of the drive.
        chunks: In order.

    Raises:
        BadInputError: If the file was not finished, or is no record of ours.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / the.FILE_NAME
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._open(path)
        except _UNREADABLE as error:
            self.close()
            raise BadInputError(
                f"the record in {folder} was not finished, or is damaged at its end ({error}); "
                f"run carla-saliency repair {folder}"
            ) from error
        except BaseException:
            self.close()
            raise

    def read(self, place: ChunkPlace) -> list[dict[str, list[bytes]]]:
        """Return the messages of a chunk's steps: of each, topic -> all of them.

        Raises:
            DamagedError: If it is not as it was written.
        """
        index = place.index
        try:
            data = os.pread(self._fd, index.chunk_length, index.chunk_start_offset)
            stream = ReadDataStream(BytesIO(data[HEAD.size :]))
            records = breakup_chunk(Chunk.read(stream), validate_crc=True)
        except _UNREADABLE as error:
            raise DamagedError(str(error) or type(error).__name__) from error
        return self._by_step(record for record in records if isinstance(record, Message))

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # -------------------------------------------------------------- inside

    def _open(self, path: Path) -> None:
        with path.open("rb") as file:
            reader = SeekingReader(file)
            summary = reader.get_summary()
            facts = [one.metadata for one in reader.iter_metadata() if one.name == the.METADATA]
        if summary is None:
            raise ValueError("it has no index")
        if not facts:
            raise BadInputError(f"{path} was not written by carla-saliency drive --record")
        self.facts = Facts.from_json(facts[0][the.METADATA])
        self._topics = {number: channel.topic for number, channel in summary.channels.items()}
        numbers = {topic: number for number, topic in self._topics.items()}
        contents = numbers.get(the.CONTENTS.topic, 0)
        chunks = sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset)
        self.chunks = [ChunkPlace(index, self._contents(index, contents)) for index in chunks]

    def _contents(self, index: ChunkIndex, channel: int) -> Any:
        """Return what a chunk holds, without reading it: it says so in its last message."""
        if index.compression or channel not in index.message_index_offsets:
            raise ValueError("another program has changed it")
        entry = os.pread(self._fd, _ENTRY.size, index.message_index_offsets[channel])
        offset: int = _ENTRY.unpack(entry)[-1]
        start = index.chunk_start_offset + HEAD.size + CHUNK_HEAD.size + offset
        end = index.chunk_start_offset + index.chunk_length
        data = os.pread(self._fd, end - start, start)
        opcode, length = HEAD.unpack_from(data)
        if opcode != Opcode.MESSAGE or HEAD.size + length != len(data):
            raise ValueError("a chunk does not say what it holds")
        return the.CONTENTS.schema.message.FromString(data[HEAD.size + MESSAGE.size :])

    def _by_step(self, messages: Iterable[Message]) -> list[dict[str, list[bytes]]]:
        steps: list[dict[str, list[bytes]]] = []
        nearest: list[bytes] = []
        for message in messages:
            topic = self._topics[message.channel_id]
            if topic == the.STEP.topic:
                steps.append({the.NEAREST.topic: nearest})
            if not steps:  # a line of the log between two steps
                continue
            if topic == the.NEAREST.topic:  # is only said again when it changes
                nearest = steps[-1][topic] = [message.data]
            else:
                steps[-1].setdefault(topic, []).append(message.data)
        return steps
