"""A small recorded drive for the tests of its exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from carla_saliency.core import (
    Car,
    ClassShares,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Findings,
    Frame,
    Image,
    LaneView,
    Meaning,
    Observation,
    Pose,
)
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.record.facts import Facts, NetworkFacts
from carla_saliency.record.writer import Extras, RecordWriter

COUNT, RATE_HZ, FIRST_S = 30, 20.0, 3.35
LOCK_DEG = 70.0
OFF_ROAD, BOOKMARK = 5, 7  # steps
SIZE = (640, 360)


def step_of(i: int) -> DriveStep:
    """Return a step whose numbers are its own."""
    path = np.zeros((3, 2), np.float32)
    lane = LaneView(0.1 * i, -0.5 * i, 3.5, False, path, np.zeros(3, np.float32))
    frame_id = 100 + i
    events = (Event(EventKind.BOOKMARK, frame_id, 'here, "quoted"'),) if i == BOOKMARK else ()
    values = np.zeros((66, 200), np.float32)
    values[40:, 60:80], values[40:, 120:140] = -1e-3, 2e-3
    share = np.array([0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0], np.float32)
    observation = Observation(
        Frame(frame_id, FIRST_S + i / RATE_HZ, picture_of(i), np.full(SIZE[::-1], 1, np.uint8)),
        Pose(10.0 + i, 20.0, 0.5, 0.0, 90.0 + i / 8),
        speed_mps=i / 3,
        lane=None if i == OFF_ROAD else lane,
        events=events,
    )
    decision = Decision(
        Control(np.sin(i) / 3, 0.5 if i % 3 else 0.0, 0.0 if i % 3 else 0.25),
        "network" if i < 20 else "manual",
        None if i == 0 else Explanation(frame_id, "contrast", 0.1, values, Meaning(title="m")),
        expert_steering=None if i == OFF_ROAD else 0.01 * i,
        network_steering=0.02 * i,
    )
    shares = None if i == 0 else ClassShares(frame_id, share, share)
    return DriveStep(observation, decision, Findings(shares=shares))


def picture_of(i: int) -> Image:
    """Return a smooth picture with a bright square in the place of its number."""
    width, height = SIZE
    row = np.linspace(40, 160, width, dtype=np.uint8)
    picture = np.repeat(np.repeat(row[None], height, 0)[:, :, None], 3, axis=2)
    picture[:, :, 2] = 60
    picture[200:280, 20 * i : 20 * i + 40] = (220, 200, 40)
    return np.ascontiguousarray(picture)


def steps(count: int = COUNT) -> Iterator[DriveStep]:
    """Yield the steps of the drive."""
    return map(step_of, range(count))


def facts_of(frames: str = "camera") -> Facts:
    """Return what is said of the drive."""
    car = Car("vehicle.tesla.model3", LOCK_DEG, 2.87, -1.4, ((0.0, 1.0), (120.0, 0.6)), 4.7, 2.1)
    network = NetworkFacts("dave2", "/models/dave2.keras", "00", asdict(DEFAULT_CONTRACT))
    return Facts(
        created="2026-03-04T05:06:07.250000+00:00",
        command="carla-saliency drive --record d",
        settings={"ticks": COUNT},
        versions={"carla-saliency": "0"},
        network=network,
        shadow=None,
        car=car,
        physics={},
        map_name="curvy",
        weather="",
        seed=3,
        rate_hz=RATE_HZ,
        frames=frames,  # type: ignore[arg-type]
        server_version="0.9.16",
    )


def keep(folder: Path, frames: str = "camera", count: int = COUNT) -> Path:
    """Record the drive and return its folder."""
    crop = None if frames == "camera" else _crop
    with RecordWriter(folder, facts_of(frames), _fail, crop) as writer:
        for step in steps(count):
            writer.write(step, Extras(map_scale=2e-3))
    return folder


def _crop(picture: Image) -> Image:
    return cv2.resize(picture, (200, 66), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _fail(line: str) -> None:
    raise AssertionError(line)
