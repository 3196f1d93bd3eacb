"""Tubs, the folders in which donkeycar keeps its drives: version 1 and version 2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.sources.logs import Entry, Log, number_or_none
from carla_saliency.sources.source import Broken

MANIFEST = "manifest.json"
USUAL_RATE = 20.0  # a donkey's loop, if nobody changed it
_IMAGE, _ANGLE = "cam/image_array", "user/angle"
_RECORD = re.compile(r"record_(\d+)\.json")
_CATALOG = re.compile(r"catalog_(\d+)\.catalog")


def is_tub(folder: Path) -> bool:
    """Return whether a folder is a tub, of either version.

    Raises:
        BadInputError: If the folder can't be read.
    """
    return bool(_numbered(folder, _CATALOG) or _numbered(folder, _RECORD))


def tub(folder: Path) -> Log:
    """Return the pictures of a tub, with the steering of whoever drove.

    Steering 1 is as far right as that car's wheels go. Records that were deleted in donkeycar are
    left out.

    Raises:
        BadInputError: If the folder can't be read.
    """
    if _numbered(folder, _CATALOG):
        return Log(folder, list(_entries_2(folder)), USUAL_RATE)
    return Log(folder, list(_entries_1(folder)), USUAL_RATE)


# ------------------------------------------------------------------ version 1: a file per record


def _entries_1(folder: Path) -> Iterator[Entry | Broken]:
    for number, path in _numbered(folder, _RECORD):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            yield Broken(f"{path} can't be read: {error.strerror}")
            continue
        record = _object(text)
        yield _entry(str(path), folder, number, record, record.get("milliseconds"))


# ------------------------------------------------------------------ version 2: catalogs of records


def _entries_2(folder: Path) -> Iterator[Entry | Broken]:
    catalogs = [path for _, path in _numbered(folder, _CATALOG)]
    try:
        deleted = _deleted(folder)
    except BadInputError as error:
        yield Broken(str(error))
        deleted = frozenset()
    number = 0
    for catalog in catalogs:
        try:
            lines = catalog.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            yield Broken(f"{catalog} can't be read: {error.strerror}")
            continue
        for line, text in enumerate(lines, 1):
            if not text.strip():
                continue
            record = _object(text)
            index = record.get("_index")
            number = index if isinstance(index, int) and index >= number else number
            if number not in deleted:
                where, clock = f"{catalog}, line {line}", record.get("_timestamp_ms")
                yield _entry(where, folder / "images", number, record, clock)
            number += 1


def _deleted(folder: Path) -> frozenset[int]:
    """Return the numbers of the records that are deleted: they are still in the catalogs.

    Raises:
        BadInputError: If the manifest does not say.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        reason = str(error.strerror)
    else:
        lines = [line for line in text.splitlines() if line.strip()]
        said = _object(lines[-1]).get("deleted_indexes") if lines else None
        if isinstance(said, list):
            return frozenset(each for each in said if isinstance(each, int))
        reason = "its last line has no deleted_indexes"
    raise BadInputError(
        f"{folder / MANIFEST} can't be used ({reason}): deleted records are shown as well"
    )


# ------------------------------------------------------------------ both


def _entry(
    where: str, images: Path, number: int, record: dict[str, Any], clock_ms: object
) -> Entry | Broken:
    name = record.get(_IMAGE)
    if not isinstance(name, str) or not name:
        return Broken(f"{where}: expected a record with {_IMAGE}, received no such")
    clock = number_or_none(clock_ms)
    clock_s = None if clock is None else clock / 1000
    path = images / re.split(r"[\\/]", name)[-1]  # old tubs have whole paths of another computer
    return Entry(number, path, clock_s, number_or_none(record.get(_ANGLE)))


def _object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _numbered(folder: Path, pattern: re.Pattern[str]) -> Sequence[tuple[int, Path]]:
    """Return the files with such names, in the order of their numbers.

    Raises:
        BadInputError: If the folder can't be read.
    """
    try:
        matches = [(pattern.fullmatch(path.name), path) for path in folder.iterdir()]
    except OSError as error:
        raise BadInputError(f"the folder {folder} can't be read: {error.strerror}") from None
    return sorted((int(match[1]), path) for match, path in matches if match)
