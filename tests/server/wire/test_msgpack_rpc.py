from __future__ import annotations

import msgpack
import pytest

from carla_saliency.errors import ProtocolError
from carla_saliency.server.wire import msgpack_rpc
from carla_saliency.server.wire.msgpack_rpc import Request, RequestDecoder

VERSION_CALL = bytes.fromhex("940001a776657273696f6e9191c2")
SPAWN = [
    0,
    2,
    "spawn_actor",
    [[False], [7, "vehicle.tesla.model3", []], [[1.0, 2, -3.5], [0, 90, 0]]],
]
WEATHER = [0, 3, "set_weather_parameters", [[True], [0.0] * 14]]


def test_the_version_call_of_the_client_is_read() -> None:
    assert RequestDecoder().receive(VERSION_CALL) == [Request(1, "version", ())]


def test_the_answer_to_it_has_the_bytes_that_the_client_expects() -> None:
    expected = bytes.fromhex("940101c09192 01 a6 302e392e3136".replace(" ", ""))
    assert msgpack_rpc.response(1, msgpack_rpc.ok("0.9.16")) == expected


def test_requests_are_read_wherever_the_bytes_are_cut() -> None:
    data = VERSION_CALL + msgpack.packb(SPAWN) + msgpack.packb(WEATHER)
    whole = RequestDecoder().receive(data)
    assert [request.method for request in whole] == [
        "version",
        "spawn_actor",
        "set_weather_parameters",
    ]
    for cut in range(len(data) + 1):
        decoder = RequestDecoder()
        assert decoder.receive(data[:cut]) + decoder.receive(data[cut:]) == whole


def test_requests_are_read_byte_by_byte() -> None:
    decoder = RequestDecoder()
    data = msgpack.packb(SPAWN) * 3
    requests = [one for byte in data for one in decoder.receive(bytes([byte]))]
    assert [request.id for request in requests] == [2, 2, 2]
    assert requests[0].args[1] == [[1.0, 2, -3.5], [0, 90, 0]]


def test_arguments_come_without_the_metadata() -> None:
    (request,) = RequestDecoder().receive(msgpack.packb(SPAWN))
    assert len(request.args) == 2


def test_a_name_that_is_not_utf8_survives_both_ways() -> None:
    raw = b"\x94\x00\x01\xa4name\x92\x91\xc2\xa3\xff\xfeA"
    (request,) = RequestDecoder().receive(raw)
    assert b"\xa3\xff\xfeA" in msgpack_rpc.response(1, msgpack_rpc.ok(request.args[0]))


@pytest.mark.parametrize(
    "message",
    [
        5,
        [],
        {},
        [1, 1, None, None],
        [0, "1", "version", [[False]]],
        [0, 1, 2, [[False]]],
        [0, 1, "version", []],
        [0, 1, "version", [[1]]],
        [2, "version", []],
    ],
)
def test_a_message_that_is_no_request_is_refused(message: object) -> None:
    with pytest.raises(ProtocolError, match="expected"):
        RequestDecoder().receive(msgpack.packb(message))


def test_bytes_that_are_no_msgpack_are_refused() -> None:
    with pytest.raises(ProtocolError):
        RequestDecoder().receive(b"\xc1GET / HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of 4 billion
        b"\xdf\xff\xff\xff\xff",  # a map
        b"\xc9\xff\xff\xff\xff\x01",  # an extension
    ],
)
def test_a_hostile_size_is_refused_before_anything_of_that_size_is_read(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        RequestDecoder().receive(b"\x94\x00\x01\xa7version\x92\x91\xc2" + head)


def test_an_endless_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack_rpc, "MAX_REQUEST_BYTES", 100_000)
    decoder = RequestDecoder()
    decoder.receive(b"\x94\x00\x01\xa7version\xdc\x7f\xff\x91\xc2")
    item = msgpack.packb("x" * 100)
    sent = 0

    def send_without_end() -> None:
        nonlocal sent
        while sent < 200_000:
            sent += len(item)
            decoder.receive(item)

    with pytest.raises(ProtocolError, match="100000 bytes"):
        send_without_end()
    assert sent < 110_000


@pytest.mark.parametrize("head", [b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
def test_a_huge_text_is_refused_as_soon_as_too_much_of_it_came(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msgpack_rpc, "MAX_REQUEST_BYTES", 100_000)
    decoder = RequestDecoder()
    decoder.receive(b"\x94\x00\x01\xa7version\x92\x91\xc2" + head + bytes(90_000))
    with pytest.raises(ProtocolError):
        decoder.receive(bytes(20_000))


def test_many_small_requests_are_no_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgpack_rpc, "MAX_REQUEST_BYTES", 100)
    decoder = RequestDecoder()
    count = sum(len(decoder.receive(VERSION_CALL)) for _ in range(1000))
    assert count == 1000


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ProtocolError):
        RequestDecoder().receive(b"\x91" * 100_000)


def test_the_four_ways_to_wrap_a_result() -> None:
    assert msgpack_rpc.ok([1]) == [[1, [1]]]
    assert msgpack_rpc.failed("no") == [[0, ["no"]]]
    assert msgpack_rpc.done() == [[False]]
    assert msgpack_rpc.not_done("no") == [[True, ["no"]]]


def test_an_error_response_has_no_result() -> None:
    assert msgpack.unpackb(msgpack_rpc.error_response(9, "unknown")) == [1, 9, "unknown", None]
