"""Whoever spawned the car and ticks the world: what they did in each tick."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from carla_saliency.core import Control
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.guest_rig import SNAPSHOT
from carla_saliency.sim.latest import LatestTick
from carla_saliency.sim.ticker import RED_OR_YELLOW
from carla_saliency.sim.witness import control_of

_PACE_TICKS = 20
_LEAST_TICKS = 5
_PACE_S = 1.5
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Told:
    """What a tick's snapshot says about the car.

    Attributes:
        frame: Number of the tick.
        snapshot: Of the world.
        state: Of the car in it; None if it is gone.
        control: That the car got for this tick.
        red_light: The traffic light that holds for the car is red or yellow.
    """

    frame: int
    snapshot: Any
    state: Any
    control: Control
    red_light: bool


class Owner:
    """Notes down each tick as it is told to us.

    Args:
        world: The owner's.
        ego: The car.
        latest: Gets a `Told` for each tick.
    """

    def __init__(self, world: Any, ego: Any, latest: LatestTick) -> None:
        self._world = world
        self._ego = ego
        self.latest = latest
        self._arrivals_s: deque[float] = deque(maxlen=2 * _PACE_TICKS)
        self._newest: Told | None = None
        self._callback: int | None = world.on_tick(self._on_tick)

    @property
    def car_is_gone(self) -> bool:
        """Whether the newest tick was without the car."""
        return self._newest is not None and self._newest.state is None

    def misses(self, actor_ids: list[int]) -> bool:
        """Return whether the newest tick was without one of some actors."""
        newest = self._newest
        return newest is not None and any(newest.snapshot.find(one) is None for one in actor_ids)

    def pace_s(self, is_wanted: Callable[[], bool], enough: Callable[[], bool]) -> float | None:
        """Return the wall time from tick to tick, the median of some; None if too few come.

        Args:
            is_wanted: Whether somebody still waits for it.
            enough: Ends it at once, asked again and again.

        Raises:
            SimulatorError: If nobody waits for it any more.
        """
        self._arrivals_s.clear()
        until_s = time.monotonic() + _PACE_S
        while len(self._arrivals_s) <= _PACE_TICKS and time.monotonic() < until_s:
            if not is_wanted():
                raise SimulatorError("The session was left before the owner's ticks were counted.")
            if enough():
                break
            time.sleep(_LOOK_S)
        gaps_s = [after - before for before, after in pairwise(list(self._arrivals_s))]
        return statistics.median(gaps_s) if len(gaps_s) >= _LEAST_TICKS else None

    def stop(self) -> None:
        """Note nothing down any more. Nothing is asked of the server."""
        callback, self._callback = self._callback, None
        if callback is not None:
            with suppress(RuntimeError):  # the world is gone, and the callback with it
                self._world.remove_on_tick(callback)

    def _on_tick(self, snapshot: Any) -> None:
        self._arrivals_s.append(time.monotonic())
        with suppress(RuntimeError):  # of a car of a world that is gone
            told = Told(
                frame=snapshot.frame,
                snapshot=snapshot,
                state=snapshot.find(self._ego.id),
                control=control_of(self._ego),
                red_light=self._ego.get_traffic_light_state() in RED_OR_YELLOW,
            )
            self._newest = told
            self.latest.put(SNAPSHOT, told)


def find_car(
    world: Any, role: str, until_s: float, is_wanted: Callable[[], bool]
) -> tuple[Any, list[str]]:
    """Wait for a vehicle with a role name.

    Args:
        world: Where.
        role: Its role name.
        until_s: On the monotonic clock.
        is_wanted: Whether somebody still waits for it.

    Returns:
        The vehicle, None if none came; and the role names of all vehicles.

    Raises:
        SimulatorError: If the server does not answer, or nobody waits any more.
    """
    while True:
        with server_calls("looking for the car"):
            vehicles = list(world.get_actors().filter("vehicle.*"))
        roles = [vehicle.attributes.get("role_name", "") for vehicle in vehicles]
        if role in roles:
            return vehicles[roles.index(role)], roles
        if time.monotonic() >= until_s:
            return None, sorted(set(roles))
        if not is_wanted():
            raise SimulatorError("The session was left before the car was there.")
        time.sleep(_LOOK_S)
