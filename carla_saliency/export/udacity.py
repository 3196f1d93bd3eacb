"""The folder that Udacity's driving simulator writes: driving_log.csv and IMG.

Its log has no line of titles: center, left, right, steering, throttle, brake, speed; the speed is
in miles per hour, and the time of a picture is in its name.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from carla_saliency.export.drive import Drive
from carla_saliency.export.jpeg import write_jpeg

LOG, PICTURES = "driving_log.csv", "IMG"
MPH = 2.23693629  # of a metre per second, with the simulator's own digits


def write_udacity(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write such a folder; the paths in its log are relative to it.

    Raises:
        OSError: If it can't be written.
    """
    (target / PICTURES).mkdir(parents=True)
    with (target / LOG).open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        for i, step in enumerate(drive.steps()):
            name = f"{PICTURES}/{_name(drive, i)}"
            write_jpeg(target / name, step.observation.frame.image)
            control = step.decision.control
            speed = abs(step.observation.speed_mps) * MPH
            lines.writerow((name, "", "", control.steering, control.throttle, control.brake, speed))
            advance()


def _name(drive: Drive, index: int) -> str:
    taken = drive.began + timedelta(milliseconds=round(drive.since_s(index) * 1000))
    return f"center_{taken:%Y_%m_%d_%H_%M_%S}_{taken.microsecond // 1000:03d}.jpg"
