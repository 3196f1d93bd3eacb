"""A drive as it goes on, for Foxglove: the topics of a record over its web socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

import foxglove

from carla_saliency.core import DriveStep
from carla_saliency.errors import BadInputError
from carla_saliency.live.newest import Newest
from carla_saliency.record.encode import messages
from carla_saliency.record.extras import NO_EXTRAS, Extras
from carla_saliency.record.format import CHANNELS, CONTENTS, nanoseconds

# Messages that wait for one viewer, about five steps; then the oldest are dropped, so that a slow
# line shows fewer steps, not older ones. Who reads nothing for so many steps is disconnected.
BACKLOG = 64
EVERYWHERE = ("0.0.0.0", "::")


class FoxgloveStream:
    """Serves a drive to any number of viewers, who can only look.

    Steps are encoded in a thread of its own, and only while somebody has subscribed to a topic;
    then the newest one, so that no viewer slows the drive. Pictures are JPEG here.

    Args:
        host: Address of this computer to listen on.
        port: TCP port; 0 = any free one.
        title: Of the drive, for the viewers.
        say: Is told where to look.
        fail: Is told one line the first time that a step could not be sent.

    Attributes:
        address: For Foxglove, for example "ws://127.0.0.1:8765".

    Raises:
        BadInputError: If it can't listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        title: str,
        say: Callable[[str], None],
        fail: Callable[[str], None],
    ) -> None:
        # Of its own, for another stream in this process; topics end with it, so it is kept.
        self._context = context = foxglove.Context()
        self._channels = {
            about.topic: foxglove.Channel(
                about.topic,
                message_encoding="protobuf",
                schema=foxglove.Schema(
                    name=about.schema.name, encoding="protobuf", data=about.schema.data
                ),
                context=context,
            )
            for about in CHANNELS
            if about is not CONTENTS  # says what is where in a file
        }
        self._server = _start(host, port, title, context)
        self._newest: Newest | None = Newest("Foxglove", self._send, fail)
        self.address = f"ws://{_reachable(host)}:{self._server.port}"
        say(f"live: in Foxglove, Open connection > Foxglove WebSocket > {self.address}")

    def add(self, step: DriveStep, extras: Extras = NO_EXTRAS) -> None:
        """Show one step, unless a newer one comes first; returns at once.

        Args:
            step: Its pictures must not be changed afterwards.
            extras: What is known of the tick beside it.
        """
        if self._newest is not None:
            self._newest.add(step, extras)

    def close(self) -> None:
        """End the connections and the thread."""
        if self._newest is not None:
            self._newest.close()
            self._newest = None
            self._server.stop()
            for channel in self._channels.values():
                channel.close()

    def _send(self, step: DriveStep, extras: Extras) -> None:
        if not any(channel.base.has_sinks() for channel in self._channels.values()):
            return
        time_ns = nanoseconds(step.observation.frame.sim_s)
        self._server.broadcast_time(time_ns)
        for about, data in messages(step, extras, lossless=False):
            self._channels[about.topic].log(data, log_time=time_ns)


def _start(
    host: str, port: int, title: str, context: foxglove.Context
) -> foxglove.websocket.WebSocketServer:
    try:
        return foxglove.start_server(
            name=title,
            host=host,
            port=port,
            context=context,
            capabilities=[foxglove.Capability.Time],  # viewers then show simulated time
            message_backlog_size=BACKLOG,
        )
    except RuntimeError as error:  # all that it raises
        why = str(error).rpartition("port: ")[2].partition(" (os error")[0]
        raise BadInputError(
            f"--live can't listen on port {port} of {host} ({why}); choose another, for example "
            f"--live {port + 1 if 0 < port < 65535 else 8765}"
        ) from None


def _reachable(host: str) -> str:
    """Return a name that a viewer can connect to."""
    if host in EVERYWHERE:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
