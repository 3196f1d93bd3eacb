"""The whole command, as a person runs it: our server, the real client, a real video."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import carla
import numpy as np
import pytest

from carla_saliency.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

SUMMARY_KEYS = {
    "method",
    "map_every",
    "events",
    "attention",
    "ticks",
    "sim_seconds",
    "wall_seconds",
    "ticks_per_second",
    "distance_m",
    "mean_speed_kmh",
    "lane_departures",
    "collisions",
    "interventions",
    "network_seconds",
    "autonomy_percent",
    "timing_ms",
}


def start(*arguments: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "carla_saliency", "drive", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def drive(*arguments: str, cwd: Path, **environment: str) -> tuple[int, str, str]:
    with start(*arguments, cwd=cwd, **environment) as process:
        out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def test_a_drive_gives_every_frame_a_video_and_its_numbers(tmp_path) -> None:
    code, out, err = drive(
        *("--headless", "--embedded", "always", "--map", "curvy", "--ticks", "60"),
        *("--record", "d.mp4", "--summary", "s.json", "--speed", "30"),
        cwd=tmp_path,
    )
    assert code == 0, err
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert set(numbers) == SUMMARY_KEYS
    assert numbers["ticks"] == 60
    assert numbers["sim_seconds"] == 3.0
    assert numbers["distance_m"] > 3
    assert {"server", "network", "insight", "draw", "record"} <= set(numbers["timing_ms"])
    assert "autonomy" in out
    with av.open(str(tmp_path / "d.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (1280, 720)
        assert float(stream.average_rate) == 20.0
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(pictures) == 60
    camera = pictures[-1][62:411, 12:632]
    assert camera.std() > 20, "the camera's pane shows a road, not a flat colour"
    overlay = pictures[-1][62:411, 648:1268].astype(int)
    coloured = np.abs(overlay[..., 0] - overlay[..., 2]) > 40
    assert coloured.any(), "the map has colour"
    assert not coloured[:100].any(), "above the network's crop there is none"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.mp4", "s.json"]


def test_without_a_display_it_says_so_and_records(tmp_path) -> None:
    code, _, err = drive(
        *("--embedded", "always", "--map", "curvy", "--ticks", "5"),
        cwd=tmp_path,
        SDL_VIDEODRIVER="",
        DISPLAY="",
        WAYLAND_DISPLAY="",
    )
    assert code == 0, err
    assert "no display" in err
    assert (tmp_path / "drive.mp4").stat().st_size > 1000


def test_the_window_drives_at_real_time(tmp_path) -> None:
    code, _, err = drive(
        *("--embedded", "always", "--map", "curvy", "--ticks", "60", "--summary", "s.json"),
        cwd=tmp_path,
        SDL_VIDEODRIVER="dummy",
    )
    assert code == 0, err
    numbers = json.loads((tmp_path / "s.json").read_text())
    # counted from the end of the first step, which is the slowest: so a little above 20
    assert numbers["ticks_per_second"] <= 21.5
    assert "window" in numbers["timing_ms"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_drive_with_its_numbers_and_a_whole_video(number, tmp_path) -> None:
    with EmbeddedServer("curvy", 0) as server:
        client = carla.Client(server.host, server.port)
        client.set_timeout(20)
        world = client.get_world()
        before = sorted(actor.id for actor in world.get_actors())
        with start(
            *("--headless", "--port", str(server.port), "--record", "d.mp4"), cwd=tmp_path
        ) as process:
            wait_for_size(tmp_path / "d.mp4", 50_000, process)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, err
        assert "interventions" in out
        settings = world.get_settings()
        assert not settings.synchronous_mode
        assert settings.fixed_delta_seconds is None
        world.wait_for_tick(10)
        assert sorted(actor.id for actor in world.get_actors()) == before
    with av.open(str(tmp_path / "d.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) > 5


def wait_for_size(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    until_s = time.monotonic() + 90
    while time.monotonic() < until_s:
        assert process.poll() is None, process.stderr and process.stderr.read()
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not grow to {size} bytes in 90 s")


def test_no_server_is_one_line_and_exit_code_2(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code, _, err = drive(
        *("--embedded", "never", "--port", str(port), "--headless", "--timeout", "2"), cwd=tmp_path
    )
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert str(port) in err


def test_a_port_that_speaks_something_else_is_one_line_and_exit_code_2(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        ended = threading.Event()

        def greet() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            port = listener.getsockname()[1]
            code, _, err = drive(
                *("--port", str(port), "--headless", "--timeout", "3"), cwd=tmp_path
            )
        finally:
            ended.set()
            thread.join()
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    assert str(port) in err
