"""The tables of a drive, read back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest
from made_drive import BOOKMARK, COUNT, OFF_ROAD, step_of

from carla_saliency.cli import main
from carla_saliency.output.telemetry import COLUMNS, row

NUMBERS = ("frame", "sim_s", "x_m", "y_m", "yaw_deg", "speed_mps", "steering", "throttle", "brake")


def test_a_csv_file_has_every_step_with_the_digits_that_it_had(
    record: Path, tmp_path: Path
) -> None:
    out = tmp_path / "d.csv"
    assert main(["export", str(record), "--to", "csv", "--out", str(out)]) == 0
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT
    assert tuple(rows[0]) == COLUMNS
    for i, found in enumerate(rows):
        wanted = row(step_of(i))
        for name in NUMBERS:
            assert float(found[name]) == wanted[name]
        assert found["driver"] == wanted["driver"]
    assert rows[OFF_ROAD]["lane_offset_m"] == ""
    assert rows[BOOKMARK]["events"] == 'bookmark: here, "quoted"'


def test_a_parquet_file_has_types_nulls_and_the_facts_of_the_drive(
    record: Path, tmp_path: Path
) -> None:
    out = tmp_path / "d.parquet"
    assert main(["export", str(record), "--to", "parquet", "--out", str(out)]) == 0
    table = pl.read_parquet(out)
    assert table.columns == list(COLUMNS)
    assert table.height == COUNT
    assert table.schema["frame"] == pl.Int64
    assert table.schema["driver"] == pl.String
    assert table.schema["steering"] == pl.Float64
    assert table.schema["lane_offset_m"] == pl.Float64
    assert table["steering"].to_list() == [step_of(i).decision.control.steering for i in range(30)]
    assert table["sim_s"].to_list() == [step_of(i).observation.frame.sim_s for i in range(30)]
    assert table["lane_offset_m"][OFF_ROAD] is None
    assert table["method"][0] is None
    assert table["map_right"][1] == pytest.approx(2e-3 * 26 * 20, rel=1e-4)
    facts = json.loads(pl.read_parquet_metadata(out)["carla_saliency"])
    assert facts["map_name"] == "curvy"
    assert facts["car"]["max_steer_deg"] == 70
