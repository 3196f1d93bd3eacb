"""CARLA's `VehiclePhysicsControl`: what a client can read and change about how a vehicle moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from carla_saliency.server.nouns import Transform
from carla_saliency.server.world.vehicle_specs import VehicleSpec

GRAVITY = 9.81
AIR_DENSITY = 1.2  # kg/m3
ROLLING = 0.015  # rolling resistance per weight, car tyre on asphalt
BRAKING = 8.0  # m/s2 at brake 1
HAND_BRAKING = 5.0  # m/s2
TIRE_FRICTION = 3.5  # CARLA's default; stands for ...
GRIP = 0.9  # ... this share of the weight, sideways and lengthways together

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class WheelPhysics:
    """CARLA's `WheelPhysicsControl`, in the wire's order.

    Attributes:
        tire_friction: 3.5 holds 0.9 of the weight; the grip is in proportion.
        damping_rate: Kept, not used.
        max_steer_angle: Degrees at steering 1; 0 for a wheel that does not steer.
        radius: Centimetres.
        max_brake_torque: N m at brake 1.
        max_handbrake_torque: N m.
        lat_stiff_max_load: Kept, not used.
        lat_stiff_value: Kept, not used.
        long_stiff_value: Kept, not used.
        position: Of the wheel's centre in the world, centimetres; ignored when it is applied.
    """

    tire_friction: float
    damping_rate: float
    max_steer_angle: float
    radius: float
    max_brake_torque: float
    max_handbrake_torque: float
    lat_stiff_max_load: float
    lat_stiff_value: float
    long_stiff_value: float
    position: Vector


@dataclass(frozen=True, slots=True)
class PhysicsControl:
    """CARLA's `VehiclePhysicsControl`, in the wire's order.

    The engine drives the wheels through `final_ratio` alone: gears are only reported.

    Attributes:
        torque_curve: (rpm, N m) pairs at full throttle, rising in rpm.
        max_rpm: The engine gives nothing beyond it.
        moi: Kept, not used; so are the damping rates, `gear_switch_time` and `clutch_strength`.
        damping_rate_full_throttle: See `moi`.
        damping_rate_zero_throttle_clutch_engaged: See `moi`.
        damping_rate_zero_throttle_clutch_disengaged: See `moi`.
        use_gear_autobox: The gear follows the speed.
        gear_switch_time: See `moi`.
        clutch_strength: See `moi`.
        final_ratio: Turns of the engine per turn of the wheels.
        forward_gears: (ratio, down_ratio, up_ratio) each.
        mass: Kilograms.
        drag_coefficient: Of the air.
        center_of_mass: Kept, not used.
        steering_curve: (km/h, factor) pairs.
        wheels: Front left, front right, rear left, rear right; front, rear for two-wheelers.
        use_sweep_wheel_collision: Kept, not used.
    """

    torque_curve: tuple[tuple[float, float], ...]
    max_rpm: float
    moi: float
    damping_rate_full_throttle: float
    damping_rate_zero_throttle_clutch_engaged: float
    damping_rate_zero_throttle_clutch_disengaged: float
    use_gear_autobox: bool
    gear_switch_time: float
    clutch_strength: float
    final_ratio: float
    forward_gears: tuple[Vector, ...]
    mass: float
    drag_coefficient: float
    center_of_mass: Vector
    steering_curve: tuple[tuple[float, float], ...]
    wheels: tuple[WheelPhysics, ...]
    use_sweep_wheel_collision: bool


def physics_control(spec: VehicleSpec, transform: Transform) -> PhysicsControl:
    """Return the blueprint's physics, with its wheels where the vehicle stands.

    The torque curve is chosen so that the vehicle accelerates and tops out as its spec says.
    """
    final_ratio = 8.0
    radius_m = spec.wheel_radius_cm / 100
    curve = _torque_curve(spec, final_ratio)
    return PhysicsControl(
        torque_curve=curve,
        max_rpm=curve[-1][0],
        moi=1.0,
        damping_rate_full_throttle=0.15,
        damping_rate_zero_throttle_clutch_engaged=2.0,
        damping_rate_zero_throttle_clutch_disengaged=0.35,
        use_gear_autobox=True,
        gear_switch_time=0.0 if spec.special_type == "electric" else 0.5,
        clutch_strength=10.0,
        final_ratio=final_ratio,
        forward_gears=_forward_gears(spec),
        mass=float(spec.mass),
        drag_coefficient=spec.drag_coefficient,
        center_of_mass=((spec.front_axle_x + spec.rear_axle_x) / 2, 0.0, -0.25),
        steering_curve=spec.steering_curve,
        wheels=tuple(
            WheelPhysics(
                tire_friction=TIRE_FRICTION,
                damping_rate=0.25,
                max_steer_angle=spec.max_steer_deg if front else 0.0,
                radius=float(spec.wheel_radius_cm),
                max_brake_torque=spec.mass * BRAKING * radius_m / spec.number_of_wheels,
                max_handbrake_torque=0.0 if front else _hand_brake_torque(spec),
                lat_stiff_max_load=2.0,
                lat_stiff_value=17.0,
                long_stiff_value=1000.0,
                position=position,
            )
            for front, position in wheel_positions(spec, transform)
        ),
        use_sweep_wheel_collision=True,
    )


def wheel_positions(spec: VehicleSpec, transform: Transform) -> list[tuple[bool, Vector]]:
    """Return (is a front wheel, its centre in the world in centimetres) of each wheel."""
    sides = (0.0,) if spec.number_of_wheels == 2 else (-spec.track / 2, spec.track / 2)
    cos, sin = math.cos(math.radians(transform.yaw)), math.sin(math.radians(transform.yaw))
    z_cm = transform.z * 100 + spec.wheel_radius_cm
    return [
        (
            x == spec.front_axle_x,
            (
                (transform.x + x * cos - y * sin) * 100,
                (transform.y + x * sin + y * cos) * 100,
                z_cm,
            ),
        )
        for x in (spec.front_axle_x, spec.rear_axle_x)
        for y in sides
    ]


def frontal_area(spec: VehicleSpec) -> float:
    """Return the area that meets the air, m2: most of the box's front."""
    return 0.85 * 4 * spec.extent[1] * spec.extent[2]


def _hand_brake_torque(spec: VehicleSpec) -> float:
    rear_wheels = spec.number_of_wheels / 2
    return spec.mass * HAND_BRAKING * spec.wheel_radius_cm / 100 / rear_wheels


def _torque_curve(spec: VehicleSpec, final_ratio: float) -> tuple[tuple[float, float], ...]:
    """Constant force up to constant power; at the top speed it is what air and tyres take."""
    top = spec.max_speed_kmh / 3.6
    rolling = ROLLING * GRAVITY * spec.mass
    air = AIR_DENSITY / 2 * spec.drag_coefficient * frontal_area(spec) * top**2
    power = (air + rolling) * top
    force = spec.mass * spec.max_acceleration
    knee = min(power / force, 0.9 * top)
    speeds = [0.0, *(knee + (top - knee) * i / 8 for i in range(9)), 1.2 * top]
    radius_m = spec.wheel_radius_cm / 100
    to_rpm = final_ratio / radius_m * 60 / math.tau
    return tuple(
        (speed * to_rpm, min(force, power / max(speed, 0.1)) * radius_m / final_ratio)
        for speed in speeds
    )


def _forward_gears(spec: VehicleSpec) -> tuple[Vector, ...]:
    if spec.special_type == "electric" or spec.base_type == "bicycle":
        return ((1.0, 0.5, 0.65),)
    return tuple((ratio, 0.5, 0.65) for ratio in (4.25, 2.52, 1.66, 1.22, 1.0))
