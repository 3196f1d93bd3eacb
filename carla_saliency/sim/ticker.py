"""One tick of the world: a control goes in, an observation comes out."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import carla

from carla_saliency.core import Control, Driver, Observation, Pose
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.poses import to_transform, velocity_along
from carla_saliency.sim.sensors import SensorRig
from carla_saliency.sim.settings import SessionSettings
from carla_saliency.sim.views import SideCamera
from carla_saliency.sim.witness import Witness, control_of, observation_of

logger = logging.getLogger(__name__)

RED_OR_YELLOW = (carla.TrafficLightState.Red, carla.TrafficLightState.Yellow)

_FIRST_PICTURE_S = 1.0  # a subscription may come too late for one tick; then the next one counts
_MOST_SETTLING_S = 3.0  # simulated; spawn points lie half a metre above the road
_SETTLED_MPS = 0.05
_HOLD = Control(brake=1.0)


class Ticker:
    """Ticks a world with one ego vehicle in it.

    Args:
        world: Synchronous, waiting for ticks.
        ego: The vehicle.
        rig: Its sensors.
        side: Its camera for people.
        settings: Time-out, tick, lights.
    """

    def __init__(
        self, world: Any, ego: Any, rig: SensorRig, side: SideCamera, settings: SessionSettings
    ) -> None:
        self._world = world
        self._ego = ego
        self._rig = rig
        self._side = side
        self._timeout_s = settings.timeout_s
        self._most_settling = round(_MOST_SETTLING_S * settings.fps)
        self._witness = Witness(world, ego.id, settings.lights == "obey")
        self._last_frame_id: int | None = None
        self.lines_crossed = 0

    @property
    def others_at_m(self) -> tuple[tuple[float, float], ...]:
        """(x, y) of all other vehicles and walkers."""
        return self._witness.others_at_m

    def settle(self) -> int:
        """Tick until pictures arrive and the car stands on its wheels; return the frame's number.

        Raises:
            SimulatorError: If no picture comes within the time-out.
        """
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            frame_id = self._tick(_HOLD)
            left_s = deadline_s - time.monotonic()
            try:
                self._rig.frame(frame_id, 0.0, max(0.0, min(_FIRST_PICTURE_S, left_s)))
                break
            except SimulatorError:
                if left_s <= 0.0:
                    raise
        for _ in range(self._most_settling):
            if abs(self._state_of(frame_id)[1].get_velocity().z) < _SETTLED_MPS:
                break
            frame_id = self._tick(_HOLD)
            self._rig.frame(frame_id, 0.0, self._timeout_s)
        frame_id = self._tick(_HOLD)
        self._rig.collided(frame_id)  # the wheels' contact with the road
        return frame_id

    def tick(self, control: Control | None, driver: Driver, road: RoadSense) -> Observation:
        """Apply a control, let one tick pass, and return what is seen then.

        Args:
            control: For this tick; None where somebody else controls the car.
            driver: Who steers.
            road: Judges the tick.

        Raises:
            SimulatorError: If the server fails, or the car is gone.
        """
        start_s = time.monotonic()
        frame_id = self._tick(control)
        return self.observe(frame_id, driver, road, start_s, is_ours=control is not None)

    def observe(
        self, frame_id: int, driver: Driver, road: RoadSense, start_s: float, is_ours: bool = True
    ) -> Observation:
        """Return what is seen after a tick.

        Args:
            frame_id: The tick.
            driver: Who steered.
            road: Judges the tick.
            start_s: When the control was sent, on the monotonic clock.
            is_ours: The control was ours.

        Raises:
            SimulatorError: If the tick's picture is lost, or the car is gone.
        """
        snapshot, state = self._state_of(frame_id)
        red_light = self._ego.get_traffic_light_state() in RED_OR_YELLOW
        facts = self._witness.facts(snapshot, state, driver, red_light)
        applied = None if is_ours else control_of(self._ego)
        frame = self._rig.frame(frame_id, facts.sim_s, self._timeout_s)
        view = self._side.take(frame_id, self._timeout_s)
        self.lines_crossed += self._rig.lines_crossed(frame_id)
        # Collisions come on a connection of their own, mostly before the pictures: asked last.
        facts = replace(facts, collided=self._rig.collided(frame_id))
        verdict = road.observe(facts)
        if verdict.put_back is not None:
            self.place(verdict.put_back, verdict.put_back_speed_mps)
        return observation_of(facts, frame, verdict, start_s, view, applied)

    def place(self, pose: Pose, speed_mps: float) -> None:
        """Put the car somewhere, before the next tick.

        Raises:
            SimulatorError: If the server fails.
        """
        with server_calls("placing the car"):
            self._ego.set_transform(to_transform(pose))
            self._ego.set_target_velocity(velocity_along(pose, speed_mps))
            self._ego.set_target_angular_velocity(carla.Vector3D())

    def _tick(self, control: Control | None) -> int:
        with server_calls("waiting for the next frame"):
            if control is not None:
                self._ego.apply_control(to_vehicle_control(control))
            frame_id = int(self._world.tick(self._timeout_s))
        if self._last_frame_id is not None and frame_id != self._last_frame_id + 1:
            logger.warning(
                "%d ticks passed since frame %d: another client ticks this world, too.",
                frame_id - self._last_frame_id,
                self._last_frame_id,
            )
        self._last_frame_id = frame_id
        return frame_id

    def _state_of(self, frame_id: int) -> tuple[Any, Any]:
        """Return the snapshot of a tick, and the ego vehicle in it."""
        snapshot = self._world.get_snapshot()
        if snapshot.frame != frame_id:
            raise SimulatorError(
                f"The world is at frame {snapshot.frame}, expected {frame_id}: another client "
                "ticks it. Stop that client."
            )
        if (state := snapshot.find(self._ego.id)) is None:
            raise SimulatorError(
                f"The ego vehicle (actor {self._ego.id}) is gone: another client destroyed it "
                "or reloaded the map. Start again."
            )
        return snapshot, state


def to_vehicle_control(control: Control) -> carla.VehicleControl:
    """Return the simulator's form of a control."""
    return carla.VehicleControl(
        throttle=control.throttle,
        steer=control.steering,
        brake=control.brake,
        hand_brake=control.hand_brake,
        reverse=control.reverse,
    )
