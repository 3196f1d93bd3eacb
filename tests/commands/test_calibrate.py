"""The command that says what is usual for a network, on our server and with folders of frames."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.commands.calibrating import FrameFeatures, known_of_folders
from carla_saliency.commands.training_frames import TrainingFrames
from carla_saliency.core import Car, Contract
from carla_saliency.data.dataset import DatasetWriter
from carla_saliency.data.labels import Label
from carla_saliency.errors import BadInputError
from carla_saliency.factory import SHIPPED_NETWORK, load_steering
from carla_saliency.insight.calibration import (
    calibration_path,
    load_calibration,
    network_digest,
    read_calibration,
)
from carla_saliency.insight.novelty import NoveltyCheck
from carla_saliency.settings import CalibrateSettings

STEERING = load_steering()
CONTRACT = STEERING.contract
CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.8, 2.2)


def calibrate(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "carla_saliency", "calibrate", *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=cwd,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def a_label(index: int, ambiguous: bool) -> Label:
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
        place=f"curvy {index} 0",
        source="poses",
    )


def picture(index: int) -> np.ndarray:
    """Of one grey, which says which it is."""
    return np.full((CONTRACT.height_px, CONTRACT.width_px, 3), 10 + index, np.uint8)


def write_dataset(folder: Path, count: int, contract: Contract = CONTRACT) -> Path:
    """Every fourth frame is ambiguous; shards of 10."""
    with DatasetWriter(folder, contract, CAR, shard_frames=10) as writer:
        for index in range(count):
            writer.add(picture(index), a_label(index, index % 4 == 3))
    return folder


def write_pictures(folder: Path, count: int) -> Path:
    (folder / "inside").mkdir(parents=True)
    for index in range(count):
        name = f"inside/{index:03d}.jpg" if index % 2 else f"{index:03d}.PNG"
        cv2.imwrite(str(folder / name), picture(index))
    (folder / "notes.txt").write_text("not a picture")
    return folder


# ------------------------------------------------------------------ frames of the training


def test_frames_are_chosen_evenly_over_all_folders(tmp_path: Path) -> None:
    folders = [str(write_dataset(tmp_path / "a", 40)), str(write_dataset(tmp_path / "b", 8))]
    every = TrainingFrames(folders, CONTRACT, 500)
    assert len(every) == 30 + 6, "ambiguous frames were no part of the training"
    assert every.source == "training"
    greys = [round(float(frame.image[300].mean())) - 10 for frame in every]
    assert greys == [i for i in range(40) if i % 4 != 3] + [i for i in range(8) if i % 4 != 3]
    some = TrainingFrames(folders, CONTRACT, 6)
    assert len(some) == 6
    greys = [round(float(frame.image[300].mean())) - 10 for frame in some]
    assert greys == [0, 9, 18, 28, 37, 6]
    assert {frame.speed_mps for frame in some} == {8.0}


def test_pictures_of_a_folder_and_those_inside_it_are_frames(tmp_path: Path) -> None:
    frames = TrainingFrames([str(write_pictures(tmp_path / "p", 9))], CONTRACT, 500)
    assert len(frames) == 9
    assert frames.source == "pictures"
    both = [str(tmp_path / "p"), str(write_dataset(tmp_path / "d", 8))]
    assert TrainingFrames(both, CONTRACT, 500).source == "pictures"


def test_a_frame_of_the_training_is_found_again(tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "p"
    folder.mkdir()
    for index in range(24):
        coarse = rng.integers(0, 256, (9, 16, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:02d}.png"), cv2.resize(coarse, (640, 360)))
    features = FrameFeatures(STEERING, 8.0)
    assert features.layer == "dense2"
    known = known_of_folders([str(folder)], STEERING, features)
    assert known.features.shape == (24, 50)
    image = cv2.imread(str(folder / "17.png"))[:, :, ::-1].copy()
    rgb, output = features.of_picture(image, None)
    found = NoveltyCheck(known).look(output)
    assert found.distance == pytest.approx(0, abs=5e-3)
    assert np.abs(found.nearest.astype(int) - rgb).mean() < 8, "it is that very picture"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing", "must be a folder"),
        (lambda folder: folder, "no PNG or JPEG"),
        (lambda folder: write_pictures(folder / "p", 5), "5 frames, at least 20"),
        (
            lambda folder: write_dataset(folder / "d", 8, replace(CONTRACT, fov_deg=60.0)),
            "another camera: fov_deg",
        ),
        (
            lambda folder: write_dataset(
                folder / "d", 8, replace(CONTRACT, crop=(300, 360, 0, 640))
            ),
            "needs more",
        ),
    ],
    ids=["missing", "empty", "few", "another camera", "another crop"],
)
def test_folders_that_are_of_no_use_are_refused(tmp_path: Path, make, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as raised:
        known_of_folders([str(make(tmp_path))], STEERING, FrameFeatures(STEERING, 8.0))
    assert str(raised.value).startswith("--data")


def test_a_picture_that_can_t_be_used_is_named(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "p", 30)
    cv2.imwrite(str(folder / "010.PNG"), np.zeros((60, 640, 3), np.uint8))
    with pytest.raises(BadInputError, match=r"010\.PNG: a camera picture of 640x60"):
        known_of_folders([str(folder)], STEERING, FrameFeatures(STEERING, 8.0))
    (folder / "010.PNG").write_bytes(b"no picture")
    with pytest.raises(BadInputError, match=r"010\.PNG is not a whole picture"):
        known_of_folders([str(folder)], STEERING, FrameFeatures(STEERING, 8.0))


# ------------------------------------------------------------------ the shipped one


def test_the_shipped_network_has_its_calibration() -> None:
    path = calibration_path(SHIPPED_NETWORK)
    assert path.stat().st_size <= 1_000_000
    found = load_calibration(SHIPPED_NETWORK, CONTRACT)
    assert found is not None
    known, nominal = found.known, found.nominal_for("contrast")
    assert known is not None
    assert nominal is not None
    assert (known.source, known.layer, len(known.thumbnails)) == ("training", "dense2", 500)
    assert known.picture(0).shape == (66, 200, 3)
    assert nominal.frames > 4000
    assert 0.5 < nominal.on_road < 0.9
    assert nominal.shares.sum() == pytest.approx(1, abs=0.15)  # each a median
    assert nominal.jumps is not None
    assert nominal.limits is not None


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ticks": 5}, "--ticks must be at least 20"),
        ({"port": 0}, "--port"),
        ({"speed": float("nan")}, "--speed"),
        ({"embedded": "always", "host": "a"}, "leave out --host"),
        ({"out": "x.txt"}, r"--out must end in \.npz"),
        ({"out": "no/such/folder/x.npz"}, "does not exist"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_settings_that_can_t_work_are_refused_at_once(values, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        CalibrateSettings(**values).check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "guess"), "--method must be one of"),
        (("--model", "no-such.keras"), "no-such.keras"),
        (("--data", "no-such-folder"), "--data must be a folder"),
        (("--embedded", "always", "--map", "no-such.xodr"), "no-such.xodr"),
    ],
    ids=["method", "model", "data", "map"],
)
def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path: Path, arguments, words: str) -> None:
    code, out, err = calibrate(*arguments, "--out", "c.npz", cwd=tmp_path)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not out.strip()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_drive_becomes_a_calibration_that_keeps_the_frames_of_the_training(
    tmp_path: Path,
) -> None:
    model = tmp_path / "net.keras"
    shutil.copy(SHIPPED_NETWORK, model)
    shutil.copy(SHIPPED_NETWORK.with_suffix(".contract.json"), tmp_path / "net.contract.json")
    drive = ("--model", "net.keras", "--embedded", "always", "--map", "curvy", "--ticks", "120")
    code, out, err = calibrate(*drive, cwd=tmp_path)
    assert code == 0, err
    path = tmp_path / "net.calibration.npz"
    assert path.stat().st_size <= 1_000_000
    found = read_calibration(path)
    assert found.network == network_digest(model, CONTRACT)
    assert found.known is not None
    assert found.nominal is not None
    assert found.known.source == "nominal drive"
    assert "stand in for the training" in out
    assert found.nominal.maps == "curvy"
    assert 50 < found.nominal.frames <= 120
    assert found.nominal.apart_s == pytest.approx(0.05)
    assert found.nominal.map_scale > 0
    assert 0 < found.nominal.on_road <= 1
    for words in ("of 120 ticks", "deg / pixel", "road + lines", "jumps", "map check", "novelty"):
        assert words in out

    first = path.read_bytes()
    assert calibrate(*drive, cwd=tmp_path)[0] == 0
    assert path.read_bytes() == first, "the same drive, bit for bit"

    write_pictures(tmp_path / "p", 30)
    code, out, err = calibrate(*drive, "--data", "p", cwd=tmp_path)
    assert code == 0, err
    assert "30 pictures of --data" in out
    before = read_calibration(path).known
    code, out, err = calibrate(*drive, cwd=tmp_path)
    assert code == 0, err
    kept = read_calibration(path).known
    assert before is not None
    assert kept is not None
    assert kept.source == "pictures"
    assert kept.thumbnails == before.thumbnails, "what is known of the training is kept"
    assert not list(tmp_path.glob("*.part"))
