"""Connections to the RPC port: they take requests in and send responses out, in the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable

from carla_saliency.errors import ProtocolError
from carla_saliency.server.traffic_managers import Caller
from carla_saliency.server.wire.msgpack_rpc import Request, RequestDecoder

MAX_CONNECTIONS = 256
MAX_OPEN_CALLS = 64
"""Calls of one connection that wait for the world; at so many the client is not read any more."""

_SPUN = "get_episode_settings"
_SPIN_ALLOWED = 4
_SPIN_PAUSE_S = 0.002

_logger = logging.getLogger(__name__)


class Port:
    """What all RPC connections share.

    Args:
        submit: Takes a request to the world's thread; its connection's `respond` must be called
            for each, in the event loop's thread.
        forget: Told of connections that have gone.
    """

    def __init__(
        self,
        submit: Callable[[RpcConnection, Request], None],
        forget: Callable[[Caller], None],
    ) -> None:
        self.submit = submit
        self.forget = forget
        self.connections = 0
        self.ids = itertools.count(1)


class RpcConnection(asyncio.Protocol):
    """One client's connection; several of its threads talk through it.

    Args:
        port: What all connections share.

    Attributes:
        caller: Who is at the other end.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._decoder = RequestDecoder()
        self._transport: asyncio.Transport | None = None
        self._open_calls = 0
        self._spins = 0
        self._unread = False
        self.caller = Caller(0, "")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket, unless there are far too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._port.connections += 1
        self.caller = Caller(next(self._port.ids), str(transport.get_extra_info("peername")[0]))
        if self._port.connections > MAX_CONNECTIONS:
            _logger.warning("more than %d clients, refused one", MAX_CONNECTIONS)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand over the requests that these bytes complete; close if they are none."""
        try:
            requests = self._decoder.receive(data)
        except ProtocolError as error:
            _logger.warning("closed a connection from %s: %s", self.caller.host, error)
            if self._transport is not None:
                self._transport.abort()
            return
        for request in requests:
            self._open_calls += 1
            self._port.submit(self, request)
        self._read_on_or_pause()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._transport = None
        self._port.connections -= 1
        self._port.forget(self.caller)

    def pause_writing(self) -> None:
        """Read no more requests from a client that doesn't read responses."""
        self._unread = True
        self._read_on_or_pause()

    def resume_writing(self) -> None:
        """Read on."""
        self._unread = False
        self._read_on_or_pause()

    def respond(self, request: Request, response: bytes) -> None:
        """Send the response to a request of this connection.

        An asynchronous Traffic Manager asks for the settings as fast as it is answered; a little
        patience saves much of both processes' time.
        """
        self._spins = self._spins + 1 if request.method == _SPUN else 0
        if self._spins > _SPIN_ALLOWED:
            asyncio.get_running_loop().call_later(_SPIN_PAUSE_S, self._send, response)
        else:
            self._send(response)

    def _send(self, response: bytes) -> None:
        self._open_calls -= 1
        if self._transport is not None:
            self._transport.write(response)
            self._read_on_or_pause()

    def _read_on_or_pause(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._unread or self._open_calls >= MAX_OPEN_CALLS:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
