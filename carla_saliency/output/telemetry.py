"""The numbers of a step as one row of a table."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from carla_saliency.core import GROUPS, Array, DriveStep, Event, Explanation, Findings

Value = str | int | float

_OF_STEP = (
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
    "network_steering",
    "expert_steering",
    "shadow_steering",
    "lane_offset_m",
    "heading_error_deg",
    "method",
    "map_frame",
    "map_left",
    "map_right",
)
_OF_CHECKS = (
    "like_edges",
    "like_random",
    "like_others",
    "deletion",
    "deletion_of_another",
    "doubts",
    "novelty",
    "shadow_difference",
    "maps_alike",
    "off_road_s",
)
COLUMNS = (
    *_OF_STEP,
    *(f"share_{group}" for group in GROUPS),
    *(f"without_{group}" for group in GROUPS),
    *_OF_CHECKS,
    "events",
)
"""Of a row. Steering and its changes (`without_...`: when that class is painted over) are numbers
in [-1, 1], left negative; `map_left` and `map_right` are the sums of the map's negative and its
positive values, in the method's unit; shares are of the sum of |map|; empty: not known."""


def row(step: DriveStep, more: Iterable[Event] = ()) -> dict[str, Value]:
    """Return the numbers of one step, by column.

    Args:
        step: Its pixels don't matter.
        more: Events of this frame beside those that the step has.
    """
    numbers = {**_of_step(step), **_of_map(step.decision.explanation), **_of(step.findings)}
    events = dict.fromkeys((*step.observation.events, *step.findings.events, *more))
    said = "; ".join(f"{event.kind.value}: {event.text}".rstrip(": ") for event in events)
    numbers["events"] = said
    return {name: _plain(numbers.get(name)) for name in COLUMNS}


def write_csv(path: Path, rows: Sequence[Mapping[str, Value]]) -> None:
    """Write a table.

    Raises:
        OSError: If it can't be written.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


# ------------------------------------------------------------------ parts

Numbers = dict[str, Value | None]


def _of_step(step: DriveStep) -> Numbers:
    observation, decision, lane = step.observation, step.decision, step.observation.lane
    return {
        "frame": observation.frame.frame_id,
        "sim_s": observation.frame.sim_s,
        "x_m": observation.pose.x_m,
        "y_m": observation.pose.y_m,
        "yaw_deg": observation.pose.yaw_deg,
        "speed_mps": observation.speed_mps,
        "steering": decision.control.steering,
        "throttle": decision.control.throttle,
        "brake": decision.control.brake,
        "driver": decision.driver,
        "network_steering": decision.network_steering,
        "expert_steering": decision.expert_steering,
        "shadow_steering": None if decision.shadow is None else decision.shadow.command,
        "lane_offset_m": None if lane is None else lane.offset_m,
        "heading_error_deg": None if lane is None else lane.heading_error_deg,
    }


def _of_map(explanation: Explanation | None) -> Numbers:
    if explanation is None:
        return {}
    values = explanation.attribution
    return {
        "method": explanation.method,
        "map_frame": explanation.frame_id,
        "map_left": float(values.clip(max=0).sum(dtype=float)),
        "map_right": float(values.clip(min=0).sum(dtype=float)),
    }


def _of(findings: Findings) -> Numbers:
    check, novelty = findings.check, findings.novelty
    numbers: Numbers = {"off_road_s": findings.off_road_s}
    if findings.shares is not None:
        numbers |= _by_group("share", findings.shares.share)
    if findings.effects is not None:
        numbers |= _by_group("without", findings.effects.change)
    if check is not None:
        own, other = check.deletion or (None, None)
        numbers |= {
            "like_edges": check.edges,
            "like_random": check.random,
            "like_others": check.others,
            "deletion": own,
            "deletion_of_another": other,
            "doubts": "; ".join(check.doubts),
        }
    if novelty is not None:
        numbers["novelty"] = novelty.distance
    if (both := findings.comparison) is not None:
        numbers |= {"shadow_difference": both.difference, "maps_alike": both.alike}
    return numbers


def _by_group(name: str, values: Array) -> Numbers:
    return {f"{name}_{group}": float(v) for group, v in zip(GROUPS, values, strict=True)}


def _plain(value: Value | None) -> Value:
    """Return what a table can hold; NaN is not known."""
    if value is None:
        return ""
    if isinstance(value, str | int):
        return value
    return "" if math.isnan(value) else float(value)  # no NumPy number
