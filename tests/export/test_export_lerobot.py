"""A drive as a dataset of LeRobot: its tables and its video, and that library reading it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import av
import numpy as np
import polars as pl
import pytest
from made_drive import COUNT, OFF_ROAD, keep, picture_of, step_of

from carla_saliency.cli import main

READER = Path(__file__).parents[2] / "scripts" / "runs" / "read_lerobot.py"
CAMERA = "observation.images.front"


@pytest.fixture(scope="module")
def dataset(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lerobot") / "set"
    assert main(["export", str(record), "--to", "lerobot", "--out", str(out)]) == 0
    return out


def expected(i: int) -> dict[str, list[float]]:
    """Return the vectors of a step."""
    step = step_of(i)
    control, pose = step.decision.control, step.observation.pose
    lane = [0.0] * 3 if i == OFF_ROAD else [1.0, 0.1 * i, -0.5 * i]
    return {
        "observation.state": [step.observation.speed_mps, pose.x_m, pose.y_m, pose.yaw_deg],
        "observation.environment_state": lane,
        "action": [control.steering, control.throttle, control.brake],
    }


def test_every_step_is_a_row(dataset: Path) -> None:
    table = pl.read_parquet(dataset / "data/chunk-000/file-000.parquet")
    assert table.height == COUNT
    for i, row in enumerate(table.iter_rows(named=True)):
        for name, values in expected(i).items():
            assert row[name] == pytest.approx(values, rel=1e-6, abs=1e-7)
        assert row["timestamp"] == pytest.approx(i / 20, abs=1e-5)
        assert (row["frame_index"], row["index"], row["episode_index"]) == (i, i, 0)


def test_every_step_is_a_picture_of_the_video(dataset: Path) -> None:
    path = dataset / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    with av.open(str(path)) as file:
        assert file.streams.video[0].average_rate == 20
        frames = list(file.decode(video=0))
    assert len(frames) == COUNT
    for i, frame in enumerate(frames):
        assert float(frame.time or 0) == pytest.approx(i / 20, abs=1e-4)
        off = np.abs(frame.to_ndarray(format="rgb24").astype(int) - picture_of(i))
        assert off.mean() < 3


def test_what_is_said_of_it_agrees(dataset: Path) -> None:
    info: dict[str, Any] = json.loads((dataset / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_frames"], info["fps"]) == (COUNT, 20)
    assert info["features"][CAMERA]["shape"] == [360, 640, 3]
    stats = json.loads((dataset / "meta/stats.json").read_text())
    actions = np.array([expected(i)["action"] for i in range(COUNT)])
    assert stats["action"]["mean"] == pytest.approx(actions.mean(axis=0), rel=1e-5)
    assert stats["action"]["max"] == pytest.approx(actions.max(axis=0), rel=1e-5)
    pictures = np.array([picture_of(i) for i in range(COUNT)]) / 255
    means = np.ravel(stats[CAMERA]["mean"])
    assert means == pytest.approx(pictures.mean(axis=(0, 1, 2)), abs=0.01)
    assert np.shape(stats[CAMERA]["std"]) == (3, 1, 1)
    episode = pl.read_parquet(dataset / "meta/episodes/chunk-000/file-000.parquet")
    assert episode["dataset_to_index"].to_list() == [COUNT]
    assert episode["stats/action/mean"][0].to_list() == stats["action"]["mean"]


def test_pictures_of_an_odd_size_get_another_row_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("made_drive._crop", lambda picture: picture[:65, :199].copy())
    kept = keep(tmp_path / "d", frames="network", count=3)
    out = tmp_path / "set"
    assert main(["export", str(kept), "--to", "lerobot", "--out", str(out)]) == 0
    info = json.loads((out / "meta/info.json").read_text())
    assert info["features"][CAMERA]["shape"] == [66, 200, 3]


def test_lerobot_itself_reads_it(dataset: Path, tmp_path: Path) -> None:
    python = os.environ.get("LEROBOT_PYTHON")
    if not python:
        pytest.skip("needs LeRobot, which needs an older PyAV: run scripts/accept lerobot")
    wanted = tmp_path / "wanted.json"
    steps = [{**expected(i), "picture": picture_of(i).mean() / 255} for i in range(COUNT)]
    wanted.write_text(json.dumps({"fps": 20, "task": "follow the lane", "steps": steps}))
    done = subprocess.run(
        [python, str(READER), str(dataset), str(wanted)],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"{COUNT} steps agree")
