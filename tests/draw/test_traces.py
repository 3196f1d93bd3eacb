from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.draw import traces
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.history import Field, History
from carla_saliency.draw.layout import STRIP_A, STRIP_B, STRIP_OFFSET, STRIP_SPEED, Layout
from carla_saliency.draw.palette import FAILURE, HIGH, OTHER, WARNING

TICK_S = 0.05


def canvas() -> Canvas:
    pens = Pens(Layout.of((1280, 720)))
    return Canvas(pens, np.zeros((720, 1280, 3), np.uint8))


def filled(ticks: int = 400, **values: float) -> History:
    history = History(TICK_S)
    for tick in range(ticks):
        history.add(tick * TICK_S, {Field[name]: value for name, value in values.items()})
    return history


def rows_of(view: np.ndarray, least: int = 150) -> np.ndarray:
    """Return the rows of a strip in which its middle column is bright."""
    return np.flatnonzero(view[:, view.shape[1] // 2].min(axis=1) > least)


def test_a_value_of_zero_is_drawn_in_the_middle_of_the_strip() -> None:
    c = canvas()
    traces.steering(c, filled(NETWORK=0.0), 20.0)
    assert rows_of(c.view(STRIP_A)).tolist() == pytest.approx([35, 36], abs=1)


@pytest.mark.parametrize(("value", "row"), [(20.0, 0), (10.0, 18), (-10.0, 53), (-99.0, 71)])
def test_right_is_upwards_and_larger_values_stay_at_the_edge(value: float, row: int) -> None:
    c = canvas()
    traces.steering(c, filled(NETWORK=value), 20.0)
    assert abs(rows_of(c.view(STRIP_A)) - row).min() <= 1


def test_the_car_right_of_the_lanes_centre_is_drawn_above_the_middle() -> None:
    c = canvas()
    traces.lane_offset(c, filled(OFFSET_M=0.75), 1.0)
    assert abs(rows_of(c.view(STRIP_OFFSET)) - 58 // 4).min() <= 1


def test_the_newest_sample_is_at_the_right_edge_and_one_of_ten_seconds_ago_in_the_middle() -> None:
    history = History(TICK_S)
    for tick in range(201):
        value = 15.0 if tick == 0 else 0.0
        history.add(tick * TICK_S, {Field.NETWORK: value})
    c = canvas()
    traces.steering(c, history, 20.0)
    view = c.view(STRIP_A)
    columns = np.flatnonzero(view[9].max(axis=1) > 60)
    assert abs(columns - 963 / 2).min() <= 2
    assert columns.max() < 490
    assert view[:, -3:].max() > 200


def test_where_a_value_is_missing_there_is_a_gap() -> None:
    history = History(TICK_S)
    for tick in range(401):
        history.add(tick * TICK_S, {} if 100 <= tick < 300 else {Field.NETWORK: 10.0})
    c = canvas()
    traces.steering(c, history, 20.0)
    bright = c.view(STRIP_A)[17:20].max(axis=(0, 2)) > 150
    assert bright[:230].all()
    assert not bright[250:715].any()
    assert bright[730:].all()


def test_the_experts_line_is_dashed() -> None:
    c = canvas()
    traces.steering(c, filled(EXPERT=10.0), 20.0)
    line = c.view(STRIP_A)[17:20].max(axis=(0, 2)) > 100
    assert 0.35 < line.mean() < 0.65


def test_speed_is_filled_up_to_its_value() -> None:
    c = canvas()
    traces.speed(c, filled(SPEED_KMH=25.0), 50.0)
    column = c.view(STRIP_SPEED)[:, 480].max(axis=1)
    assert not column[:12].any()
    assert column[13:].all()


def test_nothing_is_drawn_outside_the_strips() -> None:
    history = filled(NETWORK=99.0, OFFSET_M=-99.0, SPEED_KMH=999.0, ROOM_M=99.0, EXPERT=-99.0)
    history.flag("collision", "failure", 70)
    c = canvas()
    traces.steering(c, history, 20.0)
    traces.lane_offset(c, history, 1.0)
    traces.speed(c, history, 50.0)
    for strip in (STRIP_A, STRIP_OFFSET, STRIP_SPEED):
        c.view(strip)[...] = 0
    assert not c.array.any()


def test_a_flag_stands_at_its_time_in_its_colour() -> None:
    history = filled(201)
    history.flag("lane departure", "warning", 106)
    for tick in range(201, 301):
        history.add(tick * TICK_S, {})
    c = canvas()
    traces.flags(c, history)
    x = round(STRIP_A.right - 5.0 * STRIP_A.w / 20)
    assert (c.array[600, x - 1 : x + 2] == WARNING).all(axis=1).any()
    assert (c.array[round(STRIP_A.y) + 2, x + 2 : x + 100] == WARNING).all()


def test_a_flag_at_now_keeps_its_words_inside_the_strip() -> None:
    history = filled(401)
    history.flag("collision", "failure", 70)
    c = canvas()
    traces.flags(c, history)
    assert (c.array[498, 1023 - 60 : 1023] == FAILURE).all(axis=1).mean() > 0.9
    assert not c.array[:, 1024:].any()


def test_the_networks_line_is_the_brightest() -> None:
    c = canvas()
    traces.steering(c, filled(NETWORK=10.0, EXPERT=-10.0, BY_HAND=0.0), 20.0)
    column = c.view(STRIP_A)[:, 480].max(axis=1).astype(int)
    assert column[17:20].max() > 0.9 * HIGH[0]
    assert column[34:38].max() < 0.7 * HIGH[0]


def test_network_b_is_a_dashed_line_of_its_own_colour_also_where_two_are_compared() -> None:
    c = canvas()
    traces.steering(c, filled(OTHER=10.0, EXPERT=-10.0), 20.0, "compare")
    near = abs(c.view(STRIP_A)[16:21].astype(int) - OTHER).max(axis=2) < 40
    assert 0.3 < near.any(axis=0).mean() < 0.7
    assert c.view(STRIP_A)[50:56].max() < 60  # the expert is left out


def test_while_inspecting_flags_stay_in_the_upper_strip() -> None:
    history = filled(201)
    history.flag("collision", "failure", 70)
    c = canvas()
    traces.flags(c, history, "inspect")
    assert not c.view(STRIP_B).any()


def test_on_light_classes_a_flags_line_has_a_dark_edge() -> None:
    history = filled(201)
    history.flag("bookmark 1", "high", 70)
    for tick in range(201, 301):
        history.add(tick * TICK_S, {})
    c = canvas()
    c.array[...] = 200
    traces.flags(c, history, "classes")
    row = c.view(STRIP_B)[40]
    (columns,) = np.nonzero((row != 200).any(axis=1))
    assert columns.size == 3
    assert row[columns].max(axis=1).tolist() == pytest.approx([14, HIGH[2], 14])
