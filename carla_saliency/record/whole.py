"""What of an MCAP file is whole."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from mcap.exceptions import McapError
from mcap.records import AttachmentIndex, Channel, ChunkIndex, MetadataIndex, Schema

from carla_saliency.record import format as the
from carla_saliency.record.layout import CHUNK_HEAD, HEAD, Entries

HARMED = (McapError, DecodeError, struct.error, ValueError)  # what damaged records raise


@dataclass
class Whole:
    """What is whole in a file, as its summary has to say it.

    Attributes:
        schemas: By their numbers.
        channels: By their numbers.
        chunks: As the summary is to name them; so are `metadata` and `attachments`.
        counts: Messages of each channel.
        patches: (offset, bytes) to be written over what is damaged before `end`.
        end: All before it is whole, once the patches are there; what comes then is to be written.
        index: Of the last chunk, where the file ends before it or in it; else nothing.
        torn: What is left of a last chunk that is not whole; else nothing.
        lost: Bytes that are not whole.
        holes: How many damaged places have whole chunks after them.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    metadata: list[MetadataIndex] = field(default_factory=list)
    attachments: list[AttachmentIndex] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    patches: list[tuple[int, bytes]] = field(default_factory=list)
    end: int = 0
    index: bytes = b""
    torn: bytes = b""
    lost: int = 0
    holes: int = 0

    @property
    def topics(self) -> dict[int, str]:
        """Return the topic of each channel, by its number."""
        return {number: channel.topic for number, channel in self.channels.items()}

    @property
    def steps(self) -> int:
        """Return how many steps there are."""
        return sum(self.counts[n] for n, topic in self.topics.items() if topic == the.STEP.topic)

    def register(self, record: Schema | Channel) -> None:
        """Have a schema or a channel known."""
        if isinstance(record, Schema):
            self.schemas.setdefault(record.id, record)
        else:
            self.channels.setdefault(record.id, record)

    def add_chunk(
        self,
        place: int,
        times: list[int],
        size: int,
        entries: Entries,
        offsets: dict[int, int],
        index_size: int,
    ) -> None:
        """Count an uncompressed chunk in.

        Args:
            place: Of the chunk in the file.
            times: Log times of its messages.
            size: Bytes of its records.
            entries: Its messages, by channel.
            offsets: Channel -> where its index is.
            index_size: Bytes of the index.
        """
        self.counts.update({number: len(one) for number, one in entries.items()})
        self.chunks.append(
            ChunkIndex(
                chunk_length=HEAD.size + CHUNK_HEAD.size + size,
                chunk_start_offset=place,
                compression="",
                compressed_size=size,
                message_end_time=max(times),
                message_index_length=index_size,
                message_index_offsets=offsets,
                message_start_time=min(times),
                uncompressed_size=size,
            )
        )
