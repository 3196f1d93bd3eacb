"""Steps of a drive to an MCAP file, in chunks that a killed program leaves readable."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

from mcap.writer import CompressionType, Writer

from carla_saliency.core import DriveStep, Image
from carla_saliency.record import format as the
from carla_saliency.record.encode import (
    Crop,
    contents_message,
    log_message,
    messages,
)
from carla_saliency.record.encode_findings import event_fields
from carla_saliency.record.extras import Extras
from carla_saliency.record.facts import Facts
from carla_saliency.record.format import Channel

CHUNK_BYTES, CHUNK_S = 4_000_000, 0.5  # a chunk ends with the first of these; a kill loses one
SYNC_S = 1.0  # of wall time: a stick that is pulled out loses that much


class Disk:
    """A new file whose every byte is with the system when `write` returns.

    Args:
        path: Must not exist.

    Raises:
        OSError: If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._at = 0
        self._synced = time.monotonic()

    def write(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            OSError: If the disk is full or gone; some may be written then.
        """
        rest = memoryview(data)
        while rest:
            count = os.write(self._fd, rest)
            self._at += count
            rest = rest[count:]
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._at

    def flush(self) -> None:
        """Have what was written on the disk itself, once a second.

        Raises:
            OSError: If the disk did not take it.
        """
        if time.monotonic() - self._synced >= SYNC_S:
            os.fdatasync(self._fd)
            self._synced = time.monotonic()

    def close(self) -> None:
        """Close it; whether all is on the disk then or not.

        Raises:
            OSError: If the disk did not take the rest.
        """
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)


class Chunks:
    """Writes steps, several to a chunk, none to two.

    Args:
        disk: Where to; is not closed.
        facts: Are written at once, so that a killed drive is still known.
        crop: To the network's grid, where only that is kept.

    Raises:
        OSError: If the disk does not take it; so do all methods.
    """

    def __init__(self, disk: Disk, facts: Facts, crop: Crop | None = None) -> None:
        self._crop = crop
        # we say when a chunk ends; pictures are compressed already, and the rest is small
        self._mcap: Any = Writer(
            cast("Any", disk), chunk_size=1 << 62, compression=CompressionType.NONE
        )
        self._mcap.start(library=f"carla-saliency {facts.versions.get('carla-saliency', '')}")
        self._mcap.add_metadata(the.METADATA, {the.METADATA: facts.to_json()})
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        self._count = 0
        self._first_frame_id: int | None = None
        self._last_s = 0.0
        self._early: list[str] = []  # said before the first step
        self._nearest: Image | None = None
        self._begin()

    def add(self, step: DriveStep, extras: Extras) -> None:
        """Write one step."""
        frame, novelty = step.observation.frame, step.findings.novelty
        if self._first_frame_id is None:
            self._first_frame_id = frame.frame_id
        self._last_s = frame.sim_s
        early, self._early = self._early, []
        for text in early:
            self.log(text, None)
        new = novelty is not None and novelty.nearest is not self._nearest
        if novelty is not None:
            self._nearest = novelty.nearest
        for channel, data in messages(step, extras, self._crop, new, self._first_frame_id):
            self._put(channel, data, frame.sim_s)
        self._frame_ids.append(frame.frame_id)
        self._sim_s.append(frame.sim_s)
        for found, events in ((False, step.observation.events), (True, step.findings.events)):
            for event in events:
                self._events.append(event_fields(event, found, len(self._frame_ids) - 1))
        self._count += 1
        if self._bytes >= CHUNK_BYTES:
            self.end_chunk()
        else:
            self.end_old_chunk()

    def log(self, text: str, sim_s: float | None) -> None:
        """Write a line of the log; without a time, that of the last step, or of the first."""
        if sim_s is None and self._first_frame_id is None:
            self._early.append(text)
            return
        time_s = self._last_s if sim_s is None else sim_s
        self._put(*log_message(text, time_s), time_s)

    def end_old_chunk(self) -> None:
        """Hand what waits to the system if it has waited for long."""
        if time.monotonic() - self._begun >= CHUNK_S:
            self.end_chunk()

    def end_chunk(self) -> None:
        """Hand what waits to the system."""
        if self._bytes:
            contents = contents_message(self._frame_ids, self._sim_s, self._events)
            self._put(*contents, self._last_s)
            self._mcap.flush()
        self._begin()

    def finish(self) -> None:
        """Write the rest and the indexes."""
        self.end_chunk()
        self._mcap.finish()

    # -------------------------------------------------------------- inside

    def _begin(self) -> None:
        self._begun = time.monotonic()
        self._bytes = 0
        self._nearest = None  # so that a chunk can be read without the others
        self._frame_ids: list[int] = []
        self._sim_s: list[float] = []
        self._events: list[dict[str, Any]] = []

    def _put(self, channel: Channel, data: bytes, sim_s: float) -> None:
        at = the.nanoseconds(sim_s)
        if channel.topic not in self._channels:
            self._channels[channel.topic] = self._register(channel)
        self._mcap.add_message(self._channels[channel.topic], at, data, at, self._count)
        self._bytes += len(data)

    def _register(self, channel: Channel) -> int:
        schema = channel.schema
        if schema.name not in self._schemas:
            number = self._mcap.register_schema(schema.name, "protobuf", schema.data)
            self._schemas[schema.name] = number
        number = self._schemas[schema.name]
        return int(self._mcap.register_channel(channel.topic, "protobuf", number))
