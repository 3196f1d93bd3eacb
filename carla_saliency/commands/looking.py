"""Standing still to look: at the newest frame, at an older one, at an event."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.masks import Masks
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
from carla_saliency.insight.analyst import Analyst
from carla_saliency.output.clip_frames import ClipFrames
from carla_saliency.output.clips import Clips
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.record.extras import Extras

NOTICE_S = 4.0  # for so long a notice is read

Sink = Callable[[DriveStep, Extras], None]
"""Is given every finished step, and what belongs to its moment."""


class WorldControls(Protocol):
    """What a session lets a person change in the world; each says what became of it."""

    @property
    def autopilot_trouble(self) -> str:
        """Why CARLA's autopilot can't drive, one line; "" as long as it can."""

    @property
    def not_ours(self) -> str:
        """Why the world may not be changed, one line; "" if it may."""

    def next_weather(self, by: int = 1) -> str | None:
        """Change the weather; return its name, None where that is not ours to do."""

    def next_spawn_point(self) -> int | None:
        """Put the car at the next spawn point; return its number."""

    def next_view(self, by: int = 1) -> str:
        """Change the camera of the left pane; return its name."""

    def put_back_now(self) -> None:
        """Put the car back after an intervention that was only looked at."""


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
        spawn: Where a key put the car last; "" = as at the start.
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

    def say(self, text: str, tone: Tone = "high") -> None:
        """Show one line for some seconds."""
        self.notice = text, tone, time.monotonic() + NOTICE_S


@dataclass(frozen=True)
class Parts:
    """Whoever does what a person may ask for.

    Attributes:
        change_layer: Goes to the next layer for the current method; returns its name, "" = the
            method's own choice. None where there is no choice.
        layer: Returns that name.
        guest: Somebody else ticks the world: it can't be held.
        follows: And drives the car.
        remembers: The last 20 s are wanted: somebody may look at them, or clips are kept.
        folder: For screenshots and saved frames.
        tick_s: Simulated seconds of a tick.
        sinks: Are each given every finished step: the record, the streams.
    """

    pilot: LearnedPilot
    world: WorldControls
    recorder: Recorder
    past: Past
    clips: Clips
    analyst: Analyst
    inspecting: Inspecting
    change_layer: Callable[[str, int], None] | None
    layer: Callable[[], str]
    guest: bool = False
    follows: bool = False
    remembers: bool = True
    folder: Path = field(default_factory=Path)
    tick_s: float = 0.05
    masks: Masks = field(default_factory=Masks)
    sinks: tuple[Sink, ...] = ()


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
        index = len(parts.past) - 1
        if frame_id is not None:
            found = parts.past.find(frame_id)
            index = index if found is None else found
        looks.paused, looks.event = True, None
        parts.inspecting.frozen = parts.guest
        parts.inspecting.open(
            parts.past, index, parts.pilot.letter, parts.pilot.method, parts.layer()
        )

    def inspect_before(self, seconds: float) -> None:
        """Let the world stand still and look at the frame of some seconds ago."""
        self.inspect()
        self.scrub(-seconds, seconds=True)

    def go_on(self) -> None:
        """Let the world go on exactly where it stands."""
        self._looks.paused, self._looks.event = False, None
        self._parts.inspecting.leave()
        self._parts.world.put_back_now()

    def scrub(self, by: float, seconds: bool) -> None:
        """Show a later or (negative) earlier frame, by ticks or by simulated seconds."""
        if self._looks.paused:
            ticks = round(by / self._parts.tick_s) if seconds else round(by)
            inspecting = self._parts.inspecting
            inspecting.show(inspecting.index + ticks)

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
        self._looks.say(f"bookmark, event {number}")

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
