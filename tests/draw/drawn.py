"""Steps with all that can be found out, for the tests of the window's states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from carla_saliency.core import (
    Blob,
    CausalCheck,
    ClassEffects,
    ClassShares,
    Comparison,
    Contract,
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
from carla_saliency.draw.layout import Box, Layout
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import EventEntry, MaskBox, Recording, UiState, World

CONTRACT = Contract(
    name="dave2.keras",
    camera=Pose(x_m=1.5, z_m=1.6),
    width_px=640,
    height_px=360,
    fov_deg=100,
    crop=(148, 360, 0, 640),
    input_height_px=66,
    input_width_px=200,
)
CONTRAST = Meaning(
    title="gradient × (frame − blur)",
    hint=("what stands out here pushes", "the steering left or right"),
)
STATE = UiState(
    method=CONTRAST,
    world=World(map_name="Town01", weather="ClearNoon", spawn="spawn 24", network="dave2.keras"),
    recording=Recording("on", 134.6),
    timing_ms=(("server", 21.0), ("net + map", 10.0), ("draw", 3.0), ("record", 1.0)),
    fps=20.0,
    calibrated=True,
    usual_on_road=0.71,
)
BLOBS = CausalCheck(
    0,
    (
        Blob((20, 45, 120, 160), 0.087, True),
        Blob((10, 26, 60, 85), -0.034, True),
        Blob((8, 22, 2, 30), 0.003, False),
        Blob((5, 14, 150, 170), 0.004, False),
        Blob((28, 50, 90, 118), -0.01, False),
    ),
    0.006,
    200,
)
MASKS = (
    MaskBox(letter="A", place=(90, 180, 400, 560), before=0.12, after=-0.03),
    MaskBox(letter="B", place=(180, 240, 20, 180), before=-0.03, after=-0.028),
    MaskBox(letter="C", place=(300, 350, 300, 420)),
)
EVENTS = tuple(
    EventEntry(number=i + 1, kind=kind, sim_s=12.3 + i, clip="saved")
    for i, kind in enumerate(EventKind)
)
CHECK = MapCheck(0, 0.31, 0.12, 0.2, (0.05, 0.01))
SHARES = np.array([0.4, 0.3, 0.1, 0.05, 0.05, 0.06, 0.01, 0.03], np.float32)
CHANGES = np.array([0.052, -0.011, 0.002, -0.148, 0.0008, np.nan, np.nan, 0.0001], np.float32)
FLOORS = np.array([0.003, 0.003, 0.001, 0.001, 0.001, np.nan, np.nan, 0.001], np.float32)
NOVELTY = Novelty(4.1, 3.0, np.full((66, 200, 3), (10, 200, 30), np.uint8))


def make_findings(frame_id: int = 0, **found: Any) -> Findings:
    values: dict[str, Any] = {
        "shares": ClassShares(frame_id, SHARES, np.full(8, 0.125, np.float32)),
        "effects": ClassEffects(frame_id, CHANGES, FLOORS),
        "check": CHECK,
    }
    return Findings(**(values | found))


def explain(frame_id: int, values: np.ndarray | None = None) -> Explanation:
    values = np.zeros((66, 200), np.float32) if values is None else values.astype(np.float32)
    return Explanation(frame_id, "contrast", 0.1, values, CONTRAST)


def shadow_of(frame_id: int, values: np.ndarray | None = None, **settings: Any) -> Shadow:
    found = {
        "title": "other.keras",
        "command": 0.2,
        "explanation": explain(frame_id, values),
    }
    return Shadow(**(found | settings))


def make_step(
    frame_id: int = 0,
    values: np.ndarray | None = None,
    findings: Findings | None = None,
    events: tuple[EventKind, ...] = (),
    observation: dict[str, Any] | None = None,
    grey: int = 120,
    **decision: Any,
) -> DriveStep:
    image = np.full((360, 640, 3), grey, np.uint8)
    lane = LaneView(0.3, 1.0, 3.5, False, np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    seen: dict[str, Any] = {
        "frame": Frame(frame_id, frame_id * 0.05, image),
        "pose": Pose(),
        "speed_mps": 8.7,
        "lane": lane,
        "events": tuple(Event(kind, frame_id, kind.value) for kind in events),
    }
    done: dict[str, Any] = {
        "control": Control(0.1, 0.4),
        "driver": "network",
        "explanation": explain(frame_id, values),
        "expert_steering": 0.14,
        "network_steering": 0.1,
    }
    found = make_findings(frame_id) if findings is None else findings
    return DriveStep(
        Observation(**(seen | (observation or {}))), Decision(**(done | decision)), found
    )


def compared(frame_id: int, difference: float = 0.1, **shadow: Any) -> DriveStep:
    found = make_findings(frame_id, comparison=Comparison(difference, 0.58))
    return make_step(frame_id, findings=found, shadow=shadow_of(frame_id, **shadow))


def make_painter(size: tuple[int, int] = (1280, 720), **settings: Any) -> Painter:
    values: dict[str, Any] = {
        "max_steer_deg": 70.0,
        "tick_ms": 50.0,
        "car_width_m": 1.85,
        "names": ("dave2_town01.keras", "dave2_augmented.keras"),
    }
    return Painter(size, settings.pop("contract", CONTRACT), **(values | settings))


def paint_last(painter: Painter, steps: Iterable[DriveStep], state: UiState) -> np.ndarray:
    """Return the picture of the last of many steps; the others are only remembered."""
    before: DriveStep | None = None
    for step in steps:
        if before is not None:
            painter._memory.take(before, state)
        before = step
    assert before is not None
    return painter.paint(before, state)


def view(picture: np.ndarray, box: Box) -> np.ndarray:
    p = Layout.of((picture.shape[1], picture.shape[0])).pixels(box)
    return picture[p.rows, p.columns]


def is_colour(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(axis=-1)
