from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from carla_saliency.server.nouns import Transform
from carla_saliency.server.world.vehicle import (
    VEHICLES,
    VehicleBody,
    VehicleControl,
    physics_control,
)

TESLA = VEHICLES["vehicle.tesla.model3"]


class Plane:
    """Ground that rises by `slope` per metre of x."""

    def __init__(self, z: float = 0.0, slope: float = 0.0) -> None:
        self.z, self.slope = z, slope

    def height(self, x: float, y: float, near_z: float | None = None) -> float:
        return self.z + self.slope * x


FLAT = Plane()


def a_tesla(speed: float = 0.0, yaw: float = 0.0) -> VehicleBody:
    body = VehicleBody(TESLA, Transform(yaw=yaw))
    heading = math.radians(yaw)
    body.set_velocity(speed * math.cos(heading), speed * math.sin(heading), 0.0)
    return body


def drive(body: VehicleBody, seconds: float, dt_s: float = 0.05) -> list[Transform]:
    track = []
    for _ in range(round(seconds / dt_s)):
        body.step(dt_s, FLAT)
        track.append(body.transform)
    return track


def hold(body: VehicleBody, speed: float) -> None:
    """Throttle or brake for a speed, keeping the steering."""
    error = speed - body.speed
    body.control = replace(
        body.control, throttle=min(max(error, 0.0), 1.0), brake=min(max(-error, 0.0), 1.0)
    )


def test_a_slow_circle_has_the_bicycle_models_radius() -> None:
    body = a_tesla(speed=3.0)
    body.control = VehicleControl(steer=0.2)
    points = []
    for _ in range(1200):
        hold(body, 3.0)
        body.step(0.05, FLAT)
        points.append((body.transform.x, body.transform.y))
    x, y = np.array(points[100:]).T
    factor = np.interp(body.speed * 3.6, *zip(*TESLA.steering_curve, strict=True))
    rear_radius = TESLA.wheelbase / math.tan(math.radians(0.2 * 70 * factor))
    expected = math.hypot(rear_radius, TESLA.rear_axle_x)
    assert (np.ptp(x) + np.ptp(y)) / 4 == pytest.approx(expected, rel=0.02)


def test_the_rear_axle_follows_the_wheels_without_sliding() -> None:
    body = a_tesla(speed=5.0)
    body.control = VehicleControl(steer=0.3)
    drive(body, 1.0)
    yaw = math.radians(body.transform.yaw)
    rate = math.radians(body.angular_velocity[2])
    sideways = -body.velocity[0] * math.sin(yaw) + body.velocity[1] * math.cos(yaw)
    assert sideways + rate * TESLA.rear_axle_x == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("steer", "sign"), [(0.3, 1), (-0.3, -1)])
def test_positive_steering_turns_right_and_yaw_grows(steer: float, sign: int) -> None:
    body = a_tesla(speed=5.0)
    body.control = VehicleControl(steer=steer)
    drive(body, 1.0)
    assert sign * body.transform.yaw > 5
    assert sign * body.transform.y > 0.3
    assert sign * body.angular_velocity[2] > 5


def test_yaw_rate_to_steering_and_back_is_a_round_trip() -> None:
    speed, wanted_deg_s = 6.0, 12.0
    angle = math.degrees(math.atan(TESLA.wheelbase * math.radians(wanted_deg_s) / speed))
    factor = np.interp(speed * 3.6, *zip(*TESLA.steering_curve, strict=True))
    body = a_tesla(speed)
    body.control = VehicleControl(steer=angle / TESLA.max_steer_deg / float(factor))
    for _ in range(60):
        hold(body, speed)
        body.step(0.05, FLAT)
    assert body.angular_velocity[2] == pytest.approx(wanted_deg_s, rel=0.02)
    assert body.wheel_angle_deg == pytest.approx(angle, rel=0.02)


def test_a_set_velocity_is_the_speed_at_once_and_along_the_heading() -> None:
    body = a_tesla(speed=10.0, yaw=90.0)
    assert body.speed == pytest.approx(10)
    body.step(0.05, FLAT)
    assert body.transform.y == pytest.approx(0.5, rel=0.02)
    assert body.transform.x == pytest.approx(0, abs=1e-9)


def test_braking_from_100_kmh_takes_45_m_and_ends_standing() -> None:
    body = a_tesla(speed=100 / 3.6)
    body.control = VehicleControl(brake=1.0)
    drive(body, 6.0)
    total = 8 + 0.147 + 0.3 + 0.1  # brakes, tyres, engine, air on average
    assert body.transform.x == pytest.approx((100 / 3.6) ** 2 / 2 / total, rel=0.01)
    assert body.velocity == (0, 0, 0)


def test_full_throttle_starts_with_4_mps2_and_ends_at_the_top_speed() -> None:
    body = a_tesla()
    body.control = VehicleControl(throttle=1.0)
    drive(body, 1.0)
    assert body.speed == pytest.approx(4 - 0.15, rel=0.03)
    drive(body, 240.0)
    assert body.speed * 3.6 == pytest.approx(180, rel=0.02)


@pytest.mark.parametrize("spec", VEHICLES.values(), ids=lambda spec: spec.blueprint)
def test_every_vehicle_nearly_reaches_its_top_speed_and_goes_no_faster(spec) -> None:
    body = VehicleBody(spec, Transform())
    body.control = VehicleControl(throttle=1.0)
    body.set_velocity(spec.max_speed_kmh / 3.6 * 0.97, 0, 0)
    drive(body, 60.0, dt_s=0.1)
    assert body.speed * 3.6 == pytest.approx(spec.max_speed_kmh, rel=0.03)


def test_a_fast_car_understeers_at_its_grip() -> None:
    body = a_tesla(speed=25.0)
    body.control = VehicleControl(steer=1.0, throttle=0.2)
    drive(body, 0.5)
    sideways = body.speed * abs(math.radians(body.angular_velocity[2]))
    assert sideways == pytest.approx(0.9 * 9.81, rel=0.02)


def test_without_grip_a_push_sideways_slides_on() -> None:
    body = a_tesla()
    body.set_velocity(0, 4.0, 0)
    drive(body, 1.0)
    assert body.transform.y == pytest.approx(4**2 / 2 / (0.9 * 9.81), rel=0.03)
    assert body.velocity == pytest.approx((0, 0, 0))


def test_a_standing_car_does_not_creep() -> None:
    body = a_tesla()
    body.control = VehicleControl(steer=1.0)
    drive(body, 10.0)
    assert body.transform == Transform()
    assert body.wheel_angle_deg == pytest.approx(70, rel=1e-3)


def test_a_coasting_car_comes_to_rest() -> None:
    body = a_tesla(speed=5.0)
    drive(body, 20.0)
    assert body.speed == 0


def test_the_hand_brake_beats_the_engine() -> None:
    body = a_tesla()
    body.control = VehicleControl(throttle=1.0, hand_brake=True)
    drive(body, 2.0)
    assert body.transform.x == 0


def test_reverse_drives_backwards_and_steers_the_other_way() -> None:
    body = a_tesla()
    body.control = VehicleControl(throttle=0.5, steer=0.3, reverse=True)
    drive(body, 2.0)
    assert body.speed < -2
    assert body.gear == -1
    assert body.transform.x < -2
    assert body.transform.yaw < 0


def test_neutral_has_no_engine() -> None:
    body = a_tesla()
    body.control = VehicleControl(throttle=1.0, manual_gear_shift=True, gear=0)
    drive(body, 2.0)
    assert body.speed == 0


def test_the_result_hardly_depends_on_the_tick() -> None:
    ends = []
    for dt_s in (0.01, 0.05, 0.1):
        body = a_tesla(speed=8.0)
        body.control = VehicleControl(throttle=0.4, steer=0.1)
        ends.append(drive(body, 4.0, dt_s)[-1])
    for end in ends[1:]:
        assert math.dist((end.x, end.y), (ends[0].x, ends[0].y)) < 0.01
        assert end.yaw == pytest.approx(ends[0].yaw, abs=0.05)


def test_the_same_drive_ends_at_exactly_the_same_place() -> None:
    ends = []
    for _ in range(2):
        body = a_tesla(speed=8.0)
        body.control = VehicleControl(throttle=0.4, steer=0.1)
        ends.append(drive(body, 3.0)[-1])
    assert ends[0] == ends[1]


def test_a_car_spawned_half_a_metre_up_stands_on_the_road_after_one_tick() -> None:
    body = VehicleBody(TESLA, Transform(z=2.5))
    body.step(0.05, Plane(z=2.0))
    assert body.transform == Transform(z=2.0)
    assert body.velocity == (0, 0, 0)


def test_a_car_put_high_up_falls_with_gravity() -> None:
    body = VehicleBody(TESLA, Transform(z=20.0))
    drive(body, 1.0)
    assert body.velocity[2] == pytest.approx(-9.81)
    assert body.transform.z == pytest.approx(20 - 9.81 / 2, rel=0.05)
    drive(body, 2.0)
    assert body.transform.z == 0


def test_a_slope_tilts_the_car_and_pulls_it_down() -> None:
    body = a_tesla()
    for _ in range(20):
        body.step(0.05, Plane(slope=0.1))
    assert body.transform.pitch == pytest.approx(math.degrees(math.atan(0.1)), abs=0.01)
    assert body.speed == pytest.approx(-(9.81 * math.sin(math.atan(0.1)) - 0.15 - 0.3), rel=0.05)
    side = VehicleBody(TESLA, Transform(yaw=90))
    side.step(0.05, Plane(slope=0.1))  # its left side looks east, up the slope
    assert side.transform.roll == pytest.approx(math.degrees(math.atan(0.1)), abs=0.01)


def test_a_changed_physics_control_changes_how_it_moves() -> None:
    body = a_tesla()
    wheels = tuple(replace(wheel, max_steer_angle=35.0) for wheel in body.physics.wheels)
    body.physics = replace(body.physics, mass=2 * body.physics.mass, wheels=wheels)
    body.control = VehicleControl(throttle=1.0, steer=1.0)
    body.step(1e-3, FLAT)
    assert body.acceleration[0] == pytest.approx(2 - 0.15, rel=0.03)
    body = a_tesla()
    body.physics = replace(body.physics, steering_curve=((0.0, 0.5),))
    body.control = VehicleControl(steer=1.0)
    drive(body, 2.0)
    assert body.wheel_angle_deg == pytest.approx(35, rel=1e-3)


def test_slippery_tyres_brake_and_steer_less() -> None:
    body = a_tesla(speed=20.0)
    wheels = tuple(replace(wheel, tire_friction=0.35) for wheel in body.physics.wheels)
    body.physics = replace(body.physics, wheels=wheels)
    body.control = VehicleControl(brake=1.0)
    body.step(0.05, FLAT)
    assert body.acceleration[0] == pytest.approx(-0.09 * 9.81, rel=0.02)


def test_a_physics_control_for_other_wheels_is_refused() -> None:
    body = a_tesla()
    with pytest.raises(ValueError, match="4 wheels, received 2"):
        body.physics = physics_control(VEHICLES["vehicle.vespa.zx125"], Transform())


def test_wheel_positions_are_in_the_world_in_centimetres() -> None:
    body = VehicleBody(TESLA, Transform(x=10.0, y=5.0, yaw=90.0))
    front_left, front_right, rear_left, _ = (wheel.position for wheel in body.physics.wheels)
    half = TESLA.track / 2
    assert front_left[:2] == pytest.approx((1000 + half * 100, 500 + TESLA.front_axle_x * 100))
    assert front_right[0] == pytest.approx(1000 - half * 100)
    assert math.dist(front_left, rear_left) == pytest.approx(TESLA.wheelbase * 100)


def test_the_tesla_is_the_one_that_carla_reports() -> None:
    physics = physics_control(TESLA, Transform())
    assert TESLA.extent == (2.3958, 1.0818, 0.7441)
    assert physics.mass == 1845
    assert physics.steering_curve == ((0, 1), (20, 0.9), (60, 0.8), (120, 0.7))
    assert [wheel.max_steer_angle for wheel in physics.wheels] == [70, 70, 0, 0]


def test_axles_lie_inside_every_vehicle() -> None:
    for spec in VEHICLES.values():
        assert spec.front_axle_x < spec.extent[0]
        assert spec.rear_axle_x > -spec.extent[0]
        assert spec.track / 2 < spec.extent[1]
