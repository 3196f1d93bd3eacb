"""Standing still to look: at the newest frame, at an older one, at an event."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from carla_saliency.commands.parts import Parts, Sink
from carla_saliency.core import (
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Observation,
    Pose,
)
from carla_saliency.draw.state import EventEntry, Tone
from carla_saliency.output.clip_frames import ClipFrames

__all__ = ["ClipSteps", "Looking", "Looks", "Parts", "Sink"]

NOTICE_S = 4.0  # for so long a notice is read
TINY_S = 1e-6  # simulated times are sums of ticks


@dataclass
class Looks:
    """How the window stands: what the keys have set.

    Attributes:
        paused: The world stands still, or the view where somebody else ticks it.
        step_once: One tick, then stand still again.
        quit: The person wants to leave.
        compare: The shadow's map is shown.
        strip: What the lower strip shows while driving.
        still: And while standing still.
        scale_locked: The colour scale is held.
        notice: One line, and until when (wall seconds) it is shown.
        event: Number of the event that is looked at.
        weather: That a key chose last; "" = as at the start.
        spawn: Where a key put the car last, or how fast a recorded drive is played; "" = as at the
            start.
        bookmarks: That the record was not told yet.
    """

    paused: bool = False
    step_once: bool = False
    quit: bool = False
    compare: bool = False
    strip: Literal["classes", "lift", "lane"] = "classes"
    still: Literal["layers", "classes", "lift"] = "layers"
    scale_locked: bool = False
    notice: tuple[str, Tone, float] = ("", "mid", 0.0)
    event: int | None = None
    weather: str = ""
    spawn: str = ""
    bookmarks: list[Event] = field(default_factory=list)

    def say(self, text: str, tone: Tone = "high") -> None:
        """Show one line for some seconds."""
        self.notice = text, tone, time.monotonic() + NOTICE_S


class ClipSteps:
    """The frames of a clip as steps that can be looked at: only the pictures are known."""

    def __init__(self, frames: ClipFrames) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def at(self, index: int) -> DriveStep:
        """Return a step."""
        frame = self._frames.at(index)
        observation = Observation(frame, Pose(), frame.speed_mps, None)
        return DriveStep(observation, Decision(Control(), "network", None))


class Looking:
    """Lets the world stand still, and chooses what is looked at.

    Args:
        parts: Whoever has the past, the events and the answers.
        looks: How the window stands; changed here.
    """

    def __init__(self, parts: Parts, looks: Looks) -> None:
        self._parts, self._looks = parts, looks

    def inspect(self, frame_id: int | None = None) -> None:
        """Let the world stand still and look at a frame, or at the newest one."""
        parts, looks = self._parts, self._looks
        index = self.newest
        if frame_id is not None:
            found = parts.past.find(frame_id)
            index = index if found is None else found
        looks.paused, looks.event = True, None
        parts.inspecting.frozen = parts.guest
        parts.inspecting.open(
            parts.past, index, parts.pilot.letter, parts.pilot.method, parts.layer()
        )
        if parts.player is not None:
            parts.player.show(parts.inspecting.index)

    @property
    def newest(self) -> int:
        """Index of the newest moment of the drive."""
        past = self._parts.past
        found = None if past.newest is None else past.find(past.newest.frame_id)
        return len(past) - 1 if found is None else found

    def inspect_before(self, seconds: float) -> None:
        """Let the world stand still and look at the frame of some seconds ago."""
        self.inspect()
        self.scrub(-seconds, seconds=True)

    def go_on(self) -> None:
        """Let the world go on exactly where it stands; a recorded drive from what is shown."""
        if self._parts.player is not None and self._parts.inspecting.is_open:
            self._parts.player.go_on(self._parts.inspecting.index)
        self._looks.paused, self._looks.event = False, None
        self._parts.inspecting.leave()
        self._parts.world.put_back_now()

    def scrub(self, by: float, seconds: bool) -> None:
        """Show a later or (negative) earlier frame, by ticks or by simulated seconds."""
        ticks = round(by / self._parts.tick_s) if seconds else round(by)
        player, inspecting = self._parts.player, self._parts.inspecting
        if self._looks.paused:
            inspecting.show(inspecting.index + ticks)
        if player is not None:
            if self._looks.paused:
                self._looks.event = None
                player.show(inspecting.index)
            else:
                player.jump(ticks)

    # -------------------------------------------------------------- events

    def entries(self) -> tuple[EventEntry, ...]:
        """Return the list of the drive's events, for the window."""
        return tuple(
            EventEntry(
                number=entry.number,
                kind=entry.kind,
                sim_s=entry.sim_s,
                text=entry.text,
                clip=entry.status,
                shown=entry.number == self._looks.event,
            )
            for entry in self._parts.clips.entries
        )

    def bookmark(self, step: DriveStep) -> None:
        """Keep the shown moment as an event; one of a clip is kept already."""
        if self._parts.inspecting.is_open and not self._parts.inspecting.is_live:
            self._looks.say("this moment is kept already: it is in a clip", "warning")
            return
        newest = self._parts.past.newest
        shown = step.observation.frame
        frame_id = shown.frame_id if newest is None else min(shown.frame_id, newest.frame_id)
        event = Event(EventKind.BOOKMARK, frame_id, "")
        number = self._parts.clips.add(event, shown.sim_s)
        self._looks.bookmarks.append(event)
        self._looks.say(f"bookmark, event {number}")

    def next_event(self, by: int) -> None:
        """Look at the next (+1) or previous (-1) event of a recorded drive."""
        parts, looks = self._parts, self._looks
        if parts.player is None:
            return
        entries = sorted(parts.clips.entries, key=lambda entry: (entry.sim_s, entry.number))
        numbers = [entry.number for entry in entries]
        if looks.paused and looks.event in numbers:
            at = numbers.index(looks.event) + by
        else:
            index = parts.inspecting.index if looks.paused else self.newest
            now_s = parts.past.at(index).observation.frame.sim_s
            before = sum(entry.sim_s < now_s - TINY_S for entry in entries)
            at = sum(entry.sim_s <= now_s + TINY_S for entry in entries) if by > 0 else before - 1
        if 0 <= at < len(numbers):
            self.open_event(numbers[at])
        else:
            looks.say(f"no {'later' if by > 0 else 'earlier'} event", "warning")

    def open_event(self, number: int | None) -> None:
        """Look at an event, the last one if none is named: in the past, or in its clip."""
        clips, looks = self._parts.clips, self._looks
        entries = {entry.number: entry for entry in clips.entries}
        if not entries:
            looks.say("no event so far; Y keeps this moment", "warning")
            return
        entry = entries.get(max(entries) if number is None else number)
        if entry is None:
            return
        if self._parts.past.find(entry.frame_id) is not None:
            self.inspect(entry.frame_id)
        else:
            frames = clips.load(entry.number)
            if frames is None:
                looks.say(f"event {entry.number} is older than 20 s and has no clip", "warning")
                return
            self.inspect()
            parts = self._parts
            parts.inspecting.open(
                ClipSteps(frames),
                frames.index,
                parts.pilot.letter,
                parts.pilot.method,
                parts.layer(),
            )
        looks.event = entry.number
