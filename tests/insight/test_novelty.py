import zlib

import numpy as np
import pytest

from carla_saliency.core import Array, Image, LayerInfo
from carla_saliency.insight.novelty import (
    BESIDE,
    NoveltyCheck,
    folded,
    known_frames,
    penultimate,
)


def layer(name: str, kind: str, *shape: int, parameters: int = 0) -> LayerInfo:
    return LayerInfo(name, kind, shape, parameters=parameters)


CONVOLUTION = layer("conv", "Conv2D", 5, 5, 8, parameters=100)
ANSWER = layer("answer", "Dense", 1, parameters=10)


def pictures(count: int) -> list[Image]:
    """Each of one grey, from 10 on."""
    return [np.full((33, 100, 3), 10 + index % 200, np.uint8) for index in range(count)]


def apart(count: int, units: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, units)).astype(np.float32)


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ([layer("flat", "Flatten", 90), layer("d1", "Dense", 50, parameters=9), ANSWER], "d1"),
        ([layer("flat", "Flatten", 90), layer("drop", "Dropout", 90), ANSWER], "flat"),
        ([layer("pool", "GlobalAveragePooling2D", 1, 1, 64), ANSWER], "pool"),
        # a few units say little more than the steering
        ([layer("d1", "Dense", 50, parameters=9), layer("d2", "Dense", 10, parameters=9)], "d1"),
        ([layer("d1", "Dense", 6, parameters=9), layer("d2", "Dense", 3, parameters=9)], "d1"),
        # bins are the answer; what makes an angle of them has no weights
        ([layer("d1", "Dense", 32, parameters=9), layer("bins", "Dense", 21, parameters=9)], "d1"),
        ([layer("d1", "Dense", 2, parameters=9)], None),
        ([], None),
    ],
)
def test_frames_are_told_apart_by_the_last_wide_layer_before_the_answer(
    layers: list[LayerInfo], name: str | None
) -> None:
    after = layer("steering", "Rescaling", 1)
    if layers and layers[-1].name == "d2":
        layers = [*layers, ANSWER]
    assert penultimate((CONVOLUTION, *layers, after)) == name


def test_few_units_stay_as_they_are_and_many_keep_their_distances() -> None:
    few = apart(3, 64)
    assert np.array_equal(folded(few), few)
    many = apart(60, 2000)
    small = folded(many)
    assert small.shape == (60, 64)
    assert np.array_equal(small, folded(many))
    assert np.allclose(folded(many[:1] * 2), small[:1] * 2, rtol=1e-4)
    pairs = (
        np.linalg.norm(many[1:] - many[:-1], axis=1),
        np.linalg.norm(small[1:] - small[:-1], axis=1),
    )
    assert np.mean(pairs[1] / pairs[0]) == pytest.approx(1.0, abs=0.05)
    one = folded(np.eye(2000, dtype=np.float32))
    assert (np.abs(one).sum(axis=1) == 1).all(), "each unit is in one sum, with a sign"
    assert 800 < (one.sum(axis=1) > 0).sum() < 1200
    assert (np.abs(one).sum(axis=0) > 10).all(), "no sum is empty"


def test_a_known_frame_has_distance_0_and_shows_itself() -> None:
    features = apart(40, 8)
    check = NoveltyCheck(known_frames("dense", features, pictures(40), "training"))
    assert check.layer == "dense"
    found = check.look(features[7])
    assert found.distance == pytest.approx(0.0, abs=2e-3)  # float16
    assert found.nearest.shape == (33, 100, 3)
    assert np.abs(found.nearest.astype(int) - 17).max() <= 1  # JPEG
    assert not found.stand_in
    assert found.distance < found.limit


def test_the_distance_is_in_standard_deviations_of_each_unit() -> None:
    features = apart(200, 4, seed=3)
    features[:, 2] *= 50
    known = known_frames("dense", features, pictures(200), "training")
    assert np.allclose(known.features.astype(np.float32).std(axis=0), 1, atol=0.01)
    far = features.mean(axis=0) + 50 * features.std(axis=0)
    found = NoveltyCheck(known).look(far)
    assert found.distance == pytest.approx(49, abs=2)  # 50 from the mean, the nearest is on the way
    assert found.distance > found.limit


def test_frames_of_the_same_kind_are_within_the_limit_and_others_are_not() -> None:
    known = known_frames("dense", apart(500, 8), pictures(500), "training")
    check = NoveltyCheck(known)
    same = [check.look(each) for each in apart(300, 8, seed=9)]
    assert np.mean([each.distance > each.limit for each in same]) < 0.02
    other = [check.look(each + 6) for each in apart(50, 8, seed=10)]
    assert all(each.distance > each.limit for each in other)


def test_a_unit_that_never_changed_does_not_decide_alone() -> None:
    features = apart(100, 4)
    features[:, 1] = 3.0
    check = NoveltyCheck(known_frames("dense", features, pictures(100), "training"))
    nearly = features[5].copy()
    nearly[1] += 1e-3
    found = check.look(nearly)
    assert np.isfinite(found.distance)
    assert found.distance < found.limit


def test_frames_of_a_drive_don_t_count_as_known_beside_themselves() -> None:
    steps = np.repeat(apart(20, 8), BESIDE * 2, axis=0)  # the car stands, then jumps on
    steps += apart(len(steps), 8, seed=1) * 1e-3
    independent = known_frames("dense", steps, pictures(400), "training")
    drive = known_frames("dense", steps, pictures(400), "nominal drive")
    assert NoveltyCheck(drive).look(steps[0]).stand_in
    assert drive.limit > 10 * independent.limit


def test_outputs_of_another_layer_are_refused() -> None:
    check = NoveltyCheck(known_frames("dense", apart(40, 8), pictures(40), "training"))
    with pytest.raises(ValueError, match="8 units"):
        check.look(np.zeros(10, np.float32))
    with pytest.raises(ValueError, match="two frames"):
        known_frames("dense", apart(1, 8), pictures(1), "training")
    with pytest.raises(ValueError, match="two frames"):
        known_frames("dense", apart(3, 8), pictures(2), "training")


def test_large_pictures_become_thumbnails_that_fit_into_the_file_together() -> None:
    smooth = np.linspace(0, 255, 320).astype(np.uint8)[None, :, None]
    known = known_frames("dense", apart(9, 8), [np.tile(smooth, (160, 1, 3))] * 9, "training")
    assert known.picture(0).shape == (100, 200, 3)
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (100, 200, 3)).astype(np.uint8) for _ in range(300)]
    known = known_frames("dense", apart(300, 8), noise, "training")
    assert len(zlib.compress(b"".join(known.thumbnails))) <= 850_000
    assert known.picture(0).shape == known.picture(299).shape
