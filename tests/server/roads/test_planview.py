"""Reference lines with known shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import fresnel

from carla_saliency.server.roads.planview import Geometry, PlanView


def test_a_line_goes_straight_in_its_heading() -> None:
    x, y, heading = Geometry(0, 1, 2, math.pi / 2, 10, "line").at(np.array([0.0, 4.0]))
    assert x == pytest.approx([1, 1])
    assert y == pytest.approx([2, 6])
    assert heading == pytest.approx([math.pi / 2, math.pi / 2])


def test_a_quarter_of_a_circle_ends_where_it_must() -> None:
    left = Geometry(0, 0, 0, 0, 50 * math.pi, "arc", (0.01,))
    x, y, heading = left.at(np.array([50 * math.pi]))
    assert (x[0], y[0], heading[0]) == pytest.approx((100, 100, math.pi / 2))
    right = Geometry(0, 0, 0, 0, 50 * math.pi, "arc", (-0.01,))
    x, y, heading = right.at(np.array([50 * math.pi]))
    assert (x[0], y[0], heading[0]) == pytest.approx((100, -100, -math.pi / 2))


def test_an_arc_of_no_curvature_is_a_line() -> None:
    x, y, _ = Geometry(0, 0, 0, 0, 50, "arc", (0.0,)).at(np.array([20.0]))
    assert (x[0], y[0]) == (20, 0)


@pytest.mark.parametrize("last", [0.02, -0.05, 0.5])
def test_a_spiral_from_a_straight_line_is_fresnels(last: float) -> None:
    length = 60.0
    along = np.linspace(0, length, 31)
    x, y, heading = Geometry(0, 0, 0, 0, length, "spiral", (0.0, last)).at(along)
    scale = math.sqrt(math.pi * length / abs(last))
    sines, cosines = fresnel(along / scale)
    assert x == pytest.approx(scale * cosines, abs=1e-9)
    assert y == pytest.approx(math.copysign(scale, last) * sines, abs=1e-9)
    assert heading == pytest.approx(last * along**2 / 2 / length)


def test_a_spiral_of_constant_curvature_is_an_arc() -> None:
    along = np.linspace(0, 40, 9)
    spiral = Geometry(0, 3, 4, 0.5, 40, "spiral", (0.03, 0.03)).at(along)
    arc = Geometry(0, 3, 4, 0.5, 40, "arc", (0.03,)).at(along)
    assert np.allclose(spiral, arc, atol=1e-9)


def test_a_spiral_backwards_comes_back_to_its_start() -> None:
    there = Geometry(0, 0, 0, 0.3, 50, "spiral", (0.0, 0.04))
    x, y, heading = (float(value[0]) for value in there.at(np.array([50.0])))
    back = Geometry(0, x, y, heading + math.pi, 50, "spiral", (-0.04, 0.0))
    x, y, _ = back.at(np.array([50.0]))
    assert (x[0], y[0]) == pytest.approx((0, 0), abs=1e-9)


def test_a_parametric_cubic_is_followed_by_its_arc_length() -> None:
    # u = 100 p^2 runs unevenly through a straight line of 100 m.
    uneven = Geometry(0, 0, 0, 0, 100, "poly", (0.0, 0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    x, y, _ = uneven.at(np.array([0.0, 25.0, 50.0, 100.0]))
    assert x == pytest.approx([0, 25, 50, 100], abs=0.01)
    assert y == pytest.approx([0, 0, 0, 0])


def test_a_cubic_has_the_heading_of_its_slope() -> None:
    v = 0.001  # v = 0.001 u^2
    poly = Geometry(0, 0, 0, 0, 50, "poly", (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, v, 0.0, 50.0))
    x, y, heading = poly.at(np.array([30.0]))
    assert y[0] == pytest.approx(v * x[0] ** 2, abs=1e-4)
    assert heading[0] == pytest.approx(math.atan(2 * v * x[0]), abs=1e-4)
    assert poly.largest_curvature() == pytest.approx(2 * v, rel=0.05)


def test_a_plan_view_takes_each_position_from_its_own_piece() -> None:
    plan = PlanView(
        (Geometry(0, 0, 0, 0, 10, "line"), Geometry(10, 10, 0, 0, 10 * math.pi, "arc", (0.1,)))
    )
    x, y, _ = plan.at(np.array([5.0, 10.0, 10 + 10 * math.pi]))
    assert x == pytest.approx([5, 10, 10])
    assert y == pytest.approx([0, 0, 20])
    assert plan.largest_curvature(np.array([5.0, 15.0])) == pytest.approx([0, 0.1])
