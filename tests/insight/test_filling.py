from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.insight.filling import filled, filled_many


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height: int, width: int) -> np.ndarray:
    """Red rises to the right, green downwards; no blue."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(40, 220, width)
    picture[..., 1] = np.linspace(40, 220, height)[:, None]
    return picture


def box(height: int, width: int, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    hole = np.zeros((height, width), bool)
    hole[top:bottom, left:right] = True
    return hole


HOLES = {
    "a pixel": box(66, 200, 30, 31, 90, 91),
    "a corner": box(66, 200, 0, 9, 0, 17),
    "an edge": box(66, 200, 50, 66, 0, 200),
    "most": ~box(66, 200, 5, 8, 3, 5),
    "scattered": np.random.default_rng(1).random((66, 200)) < 0.3,
    "nothing": np.zeros((66, 200), bool),
}


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES.keys())
def test_outside_of_the_hole_nothing_changes_by_a_bit(hole: np.ndarray) -> None:
    picture = noise(66, 200)
    before = picture.copy()
    result = filled(picture, hole)
    assert result.dtype == np.uint8
    assert (result[~hole] == picture[~hole]).all()
    assert (picture == before).all()


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES.keys())
def test_nothing_of_what_is_in_the_hole_comes_out(hole: np.ndarray) -> None:
    picture = noise(66, 200)
    other = np.where(hole[..., None], noise(66, 200, seed=5), picture)
    assert (filled(picture, hole) == filled(other, hole)).all()


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES.keys())
def test_one_colour_is_filled_with_that_colour_exactly(hole: np.ndarray) -> None:
    picture = np.empty((66, 200, 3), np.uint8)
    picture[:] = (201, 77, 0)
    assert (filled(np.where(hole[..., None], 255, picture).astype(np.uint8), hole) == picture).all()


def test_a_fill_is_no_brighter_and_no_darker_than_what_it_is_made_of() -> None:
    picture = np.where(noise(66, 200) > 128, 180, 90).astype(np.uint8)
    hole = HOLES["scattered"] | box(66, 200, 20, 50, 40, 120)
    inside = filled(picture, hole)[hole]
    assert inside.min() >= 90
    assert inside.max() <= 180


def test_a_hole_in_a_slope_of_colour_continues_the_slope() -> None:
    picture = ramp(66, 200)
    for hole in (box(66, 200, 20, 40, 60, 90), box(66, 200, 10, 50, 20, 180)):
        wrong = np.abs(filled(picture, hole).astype(int) - picture)[hole]
        assert wrong.mean() < 6
        assert wrong.max() < 30


def test_no_seam_and_no_streak_is_left() -> None:
    picture = ramp(180, 320)
    hole = box(180, 320, 60, 130, 90, 220)
    result = filled(picture, hole).astype(int)
    for axis in (0, 1):
        steps = np.abs(np.diff(result, axis=axis))
        assert steps.max() <= 5  # the picture's own steps are up to 2


def test_deep_inside_a_fill_is_between_what_is_around_it() -> None:
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:, 45:] = 200
    result = filled(picture, box(60, 90, 10, 50, 25, 65))
    assert result[30, 26, 0] < 30
    assert 70 < result[30, 45, 0] < 130
    assert result[30, 63, 0] > 170


def test_a_fill_is_made_of_the_source_only() -> None:
    picture = noise(66, 200)
    hole, source = box(66, 200, 20, 30, 50, 70), box(66, 200, 55, 66, 100, 200)
    picture[source] = (10, 200, 30)
    result = filled(picture, hole, source)
    assert (result[hole] == (10, 200, 30)).all()
    assert (result[~hole] == picture[~hole]).all()


def test_of_a_source_that_reaches_into_the_hole_only_the_rest_counts() -> None:
    picture = noise(66, 200)
    hole = box(66, 200, 20, 30, 50, 70)
    source = box(66, 200, 20, 30, 60, 80)
    picture[source & ~hole] = 99
    assert (filled(picture, hole, source)[hole] == 99).all()


def test_without_any_source_everything_outside_is_the_source() -> None:
    picture, hole = noise(66, 200), box(66, 200, 20, 30, 50, 70)
    nothing = np.zeros_like(hole)
    assert (filled(picture, hole, nothing) == filled(picture, hole, ~hole)).all()
    assert (filled(picture, hole, hole) == filled(picture, hole, ~hole)).all()


def test_all_of_a_picture_becomes_its_mean() -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    picture[:5] = (100, 30, 9)
    everywhere = np.ones((10, 20), bool)
    for source in (None, everywhere, ~everywhere):
        assert (filled(picture, everywhere, source) == (50, 15, 4)).all()


def test_a_single_pixel_that_is_left_colours_everything() -> None:
    picture = noise(360, 640)
    hole = ~box(360, 640, 200, 201, 17, 18)
    assert (filled(picture, hole) == picture[200, 17]).all()


@pytest.mark.parametrize("height", range(1, 10))
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 9, 33])
def test_pictures_of_every_size_are_filled(height: int, width: int) -> None:
    picture = np.full((height, width, 3), (60, 70, 80), np.uint8)
    hole = np.ones((height, width), bool)
    hole[height // 2, width // 3] = False
    broken = np.where(hole[..., None], noise(height, width), picture)
    assert (filled(broken, hole) == picture).all()


def test_a_batch_is_the_same_as_one_by_one() -> None:
    picture = noise(66, 200)
    holes = np.stack(list(HOLES.values()))
    sources = np.random.default_rng(2).random(holes.shape) < 0.2
    for given in (None, sources):
        batch = filled_many(picture, holes, given)
        assert batch.shape == (6, 66, 200, 3)
        for i, hole in enumerate(holes):
            assert (batch[i] == filled(picture, hole, None if given is None else given[i])).all()
    assert filled_many(picture, holes[:0]).shape == (0, 66, 200, 3)


def test_views_are_taken_like_arrays_of_their_own() -> None:
    picture, hole = noise(132, 400)[::2, ::2, ::-1], noise(200, 66)[..., 0].T > 200
    assert (filled(picture, hole) == filled(picture.copy(), hole.copy())).all()


def test_masks_of_another_size_are_refused() -> None:
    picture, hole = noise(66, 200), np.ones((66, 200), bool)
    with pytest.raises(ValueError, match=r"\(1, 66, 200\).*received \(1, 66, 199\)"):
        filled(picture, hole[:, 1:])
    with pytest.raises(ValueError, match=r"\(2, 66, 200\).*received \(1, 66, 200\)"):
        filled_many(picture, np.stack([hole, hole]), hole[None])
