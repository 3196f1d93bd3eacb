"""How a vehicle moves: a bicycle model with limited grip, steering lag, engine, brakes and air.

The rear axle rolls where it points, as long as the tyres hold; beyond their grip it understeers.
See Rajamani, "Vehicle Dynamics and Control", chapter 2.2 (kinematic model) and 4 (longitudinal).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from carla_saliency.server.nouns import Transform
from carla_saliency.server.world.vehicle_physics import (
    AIR_DENSITY,
    GRAVITY,
    GRIP,
    ROLLING,
    TIRE_FRICTION,
    PhysicsControl,
    Vector,
    WheelPhysics,
    frontal_area,
    physics_control,
    wheel_positions,
)
from carla_saliency.server.world.vehicle_specs import VEHICLES, VehicleSpec

__all__ = [
    "VEHICLES",
    "Ground",
    "PhysicsControl",
    "VehicleBody",
    "VehicleControl",
    "VehicleSpec",
    "WheelPhysics",
    "physics_control",
]

SUBSTEP_S = 0.01  # results hardly depend on the tick's length
STEERING_LAG_S = 0.1
ENGINE_BRAKING = 0.3  # m/s2 without throttle
REVERSE_TOP_MPS = 12.0
SETTLES_BELOW_M = 1.0  # a car that is put less than this above the road stands on it at once
LIFTS_OFF_MPS = 3.0  # a velocity set along a slope points up too, and is no jump
KEPT_LATERAL_GRIP = 0.3  # share of the grip that still steers under full braking (ABS)


class Ground(Protocol):
    """What the wheels stand on."""

    def height(self, x: float, y: float, near_z: float | None = None) -> float:
        """Return z of the ground, metres; of several roads one above another, nearest to that z."""


@dataclass(frozen=True, slots=True)
class VehicleControl:
    """CARLA's `VehicleControl`, in the wire's order.

    Attributes:
        throttle: 0..1.
        steer: -1 (left) .. 1.
        brake: 0..1.
        hand_brake: Pulled.
        reverse: Backwards.
        manual_gear_shift: `gear` holds.
        gear: -1 reverse, 0 neutral, 1.. forward; only with `manual_gear_shift`.
    """

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual_gear_shift: bool = False
    gear: int = 0


class VehicleBody:
    """One vehicle on the ground.

    Args:
        spec: What it is.
        transform: Where its origin starts.

    Attributes:
        spec: What it is.
        control: Held until another is set.
        transform: Of the origin.
        velocity: Of the origin in the world, m/s.
        acceleration: Of the origin in the world, mean of the last step, m/s2.
        angular_velocity: About the world's axes, degrees/s.
        speed: Along the heading, m/s, backwards negative.
    """

    def __init__(self, spec: VehicleSpec, transform: Transform) -> None:
        self.spec = spec
        self.control = VehicleControl()
        self.transform = transform
        self.physics = physics_control(spec, transform)
        self.set_transform(transform)

    @property
    def physics(self) -> PhysicsControl:
        """What it moves by; set another to change that. Wheel positions are the present ones."""
        wheels = zip(self._physics.wheels, wheel_positions(self.spec, self.transform), strict=True)
        return replace(
            self._physics,
            wheels=tuple(replace(wheel, position=position) for wheel, (_, position) in wheels),
        )

    @physics.setter
    def physics(self, physics: PhysicsControl) -> None:
        if len(physics.wheels) != self.spec.number_of_wheels:
            raise ValueError(
                f"{self.spec.blueprint} has {self.spec.number_of_wheels} wheels, "
                f"received {len(physics.wheels)}"
            )
        if not physics.mass > 0 or not all(wheel.radius > 0 for wheel in physics.wheels):
            raise ValueError(f"mass and wheel radii must be positive, received {physics}")
        self._physics = physics
        wheels = physics.wheels
        friction = sum(wheel.tire_friction for wheel in wheels) / len(wheels)
        self._grip = GRIP * GRAVITY * friction / TIRE_FRICTION
        self._max_steer = math.radians(max(wheel.max_steer_angle for wheel in wheels))
        self._braking = _deceleration(physics, [wheel.max_brake_torque for wheel in wheels])
        self._hand_braking = _deceleration(physics, [w.max_handbrake_torque for w in wheels])
        radius_m = wheels[-1].radius / 100
        self._rpm_per_mps = physics.final_ratio / radius_m * 60 / math.tau
        self._push_per_torque = physics.final_ratio / radius_m / physics.mass
        area = frontal_area(self.spec)
        self._air = AIR_DENSITY / 2 * physics.drag_coefficient * area / physics.mass

    @property
    def mass(self) -> float:
        """Kilograms."""
        return self._physics.mass

    @property
    def wheel_angle_deg(self) -> float:
        """Angle of the front wheels, right positive."""
        return math.degrees(self._wheel_angle)

    @property
    def engine_rpm(self) -> float:
        """Turns of the engine per minute."""
        return min(abs(self.speed) * self._rpm_per_mps, self._physics.max_rpm)

    @property
    def gear(self) -> int:
        """-1 reverse, 0 neutral, 1.. forward, by speed unless shifted by hand."""
        if self.control.manual_gear_shift:
            return self.control.gear
        if self.control.reverse:
            return -1
        gears = len(self._physics.forward_gears)
        share = abs(self.speed) * 3.6 / self.spec.max_speed_kmh
        return min(1 + int(share * gears), gears)

    def set_transform(self, transform: Transform) -> None:
        """Put it somewhere, standing, wheels straight."""
        self.transform = transform
        self._on_ground = False  # not known before the next step
        self._wheel_angle = 0.0
        self._yaw_rate = 0.0
        self.angular_velocity: Vector = (0.0, 0.0, 0.0)
        self.acceleration: Vector = (0.0, 0.0, 0.0)
        self.set_velocity(0.0, 0.0, 0.0)

    def set_velocity(self, vx: float, vy: float, vz: float) -> None:
        """Make its origin move with this velocity in the world, m/s, from now on."""
        yaw = math.radians(self.transform.yaw)
        self.velocity: Vector = (vx, vy, vz)
        self.speed = vx * math.cos(yaw) + vy * math.sin(yaw)
        sideways = -vx * math.sin(yaw) + vy * math.cos(yaw)
        self._slip = sideways + self._yaw_rate * self.spec.rear_axle_x  # of the rear axle
        self._fall_speed = vz
        if vz > LIFTS_OFF_MPS:
            self._on_ground = False

    def push(self, dx: float, dy: float, dvx: float, dvy: float) -> None:
        """Move it by metres and change its velocity by m/s, both in the world: a collision."""
        pose = self.transform
        self.transform = replace(pose, x=pose.x + dx, y=pose.y + dy)
        vx, vy, vz = self.velocity
        self.set_velocity(vx + dvx, vy + dvy, vz)

    def step(self, dt_s: float, ground: Ground) -> None:
        """Move on by some time.

        Args:
            dt_s: Seconds, positive.
            ground: What it stands on.
        """
        before = self.velocity
        if not self._on_ground:
            self._on_ground = self._stand_on(ground) or self._fall(dt_s, ground)
        if self._on_ground and self._rests():
            self._turn_wheels(dt_s)
            self._yaw_rate = 0.0
        elif self._on_ground:
            self._roll(dt_s)
            self._on_ground = self._stand_on(ground)
        self._publish(dt_s, before)

    def _rests(self) -> bool:
        """Standing, and nothing will move it: spares parked cars the integration."""
        pulled = self.control.throttle > 0 and self._direction() != 0
        flat = abs(self.transform.pitch) < 0.01
        return self.speed == 0 and self._slip == 0 and flat and not pulled

    def _direction(self) -> int:
        gear = self.control.gear if self.control.manual_gear_shift else 1
        if gear == 0:
            return 0
        return -1 if self.control.reverse or gear < 0 else 1

    def _turn_wheels(self, dt_s: float) -> None:
        factor = interpolate(self._physics.steering_curve, abs(self.speed) * 3.6)
        target = _clamp(self.control.steer, -1, 1) * self._max_steer * factor
        self._wheel_angle += (target - self._wheel_angle) * -math.expm1(-dt_s / STEERING_LAG_S)

    def _roll(self, dt_s: float) -> None:
        """Drive on, wheels on the ground, in substeps."""
        pose, rear = self.transform, self.spec.rear_axle_x
        x, y, yaw = pose.x, pose.y, math.radians(pose.yaw)
        substeps = max(1, math.ceil(dt_s / SUBSTEP_S - 1e-9))
        h = dt_s / substeps
        for _ in range(substeps):
            old_speed = self.speed
            self._turn_wheels(h)
            self.speed = self._next_speed(h)
            speed = (old_speed + self.speed) / 2
            self._yaw_rate = self._held_yaw_rate(speed, (self.speed - old_speed) / h)
            if self._slip:
                lost = min(abs(self._slip), self._grip * h)
                self._slip -= math.copysign(lost, self._slip)
            turn = self._yaw_rate * h
            cos, sin = math.cos(yaw + turn / 2), math.sin(yaw + turn / 2)
            # The rear axle moves along the mean heading; the origin also swings around it.
            swing = -2 * rear * math.sin(turn / 2)
            x += h * (speed * cos - self._slip * sin) - swing * sin
            y += h * (speed * sin + self._slip * cos) + swing * cos
            yaw += turn
        self.transform = replace(pose, x=x, y=y, yaw=_wrap(math.degrees(yaw)))

    def _held_yaw_rate(self, speed: float, lengthways: float) -> float:
        """Return the yaw rate that the tyres can hold, rad/s, beside this acceleration."""
        rate = speed * math.tan(self._wheel_angle) / self.spec.wheelbase
        least = KEPT_LATERAL_GRIP * self._grip
        if abs(speed * rate) <= least:
            return rate
        limit = math.sqrt(max(self._grip**2 - lengthways**2, least**2))
        if abs(speed * rate) <= limit:
            return rate
        return math.copysign(limit / abs(speed), rate)  # the front tyres slide: understeer

    def _next_speed(self, dt_s: float) -> float:
        control, speed = self.control, self.speed
        throttle = _clamp(control.throttle, 0, 1)
        resistance = ROLLING * GRAVITY + self._air * speed * speed
        resistance += _clamp(control.brake, 0, 1) * self._braking
        resistance += self._hand_braking if control.hand_brake else 0.0
        resistance += ENGINE_BRAKING if throttle == 0 else 0.0
        push = throttle * self._engine_push() * self._direction()
        push = _clamp(push, -self._grip, self._grip)
        push -= GRAVITY * math.sin(math.radians(self.transform.pitch))
        step = min(resistance, self._grip) * dt_s
        pushed = speed + push * dt_s
        # Resistance stops a car, it never moves one.
        return math.copysign(max(abs(pushed) - step, 0.0), pushed)

    def _engine_push(self) -> float:
        """Acceleration at full throttle, m/s2."""
        direction = self._direction()
        if direction < 0 and self.speed < -REVERSE_TOP_MPS:
            return 0.0
        rpm = abs(self.speed) * self._rpm_per_mps
        if rpm > self._physics.max_rpm:
            return 0.0
        return interpolate(self._physics.torque_curve, rpm) * self._push_per_torque

    def _stand_on(self, ground: Ground) -> bool:
        """Put the wheels on the ground, if it is near; say whether it is."""
        pose, spec = self.transform, self.spec
        cos, sin = math.cos(math.radians(pose.yaw)), math.sin(math.radians(pose.yaw))
        front, rear, half = spec.front_axle_x, spec.rear_axle_x, max(spec.track, 0.4) / 2
        z_front = ground.height(pose.x + front * cos, pose.y + front * sin, pose.z)
        z_rear = ground.height(pose.x + rear * cos, pose.y + rear * sin, pose.z)
        z = (z_front * -rear + z_rear * front) / spec.wheelbase
        if pose.z > z + SETTLES_BELOW_M or self._fall_speed > LIFTS_OFF_MPS:
            return False
        z_left = ground.height(pose.x + half * sin, pose.y - half * cos, pose.z)
        z_right = ground.height(pose.x - half * sin, pose.y + half * cos, pose.z)
        self._fall_speed = 0.0
        self.transform = replace(
            pose,
            z=z,
            pitch=math.degrees(math.atan2(z_front - z_rear, spec.wheelbase)),
            roll=math.degrees(math.atan2(z_left - z_right, 2 * half)),
        )
        return True

    def _fall(self, dt_s: float, ground: Ground) -> bool:
        """Fly on without touching anything; say whether the ground was reached."""
        pose = self.transform
        self._fall_speed -= GRAVITY * dt_s
        vx, vy, _ = self.velocity
        self.transform = replace(
            pose, x=pose.x + vx * dt_s, y=pose.y + vy * dt_s, z=pose.z + self._fall_speed * dt_s
        )
        return self._fall_speed <= 0 and self._stand_on(ground)

    def _publish(self, dt_s: float, before: Vector) -> None:
        """Work out what others see from the state of the rear axle."""
        if self._on_ground:
            yaw, pitch = math.radians(self.transform.yaw), math.radians(self.transform.pitch)
            sideways = self._slip - self._yaw_rate * self.spec.rear_axle_x
            self.velocity = (
                self.speed * math.cos(yaw) - sideways * math.sin(yaw),
                self.speed * math.sin(yaw) + sideways * math.cos(yaw),
                self.speed * math.sin(pitch),
            )
        else:
            self.velocity = (*self.velocity[:2], self._fall_speed)
        self.angular_velocity = (0.0, 0.0, math.degrees(self._yaw_rate))
        ax, ay, az = ((new - old) / dt_s for new, old in zip(self.velocity, before, strict=True))
        self.acceleration = (ax, ay, az)


def interpolate(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return y at x on a line through (x, y) points, level outside (ten times NumPy's speed)."""
    x0, y0 = points[0]
    if x <= x0:
        return y0
    for x1, y1 in points:
        if x < x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
        x0, y0 = x1, y1
    return y0


def _deceleration(physics: PhysicsControl, torques: Sequence[float]) -> float:
    """What these torques at the wheels brake with, m/s2."""
    forces = (t / (wheel.radius / 100) for t, wheel in zip(torques, physics.wheels, strict=True))
    return sum(forces) / physics.mass


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _wrap(degrees: float) -> float:
    """To (-180, 180]."""
    return -((180.0 - degrees) % 360.0 - 180.0)
