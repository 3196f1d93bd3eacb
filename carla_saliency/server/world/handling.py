"""What clients do to vehicles: controls, velocities, physics, lights."""

from __future__ import annotations

import math
from dataclasses import replace

from carla_saliency.errors import BadInputError
from carla_saliency.server.wire.structs import (
    AckermannControl,
    AckermannSettings,
    LightState,
    Vector,
    VehicleTelemetry,
    WheelTelemetry,
)
from carla_saliency.server.world.actors import Actors
from carla_saliency.server.world.vehicle import PhysicsControl, VehicleControl

MAX_SPEED_MPS = 1000.0
_GEARS = (-1, 20)
_STEERED_WHEELS = (0, 1)
_DRAG_AREA_M2 = 2.2


class Handling:
    """Handles the vehicles among some actors.

    Every method raises BadInputError if its actor is no living vehicle.

    Args:
        actors: All that live.
    """

    def __init__(self, actors: Actors) -> None:
        self._actors = actors

    def apply_control(self, actor_id: int, control: VehicleControl) -> None:
        """Drive by pedals and wheel until told otherwise; values outside their range are cut."""
        vehicle = self._actors.vehicle(actor_id)
        vehicle.ackermann = None
        vehicle.body.control = replace(
            control,
            throttle=_cut(control.throttle, 0.0, 1.0),
            steer=_cut(control.steer, -1.0, 1.0),
            brake=_cut(control.brake, 0.0, 1.0),
            gear=int(_cut(control.gear, *_GEARS)),
        )

    def apply_ackermann(self, actor_id: int, control: AckermannControl) -> None:
        """Drive by wanted steering angle and speed until told otherwise."""
        self._actors.vehicle(actor_id).ackermann = control

    def ackermann_settings(self, actor_id: int) -> AckermannSettings:
        """Return the gains that a client set."""
        return self._actors.vehicle(actor_id).ackermann_settings

    def set_ackermann_settings(self, actor_id: int, settings: AckermannSettings) -> None:
        """Remember gains; the speed is reached without them."""
        self._actors.vehicle(actor_id).ackermann_settings = settings

    def set_velocity(self, actor_id: int, velocity: Vector) -> None:
        """Make it move with this velocity in the world, m/s, from now on."""
        self._actors.vehicle(actor_id).body.set_velocity(*_sane(velocity))

    def set_angular_velocity(self, actor_id: int, velocity: Vector) -> None:
        """Report this turning (deg/s) until the next tick: wheels decide how a vehicle turns."""
        self._actors.vehicle(actor_id).body.angular_velocity = velocity

    def hold_velocity(self, actor_id: int, velocity: Vector) -> None:
        """Hold this velocity in its own axes, m/s, whatever the control says."""
        self._actors.vehicle(actor_id).constant_velocity = _sane(velocity)

    def release_velocity(self, actor_id: int) -> None:
        """Drive by the control again."""
        self._actors.vehicle(actor_id).constant_velocity = None

    def add_impulse(self, actor_id: int, impulse: Vector) -> None:
        """Push it once, N s in the world."""
        vehicle = self._actors.vehicle(actor_id)
        vehicle.impulse = _sum(vehicle.impulse, impulse)

    def add_force(self, actor_id: int, force: Vector) -> None:
        """Push it during the next tick, N in the world."""
        vehicle = self._actors.vehicle(actor_id)
        vehicle.force = _sum(vehicle.force, force)

    def set_simulated(self, actor_id: int, simulated: bool) -> None:
        """Let it move, or stand where it is put. What is no vehicle never moves by itself."""
        if actor_id in self._actors.vehicles():
            self._actors.vehicle(actor_id).simulated = simulated
        else:
            self._actors.get(actor_id)

    def physics(self, actor_id: int) -> PhysicsControl:
        """Return what it moves by."""
        return self._actors.vehicle(actor_id).body.physics

    def set_physics(self, actor_id: int, physics: PhysicsControl) -> None:
        """Change what it moves by.

        Raises:
            BadInputError: If nothing could move by that.
        """
        try:
            self._actors.vehicle(actor_id).body.physics = physics
        except ValueError as error:
            raise BadInputError(str(error)) from error

    def lights(self, actor_id: int) -> LightState:
        """Return its lights."""
        return LightState(self._actors.vehicle(actor_id).lights)

    def set_lights(self, actor_id: int, lights: LightState) -> None:
        """Switch its lights."""
        self._actors.vehicle(actor_id).lights = lights.flags & 0xFFFFFFFF

    def all_lights(self) -> list[tuple[int, int]]:
        """Return (actor id, flags) of every vehicle."""
        return [(vehicle.id, vehicle.lights) for vehicle in self._actors.vehicles().values()]

    def wheel_angle(self, actor_id: int, wheel: int) -> float:
        """Return the steering angle of a wheel, degrees, right positive.

        Args:
            actor_id: The vehicle.
            wheel: 0 and 1 are in front.
        """
        angle = self._actors.vehicle(actor_id).body.wheel_angle_deg
        return angle if wheel in _STEERED_WHEELS else 0.0

    def telemetry(self, actor_id: int) -> VehicleTelemetry:
        """Return what its engine and wheels do."""
        body = self._actors.vehicle(actor_id).body
        control, wheels = body.control, body.physics.wheels
        load = body.physics.mass * 9.81 / len(wheels)
        return VehicleTelemetry(
            speed=math.hypot(*body.velocity),
            steer=control.steer,
            throttle=control.throttle,
            brake=control.brake,
            engine_rpm=body.engine_rpm,
            gear=body.gear,
            drag=body.physics.drag_coefficient * _DRAG_AREA_M2 * body.speed**2,
            wheels=tuple(
                WheelTelemetry(
                    tire_friction=wheel.tire_friction,
                    omega=body.speed / (wheel.radius / 100),
                    tire_load=load,
                    normalized_tire_load=1.0,
                )
                for wheel in wheels
            ),
        )


def _cut(value: float, low: float, high: float) -> float:
    return max(low, min(value, high))


def _sane(velocity: Vector) -> Vector:
    if math.hypot(*velocity) > MAX_SPEED_MPS:
        raise BadInputError(f"speed must be <= {MAX_SPEED_MPS:g} m/s, received {velocity}")
    return velocity


def _sum(first: Vector, second: Vector) -> Vector:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]
