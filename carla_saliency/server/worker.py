"""The world's thread: it alone touches the world, executes all calls in their order, and ticks."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.server.rpc import RpcConnection
from carla_saliency.server.service import Service
from carla_saliency.server.streams import Streams
from carla_saliency.server.traffic_managers import Caller
from carla_saliency.server.wire.msgpack_rpc import Request
from carla_saliency.server.world.world import World

FREE_RUNNING_S = 1 / 30
"""Seconds between ticks in asynchronous mode without a fixed time step."""

CALLS_S = 0.005
"""Seconds for calls between two such ticks, however late the next one is."""

LONGEST_FREE_TICK_S = 0.1
"""A server that can't keep up slows down rather than make cars jump."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Gone:
    caller: Caller


@dataclass(frozen=True, slots=True)
class _Call:
    connection: RpcConnection
    request: Request


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


class Worker:
    """Runs a world in a thread of its own.

    Args:
        make_world: Called in that thread, where the renderer must live.
        streams: Where messages go.
        loop: In whose thread connections live.
        ready: Called in the loop's thread with the world's map name, or with the error that made it
            impossible.
        ended: Called in the loop's thread when the thread ends, whatever the reason.
    """

    def __init__(
        self,
        make_world: Callable[[], World],
        streams: Streams,
        loop: asyncio.AbstractEventLoop,
        ready: Callable[[str | CarlaSaliencyError], None],
        ended: Callable[[], None],
    ) -> None:
        self._make_world = make_world
        self._streams = streams
        self._loop = loop
        self._ready = ready
        self._ended = ended
        # Bounded by the connections' open calls.
        self._inbox: queue.SimpleQueue[_Call | _Gone | _Stop] = queue.SimpleQueue()
        self._last_tick_s = self._next_tick_s = 0.0
        self._logged = ""
        self._thread = threading.Thread(target=self._run, name="world", daemon=True)

    def start(self) -> None:
        """Make the world, and serve it."""
        self._thread.start()

    def submit(self, connection: RpcConnection, request: Request) -> None:
        """Execute a call after all that came before it, then answer it."""
        self._inbox.put(_Call(connection, request))

    def forget(self, caller: Caller) -> None:
        """Forget a client that has gone, after its last call."""
        self._streams.forget(caller)
        self._inbox.put(_Gone(caller))

    def stop(self, timeout_s: float) -> bool:
        """End the thread; return whether it ended in time."""
        self._inbox.put(_Stop())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # -------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            self._world = self._make_world()
            try:
                self._service = Service(self._world, self._tick, self._streams.expect)
                self._tick()  # so that there is a snapshot for the first client
                self._in_loop(self._ready, self._world.map_name)
                self._serve()
            finally:
                self._world.close()
        except CarlaSaliencyError as error:
            self._in_loop(self._ready, error)
        finally:
            self._in_loop(self._ended)

    def _serve(self) -> None:
        while True:
            message = self._next_message()
            if message is None:
                self._tick_by_itself()
            elif isinstance(message, _Stop):
                return
            elif isinstance(message, _Gone):
                self._service.forget(message.caller)
            else:
                connection, request = message.connection, message.request
                response = self._service.answer(connection.caller, request)
                self._in_loop(connection.respond, request, response)

    def _next_message(self) -> _Call | _Gone | _Stop | None:
        """Return what came first; None when it's time for a tick of our own."""
        if self._world.settings.synchronous_mode:
            return self._inbox.get()
        wait_s = self._next_tick_s - time.monotonic()
        if wait_s <= 0:
            return None
        try:
            return self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _tick_by_itself(self) -> None:
        try:
            self._tick(wait=False)
        except CarlaSaliencyError as error:
            if str(error) != self._logged:  # once, not thirty times a second
                self._logged = str(error)
                _logger.exception("a tick failed")

    def _tick(self, wait: bool = True) -> int:
        """Make a tick and send its messages; return its number."""
        if wait:
            self._streams.wait_for_expected()
        settings, now_s = self._world.settings, time.monotonic()
        since_s = min(max(now_s - self._last_tick_s, 0.001), LONGEST_FREE_TICK_S)
        free_s = FREE_RUNNING_S if settings.synchronous_mode else since_s
        self._last_tick_s = now_s
        messages = self._world.tick(
            settings.fixed_delta_s or free_s, now_s, self._streams.listening()
        )
        self._streams.publish(messages, patient=settings.synchronous_mode)
        period_s = settings.fixed_delta_s or FREE_RUNNING_S
        self._next_tick_s = max(now_s + period_s, time.monotonic() + CALLS_S)
        return self._world.frame

    def _in_loop(self, call: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed: the server ends
            self._inbox.put(_Stop())
