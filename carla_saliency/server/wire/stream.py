"""CARLA's streaming port without a socket: what a client asks for, and the bytes that it gets.

A client connects once per stream and sends the stream's id (u32). It then receives `u32 length` and
`length` bytes, for ever. Everything is little endian and packed, as in the 0.9.16 wheel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import msgpack
import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Transform
from carla_saliency.server.wire.structs import Vector

WORLD_STREAM = 1
"""The stream of the world's snapshots; sensors have higher ones."""

DEPTH_RANGE_M = 1000.0
"""What the brightest depth pixel stands for."""

_TCP = 1
_HOST_OF_THE_CLIENT = 0  # address type "not set": the client uses the host that it connected to
_TOKEN = struct.Struct("<IHBB16s")
_SUBSCRIPTION = struct.Struct("<I")
_LENGTH = struct.Struct("<I")
_SENSOR_HEADER = struct.Struct("<QQd6f")
_EPISODE_HEADER = struct.Struct("<Qdf3iI")
_ACTOR = struct.Struct("<IB6f3f3f3f54s")
_VEHICLE = struct.Struct("<3f3?ifB?IB")
_IMAGE_HEADER = struct.Struct("<IIf")
_ACTIVE = 1
_DEPTH_TOP = (1 << 24) - 1
_GREEN = 2


class SensorType:
    """Index in the 0.9.16 client's registry of sensors; a wrong one for the snapshot crashes it."""

    COLLISION, DEPTH, NORMALS, DVS, GNSS, IMU, LANE_INVASION = range(7)
    RGB, SEMANTIC = 13, 14
    SNAPSHOT = 17


class SnapshotFlag:
    """Bits in a snapshot."""

    MAP_CHANGED = 1


def token(stream_id: int, port: int) -> bytes:
    """Return the 24 bytes that tell a client where a stream is.

    Args:
        stream_id: WORLD_STREAM, or a sensor's.
        port: The streaming port, on the host that the client already talks to.
    """
    return _TOKEN.pack(stream_id, port, _TCP, _HOST_OF_THE_CLIENT, bytes(16))


class SubscriptionDecoder:
    """Collects the four bytes that a client sends on a stream connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> int | None:
        """Add received bytes; return the stream's id once, when they complete it.

        What comes after it is dropped: CARLA's client sends nothing more.
        """
        if len(self._buffer) == _SUBSCRIPTION.size:
            return None
        self._buffer += data[: _SUBSCRIPTION.size - len(self._buffer)]
        if len(self._buffer) < _SUBSCRIPTION.size:
            return None
        (stream_id,) = _SUBSCRIPTION.unpack(self._buffer)
        return int(stream_id)


# ------------------------------------------------------------------ messages


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a message was made.

    Attributes:
        frame: Number of the tick.
        elapsed_s: Simulated seconds since the episode began.
    """

    frame: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class ActorState:
    """One actor in a snapshot.

    Attributes:
        id: The actor.
        pose: In the world.
        velocity: m/s.
        angular_velocity: deg/s.
        acceleration: m/s².
        extra: What only its kind has, at most 54 bytes: `vehicle_state` or nothing.
    """

    id: int
    pose: Transform
    velocity: Vector = (0.0, 0.0, 0.0)
    angular_velocity: Vector = (0.0, 0.0, 0.0)
    acceleration: Vector = (0.0, 0.0, 0.0)
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Episode:
    """What the head of a snapshot says.

    Attributes:
        id: Unique per server and loaded map.
        platform_s: Seconds on the server's own clock.
        delta_s: Simulated seconds since the last frame, exactly as it was asked for.
        flags: Of SnapshotFlag.
    """

    id: int
    platform_s: float
    delta_s: float
    flags: int = 0


def snapshot(stamp: Stamp, episode: Episode, actors: Iterable[ActorState]) -> bytes:
    """Return the message of the world stream, its length in front."""
    head = _sensor_header(SensorType.SNAPSHOT, stamp, Transform())
    about = _EPISODE_HEADER.pack(
        episode.id, episode.platform_s, episode.delta_s, 0, 0, 0, episode.flags
    )
    return _message(head, about, *(_actor(state) for state in actors))


def _actor(state: ActorState) -> bytes:
    pose = state.pose
    return _ACTOR.pack(
        state.id,
        _ACTIVE,
        *(pose.x, pose.y, pose.z, pose.pitch, pose.yaw, pose.roll),
        *state.velocity,
        *state.angular_velocity,
        *state.acceleration,
        state.extra,
    )


def vehicle_state(
    throttle: float,
    steer: float,
    brake: float,
    *,
    hand_brake: bool,
    reverse: bool,
    manual_gear_shift: bool,
    gear: int,
    speed_limit_kmh: float,
) -> bytes:
    """Return what a snapshot says of a vehicle alone; its traffic light is "green, none"."""
    return _VEHICLE.pack(
        *(throttle, steer, brake, hand_brake, reverse, manual_gear_shift, gear),
        *(speed_limit_kmh, _GREEN, False, 0, 0),
    )


def camera_message(
    kind: int, stamp: Stamp, pose: Transform, fov: float, bgra: NDArray[np.uint8]
) -> bytes:
    """Return the message of a camera, its length in front.

    Args:
        kind: Of SensorType.
        stamp: Of the tick that the picture shows.
        pose: Of the camera, in the world.
        fov: Horizontal, in degrees.
        bgra: Shape (H, W, 4), top row first.
    """
    height, width, _ = bgra.shape
    head = _sensor_header(kind, stamp, pose)
    return _message(head, _IMAGE_HEADER.pack(width, height, fov), np.ascontiguousarray(bgra).data)


def data_message(kind: int, stamp: Stamp, pose: Transform, data: object) -> bytes:
    """Return the message of a sensor that sends msgpack (collision, GNSS, IMU), length in front."""
    return _message(_sensor_header(kind, stamp, pose), bytes(msgpack.packb(data)))


def tag_picture(tag: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the BGRA picture (H, W, 4) of a semantic camera: the tag is its red."""
    packed = (tag.astype("<u4") << np.uint32(16)) | np.uint32(0xFF000000)
    return packed.astype("<u4", copy=False).view(np.uint8).reshape(*tag.shape, 4)


def depth_picture(depth_m: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the BGRA picture (H, W, 4) of a depth camera: 24 bits, red lowest, 1000 m is all ones.

    Args:
        depth_m: Metres along the camera's axis, (H, W); beyond 1000 m it saturates.
    """
    value = depth_m.astype(np.float64)
    value *= _DEPTH_TOP / DEPTH_RANGE_M
    value += 0.5
    np.clip(value, 0, _DEPTH_TOP, out=value)
    # Blue is the highest byte and first in memory, red the lowest: big endian, then alpha.
    packed = (value.astype(np.uint32) << np.uint32(8)) | np.uint32(0xFF)
    return packed.astype(">u4").view(np.uint8).reshape(*packed.shape, 4)


def _sensor_header(kind: int, stamp: Stamp, pose: Transform) -> bytes:
    return _SENSOR_HEADER.pack(
        kind,
        stamp.frame,
        stamp.elapsed_s,
        *(pose.x, pose.y, pose.z, pose.pitch, pose.yaw, pose.roll),
    )


def _message(*parts: bytes | memoryview) -> bytes:
    length = sum(memoryview(part).nbytes for part in parts)
    return b"".join((_LENGTH.pack(length), *parts))
