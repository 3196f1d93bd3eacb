from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.core import Car, Contract, Pose
from carla_saliency.data.dataset import Dataset, DatasetWriter
from carla_saliency.data.grids import Grids, split_places
from carla_saliency.data.labels import Label
from carla_saliency.errors import BadInputError

CONTRACT = Contract("test", Pose(), 64, 80, 100.0, (60, 80, 0, 64), 10, 32)
CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.8, 2.2)


def a_label(place: str, ambiguous: bool = False) -> Label:
    return Label(
        steering=0.0,
        speed_mps=8.0,
        curvature=0.0,
        offset_m=0.0,
        heading_error_deg=0.0,
        in_junction=False,
        ambiguous=ambiguous,
        map_name="curvy",
        look=0,
        weather="clear",
        place=place,
        source="poses",
    )


def to_grid(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture[60:80], (32, 10), interpolation=cv2.INTER_AREA)


def write(folder: Path, greys: list[int]) -> Dataset:
    with DatasetWriter(folder, CONTRACT, CAR, shard_frames=2) as writer:
        for grey in greys:
            writer.add(np.full((80, 64, 3), grey, np.uint8), a_label("a"))
    return Dataset(folder)


def test_grids_of_several_datasets_keep_their_order(tmp_path: Path) -> None:
    datasets = [write(tmp_path / "a", [10, 20, 30]), write(tmp_path / "b", [40])]
    grids = Grids(datasets, CONTRACT, to_grid)
    assert len(grids) == 4
    taken = grids.take(np.array([3, 0, 2]))
    assert taken.shape == (3, 10, 32, 3)
    assert [int(grid.mean().round()) for grid in taken] == [40, 10, 30]


def test_pictures_are_brought_to_the_grid_only_once(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a", [10, 20, 30])
    first = Grids([dataset], CONTRACT, to_grid).take(np.arange(3))

    def never(picture: np.ndarray) -> np.ndarray:
        raise AssertionError

    again = Grids([dataset], CONTRACT, never).take(np.arange(3))
    assert np.array_equal(first, again)


def test_another_crop_is_another_cache(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a", [10, 20])
    Grids([dataset], CONTRACT, to_grid)
    calls = []

    def counting(picture: np.ndarray) -> np.ndarray:
        calls.append(1)
        return to_grid(picture)

    Grids([dataset], replace(CONTRACT, crop=(30, 80, 0, 64)), counting)
    assert len(calls) == 2


def test_a_crop_that_is_not_on_the_disk_is_refused(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a", [10])
    with pytest.raises(BadInputError, match="rows 20 to 80"):
        Grids([dataset], replace(CONTRACT, crop=(10, 80, 0, 64)), to_grid)


def test_another_camera_is_refused(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a", [10])
    with pytest.raises(BadInputError, match="another camera: fov_deg"):
        Grids([dataset], replace(CONTRACT, fov_deg=60.0), to_grid)


def test_no_place_is_in_both_parts_and_ambiguous_frames_are_in_none() -> None:
    labels = [a_label(f"place {i % 20}", ambiguous=i % 7 == 0) for i in range(200)]
    learned, kept_out = split_places(labels, 0.1, seed=1)
    assert not {labels[i].place for i in learned} & {labels[i].place for i in kept_out}
    assert len({labels[i].place for i in kept_out}) == 2
    both = sorted([*learned, *kept_out])
    assert both == [i for i, label in enumerate(labels) if not label.ambiguous]


def test_the_split_is_the_same_for_the_same_seed() -> None:
    labels = [a_label(f"place {i % 20}") for i in range(200)]
    for one, other in zip(split_places(labels, 0.2, 3), split_places(labels, 0.2, 3), strict=True):
        assert np.array_equal(one, other)


def test_frames_of_one_place_can_not_be_split() -> None:
    with pytest.raises(BadInputError, match="two places"):
        split_places([a_label("only")] * 9, 0.1, seed=0)
    with pytest.raises(BadInputError, match="two places"):
        split_places([], 0.1, seed=0)
