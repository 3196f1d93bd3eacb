"""The sensors on the ego vehicle, and their data matched to the tick that it belongs to."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Generic, Protocol, TypeVar
from xml.etree import ElementTree

import carla
import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Frame, Image, Pose
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls
from carla_saliency.sim.poses import to_transform

logger = logging.getLogger(__name__)

# Effects of Unreal's camera that smear or tint a picture. Servers without them lack the attributes.
_EFFECTS_OFF = (
    "motion_blur_intensity",
    "motion_blur_max_distortion",
    "lens_flare_intensity",
    "chromatic_aberration_intensity",
)
_RED = 2  # the channel of BGRA

COLOUR = "sensor.camera.rgb"
SEMANTIC = "sensor.camera.semantic_segmentation"
COLLISION = "sensor.other.collision"
CROSSED_LINE = "sensor.other.lane_invasion"
NO_SEMANTIC = "this server has no semantic camera: there is no attention by class"


class Stamped(Protocol):
    """Sensor data with the number of its tick."""

    @property
    def frame(self) -> int:
        """The simulator's number of the tick that it was made in."""


Data = TypeVar("Data", bound=Stamped)


class TickQueue(Generic[Data]):
    """Holds a sensor's data until its tick asks for it.

    Args:
        what: Of what, for the error: "camera picture".
        size: How many are held; when full the oldest is dropped, and missed if it was needed.
    """

    def __init__(self, what: str, size: int = 8) -> None:
        self._what = what
        self._queue: Queue[Data] = Queue(maxsize=size)
        self._early: Data | None = None  # came before it was asked for, in place of a lost one

    def put(self, data: Data) -> None:
        """Add one; never blocks, since the client library's threads call it."""
        while True:
            try:
                self._queue.put_nowait(data)
            except Full:
                with suppress(Empty):
                    self._queue.get_nowait()
            else:
                return

    def take(self, frame_id: int, timeout_s: float) -> Data:
        """Return the data of exactly this tick; wait for it if it's late, forget older ones.

        Raises:
            SimulatorError: If it's lost: a later one came first, or none came in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                data, self._early = self._early, None
                if data is None:
                    data = self._queue.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except Empty:
                raise SimulatorError(
                    f"The {self._what} of frame {frame_id} did not come within {timeout_s:g} s. "
                    "Look whether the server still renders; for a slow one give a longer --timeout."
                ) from None
            if data.frame == frame_id:
                return data
            if data.frame > frame_id:
                self._early = data
                raise SimulatorError(
                    f"The {self._what} of frame {frame_id} is lost: {data.frame} came instead. "
                    "See whether another client ticks this server."
                )


def to_rgb(picture: Any, width_px: int, height_px: int) -> Image:
    """Return a `carla.Image` as contiguous RGB, uint8, (H, W, 3).

    Raises:
        SimulatorError: If it has another size.
    """
    return np.asarray(cv2.cvtColor(_bgra(picture, width_px, height_px), cv2.COLOR_BGRA2RGB))


def to_tags(picture: Any, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the semantic tags of a `carla.Image`, uint8, (H, W).

    Raises:
        SimulatorError: If it has another size.
    """
    # A semantic camera writes the tag into the red channel.
    return np.asarray(cv2.extractChannel(_bgra(picture, width_px, height_px), _RED))


def _bgra(picture: Any, width_px: int, height_px: int) -> Image:
    if (picture.width, picture.height) != (width_px, height_px):
        raise SimulatorError(
            f"The camera must give {width_px}x{height_px} pictures, "
            f"the server sent {picture.width}x{picture.height}."
        )
    return np.frombuffer(picture.raw_data, np.uint8).reshape(height_px, width_px, 4)


def every_line_is_said(world: Any) -> bool:
    """Return whether each lane of the map says what line it ends in, if only that it has none.

    The client library reads through a null pointer where a car leaves a lane that doesn't (seen in
    0.9.16): a lane invasion sensor would take the whole program down.
    """
    with server_calls("asking for the map"):
        lanes = ElementTree.fromstring(world.get_map().to_opendrive().encode()).iter("lane")
    if all(lane.find("roadMark") is not None for lane in lanes):
        return True
    logger.warning("The map has lanes without <roadMark>: crossed lines are not counted.")
    return False


def has_blueprint(world: Any, name: str) -> bool:
    """Return whether the server has such a sensor."""
    with server_calls("asking for its sensors"):
        return len(world.get_blueprint_library().filter(name)) > 0


def spawn_sensor(
    world: Any,
    vehicle: Any,
    name: str,
    pose: Pose = Pose(),  # noqa: B008 - is frozen
    size_px: tuple[int, int] = (1, 1),
    fov_deg: float = 90.0,
) -> Any:
    """Return a new sensor that is fixed to a vehicle.

    Args:
        world: Where the vehicle is.
        vehicle: The parent.
        name: Of the blueprint.
        pose: In the vehicle.
        size_px: (width, height) of a camera's pictures.
        fov_deg: Horizontal, of a camera.

    Raises:
        SimulatorError: If the server can't.
    """
    values = {
        "image_size_x": f"{size_px[0]}",
        "image_size_y": f"{size_px[1]}",
        "fov": f"{fov_deg:g}",
        "sensor_tick": "0.0",
        **dict.fromkeys(_EFFECTS_OFF, "0.0"),
    }
    with server_calls(f"attaching {name}"):
        blueprint = world.get_blueprint_library().find(name)
        for attribute, value in values.items():
            if blueprint.has_attribute(attribute):
                blueprint.set_attribute(attribute, value)
        return world.spawn_actor(blueprint, to_transform(pose), vehicle, carla.AttachmentType.Rigid)


class SensorRig:
    """The sensors on one vehicle: colour camera, semantic camera, collisions, crossed lines.

    Args:
        camera: Pose of both cameras in the vehicle.
        size_px: (width, height) of both.
        fov_deg: Horizontal, of both.
        semantic: Whether there is a semantic camera.

    Attributes:
        semantic_trouble: Why there is none although one was wanted; "" if all is well.
    """

    def __init__(
        self, camera: Pose, size_px: tuple[int, int], fov_deg: float, semantic: bool
    ) -> None:
        self._camera = camera
        self._size_px = size_px
        self._fov_deg = fov_deg
        self._pictures: TickQueue[Any] = TickQueue("camera picture")
        self._tags: TickQueue[Any] | None = TickQueue("semantic picture") if semantic else None
        self._collisions: deque[int] = deque(maxlen=256)
        self._crossings: deque[int] = deque(maxlen=256)
        self._sensors: list[Any] = []
        self.semantic_trouble = ""

    def attach(self, world: Any, vehicle: Any, spawned: Callable[[Any], None]) -> None:
        """Create the sensors on a vehicle and listen to them.

        Args:
            world: Where the vehicle is.
            vehicle: What they are attached to.
            spawned: Called with each sensor as soon as it exists, so that it can be destroyed.

        Raises:
            SimulatorError: If the server can't.
        """
        collisions, crossings = self._collisions, self._crossings
        listeners: dict[str, Callable[[Any], None]] = {
            COLOUR: self._pictures.put,
            COLLISION: lambda event: collisions.append(event.frame),
        }
        if every_line_is_said(world):
            listeners[CROSSED_LINE] = lambda event: crossings.append(event.frame)
        if self._tags is not None and not has_blueprint(world, SEMANTIC):
            self.semantic_trouble, self._tags = NO_SEMANTIC, None
        if self._tags is not None:
            listeners[SEMANTIC] = self._tags.put
        for name, listener in listeners.items():
            pose = self._camera if name.startswith("sensor.camera.") else Pose()
            sensor = spawn_sensor(world, vehicle, name, pose, self._size_px, self._fov_deg)
            spawned(sensor)
            self._sensors.append(sensor)
            with server_calls(f"listening to {name}"):
                sensor.listen(listener)

    def frame(self, frame_id: int, sim_s: float, timeout_s: float) -> Frame:
        """Return the pictures of exactly this tick.

        Raises:
            SimulatorError: If one of them is lost.
        """
        image = to_rgb(self._pictures.take(frame_id, timeout_s), *self._size_px)
        if self._tags is None:
            return Frame(frame_id, sim_s, image)
        return Frame(
            frame_id, sim_s, image, to_tags(self._tags.take(frame_id, timeout_s), *self._size_px)
        )

    def collided(self, frame_id: int) -> bool:
        """Return whether a contact was reported up to this tick, since the last call."""
        return count_up_to(self._collisions, frame_id) > 0

    def lines_crossed(self, frame_id: int) -> int:
        """Return how many times marked lines were crossed up to this tick, since the last call."""
        return count_up_to(self._crossings, frame_id)

    def stop(self) -> None:
        """End all callbacks. Nothing is asked of the server."""
        for sensor in self._sensors:
            with suppress(RuntimeError):  # destroyed by somebody else
                sensor.stop()
        self._sensors.clear()


def count_up_to(frames: deque[int], frame_id: int) -> int:
    """Return how many of some frames are not after this one, and drop those."""
    count = 0
    while frames and frames[0] <= frame_id:
        frames.popleft()
        count += 1
    return count
