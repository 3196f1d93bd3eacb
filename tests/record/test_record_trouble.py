from __future__ import annotations

import errno
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich_steps import FACTS, bare_step

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError
from carla_saliency.record import chunks, writer
from carla_saliency.record.chunks import Disk
from carla_saliency.record.format import FILE_NAME
from carla_saliency.record.reader import Record
from carla_saliency.record.writer import RecordWriter

STEPS = 30


def disk_that_fails(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Make the disk full after so many bytes."""

    class Full(Disk):
        def write(self, data: bytes) -> int:
            room = after - self.tell()
            if room < len(data):
                super().write(data[: max(0, room)])
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(writer, "Disk", Full)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)  # one step each


def test_a_full_disk_is_told_once_and_the_drive_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_that_fails(monkeypatch, after=100_000)
    told: list[str] = []
    with RecordWriter(tmp_path, FACTS, told.append) as record:
        for number in range(STEPS):
            record.write(bare_step(number))
            record.log("on we go")
    assert told == [record.trouble]
    assert "No space left on device" in told[0]
    assert f"carla-saliency repair {tmp_path}" in told[0]
    assert "\n" not in told[0]
    assert (tmp_path / FILE_NAME).stat().st_size == 100_000
    record.close()


def test_a_disk_that_is_full_at_the_very_end_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecordWriter(tmp_path / "whole", FACTS, pytest.fail) as record:
        record.write(bare_step(1))
    size = (tmp_path / "whole" / FILE_NAME).stat().st_size
    disk_that_fails(monkeypatch, after=size - 100)
    told: list[str] = []
    with RecordWriter(tmp_path / "cut", FACTS, told.append) as record:
        record.write(bare_step(1))
    assert len(told) == 1


def test_a_stick_that_is_gone_when_the_file_is_closed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(Disk):
        def close(self) -> None:
            super().close()
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(writer, "Disk", Gone)
    told: list[str] = []
    with RecordWriter(tmp_path, FACTS, told.append) as record:
        record.write(bare_step(1))
    assert len(told) == 1
    assert "Input/output error" in told[0]


def test_a_step_that_cannot_be_written_stops_the_record_and_nobody_waits_for_ever(
    tmp_path: Path,
) -> None:
    def crop(picture: Image) -> Image:
        raise ZeroDivisionError("no such crop")

    told: list[str] = []
    with RecordWriter(tmp_path, replace(FACTS, frames="network"), told.append, crop) as record:
        for number in range(writer.QUEUE_STEPS + 5):
            record.write(bare_step(number))
    assert len(told) == 1
    assert "no such crop" in told[0]


def test_write_waits_while_the_disk_is_behind_and_no_step_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = threading.Event()
    going.set()

    class Slow(Disk):
        def write(self, data: bytes) -> int:
            going.wait()
            return super().write(data)

    monkeypatch.setattr(writer, "Disk", Slow)
    monkeypatch.setattr(writer, "QUEUE_STEPS", 3)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)
    written: list[int] = []

    def drive() -> None:
        for number in range(STEPS):
            record.write(bare_step(number))
            written.append(number)

    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        going.clear()
        driver = threading.Thread(target=drive)
        driver.start()
        while len(written) < 3:
            time.sleep(0.01)
        time.sleep(0.2)
        assert len(written) == 3  # the one at the disk still takes room
        going.set()
        driver.join()
    with Record(tmp_path) as back:
        assert back.frame_ids.tolist() == list(range(STEPS))


def test_a_record_is_never_overwritten(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        record.write(bare_step(1))
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(BadInputError, match="is there already"):
        RecordWriter(tmp_path, FACTS, pytest.fail)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_record_without_a_step_is_removed(tmp_path: Path) -> None:
    with RecordWriter(tmp_path, FACTS, pytest.fail) as record:
        record.log("it never began")
    assert not list(tmp_path.iterdir())


def test_who_is_told_may_be_on_the_same_full_disk(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise OSError(28, "No space left on device")

    record = RecordWriter(tmp_path, FACTS, fail)
    record._disk.write = lambda data: fail("")  # type: ignore[method-assign]
    for number in range(200):  # more than there is room for: nobody waits
        record.write(bare_step(number))
    record.close()
    assert "No space left on device" in record.trouble


def test_a_signal_while_it_is_closed_waits_for_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RecordWriter(tmp_path, FACTS, pytest.fail)
    write = record._disk.write

    def slow(data: bytes) -> int:
        time.sleep(0.02)
        return write(data)

    record._disk.write = slow  # type: ignore[method-assign]
    for number in range(30):
        record.write(bare_step(number))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()

    def close_and_wait() -> None:
        record.close()
        time.sleep(30)  # the record may be closed before the signal comes

    with pytest.raises(KeyboardInterrupt):
        close_and_wait()
    timer.join()
    with Record(tmp_path) as back:
        assert len(back) == 30


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="cannot write a record into"):
        RecordWriter(tmp_path / "file" / "record", FACTS, pytest.fail)


def test_a_disk_that_is_full_at_the_start_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_that_fails(monkeypatch, after=50)
    with pytest.raises(BadInputError, match="No space left on device"):
        RecordWriter(tmp_path, FACTS, pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_record_takes_nothing_more(tmp_path: Path) -> None:
    record = RecordWriter(tmp_path, FACTS, pytest.fail)
    record.close()
    record.close()
    with pytest.raises(ValueError, match="closed"):
        record.write(bare_step(1))


def test_a_crop_goes_with_network_frames_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crop goes with"):
        RecordWriter(tmp_path, FACTS, pytest.fail, crop=lambda picture: picture)
