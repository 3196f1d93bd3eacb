"""A drive as a table, one row for each step: CSV and Parquet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from carla_saliency.export.drive import Drive, Value

TEXTS = ("driver", "method", "doubts", "events")
WHOLE = ("frame", "map_frame")
BLOCK = 4096  # rows at a time become columns, which take a tenth of the memory
METADATA = "carla_saliency"


def write_csv(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write a CSV file; what is not known is an empty cell.

    Raises:
        OSError: If it can't be written.
    """
    target.write_text(table_of(drive, advance).write_csv(), encoding="utf-8", newline="")


def write_parquet(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write a Parquet file; what is not known is null.

    The facts of the drive stand in the file's key-value metadata, as JSON under "carla_saliency".

    Raises:
        OSError: If it can't be written.
    """
    target.write_bytes(parquet(table_of(drive, advance), {METADATA: drive.facts}))


def parquet(table: pl.DataFrame, metadata: dict[str, str] | None = None) -> bytes:
    """Return a table as Parquet: of a full disk polars says nothing that a person can use."""
    file = io.BytesIO()
    table.write_parquet(file, metadata=metadata)
    return file.getvalue()


def table_of(drive: Drive, advance: Callable[[], None]) -> pl.DataFrame:
    """Return the table of a drive, each column with its type."""
    schema = {name: _type_of(name) for name in drive.columns}
    blocks = [pl.DataFrame(schema=schema)]
    blocks += [pl.DataFrame(columns, schema=schema) for columns in _blocks(drive, advance)]
    return pl.concat(blocks)


def _blocks(drive: Drive, advance: Callable[[], None]) -> Iterator[dict[str, list[Value | None]]]:
    columns: dict[str, list[Value | None]] = {name: [] for name in drive.columns}
    for i, step in enumerate(drive.steps(), 1):
        for name, value in drive.row(step).items():
            columns[name].append(_cell(name, value))
        if i % BLOCK == 0:
            yield columns
            columns = {name: [] for name in drive.columns}
        advance()
    yield columns


def _type_of(name: str) -> pl.DataType:
    if name in TEXTS:
        return pl.String()
    return pl.Int64() if name in WHOLE else pl.Float64()


def _cell(name: str, value: Value) -> Value | None:
    if value == "":
        return None
    return value if name in TEXTS or name in WHOLE else float(value)
