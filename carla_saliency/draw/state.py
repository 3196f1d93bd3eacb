"""What the window shows beside the step itself, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.core import Meaning

Tone = Literal["high", "mid", "low", "warning", "failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where we drive, for the top line; empty pieces are left out.

    Attributes:
        map_name: For example "Town01".
        weather: For example "ClearNoon".
        spawn: For example "spawn 24".
        network: Name of the network's file.
        pace: For example "sync 0.05 s".
    """

    map_name: str = ""
    weather: str = ""
    spawn: str = ""
    network: str = ""
    pace: str = ""

    def variants(self) -> tuple[str, ...]:
        """Return the line, and shorter ones that leave out what matters least."""
        all_ = (self.map_name, self.weather, self.spawn, self.network, self.pace)
        choices = (all_, all_[:4], (self.map_name, self.weather, self.network), (self.map_name,))
        return tuple(" · ".join(piece for piece in choice if piece) for choice in choices)


@dataclass(frozen=True, slots=True)
class Recording:
    """How the recording stands.

    Attributes:
        status: "held" while simulated time stands still; "saved" after the file was closed.
        seconds: Simulated seconds in the file.
    """

    status: Literal["off", "on", "held", "saved"] = "off"
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UiState:
    """Everything on the picture that is not in the step.

    Attributes:
        method: Of the map that is to come; a step's own explanation brings its own.
        world: The top line.
        recording: The dot, and its time.
        paused: The badge says so.
        timing_ms: Parts of a tick in the order of the budget bar, (name, milliseconds); at most 5.
        fps: Ticks per second of wall time; None if not known yet.
        opacity: Of the overlay, 0 (off) to 1.
        notice: One line at the bottom right; empty: the most useful keys.
        notice_tone: Of that line.
        alarm: One line in a yellow band over the camera picture; empty: no band.
    """

    method: Meaning
    world: World = World()
    recording: Recording = Recording()
    paused: bool = False
    timing_ms: tuple[tuple[str, float], ...] = ()
    fps: float | None = None
    opacity: float = 1.0
    notice: str = ""
    notice_tone: Tone = "mid"
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class CardLine:
    """One line of a card.

    Attributes:
        text: What it says.
        tone: Its colour.
        number: For steps: their number, in front.
        remark: For steps: how they stand, for example "waiting".
    """

    text: str
    tone: Tone = "mid"
    number: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Is said over a pane: what happened, what the program does, what you can do.

    Attributes:
        heading: One line.
        lines: Up to nine.
        tone: "high" while all is well, "warning" or "failure".
    """

    heading: str
    lines: tuple[CardLine, ...]
    tone: Tone = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlude:
    """The window while there is no drive: connecting, or the server is lost.

    Attributes:
        badge: For example "CONNECTING".
        tone: Of the badge: "high" is an outline, "failure" is filled red.
        left: Over the camera's pane.
        right: Over the overlay's pane; None leaves it empty.
        camera_title: At the right over the camera's pane, for example "last picture, 12 s old".
        map_title: At the right over the overlay's pane.
    """

    badge: str
    left: Card
    right: Card | None = None
    tone: Tone = "high"
    camera_title: str = "no picture yet"
    map_title: str = "no map yet"
