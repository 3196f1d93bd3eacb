from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import made_logs
import made_videos
import numpy as np
import pytest

from carla_saliency import cli
from carla_saliency.core import LayerInfo
from carla_saliency.factory import SHIPPED_NETWORK
from carla_saliency.factory.every_layer import every_layer
from carla_saliency.output.video import Video
from carla_saliency.pictures import read_picture, write_picture
from carla_saliency.sources import Picture
from carla_saliency.sources.videos import VideoFile

TABLES = ("explain.csv", "explain.parquet")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def read_video(path: Path) -> list[Picture]:
    pictures = list(VideoFile(path).read())
    assert all(isinstance(one, Picture) for one in pictures)
    return pictures


def rows(name: str = "explain.csv") -> list[dict[str, str]]:
    with Path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def save(name: str, height: int = 360, width: int = 640, seed: int = 0) -> np.ndarray:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    write_picture(Path(name), picture)
    return picture


@pytest.mark.parametrize("method", ["contrast", "abs-gradient"])
def test_each_picture_becomes_a_png_named_after_it(method, capsys) -> None:
    Path("maps").mkdir()
    save("a.png")
    save("b.c.jpg", seed=1)
    assert cli.main(["explain", "a.png", "b.c.jpg", "--method", method, "--out", "maps"]) == 0
    names = [f"a.{method}.png", f"b.c.{method}.png"]
    assert sorted(path.name for path in Path("maps").iterdir()) == [*names, *TABLES]
    for name in names:
        assert read_picture(Path("maps") / name).shape == (456, 1280, 3)
    answer = capsys.readouterr()
    *said, last = answer.out.splitlines()
    assert last == "maps/explain.csv, explain.parquet: 2 rows"
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
    assert "mine.keras: a guess: camera: no contract" in answer.err
    assert "°" not in answer.out


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_picture_is_named_skipped_and_counted(content, capfd) -> None:
    save("good.png")
    Path("bad.png").write_bytes(content)
    assert cli.main(["explain", "good.png", "bad.png"]) == 1
    answer = capfd.readouterr()
    first, second = answer.err.splitlines()
    assert first.startswith("carla-saliency: skipped: bad.png is not a whole picture")
    assert second == "carla-saliency: 1 broken input was skipped"
    assert "good.contrast.png: steering" in answer.out
    assert [row["input"] for row in rows()] == ["good.png"]
    assert not list(Path().glob("bad.contrast*"))


def test_nothing_is_written_if_nothing_can_be_explained(capfd) -> None:
    Path("bad.png").write_bytes(b"no picture")
    Path("bad.mp4").write_bytes(b"no video")
    assert cli.main(["explain", "bad.png", "bad.mp4"]) == 2
    first, second, third = capfd.readouterr().err.splitlines()
    assert "skipped: bad.png is not a whole picture" in first
    assert "skipped: the video bad.mp4 can't be read after 0 pictures" in second
    assert third == "carla-saliency: nothing could be explained: 2 broken inputs were skipped"
    assert sorted(path.name for path in Path().iterdir()) == ["bad.mp4", "bad.png"]


def test_nothing_is_written_if_an_input_does_not_exist(capfd) -> None:
    save("good.png")
    assert cli.main(["explain", "good.png", "none.png"]) == 2
    error = capfd.readouterr().err
    assert "none.png: No such file or folder" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in Path().iterdir()] == ["good.png"]


def test_a_picture_that_shows_too_little_is_named(capsys) -> None:
    save("flat.png", 100, 640)
    assert cli.main(["explain", "flat.png"]) == 2
    assert "flat.png: a camera picture of 640x100 does not show" in capsys.readouterr().err


def test_an_empty_folder_and_a_file_as_a_folder_are_refused(capsys) -> None:
    save("a.png")
    Path("folder").mkdir()
    assert cli.main(["explain", "folder"]) == 2
    assert cli.main(["explain", "a.png", "--out", "a.png"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "the folder folder has nothing to explain" in first
    assert second.startswith("carla-saliency: --out a.png: ")
    assert second.endswith("a.png is a file, expected a folder")


def test_a_folder_for_the_maps_is_made() -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--out", "new/maps"]) == 0
    assert {path.suffix for path in Path("new/maps").iterdir()} == {".png", ".csv", ".parquet"}


def test_a_method_that_is_not_there_is_refused(capsys) -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--method", "guess"]) == 2
    assert "--method must be one of contrast" in capsys.readouterr().err


def test_flags_may_stand_in_a_file(capsys) -> None:
    save("a.png")
    Path("calm.yaml").write_text("method: gradient\n")
    assert cli.main(["explain", "a.png", "--config", "calm.yaml"]) == 0
    assert Path("a.gradient.png").exists()


# ------------------------------------------------------------------ layers


def test_every_layer_becomes_one_sheet(capsys) -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--layer", "all"]) == 0
    assert capsys.readouterr().out.startswith("a.contrast.layers.png: steering ")
    sheet = read_picture(Path("a.contrast.layers.png"))
    assert sheet.shape[1] == 1280
    assert sheet.shape[0] > 800  # three rows of layers below the picture


def test_a_method_of_cells_makes_a_sheet_of_the_layers_that_have_cells() -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--layer", "all", "--method", "layercam"]) == 0
    assert read_picture(Path("a.layercam.layers.png")).shape[1] == 1280


def test_one_layer_may_be_explained_and_its_activations_shown() -> None:
    save("a.png")
    arguments = ["--layer", "conv3", "--activations", "conv1"]
    assert cli.main(["explain", "a.png", *arguments]) == 0
    names = sorted(path.name for path in Path().iterdir())
    assert names == ["a.contrast.png", "a.conv1.activations.png", "a.png", *TABLES]


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(capsys) -> None:
    save("a.png")
    assert cli.main(["explain", "a.png", "--activations", "conv77"]) == 2
    assert cli.main(["explain", "a.png", "--layer", "conv77"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    for line in (first, second):
        assert "no layer conv77" in line
        assert "conv1" in line


def test_pictures_of_one_run_share_the_scale_of_each_layer_unless_each_has_its_own() -> None:
    save("busy.png")
    weak = np.full((360, 640, 3), 100, np.uint8)
    weak[::2] += 2
    write_picture(Path("weak.png"), weak)
    for scale in ("drive", "frame"):
        arguments = ["--layer", "all", "--scale", scale]
        assert cli.main(["explain", "busy.png", "weak.png", *arguments]) == 0
    shared, own = (read_picture(Path(f"weak.contrast.layers{n}.png")) for n in ("", "-2"))

    def colour(sheet: np.ndarray) -> int:
        cells = sheet[440:-90, 12:].astype(int)
        return int((np.ptp(cells, axis=2) > 60).sum())

    assert colour(shared) < colour(own) / 2


def info(name: str, kind: str, shape: tuple[int, ...] = (1,), source: str = "") -> LayerInfo:
    return LayerInfo(name, kind, shape, source=source)


def test_every_layer_means_convolutions_dense_layers_and_the_steering() -> None:
    layers = (
        info("rescaling", "Rescaling", (66, 200, 3)),
        info("conv", "Conv2D", (31, 98, 24)),
        info("pool", "MaxPooling2D", (15, 49, 24)),
        info("sep", "SeparableConv2D", (7, 24, 24)),
        info("flat", "Flatten", (4032,)),
        info("dense", "Dense", (10,)),
    )
    out = info("out", "Dense", (1,), "dense")
    own = info("steering", "Dense", (1,), "dense")
    expected = ("conv", "sep", "dense", "steering")
    assert every_layer((*layers, own)) == expected
    assert every_layer((*layers, out, info("steering", "Activation", source="out"))) == expected
    tanh = info("tanh", "Activation", source="out")
    behind = (*layers, out, tanh, info("steering", "Activation", source="tanh"))
    assert every_layer(behind) == ("conv", "sep", "dense", "out", "steering")
    bins = info("bins", "Dense", (15,), "dense")
    assert every_layer((*layers, bins, info("steering", "Dense", source="bins")))[-2:] == (
        "bins",
        "steering",
    )


# ------------------------------------------------------------------ videos and targets


def save_video(name: str, count: int = 6) -> None:
    rng = np.random.default_rng(0)
    with Video(Path(name), (320, 180), 20.0) as video:
        for _ in range(count):
            small = rng.integers(0, 256, (9, 16, 3), np.uint8)
            video.write(np.ascontiguousarray(small.repeat(20, axis=0).repeat(20, axis=1)))


def test_a_video_becomes_a_video_with_a_map_for_every_frame(capsys) -> None:
    save_video("drive.mp4")
    assert cli.main(["explain", "drive.mp4"]) == 0
    table = "explain.csv, explain.parquet: 6 rows"
    assert capsys.readouterr().out == f"drive.contrast.mp4: 6 frames\n{table}\n"
    pictures = read_video(Path("drive.contrast.mp4"))
    assert len(pictures) == 6
    assert pictures[0].image.shape == (360, 1280, 3)
    assert VideoFile(Path("drive.contrast.mp4")).rate == 20.0
    assert [row["time_s"] for row in rows()] == ["0", "0.05", "0.1", "0.15", "0.2", "0.25"]


def test_what_changed_is_asked_of_a_video_only(capsys) -> None:
    save("a.png")
    save_video("drive.mp4", 3)
    assert cli.main(["explain", "drive.mp4", "--target", "change", "--steps", "4"]) == 0
    assert len(read_video(Path("drive.change.mp4"))) == 3
    capsys.readouterr()
    assert cli.main(["explain", "a.png", "--target", "change"]) == 2
    assert "a.png is one picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.png", "--target", "difference"], "needs the expert"),
        (["drive.mp4", "--target", "change", "--layer", "conv1"], "leave out --layer"),
        (["drive.mp4", "--layer", "all"], "--layer all makes a sheet of a picture"),
        (["drive.mp4", "--activations", "conv1"], "--activations makes a sheet of a picture"),
    ],
)
def test_questions_that_these_files_can_not_answer_are_refused(arguments, said, capsys) -> None:
    save("a.png")
    save_video("drive.mp4", 1)
    before = sorted(Path().iterdir())
    assert cli.main(["explain", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert sorted(Path().iterdir()) == before


# ------------------------------------------------------------------ the table, logs, broken files


def test_the_order_of_pictures_does_not_change_their_scale() -> None:
    save("busy.png")
    weak = np.full((360, 640, 3), 100, np.uint8)
    weak[::2] += 2
    write_picture(Path("weak.png"), weak)
    for scale, files in (("drive", ["weak.png", "busy.png"]), ("frame", ["busy.png", "weak.png"])):
        for order in (files, files[::-1]):
            assert cli.main(["explain", *order, "--scale", scale]) == 0
    for name in ("busy", "weak"):
        maps = [read_picture(Path(f"{name}.contrast{n}.png")) for n in ("", "-2", "-3", "-4")]
        assert np.array_equal(maps[0], maps[1])
        assert np.array_equal(maps[2], maps[3])


def test_the_table_has_the_numbers_of_each_map() -> None:
    save("a.png")
    assert cli.main(["explain", "a.png"]) == 0
    assert cli.main(["explain", "a.png", "--layer", "all"]) == 0
    (row,) = rows()
    assert (row["input"], row["frame"], row["method"], row["of"]) == (
        "a.png",
        "0",
        "contrast",
        "steering",
    )
    assert (row["time_s"], row["recorded_steering"]) == ("", "")
    assert float(row["degrees"]) == pytest.approx(70 * float(row["steering"]), rel=1e-3)
    assert float(row["map_left"]) < 0 < float(row["map_right"])
    assert 0 < float(row["map_p99_5"]) < float(row["map_right"])
    layers = rows("explain-2.csv")
    assert len(layers) > 5
    assert layers[-1]["of"] == "steering"
    for each in layers:
        assert float(each["steering"]) == pytest.approx(float(row["steering"]), abs=1e-5)


@pytest.mark.parametrize(
    ("make", "name"),
    [(made_logs.udacity, "driving_log"), (made_logs.tub_1, "log"), (made_logs.tub_2, "log")],
)
def test_a_log_becomes_a_video_and_what_was_steered_stands_in_the_table(make, name, capfd) -> None:
    make(Path("log"), [0.0, -0.25, 0.5])
    arguments = ["--model", "mine.keras", "--method", "gradient"]
    Path("mine.keras").write_bytes(SHIPPED_NETWORK.read_bytes())  # takes pictures of any size
    assert cli.main(["explain", "log", *arguments]) == 0
    assert f"{name}.gradient.mp4: 3 frames\n" in capfd.readouterr().out
    assert len(read_video(Path(f"{name}.gradient.mp4"))) == 3
    table = rows()
    assert [float(row["recorded_steering"]) for row in table] == [0.0, -0.25, 0.5]
    assert [row["frame"] for row in table] == ["0", "1", "2"]
    assert float(table[2]["time_s"]) > 0


def test_what_can_be_read_of_a_video_that_was_cut_off_is_explained(capfd) -> None:
    save_video("drive.mp4", 40)
    data = Path("drive.mp4").read_bytes()
    Path("cut.mp4").write_bytes(data[: len(data) // 2])
    Path("drive.mp4").unlink()
    assert cli.main(["explain", "cut.mp4"]) == 1
    answer = capfd.readouterr()
    count = len(rows())
    assert 0 < count < 40
    assert f"cut.contrast.mp4: {count} frames" in answer.out
    assert len(read_video(Path("cut.contrast.mp4"))) == count
    assert "cut.mp4" in answer.err.splitlines()[0]
    assert "skipped" in answer.err.splitlines()[-1]


def test_videos_and_logs_that_show_too_little_are_named_each_once(capfd) -> None:
    save("good.png")
    for name in ("a", "b"):
        made_logs.udacity(Path(name), [0.0, 0.1, 0.2])
    assert cli.main(["explain", "good.png", "a", "b"]) == 1
    first, second, third = capfd.readouterr().err.splitlines()
    assert "skipped: a/driving_log.csv: a camera picture of 32x16 does not show" in first
    assert "skipped: b/driving_log.csv: a camera picture of 32x16 does not show" in second
    assert third == "carla-saliency: 2 broken inputs were skipped"
    assert [row["input"] for row in rows()] == ["good.png"]


def test_a_folder_may_have_pictures_and_videos(capfd) -> None:
    Path("frames").mkdir()
    save("frames/b.png")
    save("frames/a.png", 180, 320)
    save_video("frames/c.mp4", 2)
    assert cli.main(["explain", "frames"]) == 0
    out = capfd.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out] == [
        "a.contrast.png",
        "b.contrast.png",
        "c.contrast.mp4",
        "explain.csv, explain.parquet",
    ]
    assert [row["input"] for row in rows()] == ["frames/a.png", "frames/b.png"] + [
        "frames/c.mp4"
    ] * 2


def test_maps_that_are_too_many_to_be_kept_are_the_same(monkeypatch) -> None:
    from carla_saliency.commands import explain

    save("a.png")
    save("b.png", seed=1)
    assert cli.main(["explain", "a.png", "b.png"]) == 0
    monkeypatch.setattr(explain, "KEPT_BYTES", 0)
    assert cli.main(["explain", "a.png", "b.png"]) == 0
    for name in ("a", "b"):
        first, second = (Path(f"{name}.contrast{n}.png").read_bytes() for n in ("", "-2"))
        assert first == second
    assert Path("explain.csv").read_text() == Path("explain-2.csv").read_text()


def test_nothing_is_written_to_the_home_of_whoever_runs_it(tmp_path: Path) -> None:
    save("a.png")
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home)}
    environment.pop("XDG_CACHE_HOME", None)
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-m", "carla_saliency", "explain", "a.png"]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    written = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert all(name.startswith(".cache/carla-saliency/") for name in written), written


def test_a_pipe_is_refused_and_not_waited_for(capsys) -> None:
    os.mkfifo("pipe.mp4")
    assert cli.main(["explain", "pipe.mp4"]) == 2
    assert "pipe.mp4 can't be explained" in capsys.readouterr().err


def made_video(path: Path, ticks: list[int]) -> Path:
    """Pictures that a network can be shown, at these times in twentieths of a second."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (18, 32, 3), np.uint8).repeat(20, 0).repeat(20, 1)]
    return made_videos.write(path, pictures * len(ticks), ticks=ticks)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_the_video_keeps_the_times_of_its_source(codec: str) -> None:
    ticks = [0, 1, 2, 30, 31, 90, 100]
    made_video(Path("a.mkv"), ticks)
    assert cli.main(["explain", "a.mkv", "--codec", codec, "--res", "320x90"]) == 0
    with av.open("a.contrast.mp4") as video:
        times = [frame.time for frame in video.decode(video=0)]
        length_s = float(video.duration / av.time_base)
    assert times == pytest.approx([tick / 20 for tick in ticks], abs=1e-3)
    assert length_s == pytest.approx(5.0, abs=0.3)
    assert [float(row["time_s"]) for row in rows()] == pytest.approx([tick / 20 for tick in ticks])


def test_a_logs_own_clock_does_not_stretch_its_video() -> None:
    made_logs.tub_1(Path("log"), [0.0] * 4)
    last = Path("log/record_3.json")  # after an hour's pause
    last.write_text(last.read_text().replace('"milliseconds": 1150', '"milliseconds": 3600000'))
    Path("mine.keras").write_bytes(SHIPPED_NETWORK.read_bytes())  # takes pictures of any size
    assert cli.main(["explain", "log", "--model", "mine.keras", "--res", "320x90"]) == 0
    with av.open("log.contrast.mp4") as video:
        assert float(video.duration / av.time_base) < 1


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_this_folder(name: str, capsys) -> None:
    save("a.png")
    assert cli.main(["explain", name]) == 2
    assert "an input is empty: give a picture" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_a_name_of_two_lines_is_said_in_one(capsys) -> None:
    assert cli.main(["explain", "a\nb.png"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_results_are_no_inputs_of_the_next_run(capsys) -> None:
    save("a.png")
    for _ in range(2):
        assert cli.main(["explain", "."]) == 0
        assert cli.main(["explain", "*.png", "--layer", "all", "--activations", "conv1"]) == 0
    names = {path.name for path in Path().glob("*.png")}
    assert {"a.contrast.png", "a.contrast-2.png", "a.contrast.layers-2.png"} <= names
    assert not [name for name in names if name.count("contrast") > 1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount the small disk that this fills")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_gets_full_is_what_is_told_and_nothing_else(small_disk: Path, capfd) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (40, 360, 640, 3), np.uint8)
    made_videos.write(Path("a.mkv"), noise)
    assert cli.main(["explain", "a.mkv", "--out", str(small_disk)]) == 1
    out, err = capfd.readouterr()
    assert len(err.splitlines()) == 1
    assert "a.contrast.mp4 can't be written any further (No space left on device)" in err
    assert "rows" not in out + err
    assert not (small_disk / "explain.parquet").exists()
    assert (small_disk / "explain.csv").exists()
