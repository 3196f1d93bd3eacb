"""One event's folder, written while the drive goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

from carla_saliency.core import Event
from carla_saliency.output import telemetry
from carla_saliency.output.lossless import Packed
from carla_saliency.output.names import free_name
from carla_saliency.output.past import KeptStep
from carla_saliency.output.png import to_png
from carla_saliency.output.video import Excerpt

VIDEO, TABLE, FACTS, FRAMES, TAGS = "clip.mp4", "telemetry.csv", "event.json", "frames", "tags"


class ClipFolder:
    """Writes one clip; all but `give_up` is for one thread.

    As long as it is not complete its name ends in ".part". What goes wrong is kept in `trouble`;
    the folder is removed then, and nothing more is written.

    Args:
        path: The folder; made with the first frame.
        event: Whose clip it is.
        facts: More for `event.json`.

    Attributes:
        path: The folder; another name if that one is taken when it is complete.
        trouble: What went wrong; None if nothing did.
    """

    def __init__(self, path: Path, event: Event, facts: Mapping[str, object]) -> None:
        self.path = path
        self.trouble: BaseException | None = None
        self._event, self._facts = event, facts
        self._rows: dict[int, dict[str, telemetry.Value]] = {}
        self._folder: Path | None = None
        self._given_up = False

    def add(self, kept: KeptStep, written: Written) -> None:
        """Write the frame of one step; its numbers are remembered."""
        self._guard(partial(self._add, kept, written))

    def finish(self, excerpt: Excerpt | None) -> None:
        """Write the video and the numbers, and give the folder its name."""
        self._guard(partial(self._finish, excerpt))

    def give_up(self) -> None:
        """Write nothing more; may be called from any thread. `remove` does the rest."""
        self._given_up = True

    def remove(self) -> None:
        """Delete what was written."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def place_of(self, name: str) -> Path:
        """Return where a file of the folder is just now."""
        return self._made() / name

    # -------------------------------------------------------------- inside

    def _guard(self, job: Callable[[], None]) -> None:
        if self.trouble is not None or self._given_up:
            return
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - carried to the thread that drives
            self.trouble = error
            self.remove()

    def _made(self) -> Path:
        if self._folder is None:
            folder = free_name(str(self.path.with_name(f"{self.path.name}.part")))
            folder.mkdir(parents=True)
            self._folder = folder
        return self._folder

    def _add(self, kept: KeptStep, written: Written) -> None:
        own = (self._event,) if kept.frame_id == self._event.frame_id else ()
        self._rows[kept.frame_id] = telemetry.row(kept.bare, own)
        written.save(kept.frame.image, self, f"{FRAMES}/{kept.frame_id:06d}.png")
        if kept.frame.tags is not None:
            written.save(kept.frame.tags, self, f"{TAGS}/{kept.frame_id:06d}.png")

    def _finish(self, excerpt: Excerpt | None) -> None:
        folder = self._made()
        pictures = 0 if excerpt is None else excerpt.save(folder / VIDEO)
        telemetry.write_csv(folder / TABLE, list(self._rows.values()))
        facts = {
            "kind": self._event.kind.value,
            "text": self._event.text,
            "frame": self._event.frame_id,
            "frames": len(self._rows),
            "video_pictures": pictures,
            **self._facts,
        }
        text = json.dumps(facts, indent=2, default=str)
        (folder / FACTS).write_text(text + "\n", encoding="utf-8")
        path = free_name(str(self.path))
        self._folder = folder.rename(path)
        self.path = path


class Written:
    """Which pictures are on disk: a second clip of the same moment shares the first one's files."""

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[Packed, tuple[ClipFolder, str]] = WeakKeyDictionary()

    def save(self, packed: Packed, folder: ClipFolder, name: str) -> None:
        """Write one picture as a PNG, or link to where it is.

        Raises:
            OSError: If it can't be written.
        """
        path = folder.place_of(name)
        if path.exists():  # the same frame, looked at again
            return
        path.parent.mkdir(exist_ok=True)
        place = self._places.get(packed)
        if place is None or not _linked(place[0].place_of(place[1]), path):
            path.write_bytes(to_png(packed.pixels()))
            self._places[packed] = (folder, name)


def _linked(there: Path, path: Path) -> bool:
    """Return whether `path` is now a second name of the file `there`."""
    try:
        os.link(there, path)
    except OSError:  # not on this kind of disk, or the first clip was deleted
        return False
    return True
