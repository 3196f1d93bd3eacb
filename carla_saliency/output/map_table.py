"""A table of maps: one row for each, beside the pictures that show them."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from carla_saliency.core import Explanation
from carla_saliency.errors import BadInputError, CarlaSaliencyError

PERCENTILE = 99.5  # of the magnitudes: what the colours are scaled to
COLUMNS = (
    "input",
    "frame",
    "time_s",
    "method",
    "of",
    "steering",
    "degrees",
    "recorded_steering",
    "map_left",
    "map_right",
    "map_p99_5",
)
"""`of` is what was explained: steering, or a layer. `steering` is the network's own, left negative;
`degrees` at the wheels of the car that it learned on; `recorded_steering` as it stands in the log.
`map_left` and `map_right` are the sums of the map's negative and of its positive values,
`map_p99_5` the 99.5th percentile of their magnitudes, in the method's unit. Empty: not known."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Which frame a row is of.

    Attributes:
        source: The file, the log or the folder, as it was given.
        number: Of the frame in it.
        time_s: Since its first frame; None if not known.
        recorded: Steering in its log; None without.
    """

    source: str
    number: int
    time_s: float | None = None
    recorded: float | None = None


class MapTable:
    """A CSV file to which rows are added; each is in the file at once.

    Args:
        path: The file; one that exists is overwritten.
        lock_deg: Angle of the wheels at the network's steering 1; None leaves degrees out.

    Attributes:
        path: The file.
        count: Rows so far.

    Raises:
        BadInputError: If it can't be written.
    """

    def __init__(self, path: Path, lock_deg: float | None = None) -> None:
        self.path, self.count = path, 0
        self._lock_deg = lock_deg
        try:
            self._file = path.open("w", 1, encoding="utf-8", errors="replace", newline="")
        except OSError as error:
            raise BadInputError(f"{path} can't be written: {error.strerror}") from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        try:
            self._put(COLUMNS)
        except CarlaSaliencyError:
            self._close()
            raise

    def __enter__(self) -> MapTable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        with suppress(OSError):  # only of a row of which that was said before
            self._file.close()

    def add(self, shown: Shown, explanation: Explanation) -> None:
        """Add the row of one map.

        Raises:
            CarlaSaliencyError: If it can't be written, for example as the disk is full.
        """
        steering, lock_deg = explanation.steering, self._lock_deg
        self._put(
            (
                shown.source,
                shown.number,
                _text(shown.time_s),
                explanation.method,
                explanation.meaning.of,
                _text(steering),
                _text(None if lock_deg is None else steering * lock_deg),
                _text(shown.recorded),
                *map(_text, sums_and_peak(explanation)),
            )
        )
        self.count += 1

    def _put(self, row: tuple[object, ...]) -> None:
        try:
            self._rows.writerow(row)
        except OSError as error:
            raise CarlaSaliencyError(
                f"{self.path} can't be written any further ({error.strerror}): free some space"
            ) from error


def sums_and_peak(explanation: Explanation) -> tuple[float, float, float]:
    """Return the sums of a map's negative and positive values and the peak of its magnitudes."""
    values = explanation.attribution.astype(np.float64)
    if not values.size:
        return 0.0, 0.0, 0.0
    peak = float(np.percentile(np.abs(values), PERCENTILE))
    return float(values[values < 0].sum()), float(values[values > 0].sum()), peak


def _text(value: float | None) -> str:
    """Return seven digits, which is what a float32 has."""
    return "" if value is None else f"{value:.7g}"
