from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.data.augment import Augmentation, augment, mirror

STILL = Augmentation(
    flip=0,
    shift_px=0,
    roll_deg=0,
    brightness=0,
    contrast=0,
    gamma=0,
    tint=0,
    offset=0,
    shadow=0,
    blur=0,
    noise=0,
)


def a_grid() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (66, 200, 3)).astype(np.uint8)


def only(**changes: float) -> Augmentation:
    values = {name: getattr(STILL, name) for name in STILL.__slots__}
    return Augmentation(**(values | changes))


def run(how: Augmentation, grid: np.ndarray, seed: int = 0) -> tuple[np.ndarray, float]:
    return augment(grid, 0.3, how, np.random.default_rng(seed))


def test_without_any_change_the_frame_stays_as_it_is() -> None:
    grid, steering = run(STILL, a_grid())
    assert np.array_equal(grid, a_grid())
    assert steering == 0.3


def test_a_mirrored_frame_steers_to_the_other_side() -> None:
    grid, steering = run(only(flip=1), a_grid())
    assert np.array_equal(grid, a_grid()[:, ::-1])
    assert steering == -0.3
    assert np.array_equal(mirror(mirror(a_grid())), a_grid())


def test_a_shift_moves_rows_and_no_columns() -> None:
    grid = np.zeros((66, 200, 3), np.uint8)
    grid[30] = 200
    rows = set()
    for seed in range(30):
        moved, steering = run(only(shift_px=2), grid, seed)
        assert steering == 0.3
        assert np.ptp(moved.astype(int), axis=1).max() == 0
        rows.add(int(moved[:, 0, 0].argmax()))
    assert rows <= {28, 29, 30, 31, 32}
    assert len(rows) >= 3


def test_a_roll_turns_about_the_middle() -> None:
    grid = np.zeros((66, 200, 3), np.uint8)
    grid[32:34] = 200
    moved, _ = run(only(roll_deg=3.0), grid, seed=1)
    left, right = moved[:, 5, 0].argmax(), moved[:, 194, 0].argmax()
    assert left != right
    assert abs((left + right) / 2 - 32.5) <= 1


@pytest.mark.parametrize("name", ["brightness", "contrast", "gamma", "offset"])
def test_grey_changes_keep_grey_and_the_order_of_levels(name: str) -> None:
    grey = np.repeat(np.arange(0, 200, dtype=np.uint8)[None, :, None], 66, axis=0)
    grey = np.repeat(grey, 3, axis=2)
    spread = 20.0 if name == "offset" else 0.3
    changed, _ = run(only(**{name: spread}), grey, seed=2)
    assert not np.array_equal(changed, grey)
    assert np.array_equal(changed[..., 0], changed[..., 2])
    assert (np.diff(changed[0, :, 0].astype(int)) >= 0).all()


def test_a_tint_changes_channels_apart() -> None:
    grey = np.full((66, 200, 3), 128, np.uint8)
    changed, _ = run(only(tint=0.2), grey, seed=2)
    assert len(set(changed[0, 0].tolist())) > 1


def test_a_shadow_darkens_one_side_of_a_line() -> None:
    white = np.full((66, 200, 3), 200, np.uint8)
    for seed in range(10):
        changed, _ = run(only(shadow=1), white, seed)
        dark = changed[..., 0] < 165
        assert 0 < dark.mean() < 1
        assert changed.max() >= 199
        assert changed.min() >= 200 * 0.4 - 1


def test_noise_and_blur_keep_the_mean() -> None:
    grey = np.full((66, 200, 3), 128, np.uint8)
    noisy, _ = run(only(noise=1, noise_levels=8), grey, seed=4)
    assert noisy.std() > 0.5
    assert noisy.mean() == pytest.approx(128, abs=1)
    blurred, _ = run(only(blur=1), a_grid())
    assert blurred.std() < a_grid().std() / 2
    assert blurred.mean() == pytest.approx(a_grid().mean(), abs=1)


def test_the_same_seed_gives_the_same_frame_and_the_frame_is_not_written_to() -> None:
    grid = a_grid()
    grid.setflags(write=False)
    one, other = run(Augmentation(), grid, 9), run(Augmentation(), grid, 9)
    assert np.array_equal(one[0], other[0])
    assert one[1] == other[1]
    assert one[0].dtype == np.uint8
    assert one[0].shape == (66, 200, 3)
