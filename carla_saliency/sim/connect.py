"""From an address to a client that is known to talk to a CARLA server of its own version."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import carla
import msgpack

from carla_saliency.errors import BadInputError, SimulatorError

# CARLA's RPC is msgpack-rpc: [type 0 = request, id, method, arguments]; the first argument says
# whether the call is asynchronous. A reply is [type 1 = reply, id, error, result].
_VERSION_REQUEST = msgpack.packb([0, 1, "version", [[False]]])
_MOST_REPLY_BYTES = 4096
_LOOK_S = 2.0  # a host that is there accepts a connection within this


def probe(host: str, port: int, timeout_s: float) -> str:
    """Return the version of the CARLA server at an address, by one small request of our own.

    The client library hangs, or ends the process, when a port speaks something else; this doesn't.

    Args:
        host: Name or address.
        port: The RPC port.
        timeout_s: The longest that this takes.

    Raises:
        BadInputError: If nothing listens there, or something that is not a CARLA server.
    """
    deadline_s = time.monotonic() + timeout_s
    start = "Start one there, give --host and --port, or use --embedded always."
    try:
        connection = socket.create_connection((host, port), timeout=min(timeout_s, _LOOK_S))
    except ConnectionRefusedError:
        raise BadInputError(f"No CARLA server at {host}:{port}: nothing listens. {start}") from None
    except socket.gaierror:
        raise BadInputError(f"No CARLA server: the host {host!r} is unknown. {start}") from None
    except TimeoutError:
        raise BadInputError(f"No CARLA server at {host}:{port}: no answer. {start}") from None
    except (OSError, OverflowError) as error:
        raise BadInputError(f"No CARLA server at {host}:{port}: {error}. {start}") from None
    with connection:
        reply = _ask_version(connection, f"{host}:{port}", deadline_s, timeout_s)
    match reply:
        case [1, 1, None, [[1, str(version)]]]:
            return version
        case _:
            raise _something_else(f"{host}:{port}", "answers in another language")


def listens(host: str, port: int) -> bool:
    """Return False if surely nothing listens at an address any more; a host that hangs may be."""
    try:
        with socket.create_connection((host, port), timeout=_LOOK_S):
            return True
    except TimeoutError:
        return True
    except OSError:
        return False


def _ask_version(
    connection: socket.socket, address: str, deadline_s: float, timeout_s: float
) -> object:
    unpacker = msgpack.Unpacker(raw=False, max_buffer_size=_MOST_REPLY_BYTES)
    try:
        connection.sendall(_VERSION_REQUEST)
        while True:
            connection.settimeout(max(deadline_s - time.monotonic(), 0.001))
            if not (received := connection.recv(_MOST_REPLY_BYTES)):
                raise _something_else(address, "hangs up")
            unpacker.feed(received)
            for message in unpacker:
                return message
    except TimeoutError:
        raise BadInputError(
            f"Something listens at {address} but did not answer within {timeout_s:g} s: "
            "a CARLA server that hangs or still starts, or another program. Try a longer --timeout."
        ) from None
    except OSError:
        raise _something_else(address, "hangs up") from None
    except (ValueError, msgpack.exceptions.UnpackException):
        raise _something_else(address, "answers in another language") from None


def _something_else(address: str, what: str) -> BadInputError:
    return BadInputError(
        f"What listens at {address} is not a CARLA server: it {what}. "
        "Give --port the port of CARLA's RPC (2000 unless it was started with another)."
    )


@contextmanager
def server_calls(doing: str) -> Iterator[None]:
    """Turn what the client library raises in the block into one line.

    Args:
        doing: Completes "... while "; for example "spawning the car".

    Raises:
        SimulatorError: For what the library raises when a call fails.
        BadInputError: If the library can't read the map.
    """
    try:
        yield
    except IndexError as error:  # of its OpenDRIVE parser, at links that lead nowhere
        raise BadInputError(
            f"The CARLA client can't read this map, while {doing}: its OpenDRIVE has links that "
            "lead nowhere. Mend the file, or take another map."
        ) from error
    except RuntimeError as error:
        if timed_out(error):
            raise SimulatorError(
                f"The CARLA server stopped answering while {doing}. "
                "Look whether it still runs; for a slow one give a longer --timeout."
            ) from error
        text = " ".join(str(error).split())
        raise SimulatorError(f"The CARLA server refused, while {doing}: {text}") from error


def timed_out(error: Exception) -> bool:
    """Return whether the client library raised this because no answer came in time."""
    return str(error).startswith("time-out of")


def connect(host: str, port: int, timeout_s: float, any_version: bool) -> tuple[carla.Client, str]:
    """Return a client of the CARLA server at an address, and the server's version.

    Args:
        host: Name or address.
        port: The RPC port.
        timeout_s: Of every later call, too.
        any_version: Go on although server and client differ.

    Raises:
        BadInputError: If there is no CARLA server, or one of another version.
    """
    server_version = probe(host, port, timeout_s)
    client = carla.Client(host, port)
    client.set_timeout(timeout_s)
    client_version = client.get_client_version()
    if server_version != client_version and not any_version:
        raise BadInputError(
            f"Server is {server_version}, client is {client_version}: their data formats differ. "
            f"Start a {client_version} server, or pass --any-version at your own risk."
        )
    return client, server_version
