from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from carla_saliency.server import streams as module
from carla_saliency.server.rpc import MAX_OPEN_CALLS, Port, RpcConnection
from carla_saliency.server.streams import StreamConnection, Streams
from carla_saliency.server.traffic_managers import Caller
from carla_saliency.server.wire.msgpack_rpc import Request

ME, OTHER = Caller(1, "a"), Caller(2, "b")
VERSION_CALL = bytes.fromhex("940001a776657273696f6e9191c2")


class SameThreadLoop:
    """Stands in for the event loop: does at once what it is asked to do soon."""

    def call_soon_threadsafe(self, call: Callable[..., None], *args: Any) -> None:
        call(*args)


class Wire(asyncio.Transport):
    """A transport whose other end reads only when told."""

    def __init__(self, protocol: asyncio.Protocol, reads: bool = True) -> None:
        super().__init__()
        self.protocol = protocol
        self.reads = reads
        self.sent: list[bytes] = []
        self.unread = 0
        self.reading = True
        self.closed = False
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("10.0.0.1", 5) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.sent.append(data)
        if not self.reads:
            self.unread += 1
            if self.unread == 1:
                self.protocol.pause_writing()

    def read_all(self) -> None:
        self.unread = 0
        self.protocol.resume_writing()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True
        self.protocol.connection_lost(None)


@pytest.fixture
def streams() -> Streams:
    return Streams(SameThreadLoop())  # type: ignore[arg-type]


def subscribe(streams: Streams, stream_id: int, reads: bool = True) -> Wire:
    wire = Wire(StreamConnection(streams), reads)
    wire.protocol.data_received(struct.pack("<I", stream_id))
    return wire


def test_messages_go_to_those_who_subscribed(streams: Streams) -> None:
    first, second, other = subscribe(streams, 5), subscribe(streams, 5), subscribe(streams, 6)
    streams.publish([(5, b"a"), (6, b"b"), (7, b"c")], patient=True)
    assert (first.sent, second.sent, other.sent) == ([b"a"], [b"a"], [b"b"])
    assert streams.listening() == {5, 6}


def test_several_messages_of_one_tick_all_arrive(streams: Streams) -> None:
    wire = subscribe(streams, 5)
    streams.publish([(5, b"a"), (5, b"b")], patient=False)
    assert wire.sent == [b"a", b"b"]


def test_a_new_subscriber_of_the_world_gets_the_last_snapshot_at_once(streams: Streams) -> None:
    streams.publish([(1, b"old")], patient=True)
    streams.publish([(1, b"new")], patient=True)
    assert subscribe(streams, 1).sent == [b"new"]
    assert subscribe(streams, 2).sent == []


def test_in_asynchronous_mode_a_slow_reader_loses_messages_but_no_order(streams: Streams) -> None:
    slow = subscribe(streams, 5, reads=False)
    for number in range(10):
        streams.publish([(5, bytes([number]))], patient=False)
    assert slow.sent == [b"\x00"]
    slow.read_all()
    streams.publish([(5, b"x")], patient=False)
    assert slow.sent == [b"\x00", b"x"]


def test_in_synchronous_mode_a_reader_is_waited_for(streams: Streams) -> None:
    slow = subscribe(streams, 5, reads=False)
    streams.publish([(5, b"a")], patient=True)
    reader = threading.Timer(0.01, slow.read_all)
    reader.start()
    streams.publish([(5, b"b")], patient=True)
    reader.join()
    assert slow.sent == [b"a", b"b"]


def test_a_reader_that_never_reads_is_waited_for_only_once(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    dead, alive = subscribe(streams, 5, reads=False), subscribe(streams, 5)
    streams.publish([(5, b"0")], patient=True)
    streams.publish([(5, b"1")], patient=True)
    monkeypatch.setattr(module, "PATIENCE_S", 1000.0)
    for _ in range(100):
        streams.publish([(5, b"2")], patient=True)
    assert len(dead.sent) == 1
    assert len(alive.sent) == 102
    dead.read_all()
    streams.publish([(5, b"3")], patient=True)
    assert dead.sent[-1] == b"3"


def test_a_reader_that_goes_is_not_waited_for(streams: Streams) -> None:
    gone = subscribe(streams, 5, reads=False)
    streams.publish([(5, b"a")], patient=True)
    gone.abort()
    streams.publish([(5, b"b")], patient=True)
    assert streams.listening() == frozenset()


def test_a_tick_waits_for_an_announced_subscription(streams: Streams) -> None:
    streams.expect(ME, 5)
    late = threading.Timer(0.01, subscribe, (streams, 5))
    late.start()
    streams.wait_for_expected()
    assert streams.listening() == {5}
    late.join()


def test_a_tick_does_not_wait_for_a_client_that_has_gone(streams: Streams) -> None:
    streams.expect(ME, 5)
    streams.expect(ME, 6)
    streams.forget(ME)
    before = time.monotonic()
    streams.wait_for_expected()
    assert time.monotonic() - before < module.SUBSCRIPTION_S


def test_a_subscription_that_never_comes_is_waited_for_only_once(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBSCRIPTION_S", 0.01)
    streams.expect(ME, 5)
    streams.wait_for_expected()
    monkeypatch.setattr(module, "SUBSCRIPTION_S", 1000.0)
    streams.wait_for_expected()


def test_each_announcement_waits_for_a_connection_of_its_own(streams: Streams) -> None:
    streams.expect(ME, 1)
    streams.expect(OTHER, 1)
    subscribe(streams, 1)
    assert list(streams._expected) == [(OTHER, 1)]


def test_a_client_that_asks_twice_is_expected_once(streams: Streams) -> None:
    streams.expect(ME, 1)
    streams.expect(ME, 1)
    subscribe(streams, 1)
    assert not streams._expected


def test_a_stream_of_nothing_stays_open_and_silent(streams: Streams) -> None:
    wire = subscribe(streams, 999_999)
    streams.publish([(1, b"a")], patient=True)
    assert not wire.closed
    assert wire.sent == []


def test_far_too_many_connections_are_refused(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    wires = [subscribe(streams, 5) for _ in range(3)]
    assert [wire.closed for wire in wires] == [False, False, True]
    wires[0].abort()
    assert not subscribe(streams, 5).closed


# ------------------------------------------------------------------ RPC connections


class Inbox:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.gone: list[Caller] = []
        self.port = Port(lambda _, request: self.requests.append(request), self.gone.append)


def test_a_client_with_too_many_open_calls_is_not_read_until_some_are_done() -> None:
    inbox = Inbox()
    connection = RpcConnection(inbox.port)
    wire = Wire(connection)
    wire.protocol.data_received(VERSION_CALL * MAX_OPEN_CALLS)
    assert not wire.reading
    assert len(inbox.requests) == MAX_OPEN_CALLS
    connection.respond(inbox.requests[0], b"answer")
    assert wire.reading
    assert wire.sent == [b"answer"]


def test_a_client_that_does_not_read_answers_is_not_read() -> None:
    inbox = Inbox()
    connection = RpcConnection(inbox.port)
    wire = Wire(connection, reads=False)
    wire.protocol.data_received(VERSION_CALL)
    connection.respond(inbox.requests[0], b"answer")
    assert not wire.reading
    wire.read_all()
    assert wire.reading


def test_garbage_closes_a_connection_and_its_client_is_forgotten() -> None:
    inbox = Inbox()
    wire = Wire(RpcConnection(inbox.port))
    wire.protocol.data_received(b"\xc1")
    assert wire.closed
    assert [caller.host for caller in inbox.gone] == ["10.0.0.1"]


def test_a_spinning_traffic_manager_is_slowed_down_but_answered() -> None:
    async def spin() -> tuple[int, int]:
        inbox = Inbox()
        connection = RpcConnection(inbox.port)
        wire = Wire(connection)
        request = Request(1, "get_episode_settings", ())
        for _ in range(10):
            connection.respond(request, b"answer")
        at_once = len(wire.sent)
        while len(wire.sent) < 10:
            await asyncio.sleep(0)
        return at_once, len(wire.sent)

    assert asyncio.run(spin()) == (4, 10)


def test_an_answer_to_a_client_that_has_gone_is_dropped() -> None:
    inbox = Inbox()
    connection = RpcConnection(inbox.port)
    wire = Wire(connection)
    wire.protocol.data_received(VERSION_CALL)
    wire.abort()
    connection.respond(inbox.requests[0], b"answer")
    assert wire.sent == []
