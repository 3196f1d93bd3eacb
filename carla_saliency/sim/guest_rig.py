"""The sensors with which somebody else's car is looked at: the owner's where they fit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from carla_saliency.core import Contract, Frame
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.latest import LatestTick
from carla_saliency.sim.poses import to_transform
from carla_saliency.sim.sensors import (
    COLLISION,
    COLOUR,
    CROSSED_LINE,
    NO_SEMANTIC,
    SEMANTIC,
    count_up_to,
    every_line_is_said,
    has_blueprint,
    spawn_sensor,
    to_rgb,
    to_tags,
)

PICTURE, TAGS, SNAPSHOT = "picture", "tags", "snapshot"

_SAME_PLACE_M = 0.05
_SAME_TURN_DEG = 0.5
_SAME_FOV_DEG = 0.1
_SPARE_S = 1e-4


class GuestRig:
    """Listens to sensors on a car that is not ours.

    Args:
        world: Where the car is.
        vehicle: The car.
        contract: The cameras' pose and field of view.
        size_px: (width, height) of the pictures.
        semantic: Whether there is to be a semantic camera.
        borrows: Sensors of the owner that fit are used; none of ours counts crossed lines.

    Attributes:
        added: Names of the cameras that had to be added.
        semantic_trouble: Why there are no tags although they were wanted; "" if all is well.
    """

    def __init__(
        self,
        world: Any,
        vehicle: Any,
        contract: Contract,
        size_px: tuple[int, int],
        semantic: bool,
        borrows: bool,
    ) -> None:
        self._world = world
        self._vehicle = vehicle
        self._contract = contract
        self._size_px = size_px
        self._borrows = borrows
        self._semantic = semantic
        self._sensors: list[Any] = []
        self._collisions: deque[int] = deque(maxlen=256)
        self._crossings: deque[int] = deque(maxlen=256)
        self.added: list[str] = []
        self.semantic_trouble = ""
        if semantic and not has_blueprint(world, SEMANTIC):
            self._semantic, self.semantic_trouble = False, NO_SEMANTIC

    @property
    def parts(self) -> tuple[str, ...]:
        """What a complete tick has."""
        return (SNAPSHOT, PICTURE, TAGS) if self._semantic else (SNAPSHOT, PICTURE)

    @property
    def sensor_ids(self) -> list[int]:
        """Actor ids of all that is listened to."""
        return [sensor.id for sensor in self._sensors]

    def has_all(self) -> bool:
        """Return whether the owner has every camera that is needed."""
        wanted = (COLOUR, SEMANTIC) if self._semantic else (COLOUR,)
        return self._borrows and all(self._fitting(name) is not None for name in wanted)

    def attach(self, latest: LatestTick, spawned: Callable[[int], None]) -> None:
        """Listen to the owner's sensors, or to new ones.

        Args:
            latest: Gets the pictures.
            spawned: Called with the id of each new one, so that it can be destroyed.

        Raises:
            SimulatorError: If the server can't.
        """
        collisions, crossings = self._collisions, self._crossings
        self._listen(COLOUR, lambda data: latest.put(PICTURE, data), spawned)
        if self._semantic:
            self._listen(SEMANTIC, lambda data: latest.put(TAGS, data), spawned)
        self._listen(COLLISION, lambda event: collisions.append(event.frame), spawned)
        if not self._borrows and every_line_is_said(self._world):
            self._listen(CROSSED_LINE, lambda event: crossings.append(event.frame), spawned)

    def frame(self, frame_id: int, sim_s: float, parts: dict[str, Any]) -> Frame:
        """Return the pictures of a complete tick.

        Raises:
            SimulatorError: If they have another size.
        """
        image = to_rgb(parts[PICTURE], *self._size_px)
        tags = to_tags(parts[TAGS], *self._size_px) if TAGS in parts else None
        return Frame(frame_id, sim_s, image, tags)

    def collided(self, frame_id: int) -> bool:
        """Return whether a contact was reported up to this tick, since the last call."""
        return count_up_to(self._collisions, frame_id) > 0

    def lines_crossed(self, frame_id: int) -> int:
        """Return how many times marked lines were crossed up to this tick, since the last call."""
        return count_up_to(self._crossings, frame_id)

    def stop(self) -> None:
        """End all callbacks; the owner's sensors go on. Nothing is asked of the server."""
        for sensor in self._sensors:
            with suppress(RuntimeError):  # destroyed by its owner
                sensor.stop()
        self._sensors.clear()

    # -------------------------------------------------------------- inside

    def _listen(
        self, name: str, listener: Callable[[Any], None], spawned: Callable[[int], None]
    ) -> None:
        sensor = self._fitting(name) if self._borrows else None
        if sensor is None:
            sensor = self._add(name)
            spawned(sensor.id)
        self._sensors.append(sensor)
        with server_calls(f"listening to {name}"):
            sensor.listen(listener)

    def _add(self, name: str) -> Any:
        if name in (COLOUR, SEMANTIC):
            self.added.append("a camera" if name == COLOUR else "a semantic camera")
            contract = self._contract
            return spawn_sensor(
                self._world, self._vehicle, name, contract.camera, self._size_px, contract.fov_deg
            )
        return spawn_sensor(self._world, self._vehicle, name)

    def _fitting(self, name: str) -> Any:
        """Return a sensor of the owner's that can be used as it is; None if there is none."""
        with server_calls("looking for the owner's sensors"):
            sensors = self._world.get_actors().filter(name)
            mine = [
                one
                for one in sensors
                if one.parent is not None and one.parent.id == self._vehicle.id
            ]
            if name == COLLISION:
                return next(iter(mine), None)
            delta_s = self._world.get_settings().fixed_delta_seconds or 0.0
            return next((one for one in mine if self._fits(one, delta_s)), None)

    def _fits(self, camera: Any, delta_s: float) -> bool:
        values, (width_px, height_px) = camera.attributes, self._size_px
        fov_off_deg = float(values.get("fov", "90")) - self._contract.fov_deg
        if (
            (values.get("image_size_x"), values.get("image_size_y"))
            != (str(width_px), str(height_px))
            or abs(fov_off_deg) > _SAME_FOV_DEG
            or float(values.get("sensor_tick", "0")) > delta_s + _SPARE_S  # not of every tick
        ):
            return False
        to_vehicle = np.array(self._vehicle.get_transform().get_inverse_matrix())
        there = to_vehicle @ np.array(camera.get_transform().get_matrix())
        wanted = np.array(to_transform(self._contract.camera).get_matrix())
        off_m = np.linalg.norm(there[:3, 3] - wanted[:3, 3])
        cosine = (np.trace(there[:3, :3].T @ wanted[:3, :3]) - 1.0) / 2.0
        turn_deg = math.degrees(math.acos(min(max(float(cosine), -1.0), 1.0)))
        return bool(off_m <= _SAME_PLACE_M and turn_deg <= _SAME_TURN_DEG)
