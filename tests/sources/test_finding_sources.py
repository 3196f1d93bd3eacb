from __future__ import annotations

import os
from pathlib import Path

import made_logs
import made_videos
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.sources import Broken, Picture, find_sources


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def paths(*names: str) -> list[str]:
    return [str(source.path) for source in find_sources(names)]


def test_a_picture_is_one_picture_without_a_time() -> None:
    made_logs.save(Path("a.png"), 77)
    source = find_sources(["a.png"])[0]
    assert (source.moving, source.count) == (False, 1)
    (picture,) = source.read()
    assert isinstance(picture, Picture)
    assert (picture.name, picture.number, picture.time_s) == ("a.png", 0, None)
    assert (picture.image == (77, 0, 0)).all()


def test_a_broken_picture_is_told_when_it_is_read() -> None:
    Path("bad.png").write_bytes(b"no picture")
    (broken,) = find_sources(["bad.png"])[0].read()
    assert isinstance(broken, Broken)
    assert broken.text.startswith("bad.png is not a whole picture")


def test_a_folder_is_its_pictures_and_videos_in_the_order_of_a_person() -> None:
    for name in ("f10.png", "f2.jpg", "f1.PNG", "z.webp"):
        made_logs.save(Path(name))
    made_videos.write(Path("f3.mp4"), made_videos.noisy(2))
    Path("notes.txt").write_text("mine")
    Path("inside").mkdir()
    made_logs.save(Path("inside/deeper.png"))
    expected = ["f1.PNG", "f2.jpg", "f3.mp4", "f10.png", "z.webp"]
    assert paths(".") == expected
    assert [source.moving for source in find_sources(["."])] == [False, False, True, False, False]


def test_a_pattern_takes_what_matches_and_what_can_be_explained() -> None:
    Path("run/deep").mkdir(parents=True)
    for name in ("run/a10.png", "run/a9.png", "run/deep/b.png", "run/c.jpg"):
        made_logs.save(Path(name))
    Path("run/a.txt").write_text("mine")
    assert paths("run/a*") == ["run/a9.png", "run/a10.png"]
    assert paths("run/**") == paths("run/**/*")
    assert paths("run/**") == ["run/a9.png", "run/a10.png", "run/c.jpg", "run/deep/b.png"]
    assert paths("run/[c].jpg", "run/a9.png") == ["run/c.jpg", "run/a9.png"]


def test_a_name_with_signs_of_a_pattern_is_a_file_if_there_is_one() -> None:
    made_logs.save(Path("a[1].png"))
    made_logs.save(Path("a1.png"))
    assert paths("a[1].png") == ["a[1].png"]


def test_logs_are_known_by_their_folder_or_their_file() -> None:
    made_logs.udacity(Path("sim"), [0, 0.1])
    made_logs.tub_1(Path("old"), [0])
    made_logs.tub_2(Path("new"), [0])
    assert paths("sim", "old", "new") == ["sim/driving_log.csv", "old", "new"]
    assert paths("sim/driving_log.csv", "new/manifest.json") == ["sim/driving_log.csv", "new"]
    assert all(source.moving for source in find_sources(["sim", "old", "new"]))


@pytest.mark.parametrize("pattern", ["runs/*", "runs/**", "runs/**/*"])
def test_a_log_that_a_pattern_matches_is_one_log_and_not_its_pictures_again(pattern) -> None:
    made_logs.udacity(Path("runs/sim"), [0, 0.1])
    made_logs.tub_1(Path("runs/old"), [0])
    made_logs.tub_2(Path("runs/new"), [0])
    made_logs.save(Path("runs/a.png"))
    expected = ["runs/new", "runs/old", "runs/sim/driving_log.csv", "runs/a.png"]
    assert paths(pattern) == expected


def test_a_file_without_a_known_name_is_what_is_in_it() -> None:
    made_logs.save(Path("a.png")).rename("picture")
    made_videos.write(Path("a.mp4"), made_videos.noisy(2)).rename("video.part")
    picture, video = find_sources(["picture", "video.part"])
    assert (picture.moving, video.moving) == (False, True)
    assert len(list(video.read())) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.png", "none.png: No such file or folder: give a picture, a video"),
        ("none*.png", r"none\*.png matches nothing to explain"),
        ("empty", "the folder empty has nothing to explain: expected a picture"),
        ("words.txt", "words.txt can't be explained: expected a picture, a video"),
        ("nothing.bin", "nothing.bin can't be explained"),
        ("pipe", "pipe can't be explained"),
        ("prices.csv", "prices.csv is no log of Udacity's simulator"),
        ("a\0b", "can't be used|No such file"),
        ("x" * 5000, "can't be used|No such file"),
    ],
)
def test_what_can_not_be_explained_is_refused_in_one_line(name, said, capfd) -> None:
    Path("empty").mkdir()
    Path("words.txt").write_text("These are only words.\n" * 50)
    Path("nothing.bin").write_bytes(b"")
    Path("prices.csv").write_text("pear;3\n")
    os.mkfifo("pipe")
    with pytest.raises(BadInputError, match=said) as caught:
        find_sources([name])
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")
