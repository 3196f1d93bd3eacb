"""Processes that are really killed, disks that are really full or gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from crash_process import FRAME, number_of, start
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader
from rich_steps import differences, rich_step

from carla_saliency import cli
from carla_saliency.record.format import FILE_NAME, VIDEO_NAME
from carla_saliency.record.reader import Record

pytestmark = pytest.mark.slow

LAST_S = 1.5  # what may be missing: about a second
SHUT_DOWN, AT_ONCE = 0x8004587D, struct.pack("I", 2)  # ext4: from now on the device is gone


def told(line: str, word: str) -> bool:
    return line.startswith(f"{word} ")


def steps_told(lines: list[str]) -> list[float]:
    """Return the wall time at which each step was handed on."""
    return [float(line.split()[2]) for line in lines if told(line, "step")]


def readable(path: Path) -> list[int]:
    """Return the frames that mcap's own reader finds in a file as it is."""
    found = []
    with path.open("rb") as file:
        messages = NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False)
        try:
            for _, channel, message in messages:
                if channel.topic == "/drive":
                    found.append(message.sequence)
        except (EndOfFile, struct.error):
            pass
    return found


def pictures(path: Path) -> list[int]:
    """Return the numbers of the pictures that a player shows."""
    with av.open(str(path)) as container:
        shown = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    return [number_of(np.asarray(one, np.uint8)) for one in shown]


def is_faststart(path: Path) -> bool:
    data = path.read_bytes()
    return 0 < data.find(b"moov") < data.find(b"mdat") and b"moof" not in data


def check_repaired(folder: Path, least: int, found: int) -> int:
    """Check that all opens, is finished, and equals what was written; return how many steps."""
    with Record(folder) as record:
        count = len(record)
        assert record.frame_ids.tolist() == list(range(count))
        for number, step in enumerate(record.steps()):
            assert not differences(rich_step(number, size=FRAME), step)
    assert count >= found
    video = folder / VIDEO_NAME
    shown = pictures(video)
    assert shown == list(range(len(shown)))
    assert len(shown) >= least
    assert is_faststart(video)
    return count


def test_what_was_kept_until_a_kill_can_be_read_and_is_finished_by_repair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drive"
    with start(folder, 100_000) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(90)]
        process.kill()
        killed_s = time.time()
        lines += process.stdout.readlines()
    assert process.returncode == -9
    handed_on = steps_told(lines)
    least = sum(at < killed_s - LAST_S for at in handed_on)
    assert least > 30
    found = readable(folder / FILE_NAME)
    assert found == list(range(len(found)))
    assert len(found) >= least
    shown = pictures(folder / VIDEO_NAME)
    assert shown == list(range(len(shown)))
    assert len(shown) >= least

    assert cli.main(["repair", str(folder)]) == 0
    out, err = capsys.readouterr()
    count = check_repaired(folder, least, len(found))
    assert count <= len(handed_on) + 1
    assert f"{FILE_NAME}: {count} steps, {count / 20:.1f} s kept, finished" in out
    assert f"{VIDEO_NAME}: " in out
    assert len(out.splitlines()) == 2
    assert not err

    before = (folder / FILE_NAME).read_bytes(), (folder / VIDEO_NAME).read_bytes()
    assert cli.main(["repair", str(folder)]) == 0
    assert capsys.readouterr().out.count("was left as it is") == 2
    assert before == ((folder / FILE_NAME).read_bytes(), (folder / VIDEO_NAME).read_bytes())


def mounted(folder: Path, *arguments: str) -> None:
    """Mount something there, or skip the test."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    command = ["mount", *arguments, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, two of them for the drive."""
    folder = tmp_path / "small"
    mounted(folder, "-t", "tmpfs", "-o", "size=3m", "tmpfs")
    (folder / "other").write_bytes(bytes(1_000_000))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A disk with a file system of its own, that can be pulled out."""
    image, folder = tmp_path / "stick.img", tmp_path / "stick"
    make = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/sbin:/usr/sbin")
    if make is None:
        pytest.skip("there is no mkfs.ext4 to make a disk with")
    image.write_bytes(b"")
    os.truncate(image, 24_000_000)
    subprocess.run([make, "-q", "-F", str(image)], check=True, capture_output=True)
    mounted(folder, "-o", "loop", str(image))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_gets_full_is_told_once_and_the_process_goes_on(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_disk / "drive"
    with start(folder, 120) as process:
        out, _ = process.communicate(timeout=100)
    lines = out.splitlines()
    assert process.returncode == 0
    assert lines[-1] == "end"
    assert len(steps_told(lines)) == 120
    failures = [line for line in lines if told(line, "fail")]
    assert failures
    assert all("No space left" in line for line in failures)
    assert sum(FILE_NAME in line for line in failures) == 1
    assert sum(VIDEO_NAME in line for line in failures) <= 1  # only if it was written to after that
    found = readable(folder / FILE_NAME)
    assert 3 < len(found) < 100
    assert found == list(range(len(found)))

    code = cli.main(["repair", str(folder)])
    out, err = capsys.readouterr()
    assert code == (1 if err or "not finished" in out else 0)
    assert readable(folder / FILE_NAME)[: len(found)] == found
    if "drive.mp4" not in out or "not finished" in out or err:
        assert "free" in out + err
        (small_disk / "other").unlink()
        assert cli.main(["repair", str(folder)]) == 0
    with Record(folder) as record:
        assert record.frame_ids.tolist()[: len(found)] == found
        for number, step in enumerate(record.steps()):
            assert not differences(rich_step(number, size=FRAME), step)


def fill(path: Path) -> None:
    """Make a disk full to its last byte."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(path.parent).free == 0


@pytest.mark.parametrize("torn", [True, False])
def test_on_a_full_disk_it_is_finished_in_its_place_or_the_room_is_said(
    small_disk: Path, capsys: pytest.CaptureFixture[str], torn: bool
) -> None:
    with start(small_disk / "drive", 12, rate_hz=0) as process:
        process.communicate(timeout=100)
    path = small_disk / "drive" / FILE_NAME
    data = path.read_bytes()
    end = data.rindex(b"\x0f\x04\0\0\0\0\0\0\0\0\0\0\0")  # where the indexes begin
    os.truncate(path, end - 20_000 if torn else end - end % 4096)
    (small_disk / "drive" / VIDEO_NAME).unlink()
    fill(small_disk / "ballast")
    before = path.read_bytes()
    code = cli.main(["repair", str(path.parent)])
    out, err = capsys.readouterr()
    if torn:
        assert code == 0, err
        assert "steps" in out
    else:
        assert code == 1
        assert err.count("\n") == 1
        assert "free" in err
        assert "kB" in err
        assert path.read_bytes() == before
        (small_disk / "ballast").unlink()
        assert cli.main(["repair", str(path.parent)]) == 0
    with Record(path.parent) as record:
        assert len(record) >= 8
        for number, step in enumerate(record.steps()):
            assert not differences(rich_step(number, size=FRAME), step)


def test_a_stick_that_is_pulled_out_has_all_but_the_last_second(
    stick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stick / "drive"
    with start(folder, 160) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(80)]
        place = os.open(stick, os.O_RDONLY)
        fcntl.ioctl(place, SHUT_DOWN, AT_ONCE)
        pulled_s = time.time()
        os.close(place)
        lines += process.stdout.readlines()
    assert process.returncode == 0
    assert lines[-1] == "end\n"
    assert len(steps_told(lines)) == 160
    failures = [line for line in lines if told(line, "fail")]
    assert sum(FILE_NAME in line for line in failures) == 1
    assert all("Input/output error" in line for line in failures)

    subprocess.run(["umount", str(stick)], check=True)
    subprocess.run(
        ["mount", "-o", "loop", str(stick.with_name("stick.img")), str(stick)], check=True
    )
    least = sum(at < pulled_s - 2 * LAST_S for at in steps_told(lines))
    found = readable(folder / FILE_NAME)
    assert len(found) >= least > 10
    assert cli.main(["repair", str(folder)]) in (0, 1)  # the video may have had no whole picture
    assert f"{FILE_NAME}: " in capsys.readouterr().out
    with Record(folder) as record:
        assert len(record) >= len(found)
        for number, step in enumerate(record.steps()):
            assert not differences(rich_step(number, size=FRAME), step)
