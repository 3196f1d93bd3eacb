"""A drive as the log of Udacity's simulator, read back by what reads such logs here."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from made_drive import COUNT, picture_of, step_of

from carla_saliency.cli import main
from carla_saliency.sources import Picture
from carla_saliency.sources.udacity import udacity_log


@pytest.fixture(scope="module")
def log(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("udacity") / "log"
    assert main(["export", str(record), "--to", "udacity", "--out", str(out)]) == 0
    return out / "driving_log.csv"


def test_steering_times_and_pictures_come_back(log: Path) -> None:
    source = udacity_log(log)
    pictures = list(source.read())
    assert len(pictures) == COUNT
    assert source.rate == pytest.approx(20)
    for i, picture in enumerate(pictures):
        assert isinstance(picture, Picture)
        assert picture.recorded == step_of(i).decision.control.steering
        assert picture.time_s == pytest.approx(i / 20, abs=1e-3)
        off = np.abs(picture.image.astype(int) - picture_of(i))
        assert off.mean() < 1.5


def test_a_line_is_what_the_simulator_writes(log: Path) -> None:
    with log.open(newline="") as file:
        rows = list(csv.reader(file))
    for i, row in enumerate(rows):
        assert len(row) == 7
        control = step_of(i).decision.control
        assert [float(cell) for cell in row[4:6]] == [control.throttle, control.brake]
        assert float(row[6]) == pytest.approx(i / 3 * 2.2369, rel=1e-4)  # miles per hour
        assert (log.parent / row[0]).is_file()
    assert rows[0][0] == "IMG/center_2026_03_04_05_06_07_250.jpg"
    assert rows[1][0] == "IMG/center_2026_03_04_05_06_07_300.jpg"
