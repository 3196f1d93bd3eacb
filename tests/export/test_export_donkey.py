"""A drive as a tub of donkeycar, read back by what reads tubs here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_drive import COUNT, keep, picture_of, step_of

from carla_saliency.cli import main
from carla_saliency.export import donkey
from carla_saliency.sources import Picture
from carla_saliency.sources.donkey import tub


@pytest.fixture(scope="module")
def folder(record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("donkey") / "tub"
    assert main(["export", str(record), "--to", "donkey", "--out", str(out)]) == 0
    return out


def test_steering_times_and_pictures_come_back(folder: Path) -> None:
    source = tub(folder)
    pictures = list(source.read())
    assert len(pictures) == COUNT
    assert source.rate == pytest.approx(20)
    for i, picture in enumerate(pictures):
        assert isinstance(picture, Picture)
        assert picture.recorded == step_of(i).decision.control.steering
        assert picture.time_s == pytest.approx(i / 20, abs=1e-3)
        off = np.abs(picture.image.astype(int) - picture_of(i))
        assert off.mean() < 1.5


def test_a_record_says_who_drove_and_how_fast(folder: Path) -> None:
    lines = (folder / "catalog_0.catalog").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert records[0]["user/throttle"] == -0.25  # the brake
    assert records[1]["user/throttle"] == 0.5
    assert records[3]["enc/speed"] == 1.0
    assert [record["user/mode"] for record in records[19:21]] == ["local_angle", "user"]


def test_the_lengths_of_lines_by_which_donkeycar_finds_records_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(donkey, "CATALOG_LINES", 4)
    kept = keep(tmp_path / "d", count=10)
    assert main(["export", str(kept), "--to", "donkey", "--out", str(tmp_path / "tub")]) == 0
    parts = (tmp_path / "tub/manifest.json").read_text().splitlines()
    inputs, types, _, _, last = (json.loads(part) for part in parts)
    assert dict(zip(inputs, types, strict=True))["cam/image_array"] == "image_array"
    assert last["current_index"] == 10
    assert last["paths"] == ["catalog_0.catalog", "catalog_1.catalog", "catalog_2.catalog"]
    for number, name in enumerate(last["paths"]):
        about = json.loads((tmp_path / f"tub/{name}_manifest").read_text())
        data = (tmp_path / "tub" / name).read_bytes()
        assert about["line_lengths"] == [len(line) for line in data.splitlines(keepends=True)]
        assert about["start_index"] == 4 * number
