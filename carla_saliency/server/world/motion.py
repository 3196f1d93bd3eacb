"""One tick of all vehicles: what drives them, their bodies' step, and their collisions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from carla_saliency.server.world.actors import Vehicle
from carla_saliency.server.world.collisions import CollisionWorld, Contact
from carla_saliency.server.world.poses import rotation, turned
from carla_saliency.server.world.vehicle import Ground, VehicleBody, VehicleControl

MAX_STEP_S = 0.05
"""Longer ticks are cut in equal steps: at 150 km/h a car moves 2 m in this time, its own width."""

_FULL_THROTTLE_MPS2 = 4.0
_FULL_BRAKE_MPS2 = 8.0
_STANDING_MPS = 0.1
_NO_PUSH = (0.0, 0.0, 0.0)


def move(
    vehicles: Mapping[int, Vehicle],
    bodies: Mapping[int, VehicleBody],
    collisions: CollisionWorld,
    ground: Ground,
    delta_s: float,
) -> list[Contact]:
    """Move all vehicles on.

    Args:
        vehicles: All, by id.
        bodies: Of those that collide.
        collisions: With what.
        ground: What they stand on.
        delta_s: Seconds of the tick.

    Returns:
        The contacts of the tick; of one pair at most one each way, the strongest.
    """
    steps = max(1, math.ceil(delta_s / MAX_STEP_S - 1e-9))
    strongest: dict[tuple[int, int | None, int], Contact] = {}
    for _ in range(steps):
        for vehicle in vehicles.values():
            _step(vehicle, ground, delta_s / steps)
        held = [(v, v.body.transform) for v in vehicles.values() if not v.simulated]
        for contact in collisions.step(bodies):
            key = (contact.actor_id, contact.other_id, contact.tag)
            before = strongest.get(key)
            if before is None or math.hypot(*contact.impulse) > math.hypot(*before.impulse):
                strongest[key] = contact
        for vehicle, transform in held:  # nothing moves what isn't simulated
            vehicle.body.set_transform(transform)
    for vehicle in vehicles.values():
        vehicle.force = _NO_PUSH
    return list(strongest.values())


def _step(vehicle: Vehicle, ground: Ground, dt_s: float) -> None:
    if not vehicle.simulated:
        return
    body = vehicle.body
    if vehicle.ackermann is not None:
        body.control = ackermann_control(vehicle)
    if vehicle.constant_velocity is not None:
        body.set_velocity(*turned(rotation(body.transform), vehicle.constant_velocity))
    _push(vehicle, dt_s)
    body.step(dt_s, ground)


def _push(vehicle: Vehicle, dt_s: float) -> None:
    if vehicle.impulse == vehicle.force == _NO_PUSH:
        return
    mass = vehicle.body.physics.mass
    vx, vy, vz = (
        speed + (impulse + force * dt_s) / mass
        for speed, impulse, force in zip(
            vehicle.body.velocity, vehicle.impulse, vehicle.force, strict=True
        )
    )
    vehicle.body.set_velocity(vx, vy, vz)
    vehicle.impulse = _NO_PUSH


def ackermann_control(vehicle: Vehicle) -> VehicleControl:
    """Return the control that brings a vehicle nearer to the motion that it was told.

    The speed is reached with the wanted acceleration, or as fast as it can where that is 0; the
    wheels turn at once.
    """
    wanted = vehicle.ackermann
    if wanted is None:
        return vehicle.body.control
    body, speed = vehicle.body, vehicle.body.speed
    limit = abs(wanted.acceleration) or _FULL_BRAKE_MPS2
    rate = max(-limit, min((wanted.speed - speed) / 0.5, limit))
    backwards = wanted.speed < 0 or (wanted.speed == 0 and speed < -_STANDING_MPS)
    if backwards:
        rate = -rate
    stops = wanted.speed == 0 and abs(speed) < _STANDING_MPS
    top = math.radians(max(wheel.max_steer_angle for wheel in body.physics.wheels)) or 1.0
    return replace(
        VehicleControl(),
        steer=max(-1.0, min(wanted.steer / top, 1.0)),
        throttle=max(0.0, min(rate / _FULL_THROTTLE_MPS2, 1.0)),
        brake=1.0 if stops else max(0.0, min(-rate / _FULL_BRAKE_MPS2, 1.0)),
        reverse=backwards,
    )
