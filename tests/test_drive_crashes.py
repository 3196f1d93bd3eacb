"""A whole drive that is killed, or whose disk gets full: as a person finds it afterwards."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from drive_process import ALONE, drive, start
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader

from carla_saliency import cli
from carla_saliency.record.format import FILE_NAME, VIDEO_NAME
from carla_saliency.record.reader import Record

pytestmark = pytest.mark.slow

DRIVE = (*ALONE, "--headless", "--map", "curvy", "--seed", "3", "--record")


def readable_s(path: Path) -> list[float]:
    """Return the simulated times of the steps that mcap's own reader finds in a file as it is."""
    found = []
    with path.open("rb") as file:
        messages = NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
        try:
            for _, channel, message in messages:
                if channel.topic == "/drive":
                    found.append(message.log_time / 1e9)
        except (EndOfFile, struct.error):
            pass
    return found


def check_whole(folder: Path) -> int:
    """Check that every step can be read, and every picture; return how many steps there are."""
    with Record(folder) as record:
        assert np.allclose(np.diff(record.times_s), 0.05)
        count = len(record)
        assert all(step.observation.frame.image.any() for step in record.steps())
    with av.open(str(folder / VIDEO_NAME)) as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert np.allclose(np.diff(times), 0.05, atol=1e-3)
    assert abs(len(times) - count) <= 30
    return count


def test_a_drive_that_is_killed_is_kept_up_to_about_its_last_second(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "d"
    with start(*DRIVE, "d", "--ticks", "4000", cwd=tmp_path) as process:
        deadline_s = time.monotonic() + 100
        while not (folder / FILE_NAME).exists() or _size(folder) < 15_000_000:
            assert process.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        process.kill()
        killed_s = time.time()
        process.communicate(timeout=20)
    assert process.returncode == -9
    for name in (FILE_NAME, VIDEO_NAME):
        assert killed_s - (folder / name).stat().st_mtime < 2
    found = readable_s(folder / FILE_NAME)
    assert len(found) > 30

    assert cli.main(["repair", str(folder)]) == 0
    assert capsys.readouterr().out.count("kept, finished") == 2
    assert check_whole(folder) >= len(found)
    with Record(folder) as record:
        assert record.facts.map_name == "curvy"
        assert "--record d" in record.facts.command
        assert record.times_s[: len(found)] == pytest.approx(found, abs=1e-9)


def _size(folder: Path) -> int:
    return (folder / FILE_NAME).stat().st_size


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_drive_goes_on_when_its_disk_is_full_says_so_and_fails_at_its_end(
    tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_disk / "d"
    code, out, err = drive(*DRIVE, str(folder), "--ticks", "120", cwd=tmp_path)
    assert code == 1, err
    assert "IT WILL NOT FIT" in err, err
    told = {line for line in err.splitlines() if "No space left" in line}  # at once, and at the end
    assert sum(FILE_NAME in line for line in told) == 1, err
    assert sum(VIDEO_NAME in line for line in told) <= 1, err
    assert "ticks                                   120" in out
    found = readable_s(folder / FILE_NAME)
    assert 10 < len(found) < 100

    code = cli.main(["repair", str(folder)])
    said, wrong = capsys.readouterr()
    assert f"{FILE_NAME}: " in said, wrong  # in its place, on the full disk
    assert f"{VIDEO_NAME}: " in said
    assert code == ("not finished" in said)
    with Record(folder) as record:
        assert record.times_s[: len(found)] == pytest.approx(found, abs=1e-9)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert cli.main(["repair", str(folder)]) == 0
    assert check_whole(folder) >= len(found)
