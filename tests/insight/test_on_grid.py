from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Explanation, Place
from carla_saliency.insight.grids import covered_by, on_grid


def explanation(values: Array, place: Place | None = None) -> Explanation:
    return Explanation(1, "planted", 0.0, values, place=place)


def test_a_map_of_the_grid_is_itself_and_says_something_about_all_of_it() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert on_grid(explanation(values), (3, 4)) is values
    assert covered_by(explanation(values), (3, 4)) is None


def test_each_pixel_has_the_value_of_the_cell_that_it_lies_in() -> None:
    values = np.array([[1, 2], [3, 4]], np.float32)
    spread = on_grid(explanation(values), (4, 6))
    assert np.array_equal(spread, values.repeat(2, 0).repeat(3, 1))


def test_outside_of_what_a_map_covers_there_is_nothing() -> None:
    one = explanation(np.array([[1, 2]], np.float32), place=(1, 3, 2, 6))
    expected = np.zeros((4, 8), np.float32)
    expected[1:3, 2:4], expected[1:3, 4:6] = 1, 2
    assert np.array_equal(on_grid(one, (4, 8)), expected)
    assert np.array_equal(covered_by(one, (4, 8)), expected > 0)


def test_cells_that_reach_beyond_the_grid_are_cut() -> None:
    one = explanation(np.array([[1, 2, 3]], np.float32), place=(-2, 4, -4, 8))
    expected = np.tile(np.array([2, 2, 2, 2, 3, 3], np.float32), (4, 1))
    assert np.array_equal(on_grid(one, (4, 6)), expected)
