from __future__ import annotations

import math

import numpy as np
import pytest

from carla_saliency.core import LaneView
from carla_saliency.pilot.speed import Pedals, SpeedControl

TICK_S = 0.05
SET_MPS = 30.0 / 3.6


def lane(
    curvature: float = 0.0,
    curve_from_m: int = 0,
    length_m: int = 50,
    gap_m: float | None = None,
    ahead_mps: float = 0.0,
    stop_in_m: float | None = None,
) -> LaneView:
    path = np.stack([np.arange(length_m + 1), np.zeros(length_m + 1)], axis=1).astype(np.float32)
    curvatures = np.zeros(len(path), np.float32)
    curvatures[max(0, curve_from_m) :] = curvature
    return LaneView(
        0.0,
        0.0,
        3.5,
        False,
        path,
        curvatures,
        gap_m=gap_m,
        ahead_speed_mps=ahead_mps,
        stop_in_m=stop_in_m,
    )


class Longitudinal:
    """A car that only goes ahead: force of the pedals, drag, and a slope."""

    def __init__(self, speed_mps: float = 0.0, pull: float = 4.0, slope_mps2: float = 0.0) -> None:
        self.x_m, self.speed_mps = 0.0, speed_mps
        self.pull, self.slope_mps2 = pull, slope_mps2

    def move(self, pedals: Pedals) -> None:
        drag = 0.15 + 0.002 * self.speed_mps**2 + self.slope_mps2
        change = self.pull * pedals.throttle - 8.0 * pedals.brake - drag
        self.speed_mps = max(0.0, self.speed_mps + change * TICK_S)
        self.x_m += self.speed_mps * TICK_S


@pytest.mark.parametrize("pull", [2.5, 4.0, 7.0])
@pytest.mark.parametrize("slope_mps2", [-0.3, 0.0, 0.5])
def test_the_set_speed_is_reached_and_held_smoothly(pull: float, slope_mps2: float) -> None:
    car, control = Longitudinal(0.0, pull, slope_mps2), SpeedControl(SET_MPS)
    speeds, throttles = [], []
    for tick in range(800):
        pedals = control.pedals(car.speed_mps, lane(), tick * TICK_S)
        car.move(pedals)
        speeds.append(car.speed_mps)
        throttles.append(pedals.throttle)
    assert max(speeds) < SET_MPS + 0.5
    downhill_mps = 0.4 if slope_mps2 < 0.0 else 0.1  # the brake is not dragged for 1 km/h
    assert speeds[-1] == pytest.approx(SET_MPS, abs=downhill_mps)
    assert np.diff(throttles).max() <= 2.0 * TICK_S + 1e-9
    assert np.abs(np.diff(throttles[400:])).max() < 0.02


def test_throttle_and_brake_are_never_pressed_together() -> None:
    control = SpeedControl(SET_MPS)
    for tick, speed_mps in enumerate(np.linspace(12.0, 0.0, 200)):
        pedals = control.pedals(float(speed_mps), lane(), tick * TICK_S)
        assert min(pedals.throttle, pedals.brake) == 0.0
        assert 0.0 <= max(pedals.throttle, pedals.brake) <= 1.0


def test_a_curve_is_met_with_at_most_2_5_mps2_sideways() -> None:
    curvature, begins_m = -1 / 10.0, 60.0
    allowed_mps = math.sqrt(2.5 * 10.0)
    car, control = Longitudinal(SET_MPS), SpeedControl(SET_MPS)
    in_curve = []
    for tick in range(300):
        ahead = lane(curvature, round(begins_m - car.x_m))
        car.move(control.pedals(car.speed_mps, ahead, tick * TICK_S))
        if car.x_m > begins_m:
            in_curve.append(car.speed_mps)
    assert max(in_curve) < allowed_mps + 0.5
    assert in_curve[-1] == pytest.approx(allowed_mps, abs=0.3)


@pytest.mark.parametrize("speed_kmh", [15.0, 30.0, 50.0])
def test_the_car_stops_behind_what_stands_ahead_and_goes_on_when_it_leaves(
    speed_kmh: float,
) -> None:
    car, control = Longitudinal(speed_kmh / 3.6), SpeedControl(speed_kmh / 3.6)
    wall_m = 80.0
    for tick in range(500):
        gap_m = wall_m - car.x_m
        ahead = lane(gap_m=gap_m if gap_m < 50.0 else None)
        car.move(control.pedals(car.speed_mps, ahead, tick * TICK_S))
    assert 2.0 < wall_m - car.x_m < 7.0
    assert car.speed_mps < 0.1
    for tick in range(500, 600):
        car.move(control.pedals(car.speed_mps, lane(), tick * TICK_S))
    assert car.speed_mps > 3.0


def test_the_car_follows_a_slower_one_at_its_speed() -> None:
    car, control, other_m, other_mps = Longitudinal(SET_MPS), SpeedControl(SET_MPS), 30.0, 4.0
    for tick in range(600):
        other_m += other_mps * TICK_S
        ahead = lane(gap_m=other_m - car.x_m, ahead_mps=other_mps)
        car.move(control.pedals(car.speed_mps, ahead, tick * TICK_S))
    assert car.speed_mps == pytest.approx(other_mps, abs=0.3)
    assert 4.0 < other_m - car.x_m < 12.0


def test_the_car_stops_before_a_red_light_and_at_the_end_of_a_road() -> None:
    for red in (True, False):
        car, control = Longitudinal(SET_MPS), SpeedControl(SET_MPS)
        for tick in range(500):
            left_m = 40.0 - car.x_m
            ahead = lane(stop_in_m=left_m) if red else lane(length_m=max(0, int(left_m)))
            car.move(control.pedals(car.speed_mps, ahead, tick * TICK_S))
        assert 0.0 < 40.0 - car.x_m < 6.0
        assert car.speed_mps < 0.1


def test_off_the_road_the_car_is_stopped() -> None:
    car, control = Longitudinal(SET_MPS), SpeedControl(SET_MPS)
    for tick in range(100):
        car.move(control.pedals(car.speed_mps, None, tick * TICK_S))
    assert car.speed_mps < 0.1


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_a_set_speed_must_be_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="more than 0, received"):
        SpeedControl(speed)
