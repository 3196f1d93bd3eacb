"""The window in a browser: the same pictures, keys and mouse, for a computer without a display."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from types import TracebackType

from carla_saliency.core import Image, Request
from carla_saliency.errors import BadInputError
from carla_saliency.output.controls import Controls, View
from carla_saliency.output.web_messages import Key, LetGo, Point
from carla_saliency.output.web_server import HEARTBEAT_S, WebServer

HERE = "web"  # whose keys and mouse
SILENT_S = 1.5  # a page that holds something speaks thrice a second
EVERYWHERE = ("0.0.0.0", "::")


class WebWindow:
    """Shows pictures in any number of browsers, and takes keys and mouse from one of them.

    The pictures are encoded and sent in a thread of its own, only while somebody looks, and then
    the newest one, so that no viewer slows the drive.

    Args:
        host: Address or name of this computer to listen on.
        port: TCP port; 0 = any free one.
        controls: Keys and mouse; may be those of a `Window`.
        say: Is told where to look, and once if something goes wrong.
        heartbeat_s: How often a silent viewer is asked whether it is there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        controls: Controls,
        say: Callable[[str], None],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._host, self._port, self._say = host, port, say
        self._heartbeat_s = heartbeat_s
        self._server: WebServer | None = None
        self._shift = False
        self.controls = controls
        self.address = ""

    def __enter__(self) -> WebWindow:
        """Begin to listen.

        Raises:
            BadInputError: If it can't.
        """
        listening = _listen(self._host, self._port)
        token = secrets.token_urlsafe(16)
        port = listening.getsockname()[1]
        self.address = f"http://{_reachable(self._host)}:{port}/{token}/"
        self._server = WebServer([listening], token, self._host, self._say, self._heartbeat_s)
        self._say(f"web: {self.address}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def view(self) -> View:
        """Opacity, help and text, as set with the keys."""
        return self.controls.view

    @property
    def watched(self) -> bool:
        """Whether a page is open."""
        return self._server is not None and self._server.has_viewers

    def show(self, picture: Image) -> None:
        """Show a picture, RGB uint8 (H, W, 3), that is not changed afterwards; returns at once."""
        if self._server is None:
            raise ValueError("the web window is not open: use it in a with statement")
        self._server.show(picture)

    def pump(self) -> None:
        """Take what the viewer in control did."""
        if self._server is None:
            return
        controls, inbox = self.controls, self._server.inbox
        for _ in range(len(inbox)):
            self._take(inbox.popleft())
        silent_s = time.monotonic() - self._server.heard_s
        if silent_s > SILENT_S and controls.holds(HERE):
            controls.let_go(HERE)  # the line is cut: nobody knows what is held there
        controls.repeat(HERE, shift=self._shift)

    def requests(self) -> list[Request]:
        """Return what was asked since the last call, oldest first."""
        return self.controls.requests()

    def _take(self, message: Key | Point | LetGo) -> None:
        controls = self.controls
        match message:
            case LetGo():
                controls.let_go(HERE)
            case Point(x, y, kind):
                controls.point(HERE, x, y, kind)
            case Key(key, down, text, shift, ctrl):
                self._shift = shift
                if down:
                    controls.press(HERE, key, text, shift=shift, ctrl=ctrl)
                else:
                    controls.release(HERE, key)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        BadInputError: If the name is unknown or the port is taken.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        both = host == "::" and socket.has_dualstack_ipv6()  # who says everywhere means IPv4 too
        return socket.create_server(address[:2], family=family, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        why = "that is no name of a computer"  # which Python can't encode
        if isinstance(error, OSError):
            why = (error.strerror or str(error)).partition(" (while attempting")[0].lower()
        other = port + 1 if 0 < port < 65535 else 8080
        raise BadInputError(
            f"--web can't listen on port {port} of {host} ({why}); choose another, for example "
            f"--web {other}, or 0 for any free one"
        ) from None


def _reachable(host: str) -> str:
    """Return a name by which a browser can reach it."""
    if host in EVERYWHERE:
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
