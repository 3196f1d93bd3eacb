from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.output.video import Video
from carla_saliency.pictures import is_video, read_picture, read_video, write_picture


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(name: str, height: int = 360, width: int = 640, seed: int = 0) -> np.ndarray:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    write_picture(Path(name), picture)
    return picture


def test_a_picture_survives_writing_and_reading() -> None:
    picture = save("frame.png", 20, 30)
    assert np.array_equal(read_picture(Path("frame.png")), picture)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_picture_that_was_cut_off_is_refused_and_no_library_says_so_itself(
    suffix, share, capfd
) -> None:
    whole = cv2.imencode(suffix, save("whole.png", 60, 80))[1].tobytes()
    path = Path(f"cut{suffix}")
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadInputError, match="is not a whole picture"):
        read_picture(path)
    assert capfd.readouterr().err == ""
    os.write(2, b"stderr is back\n")
    assert capfd.readouterr().err == "stderr is back\n"


def test_red_stays_red() -> None:
    cv2.imwrite("red.png", np.full((8, 8, 3), (0, 0, 255), np.uint8))  # BGR
    assert (read_picture(Path("red.png")) == (255, 0, 0)).all()


def test_grey_pictures_and_those_with_alpha_become_rgb() -> None:
    cv2.imwrite("grey.png", np.full((8, 9), 77, np.uint8))
    cv2.imwrite("alpha.png", np.full((8, 9, 4), 77, np.uint8))
    for name in ("grey.png", "alpha.png"):
        picture = read_picture(Path(name))
        assert picture.shape == (8, 9, 3)
        assert (picture == 77).all()


def test_a_file_that_can_not_be_written_is_one_line() -> None:
    with pytest.raises(BadInputError, match=r"^no/a.png can't be written: No such file"):
        write_picture(Path("no/a.png"), np.zeros((4, 4, 3), np.uint8))


# ------------------------------------------------------------------ videos


def save_video(name: str, count: int = 12, rate: float = 20.0) -> None:
    with Video(Path(name), (64, 48), rate) as video:
        for i in range(count):
            video.write(np.full((48, 64, 3), (200, 20 * i, 30), np.uint8))


def test_a_video_has_its_pictures_in_order_with_their_times_and_colours() -> None:
    save_video("drive.mp4")
    pictures = list(read_video(Path("drive.mp4")))
    assert [each.number for each in pictures] == list(range(12))
    assert [each.time_s for each in pictures] == pytest.approx([i / 20 for i in range(12)])
    assert {each.rate for each in pictures} == {20.0}
    for i, each in enumerate(pictures):
        assert each.image.shape == (48, 64, 3)
        assert each.image.dtype == np.uint8
        colour = each.image[10:-10, 10:-10].reshape(-1, 3).mean(axis=0)
        assert colour == pytest.approx((200, 20 * i, 30), abs=8)


def test_a_video_is_told_by_its_name() -> None:
    assert is_video(Path("a/b.MP4"))
    assert is_video(Path("b.mkv"))
    assert not is_video(Path("b.png"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the video bad.mp4 can't be read after 0 pictures"),
        (b"no video at all", "the video bad.mp4 can't be read after 0 pictures"),
        (None, "the video bad.mp4 can't be read after 0 pictures: No such file"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(content, said) -> None:
    if content is not None:
        Path("bad.mp4").write_bytes(content)
    with pytest.raises(BadInputError, match=said) as caught:
        list(read_video(Path("bad.mp4")))
    assert len(str(caught.value).splitlines()) == 1


def test_a_video_that_was_cut_off_gives_what_it_has_or_is_refused() -> None:
    save_video("whole.mp4", 40)
    whole = Path("whole.mp4").read_bytes()
    counts = []
    for share in range(1, 11):
        Path("cut.mp4").write_bytes(whole[: len(whole) * share // 10])
        try:
            counts.append(sum(1 for _ in read_video(Path("cut.mp4"))))
        except BadInputError:
            counts.append(0)
    assert max(counts) <= 40
    assert counts[-1] == 40
