from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import Explanation, Meaning
from carla_saliency.draw.scale import FrameScale, ScaleKeeper, Scales, round_up


def plane(value: float, shape: tuple[int, int] = (66, 200)) -> np.ndarray:
    return np.full(shape, value, np.float32)


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


# ------------------------------------------------------------------ each frame its own


def test_a_frames_own_scale_is_its_largest_magnitude_in_the_shown_unit() -> None:
    own = FrameScale(70.0)
    assert own.add(np.array([[0.5, -2.0]], np.float32), 0.0) == 140.0
    assert own.add(plane(0.0), 1.0) == own.scale == 0.0
    assert not own.calibrating
    assert not own.clipped


# ------------------------------------------------------------------ one for each meaning

CONTRAST = Meaning(title="contrast")
LAYER = Meaning(title="contrast", of="conv2d", unit="conv2d / pixel")


def explanation(value: float, frame_id: int = 0, meaning: Meaning = CONTRAST) -> Explanation:
    return Explanation(frame_id, "contrast", 0.0, plane(value), meaning)


def factor(meaning: Meaning) -> float:
    return 70.0 if meaning.unit.startswith("deg") else 1.0


def test_before_the_first_map_there_is_no_scale() -> None:
    scales = Scales(factor)
    assert scales.of(None) is None
    assert scales.of(explanation(1.0)) is None


def test_each_meaning_has_its_own_scale_in_its_own_unit() -> None:
    scales = Scales(factor)
    scales.add(explanation(0.9), 0.0)
    scales.add(explanation(0.9, meaning=LAYER), 0.0)
    assert scales.of(explanation(0.0)).scale == 100.0
    assert scales.of(explanation(0.0, meaning=LAYER)).scale == 1.0


def test_a_change_of_the_scale_is_told_once_and_not_while_it_is_young() -> None:
    scales = Scales(factor)
    told = [scales.add(explanation(0.009, i), i / 10) for i in range(30)]
    assert not any(told)
    assert scales.add(explanation(0.9, 30), 3.0) == "scale ±1 → ±100"
    assert scales.add(explanation(0.9, 31), 3.1) == ""


def test_a_change_of_the_method_is_told() -> None:
    scales = Scales(factor)
    assert scales.add(explanation(0.9), 0.0) == ""
    assert scales.add(explanation(0.9, meaning=LAYER), 0.0) == "contrast · conv2d"
    assert scales.add(explanation(0.9), 0.0) == "contrast"


def test_the_same_map_counts_once() -> None:
    scales = Scales(factor)
    for tick in range(10):
        scales.add(explanation(0.9), tick / 10)
    assert len(scales.of(explanation(0.9))._maps) == 1


def test_own_scales_are_never_told() -> None:
    scales = Scales(factor, own=True)
    told = [scales.add(explanation(0.1 * i, i), i / 1.0) for i in range(30)]
    assert not any(told)
    assert scales.of(explanation(0.0)).scale == pytest.approx(0.1 * 29 * 70, rel=1e-5)


def test_what_is_usual_is_the_scale_to_begin_with() -> None:
    scales = Scales(lambda meaning: 1000.0, nominal={"contrast": 0.0099})
    small = np.full((4, 4), 0.004, np.float32)
    scales.add(Explanation(1, "contrast", 0.0, small), 0.05)
    keeper = scales.of(Explanation(1, "contrast", 0.0, small))
    assert keeper is not None
    assert (keeper.scale, keeper.calibrating) == (10.0, False)
    other = Explanation(2, "gradient", 0.0, small)
    scales.add(other, 0.1)
    keeper = scales.of(other)
    assert keeper is not None
    assert (keeper.scale, keeper.calibrating) == (5.0, True)
    layer = Explanation(3, "contrast", 0.0, small, Meaning(title="t", of="conv1"))
    scales.add(layer, 0.15)
    keeper = scales.of(layer)
    assert keeper is not None
    assert keeper.calibrating, "what is usual is known of the steering's maps only"
