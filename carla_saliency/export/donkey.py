"""The folder in which donkeycar keeps its drives: a tub of version 2."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from carla_saliency.core import Driver, DriveStep
from carla_saliency.export.drive import Drive
from carla_saliency.export.jpeg import write_jpeg

MANIFEST, IMAGES = "manifest.json", "images"
CATALOG_LINES = 1000  # records in a catalog, as donkeycar has it
IMAGE, ANGLE, THROTTLE, MODE = "cam/image_array", "user/angle", "user/throttle", "user/mode"
SPEED = "enc/speed"  # metres per second: donkeycar's name for what an encoder measures
FIELDS = {IMAGE: "image_array", ANGLE: "float", THROTTLE: "float", MODE: "str", SPEED: "float"}
_MODES: dict[Driver, str] = {"network": "local_angle"}  # a pilot steers, somebody else accelerates


def write_donkey(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write a tub. A negative throttle is the brake's, or drives backwards.

    Raises:
        OSError: If it can't be written.
    """
    (target / IMAGES).mkdir(parents=True)
    paths: list[str] = []
    lines: list[str] = []
    for i, step in enumerate(drive.steps()):
        name = f"{i}_cam_image_array_.jpg"
        write_jpeg(target / IMAGES / name, step.observation.frame.image)
        lines.append(json.dumps(_record(drive, i, step, name), allow_nan=False, sort_keys=True))
        if len(lines) == CATALOG_LINES or i + 1 == len(drive):
            paths.append(_write_catalog(drive, target, len(paths), lines))
            lines = []
        advance()
    _write_manifest(drive, target, paths)


def _record(drive: Drive, index: int, step: DriveStep, name: str) -> dict[str, Any]:
    decision = step.decision
    control, way = decision.control, -1.0 if decision.control.reverse else 1.0
    return {
        IMAGE: name,
        ANGLE: float(control.steering),
        THROTTLE: way * (control.throttle - control.brake),
        MODE: _MODES.get(decision.driver, "user"),
        SPEED: float(step.observation.speed_mps),
        "_index": index,
        "_session_id": _session(drive),
        "_timestamp_ms": round((drive.began.timestamp() + drive.since_s(index)) * 1000),
    }


def _write_catalog(drive: Drive, target: Path, number: int, lines: Sequence[str]) -> str:
    name = f"catalog_{number}.catalog"
    _write_lines(target / name, lines)
    about = {
        "created_at": drive.began.timestamp(),
        "line_lengths": [len(line) + 1 for line in lines],  # donkeycar finds records by these
        "path": f"{name}_manifest",
        "start_index": number * CATALOG_LINES,
    }
    _write_lines(target / f"{name}_manifest", [json.dumps(about, sort_keys=True)])
    return name


def _write_manifest(drive: Drive, target: Path, paths: Sequence[str]) -> None:
    session = _session(drive)
    parts: tuple[Any, ...] = (
        list(FIELDS),
        list(FIELDS.values()),
        {"drive": drive.title, "map": drive.map_name, "network": drive.network},
        {
            "created_at": drive.began.timestamp(),
            "sessions": {"all_full_ids": [session], "last_id": 0, "last_full_id": session},
        },
        {
            "paths": list(paths),
            "current_index": len(drive),
            "max_len": CATALOG_LINES,
            "deleted_indexes": [],
        },
    )
    _write_lines(target / MANIFEST, [json.dumps(part) for part in parts])


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _session(drive: Drive) -> str:
    return f"{drive.began:%y-%m-%d}_0"
