"""A window on a real X server (Xvfb), not SDL's dummy: what is on the screen is looked at."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
]

SIZE = (1280, 720)


@pytest.fixture
def screen(tmp_path) -> Iterator[tuple[str, Path]]:
    """Yield the name of a display and the file in which its pixels are."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24"]
    server = subprocess.Popen(
        [*command, "-fbdir", str(tmp_path), "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            display = numbers.readline().strip()
        yield f":{display}", tmp_path / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait(10)


def pixels(file: Path) -> np.ndarray:
    """Return what is on the screen, (H, W, 3), from Xvfb's frame buffer in X window dump format."""
    raw = file.read_bytes()
    header = np.frombuffer(raw[:100], ">u4")
    start = int(header[0]) + int(header[19]) * 12  # the header, then the colour map
    width, height, line = int(header[4]), int(header[5]), int(header[12])
    rows = np.frombuffer(raw, np.uint8, height * line, start).reshape(height, line)
    return rows[:, : width * 4].reshape(height, width, 4)[..., 2::-1]


def test_the_drive_is_on_the_screen(screen, tmp_path) -> None:
    display, frame_buffer = screen
    environment = {k: v for k, v in os.environ.items() if k != "SDL_VIDEODRIVER"}
    command = [sys.executable, "-m", "carla_saliency", "drive", "--embedded", "always"]
    summary = tmp_path / "s.json"
    with subprocess.Popen(
        [*command, "--map", "curvy", "--seconds", "8", "--summary", str(summary)],
        env={**environment, "DISPLAY": display},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen = 0
        until_s = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.3)
            picture = pixels(frame_buffer).astype(int)
            colour = picture.max(axis=2) - picture.min(axis=2)
            # the right half has saliency only where the network drives; the left one has a sky
            seen = max(seen, int((colour[:, 650:] > 60).sum()))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert seen > 500, "colours of the map were on the screen"
    assert "window" in json.loads(summary.read_text())["timing_ms"]
