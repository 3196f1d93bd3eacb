"""A whole drive kept in a folder, as a person keeps it: everything is there, and the same again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from drive_process import ALONE, drive, write_model

from carla_saliency.core import Pose
from carla_saliency.factory import SHIPPED_NETWORK, load_steering
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.record.reader import Record

pytestmark = pytest.mark.slow

TICKS = 60


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A drive of 3 s on a road with curves, and what the command said."""
    folder = tmp_path_factory.mktemp("kept")
    code, _, err = drive(
        *ALONE,
        *("--headless", "--map", "curvy", "--ticks", str(TICKS), "--seed", "3", "--record", "d"),
        cwd=folder,
    )
    assert code == 0, err
    return folder / "d", err


def test_every_tick_is_there_with_all_that_is_known(kept: tuple[Path, str]) -> None:
    folder, _ = kept
    with Record(folder) as record:
        assert len(record) == TICKS
        assert np.allclose(np.diff(record.times_s), 0.05)
        step, extras = record.at(TICKS - 1), record.extras(TICKS - 1)
    frame = step.observation.frame
    assert frame.image.shape == (360, 640, 3)
    assert frame.tags is not None
    assert frame.tags.shape == (360, 640)
    assert 1 < step.observation.speed_mps < 20
    assert step.observation.pose != Pose()
    assert step.observation.lane is not None
    assert step.decision.driver == "network"
    assert step.decision.expert_steering is not None
    assert step.decision.explanation is not None
    assert step.findings.shares is not None
    assert {"server", "net + map", "draw"} <= set(extras.parts_ms)
    assert extras.map_scale is not None
    largest = np.abs(step.decision.explanation.attribution).max()
    assert 0.1 < largest / extras.map_scale < 10


def test_the_network_says_of_the_kept_frames_what_it_said_in_the_drive(
    kept: tuple[Path, str],
) -> None:
    steering = load_steering()
    with Record(kept[0]) as record:
        for step in record.steps():
            seen = steering.feed.look(step.observation.frame)
            again = float(steering.network.steer(seen.inputs)[0])
            assert step.decision.explanation is not None
            assert again == pytest.approx(step.decision.explanation.steering, abs=1e-6)


def test_the_record_says_what_drove_and_where(kept: tuple[Path, str]) -> None:
    with Record(kept[0]) as record:
        facts = record.facts
    assert facts.network.sha256 == hashlib.sha256(SHIPPED_NETWORK.read_bytes()).hexdigest()
    assert facts.network.contract["input_width_px"] == 200
    assert facts.map_name == "curvy"
    assert facts.seed == 3
    assert facts.settings["ticks"] == TICKS
    assert facts.rate_hz == pytest.approx(20)
    assert facts.car.blueprint == "vehicle.tesla.model3"
    assert len(facts.physics["wheels"]) == 4
    assert "cloudiness" in facts.weather_values
    assert {"carla", "carla-saliency", "numpy"} <= set(facts.versions)
    assert "--record d" in facts.command


def test_the_video_beside_it_has_a_picture_for_every_step(kept: tuple[Path, str]) -> None:
    with av.open(str(kept[0] / "drive.mp4")) as video:
        times = [frame.time for frame in video.decode(video=0)]
    with Record(kept[0]) as record:
        assert np.allclose(times, record.times_s - record.times_s[0], atol=1e-3)


def test_the_disk_that_it_needs_is_said_before(kept: tuple[Path, str]) -> None:
    folder, err = kept
    size = (folder / "drive.mcap").stat().st_size / 1e6
    line = next(line for line in err.splitlines() if "MB" in line)
    assert "record" in line
    assert 0 < size < 60, line


def test_what_only_the_network_saw_can_be_kept(tmp_path: Path) -> None:
    code, _, err = drive(
        *ALONE,
        *("--headless", "--map", "curvy", "--ticks", "20", "--record", "d"),
        *("--record-frames", "network"),
        cwd=tmp_path,
    )
    assert code == 0, err
    with Record(tmp_path / "d") as record:
        assert record.facts.frames == "network"
        assert record.at(5).observation.frame.image.shape == (66, 200, 3)
    assert (tmp_path / "d" / "drive.mcap").stat().st_size < 20 * 120_000


def test_a_folder_that_has_a_drive_is_refused(kept: tuple[Path, str]) -> None:
    code, _, err = drive("--headless", "--record", "d", cwd=kept[0].parent)
    assert code == 2
    assert "has a drive already" in err


def test_a_shadow_is_kept_with_its_steering_and_its_map(tmp_path: Path) -> None:
    kernel = np.full((66, 200, 3), 1e-6)
    model = write_model(tmp_path / "other.h5", kernel, 0.01, DEFAULT_CONTRACT)
    code, _, err = drive(
        *ALONE,
        *("--headless", "--map", "curvy", "--ticks", "20", "--record", "d"),
        *("--shadow", str(model)),
        cwd=tmp_path,
    )
    assert code == 0, err
    with Record(tmp_path / "d") as record:
        shadow = record.at(10).decision.shadow
        assert shadow is not None
        assert shadow.command is not None
        assert shadow.explanation is not None
        assert record.facts.shadow is not None
        assert record.at(10).findings.comparison is not None
