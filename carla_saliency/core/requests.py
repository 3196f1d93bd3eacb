"""What a window may ask of a drive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.core.driving import Control


@dataclass(frozen=True, slots=True)
class Pause:
    """Let the world stand still and inspect it, or go on."""


@dataclass(frozen=True, slots=True)
class StepOnce:
    """One tick while paused."""


@dataclass(frozen=True, slots=True)
class Scrub:
    """While paused: show a later (negative: an earlier) frame.

    Attributes:
        by: How many ticks.
        seconds: It is simulated seconds instead.
    """

    by: int
    seconds: bool = False


@dataclass(frozen=True, slots=True)
class HandOver:
    """From the network to the expert and back, and back from manual."""


@dataclass(frozen=True, slots=True)
class Autopilot:
    """To CARLA's autopilot, and back from it."""


@dataclass(frozen=True, slots=True)
class Manual:
    """A person drives; lasts until `HandOver`."""

    control: Control


@dataclass(frozen=True, slots=True)
class ShowShadow:
    """Show the shadow's map beside the network's, or hide it."""


@dataclass(frozen=True, slots=True)
class SwapDrivers:
    """The shadow network drives, and the other one looks on."""


@dataclass(frozen=True, slots=True)
class ChangeMethod:
    """To the next (+1) or previous (-1) saliency method."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class ChangeLayer:
    """To the next (+1) or previous (-1) layer."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class LockScale:
    """Hold the colour scale as it is, or let it follow the maps again."""


@dataclass(frozen=True, slots=True)
class CheckBlobs:
    """Ask every tenth tick whether the strongest blobs move the steering, or no longer."""


@dataclass(frozen=True, slots=True)
class ChangeStrip:
    """The lower strip: attention by class, or place in the lane and speed."""


@dataclass(frozen=True, slots=True)
class ChangeWeather:
    """To CARLA's next (+1) or previous (-1) weather."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class NextSpawnPoint:
    """Put the car at the map's next spawn point."""


@dataclass(frozen=True, slots=True)
class NextCamera:
    """To the next camera pose for the left pane."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Keep this moment."""


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """Look at an event while paused.

    Attributes:
        number: Of the event; None = the last.
    """

    number: int | None = None


@dataclass(frozen=True, slots=True)
class NextEvent:
    """Look at the next (+1) or previous (-1) event of a recorded drive."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class ChangePace:
    """Play a recorded drive faster (+1) or slower (-1)."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class RemoveMask:
    """Take the last mask away."""


@dataclass(frozen=True, slots=True)
class DriveMasked:
    """Drive on as if what is under the masks were not there, or see it again."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """Save the picture of the window."""


@dataclass(frozen=True, slots=True)
class SaveFrame:
    """Save the shown frame, its map and its numbers."""


@dataclass(frozen=True, slots=True)
class ToggleRecording:
    """Start or stop the video."""


@dataclass(frozen=True, slots=True)
class Mouse:
    """The mouse, in pixels of the composed picture.

    Attributes:
        x: To the right.
        y: Down.
        kind: What it did; a drag is a press, moves and a release; without a press nothing is said.
    """

    x: float
    y: float
    kind: Literal["press", "move", "release"]


@dataclass(frozen=True, slots=True)
class Quit:
    """End the drive."""


Request = (
    Pause
    | StepOnce
    | Scrub
    | HandOver
    | Autopilot
    | Manual
    | ShowShadow
    | SwapDrivers
    | ChangeMethod
    | ChangeLayer
    | LockScale
    | CheckBlobs
    | ChangeStrip
    | ChangeWeather
    | NextSpawnPoint
    | NextCamera
    | Bookmark
    | OpenEvent
    | NextEvent
    | ChangePace
    | RemoveMask
    | DriveMasked
    | Screenshot
    | SaveFrame
    | ToggleRecording
    | Mouse
    | Quit
)
