"""A camera for people: where it looks from, and its picture of the very tick."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from carla_saliency.core import Pose, SideView
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.sensors import COLOUR, TickQueue, spawn_sensor, to_rgb

logger = logging.getLogger(__name__)

FRONT = "front"
VIEWS = (FRONT, "chase", "bird", "side")
"""What can be looked at beside the road; "front" is the network's own picture, and no camera."""

_FOV_DEG = 90.0
_AROUND_M = 0.5  # as CARLA's own example leaves around the car's box
_FIRST_S = 0.2  # the first picture may be missed: a subscription takes its time


def pose_of(view: str, half_size_m: tuple[float, float, float]) -> Pose:
    """Return where a view's camera is, in the vehicle.

    The camera is fixed to the car: servers differ in what they make of a spring arm, and the
    picture would lag behind the network's.

    Args:
        view: One of `VIEWS` but "front".
        half_size_m: Of the car's box: length, width, height.
    """
    x, y, z = (half + _AROUND_M for half in half_size_m)
    return {
        "chase": Pose(x_m=-1.9 * x, z_m=2.25 * z, pitch_deg=-15.0),
        "bird": Pose(x_m=1.5 * x, z_m=6.0 * x, pitch_deg=-90.0),
        "side": Pose(x_m=-0.4 * x, y_m=-1.1 * y, z_m=0.6 * z, pitch_deg=-4.0),
    }[view]


class SideCamera:
    """The camera of one view at a time; none at all as long as the view is "front".

    Args:
        world: Where the vehicle is.
        vehicle: What it is fixed to.
        size_px: (width, height) of its pictures.
        spawned: Called with each camera's actor id as soon as it exists.
        destroyed: Called with it when it is gone.
    """

    def __init__(
        self,
        world: Any,
        vehicle: Any,
        size_px: tuple[int, int],
        spawned: Callable[[int], None],
        destroyed: Callable[[int], None],
    ) -> None:
        self._world = world
        self._vehicle = vehicle
        self._size_px = size_px
        self._spawned = spawned
        self._destroyed = destroyed
        self._view = FRONT
        self._camera: Any = None
        self._pictures: TickQueue[Any] = TickQueue("side view")
        self._delivers = False

    def show(self, view: str) -> None:
        """Look from somewhere else from the next tick on.

        Args:
            view: One of `VIEWS`.

        Raises:
            SimulatorError: If the server can't.
        """
        if view == self._view:
            return
        self._remove()
        self._view = view
        if view == FRONT:
            return
        with server_calls("asking for the car's size"):
            half = self._vehicle.bounding_box.extent
        pose = pose_of(view, (half.x, half.y, half.z))
        camera = spawn_sensor(self._world, self._vehicle, COLOUR, pose, self._size_px, _FOV_DEG)
        self._spawned(camera.id)
        self._camera = camera
        self._pictures, self._delivers = TickQueue("side view"), False
        with server_calls("listening to the side view"):
            camera.listen(self._pictures.put)

    def take(self, frame_id: int, timeout_s: float) -> SideView | None:
        """Return the picture of exactly this tick; None if it is lost, or none is wanted.

        A person does without it for a tick: nothing depends on it.
        """
        if self._camera is None:
            return None
        try:
            picture = self._pictures.take(
                frame_id, timeout_s if self._delivers else min(timeout_s, _FIRST_S)
            )
            image = to_rgb(picture, *self._size_px)
        except SimulatorError as error:
            logger.info("%s", error)
            self._delivers = False
            return None
        self._delivers = True
        return SideView(self._view, image)

    def stop(self) -> None:
        """End the callbacks. Nothing is asked of the server."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with suppress(RuntimeError):  # destroyed by somebody else
                camera.stop()

    def _remove(self) -> None:
        camera = self._camera
        self.stop()
        if camera is None:
            return
        with server_calls("destroying the side view's camera"), suppress(RuntimeError):
            camera.destroy()
        self._destroyed(camera.id)
