"""Whoever does what a person may ask for, in a drive and on a recorded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.masks import Masks
from carla_saliency.commands.wishes import DriveSteps
from carla_saliency.core import Driver, DriveStep, Event, Frame, Request
from carla_saliency.factory import Letter
from carla_saliency.insight.analyst import Analyst
from carla_saliency.output.clip_frames import ClipFrames
from carla_saliency.output.clips import ClipEntry
from carla_saliency.output.recorder import Recorder
from carla_saliency.pilot.seat import Seat
from carla_saliency.record.extras import Extras

Sink = Callable[[DriveStep, Extras], None]
"""Is given every finished step, and what belongs to its moment."""


class PilotControls(Protocol):
    """What a person may ask of whoever decides.

    Attributes:
        masking: Makes of a frame the one that the network is given; None = it sees all.
    """

    masking: Callable[[Frame], Frame] | None

    @property
    def method(self) -> str:
        """Name of the saliency method in use."""

    @property
    def driver(self) -> Driver:
        """Who is meant to drive."""

    @property
    def seat(self) -> Seat:
        """The network that drives, or would."""

    @property
    def letter(self) -> Letter:
        """Of the network that is asked."""

    def handle(self, request: Request) -> bool:
        """Do what is asked, if it is the pilot's to do; return whether it was."""


class Events(Protocol):
    """Lists what happened in the drive."""

    @property
    def entries(self) -> tuple[ClipEntry, ...]:
        """Return the events, oldest first."""

    def add(self, event: Event, sim_s: float) -> int:
        """List an event; return its number."""

    def tick(self) -> None:
        """Note that a step is finished."""

    def load(self, number: int) -> ClipFrames | None:
        """Return the frames of an event's clip; None if there is none."""


class Player(Protocol):
    """Plays a recorded drive."""

    def show(self, index: int) -> None:
        """Let the strips show the moment of a step that is looked at."""

    def go_on(self, index: int) -> None:
        """Play on from a step."""

    def jump(self, ticks: int) -> None:
        """Play on so many ticks later or (negative) earlier."""

    def change_pace(self, by: int) -> str:
        """Play faster (+1) or slower (-1); return in words how fast."""


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


@dataclass(frozen=True)
class Parts:
    """Whoever does what a person may ask for.

    Attributes:
        change_layer: Goes to the next layer for the current method; returns its name, "" = the
            method's own choice. None where there is no choice.
        layer: Returns that name.
        guest: Somebody else ticks the world: it can't be held.
        follows: And drives the car.
        player: Plays a recorded drive; None where somebody drives.
        remembers: The last 20 s are wanted: somebody may look at them, or clips are kept.
        folder: For screenshots and saved frames.
        tick_s: Simulated seconds of a tick.
        source: Where the pictures are waited for, for the bar of milliseconds.
        sinks: Are each given every finished step: the record, the streams.
        log: Is told, for the record, what a person changed in the world.
    """

    pilot: PilotControls
    world: WorldControls
    recorder: Recorder
    past: DriveSteps
    clips: Events
    analyst: Analyst
    inspecting: Inspecting
    change_layer: Callable[[str, int], None] | None
    layer: Callable[[], str]
    guest: bool = False
    follows: bool = False
    player: Player | None = None
    remembers: bool = True
    folder: Path = field(default_factory=Path)
    tick_s: float = 0.05
    source: str = "server"
    masks: Masks = field(default_factory=Masks)
    sinks: tuple[Sink, ...] = ()
    log: Callable[[str], None] = lambda line: None
