"""The command: where it writes, what it says, and that it leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_drive import keep, steps

from carla_saliency.cli import main
from carla_saliency.core import DriveStep
from carla_saliency.export import FORMATS
from carla_saliency.record.reader import Record
from carla_saliency.settings.export import EXPORT_FORMATS

ALL = sorted(FORMATS)


def test_the_settings_know_the_formats() -> None:
    assert set(EXPORT_FORMATS) == set(FORMATS)


def test_it_is_written_beside_the_record_and_says_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path / "d", count=3)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "d", "--to", "csv"]) == 0
    assert main(["export", "d", "--to", "udacity"]) == 0
    assert (tmp_path / "d.csv").is_file()
    assert (tmp_path / "d.udacity" / "driving_log.csv").is_file()
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("d.csv: 3 rows, ")
    assert said[1] == "csv: no pictures, no maps, no facts of the drive"
    assert "steering 1 is 70 degrees to the right" in said[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["d"], "--to must be one of csv, parquet"),
        (["d", "--to", "pdf"], "received 'pdf'"),
        (["--to", "csv"], "export takes one DIR"),
        (["d", "d", "--to", "csv"], "export takes one DIR"),
        (["nothing", "--to", "csv"], "no record in nothing"),
        (["d", "--to", "csv", "--out", "no/d.csv"], "does not exist: make it first"),
        (["d", "--to", "csv", "--out", "full"], "must be a file"),
        (["d", "--to", "donkey", "--out", "file"], "must be a folder"),
        (["d", "--to", "donkey", "--out", "full"], "--force replaces it"),
        (["d", "--to", "csv", "--out", "file"], "--force replaces it"),
        (["d", "--to", "donkey", "--out", "full", "--force"], "it has no manifest.json"),
        (["d", "--to", "csv", "--out", "d/drive.mcap", "--force"], "does not end in .csv"),
    ],
)
def test_what_cannot_work_is_one_line_and_changes_nothing(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep(tmp_path / "d", count=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    (tmp_path / "file").write_text("kept")
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert everything(tmp_path) == before


def test_force_replaces_a_file_and_an_export_of_that_kind(tmp_path: Path) -> None:
    folder = keep(tmp_path / "d", count=2)
    for name in ("csv", "donkey"):
        out = tmp_path / f"out.{name}"
        assert main(["export", str(folder), "--to", name, "--out", str(out)]) == 0
        (out / "old.txt" if out.is_dir() else out).write_text("old")
        arguments = ["export", str(folder), "--to", name, "--out", str(out), "--force"]
        assert main(arguments) == 0
        assert not (out / "old.txt").exists()
    assert (tmp_path / "out.csv").read_text() != "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "out.csv", "out.donkey"]


def test_a_record_that_was_not_finished_says_what_finishes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = keep(tmp_path / "d", count=8) / "drive.mcap"
    file.write_bytes(file.read_bytes()[:-500])
    assert main(["export", str(tmp_path / "d"), "--to", "csv"]) == 2
    error = capsys.readouterr().err
    assert f"carla-saliency repair {tmp_path / 'd'}" in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    folder = keep(tmp_path / "d", count=2)
    (tmp_path / "tub").mkdir()
    arguments = ["export", str(folder), "--to", "donkey", "--out", str(tmp_path / "tub")]
    assert main(arguments) == 0
    assert (tmp_path / "tub" / "manifest.json").is_file()


def test_the_pictures_of_a_network_record_are_told_to_be_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = keep(tmp_path / "d", frames="network", count=2)
    assert main(["export", str(folder), "--to", "donkey"]) == 0
    assert "no camera pictures: these are what the network was given" in capsys.readouterr().out


@pytest.mark.parametrize("name", ALL)
def test_ctrl_c_leaves_nothing_behind(
    name: str, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "rerun":
        pytest.importorskip("rerun", reason="the extra [rerun] is not installed")

    def interrupted(*_: object) -> Iterator[DriveStep]:
        for i, step in enumerate(steps()):
            if i == 12:
                os.kill(os.getpid(), signal.SIGINT)
            yield step

    monkeypatch.setattr(Record, "steps", interrupted)
    monkeypatch.setattr(Record, "at", lambda _, index: list(interrupted())[index])
    out = tmp_path / "out"
    assert main(["export", str(record), "--to", name, "--out", str(out)]) == 128 + signal.SIGINT
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if mount is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount the small disk that this fills")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ALL)
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(
    name: str, record: Path, small_disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if name == "rerun":
        pytest.importorskip("rerun", reason="the extra [rerun] is not installed")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(12_288))  # a table is small
    assert main(["export", str(record), "--to", name, "--out", str(small_disk / "out")]) == 1
    error = capfd.readouterr().err
    assert "can't be written" in error
    assert "nothing of it was kept" in error
    assert error.count("\n") == 1
    assert list(small_disk.iterdir()) == [ballast]


def test_no_format_but_rerun_needs_rerun() -> None:
    """Rerun is an extra, and every command starts faster without it."""
    code = (
        "import sys; from carla_saliency.commands import export; "
        "sys.exit('rerun' in sys.modules or 'tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def everything(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder with what they have."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
