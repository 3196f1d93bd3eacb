"""`carla-saliency repair`: finish the records of drives that were cut off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.video_repair import repair_video
from carla_saliency.record.format import FILE_NAME, VIDEO_NAME
from carla_saliency.record.reader import is_record
from carla_saliency.record.repair import repair, require_finished_writing
from carla_saliency.settings import RepairSettings


def run(settings: RepairSettings) -> int:
    """Repair the files of each folder and print one line for each; return the exit code.

    It is 1 if a file could not be finished.

    Raises:
        BadInputError: If a folder has no record; nothing is touched then.
    """
    folders = [Path(name) for name in settings.folders]
    for folder in folders:
        if not is_record(folder):
            raise BadInputError(
                f"no record in {folder}: expected {FILE_NAME} there; "
                "a drive is kept with drive --record DIR"
            )
        for name in (FILE_NAME, VIDEO_NAME):
            require_finished_writing(folder / name)
    failed = False
    for folder in folders:
        for name, look in ((FILE_NAME, _record), (VIDEO_NAME, _video)):
            path = folder / name
            if not path.exists():
                continue
            try:
                line, is_finished = look(path)
                sys.stdout.write(f"{path}: {line}\n")
                failed = failed or not is_finished
            except CarlaSaliencyError as error:
                sys.stderr.write(f"carla-saliency: {error}\n")
                failed = True
    return int(failed)


def _record(path: Path) -> tuple[str, bool]:
    with _bar(path) as advance:
        found = repair(path, advance)
    kept = f"{found.steps} steps, {found.seconds:.1f} s"
    holes = ""
    if found.holes:
        places = f"{found.holes} places" if found.holes > 1 else "one place"
        holes = f"; steps are missing at {places} before its end, which are damaged"
    return _told(found.was_whole, kept, found.lost_bytes) + holes, True


def _video(path: Path) -> tuple[str, bool]:
    found = repair_video(path)
    kept = f"{found.pictures} pictures, {found.seconds:.1f} s"
    if found.trouble:
        return f"{kept} can be played; it is not finished: {found.trouble}", False
    return _told(found.was_whole, kept, found.lost_bytes), True


def _told(was_whole: bool, kept: str, lost_bytes: int) -> str:
    if was_whole:
        return f"{kept}; it is whole and finished, and was left as it is"
    lost = f"{lost_bytes:,} bytes that were not whole are lost" if lost_bytes else "nothing is lost"
    return f"{kept} kept, finished; {lost}"


@contextmanager
def _bar(path: Path) -> Iterator[Callable[[int], None]]:
    """Show how much of a file was looked at, if stderr is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn(path.name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.file.isatty(),
    ) as bar:
        task = bar.add_task("", total=path.stat().st_size)
        yield lambda count: bar.advance(task, count)
