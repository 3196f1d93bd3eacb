"""A log of a drive: pictures in files, with what a table or a record says of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.pictures import read_picture
from carla_saliency.sources.source import Broken, Picture

LOWEST_RATE, HIGHEST_RATE = 1.0, 120.0  # else its times are not those of a drive


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log.

    Attributes:
        number: Of the frame, rising.
        path: Of the picture.
        clock_s: When it was taken, on the log's own clock; None if it does not say.
        recorded: Steering, [-1, 1], left negative; None if it does not say.
    """

    number: int
    path: Path
    clock_s: float | None
    recorded: float | None


class Log:
    """The pictures of a log, in its order.

    Args:
        path: Of the log.
        entries: Its lines, and those that can't be used.
        usual_rate: Pictures per second, if it has no times.

    Attributes:
        path: Of the log.
        rate: Pictures per second.
        count: How many pictures it lists.
    """

    moving, keeps_times = True, False

    def __init__(self, path: Path, entries: Sequence[Entry | Broken], usual_rate: float) -> None:
        self.path = path
        self._entries = entries
        clock_s = [one.clock_s for one in entries if isinstance(one, Entry)]
        self.count: int | None = len(clock_s)
        known = [each for each in clock_s if each is not None]
        self.rate = _rate(known) or usual_rate
        self._first_s = known[0] if known else 0.0

    def read(self, every: int = 1) -> Iterator[Picture | Broken]:
        """Yield the pictures, or of so many the first one, and what is broken."""
        size: tuple[int, int] | None = None
        for entry in self._entries[::every]:
            one = entry if isinstance(entry, Broken) else self._picture(entry)
            if isinstance(one, Picture):
                height, width = one.image.shape[:2]
                size = size or (height, width)
                if size != (height, width):
                    one = Broken(
                        f"{self.path}: {one.name} is {width}x{height}, the pictures before it are "
                        f"{size[1]}x{size[0]}"
                    )
            yield one
        if not self._entries:
            yield Broken(f"{self.path} lists no picture")

    def _picture(self, entry: Entry) -> Picture | Broken:
        try:
            image = read_picture(entry.path)
        except BadInputError as error:
            return Broken(str(error))
        time_s = None if entry.clock_s is None else entry.clock_s - self._first_s
        return Picture(entry.number, entry.path.name, image, time_s, entry.recorded)


def number_or_none(value: object) -> float | None:
    """Return a number of a log; None where there is none, or it is NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _rate(clock_s: Sequence[float]) -> float | None:
    """Return pictures per second; pauses and clocks that were set back don't matter."""
    steps_s = np.diff(np.asarray(clock_s, np.float64))
    forward_s = steps_s[steps_s > 0]
    if not forward_s.size:
        return None
    rate = round(1 / float(np.median(forward_s)), 3)
    return rate if LOWEST_RATE <= rate <= HIGHEST_RATE else None
