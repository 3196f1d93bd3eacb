"""What a window may ask of a drive."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.core.driving import (
    Control,
)


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop or go on."""


@dataclass(frozen=True, slots=True)
class StepOnce:
    """One tick while paused."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """From the network to the expert and back, and back from manual."""


@dataclass(frozen=True, slots=True)
class Manual:
    """A person drives; lasts until `HandOver`."""

    control: Control


@dataclass(frozen=True, slots=True)
class ChangeMethod:
    """To the next (+1) or previous (-1) saliency method."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class ToggleRecording:
    """Start or stop the video."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the drive."""


Request = Pause | StepOnce | HandOver | Manual | ChangeMethod | ToggleRecording | Quit
