"""CARLA's RPC port without a socket: bytes in, requests out; results in, bytes out.

It is msgpack-rpc as rpclib does it: a plain concatenation of msgpack arrays, without a length in
front.

    request   [0, id, method, [[is_async], argument, ...]]
    response  [1, id, error, result]        error is nil on success

A result is wrapped once more, as the C++ side expects it: `ok`, `failed`, `done`, `not_done`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack

from carla_saliency.errors import ProtocolError

MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Largest request that is read; the OpenDRIVE text of a whole town has some 5 MB."""

MAX_ITEMS = 32_768
"""Longest array in a request: msgpack takes the memory for an array when it reads its header."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a client.

    Attributes:
        id: What the response must carry.
        method: For example "spawn_actor".
        args: The arguments, as msgpack gives them, without the metadata.
    """

    id: int
    method: str
    args: tuple[Any, ...]


class RequestDecoder:
    """Collects bytes as they arrive and returns whole requests."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(
            raw=False,
            unicode_errors="surrogateescape",
            max_buffer_size=MAX_REQUEST_BYTES,
            max_array_len=MAX_ITEMS,
            max_map_len=0,  # CARLA has no maps
            max_ext_len=0,  # nor extension types
        )
        self._received = 0  # bytes
        self._whole = 0  # bytes of them that whole requests had

    def receive(self, data: bytes) -> list[Request]:
        """Add received bytes; return the requests that they complete.

        Args:
            data: As it came, cut anywhere.

        Raises:
            ProtocolError: If the bytes are no request, or one is larger than MAX_REQUEST_BYTES.
                Nothing after that can be understood: close the connection.
        """
        self._received += len(data)
        requests = []
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                requests.append(_request(message))
                self._whole = self._unpacker.tell()
        except (msgpack.BufferFull, msgpack.StackError, ValueError) as error:
            # ValueError: the base of msgpack's own errors, and what its length limits raise
            raise ProtocolError(f"expected a msgpack-rpc request, received {error!r}") from error
        # The unpacker's own limit is for bytes not yet looked at: an endless array passes it.
        pending = self._received - self._whole
        if pending > MAX_REQUEST_BYTES:
            raise ProtocolError(
                f"a request must have <= {MAX_REQUEST_BYTES} bytes, received {pending}"
            )
        return requests


def _request(message: object) -> Request:
    match message:
        case [0, int(number), str(method), [[bool()], *args]]:
            return Request(number, method, tuple(args))
    text = repr(message)
    raise ProtocolError(f"expected [0, id, method, [[async], ...]], received {text[:80]}")


def response(request_id: int, result: object) -> bytes:
    """Return the bytes of the answer to a request.

    Args:
        request_id: The request's id.
        result: Wrapped by `ok`, `failed`, `done` or `not_done` (`apply_batch`: a list of these).
    """
    return bytes(msgpack.packb([1, request_id, None, result], unicode_errors="surrogateescape"))


def error_response(request_id: int, text: str) -> bytes:
    """Return the bytes that say that the call itself was not possible (unknown method).

    Args:
        request_id: The request's id.
        text: Why; only asynchronous calls survive this in the client without an exception.
    """
    return bytes(msgpack.packb([1, request_id, text, None], unicode_errors="surrogateescape"))


def ok(value: object) -> list[Any]:
    """Wrap the value of a call that has one."""
    return [[1, value]]


def failed(text: str) -> list[Any]:
    """Wrap the error of a call that has a value; it is a RuntimeError in the client."""
    return [[0, [text]]]


def done() -> list[Any]:
    """Wrap the success of a call without a value."""
    return [[False]]


def not_done(text: str) -> list[Any]:
    """Wrap the error of a call without a value; it is a RuntimeError in the client."""
    return [[True, [text]]]
