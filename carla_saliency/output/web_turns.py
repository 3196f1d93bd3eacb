"""Whose turn it is: one viewer is in control, the others watch and may ask for it."""

from __future__ import annotations

import time
from collections.abc import Callable

ANSWER_S = 10.0  # whoever is in control and does not answer for so long is not there


class Turns:
    """Who is in control. Viewers are numbers, from 1, in the order in which they came.

    Args:
        clock: Seconds.

    Attributes:
        holder: Who is in control; None = nobody.
        asker: Who asks to be.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._viewers: set[int] = set()
        self._last = 0
        self._asked_s = 0.0
        self.holder: int | None = None
        self.asker: int | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self) -> int:
        """Return the number of a new viewer, who is in control if nobody was."""
        self._last += 1
        self._viewers.add(self._last)
        if self.holder is None:
            self.holder = self._last
        return self._last

    def leave(self, viewer: int) -> None:
        """Take a viewer away: what was asked for goes to the one who asked, else to nobody."""
        self._viewers.discard(viewer)
        if viewer == self.asker:
            self.asker = None
        if viewer == self.holder:
            self.holder, self.asker = self.asker, None

    def ask(self, viewer: int) -> None:
        """Take control if nobody has it, else ask for it; one asks at a time."""
        if self.holder is None:
            self.holder = viewer
        elif viewer != self.holder and self.asker is None:
            self.asker, self._asked_s = viewer, self._clock()

    def answer(self, viewer: int, *, give: bool) -> None:
        """Give control to the one who asks, or keep it; only the one in control may."""
        if viewer == self.holder and self.asker is not None:
            self.holder, self.asker = self.asker if give else viewer, None

    def pass_time(self) -> None:
        """Let whoever asked have control, if no answer came in time."""
        if self.asker is not None and self._clock() - self._asked_s >= ANSWER_S:
            self.holder, self.asker = self.asker, None
