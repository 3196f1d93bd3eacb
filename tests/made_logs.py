"""Logs of other programs, with small pictures."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

CENTRE = "center_2020_08_22_15_45_{:02d}_{:03d}.jpg"


def save(path: Path, shade: int = 100, size: tuple[int, int] = (32, 16)) -> Path:
    """Write a picture of one shade of red."""
    width, height = size
    picture = np.full((height, width, 3), (0, 0, shade), np.uint8)  # BGR
    path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())
    return path


def udacity(folder: Path, steering: list[object], titles: bool = False, step_ms: int = 100) -> Path:
    """Write a log of the simulator as it is on the computer of somebody with Windows."""
    (folder / "IMG").mkdir(parents=True)
    lines = ["center,left,right,steering,throttle,brake,speed"] if titles else []
    for i, each in enumerate(steering):
        name = CENTRE.format(*divmod(i * step_ms, 1000))
        save(folder / "IMG" / name, 100 + 10 * i)
        sides = [name.replace("center", side) for side in ("center", "left", "right")]
        paths = ", ".join(f"C:\\Users\\me\\sim\\IMG\\{side}" for side in sides)
        lines.append(f"{paths}, {each}, 1, 0, 30.19")
    log = folder / "driving_log.csv"
    log.write_text("\r\n".join(lines) + "\r\n")
    return log


def tub_1(folder: Path, angles: list[float]) -> Path:
    """Write a tub of donkeycar's version 1."""
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"inputs": ["cam/image_array", "user/angle"]}')
    for i, angle in enumerate(angles):
        name = f"{i}_cam-image_array_.jpg"
        save(folder / name, 100 + 10 * i)
        record = {"cam/image_array": name, "user/angle": angle, "milliseconds": 1000 + 50 * i}
        (folder / f"record_{i}.json").write_text(json.dumps(record))
    return folder


def tub_2(folder: Path, angles: list[float], deleted: tuple[int, ...] = (), each: int = 4) -> Path:
    """Write a tub of donkeycar's version 2, with so many records in each catalog."""
    (folder / "images").mkdir(parents=True)
    catalogs: dict[str, list[str]] = {}
    for i, angle in enumerate(angles):
        name = f"{i}_cam_image_array_.jpg"
        save(folder / "images" / name, 100 + 10 * i)
        record = {
            "_index": i,
            "_timestamp_ms": 1_600_000_000_000 + 40 * i,
            "cam/image_array": name,
            "user/angle": angle,
            "user/mode": "user",
        }
        catalogs.setdefault(f"catalog_{i // each}.catalog", []).append(json.dumps(record))
    for name, lines in catalogs.items():
        (folder / name).write_text("\r\n".join(lines) + "\r\n")
        (folder / f"{name}_manifest").write_text('{"line_lengths": []}')
    last = {"paths": list(catalogs), "current_index": len(angles), "deleted_indexes": [*deleted]}
    parts = [["cam/image_array", "user/angle"], ["image_array", "float"], {}, {}, last]
    (folder / "manifest.json").write_text("\r\n".join(map(json.dumps, parts)) + "\r\n")
    return folder
