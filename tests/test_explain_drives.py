from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest

from carla_saliency import cli
from carla_saliency.commands.bench import road
from carla_saliency.core import (
    Car,
    Control,
    Decision,
    DriveStep,
    Frame,
    Image,
    Observation,
    Pose,
)
from carla_saliency.factory import SHIPPED_NETWORK, load_steering
from carla_saliency.output.video import Video
from carla_saliency.record.facts import Facts, NetworkFacts
from carla_saliency.record.writer import RecordWriter

STEPS = 6


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def step(number: int) -> DriveStep:
    noise = np.random.default_rng(number).integers(0, 255, (360, 640, 3), np.uint8)
    plain = road(Frame(number, number / 20, noise, speed_mps=8.0))
    observation = Observation(plain, Pose(), 8.0, None)
    return DriveStep(observation, Decision(Control(0.01 * number, 0.3), "network", None))


def keep_drive(folder: str, network_only: bool = False) -> None:
    from dataclasses import asdict

    steering = load_steering()
    facts = Facts(
        created="2026-01-01T00:00:00+00:00",
        command="carla-saliency drive",
        settings={},
        versions={},
        network=NetworkFacts("dave2.keras", str(SHIPPED_NETWORK), "", asdict(steering.contract)),
        shadow=None,
        car=Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.7, 2.0),
        physics={},
        map_name="plain",
        weather="",
        seed=0,
        rate_hz=20.0,
        frames="network" if network_only else "camera",
        server_version="0.9.16",
    )
    said: list[str] = []
    crop = steering.preprocess.crop if network_only else None
    with RecordWriter(Path(folder), facts, said.append, crop) as writer:
        for number in range(STEPS):
            writer.write(step(number))
    assert said == []


def test_a_recorded_drive_is_explained_with_the_share_of_each_class(capfd) -> None:
    keep_drive("kept")
    assert cli.main(["explain", "kept"]) == 0
    assert "kept.contrast.mp4: 6 frames\n" in capfd.readouterr().out
    table = pl.read_parquet("explain.parquet")
    assert table["recorded_steering"].to_list() == pytest.approx([0.01 * i for i in range(STEPS)])
    assert table["time_s"].to_list() == pytest.approx([0.05 * i for i in range(STEPS)])
    shares = table.select(pl.col("^share_.*$"))
    assert np.allclose(shares.sum_horizontal().to_numpy(), 1, atol=1e-5)
    assert (shares["share_road"].to_numpy() > 0.1).all()
    assert (shares["share_vehicle"].to_numpy() == 0).all()


def test_its_file_and_a_pattern_that_matches_it_mean_the_drive(capfd) -> None:
    keep_drive("kept")
    Video(Path("kept/drive.mp4"), (64, 48), 20.0).close()
    for name in ("kept/drive.mcap", "kep*", "kept/*"):
        assert cli.main(["explain", name, "--table-only"]) == 0
    assert [line.split(": ")[1] for line in capfd.readouterr().out.splitlines()] == ["6 rows"] * 3


def test_a_drive_that_kept_only_what_its_network_saw_is_for_this_network(capsys) -> None:
    keep_drive("camera")
    keep_drive("network", network_only=True)
    for name in ("camera", "network"):
        assert cli.main(["explain", name, "--table-only"]) == 0
    full, small = (pl.read_parquet(f"explain{n}.parquet") for n in ("", "-2"))
    assert full["steering"].equals(small["steering"])
    assert full["map_p99_5"].equals(small["map_p99_5"])
    assert small["share_road"].null_count() == STEPS
    capsys.readouterr()
    arguments = ["--trained-crop", "100,360,0,640"]
    assert cli.main(["explain", "network", *arguments]) == 2
    error = capsys.readouterr().err
    assert "only what its network saw" in error
    assert "crop of this one" in error
    assert len(error.splitlines()) == 1


# ------------------------------------------------------------------ tables and videos


def save_video(name: str, count: int, size: tuple[int, int] = (320, 180)) -> None:
    rng = np.random.default_rng(0)
    with Video(Path(name), size, 20.0) as video:
        for _ in range(count):
            small = rng.integers(0, 256, (size[1] // 20, size[0] // 20, 3), np.uint8)
            picture: Image = small.repeat(20, axis=0).repeat(20, axis=1)
            video.write(np.ascontiguousarray(picture))


def test_the_table_alone_makes_no_pictures_and_is_the_same(capsys) -> None:
    save_video("a.mp4", 12)
    assert cli.main(["explain", "a.mp4"]) == 0
    assert cli.main(["explain", "a.mp4", "--table-only"]) == 0
    assert Path("explain.csv").read_text() == Path("explain-2.csv").read_text()
    assert not Path("a.contrast-2.mp4").exists()
    assert capsys.readouterr().out.splitlines()[-1] == "explain-2.csv, explain-2.parquet: 12 rows"


def test_both_tables_say_the_same() -> None:
    save_video("a.mp4", 5)
    assert cli.main(["explain", "a.mp4", "--table-only"]) == 0
    table = pl.read_parquet("explain.parquet")
    written = pl.read_csv("explain.csv")
    assert table.columns == written.columns
    assert table["frame"].to_list() == [0, 1, 2, 3, 4]
    for name in ("steering", "degrees", "map_left", "map_right", "map_p99_5"):
        assert table[name].to_list() == written[name].to_list()


def test_no_table_is_overwritten_whichever_of_the_two_is_left() -> None:
    save_video("a.mp4", 2)
    Path("explain.parquet").write_text("mine")
    Path("explain-2.csv").write_text("mine too")
    assert cli.main(["explain", "a.mp4", "--table-only"]) == 0
    assert Path("explain.parquet").read_text() == "mine"
    assert Path("explain-2.csv").read_text() == "mine too"
    assert pl.read_parquet("explain-3.parquet").height == 2


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("hevc", "hevc"), ("av1", "av1")])
def test_a_video_is_as_large_and_of_the_codec_that_is_asked_for(codec, name) -> None:
    save_video("a.mp4", 3)
    arguments = ["--codec", codec, "--crf", "40", "--res", "640x240"]
    assert cli.main(["explain", "a.mp4", *arguments]) == 0
    with av.open("a.contrast.mp4") as container:
        stream = container.streams.video[0]
        kinds = {stream.codec_context.codec.canonical_name}
        assert (stream.width, stream.height) == (640, 240)
    assert kinds == {name}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--crf", "70"], "--crf must be from 0 (best) to 51"),
        (["--res", "641x240"], "--res must be WIDTHxHEIGHT, even"),
    ],
)
def test_what_no_video_can_have_is_refused_before_anything_is_written(
    arguments, said, capsys
) -> None:
    save_video("a.mp4", 1)
    assert cli.main(["explain", "a.mp4", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["a.mp4"]


def test_a_person_who_stops_it_keeps_what_was_done() -> None:
    save_video("a.mp4", 400)
    command = [sys.executable, "-m", "carla_saliency", "explain", "a.mp4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        table, end_s = Path("explain.csv"), time.monotonic() + 60
        while (
            not table.exists() or table.read_bytes().count(b"\n") < 21
        ):  # the first line has the names
            assert time.monotonic() < end_s
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    rows = pl.read_parquet("explain.parquet").height
    assert 20 <= rows < 400
    assert f"explain.csv, explain.parquet: {rows} rows" in out.decode()
    with av.open("a.contrast.mp4") as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert rows <= frames <= rows + 1
    assert f"a.contrast.mp4: {frames} frames" in out.decode()
    assert "Traceback" not in error.decode()
