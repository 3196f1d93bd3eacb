"""What a person does with keys and mouse, turned into requests, whoever has the keyboard."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from carla_saliency.core import (
    Autopilot,
    Control,
    HandOver,
    HeldKeys,
    Manual,
    Mouse,
    Quit,
    Request,
)
from carla_saliency.output.keys import ASK, ASK_WITH_SHIFT, REPEAT, REVERSE, STEER, WATCH

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


class Controls:
    """Keys and mouse. A window and a browser may share them: then they have one view.

    Keys have the names of `output.keys`. Not for several threads.

    Args:
        by_hand: Turns the held driving keys into a control; called once per `requests` while a
            person drives, so that it can move the wheel smoothly. None: nobody can drive, and some
            ask for something else.
        clock: Seconds; for keys that repeat.

    Attributes:
        view: Opacity, help and text, as set with the keys.
    """

    def __init__(
        self,
        by_hand: Callable[[HeldKeys], Control] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._by_hand = by_hand
        self._clock = clock
        self._driving = False
        self._reverse = False
        self._down: set[tuple[str, str]] = set()  # keyboard and key
        self._tapped: set[str] = set()
        self._repeats_s: dict[tuple[str, str], float] = {}  # held key -> when it asks again
        self._drag: tuple[str, float, float] | None = None  # whose, and where it is
        self._requests: list[Request] = []
        self._shown_opacity = 1.0
        self.view = View()

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
        keys = {key for _, key in self._down} | self._tapped
        return HeldKeys(**dict.fromkeys((STEER[key] for key in keys), True), reverse=self._reverse)

    def holds(self, keyboard: str) -> bool:
        """Return whether a driving or repeating key of this keyboard, or its mouse, is down."""
        dragged = self._drag is not None and self._drag[0] == keyboard
        return dragged or any(one == keyboard for one, _ in (*self._down, *self._repeats_s))

    # -------------------------------------------------------------- keys

    def press(
        self, keyboard: str, key: str, text: str = "", *, shift: bool = False, ctrl: bool = False
    ) -> None:
        """Note that a key went down; a keyboard's own repeats are left out.

        Args:
            keyboard: Whose key.
            key: Its name, which Shift does not change.
            text: What it writes.
            shift: Is down as well.
            ctrl: Is down as well; with a letter this is never that letter.
        """
        if ctrl:
            if key == REVERSE:
                self._requests.append(Quit())
        elif key in STEER and self._by_hand is not None:
            self._down.add((keyboard, key))
            self._tapped.add(key)
            self._take_over()
        elif key in WATCH and self._by_hand is None:
            self._requests.append(WATCH[key])
        elif key == REVERSE:
            self._reverse = self._driving and not self._reverse
        elif key in ASK:
            if key in REPEAT:
                self._repeats_s[keyboard, key] = self._clock() + REPEAT_AFTER_S
            self._ask(key, shift)
        else:
            self._look(key, text)

    def release(self, keyboard: str, key: str) -> None:
        """Note that a key went up."""
        self._down.discard((keyboard, key))
        self._repeats_s.pop((keyboard, key), None)

    def release_all(self, keyboard: str) -> None:
        """Take all its keys for released: what is released elsewhere is not told here."""
        self._down = {held for held in self._down if held[0] != keyboard}
        self._repeats_s = {key: due for key, due in self._repeats_s.items() if key[0] != keyboard}

    def repeat(self, keyboard: str, *, shift: bool = False) -> None:
        """Ask again for what is held: at most once a call, so that a slow answer is no flood."""
        now_s = self._clock()
        for (whose, key), due_s in list(self._repeats_s.items()):
            if whose == keyboard and now_s >= due_s:
                self._ask(key, shift)
                self._repeats_s[whose, key] = now_s + REPEAT_EVERY_S

    def quit(self) -> None:
        """Ask for the end, as a closed window does."""
        self._requests.append(Quit())

    # -------------------------------------------------------------- mouse

    def point(
        self, mouse: str, x: float, y: float, kind: Literal["press", "move", "release"]
    ) -> None:
        """Note what the left button does.

        Args:
            mouse: Whose.
            x: To the right, in pixels of the picture.
            y: Down.
            kind: Moves without the button say nothing.
        """
        dragging = self._drag is not None and self._drag[0] == mouse
        if kind == "move":
            if not dragging:
                return
            last = self._requests[-1] if self._requests else None
            if isinstance(last, Mouse) and last.kind == "move":  # only where it is now matters
                self._requests.pop()
        self._drag = None if kind == "release" else (mouse, x, y)
        self._requests.append(Mouse(x, y, kind))

    def let_go(self, whose: str) -> None:
        """Release its keys and its mouse: the person is gone."""
        self.release_all(whose)
        if self._drag is not None and self._drag[0] == whose:
            _, x, y = self._drag
            self.point(whose, x, y, "release")

    # -------------------------------------------------------------- inside

    def _ask(self, key: str, shift: bool) -> None:
        request = ASK_WITH_SHIFT.get(key, ASK[key]) if shift else ASK[key]
        if isinstance(request, HandOver | Autopilot):
            self._driving = False
        self._requests.append(request)

    def _take_over(self) -> None:
        if not self._driving:
            self._driving = True
            self._reverse = False

    def _look(self, key: str, text: str) -> None:
        """Change the view; brackets and the question mark are where the keyboard has them."""
        opacity = self.view.opacity
        if key == "h" or text == "?":
            self.view = replace(self.view, help=not self.view.help)
        elif key == "F1":
            self.view = replace(self.view, text=not self.view.text)
        elif text == "[" or key == "[":
            self._set_opacity(max(0.0, opacity - OPACITY_STEP))
        elif text == "]" or key == "]":
            self._set_opacity(min(1.0, opacity + OPACITY_STEP))
        elif key == "0":
            self._set_opacity(0.0 if opacity else self._shown_opacity)

    def _set_opacity(self, opacity: float) -> None:
        if opacity:
            self._shown_opacity = opacity
        self.view = replace(self.view, opacity=opacity)
