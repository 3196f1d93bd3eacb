from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from made_steps import findings_of, step_of

from carla_saliency.core import Comparison, Control, Decision, Event, EventKind, Novelty
from carla_saliency.output.telemetry import COLUMNS, row, write_csv


def test_every_number_stands_in_its_column() -> None:
    left = Event(EventKind.LANE_DEPARTURE, 7, "0.3 m over the left edge")
    step = replace(step_of(7, events=(left,)), findings=findings_of(7))
    numbers = row(step, (Event(EventKind.BOOKMARK, 7, ""), left))
    assert tuple(numbers) == COLUMNS
    assert {name: value for name, value in numbers.items() if value != ""} == {
        "frame": 7,
        "sim_s": 0.35,
        "x_m": 17.0,
        "y_m": 20.0,
        "yaw_deg": 90.0,
        "speed_mps": 5.007,
        "steering": 0.125,
        "throttle": 0.5,
        "brake": 0.0,
        "driver": "network",
        "network_steering": 0.125,
        "expert_steering": -0.25,
        "shadow_steering": 0.375,
        "lane_offset_m": 0.25,
        "heading_error_deg": -1.5,
        "method": "contrast",
        "map_frame": 7,
        "map_left": -3.0,
        "map_right": 2.0,
        "share_lines": 0.5,
        "share_road": 0.25,
        "share_sidewalk": 0.125,
        "share_wall": 0.125,
        "share_vegetation": 0.0,
        "share_building": 0.0,
        "share_vehicle": 0.0,
        "share_sky": 0.0,
        "without_lines": 0.5,
        "without_road": -0.25,
        "without_wall": 0.0,
        "without_vegetation": 0.0,
        "without_building": 0.0,
        "without_vehicle": 0.0,
        "without_sky": 0.0,
        "like_edges": 0.75,
        "like_others": 0.25,
        "deletion": 0.5,
        "deletion_of_another": 0.125,
        "doubts": "like an edge detector",
        "off_road_s": 0.0,
        "events": "lane departure: 0.3 m over the left edge; bookmark",
    }


def test_what_is_not_known_is_empty() -> None:
    step = step_of(7, decision=Decision(Control(), "manual", None))
    step = replace(step, observation=replace(step.observation, lane=None))
    numbers = row(step)
    known = {name for name, value in numbers.items() if value != ""}
    assert known == {
        "frame",
        "sim_s",
        "x_m",
        "y_m",
        "yaw_deg",
        "speed_mps",
        "steering",
        "throttle",
        "brake",
        "driver",
        "off_road_s",
    }


def test_novelty_and_comparison_are_told() -> None:
    findings = replace(
        findings_of(1),
        novelty=Novelty(2.5, 3.0, np.zeros((2, 2, 3), np.uint8)),
        comparison=Comparison(0.25, None),
    )
    numbers = row(replace(step_of(1), findings=findings))
    assert (numbers["novelty"], numbers["shadow_difference"], numbers["maps_alike"]) == (
        2.5,
        0.25,
        "",
    )


def test_numbers_of_numpy_come_out_as_plain_ones(tmp_path: Path) -> None:
    step = step_of(1)
    decision = replace(step.decision, network_steering=np.float32(0.5))  # type: ignore[arg-type]
    value = row(replace(step, decision=decision))["network_steering"]
    assert type(value) is float


def test_a_table_comes_back_exactly(tmp_path: Path) -> None:
    steps = [replace(step_of(number), findings=findings_of(number)) for number in (1, 2, 3)]
    write_csv(tmp_path / "t.csv", [row(step) for step in steps])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(one["frame"]) for one in rows] == [1, 2, 3]
    assert [float(one["sim_s"]) for one in rows] == [number / 20 for number in (1, 2, 3)]
    assert [float(one["speed_mps"]) for one in rows] == [s.observation.speed_mps for s in steps]
