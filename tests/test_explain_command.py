from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency import cli
from carla_saliency.commands.explain import read_picture, write_picture
from carla_saliency.errors import BadInputError
from carla_saliency.factory import SHIPPED_NETWORK


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


@pytest.mark.parametrize("method", ["contrast", "abs-gradient"])
def test_each_picture_becomes_a_png_named_after_it(method, capsys) -> None:
    Path("maps").mkdir()
    save("a.png")
    save("b.c.jpg", seed=1)
    assert cli.main(["explain", "a.png", "b.c.jpg", "--method", method, "--out", "maps"]) == 0
    names = [f"a.{method}.png", f"b.c.{method}.png"]
    assert sorted(path.name for path in Path("maps").iterdir()) == names
    for name in names:
        assert read_picture(Path("maps") / name).shape == (456, 1280, 3)
    answer = capsys.readouterr()
    said = answer.out.splitlines()
    assert [line.split(": steering ")[0] for line in said] == [f"maps/{name}" for name in names]
    assert all(line.endswith("°") for line in said)
    assert answer.err == ""


def test_nothing_is_overwritten() -> None:
    save("a.png")
    Path("a.contrast.png").write_text("mine")
    assert cli.main(["explain", "a.png"]) == 0
    assert cli.main(["explain", "a.png"]) == 0
    assert Path("a.contrast.png").read_text() == "mine"
    assert Path("a.contrast-2.png").read_bytes() == Path("a.contrast-3.png").read_bytes()


def test_pictures_of_one_run_share_their_scale() -> None:
    """The plain picture's own weak map would be as bright as the other's if each had its own."""
    save("busy.png")
    weak = np.full((360, 640, 3), 100, np.uint8)
    weak[::2] += 2
    write_picture(Path("weak.png"), weak)
    assert cli.main(["explain", "weak.png"]) == 0
    assert cli.main(["explain", "busy.png", "weak.png"]) == 0

    def colour(name: str) -> int:
        pane = read_picture(Path(name))[30:370, 650:1260].astype(int)
        return int(np.ptp(pane, axis=2).max())

    alone, beside_the_other = colour("weak.contrast.png"), colour("weak.contrast-2.png")
    assert beside_the_other < alone / 2


def test_a_network_without_a_contract_is_given_the_whole_picture_and_that_is_said(capsys) -> None:
    Path("mine.keras").write_bytes(SHIPPED_NETWORK.read_bytes())
    save("small.png", 160, 320)
    assert cli.main(["explain", "small.png", "--model", "mine.keras"]) == 0
    answer = capsys.readouterr()
    assert "mine.keras has no camera contract" in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "°" not in answer.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "bad.png is not a whole picture"),
        (b"no picture at all", "bad.png is not a whole picture"),
        (b"\x89PNG\r\n\x1a\n", "bad.png is not a whole picture"),
        (None, "can't read the picture bad.png: No such file"),
    ],
)
def test_nothing_is_written_if_one_picture_can_not_be_used(content, said, capfd) -> None:
    save("good.png")
    if content is not None:
        Path("bad.png").write_bytes(content)
    before = sorted(Path().iterdir())
    assert cli.main(["explain", "good.png", "bad.png"]) == 2
    error = capfd.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert sorted(Path().iterdir()) == before


def test_a_picture_that_shows_too_little_is_named(capsys) -> None:
    save("flat.png", 100, 640)
    assert cli.main(["explain", "flat.png"]) == 2
    assert "flat.png: a camera picture of 640x100 does not show" in capsys.readouterr().err


def test_a_folder_as_a_picture_and_a_file_as_a_folder_are_refused(capsys) -> None:
    save("a.png")
    Path("folder").mkdir()
    assert cli.main(["explain", "folder"]) == 2
    assert cli.main(["explain", "a.png", "--out", "a.png"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "can't read the picture folder" in first
    assert "--out must be a folder that exists, received 'a.png'" in second


def test_a_method_that_is_not_there_is_refused(capsys) -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--method", "guess"]) == 2
    assert "--method must be one of contrast" in capsys.readouterr().err


def test_a_file_that_can_not_be_written_is_one_line() -> None:
    with pytest.raises(BadInputError, match=r"^no/a.png can't be written: No such file"):
        write_picture(Path("no/a.png"), np.zeros((4, 4, 3), np.uint8))


def test_flags_may_stand_in_a_file(capsys) -> None:
    save("a.png")
    Path("calm.yaml").write_text("method: gradient\n")
    assert cli.main(["explain", "a.png", "--config", "calm.yaml"]) == 0
    assert Path("a.gradient.png").exists()
