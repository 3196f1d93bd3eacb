"""What a tick is to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carla_saliency.core import Decision, Pose
from carla_saliency.sim.views import FRONT


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a tick is to begin with.

    Attributes:
        decision: Its control and driver count.
        placed: Where to put the car, and its speed in m/s; None leaves it where it is.
        spawn: Index of the spawn point that the car is put at; None leaves it where it is.
        put_back: The car is put back after an intervention that left it where it was.
        weather: A preset's name, or what differs from ClearNoon; None changes nothing.
        view: What the side view shows, one of `views.VIEWS`.
    """

    decision: Decision
    placed: tuple[Pose, float] | None = None
    spawn: int | None = None
    put_back: bool = False
    weather: str | Mapping[str, float] | None = None
    view: str = FRONT
