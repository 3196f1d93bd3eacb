from __future__ import annotations

from pathlib import Path

import pytest

from carla_saliency import cli
from carla_saliency.core import Car
from carla_saliency.record.facts import Facts, NetworkFacts
from carla_saliency.record.format import FILE_NAME, VIDEO_NAME
from carla_saliency.record.writer import RecordWriter

FACTS = Facts(
    created="2026-05-01T12:00:00+00:00",
    command="carla-saliency drive --record x",
    settings={},
    versions={},
    network=NetworkFacts("shipped", "/models/shipped.npz", "ab" * 32, {}),
    shadow=None,
    car=Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0), (120.0, 0.5)), 4.7, 1.8),
    physics={},
    map_name="Town01",
    weather="",
    seed=3,
    rate_hz=20.0,
    frames="camera",
    server_version="0.9.16",
)


def without_steps(folder: Path) -> Path:
    path = folder / FILE_NAME
    folder.mkdir()
    with RecordWriter(folder, FACTS, pytest.fail):
        begun = path.read_bytes()
    path.write_bytes(begun)
    return folder


def test_a_folder_without_a_record_is_bad_input_and_nothing_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = without_steps(tmp_path / "a")
    before = (folder / FILE_NAME).read_bytes()
    assert cli.main(["repair", str(folder), str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"carla-saliency: no record in {tmp_path}: expected drive.mcap there")
    assert err.count("\n") == 1
    assert (folder / FILE_NAME).read_bytes() == before


def test_no_folder_at_all_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["repair"]) == 2
    assert "give at least one folder" in capsys.readouterr().err


def test_where_nothing_can_be_saved_it_is_said_for_each_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [without_steps(tmp_path / name) for name in "ab"]
    (folders[0] / VIDEO_NAME).write_bytes(b"")
    assert cli.main(["repair", *map(str, folders)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    assert "nothing can be saved: it has no whole step" in lines[0]
    assert VIDEO_NAME in lines[1]
    assert "nothing can be saved" in lines[2]
