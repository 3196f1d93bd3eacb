"""The other vehicles and the walkers around the ego vehicle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import carla

from carla_saliency.core import Pose
from carla_saliency.sim.connect import server_calls, timed_out
from carla_saliency.sim.facts import Neighbour
from carla_saliency.sim.poses import speed_along, to_pose

_SIGHT_M = 60.0
_KINDS = ("vehicle.", "walker.")


@dataclass(frozen=True, slots=True)
class _Box:
    centre_m: tuple[float, float, float]  # in the actor
    half_length_m: float
    half_width_m: float


class Surroundings:
    """Finds the neighbours in a snapshot; asks the server only about actors that are new.

    Args:
        world: Where.
        ego_id: The actor that is not its own neighbour.

    Attributes:
        places_m: (x, y) of every vehicle and walker of the last snapshot, however far away.
    """

    def __init__(self, world: Any, ego_id: int) -> None:
        self._world = world
        self._boxes: dict[int, _Box | None] = {ego_id: None}  # None: not of interest
        self.places_m: tuple[tuple[float, float], ...] = ()

    def neighbours(self, snapshot: Any, pose: Pose) -> tuple[Neighbour, ...]:
        """Return the vehicles and walkers within some 60 m of a pose, in the snapshot's order.

        Raises:
            SimulatorError: If the server doesn't answer.
        """
        states = list(snapshot)
        self._learn([state.id for state in states if state.id not in self._boxes])
        found, places_m = [], []
        for state in states:
            if (box := self._boxes.get(state.id)) is None:
                continue
            transform = state.get_transform()
            place = transform.location
            places_m.append((place.x, place.y))
            if math.hypot(place.x - pose.x_m, place.y - pose.y_m) > _SIGHT_M:
                continue
            own = to_pose(transform)
            # The library writes the result into its argument, too: never hand it one that is kept.
            centre = transform.transform(carla.Location(*box.centre_m))
            found.append(
                Neighbour(
                    pose=Pose(
                        centre.x, centre.y, centre.z, own.pitch_deg, own.yaw_deg, own.roll_deg
                    ),
                    speed_mps=speed_along(own, state.get_velocity()),
                    half_length_m=box.half_length_m,
                    half_width_m=box.half_width_m,
                )
            )
        self.places_m = tuple(places_m)
        return tuple(found)

    def _learn(self, ids: list[int]) -> None:
        if not ids:
            return
        self._boxes.update(dict.fromkeys(ids))
        with server_calls("asking what is around"):
            for actor in self._world.get_actors(ids):
                if actor.type_id.startswith(_KINDS):
                    self._boxes[actor.id] = _box_of(actor)


def _box_of(actor: Any) -> _Box | None:
    try:
        box = actor.bounding_box  # from CARLA 0.9.16 on this asks the server, and holds the GIL
    except RuntimeError as error:
        if timed_out(error):
            raise
        return None  # destroyed since the snapshot
    centre, extent = box.location, box.extent
    return _Box((centre.x, centre.y, centre.z), extent.x, extent.y)
