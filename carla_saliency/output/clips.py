"""A clip of every event: from some seconds before it to some seconds after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

from carla_saliency.core import Event, EventKind
from carla_saliency.output.clip_folder import ClipFolder
from carla_saliency.output.clip_frames import ClipFrames
from carla_saliency.output.clip_writer import ClipWriter
from carla_saliency.output.past import KeptStep, Past
from carla_saliency.output.recorder import Recorder

BEFORE_S = 10.0
AFTER_S = 5.0
MOST_CLIPS = 100
MOST_ENTRIES = 1000  # then the list forgets the oldest
WAITING_BYTES = 250_000_000  # of frames that the past has forgotten and the disk has not got yet
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """One event, and how its clip stands.

    Attributes:
        number: From 1.
        kind: Of the event.
        sim_s: When it was.
        frame_id: Of its frame.
        text: One short line.
        status: "coming" until the clip is on disk; "none" if it gets none.
        path: The clip's folder; None unless it is saved.
    """

    number: int
    kind: EventKind
    sim_s: float
    frame_id: int
    text: str
    status: Literal["coming", "saved", "failed", "none"]
    path: Path | None = None


@dataclass(slots=True)
class _Coming:
    """A clip whose last frames are not there yet."""

    entry: ClipEntry
    folder: ClipFolder
    last: KeptStep | None = None
    frames: int = 0


class Clips:
    """Lists the events of a drive and saves a clip of each; use it as a context manager.

    In each tick: `past.add(step)`, `recorder.write(picture)`, `add` for its events, `tick()`. A
    thread of its own writes; what goes wrong there ends one clip, never the drive. To be closed
    before the recorder and the past.

    Args:
        folder: For the clips' folders, made with the first one; None: events are listed only.
        past: Has the frames.
        recorder: Has the video, where it remembers its past.
        say: Receives one line when a clip is complete, and when there will be no more.
        fail: Receives one line when a clip could not be saved.
        before_s: What a clip has before its event, in simulated seconds.
        after_s: And after it.
        most: Clips of a drive; further events are listed only.
        settings: Of the drive, for each clip's `event.json`.
    """

    def __init__(
        self,
        folder: Path | None,
        past: Past,
        recorder: Recorder,
        say: Callable[[str], None],
        fail: Callable[[str], None],
        before_s: float = BEFORE_S,
        after_s: float = AFTER_S,
        most: int = MOST_CLIPS,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self._folder, self._past, self._recorder = folder, past, recorder
        self._say, self._fail = say, fail
        self._before_s, self._after_s, self._most = before_s, after_s, most
        self._settings = dict(settings or {})
        self._entries: dict[int, ClipEntry] = {}
        self._coming: list[_Coming] = []
        self._events = self._clips = 0
        self._waiting: dict[KeptStep, int] = {}  # and in how many clips each is waited for
        self._writer = ClipWriter()

    def __enter__(self) -> Clips:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def keeps(self) -> bool:
        """Return whether clips are saved, and events not listed only."""
        return self._folder is not None

    @property
    def entries(self) -> tuple[ClipEntry, ...]:
        """Return the events, oldest first."""
        self._writer.hear()
        return tuple(self._entries.values())

    def add(self, event: Event, sim_s: float) -> int:
        """List an event, and begin its clip.

        Args:
            event: Of this tick, or of one shortly before.
            sim_s: When it was.

        Returns:
            Its number, from 1.
        """
        self._events += 1
        number = self._events
        entry = ClipEntry(number, event.kind, sim_s, event.frame_id, event.text, "none")
        if self._folder is not None and self._clips < self._most:
            self._clips += 1
            entry = replace(entry, status="coming")
            self._begin(entry, event, self._folder)
        elif self._folder is not None and self._clips == self._most:
            self._clips += 1  # so that it is said once
            self._say(f"{self._most} clips were kept: further events are only listed")
        self._entries[number] = entry
        if len(self._entries) > MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return number

    def tick(self) -> None:
        """Give the newest step to the clips that are coming; finish those that have enough."""
        self._writer.hear()
        newest = self._past.newest
        if newest is None:
            return
        for coming in tuple(self._coming):
            if coming.last is not None and newest.sim_s < coming.last.sim_s:  # another episode
                self._finish(coming)
                continue
            if self._bytes_waiting() > WAITING_BYTES:
                self._give_up(coming)
                continue
            self._hand_on(coming, newest)
            if newest.sim_s >= coming.entry.sim_s + self._after_s - _ROUNDING_S:
                self._finish(coming)

    def load(self, number: int) -> ClipFrames | None:
        """Return the frames of a saved clip; None if there is none.

        Raises:
            CarlaSaliencyError: If they can't be read.
        """
        self._writer.hear()
        entry = self._entries.get(number)
        return None if entry is None or entry.path is None else ClipFrames(entry.path)

    def close(self) -> None:
        """Save the clips that are coming with what there is of them, and wait for it."""
        for coming in tuple(self._coming):
            self._finish(coming)
        self._writer.close()

    # -------------------------------------------------------------- inside

    def _begin(self, entry: ClipEntry, event: Event, folder: Path) -> None:
        kind = event.kind.value.replace(" ", "-")
        path = folder / f"{entry.number:02d}_{kind}_{event.frame_id:06d}"
        facts = {
            "number": entry.number,
            "sim_s": entry.sim_s,
            "before_s": self._before_s,
            "after_s": self._after_s,
            "settings": self._settings,
        }
        coming = _Coming(entry, ClipFolder(path, event, facts))
        self._coming.append(coming)
        for kept in self._past.since(entry.sim_s - self._before_s):
            self._hand_on(coming, kept)

    def _hand_on(self, coming: _Coming, kept: KeptStep) -> None:
        if kept is coming.last:
            return
        if coming.last is None or coming.last.frame_id != kept.frame_id:
            coming.frames += 1
        coming.last = kept
        self._waiting[kept] = self._waiting.get(kept, 0) + 1
        self._writer.add(coming.folder, kept, partial(self._written, kept))

    def _written(self, kept: KeptStep) -> None:
        self._waiting[kept] -= 1
        if not self._waiting[kept]:
            del self._waiting[kept]

    def _bytes_waiting(self) -> int:
        """Return what only the waiting clips keep in memory."""
        newest = self._past.newest
        oldest_s = float("inf") if newest is None else newest.sim_s - self._past.span_s
        return sum(kept.size_bytes for kept in self._waiting if kept.sim_s < oldest_s)

    def _finish(self, coming: _Coming) -> None:
        self._coming.remove(coming)
        excerpt = self._recorder.last(coming.frames)
        self._writer.finish(coming.folder, excerpt, partial(self._settle, coming))

    def _settle(self, coming: _Coming) -> None:
        entry, folder = coming.entry, coming.folder
        if folder.trouble is None:
            self._set(replace(entry, status="saved", path=folder.path))
            self._say(f"event {entry.number}, {entry.kind.value}: {folder.path}")
            return
        self._set(replace(entry, status="failed"))
        reason = getattr(folder.trouble, "strerror", None) or str(folder.trouble)
        self._fail(
            f"the clip of event {entry.number} ({entry.kind.value}) was not saved to "
            f"{folder.path}: {reason}; the drive goes on"
        )

    def _give_up(self, coming: _Coming) -> None:
        self._coming.remove(coming)
        coming.folder.give_up()
        self._writer.remove(coming.folder)
        self._set(replace(coming.entry, status="failed"))
        self._fail(
            f"the clip of event {coming.entry.number} was not saved: the disk is too slow for "
            f"frames of this size ({self._folder}); choose a faster disk or a smaller camera"
        )

    def _set(self, entry: ClipEntry) -> None:
        if entry.number in self._entries:
            self._entries[entry.number] = entry
