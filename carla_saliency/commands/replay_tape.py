"""A recorded drive as what a window looks at: its steps, its events, its world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from carla_saliency.commands.replay_pilot import of_network_a, of_network_b
from carla_saliency.core import ClassShares, DriveStep, Event, EventKind, Shadow
from carla_saliency.draw.history import SECONDS
from carla_saliency.errors import BadInputError
from carla_saliency.output.clip_frames import ClipFrames
from carla_saliency.output.clips import ClipEntry
from carla_saliency.record.reader import Record

TINY_S = 1e-6
NOT_OURS = "recorded: the world is as it was"


@dataclass(frozen=True, slots=True)
class Moment:
    """Which step it is."""

    frame_id: int
    sim_s: float


class Tape:
    """All steps of a record, and how far the strips reach just now.

    Args:
        record: Is open.
        other: Title of B, if it is another network than in the drive, so that what was recorded of
            one is dropped; None if not.
        same_maps: Maps are made as in the drive, so that the recorded attention is theirs.

    Attributes:
        end: Index of the newest step on the strips; None before the first.
    """

    def __init__(self, record: Record, other: str | None, same_maps: bool) -> None:
        self._record, self._other, self._same_maps = record, other, same_maps
        self._commands: dict[int, float] = {}  # of B
        self._shares: dict[int, ClassShares] = {}
        self.end: int | None = None

    def __len__(self) -> int:
        return len(self._record)

    def at(self, index: int) -> DriveStep:
        """Return a step as it was recorded, beside it the other network as far as it was asked."""
        return self._beside(index, self._record.at(index))

    def find(self, frame_id: int) -> int | None:
        """Return the index of a frame; None if it is not there."""
        found = np.flatnonzero(self._record.frame_ids == frame_id)
        return int(found[-1]) if len(found) else None

    @property
    def newest(self) -> Moment | None:
        """The newest moment on the strips; None before the first."""
        if self.end is None:
            return None
        return Moment(int(self._record.frame_ids[self.end]), float(self._record.times_s[self.end]))

    def add(self, step: DriveStep) -> None:
        """Note what a step that was played has beyond the recorded one."""
        index = self.find(step.observation.frame.frame_id)
        if index is None:
            return
        command = of_network_b(step.decision)[0]
        if self._other is not None and command is not None:
            self._commands[index] = command
        if not self._same_maps and step.findings.shares is not None:
            self._shares[index] = step.findings.shares

    def covers(self, index: int) -> bool:
        """Return whether a step is on the strips."""
        if self.end is None or index > self.end:
            return False
        times_s = self._record.times_s
        return bool(times_s[self.end] - times_s[index] < SECONDS)

    def moments(self, end: int) -> Iterator[DriveStep]:
        """Yield the steps of the strips that end with one, without pictures and maps."""
        times_s = self._record.times_s
        first = int(np.searchsorted(times_s[: end + 1], times_s[end] - SECONDS))
        for index in range(first, end + 1):
            step = self._beside(index, self._record.without_pictures(index))
            if not self._same_maps:
                shares = self._shares.get(index)
                step = replace(step, findings=replace(step.findings, shares=shares))
            yield step

    def later(self, index: int, seconds: float) -> int:
        """Return the index of the last step up to so many seconds after one."""
        times_s = self._record.times_s
        found = int(np.searchsorted(times_s, times_s[index] + seconds + TINY_S)) - 1
        return max(index, min(found, len(self) - 1))

    def _beside(self, index: int, step: DriveStep) -> DriveStep:
        if self._other is None:
            return step
        own, own_map = of_network_a(step.decision)
        shadow = Shadow(letter="B", title=self._other, command=self._commands.get(index))
        decision = replace(step.decision, network_steering=own, explanation=own_map, shadow=shadow)
        findings = replace(step.findings, comparison=None)
        return replace(step, decision=decision, findings=findings)


class RecordedEvents:
    """All events of a record, from the start, and those that come to it while it is played.

    Args:
        record: Is open.
    """

    def __init__(self, record: Record) -> None:
        self._entries: list[ClipEntry] = []
        self._known: set[tuple[EventKind, int]] = set()
        ids = {int(frame_id): i for i, frame_id in enumerate(record.frame_ids)}
        for told, event in record.events:
            self._append(event, float(record.times_s[ids.get(event.frame_id, told)]))

    @property
    def entries(self) -> tuple[ClipEntry, ...]:
        """Return the events, those of the record first."""
        return tuple(self._entries)

    def add(self, event: Event, sim_s: float) -> int:
        """List an event, if it is not one that is there; return its number."""
        key = event.kind, event.frame_id
        if key in self._known:
            same = (e.number for e in self._entries if (e.kind, e.frame_id) == key)
            return next(same)
        return self._append(event, sim_s)

    def tick(self) -> None:
        """Do nothing: no clips are coming."""

    def load(self, number: int) -> ClipFrames | None:
        """Return None: there are no clips, every frame is in the record."""
        del number
        return None

    def _append(self, event: Event, sim_s: float) -> int:
        number = len(self._entries) + 1
        self._known.add((event.kind, event.frame_id))
        self._entries.append(
            ClipEntry(number, event.kind, sim_s, event.frame_id, event.text, "none")
        )
        return number


class RecordedWorld:
    """A world that can't be changed any more."""

    autopilot_trouble = ""
    not_ours = NOT_OURS

    def next_weather(self, by: int = 1) -> str | None:
        """Return None: the weather is what it was."""
        del by
        return None

    def next_spawn_point(self) -> int | None:
        """Return None: the car is where it was."""
        return None

    def next_view(self, by: int = 1) -> str:
        """Refuse.

        Raises:
            BadInputError: Always.
        """
        del by
        raise BadInputError("recorded: there is no other camera")

    def put_back_now(self) -> None:
        """Do nothing."""
