from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.encoder import QUEUE_PICTURES, Encoder, Piece
from carla_saliency.output.faststart import make_faststart
from carla_saliency.output.video import Video, VideoFile

SIZE = (320, 180)


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a picture of four flat colours; a white bar at the bottom moves with the number."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (79, 168, 255)
    image[: height // 2, width // 2 :] = (255, 138, 61)
    image[height // 2 :, : width // 2] = (15, 17, 20)
    image[height // 2 :, width // 2 :] = (200, 30, 30)
    left = 4 * number % width
    image[-20:, left : left + 16] = 255
    return image


def write(path: Path, count: int, rate: float = 20.0, size: tuple[int, int] = SIZE) -> None:
    with Video(path, size, rate) as video:
        for number in range(count):
            video.write(picture(number, size))


def read(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        pictures = [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray() for frame in frames
        ]
        return pictures, [frame.time for frame in frames]


def test_every_picture_is_in_the_file_in_order(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 45)
    pictures, _ = read(tmp_path / "d.mp4")
    assert len(pictures) == 45
    for number, image in enumerate(pictures):
        bright = np.flatnonzero(image[-10].min(axis=1) > 180)
        assert abs(bright.min() - 4 * number) <= 2


@pytest.mark.parametrize("rate", [20.0, 10.0, 30.0, 1 / 0.03])
def test_the_rate_is_constant_in_simulated_time(tmp_path: Path, rate: float) -> None:
    write(tmp_path / "d.mp4", 12, rate)
    _, times = read(tmp_path / "d.mp4")
    assert times == pytest.approx([number / rate for number in range(12)], abs=1e-3)


def test_it_is_h264_yuv420p_of_the_same_size(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 3, size=(640, 360))
    with av.open(str(tmp_path / "d.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == (
            "h264",
            "yuv420p",
            640,
            360,
        )


def test_colours_come_back(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 10)
    image = read(tmp_path / "d.mp4")[0][5].astype(int)
    for y, x in ((30, 40), (30, 240), (120, 40), (120, 240)):
        assert abs(image[y, x] - picture(5)[y, x].astype(int)).max() <= 8


def test_the_file_says_which_colours_it_means(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 3)
    with av.open(str(tmp_path / "d.mp4")) as container:
        next(container.decode(video=0))
        codec = container.streams.video[0].codec_context
        assert (int(codec.colorspace), int(codec.color_range)) == (1, 1)  # BT.709, limited


def test_a_second_never_passes_without_a_key_picture(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 65)
    with av.open(str(tmp_path / "d.mp4")) as container:
        keys = [n for n, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys[0] == 0
    assert np.diff([*keys, 65]).max() <= 20


def test_while_it_is_written_nothing_at_its_end_is_needed(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "d.mp4", SIZE, 20.0)
    encoder = Encoder(SIZE, 20.0)
    encoder.sinks.append(file.write)
    for number in range(45):
        encoder.write(picture(number))
    encoder.close()
    data = (tmp_path / "d.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"moof") < data.index(b"mdat")
    assert data.count(b"moof") >= 4
    file.close()


def test_a_finished_file_has_its_index_first_and_no_pieces(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 45)
    data = (tmp_path / "d.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    assert [path.name for path in tmp_path.iterdir()] == ["d.mp4"]


def test_a_file_that_cannot_be_written_anew_stays_as_it_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(old: Path, new: Path) -> None:
        new.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("carla_saliency.output.faststart._write_anew", full)
    encoder, file = Encoder(SIZE, 20.0), VideoFile(tmp_path / "d.mp4", SIZE, 20.0)
    encoder.sinks.append(file.write)
    for number in range(10):
        encoder.write(picture(number))
    encoder.close()
    file.close()
    assert file.note == "its index could not be put first (No space left on device)"
    assert len(read(tmp_path / "d.mp4")[0]) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["d.mp4"]


def test_without_room_for_both_it_is_not_even_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "d.mp4", 5)
    data = (tmp_path / "d.mp4").read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9e9, 9e9, 999))
    with pytest.raises(OSError, match="No space left"):
        make_faststart(tmp_path / "d.mp4")
    assert (tmp_path / "d.mp4").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["d.mp4"]


def test_a_link_stays_one_and_what_a_kill_left_beside_it_goes(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / ".d.mp4.part").write_bytes(b"half")
    (tmp_path / "d.mp4").symlink_to(tmp_path / "disk" / "d.mp4")
    write(tmp_path / "d.mp4", 5)
    assert (tmp_path / "d.mp4").is_symlink()
    assert b"moof" not in (tmp_path / "disk" / "d.mp4").read_bytes()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["d.mp4"]


def test_the_seconds_are_counted(tmp_path: Path) -> None:
    with Video(tmp_path / "d.mp4", SIZE, 20.0) as video:
        for number in range(30):
            video.write(picture(number))
        assert video.count == 30
        assert video.seconds == 1.5


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    video = Video(tmp_path / "d.mp4", SIZE, 20.0)
    video.write(picture(0))
    video.close()
    video.close()
    with pytest.raises(ValueError, match="closed"):
        video.write(picture(1))


def test_a_video_without_pictures_leaves_no_file(tmp_path: Path) -> None:
    with Video(tmp_path / "d.mp4", SIZE, 20.0):
        pass
    assert not list(tmp_path.iterdir())


def test_a_video_without_pictures_leaves_an_older_one_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 5)
    with Video(tmp_path / "d.mp4", SIZE, 20.0):
        pass
    assert len(read(tmp_path / "d.mp4")[0]) == 5


def test_an_older_video_is_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "d.mp4", 30)
    write(tmp_path / "d.mp4", 5)
    assert len(read(tmp_path / "d.mp4")[0]) == 5


def test_a_drive_that_fails_keeps_its_video(tmp_path: Path) -> None:
    def drive() -> None:
        with Video(tmp_path / "d.mp4", SIZE, 20.0) as video:
            for number in range(7):
                video.write(picture(number))
            raise RuntimeError("the drive broke")

    with pytest.raises(RuntimeError, match="the drive broke"):
        drive()
    assert len(read(tmp_path / "d.mp4")[0]) == 7


# ------------------------------------------------------------------ what can't be written


@pytest.mark.parametrize("size", [(321, 180), (320, 181), (0, 0), (1, 2)])
def test_odd_sizes_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(BadInputError, match=f"received {size[0]}x{size[1]}"):
        Video(tmp_path / "d.mp4", size, 20.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: float) -> None:
    with pytest.raises(BadInputError, match="rate"):
        Video(tmp_path / "d.mp4", SIZE, rate)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="does not exist"):
        Video(tmp_path / "no" / "d.mp4", SIZE, 20.0)
    assert not list(tmp_path.iterdir())


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is a folder"):
        Video(tmp_path, SIZE, 20.0)


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="can't be written"):
        Video(tmp_path / ("x" * 300 + ".mp4"), SIZE, 20.0)
    assert not list(tmp_path.iterdir())


def test_a_file_that_can_not_be_written_is_refused_before_the_first_picture(
    tmp_path: Path,
) -> None:
    link = tmp_path / "d.mp4"  # a link to nowhere, since permissions don't stop root
    link.symlink_to(tmp_path / "no" / "d.mp4")
    with pytest.raises(BadInputError, match="can't be written: No such file"):
        Video(link, SIZE, 20.0)


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        Video(tmp_path / "d.mp4", SIZE, 20.0) as video,
        pytest.raises(ValueError, match=r"received \(90, 160, 3\)"),
    ):
        video.write(picture(0, (160, 90)))


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.output.video import Video

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
noise = np.random.default_rng(0)
try:
    with Video(Path(sys.argv[1]), (320, 180), 20.0) as video:
        for _ in range(400):
            video.write(noise.integers(0, 256, (180, 320, 3), np.uint8))
except CarlaSaliencyError as error:
    print(error)
    print(video.count)
"""


def test_a_full_disk_is_told_in_one_line_and_what_was_written_plays(tmp_path: Path) -> None:
    file = tmp_path / "d.mp4"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, check=True
    )
    message, count = done.stdout.splitlines()
    assert message.startswith(f"recording stopped: {file} can't be written any further")
    assert int(count) < 400  # the drive was told while it drove, not only at its end


def test_trouble_in_the_thread_comes_out_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: VideoFile, piece: Piece) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoFile, "_mux", fail)
    video = Video(tmp_path / "d.mp4", SIZE, 20.0)
    video.write(picture(0))
    with pytest.raises(CarlaSaliencyError, match="No space left on device"):
        video.close()


def test_a_broken_encoder_never_blocks_the_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: VideoFile, piece: Piece) -> None:
        raise OSError(28, "No space left on device")

    def drive() -> None:
        with Video(tmp_path / "d.mp4", SIZE, 20.0) as video:
            for number in range(20 * QUEUE_PICTURES):
                video.write(picture(number))

    monkeypatch.setattr(VideoFile, "_mux", fail)
    with pytest.raises(CarlaSaliencyError, match="recording stopped"):
        drive()


KILLED = """
import sys
from pathlib import Path
import numpy as np
from carla_saliency.output.codecs import VideoOptions
from carla_saliency.output.video import Video

with Video(Path(sys.argv[1]), (320, 180), 20.0, VideoOptions(sys.argv[2])) as video:
    for number in range(100):
        picture = np.full((180, 320, 3), number, np.uint8)
        video.write(picture)
    print("100 pictures", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_a_kill_leaves_a_video_that_plays_up_to_the_last_second_and_a_half(
    tmp_path: Path, codec: str
) -> None:
    file = tmp_path / "d.mp4"
    command = [sys.executable, "-c", KILLED, str(file), codec]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "100 pictures\n"
        process.kill()
    pictures, times = read(file)
    assert len(pictures) >= 100 - 30
    assert times[-1] == pytest.approx((len(pictures) - 1) / 20)
    assert abs(int(pictures[-1].mean()) - (len(pictures) - 1)) <= 4
