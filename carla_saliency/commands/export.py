"""`carla-saliency export`: a recorded drive in another program's format."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from carla_saliency import stopping
from carla_saliency.commands.map_pictures import MapPictures
from carla_saliency.core import DriveStep
from carla_saliency.errors import BadInputError
from carla_saliency.export import FORMATS
from carla_saliency.export.drive import Drive
from carla_saliency.export.target import require_free, size_of, whole
from carla_saliency.output import telemetry
from carla_saliency.output.progress import progress
from carla_saliency.record.reader import Record
from carla_saliency.settings import ExportSettings

EVEN = 0.01  # of a tick; beyond it a format that only has a rate can't hold the times


def run(settings: ExportSettings) -> int:
    """Export a drive, all of it or nothing; return the exit code.

    Raises:
        BadInputError: If there is no finished record, or the target can't be used.
        CarlaSaliencyError: If the record is damaged, or the disk became full.
    """
    name, folder = str(settings.to), Path(settings.folder[0])
    form = FORMATS[name]
    out = _default_out(folder, form.ending) if settings.out is None else Path(settings.out)
    require_free(
        out, form.ending, form.mark, settings.force
    )  # before a record is read, which takes time
    with Record(folder) as record:
        if not len(record):
            raise BadInputError(f"{folder} has no ticks: there is nothing to export")
        drive = _drive(record, maps=name == "rerun")
        with (
            whole(out, form.ending, form.mark, settings.force) as part,
            progress(f"exporting to {name}", len(record)) as advance,
        ):
            form.write(drive, part, advance)
        sys.stdout.write(f"{out}: {len(record)} rows, {_size(size_of(out))}\n")
        for line in _remarks(name, record):
            sys.stdout.write(f"{line}\n")
    return 0


def _default_out(folder: Path, ending: str) -> Path:
    """Return a name beside the record's."""
    folder = folder.resolve()  # "." has no name
    return Path(os.path.relpath(folder.with_name(f"{folder.name}{ending}")))


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def _drive(record: Record, maps: bool) -> Drive:
    """Return what is handed to a format; `maps` says whether it will ask for their pictures."""
    facts = record.facts
    map_picture = MapPictures(record).next if maps else lambda step: None

    def steps() -> Iterator[DriveStep]:
        # a map's scale is read beside its step: reading ahead would only be in the way
        each = map(record.at, range(len(record))) if maps else record.steps()
        for step in each:
            stopping.check()
            yield step

    return Drive(
        title=record.folder.resolve().name,
        began=datetime.fromisoformat(facts.created),
        rate_hz=facts.rate_hz,
        times_s=record.times_s,
        steps=steps,
        facts=facts.to_json(),
        map_name=facts.map_name,
        network=facts.network.title,
        columns=telemetry.COLUMNS,
        row=telemetry.row,
        map_picture=map_picture,
    )


def _remarks(name: str, record: Record) -> list[str]:
    """Return what a person should know of what was written."""
    lines = [f"{name}: {FORMATS[name].lacks}"]
    if name in ("udacity", "donkey"):
        lock = record.facts.car.max_steer_deg
        lines.append(f"{name}: steering 1 is {lock:g} degrees to the right, as in the drive")
    if record.facts.frames == "network" and name not in ("csv", "parquet"):
        lines.append("the record has no camera pictures: these are what the network was given")
    if name == "lerobot" and not _is_even(record):
        lines.append("lerobot: the ticks are not evenly apart: the times there are not the drive's")
    return lines


def _is_even(record: Record) -> bool:
    ticks = np.diff(record.times_s) * record.facts.rate_hz
    return bool(np.all(np.abs(ticks - 1) <= EVEN))
