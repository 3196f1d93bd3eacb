from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import Explanation, Meaning
from carla_saliency.draw import heatmap
from carla_saliency.draw.palette import LEFT, RIGHT


def plane(value: float, shape: tuple[int, int] = (66, 200)) -> np.ndarray:
    return np.full(shape, value, np.float32)


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)


# ------------------------------------------------------------------ indices


@pytest.mark.parametrize(
    ("value", "index"), [(0, 128), (1, 255), (-1, 1), (9, 255), (-9, 1), (0.5, 192), (-0.5, 65)]
)
def test_a_signed_index_is_128_at_zero_and_saturates(value: float, index: int) -> None:
    assert (heatmap.signed_index(plane(value), 1.0) == index).all()


@pytest.mark.parametrize(("value", "index"), [(0, 0), (1, 255), (-1, 0), (9, 255), (0.5, 128)])
def test_a_magnitude_index_is_0_at_zero_and_below(value: float, index: int) -> None:
    assert (heatmap.magnitude_index(plane(value), 1.0) == index).all()


def test_left_and_right_of_equal_strength_are_equally_far_from_none() -> None:
    values = np.linspace(-1, 1, 201, dtype=np.float32)[None]
    index = heatmap.signed_index(values, 1.0).astype(int) - 128
    assert abs(index + index[:, ::-1]).max() <= 1


def test_a_scale_of_zero_draws_nothing() -> None:
    assert (heatmap.signed_index(plane(3), 0.0) == 128).all()
    assert (heatmap.magnitude_index(plane(3), 0.0) == 0).all()


# ------------------------------------------------------------------ tables


def test_left_is_blue_and_right_is_orange() -> None:
    colour, keep = heatmap.table(True)
    strongest = 0.95
    assert colour[1, 0] == pytest.approx(np.array(LEFT) * strongest, abs=1)
    assert colour[255, 0] == pytest.approx(np.array(RIGHT) * strongest, abs=1)
    assert (keep[[1, 255]] == 255 - 242).all()


def test_the_dead_zone_has_no_colour() -> None:
    for signed, indices in ((True, range(121, 136)), (False, range(16))):
        colour, keep = heatmap.table(signed)
        assert not colour[list(indices)].any()
        assert (keep[list(indices)] == 255).all()


def test_a_map_without_sign_is_neither_blue_nor_orange_but_grows_lighter() -> None:
    colour, _ = heatmap.table(False)
    brightness = colour.reshape(256, 3).astype(int).sum(axis=1)
    assert (np.diff(brightness[16:]) >= -2).all()
    for wrong in (LEFT, RIGHT):
        assert abs(colour.reshape(256, 3).astype(int) - np.array(wrong)).sum(axis=1).min() > 20


def test_half_opacity_keeps_more_of_the_camera() -> None:
    assert (heatmap.table(True, 0.5)[1] >= heatmap.table(True, 1.0)[1]).all()
    assert heatmap.table(True, 0.5)[1][255, 0, 0] == 255 - 121


# ------------------------------------------------------------------ overlay


def test_a_map_of_zeros_leaves_the_grey_camera_untouched() -> None:
    grey = np.repeat(heatmap.grey(picture())[..., None], 3, axis=2)
    for signed, index in (
        (True, heatmap.signed_index(plane(0), 0.0)),
        (True, heatmap.signed_index(plane(0), 1.0)),
        (False, heatmap.magnitude_index(plane(0), 1.0)),
    ):
        target = grey.copy()
        heatmap.lay_over(target, index, heatmap.table(signed))
        assert (target == grey).all()


def test_the_grey_camera_is_dark_and_has_no_colour() -> None:
    grey = heatmap.grey(picture())
    assert grey.shape == (90, 160)
    assert grey.min() >= 14
    assert grey.max() <= 116


def test_a_full_push_right_is_orange_on_any_camera() -> None:
    target = picture()
    heatmap.lay_over(target, heatmap.signed_index(plane(1), 1.0), heatmap.table(True))
    assert abs(target.astype(int) - np.array(RIGHT)).max() <= 14


def test_a_map_is_drawn_into_a_part_of_a_larger_picture() -> None:
    whole = np.zeros((90, 160, 3), np.uint8)
    heatmap.lay_over(whole[30:60, 40:80], np.full((3, 4), 255, np.uint8), heatmap.table(True))
    inside = np.zeros((90, 160), bool)
    inside[30:60, 40:80] = True
    assert (whole.any(axis=2) == inside).all()


def test_a_coarse_map_keeps_its_cells_and_a_fine_one_is_smoothed() -> None:
    index = np.array([[1, 255]], np.uint8)
    assert set(heatmap.enlarge(index, (40, 20)).ravel()) == {1, 255}
    fine = np.tile(index, (8, 4))
    assert len(set(heatmap.enlarge(fine, (64, 64)).ravel())) > 2


def test_cells_of_a_coarse_map_are_equally_wide() -> None:
    index = np.arange(5, dtype=np.uint8)[None]
    assert np.bincount(heatmap.enlarge(index, (100, 10))[0]).tolist() == [20] * 5


def test_a_map_that_is_made_smaller_loses_no_thin_line() -> None:
    index = np.zeros((40, 400), np.uint8)
    index[:, 201] = 200
    assert heatmap.enlarge(index, (100, 10)).max() >= 45


@pytest.mark.parametrize("signed", [True, False])
def test_the_index_follows_the_sign_of_the_meaning(signed: bool) -> None:
    meaning = Meaning(title="m", signed=signed)
    explanation = Explanation(0, "m", 0.0, np.array([[0.0, 1.0]], np.float32), meaning)
    assert heatmap.index_of(explanation, 1.0).tolist() == [[128 if signed else 0, 255]]


def test_a_map_lies_exactly_where_it_is_placed() -> None:
    target = np.zeros((40, 100, 3), np.uint8)
    index = np.full((2, 4), 255, np.uint8)
    heatmap.lay_over(target, index, heatmap.table(True), (10.0, 30.0, 60.4, 100.4))
    inside = np.zeros((40, 100), bool)
    inside[10:30, 60:100] = True
    assert (target.any(axis=2) == inside).all()


def test_a_map_that_lies_outside_draws_nothing() -> None:
    target = np.zeros((40, 100, 3), np.uint8)
    index = np.full((2, 4), 255, np.uint8)
    for place in ((-50.0, -10.0, 0.0, 100.0), (0.0, 40.0, 100.0, 140.0)):
        heatmap.lay_over(target, index, heatmap.table(True), place)
    assert not target.any()


@pytest.mark.parametrize("place", [(0.0, 40.0, -30.0, 70.0), (-7.0, 33.0, 10.0, 110.0)])
def test_what_sticks_out_is_cut_off_and_the_rest_stays_where_it_is(
    place: tuple[float, ...],
) -> None:
    index = np.arange(4 * 10, dtype=np.uint8).reshape(4, 10) + 200
    top, _, left, _ = (int(v) for v in place)
    large = np.zeros((140, 300, 3), np.uint8)
    rows, columns = slice(50 + top, 90 + top), slice(100 + left, 200 + left)
    heatmap.lay_over(large[rows, columns], index, heatmap.table(True))
    small = np.zeros((40, 100, 3), np.uint8)
    heatmap.lay_over(small, index, heatmap.table(True), place)
    assert (small == large[50:90, 100:200]).all()


def test_a_fine_map_is_placed_as_smoothly_as_it_is_enlarged() -> None:
    index = np.random.default_rng(0).integers(0, 256, (20, 50), np.uint8)
    index = np.repeat(np.repeat(index, 2, 0), 2, 1)
    whole, placed = np.zeros((100, 250, 3), np.uint8), np.zeros((100, 250, 3), np.uint8)
    heatmap.lay_over(whole, index, heatmap.table(False))
    heatmap.lay_over(placed, index, heatmap.table(False), (0.0, 100.0, 0.0, 250.0))
    difference = abs(whole.astype(int) - placed.astype(int))
    assert difference.max() <= 20  # OpenCV's warp counts in 32nds of a pixel; this map is noise
    assert difference.mean() < 2
