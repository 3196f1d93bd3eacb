"""Where a person sees the drive and has keys and a mouse: a window, a browser, or both."""

from __future__ import annotations

from typing import Protocol

from carla_saliency.core import Image, Request
from carla_saliency.output.controls import View


class Viewer(Protocol):
    """Shows finished pictures, and tells what the person asks for."""

    @property
    def view(self) -> View:
        """What the person has set for the look of the picture."""

    @property
    def watched(self) -> bool:
        """Whether a person may be looking."""

    def show(self, picture: Image) -> None:
        """Show a picture, RGB uint8 (H, W, 3), that is not changed afterwards."""

    def pump(self) -> None:
        """Take what the person did; to be called at least every 100 ms."""

    def requests(self) -> list[Request]:
        """Return what was asked since the last call, oldest first."""


class Both:
    """Two viewers that share their `Controls`, and so the view and what is asked.

    Args:
        first: Tells the requests of both.
        second: Is shown the same pictures.
    """

    def __init__(self, first: Viewer, second: Viewer) -> None:
        self._first, self._second = first, second

    @property
    def view(self) -> View:
        """What the person has set for the look of the picture, in either."""
        return self._first.view

    @property
    def watched(self) -> bool:
        """Whether a person may be looking at either."""
        return self._first.watched or self._second.watched

    def show(self, picture: Image) -> None:
        """Show a picture, RGB uint8 (H, W, 3), in both."""
        self._first.show(picture)
        self._second.show(picture)

    def pump(self) -> None:
        """Take what the person did in either."""
        self._first.pump()
        self._second.pump()

    def requests(self) -> list[Request]:
        """Return what was asked since the last call in either, oldest first."""
        return self._first.requests()
