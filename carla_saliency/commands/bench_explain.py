"""`python -m carla_saliency.commands.bench_explain FOLDER`: how fast a video is explained."""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from carla_saliency.commands import explain
from carla_saliency.commands.bench import road
from carla_saliency.core import Frame, Image
from carla_saliency.output.video import Video
from carla_saliency.settings import ExplainSettings

FRAMES, ROUNDS, RATE_HZ = 1200, 3, 20.0
ROWS, COLUMNS = 360, 640


def drive(frames: int) -> Iterator[Image]:
    """Yield the pictures of a plain road that winds, 640x360; every one is another."""
    rng = np.random.default_rng(0)
    plain = road(Frame(0, 0.0, np.zeros((ROWS, COLUMNS, 3), np.uint8))).image
    spots = rng.integers(-4, 4, (ROWS, 2 * COLUMNS, 1)).astype(np.int16)
    below = np.maximum(np.arange(ROWS) - ROWS // 3, 0) / ROWS
    for i in range(frames):
        shift = (np.sin(i / 40) * 160 * (1 - below) + np.cos(i / 23) * 20).astype(int)
        columns = (np.arange(COLUMNS) + shift[:, None]) % COLUMNS
        picture = plain[np.arange(ROWS)[:, None], columns]
        first = int(i * 7 % COLUMNS)
        yield np.clip(picture + spots[:, first : first + COLUMNS], 0, 255).astype(np.uint8)


def write_drive(path: Path, frames: int) -> None:
    """Write those pictures as a video."""
    with Video(path, (COLUMNS, ROWS), RATE_HZ) as video:
        for picture in drive(frames):
            video.write(picture)


def measure(settings: ExplainSettings, frames: int) -> tuple[float, float]:
    """Return frames per second of one whole command, and milliseconds of all cores per frame.

    Loading the network is included.
    """
    begin_s, cpu_s = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        explain.run(settings)
    wall_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    return frames / wall_s, cpu_s / frames * 1000


def main() -> int:
    """Print a table; the machine is shared with others, so the maximum is the robust column."""
    folder = Path(sys.argv[1])
    film = folder / "drive.mp4"
    write_drive(film, FRAMES)
    versions = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "av", "numpy"))
    sys.stdout.write(f"{FRAMES} frames of 640x360, gradient, {ROUNDS} times; {versions}\n")
    columns = f"{'max':>8}{'median':>9}{'min':>8}{'CPU ms each':>14}"
    sys.stdout.write(f"{'frames/s':<32}{columns}\n")
    for name, table_only in (("the table alone", True), ("with a video of 1280x360", False)):
        settings = ExplainSettings(
            images=(str(film),), method="gradient", out=str(folder), table_only=table_only
        )
        rates, cpu_ms = zip(*(measure(settings, FRAMES) for _ in range(ROUNDS)), strict=True)
        low, median, high = min(rates), statistics.median(rates), max(rates)
        numbers = f"{high:>8.0f}{median:>9.0f}{low:>8.0f}{min(cpu_ms):>14.2f}"
        sys.stdout.write(f"{name:<32}{numbers}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
