"""From an address to a client: one clear line for everything that may be there instead."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgpack
import pytest

from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.connect import connect, probe, server_calls

Talk = Callable[[socket.socket], None]


@contextmanager
def listening(talk: Talk) -> Iterator[int]:
    """A port on which one connection is answered by `talk`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                talk(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30.0)


def reply(message: object) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(msgpack.packb(message))

    return talk


def http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def echo(connection: socket.socket) -> None:
    connection.sendall(connection.recv(4096))


def hang_up(connection: socket.socket) -> None:
    connection.recv(4096)


def ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    connection.recv(4096)


def endless(connection: socket.socket) -> None:
    connection.recv(4096)
    try:
        connection.sendall(b"\xdd\xff\xff\xff\xff" + b"\xc0" * 100_000)
    except OSError:
        return


def test_a_carla_server_is_asked_for_its_version() -> None:
    asked: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        connection.sendall(bytes.fromhex("940101c0919201a6") + b"0.9.16")

    with listening(talk) as port:
        assert probe("127.0.0.1", port, 5.0) == "0.9.16"
    assert asked == [
        b"\x94\x00\x01\xa7version\x91\x91\xc2"
    ]  # what the real client sends, but its id


def test_a_reply_in_small_pieces_is_put_together() -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in msgpack.packb([1, 1, None, [[1, "0.9.15"]]]):
            connection.sendall(bytes([byte]))

    with listening(talk) as port:
        assert probe("127.0.0.1", port, 5.0) == "0.9.15"


@pytest.mark.parametrize("talk", [http, echo, ssh, endless])
def test_another_language_is_not_a_carla_server(talk: Talk) -> None:
    with (
        listening(talk) as port,
        pytest.raises(BadInputError, match=r"is not a CARLA server: it answers in another"),
    ):
        probe("127.0.0.1", port, 5.0)


@pytest.mark.parametrize(
    "message",
    [
        [1, 2, None, [[1, "0.9.16"]]],
        [1, 1, "no such function", None],
        [1, 1, None, [[0, ["error"]]]],
        [1, 1, None, "0.9.16"],
        {"jsonrpc": "2.0"},
    ],
    ids=["another request's", "an error", "an error inside", "not wrapped", "a map"],
)
def test_a_reply_of_another_shape_is_not_a_carla_server(message: object) -> None:
    with listening(reply(message)) as port, pytest.raises(BadInputError, match="not a CARLA"):
        probe("127.0.0.1", port, 5.0)


def test_a_port_that_hangs_up_is_not_a_carla_server() -> None:
    with (
        listening(hang_up) as port,
        pytest.raises(BadInputError, match=r"is not a CARLA server: it hangs up"),
    ):
        probe("127.0.0.1", port, 5.0)


def test_a_silent_port_is_given_up_after_the_time_out() -> None:
    silence = threading.Event()

    def talk(_connection: socket.socket) -> None:
        silence.wait(30.0)

    with listening(talk) as port:
        with pytest.raises(BadInputError, match=r"did not answer within 0\.2 s"):
            probe("127.0.0.1", port, 0.2)
        silence.set()


def test_nothing_listening_is_said_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(
        BadInputError, match=f"No CARLA server at 127.0.0.1:{port}: nothing listens"
    ):
        probe("127.0.0.1", port, 5.0)


def test_an_unknown_host_is_said_with_its_name() -> None:
    with pytest.raises(BadInputError, match=r"No CARLA server"):
        probe("no-such-host.invalid", 2000, 5.0)


def test_another_version_is_refused_with_what_to_do() -> None:
    with (
        listening(reply([1, 1, None, [[1, "0.9.15"]]])) as port,
        pytest.raises(BadInputError) as refused,
    ):
        connect("127.0.0.1", port, 5.0, any_version=False)
    assert str(refused.value) == (
        "Server is 0.9.15, client is 0.9.16: their data formats differ. "
        "Start a 0.9.16 server, or pass --any-version at your own risk."
    )


def test_a_time_out_of_the_library_becomes_one_line() -> None:
    text = "time-out of 2000ms while waiting for the simulator, make sure ..."
    with (
        pytest.raises(SimulatorError, match=r"stopped answering while spawning the car\. Look"),
        server_calls("spawning the car"),
    ):
        raise RuntimeError(text)


def test_any_other_error_of_the_library_keeps_its_text_on_one_line() -> None:
    with (
        pytest.raises(SimulatorError, match=r"refused, while loading: no such map$"),
        server_calls("loading"),
    ):
        raise RuntimeError("no such\n  map")
