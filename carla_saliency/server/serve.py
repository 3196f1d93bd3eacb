"""The server's process: opens the ports, says that it is ready, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from carla_saliency.errors import BadInputError, CarlaSaliencyError, SimulatorError
from carla_saliency.server.rpc import Port, RpcConnection
from carla_saliency.server.streams import StreamConnection, Streams
from carla_saliency.server.worker import Worker
from carla_saliency.server.world.maps import Parts, real_parts
from carla_saliency.server.world.world import World

_END_WITHIN_S = 0.5
_WORLD_DIED = "world"
_T = TypeVar("_T")


def run(host: str, port: int, map_name: str | None, seed: int, end_with_stdin: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    When clients can connect, one line is written to stdout: `listening on HOST:PORT, map NAME, seed
    N`. A port or map that can't be used gives one line on stderr and exit code 2, other trouble 1.

    Args:
        host: Address of the interface, for example "127.0.0.1".
        port: Of the RPC; 0 is any free one. The streams get a free one of their own.
        map_name: A shipped map's name, or an OpenDRIVE file; None is the first shipped one.
        seed: Of the scenery.
        end_with_stdin: End too when stdin ends, so that the server dies with whoever started it.
    """
    return run_parts(real_parts, host, port, map_name, seed, end_with_stdin)


def run_parts(
    find_parts: Callable[[], Parts],
    host: str,
    port: int,
    map_name: str | None,
    seed: int,
    end_with_stdin: bool = False,
) -> int:
    """As `run`, with makers of one's own for map, scenery and renderer.

    Args:
        find_parts: Called once, in the world's thread.
        host: See `run`.
        port: See `run`.
        map_name: See `run`.
        seed: See `run`.
        end_with_stdin: See `run`.
    """
    try:
        ended = asyncio.run(_serve(find_parts, host, port, map_name, seed, end_with_stdin))
    except CarlaSaliencyError as error:
        sys.stderr.write(f"carla-saliency: {error}\n")
        return 2 if isinstance(error, BadInputError) else 1
    except KeyboardInterrupt:  # before the handlers were there
        return 0
    if not ended:
        # The world's thread is in the middle of something long (reading a map); nothing is lost.
        sys.stdout.flush()
        os._exit(0)
    return 0


async def _serve(
    find_parts: Callable[[], Parts],
    host: str,
    port: int,
    map_name: str | None,
    seed: int,
    end_with_stdin: bool,
) -> bool:
    """Return whether the world's thread ended in time."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[str] = loop.create_future()
    _end_on_signals(loop, stop)
    if end_with_stdin:
        _end_on_stdin(loop, stop)
    async with contextlib.AsyncExitStack() as stack:
        streams = Streams(loop)
        stream_server = await _listen(lambda: StreamConnection(streams), host, 0)
        stack.callback(stream_server.close)
        ready: asyncio.Future[str | CarlaSaliencyError] = loop.create_future()

        def make_world() -> World:
            parts = find_parts()
            first = parts.map_names()[0] if map_name is None else map_name
            return World(parts, first, seed, _episode_id(), _port_of(stream_server))

        worker = Worker(
            make_world,
            streams,
            loop,
            ready=lambda result: _resolve(ready, result),
            ended=lambda: _resolve(stop, _WORLD_DIED),
        )
        rpc_port = Port(worker.submit, worker.forget)
        rpc_server = await _listen(lambda: RpcConnection(rpc_port), host, port)
        stack.callback(rpc_server.close)
        worker.start()
        await asyncio.wait((ready, stop), return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            result = ready.result()
            if isinstance(result, CarlaSaliencyError):
                raise result
            await _accept(stream_server, rpc_server)
            _announce(f"listening on {host}:{_port_of(rpc_server)}, map {result}, seed {seed}\n")
        if await stop == _WORLD_DIED:
            raise SimulatorError("the world's thread ended unexpectedly; its traceback is above")
        # Blocks the loop, which has nothing left to do.
        return worker.stop(_END_WITHIN_S)


async def _listen(make: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        # asyncio sets TCP_NODELAY on the sockets that it accepts.
        return await loop.create_server(make, host, port, start_serving=False)
    except (OSError, OverflowError) as error:
        raise BadInputError(f"can't listen on {host}:{port}: {_reason(error)}") from error


async def _accept(*servers: asyncio.Server) -> None:
    for server in servers:
        try:
            await server.start_serving()
        except OSError as error:
            raise BadInputError(f"can't listen: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return f"{text}; take another port, or 0 for any free one"


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def _announce(line: str) -> None:
    # Whoever started us may have gone already; stdin's end or a signal will tell.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(line)
        sys.stdout.flush()


def _resolve(future: asyncio.Future[_T], result: _T) -> None:
    if not future.done():
        future.set_result(result)


def _end_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Future[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _resolve, stop, signal.Signals(number).name)


def _end_on_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Future[str]) -> None:
    def watch() -> None:
        # The descriptor itself: a lock of sys.stdin's buffer would hang the interpreter's end.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(_resolve, stop, "stdin")

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _episode_id() -> int:
    """Differs from server to server: clients must notice a new server on an old port."""
    return time.time_ns() // 1_000_000
