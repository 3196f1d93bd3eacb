"""A program that keeps a drive in a folder, to be killed: python crash_process.py DIR STEPS HZ.

It prints "step N WALL" once step N was handed on, "fail TEXT" for what it is told, "end" at last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich_steps import EXTRAS, FACTS, rich_step

from carla_saliency.core import Image
from carla_saliency.output.recorder import Recorder
from carla_saliency.record.writer import RecordWriter

SIZE = (320, 180)
FRAME = (128, 96)


def picture_of(number: int) -> Image:
    """Return a picture that tells its number in ten black or white columns."""
    bits = [255 * (number >> bit & 1) for bit in range(10)]
    columns = np.repeat(np.array(bits, np.uint8), 32)
    return np.broadcast_to(columns[None, :, None], (180, 320, 3)).copy()


def number_of(picture: Image) -> int:
    """Return the number that a picture tells."""
    bits = picture[:, :, 0].reshape(180, 10, 32).mean(axis=(0, 2)) > 128
    return int(bits @ (1 << np.arange(10)))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(folder: Path, steps: int, rate_hz: float) -> None:
    with (
        RecordWriter(folder, FACTS, lambda text: say(f"fail {text}")) as record,
        Recorder(SIZE, 20.0, say, lambda text: say(f"fail {text}")) as recorder,
    ):
        recorder.start(folder / "drive.mp4")
        next_s = time.monotonic()
        for number in range(steps):
            record.write(rich_step(number, size=FRAME), EXTRAS)
            recorder.write(picture_of(number))
            say(f"step {number} {time.time()}")
            if rate_hz:
                next_s += 1 / rate_hz
                time.sleep(max(0.0, next_s - time.monotonic()))
    say("end")


def start(folder: Path, steps: int, rate_hz: float = 20.0) -> subprocess.Popen[str]:
    """Start it; rate 0 = as fast as it can."""
    return subprocess.Popen(
        [sys.executable, __file__, str(folder), str(steps), str(rate_hz)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
