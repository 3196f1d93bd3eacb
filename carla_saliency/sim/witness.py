"""One tick as it is told: from the simulator's snapshot to an observation."""

from __future__ import annotations

import time
from typing import Any

from carla_saliency.core import Control, Driver, Frame, Observation, SideView
from carla_saliency.sim.facts import TickFacts, Verdict
from carla_saliency.sim.poses import speed_along, to_pose
from carla_saliency.sim.surroundings import Surroundings


class Witness:
    """Tells what happened to one car in a tick.

    Args:
        world: Where it is.
        ego_id: The car.
        obey_lights: Whether red lights are obeyed.
    """

    def __init__(self, world: Any, ego_id: int, obey_lights: bool) -> None:
        self._around = Surroundings(world, ego_id)
        self._obey_lights = obey_lights
        self.others_at_m: tuple[tuple[float, float], ...] = ()

    def facts(self, snapshot: Any, state: Any, driver: Driver, red_light: bool) -> TickFacts:
        """Return the facts of a tick, but for collisions.

        Args:
            snapshot: Of the world.
            state: Of the car in it.
            driver: Who steered.
            red_light: The traffic light that holds for the car is red or yellow.

        Raises:
            SimulatorError: If the server doesn't answer.
        """
        pose = to_pose(state.get_transform())
        others = self._around.neighbours(snapshot, pose)
        self.others_at_m = self._around.places_m
        return TickFacts(
            frame_id=snapshot.frame,
            sim_s=snapshot.timestamp.elapsed_seconds,
            pose=pose,
            speed_mps=speed_along(pose, state.get_velocity()),
            driver=driver,
            others=others,
            red_light_ahead=red_light,
            obey_lights=self._obey_lights,
        )


def observation_of(
    facts: TickFacts,
    frame: Frame,
    verdict: Verdict,
    start_s: float,
    view: SideView | None,
    applied: Control | None,
) -> Observation:
    """Return all of a tick together.

    Args:
        facts: What happened.
        frame: The pictures, without the speed.
        verdict: What the road sense makes of it.
        start_s: When the control was sent, on the monotonic clock.
        view: Of another camera.
        applied: The control of somebody else.
    """
    return Observation(
        frame=Frame(frame.frame_id, frame.sim_s, frame.image, frame.tags, facts.speed_mps),
        pose=facts.pose,
        speed_mps=facts.speed_mps,
        lane=verdict.lane,
        events=verdict.events,
        server_ms=(time.monotonic() - start_s) * 1000.0,
        view=view,
        applied=applied,
    )


def control_of(ego: Any) -> Control:
    """Return the control that a vehicle had in the newest snapshot; asks the server nothing."""
    sent = ego.get_control()
    return Control(
        steering=min(max(sent.steer, -1.0), 1.0),
        throttle=min(max(sent.throttle, 0.0), 1.0),
        brake=min(max(sent.brake, 0.0), 1.0),
        hand_brake=sent.hand_brake,
        reverse=sent.reverse,
    )
