"""Spawn points on roads of known length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from carla_saliency.server.nouns import LaneStrip, Transform
from carla_saliency.server.roads.spawn import spawn_points


def straight(
    lane_id: int = -1,
    length: float = 100.0,
    kind: str = "driving",
    junction_id: int = -1,
    road_id: int = 0,
    slope: float = 0.0,
    width: float = 3.0,
) -> LaneStrip:
    s = np.linspace(0, length, 51)
    y = 50.0 * road_id
    side = 1 if lane_id < 0 else -1
    inner = np.column_stack([s, np.full_like(s, y), slope * s])
    return LaneStrip(
        road_id, 0, lane_id, kind, junction_id, s, inner, inner + np.array([0, side * width, 0])
    )


def test_they_stand_in_the_middle_of_the_lane_half_a_metre_above_it() -> None:
    points = spawn_points([straight()])
    assert {point.y for point in points} == {1.5}
    assert {point.z for point in points} == {0.5}


def test_they_are_20_m_apart_and_12_m_from_the_ends_of_the_road() -> None:
    x = sorted(point.x for point in spawn_points([straight()]))
    assert np.diff(x) == pytest.approx(20)
    assert x[0] >= 12
    assert x[-1] <= 88


def test_they_look_where_traffic_goes() -> None:
    assert {point.yaw for point in spawn_points([straight(-1)])} == {0.0}
    assert {abs(point.yaw) for point in spawn_points([straight(1)])} == {180.0}
    left_hand = spawn_points([straight(-1)], frozenset([0]))
    assert {abs(point.yaw) for point in left_hand} == {180.0}


def test_their_nose_follows_the_slope() -> None:
    up, down = spawn_points([straight(-1, slope=0.1)]), spawn_points([straight(1, slope=0.1)])
    assert up[0].pitch == pytest.approx(math.degrees(math.atan(0.1)))
    assert down[0].pitch == pytest.approx(-up[0].pitch)


def test_only_driving_lanes_outside_junctions_have_them() -> None:
    lanes = [
        straight(),
        straight(kind="sidewalk", road_id=1),
        straight(junction_id=5, road_id=2),
        straight(width=1.5, road_id=3),
    ]
    assert {point.y for point in spawn_points(lanes)} == {1.5}


def test_each_is_farthest_from_all_before_it() -> None:
    points = spawn_points([straight(), straight(road_id=1), straight(road_id=2)])
    assert [round(point.y - 1.5) for point in points[:3]] in ([0, 100, 100], [0, 100, 0])
    nearest = [
        min(math.dist((a.x, a.y), (b.x, b.y)) for b in points[:i])
        for i, a in enumerate(points)
        if i > 0
    ]
    assert nearest == sorted(nearest, reverse=True)


def test_a_road_too_short_for_the_margins_has_one_in_the_middle() -> None:
    assert spawn_points([straight(length=20)]) == (Transform(10, 1.5, 0.5, 0, 0, 0),)


def test_without_a_driving_lane_there_are_none() -> None:
    assert spawn_points([straight(kind="sidewalk")]) == ()
