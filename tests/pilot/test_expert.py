from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest

import carla_saliency
from carla_saliency.core import Car, Control, Driver, Event, Frame, LaneView, Observation, Pose
from carla_saliency.pilot.expert import ExpertPilot, expert_steering, expert_wheel_deg
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.sim.facts import TickFacts
from carla_saliency.sim.lane import RoadSense

MAPS = Path(carla_saliency.__file__).parent / "server" / "maps"
CURVE = ((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7))
CAR = Car("vehicle.tesla.model3", 70.0, 3.0, -1.43, CURVE, 4.79, 2.16)
TICK_S = 0.05
BLACK = np.zeros((1, 1, 3), np.uint8)


def lane_along(path: Any) -> LaneView:
    points = np.asarray(path, np.float32)
    return LaneView(0.0, 0.0, 3.5, False, points, np.zeros(len(points), np.float32))


def straight(offset_m: float = 0.0) -> LaneView:
    """A path along x, beside a car at the origin that is this far right of it."""
    return lane_along([(x, -offset_m) for x in range(51)])


def circle(radius_m: float, right: float) -> LaneView:
    """The circle that a car's *rear axle* at the origin, heading along x, is on."""
    angles = np.arange(51) / radius_m
    points = np.stack([np.sin(angles), right * (1 - np.cos(angles))], axis=1) * radius_m
    return lane_along(points)


@pytest.mark.parametrize("offset_m", [-0.5, 0.0, 0.5])
def test_the_expert_steers_towards_the_path(offset_m: float) -> None:
    steering = expert_steering(Pose(), 7.0, straight(offset_m), CAR)
    assert steering is not None
    assert np.sign(steering) == -np.sign(offset_m)  # left is negative


def test_a_car_that_points_to_the_right_is_steered_to_the_left() -> None:
    steering = expert_steering(Pose(yaw_deg=10.0), 7.0, straight(), CAR)
    assert steering is not None
    assert steering < 0.0


@pytest.mark.parametrize("right", [-1.0, 1.0])
def test_on_a_circle_the_wheels_stand_as_on_that_circle(right: float) -> None:
    radius_m = 20.0
    rear_axle_at_origin = Pose(x_m=-CAR.rear_axle_m)
    wheel_deg = expert_wheel_deg(rear_axle_at_origin, 7.0, circle(radius_m, right), CAR)
    expected = right * math.degrees(math.atan(CAR.wheelbase_m / radius_m))
    assert wheel_deg == pytest.approx(expected, rel=1e-2)


def test_the_steering_curve_is_divided_out_at_the_cars_speed() -> None:
    speed_mps = 40.0 / 3.6  # the curve gives 0.85 there
    wheel_deg = expert_wheel_deg(Pose(), speed_mps, straight(0.5), CAR)
    steering = expert_steering(Pose(), speed_mps, straight(0.5), CAR)
    assert steering == pytest.approx(wheel_deg / 70.0 / 0.85)


def test_the_steering_never_leaves_its_range() -> None:
    sharp = lane_along([(0.0, y) for y in range(20)])
    assert expert_steering(Pose(), 3.0, sharp, replace(CAR, max_steer_deg=35.0)) == 1.0


def test_off_the_road_there_is_no_expert_steering_and_the_pilot_brakes() -> None:
    assert expert_steering(Pose(), 7.0, None, CAR) is None
    pilot = ExpertPilot(CAR, SpeedControl(8.0))
    for i in range(3):
        decision = pilot.decide(Observation(Frame(i, i * TICK_S, BLACK), Pose(), 7.0, None))
    assert decision.control.brake > 0.2
    assert decision.control.throttle == decision.control.steering == 0.0
    assert "off the road" in decision.notice


def test_at_the_very_end_of_a_path_the_wheels_are_straight() -> None:
    end = lane_along([(CAR.rear_axle_m, 0.0)])
    assert expert_wheel_deg(Pose(), 1.0, end, CAR) == 0.0


# ------------------------------------------------------------------ whole drives


class Bicycle:
    """A kinematic bicycle that turns its wheels as CARLA's vehicles do."""

    def __init__(self, pose: Pose) -> None:
        self.yaw = math.radians(pose.yaw_deg)
        self.x = pose.x_m + CAR.rear_axle_m * math.cos(self.yaw)  # of the rear axle
        self.y = pose.y_m + CAR.rear_axle_m * math.sin(self.yaw)
        self.speed_mps = 0.0

    @property
    def pose(self) -> Pose:
        return Pose(
            self.x - CAR.rear_axle_m * math.cos(self.yaw),
            self.y - CAR.rear_axle_m * math.sin(self.yaw),
            yaw_deg=math.degrees(self.yaw),
        )

    def move(self, control: Control) -> None:
        wheel_deg = control.steering * CAR.max_steer_deg * CAR.steering_factor(self.speed_mps)
        turn = math.tan(math.radians(wheel_deg)) / CAR.wheelbase_m
        pull = 4.0 * control.throttle - 8.0 * control.brake - 0.15
        self.speed_mps = max(0.0, self.speed_mps + pull * TICK_S)
        step_m = self.speed_mps * TICK_S
        self.yaw += turn * step_m / 2
        self.x += step_m * math.cos(self.yaw)
        self.y += step_m * math.sin(self.yaw)
        self.yaw += turn * step_m / 2


@cache
def shipped(name: str) -> Any:
    return carla.Map(name, (MAPS / f"{name}.xodr").read_text(encoding="utf-8"))


def drive(
    name: str, seed: int, ticks: int, driver: Driver = "expert"
) -> tuple[list[LaneView], list[Event], list[float]]:
    """Drive a shipped map from one of its roads; who steers is only what the referee is told."""
    roads = [way for way in shipped(name).generate_waypoints(20.0) if not way.is_junction]
    start = roads[seed * 7 % len(roads)].transform
    car = Bicycle(Pose(start.location.x, start.location.y, yaw_deg=start.rotation.yaw))
    sense = RoadSense(shipped(name), CAR, seed, TICK_S)
    pilot = ExpertPilot(CAR, SpeedControl(30.0 / 3.6))
    views, events, speeds = [], [], []
    for tick in range(ticks):
        sim_s = tick * TICK_S
        verdict = sense.observe(TickFacts(tick, sim_s, car.pose, car.speed_mps, driver))
        assert verdict.lane is not None
        assert verdict.put_back is None
        views.append(verdict.lane)
        events += verdict.events
        speeds.append(car.speed_mps)
        frame = Frame(tick, sim_s, BLACK)
        car.move(pilot.decide(Observation(frame, car.pose, car.speed_mps, verdict.lane)).control)
    return views, events, speeds


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["curvy", "town"])
def test_the_expert_stays_in_the_middle_of_the_lane_for_three_minutes(name: str, seed: int) -> None:
    views, events, speeds = drive(name, seed, 3600)
    offsets = np.abs([view.offset_m for view in views])
    assert events == []
    assert offsets.mean() < 0.1
    assert offsets.max() < 0.5
    assert 20.0 < np.mean(speeds) * 3.6 <= 30.0
    if name == "town":
        assert any(view.turn_ahead == "left" for view in views)
        assert any(view.turn_ahead == "right" for view in views)


def test_the_expert_drives_half_a_minute_as_if_it_were_the_network_without_an_event() -> None:
    _, events, _ = drive("curvy", 3, 600, driver="network")
    assert events == []
