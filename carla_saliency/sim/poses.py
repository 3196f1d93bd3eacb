"""Our poses and the simulator's transforms."""

from __future__ import annotations

import math

import carla

from carla_saliency.core import Pose


def to_transform(pose: Pose) -> carla.Transform:
    """Return the simulator's form of a pose."""
    return carla.Transform(
        carla.Location(x=pose.x_m, y=pose.y_m, z=pose.z_m),
        carla.Rotation(pitch=pose.pitch_deg, yaw=pose.yaw_deg, roll=pose.roll_deg),
    )


def to_pose(transform: carla.Transform) -> Pose:
    """Return our form of a transform."""
    place, turn = transform.location, transform.rotation
    return Pose(place.x, place.y, place.z, turn.pitch, turn.yaw, turn.roll)


def velocity_along(pose: Pose, speed_mps: float) -> carla.Vector3D:
    """Return the velocity in the world of something that moves along its heading."""
    yaw, pitch = math.radians(pose.yaw_deg), math.radians(pose.pitch_deg)
    return carla.Vector3D(
        x=speed_mps * math.cos(yaw) * math.cos(pitch),
        y=speed_mps * math.sin(yaw) * math.cos(pitch),
        z=speed_mps * math.sin(pitch),
    )


def speed_along(pose: Pose, velocity: carla.Vector3D) -> float:
    """Return the part of a velocity that points along the heading, backwards negative, m/s."""
    ahead = velocity_along(pose, 1.0)
    return float(velocity.x * ahead.x + velocity.y * ahead.y + velocity.z * ahead.z)
