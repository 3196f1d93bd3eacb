from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.draw import heatmap
from carla_saliency.draw.heatmap import ScaleKeeper, round_up
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


# ------------------------------------------------------------------ scale


@pytest.mark.parametrize(
    ("value", "step"),
    [(0, 0), (1, 1), (1.01, 2), (2, 2), (3, 5), (5.01, 10), (0.0011, 0.002), (7e-9, 1e-8)],
)
def test_a_scale_is_rounded_up_to_1_2_or_5(value: float, step: float) -> None:
    assert round_up(value) == step


def keep(keeper: ScaleKeeper, value: float, start_s: float, seconds: float) -> float:
    for tick in range(round(seconds * 10)):
        keeper.add(plane(value, (10, 20)), start_s + tick / 10)
    return keeper.scale


def test_the_scale_is_calibrating_for_two_seconds_of_maps() -> None:
    keeper = ScaleKeeper()
    assert keeper.calibrating
    keep(keeper, 1.0, 100.0, 2.0)
    assert keeper.calibrating
    keeper.add(plane(1.0), 102.0)
    assert not keeper.calibrating


def test_the_scale_grows_at_once() -> None:
    keeper = ScaleKeeper()
    assert keep(keeper, 0.9, 0.0, 1.0) == 1.0
    keeper.add(plane(30.0, (100, 200)), 1.0)
    assert keeper.scale == 50.0


def test_the_scale_shrinks_only_after_ten_seconds_of_less_than_half() -> None:
    keeper = ScaleKeeper()
    keep(keeper, 0.9, 0.0, 1.0)
    assert keep(keeper, 0.09, 1.0, 39.5) == 1.0  # the strong maps left the window after 31 s
    assert keep(keeper, 0.09, 40.5, 1.5) == 0.1


def test_the_scale_does_not_follow_a_change_by_less_than_half() -> None:
    keeper = ScaleKeeper()
    keep(keeper, 0.9, 0.0, 1.0)
    assert keep(keeper, 0.6, 1.0, 60.0) == 1.0


def test_a_few_extreme_pixels_do_not_make_the_scale() -> None:
    values = plane(0.09)
    values[0, :50] = 1000.0  # 0.4 % of the map
    assert ScaleKeeper().add(values, 0.0) == 0.1


def test_a_map_with_one_planted_pixel_gets_a_scale() -> None:
    values = plane(0)
    values[3, 4] = -0.3
    assert ScaleKeeper().add(values, 0.0) == 0.5


def test_maps_of_zeros_have_no_scale_and_make_no_nan() -> None:
    keeper = ScaleKeeper()
    assert keep(keeper, 0.0, 0.0, 5.0) == 0.0
    assert not keeper.clipped


def test_the_scale_is_round_in_the_unit_that_is_shown() -> None:
    keeper = ScaleKeeper(factor=70.0)
    assert keeper.add(plane(1e-3), 0.0) == 0.1  # 0.07 degrees


def test_clipping_is_told_when_more_than_one_percent_is_beyond() -> None:
    keeper = ScaleKeeper()
    values = plane(0.09)
    for tick in range(600):
        keeper.add(values, tick / 20)
    assert not keeper.clipped
    values[:2] = 5.0  # 3 % of the newest maps, too few of all to change the scale
    for tick in range(600, 610):
        keeper.add(values, tick / 20)
    assert keeper.scale == 0.1
    assert keeper.clipped


def test_time_that_goes_back_forgets_all() -> None:
    keeper = ScaleKeeper()
    keep(keeper, 50.0, 100.0, 5.0)
    assert keeper.add(plane(0.9), 1.0) == 1.0
    assert keeper.calibrating


def test_a_map_that_is_not_usual_leaves_the_scale_alone_but_shows_that_it_is_clipped() -> None:
    keeper = ScaleKeeper()
    usual = np.linspace(0, 1, 1000, dtype=np.float32).reshape(20, 50)
    for i in range(60):
        keeper.add(usual, i * 0.05)
    scale = keeper.scale
    for i in range(60, 90):
        keeper.add(usual * 40, i * 0.05, usual=False)
    assert keeper.scale == scale
    assert keeper.clipped
    keeper.add(usual * 40, 4.5)
    assert keeper.scale > scale
