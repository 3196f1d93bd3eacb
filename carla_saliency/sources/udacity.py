"""The log of Udacity's driving simulator: driving_log.csv beside a folder IMG."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from carla_saliency.errors import BadInputError
from carla_saliency.sources.logs import Entry, Log, number_or_none
from carla_saliency.sources.source import Broken

NAME = "driving_log.csv"
USUAL_RATE = 10.0  # the simulator writes about ten pictures a second
STEERING = 3  # column, after the pictures of the centre, left and right camera
_TAKEN = re.compile(r"(\d{4}(?:_\d\d){5})_(\d{3})\.\w+$")  # center_2020_08_22_15_45_57_444.jpg


def udacity_log(path: Path) -> Log:
    """Return the centre camera's pictures of a log, with the steering that was recorded.

    The times are in the pictures' names. Steering 1 is 25 degrees to the right.

    Args:
        path: The CSV file, with a line of titles or without. Its paths are those of the computer
            that it was recorded on: each picture is looked for by its name in IMG, then beside
            the log, then where the log says.

    Raises:
        BadInputError: If it can't be read, or none of its lines is one of such a log.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise BadInputError(f"{path} can't be read: {error.strerror}") from None
    entries = list(_entries(path, text))
    if entries and not any(isinstance(one, Entry) for one in entries):
        raise BadInputError(
            f"{path} is no log of Udacity's simulator: its lines must be center, left, right, "
            "steering, throttle, brake, speed"
        )
    return Log(path, entries, USUAL_RATE)


def _entries(path: Path, text: str) -> Iterator[Entry | Broken]:
    number = 0
    for line, content in enumerate(text.splitlines(), 1):
        row = [each.strip() for each in _cells(content)]
        if not any(row) or (line == 1 and row[0].lower() in ("center", "centre")):
            continue
        steering = number_or_none(row[STEERING]) if len(row) > STEERING else None
        if steering is None or not row[0]:
            yield Broken(
                f"{path}, line {line}: expected center, left, right, steering, ..., received "
                f"{content[:60]!r}"
            )
        else:
            picture = _find(path.parent, row[0])
            yield Entry(number, picture, _taken_s(picture.name), steering)
        number += 1


def _cells(line: str) -> list[str]:
    """Return the cells of one line: a quotation mark that is not closed costs that line only."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _find(folder: Path, said: str) -> Path:
    name = re.split(r"[\\/]", said)[-1]
    places = (folder / "IMG" / name, folder / name, folder / said)
    return next((place for place in places if place.is_file()), places[0])


def _taken_s(name: str) -> float | None:
    match = _TAKEN.search(name)
    if match is None:
        return None
    try:
        taken = datetime.strptime(match[1], "%Y_%m_%d_%H_%M_%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return taken.timestamp() + int(match[2]) / 1000
