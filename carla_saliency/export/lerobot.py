"""A dataset of LeRobot, layout v3.0: one episode, one camera.

Written without that library, which needs PyTorch: its tables are Parquet, its facts JSON and its
pictures an MP4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from carla_saliency.core import DriveStep
from carla_saliency.export.drive import Drive
from carla_saliency.export.lerobot_stats import PictureSample, stats_of
from carla_saliency.export.lerobot_video import CAMERA, VIDEO, EpisodeVideo
from carla_saliency.export.tables import parquet

VERSION = "v3.0"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
TASK = "follow the lane"

STATE = ("speed_mps", "x_m", "y_m", "yaw_deg")
LANE = ("on_lane", "lane_offset_m", "heading_error_deg")
ACTION = ("steering", "throttle", "brake")
VECTORS = {
    "observation.state": STATE,
    "observation.environment_state": LANE,  # what only a simulator knows
    "action": ACTION,
}
_COUNTERS = ("frame_index", "episode_index", "index", "task_index")

Columns = dict[str, NDArray[Any]]


def write_lerobot(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write such a dataset.

    Off any road `on_lane`, the offset and the heading error are 0: a NaN would spoil the statistics
    by which policies normalise.

    Raises:
        OSError: If it can't be written.
    """
    (target / "meta").mkdir(parents=True)
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in VECTORS}
    sample = PictureSample(len(drive))
    with EpisodeVideo(target / VIDEO, drive.rate_hz) as video:
        for step in drive.steps():
            for name, values in _vectors(step).items():
                rows[name].append(values)
            picture = video.write(step.observation.frame.image)
            sample.add(picture)
            advance()
        video_info = video.info
    columns = _columns(drive, rows)
    stats = {name: stats_of(values) for name, values in columns.items()}
    stats[CAMERA] = sample.stats()
    _write_table(target / DATA, pl.DataFrame(columns))
    _write_table(target / EPISODES, _episode(len(drive), drive.rate_hz, stats))
    _write_tasks(target / "meta/tasks.parquet")
    _write_json(target / "meta/stats.json", stats)
    _write_json(target / "meta/info.json", _info(drive, video_info))


# ------------------------------------------------------------------ the data


def _vectors(step: DriveStep) -> dict[str, tuple[float, ...]]:
    observation, control = step.observation, step.decision.control
    pose, lane = observation.pose, observation.lane
    on_lane = (0.0, 0.0, 0.0) if lane is None else (1.0, lane.offset_m, lane.heading_error_deg)
    return {
        "observation.state": (observation.speed_mps, pose.x_m, pose.y_m, pose.yaw_deg),
        "observation.environment_state": on_lane,
        "action": (control.steering, control.throttle, control.brake),
    }


def _columns(drive: Drive, rows: Mapping[str, list[tuple[float, ...]]]) -> Columns:
    count = len(drive)
    number = np.arange(count, dtype=np.int64)
    columns: Columns = {name: np.array(values, np.float32) for name, values in rows.items()}
    columns["timestamp"] = (number / drive.rate_hz).astype(np.float32)
    for name in _COUNTERS:
        columns[name] = number if "frame" in name or name == "index" else np.zeros_like(number)
    return columns


# ------------------------------------------------------------------ what is said about it


def _info(drive: Drive, video_info: Mapping[str, Any]) -> dict[str, Any]:
    features: dict[str, Any] = {
        name: {"dtype": "float32", "shape": [len(names)], "names": list(names)}
        for name, names in VECTORS.items()
    }
    features[CAMERA] = {
        "dtype": "video",
        "shape": [video_info["video.height"], video_info["video.width"], 3],
        "names": ["height", "width", "channels"],
        "info": dict(video_info),
    }
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    for name in _COUNTERS:
        features[name] = {"dtype": "int64", "shape": [1], "names": None}
    return {
        "codebase_version": VERSION,
        "robot_type": "carla",
        "total_episodes": 1,
        "total_frames": len(drive),
        "total_tasks": 1,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": _plain_rate(drive.rate_hz),
        "splits": {"train": "0:1"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
        "carla_saliency": json.loads(drive.facts),
    }


def _episode(count: int, rate_hz: float, stats: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    row: dict[str, Any] = {
        "episode_index": 0,
        "tasks": [TASK],
        "length": count,
        "data/chunk_index": 0,
        "data/file_index": 0,
        "dataset_from_index": 0,
        "dataset_to_index": count,
        f"videos/{CAMERA}/chunk_index": 0,
        f"videos/{CAMERA}/file_index": 0,
        f"videos/{CAMERA}/from_timestamp": 0.0,
        f"videos/{CAMERA}/to_timestamp": count / rate_hz,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
    }
    for name, values in stats.items():
        row |= {f"stats/{name}/{kind}": value for kind, value in values.items()}
    return pl.DataFrame({name: [value] for name, value in row.items()})


def _write_tasks(path: Path) -> None:
    """Write the tasks as pandas would, by which they are read: with the task as the index."""
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": of, "metadata": None}
        for name, kind, of in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
    ]
    about = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": columns,
        "pandas_version": "2.0.0",
    }
    table = pl.DataFrame({"task_index": [0], "task": [TASK]})
    data = parquet(table, {"pandas": json.dumps(about)})
    # pyarrow, through which pandas reads, heeds what stands beside an Arrow schema in the file only
    # if there is none: it gets another name of the same length
    path.write_bytes(data.replace(b"ARROW:schema", b"polars:types"))


def _write_table(path: Path, table: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(parquet(table))


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")


def _plain_rate(rate_hz: float) -> float | int:
    """Return the rate; a whole one, as nearly all are, without a point: that library expects so."""
    return round(rate_hz) if abs(rate_hz - round(rate_hz)) < 1e-6 else rate_hz
