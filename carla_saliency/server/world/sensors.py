"""Sensors: whose turn it is in a tick, and the message that each sends."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import Camera, Pixels, Tag, Transform
from carla_saliency.server.wire import stream
from carla_saliency.server.wire.codec import encode
from carla_saliency.server.wire.structs import (
    ActorDescription,
    ActorInfo,
    BoundingBox,
    Vector,
)
from carla_saliency.server.world.actors import Actor, Vehicle
from carla_saliency.server.world.blueprints import MAX_IMAGE_SIDE_PX
from carla_saliency.server.world.collisions import Contact
from carla_saliency.server.world.poses import rotation, turned_back
from carla_saliency.server.world.vehicle_physics import GRAVITY

CAMERAS: Mapping[str, int] = {
    "sensor.camera.rgb": stream.SensorType.RGB,
    "sensor.camera.semantic_segmentation": stream.SensorType.SEMANTIC,
    "sensor.camera.depth": stream.SensorType.DEPTH,
}
_STREAMING = ("sensor.other.collision", "sensor.other.gnss", "sensor.other.imu")
_SCALED_EARTH_M = 6378137.0 * 0.9996  # WGS84's equator, the scale of UTM
_EPSILON_S = 1e-6


class Sensor(Actor):
    """An actor that sends messages.

    Args:
        actor_id: Unique in this server.
        description: What it was spawned from.
        place: In the world, or in the parent's axes.
        parent: What it is fixed to.
        attributes: All of them, as text.

    Attributes:
        stream_id: Of its messages; 0 for a lane invasion sensor, which works in the client.
        view: Size and field of view, of cameras.

    Raises:
        BadInputError: If a picture of this size or field of view can't be made.
    """

    def __init__(
        self,
        actor_id: int,
        description: ActorDescription,
        place: Transform,
        parent: Actor | None,
        attributes: Mapping[str, str],
    ) -> None:
        super().__init__(actor_id, description, place, parent)
        self._period_s = float(attributes["sensor_tick"])
        self._due_s = -math.inf
        self._size: tuple[int, int, float] | None = None
        if description.id in CAMERAS:
            self._size = _camera_size(description.id, attributes)
        if self._size or description.id in _STREAMING:
            self.stream_id = actor_id + stream.WORLD_STREAM

    @property
    def camera(self) -> Camera | None:
        """What it sees now; None if it isn't a camera."""
        return Camera(self.pose, *self._size) if self._size else None

    def takes_its_turn(self, elapsed_s: float) -> bool:
        """Say whether it sends something now, and reckon when it will again.

        Args:
            elapsed_s: Simulated seconds.
        """
        if elapsed_s < self._due_s - _EPSILON_S:
            return False
        # A whole period after the last due time, so that the rate holds whatever the ticks are;
        # after now, if that is past already.
        self._due_s += self._period_s
        if self._due_s < elapsed_s:
            self._due_s = elapsed_s + self._period_s
        return True


def _camera_size(blueprint: str, attributes: Mapping[str, str]) -> tuple[int, int, float]:
    width, height = int(attributes["image_size_x"]), int(attributes["image_size_y"])
    fov = float(attributes["fov"])
    if not (1 <= width <= MAX_IMAGE_SIDE_PX and 1 <= height <= MAX_IMAGE_SIDE_PX):
        raise BadInputError(
            f"{blueprint}: image_size must be 1x1 to {MAX_IMAGE_SIDE_PX}x{MAX_IMAGE_SIDE_PX}, "
            f"received {width}x{height}"
        )
    if not 1 <= fov < 180:
        raise BadInputError(f"{blueprint}: fov must be in [1, 180), received {fov:g}")
    return width, height, fov


# ------------------------------------------------------------------ messages


@dataclass(frozen=True, slots=True)
class Look:
    """What sensors need to know of a tick.

    Attributes:
        stamp: Of the tick.
        contacts: That happened in it.
        geo_reference: Latitude and longitude of the map's origin, degrees.
        describe: An actor's info, by id.
        render: Pixels of a camera.
    """

    stamp: stream.Stamp
    contacts: Sequence[Contact]
    geo_reference: tuple[float, float]
    describe: Callable[[int], ActorInfo]
    render: Callable[[Camera], Pixels]


def messages(sensor: Sensor, look: Look) -> list[bytes]:
    """Return what a sensor sends in a tick: usually one message, a collision sensor any number."""
    camera, blueprint = sensor.camera, sensor.description.id
    if camera is not None:
        return [_picture(CAMERAS[blueprint], camera, look)]
    if blueprint == "sensor.other.collision":
        return _collisions(sensor, look)
    if blueprint == "sensor.other.gnss":
        data: object = geo_location(look.geo_reference, sensor.pose)
        kind = stream.SensorType.GNSS
    else:
        data, kind = _imu(sensor), stream.SensorType.IMU
    return [stream.data_message(kind, look.stamp, sensor.pose, encode(data))]


def _picture(kind: int, camera: Camera, look: Look) -> bytes:
    pixels = look.render(camera)
    bgra = pixels.bgra
    if kind == stream.SensorType.SEMANTIC:
        bgra = stream.tag_picture(pixels.tag)
    elif kind == stream.SensorType.DEPTH:
        bgra = stream.depth_picture(pixels.depth)
    return stream.camera_message(kind, look.stamp, camera.pose, camera.fov, bgra)


def _collisions(sensor: Sensor, look: Look) -> list[bytes]:
    if sensor.parent is None:
        return []
    owner = sensor.parent.id
    return [
        stream.data_message(
            stream.SensorType.COLLISION,
            look.stamp,
            sensor.pose,
            encode((look.describe(owner), _other(contact, look), contact.impulse)),
        )
        for contact in look.contacts
        if contact.actor_id == owner
    ]


def _other(contact: Contact, look: Look) -> ActorInfo:
    if contact.other_id is not None:
        return look.describe(contact.other_id)
    # Scenery has id 0 and is called after its tag, as in CARLA.
    nothing = (0.0, 0.0, 0.0)
    return ActorInfo(
        0,
        0,
        ActorDescription(0, f"static.{_TAG_NAMES[contact.tag]}", ()),
        BoundingBox(nothing, nothing),
        bytes([contact.tag]),
    )


_TAG_NAMES = {
    value: name.lower().replace("_", "") for name, value in vars(Tag).items() if name.isupper()
}


def _imu(sensor: Sensor) -> tuple[Vector, Vector, float]:
    """Accelerometer (m/s², with gravity), gyroscope (rad/s), compass (rad from north)."""
    acceleration: Vector = (0.0, 0.0, 0.0)
    turning: Vector = (0.0, 0.0, 0.0)
    if isinstance(sensor.parent, Vehicle):
        acceleration = sensor.parent.body.acceleration
        turning = sensor.parent.body.angular_velocity
    axes = rotation(sensor.pose)
    ax, ay, az = acceleration
    wx, wy, wz = turned_back(axes, turning)
    felt = turned_back(axes, (ax, ay, az + GRAVITY))
    compass = math.radians(sensor.pose.yaw + 90.0) % math.tau
    return felt, (math.radians(wx), math.radians(wy), math.radians(wz)), compass


def geo_reference(xodr: str) -> tuple[float, float]:
    """Return latitude and longitude of a map's origin, degrees; (0, 0) if the text has none."""
    number = r"([-+]?\d{1,3}(?:\.\d*)?(?:[eE][-+]?\d\d?)?)"
    found = [re.search(rf"\+{name}={number}", xodr) for name in ("lat_0", "lon_0")]
    latitude, longitude = (float(match[1]) if match else 0.0 for match in found)
    return max(-85.0, min(latitude, 85.0)), longitude  # no poles, where x means nothing


def geo_location(origin: tuple[float, float], pose: Transform) -> Vector:
    """Return latitude, longitude (degrees) and altitude (m), as the client's map reckons them.

    That is a transverse Mercator projection of a sphere, in which y grows to the north
    (0.9.16's `Map.transform_to_geolocation`). See Snyder, "Map Projections", 1987, eq. 8-6 and 8-7.

    Args:
        origin: Latitude and longitude of the map's origin, degrees.
        pose: In the world.
    """
    latitude, longitude = origin
    east, north = pose.x / _SCALED_EARTH_M, pose.y / _SCALED_EARTH_M + math.radians(latitude)
    return (
        math.degrees(math.asin(math.sin(north) / math.cosh(east))),
        longitude + math.degrees(math.atan2(math.sinh(east), math.cos(north))),
        pose.z,
    )
