"""A whole drive kept in a folder, as a person keeps it: everything is there, and the same again."""

from __future__ import annotations

import hashlib
import re
import signal
import socket
import time
from pathlib import Path

import av
import numpy as np
import pytest
from drive_process import ALONE, drive, start, write_model

from carla_saliency.core import Inputs, Pose
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
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    said = re.search(r"record: about [\d.]+ MB/s, (\d+) MB in all", err)
    assert said, err
    assert 0.5 < size_mb / int(said[1]) < 1.5


def test_what_was_kept_is_said_at_the_end(kept: tuple[Path, str]) -> None:
    folder, err = kept
    size_mb = round((folder / "drive.mcap").stat().st_size / 1e6)
    assert f"record: d, {TICKS} ticks, {size_mb} MB" in err


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
        step = record.at(5)
    image = step.observation.frame.image
    assert image.shape == (66, 200, 3)
    steering = load_steering()
    again = steering.network.steer(Inputs(steering.preprocess.encode(image)[None]))
    assert step.decision.explanation is not None
    assert float(again[0]) == pytest.approx(step.decision.explanation.steering, abs=1e-6)
    assert (tmp_path / "d" / "drive.mcap").stat().st_size < 20 * 120_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_drive_that_a_signal_ends_is_kept_to_its_end(tmp_path: Path, number: int) -> None:
    flags = ("--headless", "--map", "curvy", "--record", "d", "--codec", "av1", "--crf", "50")
    with start(*ALONE, *flags, cwd=tmp_path) as process:
        mcap = tmp_path / "d" / "drive.mcap"
        until_s = time.monotonic() + 60
        while not mcap.exists() or mcap.stat().st_size < 3_000_000:
            assert time.monotonic() < until_s
            time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    with Record(tmp_path / "d") as record:
        assert len(record) >= 5
        assert f"record: d, {len(record)} ticks" in err
        with av.open(str(tmp_path / "d" / "drive.mp4")) as video:
            assert video.streams.video[0].codec_context.codec_tag == "av01"
            assert sum(1 for _ in video.decode(video=0)) == len(record)


def test_a_drive_that_does_not_begin_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = drive(
            *ALONE,
            *("--headless", "--map", "curvy", "--record", "d", "--live", port),
            cwd=tmp_path,
        )
    assert code == 2
    assert f"--live can't listen on port {port}" in err
    assert not (tmp_path / "d").exists()


def test_the_streams_are_told_and_the_drive_is_as_ever(tmp_path: Path) -> None:
    code, _, err = drive(
        *ALONE,
        *("--headless", "--map", "curvy", "--ticks", "40", "--record", "d"),
        *("--live", "0", "--rerun"),
        cwd=tmp_path,
    )
    assert code == 0, err
    assert re.search(r"Open connection > Foxglove WebSocket > ws://127.0.0.1:\d+", err)
    assert re.search(r"Rerun: open http://127.0.0.1:\d+/", err)
    assert "left out frame" not in err
    with Record(tmp_path / "d") as record:
        assert len(record) == 40


def test_a_running_drive_is_not_repaired(tmp_path: Path) -> None:
    flags = ("--headless", "--map", "curvy", "--ticks", "60", "--record", "d")
    with start(*ALONE, *flags, cwd=tmp_path) as process:
        mcap = tmp_path / "d" / "drive.mcap"
        until_s = time.monotonic() + 60
        while not mcap.exists() or mcap.stat().st_size < 2_000_000:
            assert time.monotonic() < until_s
            time.sleep(0.1)
        code, _, err = drive("d", cwd=tmp_path, command="repair")
        _, said = process.communicate(timeout=100)
    assert code == 2
    assert err == (
        f"carla-saliency: {Path('d/drive.mcap')} is still being written: end that drive first\n"
    )
    assert process.returncode == 0, said
    with av.open(str(tmp_path / "d" / "drive.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 60


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
