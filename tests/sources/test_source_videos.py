from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import made_videos
import numpy as np
import pytest

from carla_saliency.sources import Broken, Picture
from carla_saliency.sources.videos import VideoFile, is_video


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(path: Path) -> tuple[list[Picture], list[str]]:
    everything = list(VideoFile(path).read())
    pictures = [one for one in everything if isinstance(one, Picture)]
    return pictures, [one.text for one in everything if isinstance(one, Broken)]


def one_colour(count: int = 12) -> list[np.ndarray]:
    return [np.full((48, 64, 3), (200, 20 * i, 30), np.uint8) for i in range(count)]


def test_a_video_has_its_pictures_in_order_with_their_times_and_colours() -> None:
    path = made_videos.write(Path("drive.mp4"), one_colour())
    pictures, broken = read(path)
    assert broken == []
    assert [one.number for one in pictures] == list(range(12))
    assert [one.time_s for one in pictures] == pytest.approx([i / 20 for i in range(12)])
    assert {(one.name, one.recorded) for one in pictures} == {("drive.mp4", None)}
    for i, one in enumerate(pictures):
        assert one.image.shape == (48, 64, 3)
        assert one.image.dtype == np.uint8
        colour = one.image[10:-10, 10:-10].reshape(-1, 3).mean(axis=0)
        assert colour == pytest.approx((200, 20 * i, 30), abs=8)
    video = VideoFile(path)
    assert (video.rate, video.count, video.moving) == (20.0, 12, True)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mkv", "libx264", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.mov", "mjpeg", "yuvj420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.mp4", "libx264", "yuv420p10le"),
    ],
)
def test_other_containers_and_codecs_are_read_whole(name, codec, pixels) -> None:
    path = made_videos.write(Path(name), one_colour(24)[:12], codec=codec, pixels=pixels)
    pictures, broken = read(path)
    assert broken == []
    assert len(pictures) == 12
    assert pictures[0].time_s == 0.0
    assert [one.time_s for one in pictures] == pytest.approx([i / 20 for i in range(12)], abs=2e-3)
    colours = [one.image[20, 30].astype(int) for one in pictures]
    assert [list(one) for one in colours] == [
        pytest.approx((200, 20 * i, 30), abs=12) for i in range(12)
    ]


@pytest.mark.parametrize("size", [(641, 361), (33, 47), (2, 2), (99, 50)])
def test_odd_sizes_keep_every_column_and_row(size) -> None:
    width, height = size
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    picture = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (height, width, 3)))
    path = made_videos.write(Path("odd.mkv"), [picture] * 3, codec="ffv1", pixels="yuv444p")
    pictures, broken = read(path)
    assert broken == []
    assert len(pictures) == 3
    for one in pictures:
        assert one.image.shape == (height, width, 3)
        assert np.abs(one.image.astype(int) - picture).max() <= 4


def test_times_are_those_of_the_file_where_its_rate_varies() -> None:
    ticks = [0, 1, 2, 10, 11, 40, 41, 60]
    path = made_videos.write(Path("vary.mp4"), made_videos.noisy(8), ticks=ticks)
    pictures, broken = read(path)
    assert broken == []
    assert [one.time_s for one in pictures] == pytest.approx([tick / 20 for tick in ticks])
    assert 0 < VideoFile(path).rate < 20


def test_a_video_that_begins_late_begins_at_0() -> None:
    path = made_videos.write(Path("late.mkv"), made_videos.noisy(4), ticks=[100, 101, 102, 103])
    pictures, broken = read(path)
    assert broken == []
    assert [one.time_s for one in pictures] == pytest.approx([0, 0.05, 0.1, 0.15], abs=2e-3)


@pytest.mark.parametrize("turned_deg", [90, -90, 180])
def test_the_flag_of_a_turned_camera_is_applied(turned_deg) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 255  # top left is white
    path = made_videos.write(Path("turned.mp4"), [picture] * 2, turned_deg=turned_deg)
    pictures, broken = read(path)
    assert broken == []
    expected = np.rot90(picture, turned_deg // 90)  # counterclockwise, as the flag says
    for one in pictures:
        assert one.image.shape == expected.shape
        assert one.image.flags.c_contiguous
        assert np.abs(one.image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(4, 3), (85, 48)), (Fraction(1, 2), (64, 96)), (Fraction(1), (64, 48))],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pixels_that_are_not_square_are_made_so(name, aspect, size) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 255
    path = made_videos.write(Path(name), [picture] * 2, pixel_aspect=aspect)
    pictures, broken = read(path)
    assert broken == []
    width, height = size
    for one in pictures:
        assert one.image.shape == (height, width, 3)
        assert (one.image[:, : width // 2 - 3] > 240).all()
        assert (one.image[:, width // 2 + 4 :] < 15).all()


@pytest.mark.parametrize("every", [1, 3, 10, 100])
def test_of_so_many_pictures_the_first_one_is_read(every) -> None:
    path = made_videos.write(Path("a.mp4"), one_colour())
    whole, _ = read(path)
    some = [one for one in VideoFile(path).read(every) if isinstance(one, Picture)]
    assert [one.number for one in some] == list(range(0, 12, every))
    for one in some:
        assert np.array_equal(one.image, whole[one.number].image)
        assert one.time_s == whole[one.number].time_s


def test_sound_changes_nothing() -> None:
    silent = made_videos.write(Path("silent.mp4"), made_videos.noisy(10))
    loud = made_videos.write(Path("loud.mp4"), made_videos.noisy(10), audio=True)
    (without, nothing), (with_sound, none) = read(silent), read(loud)
    assert nothing == none == []
    assert len(without) == len(with_sound) == 10
    for one, other in zip(without, with_sound, strict=True):
        assert np.array_equal(one.image, other.image)


# ------------------------------------------------------------------ broken files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the video bad.mp4 can't be read after 0 pictures"),
        (b"no video at all", "the video bad.mp4 can't be read after 0 pictures"),
        (None, "the video bad.mp4 can't be read after 0 pictures: No such file"),
    ],
)
def test_what_is_no_video_is_named_in_one_line(content, said, capfd) -> None:
    if content is not None:
        Path("bad.mp4").write_bytes(content)
    pictures, broken = read(Path("bad.mp4"))
    assert pictures == []
    assert len(broken) == 1
    assert broken[0].startswith(said)
    assert len(broken[0].splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_a_file_with_sound_alone_has_no_pictures() -> None:
    import av

    with av.open("sound.mp4", "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 8000), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read(Path("sound.mp4"))[1] == [
        "sound.mp4 has no pictures in it: give a video or a PNG or JPEG"
    ]
    assert not is_video(Path("sound.mp4"))


@pytest.mark.parametrize("share", [0.5, 0.65, 0.8])
@pytest.mark.parametrize("name", ["a.mp4", "fragments.mp4", "a.mkv", "a.webm", "a.avi"])
def test_a_video_that_was_cut_off_gives_what_it_has_and_is_named(name, share, capfd) -> None:
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    flags = "frag_keyframe+empty_moov+default_base_moof" if name[0] == "f" else "faststart"
    path = made_videos.write(Path(name), made_videos.noisy(60), codec=codec, movflags=flags)
    whole, nothing = read(path)
    assert len(whole) == 60
    assert nothing == []
    pictures, broken = read(made_videos.cut(path, share))
    assert 0 < len(pictures) < 60
    ways = (
        f"is cut off after {len(pictures)} pictures ({pictures[-1].time_s:.2f} s)",
        f"can't be read after {len(pictures)} pictures: ",
    )
    assert any(way in broken[-1] for way in ways)
    assert all(f"cut_{name}" in text for text in broken)
    by_time = {round(one.time_s, 3): one.image for one in whole}
    for one in pictures:
        assert np.array_equal(one.image, by_time[round(one.time_s, 3)])
    assert capfd.readouterr() == ("", "")


def test_wherever_a_killed_recording_ends_its_pictures_up_to_there_are_read() -> None:
    flags = "frag_keyframe+empty_moov+default_base_moof"
    path = made_videos.write(Path("a.mp4"), made_videos.noisy(60), movflags=flags)
    data = path.read_bytes()
    table = data.index(b"moof", len(data) // 2) - 4  # of a fragment in the second half
    counts = []
    for end in (table - 1, table, table + 8, table + 30, table + 120, table + 180):
        Path("killed.mp4").write_bytes(data[:end])
        pictures, broken = read(Path("killed.mp4"))
        counts.append(len(pictures))
        assert bool(broken) == (end != table)  # there a fragment is whole
    assert counts == sorted(counts)
    assert counts[0] >= 20


def test_a_video_without_its_index_is_named() -> None:
    path = made_videos.write(Path("a.mp4"), made_videos.noisy(30), movflags="negative_cts_offsets")
    pictures, broken = read(made_videos.cut(path, 0.9))
    assert pictures == []
    assert len(broken) == 1
    assert "cut_a.mp4" in broken[0]


def test_damage_in_the_middle_costs_some_pictures_that_are_named() -> None:
    path = made_videos.write(Path("a.mp4"), made_videos.noisy(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    pictures, broken = read(path)
    assert 30 < len(pictures) < 60
    assert 0 < len(broken) < 30
    for text in broken:
        assert "of the video a.mp4 can't be decoded" in text
        assert " at 1." in text
    assert pictures[-1].time_s == pytest.approx(2.95)
    assert [one.number for one in pictures] == list(range(len(pictures)))


def test_pictures_of_another_size_within_a_video_become_as_large_as_the_first() -> None:
    small = made_videos.write(Path("a.mpg"), made_videos.noisy(5), codec="mpeg2video")
    large = made_videos.write(Path("b.mpg"), made_videos.noisy(5, (128, 96)), codec="mpeg2video")
    Path("both.mpg").write_bytes(small.read_bytes() + large.read_bytes())
    pictures, _ = read(Path("both.mpg"))
    assert len(pictures) > 5
    assert {one.image.shape for one in pictures} == {(48, 64, 3)}


def test_padding_behind_a_video_does_not_make_it_a_broken_one() -> None:
    path = made_videos.write(Path("a.mp4"), made_videos.noisy(10))
    for padding in (b"\0" * 64, b"\xff" * 64, b"a camera's own notes"):
        Path("padded.mp4").write_bytes(path.read_bytes() + padding)
        pictures, broken = read(Path("padded.mp4"))
        assert len(pictures) == 10
        assert broken == []


# ------------------------------------------------------------------ what is a video


def test_a_video_is_known_by_what_is_in_it() -> None:
    made_videos.write(Path("a.mp4"), made_videos.noisy(3)).rename("camera.bin")
    assert is_video(Path("camera.bin"))
    Path("words.txt").write_text("a text is not a film of a terminal\n")
    assert not is_video(Path("words.txt"))
    assert not is_video(Path("nothing"))


def test_nothing_is_fetched_for_a_playlist() -> None:
    Path("list.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    pictures, broken = read(Path("list.m3u8"))
    assert pictures == []
    assert len(broken) == 1


def test_a_name_that_ffmpeg_would_take_for_an_address_is_a_file() -> None:
    path = made_videos.write(Path("a.mp4"), made_videos.noisy(3)).rename("pipe:0.mp4")
    assert len(read(Path(path))[0]) == 3


def test_a_picture_file_with_the_name_of_a_video_is_read_as_what_it_is() -> None:
    Path("a.mp4").write_bytes(cv2.imencode(".png", made_videos.noisy(1)[0])[1].tobytes())
    pictures, broken = read(Path("a.mp4"))
    assert len(pictures) == 1
    assert broken == []
