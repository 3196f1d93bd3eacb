"""The window: shows finished pictures, and has the keyboard and the mouse."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal

import cv2
import pygame

from carla_saliency.core import Control, HeldKeys, Image, Request
from carla_saliency.errors import BadInputError
from carla_saliency.output.controls import Controls, View

log = logging.getLogger(__name__)

BACKGROUND = (0x0F, 0x11, 0x14)
HERE = "window"  # whose keys and mouse
NAMES = {  # SDL's keys by the names of `output.keys`
    pygame.K_LEFT: "ArrowLeft",
    pygame.K_RIGHT: "ArrowRight",
    pygame.K_UP: "ArrowUp",
    pygame.K_DOWN: "ArrowDown",
    pygame.K_SPACE: " ",
    pygame.K_ESCAPE: "Escape",
    pygame.K_RETURN: "Enter",
    pygame.K_KP_ENTER: "Enter",
    pygame.K_PAGEUP: "PageUp",
    pygame.K_PAGEDOWN: "PageDown",
    pygame.K_BACKSPACE: "Backspace",
    pygame.K_TAB: "Tab",
    pygame.K_DELETE: "Delete",
    pygame.K_INSERT: "Insert",
    pygame.K_F1: "F1",
    pygame.K_F2: "F2",
    pygame.K_F12: "F12",
    pygame.K_KP0: "0",
}
POINTING: dict[int, Literal["press", "move", "release"]] = {
    pygame.MOUSEBUTTONDOWN: "press",
    pygame.MOUSEMOTION: "move",
    pygame.MOUSEBUTTONUP: "release",
}


def has_display() -> bool:
    """Return whether a window can be opened here.

    On Linux that needs X11 or Wayland, or a driver that was chosen on purpose ("dummy" in tests).
    """
    return bool(os.environ.get("SDL_VIDEODRIVER")) or has_screen()


def has_screen() -> bool:
    """Return whether programs of others can open a window here."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


class Window:
    """A window that can be resized; pictures keep their shape.

    Args:
        size: (width, height) of the pictures: the window's first size, if the screen has room.
        by_hand: Turns the held driving keys into a control; called once per `requests` while a
            person drives, so that it can move the wheel smoothly. None: they do nothing.
        title: Of the window.
        clock: Seconds; for keys that repeat.

    Attributes:
        controls: Keys and mouse; a second viewer may share them.
    """

    def __init__(
        self,
        size: tuple[int, int],
        by_hand: Callable[[HeldKeys], Control] | None = None,
        title: str = "carla-saliency",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._size = size
        self._title = title
        self._shown = (0, 0, 1.0)  # left and top of the picture on the screen, and its scale
        self.controls = Controls(by_hand, clock)

    def __enter__(self) -> Window:
        """Open the window.

        Raises:
            BadInputError: If there is no display.
        """
        if not has_display():
            raise BadInputError(
                "a window needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set; "
                "start it from a desktop, or use --headless"
            )
        # Ctrl-C and SIGTERM belong to the program, SDL would swallow the latter
        os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
        try:
            pygame.display.init()  # not pygame.init(), which opens the sound card as well
            pygame.display.set_caption(self._title)
            pygame.display.set_mode(self._first_size(), pygame.RESIZABLE)
        except pygame.error as error:
            pygame.display.quit()
            raise BadInputError(
                f"no window could be opened ({error}); check DISPLAY, or use --headless"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pygame.display.quit()

    def _first_size(self) -> tuple[int, int]:
        width, height = self._size
        screens = pygame.display.get_desktop_sizes()
        if screens and pygame.display.get_driver() != "dummy":
            k = min(1.0, 0.94 * screens[0][0] / width, 0.88 * screens[0][1] / height)
            return round(width * k), round(height * k)
        return width, height

    @property
    def watched(self) -> bool:
        """Whether a person may be looking: always."""
        return True

    def show(self, picture: Image) -> None:
        """Show a picture, RGB uint8 (H, W, 3), as large as the window allows, in its middle.

        At twice or three times its size each pixel becomes a square: letters stay sharp.
        """
        screen = pygame.display.get_surface()
        if screen is None:
            raise ValueError("the window is not open: use it in a with statement")
        height, width, _ = picture.shape
        k = min(screen.get_width() / width, screen.get_height() / height)
        w, h = max(1, round(width * k)), max(1, round(height * k))
        if (w, h) != (width, height):
            whole = cv2.INTER_NEAREST if k.is_integer() else cv2.INTER_LINEAR
            how = cv2.INTER_AREA if k < 1 else whole
            picture = cv2.resize(picture, (w, h), interpolation=how).astype("uint8", copy=False)
        if (w, h) != screen.get_size():
            screen.fill(BACKGROUND)
        surface = pygame.image.frombuffer(picture.data, (w, h), "RGB")
        left, top = (screen.get_width() - w) // 2, (screen.get_height() - h) // 2
        screen.blit(surface, (left, top))
        self._shown = left, top, k
        pygame.display.flip()

    def pump(self) -> None:
        """Take what the person did; call it at least every 100 ms, or the desktop calls us hung."""
        controls = self.controls
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                controls.quit()
            elif event.type == pygame.WINDOWFOCUSLOST:
                controls.release_all(HERE)  # the release of a key goes to the other window
            elif event.type == pygame.KEYUP:
                controls.release(HERE, _name(event.key))
            elif event.type == pygame.KEYDOWN:
                shift, ctrl = (
                    bool(event.mod & pygame.KMOD_SHIFT),
                    bool(event.mod & pygame.KMOD_CTRL),
                )
                controls.press(HERE, _name(event.key), event.unicode, shift=shift, ctrl=ctrl)
            elif event.type in POINTING:
                self._point(event)
        controls.repeat(HERE, shift=bool(pygame.key.get_mods() & pygame.KMOD_SHIFT))

    def requests(self) -> list[Request]:
        """Return what was asked since the last call, oldest first.

        While a person drives, the last one is `Manual` with the control of now.
        """
        return self.controls.requests()

    @property
    def view(self) -> View:
        """Opacity, help and text, as set with the keys."""
        return self.controls.view

    def _point(self, event: pygame.event.Event) -> None:
        """Note a click or a drag of the left button, in pixels of the picture."""
        if event.type != pygame.MOUSEMOTION and event.button != pygame.BUTTON_LEFT:
            return
        left, top, k = self._shown
        x, y = (event.pos[0] - left) / k, (event.pos[1] - top) / k
        self.controls.point(HERE, x, y, POINTING[event.type])


def _name(key: int) -> str:
    """Return the name of a key; that of a letter or a sign is what it writes without Shift."""
    return NAMES.get(key) or (chr(key) if 32 < key < 127 else f"SDL {key}")
