"""Steps for the tests of what remembers and saves them."""

from __future__ import annotations

import numpy as np

from carla_saliency.core import (
    Array,
    ClassEffects,
    ClassShares,
    Control,
    Decision,
    DriveStep,
    Event,
    Explanation,
    Findings,
    Frame,
    LaneView,
    MapCheck,
    Meaning,
    Observation,
    Pose,
    Shadow,
    SideView,
)

FPS = 20
SIZE = (96, 64)


def frame_of(number: int, size: tuple[int, int] = SIZE, tags: bool = True) -> Frame:
    """Return a frame whose pixels depend on its number; sharp edges beside noise."""
    width, height = size
    noise = np.random.default_rng(number)
    image = np.full((height, width, 3), number % 251, np.uint8)
    image[: height // 3] = noise.integers(0, 256, (height // 3, width, 3), np.uint8)
    some = noise.integers(0, 29, (height, 1), np.uint8).repeat(width, axis=1) if tags else None
    return Frame(number, number / FPS, image, some, 5.0 + number / 1000)


def explanation_of(number: int, rows: int = 6) -> Explanation:
    """Return a map that sums to -3 on the left and +2 on the right."""
    values: Array = np.zeros((rows, 8), np.float32)
    values[0, :3], values[1, 6:] = -1, 1
    return Explanation(number, "contrast", 0.1, values, Meaning(title="contrast"))


def step_of(
    number: int,
    size: tuple[int, int] = SIZE,
    tags: bool = True,
    events: tuple[Event, ...] = (),
    decision: Decision | None = None,
) -> DriveStep:
    """Return a step with everything that a step may have but findings."""
    frame = frame_of(number, size, tags)
    path = np.stack([np.arange(5), np.zeros(5)], axis=1).astype(np.float32)
    lane = LaneView(0.25, -1.5, 3.5, False, path, np.zeros(5, np.float32))
    observation = Observation(
        frame,
        Pose(10.0 + number, 20.0, 0.0, 0.0, 90.0),
        frame.speed_mps,
        lane,
        events,
        view=SideView("chase", np.zeros((4, 4, 3), np.uint8)),
    )
    usual = Decision(
        Control(0.125, 0.5, 0.0),
        "network",
        explanation_of(number),
        expert_steering=-0.25,
        network_steering=0.125,
        shadow=Shadow(title="other", command=0.375, explanation=explanation_of(number)),
    )
    return DriveStep(observation, decision or usual)


def findings_of(number: int) -> Findings:
    """Return what was found out about a step, exact in float32."""
    share = np.array([0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0], np.float32)
    change = np.array([0.5, -0.25, np.nan, 0, 0, 0, 0, 0], np.float32)
    return Findings(
        shares=ClassShares(number, share, share),
        effects=ClassEffects(number, change, np.abs(change)),
        check=MapCheck(number, 0.75, None, 0.25, (0.5, 0.125), ("like an edge detector",)),
    )
