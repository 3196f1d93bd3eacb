from pathlib import Path

import av
import numpy as np
import pytest

from carla_saliency.output.names import free_name
from carla_saliency.output.recorder import Recorder

PICTURE = np.full((32, 64, 3), 90, np.uint8)


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_name_that_is_taken_gets_a_number(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert free_name() == Path("drive.mp4")
    Path("drive.mp4").touch()
    assert free_name() == Path("drive-2.mp4")
    Path("drive-2.mp4").touch()
    assert free_name() == Path("drive-3.mp4")


def test_each_toggle_gives_a_file_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    with Recorder((64, 32), 20.0, said.append, said.append) as recorder:
        recorder.write(PICTURE)  # not recording: nothing happens
        for count in (3, 5):
            recorder.toggle()
            assert recorder.status == "on"
            for _ in range(count):
                recorder.write(PICTURE)
            assert recorder.seconds == count / 20
            recorder.toggle()
            assert recorder.status == "saved"
    assert frames_of(Path("drive.mp4")) == 3
    assert frames_of(Path("drive-2.mp4")) == 5
    assert said == [
        "video: drive.mp4, 3 frames, 0.1 s",
        "video: drive-2.mp4, 5 frames, 0.2 s",
    ]


def test_leaving_finishes_the_file(tmp_path) -> None:
    path = tmp_path / "d.mp4"
    with Recorder((64, 32), 20.0, lambda _: None, pytest.fail) as recorder:
        recorder.start(path)
        for _ in range(7):
            recorder.write(PICTURE)
    assert frames_of(path) == 7


def test_a_folder_that_can_not_be_written_is_told_and_the_drive_goes_on(
    tmp_path, monkeypatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said: list[str] = []
    with Recorder((64, 32), 20.0, said.append, said.append) as recorder:
        recorder.toggle()
        recorder.write(PICTURE)
        assert recorder.status == "off"
    assert len(said) == 1
