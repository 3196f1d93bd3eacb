"""What a map points at is filled in: what is outlined solid is what the network looks at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from carla_saliency.core import Array, Image, Place
from carla_saliency.insight.blobs import Box, ellipse, elsewhere, find_blobs
from carla_saliency.insight.causal import BlobCheck

GRID = 66, 200
LEAST = 0.5 / 70
Ask = Callable[[NDArray[np.uint8]], Array]


def picture(seed: int = 0) -> Image:
    """A picture with structure everywhere: large patches of noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 25, 3), np.uint8)
    return cv2.resize(coarse, GRID[::-1], interpolation=cv2.INTER_CUBIC)


def looks_at(box: Box) -> Ask:
    """A network that steers by the mean of a rectangle alone."""
    top, bottom, left, right = box

    def ask(pictures: NDArray[np.uint8]) -> Array:
        return pictures[:, top:bottom, left:right].mean(axis=(1, 2, 3)).astype(np.float32) / 128 - 1

    return ask


def map_of(*boxes: Box, values: tuple[float, ...] = (1, 1, 1, 1, 1)) -> Array:
    attribution = np.zeros(GRID, np.float32)
    for (top, bottom, left, right), value in zip(boxes, values, strict=False):
        attribution[top:bottom, left:right] = value / ((bottom - top) * (right - left))
    return attribution


def with_spot(box: Box, seed: int = 0) -> Image:
    """A picture with something in the box that is unlike its surroundings."""
    image = picture(seed) // 3
    image[box[0] : box[1], box[2] : box[3]] = 250
    return image


def overlap(a: Place, b: Place) -> float:
    """Intersection over union."""
    height = min(a[1], b[1]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[2], b[2])
    both = max(height, 0) * max(width, 0)
    areas = [(p[1] - p[0]) * (p[3] - p[2]) for p in (a, b)]
    return both / (sum(areas) - both)


SPOTS = [
    (20, 34, 90, 118),
    (0, 12, 0, 16),
    (60, 66, 190, 200),
    (30, 34, 50, 54),
    (40, 58, 120, 150),
]


@pytest.mark.parametrize("spot", SPOTS)
def test_the_one_patch_that_a_network_looks_at_is_outlined_solid(spot: Box) -> None:
    ask, rgb = looks_at(spot), with_spot(spot)
    steering = float(ask(rgb[None])[0])
    check = BlobCheck(LEAST).check(3, rgb, map_of(spot), steering, ask)
    assert check.frame_id == 3
    (blob,) = check.blobs
    assert blob.moves
    assert overlap(blob.place, spot) > 0.5
    assert blob.change < -LEAST  # its mean sinks to that of the dark surroundings
    assert check.patches == 27


def test_other_places_that_the_map_points_at_are_dashed() -> None:
    spot = (20, 34, 90, 118)
    others = [(2, 10, 10, 30), (50, 60, 10, 30), (2, 10, 160, 180), (50, 60, 160, 180)]
    ask, rgb = looks_at(spot), with_spot(spot)
    attribution = map_of(*others, spot, values=(0.9, -0.8, 0.7, -0.6, 1))
    check = BlobCheck(LEAST).check(1, rgb, attribution, float(ask(rgb[None])[0]), ask)
    assert len(check.blobs) == 5
    (solid,) = [blob for blob in check.blobs if blob.moves]
    assert overlap(solid.place, spot) > 0.5
    assert all(blob.change == 0 for blob in check.blobs if not blob.moves)


def test_a_map_that_points_elsewhere_is_dashed() -> None:
    spot = (20, 34, 90, 118)
    ask, rgb = looks_at(spot), with_spot(spot)
    steering = float(ask(rgb[None])[0])
    wrong = map_of((40, 52, 20, 40), (5, 15, 150, 170))
    check = BlobCheck(LEAST).check(1, rgb, wrong, steering, ask)
    assert len(check.blobs) == 2
    assert not any(blob.moves for blob in check.blobs)


def test_nothing_moves_a_constant_network() -> None:
    def ask(pictures: NDArray[np.uint8]) -> Array:
        return np.full(len(pictures), 0.3, np.float32)

    noise = np.random.default_rng(1).normal(0, 1, GRID).astype(np.float32)
    check = BlobCheck(LEAST).check(1, picture(), noise, 0.3, ask)
    assert len(check.blobs) == 5
    assert all(blob.change == 0 and not blob.moves for blob in check.blobs)
    assert check.limit == 0


def test_a_change_that_nobody_would_notice_is_dashed() -> None:
    spot = (20, 34, 90, 118)
    ask, rgb = looks_at(spot), with_spot(spot)
    steering = float(ask(rgb[None])[0])
    check = BlobCheck(2.0).check(1, rgb, map_of(spot), steering, ask)
    assert abs(check.blobs[0].change) > check.limit
    assert not check.blobs[0].moves


def test_all_is_asked_in_one_batch_and_only_ellipses_are_filled_in() -> None:
    asked = []

    def ask(pictures: NDArray[np.uint8]) -> Array:
        asked.append(pictures)
        return np.zeros(len(pictures), np.float32)

    rgb = picture()
    noise = np.random.default_rng(2).normal(0, 1, GRID).astype(np.float32)
    check = BlobCheck(LEAST).check(1, rgb, noise, 0.0, ask)
    (batch,) = asked
    assert batch.shape == (32, *GRID, 3)
    assert batch.dtype == np.uint8
    changed = (batch != rgb).any(axis=-1)
    blobs = [ellipse(_whole(blob.place), GRID) for blob in check.blobs]
    for filled, blob in zip(changed, blobs, strict=False):
        assert not (filled & ~blob).any()
        assert np.count_nonzero(filled) > 0.9 * np.count_nonzero(blob)
    boxes = np.zeros(GRID, bool)
    for blob in check.blobs:
        top, bottom, left, right = _whole(blob.place)
        boxes[top:bottom, left:right] = True
    assert not (changed[5:] & boxes).any()
    for number, filled in enumerate(changed[5:]):
        area = max(np.count_nonzero(blob) for blob in blobs)
        assert 0 < np.count_nonzero(filled) <= area, number


def _whole(place: Place) -> Box:
    top, bottom, left, right = (int(v) for v in place)
    return top, bottom, left, right


# ------------------------------------------------------------------ the limit


def answers(*values: float) -> Ask:
    """A network that gives these answers to a batch, the last one to the rest of it."""

    def ask(pictures: NDArray[np.uint8]) -> Array:
        rest = [values[-1]] * (len(pictures) - len(values))
        return np.array([*values, *rest], np.float32)[: len(pictures)]

    return ask


SMALL, LARGE = (20, 25, 90, 95), (20, 40, 90, 110)


def test_the_limit_is_the_95th_percentile_of_the_random_patches() -> None:
    changes = [0.01 * n for n in range(27)]
    check = BlobCheck(LEAST).check(1, picture(), map_of(SMALL), 1.0, answers(1.5, *_from(changes)))
    assert check.limit == pytest.approx(np.percentile(changes, 95), abs=1e-5)
    assert check.patches == 27
    assert check.blobs[0].moves
    weak = BlobCheck(LEAST).check(1, picture(), map_of(SMALL), 1.0, answers(1.24, *_from(changes)))
    assert not weak.blobs[0].moves  # more than anybody overlooks, less than random patches do


def _from(changes: list[float]) -> list[float]:
    return [1.0 - change for change in changes]


def test_only_patches_of_like_area_count() -> None:
    checker = BlobCheck(LEAST)
    checker.check(1, picture(), map_of(LARGE), 0.0, answers(1.0, 0.9))
    small = checker.check(2, picture(), map_of(SMALL), 0.0, answers(0.5, 0.1))
    assert (small.patches, small.limit) == (27, pytest.approx(0.1))
    assert small.blobs[0].moves
    large = checker.check(3, picture(), map_of(LARGE), 0.0, answers(0.5, 0.9))
    assert (large.patches, large.limit) == (54, pytest.approx(0.9))


def test_the_last_200_patches_are_remembered() -> None:
    checker = BlobCheck(LEAST)
    for frame_id in range(7):
        checker.check(frame_id, picture(), map_of(SMALL), 0.0, answers(1.0, 0.9))
    for frame_id in range(7, 15):
        check = checker.check(frame_id, picture(), map_of(SMALL), 0.0, answers(1.0, 0.1))
    assert (check.patches, check.limit) == (200, pytest.approx(0.1))  # 8 x 27 are newer
    checker.forget()
    assert checker.check(99, picture(), map_of(SMALL), 0.0, answers(1.0, 0.1)).patches == 27


def test_few_patches_of_like_area_are_helped_out_by_the_others() -> None:
    checker = BlobCheck(LEAST, patches=10)
    checker.check(1, picture(), map_of(LARGE), 0.0, answers(1.0, 0.9))
    check = checker.check(2, picture(), map_of(SMALL), 0.0, answers(1.0, 0.1))
    assert check.patches == 20


def test_a_frame_that_is_looked_at_again_gives_the_same_and_counts_once() -> None:
    spot = (20, 34, 90, 118)
    ask, rgb = looks_at((10, 60, 20, 180)), with_spot(spot)
    noise = np.random.default_rng(4).normal(0, 1, GRID).astype(np.float32)
    checker = BlobCheck(LEAST)
    first = checker.check(1, rgb, noise, 0.1, ask)
    assert checker.check(1, rgb, noise, 0.1, ask) == first
    assert BlobCheck(LEAST).check(1, rgb, noise, 0.1, ask) == first
    assert BlobCheck(LEAST, seed=1).check(1, rgb, noise, 0.1, ask) != first


def test_a_flat_map_has_no_blobs_and_nothing_is_asked() -> None:
    def ask(pictures: NDArray[np.uint8]) -> Array:
        raise AssertionError

    for value in (0.0, 0.3, -1e-9):
        check = BlobCheck(LEAST).check(1, picture(), np.full(GRID, value, np.float32), 0.0, ask)
        assert check.blobs == ()
        assert np.isnan(check.limit)
        assert check.patches == 0


# ------------------------------------------------------------------ blobs


def test_a_single_pixel_is_one_blob_of_nine() -> None:
    attribution = np.zeros(GRID, np.float32)
    attribution[30, 100] = -2e-6
    assert find_blobs(attribution) == [(29, 32, 99, 102)]
    attribution[30, 100], attribution[0, 0] = 0, 1e9
    assert find_blobs(attribution) == [(0, 3, 0, 3)]


def test_the_strongest_blob_is_the_first() -> None:
    boxes = [(10, 20, 20, 40), (40, 50, 100, 120), (10, 20, 160, 180)]
    found = find_blobs(map_of(*boxes, values=(1, -3, 2)))
    assert len(found) == 3
    for box, place in zip((boxes[1], boxes[2], boxes[0]), found, strict=True):
        assert overlap(place, box) > 0.8


def test_a_long_line_is_several_blobs_on_it() -> None:
    attribution = np.zeros(GRID, np.float32)
    cv2.line(attribution, (60, 65), (120, 0), 1.0, 2)
    found = find_blobs(attribution)
    assert 3 <= len(found) <= 5
    for top, bottom, left, right in found:
        assert attribution[top:bottom, left:right].any()
        assert (bottom - top) * (right - left) <= 0.05 * attribution.size


def test_a_cell_of_a_coarse_map_is_a_blob_in_its_middle() -> None:
    attribution = np.zeros(GRID, np.float32)
    attribution[:, 88:112] = 1.0  # larger than a blob may be
    top, bottom, left, right = find_blobs(attribution)[0]
    assert abs((left + right) / 2 - 100) <= 1
    assert abs((top + bottom) / 2 - 33) <= 1


@pytest.mark.parametrize("grid", [(66, 200), (120, 160), (33, 33), (8, 8), (4, 50), (3, 3), (1, 9)])
def test_blobs_lie_on_the_grid_and_do_not_overlap(grid: tuple[int, int]) -> None:
    random = np.random.default_rng(7)
    for _ in range(20):
        noise = random.normal(0, 1, grid).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), random.uniform(0.3, 6))
        boxes = find_blobs(smooth)
        assert 1 <= len(boxes) <= 5
        assert find_blobs(-smooth) == boxes
        for top, bottom, left, right in boxes:
            assert 0 <= top < bottom <= grid[0]
            assert 0 <= left < right <= grid[1]
            assert bottom - top >= min(3, *grid)
            assert right - left >= min(3, *grid)
        assert all(overlap(a, b) == 0 for a, b in combinations(boxes, 2))
        size = boxes[0][1] - boxes[0][0], boxes[0][3] - boxes[0][2]
        for top, bottom, left, right in elsewhere(size, boxes, grid, 5, random):
            assert 0 <= top < bottom <= grid[0]
            assert 0 <= left < right <= grid[1]


def test_where_there_is_no_room_a_patch_overlaps_as_little_as_can_be() -> None:
    random = np.random.default_rng(0)
    taken = [(0, 10, 0, 4), (0, 10, 5, 10)]
    found = elsewhere((10, 3), taken, (10, 10), 20, random)
    assert {(left, right) for _, _, left, right in found} <= {(2, 5), (3, 6), (4, 7)}
    assert all((top, bottom) == (0, 10) for top, bottom, _, _ in found)
    free = elsewhere((10, 1), taken, (10, 10), 3, random)
    assert free == [(0, 10, 4, 5)] * 3


def test_an_ellipse_touches_the_sides_of_its_box() -> None:
    mask = ellipse((10, 21, 50, 81), GRID)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (10, 21, 50, 81)
    assert np.count_nonzero(mask) == pytest.approx(np.pi / 4 * 11 * 31, rel=0.03)
    assert np.count_nonzero(ellipse((0, 3, 0, 3), GRID)) == 9
