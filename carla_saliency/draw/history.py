"""What the strips show: the last 20 simulated seconds, and what happened in them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import GROUPS, Array
from carla_saliency.draw.layout import STRIP_A
from carla_saliency.draw.state import Tone

SECONDS = 20.0
FLAG_ROWS = (0, 2, 1)  # as they are filled: a straight drive's curves are in the middle one

Numbers = NDArray[np.float64]


class Field(IntEnum):
    """The columns of the history; steering in the unit of the strip."""

    TIME_S = 0
    NETWORK = 1  # the only one, or network A
    EXPERT = 2
    BY_HAND = 3  # what was sent while a person or CARLA's autopilot drove
    OFFSET_M = 4
    ROOM_M = 5
    SPEED_KMH = 6
    NOT_NETWORK = 7
    OTHER = 8  # network B
    DIFFERENCE = 9  # B minus A


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that happened, on the strips.

    Attributes:
        sim_s: When.
        text: One or two words.
        tone: Its colour.
        row: In which of the rows its words are; None: only its line.
        width: Of its box, in units.
    """

    sim_s: float
    text: str
    tone: Tone
    row: int | None
    width: float


class History:
    """The last 20 s, one row per sample.

    Args:
        tick_s: Simulated seconds between samples.
    """

    def __init__(self, tick_s: float) -> None:
        self._length = int(SECONDS / tick_s) + 2
        self._rows = np.full((2 * self._length, len(Field) + len(GROUPS)), np.nan)
        self._count = 0
        self.flags: deque[Flag] = deque()

    def add(self, sim_s: float, values: dict[Field, float], shares: Array | None = None) -> None:
        """Add one sample. Time that goes back clears all.

        Args:
            sim_s: Its time.
            values: A field that is left out has a gap.
            shares: Of the attention, of each of `core.GROUPS`, (8,); None or all 0 is a gap.
        """
        if self._count and sim_s < self._rows[self._count - 1, Field.TIME_S]:
            self._count = 0
            self.flags.clear()
        if self._count == len(self._rows):  # copied down once in 20 s: the window stays contiguous
            self._rows[: self._length] = self._rows[-self._length :]
            self._count = self._length
        row = self._rows[self._count]
        row[:] = np.nan
        row[Field.TIME_S] = sim_s
        for field, value in values.items():
            row[field] = value
        if shares is not None and shares.any():
            row[len(Field) :] = shares
        self._count += 1
        while self.flags and self.flags[0].sim_s < sim_s - SECONDS:
            self.flags.popleft()

    def flag(self, text: str, tone: Tone, width: float, sim_s: float | None = None) -> None:
        """Add a flag.

        Its row is chosen now and kept, so that no flag jumps while it moves to the left.

        Args:
            text: One or two words.
            tone: Its colour.
            width: Of its box, in units.
            sim_s: When; None = at the newest sample.
        """
        at_s = self.now_s if sim_s is None else sim_s
        row: int | None = None
        for candidate in FLAG_ROWS:
            others = (flag for flag in self.flags if flag.row == candidate)
            if all(
                abs(at_s - flag.sim_s) * STRIP_A.w / SECONDS > flag.width + width + 6
                for flag in others
            ):
                row = candidate
                break
        self.flags.append(Flag(at_s, text, tone, row, width))

    @property
    def now_s(self) -> float:
        """Return the time of the newest sample; 0 if there is none."""
        return float(self._rows[self._count - 1, Field.TIME_S]) if self._count else 0.0

    def column(self, field: Field) -> Numbers:
        """Return one field of the last 20 s, oldest first; NaN in gaps."""
        return self._window[:, field]

    @property
    def shares(self) -> Numbers:
        """Return the shares of attention of the last 20 s, (samples, 8); NaN in gaps."""
        return self._window[:, len(Field) :]

    @property
    def _window(self) -> Numbers:
        return self._rows[max(0, self._count - self._length) : self._count]

    def at(self, field: Field, back_s: float = 0.0) -> float | None:
        """Return the value of a field so long ago; None in a gap, or where nothing is known."""
        times = self.column(Field.TIME_S)
        index = int(np.searchsorted(times, self.now_s - back_s + 1e-6)) - 1
        if not 0 <= index < len(times):
            return None
        value = float(self._window[index, field])
        return None if np.isnan(value) else value
