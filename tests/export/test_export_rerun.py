"""A drive as a recording of Rerun, read back by Rerun itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_drive import BOOKMARK, COUNT, FIRST_S, OFF_ROAD, SIZE, keep, picture_of, step_of

import carla_saliency
from carla_saliency.cli import main

chunk = pytest.importorskip("rerun.chunk", reason="the extra [rerun] is not installed")


@pytest.fixture(scope="module")
def recording(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rerun") / "d.rrd"
    assert main(["export", str(record), "--to", "rerun", "--out", str(out)]) == 0
    return out


def rows_of(recording: Path, entity: str) -> list[dict[str, Any]]:
    """Return what was logged to an entity, in time order; without what holds for all times."""
    rows: list[dict[str, Any]] = []
    for each in chunk.RrdReader(recording).stream():
        if each.entity_path == entity and not each.is_static:
            batch = each.to_record_batch()
            seconds = [
                nanoseconds / 1e9 for nanoseconds in batch["sim_time"].cast("int64").to_pylist()
            ]
            rows += [
                {**row, "seconds": time_s}
                for row, time_s in zip(
                    batch.drop_columns(["sim_time"]).to_pylist(), seconds, strict=True
                )
            ]
    return sorted(rows, key=lambda row: row["frame"])


def test_numbers_come_back_at_their_times(recording: Path) -> None:
    rows = rows_of(recording, "/steering/sent")
    assert len(rows) == COUNT
    for i, row in enumerate(rows):
        assert row["Scalars:scalars"] == [step_of(i).decision.control.steering]
        assert row["frame"] == 100 + i
        assert row["seconds"] == pytest.approx(FIRST_S + i / 20, abs=1e-6)
    assert len(rows_of(recording, "/steering/expert")) == COUNT - 1
    offsets = rows_of(recording, "/lane/offset_m")
    assert 100 + OFF_ROAD not in [row["frame"] for row in offsets]
    assert offsets[1]["Scalars:scalars"] == [0.1]
    assert rows_of(recording, "/attention/lines")[0]["Scalars:scalars"] == [0.5]


def test_pictures_and_coloured_maps_come_back(recording: Path) -> None:
    rows = rows_of(recording, "/camera")
    assert len(rows) == COUNT
    seen = decoded(rows[7])
    assert seen.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(seen.astype(int) - picture_of(7)).mean() < 1.5
    maps = rows_of(recording, "/map")
    assert [row["frame"] for row in maps] == [100 + i for i in range(1, COUNT)]
    picture = decoded(maps[0]).astype(int)
    assert picture.shape == (66 * 4, 200 * 4, 3)
    left, right = picture[200, 280], picture[200, 520]
    assert left[2] > left[0] + 40  # blue
    assert right[0] > right[2] + 40  # orange


def decoded(row: dict[str, Any]) -> Any:
    (blob,) = row["EncodedImage:blob"]
    data = np.frombuffer(bytes(blob), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)


def test_events_are_lines_of_a_log(recording: Path) -> None:
    (row,) = rows_of(recording, "/events")
    assert row["frame"] == 100 + BOOKMARK
    assert row["TextLog:text"] == ['bookmark: here, "quoted"']


def test_rerun_itself_finds_nothing_wrong_and_a_layout(recording: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rerun_cli", "rrd", "verify", str(recording)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(chunk.RrdReader(recording).blueprints()) == 1


def test_pictures_of_a_network_record_are_what_it_was_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep(tmp_path / "d", frames="network", count=3)
    assert main(["export", str(kept), "--to", "rerun"]) == 0
    assert "no camera pictures" in capsys.readouterr().out
    assert decoded(rows_of(tmp_path / "d.rrd", "/camera")[0]).shape == (66, 200, 3)
    assert len(rows_of(tmp_path / "d.rrd", "/map")) == 2


def test_without_rerun_one_line_says_what_to_install(
    record: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.delitem(sys.modules, "carla_saliency.rerun_log", raising=False)
    monkeypatch.delattr(carla_saliency, "rerun_log", raising=False)
    out = tmp_path / "d.rrd"
    assert main(["export", str(record), "--to", "rerun", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert 'pip install "carla-saliency[rerun]"' in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
