"""One car of somebody else's that was found, and all that is needed to see its ticks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from carla_saliency.core import Car, Contract, Control, Driver, Observation, Pose
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.ego import read_car
from carla_saliency.sim.guest_rig import SNAPSHOT, GuestRig
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.latest import LatestTick
from carla_saliency.sim.owner import Owner, Told
from carla_saliency.sim.settings import SessionSettings
from carla_saliency.sim.ticker import to_vehicle_control
from carla_saliency.sim.views import SideCamera
from carla_saliency.sim.witness import Witness, observation_of

_VIEW_S = 0.05  # the side view is for people: nobody waits longer for it
_JUMP_M = 10.0  # somebody put the car elsewhere, or many ticks were missed
_LEAST_COST_MS = 0.1

Parts = dict[str, Any]


class Encounter:
    """Sees one car as long as it is there.

    Args:
        world: The owner's.
        ego: The car.
        contract: The camera's pose, size and field of view.
        settings: Whether it is driven or only looked at.
        seed: Of the ways at junctions.

    Attributes:
        car: What it is, after `learn_road`.
        spawned: Ids of the sensors that were added, to be destroyed.
        lines_crossed: How many times it crossed a marked line so far.

    Raises:
        SimulatorError: If nothing is rendered in this world, or the server fails.
    """

    car: Car

    def __init__(
        self, world: Any, ego: Any, contract: Contract, settings: SessionSettings, seed: int
    ) -> None:
        with server_calls("reading the world's settings"):
            if world.get_settings().no_rendering_mode:
                raise SimulatorError(
                    "The owner of this world turned rendering off (no_rendering_mode): cameras "
                    "see nothing. Let the owner turn it on."
                )
        self.world, self.ego = world, ego
        self.spawned: list[int] = []
        self.lines_crossed = 0
        self._settings, self._seed = settings, seed
        self._drives = settings.attach is not None
        self._size_px = settings.camera or (contract.width_px, contract.height_px)
        self._witness = Witness(world, ego.id, settings.lights == "obey")
        borrows = not self._drives
        self._rig = GuestRig(world, ego, contract, self._size_px, settings.semantic, borrows)
        self.side = SideCamera(world, ego, self._size_px, self.spawned.append, self.spawned.remove)
        self.owner = Owner(world, ego, LatestTick(*self._rig.parts))
        self._road: RoadSense | None = None
        self._pose: Pose | None = None

    @property
    def semantic_trouble(self) -> str:
        """Why there are no tags although they were wanted; "" if all is well."""
        return self._rig.semantic_trouble

    @property
    def cameras_are_gone(self) -> bool:
        """Whether the newest tick was without one of the sensors that are listened to."""
        return self.owner.misses(self._rig.sensor_ids)

    def attach(self, is_wanted: Callable[[], bool]) -> str:
        """Listen to the sensors; return a line that says whose and at what cost.

        Args:
            is_wanted: Whether somebody still waits for it.

        Raises:
            SimulatorError: If the server can't, or nobody waits any more.
        """
        who = f"{self._settings.guest_of!r} ({self.ego.type_id}, actor {self.ego.id})"
        rig, owner = self._rig, self.owner
        if self._drives:
            rig.attach(owner.latest, self.spawned.append)
            return f"Drives somebody else's car {who}; its owner ticks the world."
        before_s = owner.pace_s(is_wanted, rig.has_all)
        rig.attach(owner.latest, self.spawned.append)
        if not rig.added:
            return f"Follows {who} through the owner's cameras: nothing is added to be rendered."
        after_s = None if before_s is None else owner.pace_s(is_wanted, lambda: False)
        width_px, height_px = self._size_px
        adds = f"Follows {who}: adds {' and '.join(rig.added)} of {width_px}x{height_px}"
        if before_s is None or after_s is None:
            return f"{adds} to the server; the cost was not measured: the owner does not tick."
        cost_ms = (after_s - before_s) * 1000.0
        if cost_ms < _LEAST_COST_MS:  # an owner who keeps to a pace has time to spare
            return f"{adds} to the server: ticks did not become longer by it, measured."
        return f"{adds} to the server: about {cost_ms:.1f} ms per tick, measured."

    def learn_road(self, parts: Parts) -> None:
        """Read car and map; the car must have been in a tick.

        Args:
            parts: The first tick.

        Raises:
            SimulatorError: If the server fails.
        """
        self.car = read_car(self.ego)
        with server_calls("asking for the map"):
            carla_map = self.world.get_map()
        delta_s = parts[SNAPSHOT].snapshot.timestamp.delta_seconds
        junctions = self._settings.junctions
        self._road = RoadSense(carla_map, self.car, self._seed, delta_s, junctions, "never")

    def observe(self, parts: Parts, driver: Driver, start_s: float) -> Observation:
        """Return all of a complete tick together.

        Args:
            parts: Of the tick.
            driver: Who steered.
            start_s: When the control was sent, on the monotonic clock.

        Raises:
            SimulatorError: If the server fails.
        """
        if self._road is None:
            self.learn_road(parts)
        assert self._road is not None
        told: Told = parts[SNAPSHOT]
        facts = self._witness.facts(told.snapshot, told.state, driver, told.red_light)
        last, self._pose = self._pose, facts.pose
        if last is not None and _distance_m(last, facts.pose) > _JUMP_M:
            self._road.place(facts.pose)
        frame = self._rig.frame(told.frame, facts.sim_s, parts)
        view = self.side.take(told.frame, _VIEW_S)
        self.lines_crossed += self._rig.lines_crossed(told.frame)
        verdict = self._road.observe(replace(facts, collided=self._rig.collided(told.frame)))
        applied = None if self._drives else told.control
        return observation_of(facts, frame, verdict, start_s, view, applied)

    def send(self, control: Control) -> None:
        """Let the car do something from now on.

        Raises:
            SimulatorError: If the car is gone.
        """
        with server_calls("sending the control"):
            self.ego.apply_control(to_vehicle_control(control))

    def stop(self) -> None:
        """End all callbacks. Nothing is asked of the server."""
        for part in (self.owner, self._rig, self.side):
            part.stop()


def _distance_m(a: Pose, b: Pose) -> float:
    return math.hypot(a.x_m - b.x_m, a.y_m - b.y_m)
