from __future__ import annotations

import errno
import random
from pathlib import Path

import av
import numpy as np
import pytest

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output import video_repair
from carla_saliency.output.encoder import Encoder
from carla_saliency.output.video import VideoFile
from carla_saliency.output.video_repair import RepairedVideo, repair_video

PICTURES = 60


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of 3 s at 20 Hz as it is while it is recorded."""
    path = tmp_path_factory.mktemp("video") / "d.mp4"
    noise = np.random.default_rng(1)
    encoder, file = Encoder((64, 48), 20.0), VideoFile(path, (64, 48), 20.0)
    encoder.sinks.append(file.write)
    for number in range(PICTURES):
        picture = noise.integers(0, 256, (48, 64, 3), np.uint8)
        picture[:, :8] = 4 * number
        encoder.write(picture)
    encoder.close()
    data = path.read_bytes()
    file.close()
    return data


def numbers_in(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        shown = [one.to_ndarray(format="gray")[:, 2:6].mean() for one in container.decode(video=0)]
    return [round(float(value) / 4) for value in shown]


def is_faststart(path: Path) -> bool:
    data = path.read_bytes()
    return 0 < data.find(b"moov") < data.find(b"mdat") and b"moof" not in data


def test_a_recording_that_was_cut_off_is_finished(tmp_path: Path, cut_off: bytes) -> None:
    path = tmp_path / "d.mp4"
    path.write_bytes(cut_off[:-100])
    found = repair_video(path)
    assert not found.was_whole
    assert 40 < found.pictures < PICTURES
    assert found.seconds == pytest.approx(found.pictures / 20)
    assert found.lost_bytes > 0
    assert is_faststart(path)
    assert numbers_in(path) == pytest.approx(list(range(found.pictures)), abs=1)
    assert [one.name for one in tmp_path.iterdir()] == ["d.mp4"]

    data = path.read_bytes()
    assert repair_video(path) == RepairedVideo(True, found.pictures, found.seconds, 0)
    assert path.read_bytes() == data


def test_cut_anywhere_it_plays_up_to_there_or_is_refused(tmp_path: Path, cut_off: bytes) -> None:
    chance = random.Random(2)
    path = tmp_path / "d.mp4"
    before = 0
    for cut in sorted(chance.randrange(len(cut_off)) for _ in range(60)):
        path.write_bytes(cut_off[:cut])
        try:
            count = repair_video(path).pictures
        except CarlaSaliencyError:
            count = 0
            assert path.read_bytes() == cut_off[:cut]
        else:
            assert len(numbers_in(path)) == count
        assert count >= before
        assert count >= PICTURES * (cut - 1500) / len(cut_off) - 12
        before = count


def test_without_room_for_a_finished_one_it_still_plays(
    tmp_path: Path, cut_off: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "d.mp4"
    path.write_bytes(cut_off[:-100])
    monkeypatch.setattr(video_repair, "make_faststart", full)
    found = repair_video(path)
    assert "free 0.1 MB" in found.trouble
    assert len(numbers_in(path)) == found.pictures > 40
    monkeypatch.undo()
    assert repair_video(path).trouble == ""
    assert is_faststart(path)


@pytest.mark.parametrize("data", [b"", b"no video at all", bytes(100)])
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "d.mp4"
    path.write_bytes(data)
    with pytest.raises(BadInputError, match="no MP4 video"):
        repair_video(path)
    assert path.read_bytes() == data
