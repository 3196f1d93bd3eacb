from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from carla_saliency.core import Pose
from carla_saliency.data.poses import PoseDrawer, PoseRecipe, beside


@dataclass(frozen=True)
class FakePlace:
    pose: Pose = field(default_factory=Pose)
    curvature: float = 0.0
    width_m: float = 3.5
    must_turn: bool = False


def test_right_of_a_pose_is_right_whatever_its_heading() -> None:
    right = beside(Pose(x_m=5, yaw_deg=0), 2.0, 3.0)
    assert (right.x_m, right.y_m, right.yaw_deg) == pytest.approx((5, 2, 3))
    right = beside(Pose(yaw_deg=90), 2.0, 0.0)
    assert (right.x_m, right.y_m) == pytest.approx((-2, 0))


def test_half_of_the_poses_are_near_the_centre_and_all_within_the_limits() -> None:
    draw = PoseDrawer([FakePlace()], PoseRecipe(), np.random.default_rng(0))
    drawn = [draw() for _ in range(4000)]
    offsets = np.array([offset for _, _, offset in drawn])
    yaws = np.array([pose.yaw_deg for _, pose, _ in drawn])
    assert np.allclose(offsets, [pose.y_m for _, pose, _ in drawn])
    assert abs(offsets).max() < 1.3
    assert abs(yaws).max() < 12
    assert np.std(offsets) == pytest.approx(math.sqrt((0.25**2 + 1.2**2 / 3) / 2), rel=0.05)
    assert np.std(yaws) == pytest.approx(math.sqrt((2.5**2 + 11**2 / 3) / 2), rel=0.05)


def test_a_narrow_lane_is_not_left() -> None:
    draw = PoseDrawer(
        [FakePlace(width_m=2.5)], PoseRecipe(recovery_share=1.0), np.random.default_rng(0)
    )
    assert max(abs(draw()[2]) for _ in range(500)) <= 2.5 / 2 - 0.35


def test_rare_curves_are_drawn_as_often_as_straight_roads() -> None:
    places = [FakePlace()] * 990 + [FakePlace(curvature=-0.08)] * 10
    balanced = PoseDrawer(places, PoseRecipe(balanced_share=1.0), np.random.default_rng(0))
    plain = PoseDrawer(places, PoseRecipe(balanced_share=0.0), np.random.default_rng(0))
    curves = [sum(draw()[0].curvature != 0 for _ in range(2000)) for draw in (balanced, plain)]
    assert curves[0] == pytest.approx(1000, rel=0.1)
    assert curves[1] < 50


def test_places_where_every_way_turns_are_left_out() -> None:
    places = [FakePlace(must_turn=True), FakePlace(curvature=0.01)]
    draw = PoseDrawer(places, PoseRecipe(), np.random.default_rng(0))
    assert {draw()[0].curvature for _ in range(50)} == {0.01}
    with pytest.raises(ValueError, match="at least one place"):
        PoseDrawer(places[:1], PoseRecipe(), np.random.default_rng(0))
