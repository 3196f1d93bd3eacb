import numpy as np
import pytest

from carla_saliency.core import Array
from carla_saliency.insight.jumps import FALSE_ALARM, Gamma, JumpCheck, fit_gamma, jump


def flat(value: float) -> Array:
    return np.full((4, 6), value, np.float32)


def test_a_jump_is_the_mean_difference_in_parts_of_the_scale() -> None:
    before, now = flat(1.0), flat(1.0)
    now[0, :3] = 5.0  # 3 of 24 pixels by 4
    assert jump(before, now) == pytest.approx(0.5)
    assert jump(before, now, scale=2.0) == pytest.approx(0.25)


def test_a_gamma_distribution_is_found_again() -> None:
    values = np.random.default_rng(0).gamma(2.5, 0.04, 200_000)
    found = fit_gamma(values)
    assert found is not None
    assert found.shape == pytest.approx(2.5, rel=0.02)
    assert found.scale == pytest.approx(0.04, rel=0.02)
    assert found.mean == pytest.approx(0.1, rel=0.01)


def test_its_quantile_is_that_of_the_exponential_distribution_where_it_is_one() -> None:
    assert Gamma(1.0, 3.0).above(0.01) == pytest.approx(-3.0 * np.log(0.01))
    usual = Gamma(2.0, 0.05)
    share = float((np.random.default_rng(1).gamma(2.0, 0.05, 10**6) > usual.above(1e-3)).mean())
    assert share == pytest.approx(1e-3, rel=0.2)


@pytest.mark.parametrize("values", [[], [0.3], [0.3, 0.3, 0.3], [0.0, 0.0]])
def test_values_that_say_no_distribution_give_none(values: list[float]) -> None:
    assert fit_gamma(values) is None


def test_a_calibrated_check_judges_the_second_map_already() -> None:
    usual = Gamma(2.0, 0.01)
    check = JumpCheck(usual, scale=10.0)
    assert check.look(flat(0.0), 1.0) is None
    small = check.look(flat(0.1), 1.05)
    assert small is not None
    assert small.size == pytest.approx(0.01)
    assert small.limit == pytest.approx(usual.above(FALSE_ALARM))
    assert not small.is_unusual
    large = check.look(flat(5.1), 1.1)
    assert large is not None
    assert large.is_unusual


def test_the_same_moment_twice_another_grid_or_a_skip_are_no_jumps() -> None:
    check = JumpCheck(Gamma(2.0, 0.01))
    check.look(flat(0.0), 1.0)
    assert check.look(flat(9.0), 1.0) is None
    assert check.look(np.zeros((2, 2), np.float32), 1.05) is None
    check.skip()
    assert check.look(np.ones((2, 2), np.float32), 1.1) is None
    assert check.look(np.ones((2, 2), np.float32), 1.15) is not None
    assert check.look(np.ones((2, 2), np.float32), 0.5) is None, "a new drive"


def test_maps_that_are_further_apart_are_not_judged_by_the_nominal_drive() -> None:
    check = JumpCheck(Gamma(2.0, 0.01), apart_s=0.05)
    check.look(flat(0.0), 1.0)
    found = check.look(flat(5.0), 1.2)
    assert found is not None
    assert found.limit is None


def test_without_a_calibration_it_learns_for_ten_seconds() -> None:
    rng, check = np.random.default_rng(2), JumpCheck()
    value, limits = 0.0, []
    for tick in range(400):
        value += float(rng.gamma(4.0, 0.1)) * (1 if tick % 2 else -1)
        found = check.look(flat(value), tick * 0.05)
        limits.append(None if found is None else found.limit)
    assert limits[:200] == [None] * 200
    last = limits[-1]
    assert last is not None
    assert last == pytest.approx(Gamma(4.0, 0.1).above(FALSE_ALARM), rel=0.25)
    found = check.look(flat(value + 5), 20.0)
    assert found is not None
    assert found.is_unusual
