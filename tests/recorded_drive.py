"""A short drive along drawn roads, recorded as `drive --record` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from carla_saliency import factory
from carla_saliency.core import (
    Car,
    DriveStep,
    Event,
    EventKind,
    Frame,
    Image,
    LaneView,
    Observation,
    Pose,
)
from carla_saliency.factory import Steering
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.record.facts import Facts, NetworkFacts, digest_of, versions
from carla_saliency.record.writer import RecordWriter
from carla_saliency.settings import DriveSettings

CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.8, 2.1)
RATE_HZ = 20.0
FIRST_ID = 100
EVENT_AT = (5, 12)  # steps in which a lane was left


def picture_of(number: int) -> Image:
    """A road with lines that wander, so that every frame steers differently."""
    image = np.full((360, 640, 3), 90, np.uint8)
    image[:150] = (120, 170, 230)
    for row in range(150, 360):
        x = 320 + (row - 150) + 40 * np.sin(number / 5)
        image[row, int(x) : int(x) + 8] = 230
    return image


def network_facts(steering: Steering, path: str | None = None) -> NetworkFacts:
    return NetworkFacts(
        steering.title,
        path or str(steering.path.resolve()),
        digest_of(steering.path),
        asdict(steering.contract),
    )


def facts_of(settings: DriveSettings, steering: Steering, **more: Any) -> Facts:
    values: dict[str, Any] = {
        "created": "2026-05-01T12:00:00+00:00",
        "command": "carla-saliency drive --record x",
        "settings": asdict(settings),
        "versions": versions(),
        "network": network_facts(steering),
        "shadow": None,
        "car": CAR,
        "physics": {},
        "map_name": "drawn",
        "weather": "ClearNoon",
        "seed": 0,
        "rate_hz": RATE_HZ,
        "frames": settings.record_frames,
        "server_version": "0.9.16",
    }
    return Facts(**(values | more))


def observations(count: int, rate_hz: float = RATE_HZ) -> list[Observation]:
    tags = np.full((360, 640), 1, np.uint8)
    tags[:150] = 11
    path = np.stack([np.arange(60.0), np.zeros(60)], axis=1).astype(np.float32)
    lane = LaneView(0.1, 0.5, 3.5, False, path, np.zeros(60, np.float32))
    found = []
    for number in range(count):
        frame_id = FIRST_ID + number
        frame = Frame(frame_id, 3 + number / rate_hz, picture_of(number), tags, 8.0)
        event = Event(EventKind.LANE_DEPARTURE, frame_id, "0.3 m over the left edge")
        events = (event,) if number in EVENT_AT else ()
        found.append(Observation(frame, Pose(y_m=0.1, yaw_deg=0.5), 8.0, lane, events))
    return found


def record_drive(
    folder: Path,
    count: int = 24,
    settings: DriveSettings | None = None,
    before: Callable[[LearnedPilot, int], None] = lambda pilot, number: None,
    **more: Any,
) -> list[DriveStep]:
    """Record a drive of the network that the settings name; return its steps.

    Args:
        folder: Is made.
        count: Of steps.
        settings: Of the drive.
        before: Is called before each step, for what a person does.
        more: Facts.
    """
    settings = settings or DriveSettings()
    steering = factory.load_steering(settings)
    riders = factory.make_riders(steering, settings)
    shadow = None
    if "B" in riders:
        b = riders["B"].steering
        shadow = Seat(b.title, riders["B"].explainers, CAR, b.contract)
        more |= {"shadow": network_facts(b)}
    pilot = LearnedPilot(
        riders["A"].explainers,
        CAR,
        steering.contract,
        SpeedControl(8.0),
        title=steering.title,
        shadow=shadow,
    )
    steps = []
    for number, seen in enumerate(observations(count, more.get("rate_hz", RATE_HZ))):
        before(pilot, number)
        steps.append(DriveStep(seen, pilot.decide(seen)))
    write(folder, steps, facts_of(settings, steering, **more), steering)
    return steps


def write(folder: Path, steps: Sequence[DriveStep], facts: Facts, steering: Steering) -> None:
    def fail(line: str) -> None:
        raise AssertionError(line)

    crop = steering.preprocess.crop if facts.frames == "network" else None
    with RecordWriter(folder, facts, fail, crop) as writer:
        for step in steps:
            writer.write(step)
