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
from carla_saliency.sim.facts import TickFacts
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.poses import speed_along, to_pose, to_transform, velocity_along
from carla_saliency.sim.sensors import SensorRig
from carla_saliency.sim.settings import SessionSettings
from carla_saliency.sim.surroundings import Surroundings

logger = logging.getLogger(__name__)

_FIRST_PICTURE_S = 1.0  # a subscription may come too late for one tick; then the next one counts
_MOST_SETTLING_S = 3.0  # simulated; spawn points lie half a metre above the road
_SETTLED_MPS = 0.05
_HOLD = Control(brake=1.0)
_RED_OR_YELLOW = (carla.TrafficLightState.Red, carla.TrafficLightState.Yellow)


class Ticker:
    """Ticks a world with one ego vehicle in it.

    Args:
        world: Synchronous, waiting for ticks.
        ego: The vehicle.
        rig: Its sensors.
        settings: Time-out, tick, lights.
    """

    def __init__(self, world: Any, ego: Any, rig: SensorRig, settings: SessionSettings) -> None:
        self._world = world
        self._ego = ego
        self._rig = rig
        self._timeout_s = settings.timeout_s
        self._most_settling = round(_MOST_SETTLING_S * settings.fps)
        self._obey_lights = settings.lights == "obey"
        self._around = Surroundings(world, ego.id)
        self._last_frame_id: int | None = None
        self.lines_crossed = 0

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

    def tick(
        self, control: Control, driver: Driver, placed: tuple[Pose, float] | None, road: RoadSense
    ) -> Observation:
        """Apply a control, let one tick pass, and return what is seen then.

        Args:
            control: For this tick.
            driver: Who steers.
            placed: Where to put the car first, and its speed in m/s.
            road: Judges the tick.

        Raises:
            SimulatorError: If the server fails, or the car is gone.
        """
        start_s = time.monotonic()
        if placed is not None:
            self._place(*placed)
            road.place(placed[0])
        return self.observe(self._tick(control), driver, road, start_s)

    def observe(
        self, frame_id: int, driver: Driver, road: RoadSense, start_s: float
    ) -> Observation:
        """Return what is seen after a tick.

        Args:
            frame_id: The tick.
            driver: Who steered.
            road: Judges the tick.
            start_s: When the control was sent, on the monotonic clock.

        Raises:
            SimulatorError: If the tick's picture is lost, or the car is gone.
        """
        snapshot, state = self._state_of(frame_id)
        pose = to_pose(state.get_transform())
        speed_mps = speed_along(pose, state.get_velocity())
        sim_s = snapshot.timestamp.elapsed_seconds
        facts = TickFacts(
            frame_id=frame_id,
            sim_s=sim_s,
            pose=pose,
            speed_mps=speed_mps,
            driver=driver,
            others=self._around.neighbours(snapshot, pose),
            red_light_ahead=self._ego.get_traffic_light_state() in _RED_OR_YELLOW,
            obey_lights=self._obey_lights,
        )
        frame = self._rig.frame(frame_id, sim_s, self._timeout_s)
        self.lines_crossed += self._rig.lines_crossed(frame_id)
        # Collisions come on a connection of their own, mostly before the pictures: asked last.
        facts = replace(facts, collided=self._rig.collided(frame_id))
        verdict = road.observe(facts)
        if verdict.put_back is not None:
            self._place(verdict.put_back, verdict.put_back_speed_mps)
        return Observation(
            frame=replace(frame, speed_mps=speed_mps),
            pose=pose,
            speed_mps=speed_mps,
            lane=verdict.lane,
            events=verdict.events,
            server_ms=(time.monotonic() - start_s) * 1000.0,
        )

    def _tick(self, control: Control) -> int:
        with server_calls("waiting for the next frame"):
            self._ego.apply_control(
                carla.VehicleControl(
                    throttle=control.throttle,
                    steer=control.steering,
                    brake=control.brake,
                    hand_brake=control.hand_brake,
                    reverse=control.reverse,
                )
            )
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

    def _place(self, pose: Pose, speed_mps: float) -> None:
        with server_calls("placing the car"):
            self._ego.set_transform(to_transform(pose))
            self._ego.set_target_velocity(velocity_along(pose, speed_mps))
            self._ego.set_target_angular_velocity(carla.Vector3D())
