"""Heights on roads of known slope."""

from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.server.nouns import LaneStrip, RoadNetwork
from carla_saliency.server.roads.network import Ground


def straight(z: float, slope: float, road_id: int = 0, along_y: bool = False) -> LaneStrip:
    s = np.arange(0.0, 101.0, 2.0)
    inner = np.column_stack([s, np.zeros_like(s), z + slope * s])
    outer = inner + np.array([0, 3, 0])
    if along_y:
        inner, outer = inner[:, [1, 0, 2]] + [50, -50, 0], outer[:, [1, 0, 2]] + [50, -50, 0]
    return LaneStrip(road_id, 0, -1, "driving", -1, s, inner, outer)


def ground(*lanes: LaneStrip) -> Ground:
    return Ground(RoadNetwork("test", "", lanes, (), (), (0, 0, 100, 3)))


def test_a_flat_map_is_flat_everywhere() -> None:
    flat = ground(straight(2.0, 0.0))
    assert flat.height(50, 1) == 2
    assert flat.height(5000, -3000) == 2


def test_a_slope_is_smooth_between_the_samples() -> None:
    hill = ground(straight(1.0, 0.1))
    for x in np.linspace(10, 90, 57):
        for y in (0.1, 1.5, 2.9):
            assert hill.height(float(x), y) == pytest.approx(1 + 0.1 * x, abs=1e-9)


def test_far_from_the_road_the_land_does_not_go_on_rising() -> None:
    assert ground(straight(0.0, 0.1)).height(2000, 0) == pytest.approx(10)


def test_on_a_bridge_the_height_near_the_car_is_meant() -> None:
    crossing = ground(straight(0.0, 0.001), straight(6.0, 0.0, road_id=1, along_y=True))
    assert crossing.height(51.0, 1.4, near_z=0.3) == pytest.approx(0.051, abs=1e-3)
    assert crossing.height(51.0, 1.4, near_z=5.5) == pytest.approx(6)
