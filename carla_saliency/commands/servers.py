"""Which server a command uses: the one that is named, one that runs here, or one of ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, Protocol

from carla_saliency.embedded import EmbeddedServer
from carla_saliency.errors import BadInputError
from carla_saliency.settings import DEFAULT_HOST, DEFAULT_PORT
from carla_saliency.sim.connect import probe

LOOK_S = 1.0  # how long a server on this computer may take to answer before ours is started


class Wanted(Protocol):
    """What the flags say about the server."""

    @property
    def host(self) -> str | None:
        """Of a server that runs; None if not given."""

    @property
    def port(self) -> int | None:
        """Of its RPC; None if not given."""

    @property
    def embedded(self) -> str:
        """Whether ours is started: "auto", "always", "never"."""

    @property
    def seed(self) -> int:
        """Of the look of our server's roads."""


class Found(NamedTuple):
    """A server.

    Attributes:
        host: Its address.
        port: Of its RPC.
        ours: It was started for this command, with the map that was wanted.
    """

    host: str
    port: int
    ours: bool


def find_server(
    stack: ExitStack,
    wanted: Wanted,
    map_name: str | None,
    *,
    must_run: bool = False,
    on_wait: Callable[[float], None] = lambda waited_s: None,
    say: Callable[[str], None] = lambda line: None,
) -> Found:
    """Return the server; ours is started if no other is named or answers.

    Args:
        stack: Stops ours.
        wanted: The flags.
        map_name: For ours.
        must_run: Ours would be no use: somebody else's car is on it.
        on_wait: Called while ours starts, with the seconds so far.
        say: Is told that ours is started, where that was not asked for.

    Raises:
        SimulatorError: If ours does not start.
    """
    host, port = wanted.host or DEFAULT_HOST, wanted.port or DEFAULT_PORT
    given = wanted.host is not None or wanted.port is not None or must_run
    if wanted.embedded == "never" or (wanted.embedded == "auto" and given):
        return Found(host, port, ours=False)
    if wanted.embedded == "auto":
        if _answers(host, port):
            return Found(host, port, ours=False)
        say(f"no CARLA server answers at {host}:{port}: starting the embedded one")
    server = stack.enter_context(EmbeddedServer(map_name, wanted.seed, on_wait))
    return Found(server.host, server.port, ours=True)


def _answers(host: str, port: int) -> bool:
    try:
        probe(host, port, LOOK_S)
    except BadInputError:
        return False
    return True
