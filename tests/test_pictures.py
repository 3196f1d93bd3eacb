from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.pictures import read_picture, write_picture


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
