"""Who subscribed to which stream, and how messages get there without piling up.

The world's thread publishes; connections live in the event loop's thread. A connection holds the
unsent messages of one tick: in synchronous mode the world waits for them (for a while), in
asynchronous mode the next tick's are dropped, as CARLA does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from carla_saliency.server.traffic_managers import Caller
from carla_saliency.server.wire.stream import WORLD_STREAM, SubscriptionDecoder

MAX_CONNECTIONS = 1024
SUBSCRIPTION_S = 1.0
"""How long a tick waits for a client that asked for a stream's token to connect."""

PATIENCE_S = 2.0
"""How long a synchronous tick waits for a slow reader, once; then its messages are dropped."""

_logger = logging.getLogger(__name__)


class Streams:
    """All subscriptions.

    Args:
        loop: In whose thread the connections live.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._subscribers: dict[int, list[StreamConnection]] = {}
        self._expected: dict[tuple[Caller, int], float] = {}  # until when
        self._last_snapshot = b""
        self.connections = 0

    # -------------------------------------------------------------- the world's thread

    def expect(self, caller: Caller, stream_id: int) -> None:
        """Let the next tick wait for a subscription.

        The client's `listen()` returns before its connection is up; without this the tick right
        behind it would be missed. Asked twice, it is expected once: the client may have dropped its
        first connection before it was up.
        """
        with self._changed:
            self._expected[caller, stream_id] = time.monotonic() + SUBSCRIPTION_S

    def wait_for_expected(self) -> None:
        """Return when every expected subscription has come, or had its time."""
        with self._changed:
            while self._expected:
                left = max(self._expected.values()) - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    self._expected.clear()

    def listening(self) -> frozenset[int]:
        """Return the ids of all streams that somebody subscribed to."""
        with self._changed:
            return frozenset(self._subscribers)

    def publish(self, messages: Sequence[tuple[int, bytes]], patient: bool) -> None:
        """Send messages to their subscribers.

        Args:
            messages: (stream id, bytes) each.
            patient: Wait for readers that still have the last one to read, rather than drop.
        """
        with self._changed:
            wanted = {stream_id for stream_id, _ in messages} & self._subscribers.keys()
            readers = [one for stream_id in wanted for one in self._subscribers[stream_id]]
            if patient:
                self._wait_for(readers)
            free = {reader for reader in readers if not reader.busy}
            for reader in free:
                reader.busy = True
            pairs = [
                (reader, message)
                for stream_id, message in messages
                for reader in self._subscribers.get(stream_id, ())
                if reader in free
            ]
            snapshots = [message for stream_id, message in messages if stream_id == WORLD_STREAM]
            self._last_snapshot = snapshots[-1] if snapshots else self._last_snapshot
        if pairs:
            self._loop.call_soon_threadsafe(_send_all, pairs)

    def _wait_for(self, readers: list[StreamConnection]) -> None:
        def late() -> list[StreamConnection]:
            return [reader for reader in readers if reader.busy and not reader.given_up]

        if not self._changed.wait_for(lambda: not late(), PATIENCE_S):
            for reader in late():
                reader.given_up = True  # until it has read: it must not slow every tick
                _logger.warning("a client reads stream %d too slowly", reader.stream_id)

    # -------------------------------------------------------------- the event loop's thread

    def forget(self, caller: Caller) -> None:
        """Don't wait for the subscriptions of a client that has gone."""
        with self._changed:
            for key in [key for key in self._expected if key[0] == caller]:
                del self._expected[key]
            self._changed.notify_all()

    def arrived(self, reader: StreamConnection, stream_id: int) -> bytes:
        """Take in a subscriber; return what it must get at once (it may be nothing)."""
        with self._changed:
            self._subscribers.setdefault(stream_id, []).append(reader)
            waiting = [key for key in self._expected if key[1] == stream_id]
            if waiting:
                del self._expected[waiting[0]]
            self._changed.notify_all()
            return self._last_snapshot if stream_id == WORLD_STREAM else b""

    def left(self, reader: StreamConnection) -> None:
        """Let a subscriber go."""
        with self._changed:
            readers = self._subscribers.get(reader.stream_id, [])
            if reader in readers:
                readers.remove(reader)
                if not readers:
                    del self._subscribers[reader.stream_id]
            reader.busy = False
            self._changed.notify_all()

    def has_read(self, reader: StreamConnection) -> None:
        """Note that a subscriber took all that it was sent."""
        with self._changed:
            reader.busy = reader.given_up = False
            self._changed.notify_all()


class StreamConnection(asyncio.Protocol):
    """One subscription. It is never closed from here: the client would reconnect without end.

    Args:
        streams: Where it is kept.

    Attributes:
        stream_id: 0 until the client said which.
        busy: It still has a message to read.
        given_up: It was waited for in vain.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._decoder = SubscriptionDecoder()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self.stream_id = 0
        self.busy = False
        self.given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, unless there are far too many."""
        assert isinstance(transport, asyncio.Transport)
        self._streams.connections += 1
        self._transport = transport
        # Above 0 unsent bytes it counts as busy.
        transport.set_write_buffer_limits(high=0)
        if self._streams.connections > MAX_CONNECTIONS:
            _logger.warning("more than %d stream connections, refused one", MAX_CONNECTIONS)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Subscribe, when the stream's id is complete."""
        stream_id = self._decoder.receive(data)
        if stream_id is not None:
            self.stream_id = stream_id
            first = self._streams.arrived(self, stream_id)
            if first and self._transport is not None:
                self._transport.write(first)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unsubscribe."""
        self._transport = None
        self._streams.connections -= 1
        self._streams.left(self)

    def pause_writing(self) -> None:
        """Stay busy: the kernel did not take everything."""
        self._paused = True

    def resume_writing(self) -> None:
        """Become free: the kernel has everything."""
        self._paused = False
        self._streams.has_read(self)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages; free again when the kernel has them all."""
        if self._transport is None:
            return
        for message in messages:
            self._transport.write(message)
        if not self._paused:
            self._streams.has_read(self)


def _send_all(pairs: Sequence[tuple[StreamConnection, bytes]]) -> None:
    by_reader: dict[StreamConnection, list[bytes]] = {}
    for reader, message in pairs:
        by_reader.setdefault(reader, []).append(message)
    for reader, messages in by_reader.items():
        reader.send(messages)
