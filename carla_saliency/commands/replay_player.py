"""Plays a recorded drive: which step is next, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable

from carla_saliency.commands.replay_tape import Tape
from carla_saliency.core import DriveStep
from carla_saliency.record.reader import Record
from carla_saliency.timing import Pacer

PACES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 0.0)
"""Recorded seconds per real second; 0 = as fast as it can."""
AHEAD_S = 10.0
"""What comes next is to be seen on the strips while one looks at a moment."""


class Player:
    """Says what is played next; steps are read ahead, so that nobody waits for a picture.

    Args:
        record: Is open.
        tape: The same for the window.
        tick_s: Recorded seconds of a tick.
        pace: Recorded seconds per real second, 0 = as fast as it can.
        start: Index of the first step.
        retell: Lets the strips show other steps.
    """

    def __init__(
        self,
        record: Record,
        tape: Tape,
        tick_s: float,
        pace: float,
        start: int,
        retell: Callable[[Iterable[DriveStep]], None],
    ) -> None:
        self._record, self._tape, self._retell = record, tape, retell
        self._tick_s, self._pace = tick_s, pace
        self._next = start
        self._ahead: Generator[tuple[int, DriveStep]] | None = None
        self._read_from = start
        self.pacer = Pacer(tick_s, pace)
        self.read_ms = 0.0
        if start > 0:
            self._tell(start - 1)

    @property
    def pace_text(self) -> str:
        """How fast it is played, in words."""
        return "as fast as it can" if self._pace == 0 else f"speed {self._pace:g}×"

    def take(self) -> tuple[int, DriveStep, bool] | None:
        """Return the next step with its index, and whether it follows no other; None at the end.

        Raises:
            CarlaSaliencyError: If the record is damaged there.
        """
        if self._next >= len(self._tape):
            return None
        begin_s = time.perf_counter()
        jumped = self._ahead is None or self._read_from != self._next
        if jumped:
            self.close()
            self._ahead = self._read(self._next)
        assert self._ahead is not None
        index, step = next(self._ahead)
        self.read_ms = (time.perf_counter() - begin_s) * 1000
        self._next = self._read_from = index + 1
        self._tape.end = index
        return index, step, jumped

    def close(self) -> None:
        """Read no further."""
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    # -------------------------------------------------------------- what a person asks

    def show(self, index: int) -> None:
        """Let the strips show the moment of a step that is looked at, if they don't."""
        if not self._tape.covers(index):
            self._tell(self._tape.later(index, AHEAD_S))

    def go_on(self, index: int) -> None:
        """Play on from a step; from the first one, if that is the last."""
        last = index >= len(self._tape) - 1
        self._next = 0 if last else index + 1
        if not last and self._tape.end != index:
            self._tell(index)

    def jump(self, ticks: int) -> None:
        """Play on so many ticks later or (negative) earlier."""
        index = max(0, min(self._next - 1 + ticks, len(self._tape) - 1))
        self._next = index
        if index > 0:
            self._tell(index - 1)

    def change_pace(self, by: int) -> str:
        """Play faster (+1) or slower (-1); return in words how fast."""
        order = sorted(PACES, key=lambda pace: pace or float("inf"))
        near = min(order, key=lambda pace: abs((pace or 1e9) - (self._pace or 1e9)))
        at = order.index(near) + by
        self._pace = order[max(0, min(at, len(order) - 1))]
        self.pacer = Pacer(self._tick_s, self._pace)
        return self.pace_text

    # -------------------------------------------------------------- inside

    def _tell(self, end: int) -> None:
        self._retell(self._tape.moments(end))
        self._tape.end = end

    def _read(self, start: int) -> Generator[tuple[int, DriveStep]]:
        yield from enumerate(self._record.steps(start), start)
