"""A table of maps: one row for each, beside the pictures that show them; as CSV and as Parquet."""

from __future__ import annotations

import csv
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from carla_saliency.core import GROUPS, ClassShares, Explanation
from carla_saliency.errors import BadInputError, CarlaSaliencyError

PERCENTILE = 99.5  # of the magnitudes: what the colours are scaled to
TEXTS = ("input", "method", "of")
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
    *(f"share_{group}" for group in GROUPS),
)
"""`of` is what was explained: steering, or a layer. `steering` is the network's own, left negative;
`degrees` at the wheels of the car that it learned on; `recorded_steering` as it stands in the log,
or as the car was steered in the drive. `map_left` and `map_right` are the sums of the map's
negative and of its positive values, `map_p99_5` the 99.5th percentile of their magnitudes, in the
method's unit. `share_road` and so on: part of the map's magnitudes that lies on that class, 0 to 1.
Empty: not known."""


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
    """A CSV file to which rows are added, each in the file at once, and its copy in Parquet.

    Rows do not stay in memory. The copy is made when the table is closed.

    Args:
        path: The CSV file; one that exists is overwritten, and so is the one beside it.
        lock_deg: Angle of the wheels at the network's steering 1; None leaves degrees out.

    Attributes:
        path: The file.
        parquet: The copy.
        count: Rows so far.

    Raises:
        BadInputError: If it can't be written.
    """

    def __init__(self, path: Path, lock_deg: float | None = None) -> None:
        self.path, self.parquet, self.count = path, path.with_suffix(".parquet"), 0
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
        try:
            self.close()
        except CarlaSaliencyError:
            if error is None:
                raise

    def close(self) -> None:
        """Close the file and copy it to Parquet; again it does nothing.

        Raises:
            CarlaSaliencyError: If the copy can't be written, for example as the disk is full.
        """
        if not self._file.closed:
            self._close()
            copy_to_parquet(self.path, self.parquet)

    def _close(self) -> None:
        with suppress(OSError):  # only of a row of which that was said before
            self._file.close()

    def add(
        self, shown: Shown, explanation: Explanation, shares: ClassShares | None = None
    ) -> None:
        """Add the row of one map.

        Raises:
            CarlaSaliencyError: If it can't be written, for example as the disk is full.
        """
        steering, lock_deg = explanation.steering, self._lock_deg
        of_classes = [None] * len(GROUPS) if shares is None else map(float, shares.share)
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
                *map(_text, of_classes),
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


def copy_to_parquet(table: Path, copy: Path) -> None:
    """Write the rows of such a CSV file as Parquet, without having all of them in memory.

    Raises:
        CarlaSaliencyError: If it can't be written.
    """
    import polars as pl  # 0.1 s that the first map need not wait for

    kinds = {name: pl.String() if name in TEXTS else pl.Float64() for name in COLUMNS}
    rows = pl.scan_csv(table, schema={**kinds, "frame": pl.Int64()}, glob=False)
    try:
        rows.sink_parquet(copy)
    except (OSError, pl.exceptions.PolarsError) as error:
        copy.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise CarlaSaliencyError(
            f"{copy} can't be written ({reason}): free some space; {table} has its rows"
        ) from error


def sums_and_peak(explanation: Explanation) -> tuple[float, float, float]:
    """Return the sums of a map's negative and positive values and the peak of its magnitudes."""
    values = explanation.attribution
    if not values.size:
        return 0.0, 0.0, 0.0
    magnitudes = np.abs(values)
    total = float(values.sum(dtype=np.float64))
    both = float(magnitudes.sum(dtype=np.float64))  # in the same order, so that 0 is exact
    peak = float(np.percentile(magnitudes, PERCENTILE, overwrite_input=True))
    return (total - both) / 2, (total + both) / 2, peak


def _text(value: float | None) -> str:
    """Return seven digits, which is what a float32 has."""
    return "" if value is None else f"{value:.7g}"
