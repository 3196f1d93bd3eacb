from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.draw.history import Field, History

TICK_S = 0.05


def filled(ticks: int, **values: float) -> History:
    history = History(TICK_S)
    for tick in range(ticks):
        history.add(tick * TICK_S, {Field[name]: value for name, value in values.items()})
    return history


def test_the_history_keeps_twenty_seconds_and_does_not_grow() -> None:
    history = History(TICK_S)
    for tick in range(5_000):
        history.add(tick * TICK_S, {Field.NETWORK: float(tick)})
    column = history.column(Field.NETWORK)
    assert len(column) == 402
    assert column.tolist() == [float(tick) for tick in range(5_000 - 402, 5_000)]


def test_time_that_goes_back_begins_anew() -> None:
    history = filled(100, NETWORK=1.0)
    history.flag("collision", "failure", 70)
    history.add(0.0, {Field.NETWORK: 2.0})
    assert history.column(Field.NETWORK).tolist() == [2.0]
    assert not history.flags


@pytest.mark.parametrize(("back_s", "value"), [(0.0, 99.0), (0.05, 98.0), (2.35, 52.0)])
def test_a_value_of_before_is_found(back_s: float, value: float) -> None:
    history = History(TICK_S)
    for tick in range(100):
        history.add(tick * TICK_S, {Field.NETWORK: float(tick)})
    assert history.at(Field.NETWORK, back_s) == value


def test_what_is_not_known_is_none() -> None:
    assert History(TICK_S).at(Field.NETWORK) is None
    history = filled(10, EXPERT=1.0)
    assert history.at(Field.NETWORK) is None
    assert history.at(Field.EXPERT, 5.0) is None


def test_shares_are_kept_beside_and_a_map_of_nothing_is_a_gap() -> None:
    history = History(TICK_S)
    shares = np.arange(8, dtype=np.float32) / 28
    history.add(0.0, {}, shares)
    history.add(0.05, {}, np.zeros(8, np.float32))
    history.add(0.1, {})
    assert history.shares[0] == pytest.approx(shares)
    assert np.isnan(history.shares[1:]).all()


def test_flags_of_the_same_moment_stand_below_each_other() -> None:
    history = filled(10)
    for text in ("collision", "intervention", "lane departure", "one too many"):
        history.flag(text, "failure", 90)
    assert [flag.row for flag in history.flags] == [0, 2, 1, None]


def test_flags_far_apart_stand_in_the_first_row() -> None:
    history = filled(10)
    history.flag("collision", "failure", 70)
    for tick in range(10, 90):
        history.add(tick * TICK_S, {})
    history.flag("collision", "failure", 70)
    assert [flag.row for flag in history.flags] == [0, 0]


def test_a_flag_of_before_finds_a_row_beside_its_neighbours() -> None:
    history = filled(400)
    history.flag("collision", "failure", 70)
    history.flag("D1", "warning", 30, history.now_s - 0.5)
    history.flag("D2", "warning", 30, history.now_s - 5.0)
    assert [flag.row for flag in history.flags] == [0, 2, 0]
    assert [flag.sim_s for flag in history.flags] == pytest.approx([19.95, 19.45, 14.95])


def test_flags_vanish_after_twenty_seconds() -> None:
    history = filled(10)
    history.flag("collision", "failure", 70)
    for tick in range(10, 500):
        history.add(tick * TICK_S, {})
    assert not history.flags
