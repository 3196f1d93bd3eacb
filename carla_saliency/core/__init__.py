"""The nouns that flow through a drive, and the interfaces of the parts that handle them.

    Frame -> Observation -> Decision(control, explanation) -> DriveStep

Read `driving.py` here first, the loop in `carla_saliency/drive.py` second. Positions are CARLA's:
x forward, y right, z up, metres and degrees. Steering is a number in [-1, 1], left negative. Images
are RGB, uint8, (H, W, 3).
"""

from __future__ import annotations

from carla_saliency.core.driving import (
    DEAD_END_M,
    PUT_BACK_M,
    Array,
    Car,
    Control,
    Decision,
    Driver,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Frame,
    HeldKeys,
    Image,
    LaneView,
    Meaning,
    Observation,
    Place,
    Pose,
)
from carla_saliency.core.networks import (
    Answer,
    Contract,
    Inputs,
    LayerInfo,
    Query,
    Seen,
    Target,
)
from carla_saliency.core.parts import (
    Explainer,
    Feed,
    Network,
    Pilot,
    Preprocess,
    Session,
)
from carla_saliency.core.requests import (
    ChangeMethod,
    HandOver,
    Manual,
    Pause,
    Quit,
    Request,
    StepOnce,
    ToggleRecording,
)

__all__ = [
    "DEAD_END_M",
    "PUT_BACK_M",
    "Answer",
    "Array",
    "Car",
    "ChangeMethod",
    "Contract",
    "Control",
    "Decision",
    "DriveStep",
    "Driver",
    "Event",
    "EventKind",
    "Explainer",
    "Explanation",
    "Feed",
    "Frame",
    "HandOver",
    "HeldKeys",
    "Image",
    "Inputs",
    "LaneView",
    "LayerInfo",
    "Manual",
    "Meaning",
    "Network",
    "Observation",
    "Pause",
    "Pilot",
    "Place",
    "Pose",
    "Preprocess",
    "Query",
    "Quit",
    "Request",
    "Seen",
    "Session",
    "StepOnce",
    "Target",
    "ToggleRecording",
]
