import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.output.codecs import Codec, VideoOptions
from carla_saliency.output.encoder import QUEUE_PICTURES, Encoder, Piece
from carla_saliency.output.faststart import make_faststart
from carla_saliency.output.names import free_name
from carla_saliency.output.recent import Recent
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


def test_a_drive_goes_on_while_a_video_is_made_an_ordinary_file(tmp_path, monkeypatch) -> None:
    go = threading.Event()
    begun: list[Path] = []

    def slow(path: Path) -> None:
        begun.append(path)
        assert go.wait(60)
        if path.name == "a.mp4":
            raise OSError(28, "No space left on device")
        make_faststart(path)

    monkeypatch.setattr("carla_saliency.output.video.make_faststart", slow)
    said: list[str] = []
    with Recorder((64, 32), 20.0, said.append, pytest.fail) as recorder:
        for name in ("a.mp4", "b.mp4"):
            recorder.start(tmp_path / name)
            for _ in range(30):
                recorder.write(PICTURE)
            recorder.stop()  # would wait for ever if it waited
            assert recorder.status == "saved"
            assert frames_of(tmp_path / name) == 30
        assert said == [
            f"video: {tmp_path / name}, 30 frames, 1.5 s" for name in ("a.mp4", "b.mp4")
        ]
        go.set()
    assert begun == [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    assert b"moof" in (tmp_path / "a.mp4").read_bytes()
    assert b"moof" not in (tmp_path / "b.mp4").read_bytes()
    note = "plays, but its index could not be put first (No space left on device)"
    assert said[2:] == [f"video: {tmp_path / 'a.mp4'} {note}"]


def test_a_video_of_the_same_name_waits_for_the_older_one(tmp_path, monkeypatch) -> None:
    def slow(path: Path) -> None:
        time.sleep(0.3)
        make_faststart(path)

    monkeypatch.setattr("carla_saliency.output.video.make_faststart", slow)
    with Recorder((64, 32), 20.0, lambda _: None, pytest.fail) as recorder:
        for count in (30, 7):
            recorder.start(tmp_path / "d.mp4")
            for _ in range(count):
                recorder.write(PICTURE)
            recorder.stop()
    assert frames_of(tmp_path / "d.mp4") == 7


def test_a_file_that_somebody_empties_ends_in_a_line(tmp_path, monkeypatch) -> None:
    said: list[str] = []
    with Recorder((64, 32), 20.0, said.append, pytest.fail) as recorder:
        recorder.start(tmp_path / "d.mp4")
        file = recorder._file
        assert file is not None
        end = file.end

        def emptied() -> None:
            end()
            (tmp_path / "d.mp4").write_bytes(b"")

        monkeypatch.setattr(file, "end", emptied)
        recorder.write(PICTURE)
        recorder.stop()
    assert len(said) == 2
    assert "Invalid data" in said[1]


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


# ------------------------------------------------------------------ the last seconds


def numbered(number: int) -> np.ndarray:
    """Return a picture that tells its number in eight black or white columns."""
    bits = [255 * (number >> bit & 1) for bit in range(8)]
    columns = np.repeat(np.array(bits, np.uint8), 8)
    return np.broadcast_to(columns[None, :, None], (32, 64, 3)).copy()


def numbers_in(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    bits = [picture.reshape(32, 8, 8).mean(axis=(0, 2)) > 128 for picture in pictures]
    return [int(one @ (1 << np.arange(8))) for one in bits]


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def test_the_last_seconds_can_be_saved_without_a_video(tmp_path) -> None:
    with Recorder((64, 32), 10.0, pytest.fail, pytest.fail, past_s=4.0, may_skip=False) as recorder:
        assert recorder.wants_pictures
        for number in range(100):
            recorder.write(numbered(number))
        assert recorder.status == "off"
        excerpt = recorder.last(25)
        assert excerpt is not None
        count = excerpt.save(tmp_path / "clip.mp4")
    numbers = numbers_in(tmp_path / "clip.mp4")
    assert numbers[-1] == 99  # nothing that the encoder held back is missing
    assert 25 <= len(numbers) == count <= 35  # from the key picture before it
    assert numbers == list(range(100 - count, 100))
    assert times_of(tmp_path / "clip.mp4") == pytest.approx([n / 10 for n in range(count)])


def test_more_than_there_is_gives_what_there_is(tmp_path) -> None:
    with Recorder((64, 32), 10.0, pytest.fail, pytest.fail, past_s=4.0, may_skip=False) as recorder:
        for number in range(7):
            recorder.write(numbered(number))
        excerpt = recorder.last(40)
        for number in range(7, 100):  # what it forgets meanwhile doesn't matter
            recorder.write(numbered(number))
        assert excerpt is not None
        assert excerpt.save(tmp_path / "clip.mp4") == 7
    assert numbers_in(tmp_path / "clip.mp4") == list(range(7))


def test_nothing_to_save_makes_no_file(tmp_path) -> None:
    with Recorder((64, 32), 10.0, pytest.fail, pytest.fail, past_s=4.0, may_skip=False) as recorder:
        excerpt = recorder.last(40)
        assert excerpt is not None
        assert excerpt.save(tmp_path / "clip.mp4") == 0
    assert not list(tmp_path.iterdir())


def test_an_excerpt_can_be_saved_after_the_end(tmp_path) -> None:
    with Recorder((64, 32), 10.0, pytest.fail, pytest.fail, past_s=4.0, may_skip=False) as recorder:
        for number in range(12):
            recorder.write(numbered(number))
        excerpt = recorder.last(12)
    assert recorder.last(12) is None
    assert excerpt is not None
    excerpt.save(tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "clip.mp4") == list(range(12))


def test_without_a_past_there_is_nothing_to_save(tmp_path) -> None:
    with Recorder((64, 32), 10.0, lambda _: None, pytest.fail) as recorder:
        assert not recorder.wants_pictures
        recorder.start(tmp_path / "d.mp4")
        recorder.write(PICTURE)
        assert recorder.last(1) is None


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_videos_and_the_last_seconds_are_in_the_same_codec(tmp_path, codec: Codec) -> None:
    with Recorder(
        (64, 32), 10.0, lambda _: None, pytest.fail, 4.0, False, VideoOptions(codec)
    ) as recorder:
        for number in range(90):
            if number == 33:
                recorder.start(tmp_path / "a.mp4")
            if number == 57:
                recorder.stop()
            recorder.write(numbered(number))
        excerpt = recorder.last(40)
    assert excerpt is not None
    excerpt.save(tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "a.mp4") == list(range(33, 57))
    numbers = numbers_in(tmp_path / "clip.mp4")
    assert numbers == list(range(numbers[0], 90))
    assert 40 <= len(numbers) <= 50
    for name in ("a.mp4", "clip.mp4"):
        with av.open(str(tmp_path / name)) as container:
            decoder = container.streams.video[0].codec_context.name
        assert decoder == {"av1": "libdav1d"}.get(codec, codec)


def test_a_video_that_begins_in_the_middle_has_exactly_its_own_pictures(tmp_path) -> None:
    with Recorder(
        (64, 32), 10.0, lambda _: None, pytest.fail, past_s=4.0, may_skip=False
    ) as recorder:
        for number in range(90):
            if number == 33:  # between two key pictures
                recorder.start(tmp_path / "a.mp4")
            if number == 57:
                recorder.stop()
                assert recorder.status == "saved"
                assert recorder.seconds == pytest.approx(2.4)
                assert frames_of(tmp_path / "a.mp4") == 57 - 33  # complete now, not later
            if number == 71:
                recorder.start(tmp_path / "b.mp4")
            recorder.write(numbered(number))
        excerpt = recorder.last(40)
    assert numbers_in(tmp_path / "a.mp4") == list(range(33, 57))
    assert numbers_in(tmp_path / "b.mp4") == list(range(71, 90))
    assert times_of(tmp_path / "b.mp4")[0] == 0
    assert excerpt is not None
    excerpt.save(tmp_path / "clip.mp4")  # goes on over the beginning and the end of videos
    numbers = numbers_in(tmp_path / "clip.mp4")
    assert numbers == list(range(numbers[0], 90))
    assert 40 <= len(numbers) <= 50


def test_a_video_that_fails_leaves_the_past(tmp_path, monkeypatch) -> None:
    said: list[str] = []
    failed: list[str] = []
    with Recorder(
        (64, 32), 10.0, said.append, failed.append, past_s=4.0, may_skip=False
    ) as recorder:
        recorder.start(tmp_path / "d.mp4")
        file = recorder._file
        assert file is not None

        def full(piece: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(file, "_mux", full)
        for number in range(40):
            recorder.write(numbered(number))
        recorder.stop()
        assert recorder.status == "off"
        excerpt = recorder.last(40)
        assert excerpt is not None
        excerpt.save(tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "clip.mp4") == list(range(40))
    assert said == []
    assert len(failed) == 1
    assert "No space left on device" in failed[0]


def test_an_encoder_that_fails_is_told_once_and_the_drive_goes_on(tmp_path, monkeypatch) -> None:
    def broken(self: Encoder, picture: np.ndarray | None, number: int) -> list[Piece]:
        raise MemoryError("no memory")

    monkeypatch.setattr(Encoder, "_pieces", broken)
    failed: list[str] = []
    with Recorder(
        (64, 32), 10.0, pytest.fail, failed.append, past_s=4.0, may_skip=False
    ) as recorder:
        for number in range(40):
            recorder.write(numbered(number % 20))
        assert recorder.last(3) is None
        assert not recorder.wants_pictures
    assert len(failed) == 1
    assert "no memory" in failed[0]


def test_odd_sizes_are_refused_before_the_drive_begins() -> None:
    with pytest.raises(BadInputError, match="received 65x32"):
        Recorder((65, 32), 10.0, pytest.fail, pytest.fail, past_s=4.0, may_skip=False)


def test_the_past_is_bounded_in_seconds_and_in_bytes() -> None:
    by_count, by_bytes = Recent(25, 10**9), Recent(1000, 5_000)
    for number in range(200):
        piece = Piece(bytes(100), number, number % 10 == 0)
        by_count.add(piece)
        by_bytes.add(piece)
        assert by_bytes.size_bytes <= 5_000
    assert [piece.number for piece in by_count.since(0)] == list(range(170, 200))
    assert by_count.size_bytes == 3_000
    assert [piece.number for piece in by_bytes.since(0)] == list(range(150, 200))
    assert [piece.number for piece in by_bytes.since(189)] == list(range(180, 200))
    assert [piece.number for piece in by_bytes.since(190)] == list(range(190, 200))


def test_the_past_alone_never_waits_for_the_encoder(tmp_path) -> None:
    go = threading.Event()
    reached = threading.Event()
    with Recorder((64, 32), 10.0, lambda _: None, pytest.fail, past_s=20.0) as recorder:
        encoder = recorder._encoder
        assert encoder is not None

        def slow() -> None:
            reached.set()
            assert go.wait(60)

        recorder.write(numbered(0))
        encoder.between(slow)
        assert reached.wait(60)
        for number in range(1, 50):
            recorder.write(numbered(number))  # would wait for ever if it waited
        go.set()
        recorder.start(tmp_path / "video.mp4")
        for number in range(50, 100):  # a video has every picture
            recorder.write(numbered(number))
        recorder.stop()
        excerpt = recorder.last(100)
    assert excerpt is not None
    excerpt.save(tmp_path / "clip.mp4")
    assert numbers_in(tmp_path / "video.mp4") == list(range(50, 100))
    kept = [*range(1 + QUEUE_PICTURES), *range(50, 100)]
    assert numbers_in(tmp_path / "clip.mp4") == kept
    assert times_of(tmp_path / "clip.mp4") == pytest.approx([number / 10 for number in kept])
