"""The window: shows finished pictures, and turns keys into requests."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

import cv2
import pygame

from carla_saliency.core import (
    Autopilot,
    Control,
    HandOver,
    HeldKeys,
    Image,
    Manual,
    Mouse,
    Quit,
    Request,
)
from carla_saliency.errors import BadInputError
from carla_saliency.output.keys import ASK, ASK_WITH_SHIFT, REPEAT, STEER

log = logging.getLogger(__name__)

BACKGROUND = (0x0F, 0x11, 0x14)
OPACITY_STEP = 0.25
REPEAT_AFTER_S, REPEAT_EVERY_S = 0.4, 0.05


@dataclass(frozen=True, slots=True)
class View:
    """What the person has set for the look of the picture.

    Attributes:
        opacity: Of the overlay, 0 to 1.
        help: The keys are shown.
        text: Words and numbers are shown, not the panes alone.
    """

    opacity: float = 1.0
    help: bool = False
    text: bool = True


def has_display() -> bool:
    """Return whether a window can be opened here.

    On Linux that needs X11 or Wayland, or a driver that was chosen on purpose ("dummy" in tests).
    """
    if os.environ.get("SDL_VIDEODRIVER"):
        return True
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
        view: Opacity, help and text, as set with the keys.
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
        self._by_hand = by_hand
        self._driving = False
        self._down: set[int] = set()
        self._tapped: set[int] = set()
        self._reverse = False
        self._requests: list[Request] = []
        self._shown_opacity = 1.0
        self._clock = clock
        self._repeats_s: dict[int, float] = {}  # held key -> when it asks again
        self._shown = (0, 0, 1.0)  # left and top of the picture on the screen, and its scale
        self._dragging = False
        self.view = View()

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
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                self._requests.append(Quit())
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._down.clear()  # the release of a key goes to the other window
                self._repeats_s.clear()
            elif event.type == pygame.KEYUP:
                self._down.discard(event.key)
                self._repeats_s.pop(event.key, None)
            elif event.type == pygame.KEYDOWN:
                self._press(event.key, event.mod, event.unicode)
            elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION):
                self._point(event)
        self._repeat()

    def requests(self) -> list[Request]:
        """Return what was asked since the last call, oldest first.

        While a person drives, the last one is `Manual` with the control of now.
        """
        asked, self._requests = self._requests, []
        if self._driving and self._by_hand is not None:
            asked.append(Manual(self._by_hand(self.held)))
        self._tapped.clear()
        return asked

    @property
    def held(self) -> HeldKeys:
        """Return the driving keys that are down, or were since the last `requests`.

        Reverse is on when Q was pressed an odd number of times since the person took over.
        """
        names = {STEER[key] for key in self._down | self._tapped if key in STEER}
        return HeldKeys(**dict.fromkeys(names, True), reverse=self._reverse)

    # -------------------------------------------------------------- keys and mouse

    def _press(self, key: int, mod: int, text: str) -> None:
        if mod & pygame.KMOD_CTRL:  # Ctrl with a letter is never that letter
            if key == pygame.K_q:
                self._requests.append(Quit())
            return
        if key in STEER and self._by_hand is not None:
            self._down.add(key)
            self._tapped.add(key)
            self._take_over()
        elif key == pygame.K_q:
            self._reverse = self._driving and not self._reverse
        elif key in ASK:
            self._ask(key, bool(mod & pygame.KMOD_SHIFT))
        else:
            self._look(key, text)

    def _ask(self, key: int, shift: bool) -> None:
        request = ASK_WITH_SHIFT.get(key, ASK[key]) if shift else ASK[key]
        if isinstance(request, HandOver | Autopilot):
            self._driving = False
        if key in REPEAT:
            self._repeats_s[key] = self._clock() + REPEAT_AFTER_S
        self._requests.append(request)

    def _repeat(self) -> None:
        """Ask again for what is held: at most once a call, so that a slow answer is no flood."""
        now_s = self._clock()
        shift = bool(pygame.key.get_mods() & pygame.KMOD_SHIFT) if self._repeats_s else False
        for key, due_s in list(self._repeats_s.items()):
            if now_s >= due_s:
                self._ask(key, shift)
                self._repeats_s[key] = now_s + REPEAT_EVERY_S

    def _point(self, event: pygame.event.Event) -> None:
        """Note a click or a drag of the left button, in pixels of the picture."""
        if event.type != pygame.MOUSEMOTION and event.button != pygame.BUTTON_LEFT:
            return
        if event.type == pygame.MOUSEMOTION and not self._dragging:
            return
        left, top, k = self._shown
        x, y = (event.pos[0] - left) / k, (event.pos[1] - top) / k
        if event.type == pygame.MOUSEMOTION:
            last = self._requests[-1] if self._requests else None
            if isinstance(last, Mouse) and last.kind == "move":  # only where it is now matters
                self._requests.pop()
            self._requests.append(Mouse(x, y, "move"))
            return
        self._dragging = event.type == pygame.MOUSEBUTTONDOWN
        self._requests.append(Mouse(x, y, "press" if self._dragging else "release"))

    def _take_over(self) -> None:
        if not self._driving:
            self._driving = True
            self._reverse = False

    def _look(self, key: int, text: str) -> None:
        """Change the view; brackets and the question mark are where the keyboard has them."""
        opacity = self.view.opacity
        if key == pygame.K_h or text == "?":
            self.view = replace(self.view, help=not self.view.help)
        elif key == pygame.K_F1:
            self.view = replace(self.view, text=not self.view.text)
        elif text == "[" or key == pygame.K_LEFTBRACKET:
            self._set_opacity(max(0.0, opacity - OPACITY_STEP))
        elif text == "]" or key == pygame.K_RIGHTBRACKET:
            self._set_opacity(min(1.0, opacity + OPACITY_STEP))
        elif key in (pygame.K_0, pygame.K_KP0):
            self._set_opacity(0.0 if opacity else self._shown_opacity)

    def _set_opacity(self, opacity: float) -> None:
        if opacity:
            self._shown_opacity = opacity
        self.view = replace(self.view, opacity=opacity)
