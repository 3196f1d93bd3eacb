"""Steps with everything that a step may have, facts, and how to compare steps."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from carla_saliency.core import (
    Array,
    Blob,
    Car,
    CausalCheck,
    ClassEffects,
    ClassShares,
    Comparison,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Findings,
    Frame,
    LaneView,
    MapCheck,
    Meaning,
    Novelty,
    Observation,
    Pose,
    Shadow,
)
from carla_saliency.record.extras import Extras
from carla_saliency.record.facts import Facts, NetworkFacts
from carla_saliency.record.writer import RecordWriter

CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0), (120.0, 0.5)), 4.7, 1.8)
FACTS = Facts(
    created="2026-05-01T12:00:00+00:00",
    command="carla-saliency drive --record x",
    settings={"fps": 20, "model": "shipped"},
    versions={"carla-saliency": "0.1.0"},
    network=NetworkFacts("shipped", "/models/shipped.npz", "ab" * 32, {"name": "shipped"}),
    shadow=None,
    car=CAR,
    physics={"mass": 1845.0},
    map_name="Town01",
    weather="ClearNoon",
    seed=3,
    rate_hz=20.0,
    frames="camera",
    server_version="0.9.16",
)
EXTRAS = Extras({"world": 31.25, "draw": 9.5}, ((1, 2, 30, 40), (5, 6, 7, 8)), 0.0125)


def frame_of(number: int, size: tuple[int, int] = (96, 64), tags: bool = True) -> Frame:
    """Return a frame of noise; its time is no whole number of nanoseconds."""
    width, height = size
    noise = np.random.default_rng(number)
    image = noise.integers(0, 256, (height, width, 3), np.uint8)
    some = noise.integers(0, 29, (height, width), np.uint8) if tags else None
    return Frame(number, number / 20 + 1 / 3e9, image, some, 5.0 + number / 7)


def map_of(
    number: int, meaning: Meaning, shape: tuple[int, int] = (6, 8), place: Any = None
) -> Explanation:
    """Return a map of noise; of both signs where the meaning says so."""
    values: Array = np.random.default_rng(number).normal(size=shape).astype(np.float32)
    values = values if meaning.signed else np.abs(values)
    return Explanation(number, "contrast", 0.1 + number / 3e5, values, meaning, place)


SIGNED = Meaning(title="gradient × (frame − blur)", hint=("read it", "like this"))
UNSIGNED = Meaning(title="activation", of="conv_3", unit="", signed=False, left="", right="much")


def findings_of(number: int) -> Findings:
    """Return everything that can be found out about a step."""
    noise = np.random.default_rng(number)
    numbers = noise.random((4, 8)).astype(np.float32)
    numbers[2, 3] = numbers[3, 4] = np.nan
    blobs = (Blob((0.5, 7.25, 1.0, 3.0), -0.01, True), Blob((1.0, 2.0, 3.0, 4.0), 0.5, False))
    return Findings(
        shares=ClassShares(number, numbers[0], numbers[1]),
        effects=ClassEffects(number - 1, numbers[2], numbers[3]),
        causal=CausalCheck(number - 2, blobs, float("nan"), 20),
        check=MapCheck(number, 0.75, None, 0.25, (0.5, 0.125), ("like an edge detector",)),
        novelty=Novelty(1.5, 3.0, noise.integers(0, 256, (9, 12, 3), np.uint8), True),
        comparison=Comparison(-0.25, 0.5),
        off_road_s=1.5,
        events=(Event(EventKind.NOVELTY, number - 1, "2.1 times as far as usual"),),
    )


def rich_step(number: int, **size: Any) -> DriveStep:
    """Return a step in which nothing is missing but the picture of another camera."""
    frame = frame_of(number, **size)
    bends: Array = np.linspace(-0.02, 0.01, 7, dtype=np.float32)
    path = np.stack([np.arange(7) * 0.9, np.arange(7) / 3], axis=1).astype(np.float32)
    lane = LaneView(0.31, -1.7, 3.4, True, path, bends, True, "left", 12.5, 3.25, 40.5)
    events = (
        Event(EventKind.LANE_DEPARTURE, number, "0.3 m over the left edge"),
        Event(EventKind.BOOKMARK, number, "bookmark"),
    )
    pose = Pose(1.1, 2.2, 3.3, 4.4, 5.5, 6.6)
    shadow_map = map_of(number + 9, UNSIGNED, (1, 5), (0.0, 66.0, 10.5, 200.0))
    decision = Decision(
        Control(0.1 + number / 3e5, 0.7, 0.1, True, True),
        "manual",
        map_of(number, SIGNED),
        expert_steering=-0.0,
        network_steering=1 / 3,
        timing_ms={"network": 1.9, "map": 3.3},
        notice="turn ahead: the expert steers",
        shadow=Shadow(letter="A", title="other", command=0.377, explanation=shadow_map),
        masked=replace(frame, image=255 - frame.image),
    )
    applied = Control(-1.0, 0.0, 1.0)
    seen = Observation(frame, pose, -2.7, lane, events, 31.1, None, applied)
    return DriveStep(seen, decision, findings_of(number))


def bare_step(number: int) -> DriveStep:
    """Return a step in which all that can be missing is."""
    seen = Observation(frame_of(number, tags=False), Pose(), 0.0, None)
    return DriveStep(seen, Decision(Control(), "expert", None))


def keep(folder: Path, steps: list[DriveStep], facts: Facts = FACTS, **more: Any) -> Path:
    """Return the folder, with a record of the steps in it."""
    troubles: list[str] = []
    with RecordWriter(folder, facts, troubles.append, **more) as record:
        for step in steps:
            record.write(step, EXTRAS)
    assert not troubles
    return folder


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Return where two values differ; maps may by half of what 16 bits can say."""
    if type(one) is not type(other):
        return [f"{where}: {type(one).__name__} is not {type(other).__name__}"]
    if is_dataclass(one):
        return [
            text
            for field in fields(one)
            for text in differences(
                getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}"
            )
        ]
    if isinstance(one, np.ndarray):
        exact = not where.endswith("attribution")
        limit = 0.0 if exact else float(np.abs(one).max()) / 65_000
        close = one.shape == other.shape and np.allclose(one, other, 0, limit, equal_nan=True)
        return [] if close and one.dtype == other.dtype else [f"{where}: not the same array"]
    if isinstance(one, tuple) and len(one) == len(other):
        return [
            text
            for i, pair in enumerate(zip(one, other, strict=True))
            for text in differences(*pair, f"{where}[{i}]")
        ]
    same = repr(one) == repr(other)  # to the last bit, the sign of a zero, and NaN is NaN
    return [] if same else [f"{where}: {one!r} is not {other!r}"]
