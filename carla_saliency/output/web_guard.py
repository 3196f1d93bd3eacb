"""Who may open the page: whoever has the address that was printed, from a page of ours."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

WRONG_TOKEN = "This is not the address that carla-saliency printed: open that one."
WRONG_HOST = (
    "carla-saliency is not known by this name: open it as localhost or by its IP address, or start "
    "it with --web NAME:PORT."
)
WRONG_ORIGIN = "The page that asks is not one of carla-saliency's."


def refusal(path: str, headers: tuple[str | None, str | None], token: str, name: str) -> str:
    """Return why a request is refused, as one line; "" if it is not.

    A page of somebody else could point a name of its own at this computer and then ask us in the
    name of whoever looks at it. So the name must be one of this computer's, or an IP address.

    Args:
        path: Of the request.
        headers: Its Host and its Origin; the latter is None outside of browsers.
        token: Must be the first part of the path.
        name: By which the server was told to listen.
    """
    host, origin = headers
    given = path.split("/")[1] if path.startswith("/") else ""
    if not hmac.compare_digest(given.encode(), token.encode()):
        return WRONG_TOKEN
    if not _is_ours(host or "", name):
        return WRONG_HOST
    if origin is not None and not _is_from(origin, host or ""):
        return WRONG_ORIGIN
    return ""


def _is_from(origin: str, host: str) -> bool:
    """Return whether an Origin header is that of our own page."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # it is no address
        return False


def _is_ours(host: str, name: str) -> bool:
    """Return whether a Host header names this computer; the port may be that of a tunnel."""
    try:
        asked = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    own = socket.gethostname().lower()
    if asked in ("localhost", name.lower(), own, f"{own}.local"):
        return True
    try:
        ipaddress.ip_address(asked)
    except ValueError:
        return False
    return True
