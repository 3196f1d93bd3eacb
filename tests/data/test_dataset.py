from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.core import Car, Contract, Pose
from carla_saliency.data.dataset import Dataset, DatasetWriter
from carla_saliency.data.labels import Label, label_from_json, label_to_json, place_of
from carla_saliency.errors import BadInputError

CONTRACT = Contract(
    name="test",
    camera=Pose(x_m=1.5, z_m=1.6, pitch_deg=-10.0),
    width_px=64,
    height_px=80,
    fov_deg=100.0,
    crop=(60, 80, 0, 64),
    input_height_px=10,
    input_width_px=32,
)
CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0), (20.0, 0.9)), 4.8, 2.2)


def a_label(**changes: object) -> Label:
    values = {
        "steering": -0.25,
        "speed_mps": 8.0,
        "curvature": 0.01,
        "offset_m": 0.1,
        "heading_error_deg": -1.0,
        "in_junction": False,
        "ambiguous": False,
        "map_name": "curvy",
        "look": 0,
        "weather": "clear",
        "place": "curvy 0 0",
        "source": "poses",
    }
    return Label(**(values | changes))  # type: ignore[arg-type]


def a_picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (80, 64, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def write(folder: Path, count: int, shard_frames: int = 4) -> None:
    with DatasetWriter(folder, CONTRACT, CAR, shard_frames=shard_frames) as writer:
        for index in range(count):
            writer.add(a_picture(index), a_label(steering=index / 100))


def test_pictures_and_labels_come_back_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "d", 6)
    dataset = Dataset(tmp_path / "d")
    assert dataset.header.contract == CONTRACT
    assert dataset.header.car == CAR
    assert [label.steering for label in dataset.labels] == [i / 100 for i in range(6)]
    assert dataset.labels[0] == a_label(steering=0.0)
    pictures = [picture for shard in dataset.shards for picture in dataset.pictures(shard)]
    assert len(pictures) == 6
    for index, picture in enumerate(pictures):
        assert picture.shape == (80, 64, 3)
        error = np.abs(picture[20:].astype(int) - a_picture(index)[20:])
        assert error.mean() < 1.5  # JPEG
        assert not picture[:20].any()  # the sky above crop and margin is not kept


def test_red_stays_red(tmp_path: Path) -> None:
    red = np.zeros((80, 64, 3), np.uint8)
    red[..., 0] = 200
    with DatasetWriter(tmp_path / "d", CONTRACT, CAR) as writer:
        writer.add(red, a_label())
    dataset = Dataset(tmp_path / "d")
    (picture,) = dataset.pictures(dataset.shards[0])
    assert abs(picture[50, 30].astype(int) - (200, 0, 0)).max() < 4


def test_a_second_run_goes_on_where_the_first_one_stopped(tmp_path: Path) -> None:
    write(tmp_path / "d", 6)
    with DatasetWriter(tmp_path / "d", CONTRACT, CAR, shard_frames=4) as writer:
        assert len(writer.labels) == 6
        assert writer.count("curvy", 0, "poses") == 6
        assert writer.count("curvy", 1, "poses") == 0
        writer.add(a_picture(), a_label(steering=0.5, look=1))
        assert writer.count("curvy", 1, "poses") == 1
    labels = Dataset(tmp_path / "d").labels
    assert [label.steering for label in labels] == [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.5]


def test_whatever_ends_the_program_complete_shards_are_valid(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "d", CONTRACT, CAR, shard_frames=4)
    for index in range(7):
        writer.add(a_picture(index), a_label())
    del writer  # as after kill -9: nothing was flushed
    (tmp_path / "d" / "shard-00001.part").write_bytes(b"half a sh")
    assert len(Dataset(tmp_path / "d").labels) == 4
    with DatasetWriter(tmp_path / "d", CONTRACT, CAR) as again:
        assert len(again.labels) == 4
    assert not list((tmp_path / "d").glob("*.part"))


def test_an_error_while_collecting_keeps_what_was_collected(tmp_path: Path) -> None:
    def collect() -> None:
        with DatasetWriter(tmp_path / "d", CONTRACT, CAR) as writer:
            writer.add(a_picture(), a_label())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        collect()
    assert len(Dataset(tmp_path / "d").labels) == 1


def test_another_camera_or_car_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d", 1)
    with pytest.raises(BadInputError, match=r"fov_deg 100\.0 and 90\.0"):
        DatasetWriter(tmp_path / "d", replace(CONTRACT, fov_deg=90.0), CAR)
    with pytest.raises(BadInputError, match="max_steer_deg 70 and 45"):
        DatasetWriter(tmp_path / "d", CONTRACT, replace(CAR, max_steer_deg=45.0))


def test_a_car_that_was_measured_again_is_the_same_car(tmp_path: Path) -> None:
    write(tmp_path / "d", 1)
    with DatasetWriter(tmp_path / "d", CONTRACT, replace(CAR, wheelbase_m=2.869996)) as writer:
        assert len(writer.labels) == 1


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(BadInputError, match="something else"):
        DatasetWriter(tmp_path, CONTRACT, CAR)


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        DatasetWriter(tmp_path / "d", CONTRACT, CAR) as writer,
        pytest.raises(ValueError, match="64x80"),
    ):
        writer.add(np.zeros((80, 65, 3), np.uint8), a_label())


def test_a_folder_that_is_no_dataset_gets_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is not a dataset"):
        Dataset(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"format": 2}', '{"format": 1}', '{"format": 1, "contract": 3}'],
)
def test_a_broken_header_gets_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(BadInputError, match=r"dataset\.json"):
        Dataset(tmp_path)


def test_a_header_with_an_unknown_key_gets_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, 1)
    path = tmp_path / "dataset.json"
    values = json.loads(path.read_text())
    values["contract"]["focal"] = 3
    path.write_text(json.dumps(values))
    with pytest.raises(BadInputError, match="focal"):
        Dataset(tmp_path)


def test_a_damaged_shard_gets_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, 4)
    path = tmp_path / "shard-00000.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match=r"shard-00000\.zip is damaged"):
        Dataset(tmp_path)


def test_a_damaged_picture_gets_one_clear_line(tmp_path: Path) -> None:
    write(tmp_path, 4)
    path = tmp_path / "shard-00000.zip"
    whole = bytearray(path.read_bytes())
    start = whole.index(b"\xff\xd8\xff")
    whole[start : start + 400] = bytes(400)
    path.write_bytes(bytes(whole))
    dataset = Dataset(tmp_path)
    with pytest.raises(BadInputError, match="picture 0 can't be read"):
        list(dataset.pictures(dataset.shards[0]))


def test_a_label_survives_json_and_a_wrong_one_is_refused() -> None:
    assert label_from_json(label_to_json(a_label())) == a_label()
    with pytest.raises(ValueError, match="a label has"):
        label_from_json("{}")
    broken = json.loads(label_to_json(a_label())) | {"steering": "left"}
    with pytest.raises(TypeError, match="steering must be a float, received 'left'"):
        label_from_json(json.dumps(broken))


def test_a_place_is_a_square_of_one_map() -> None:
    assert place_of("town", Pose(x_m=1, y_m=1)) == place_of("town", Pose(x_m=39, y_m=39))
    assert place_of("town", Pose(x_m=-1)) != place_of("town", Pose(x_m=1))
    assert place_of("town", Pose()) != place_of("curvy", Pose())
