"""A frame that is inspected, for the tests of the inspected window."""

from __future__ import annotations

from typing import Any

import numpy as np

from carla_saliency.core import Contract, Explanation, LayerInfo, Meaning, Place, Pose
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import Layout
from carla_saliency.draw.palette import BACKGROUND
from carla_saliency.draw.state import Inspection, LayerCell
from carla_saliency.draw.words import Degrees

SIZES = [(960, 540), (1280, 720), (1920, 1080), (3840, 2160)]
DEGREES = Degrees(70.0, 70.0)
CONTRACT = Contract(
    name="dave2.keras",
    camera=Pose(x_m=1.5, z_m=1.6),
    width_px=640,
    height_px=360,
    fov_deg=100,
    crop=(140, 360, 0, 640),
    input_height_px=66,
    input_width_px=200,
)
NAMES = (*(f"conv{i}" for i in range(1, 6)), "dense1", "dense2", "dense3", "steering")
SHAPES = {
    "conv1": (31, 98),
    "conv2": (14, 47),
    "conv3": (5, 22),
    "conv4": (3, 20),
    "conv5": (1, 18),
}


def make_canvas(size: tuple[int, int] = (1280, 720)) -> Canvas:
    array = np.empty((size[1], size[0], 3), np.uint8)
    array[...] = BACKGROUND
    return Canvas(Pens(Layout.of(size)), array)


def make_cell(
    name: str,
    values: np.ndarray | None = None,
    place: Place | None = None,
    chosen: bool = False,
    **meaning: Any,
) -> LayerCell:
    shape = SHAPES.get(name, (66, 200))
    values = np.zeros(shape) if values is None else values
    words = {"title": "contrast"} | meaning
    found = Explanation(7, "contrast", 0.1, values.astype(np.float32), Meaning(**words), place)
    return LayerCell(name=name, explanation=found, chosen=chosen)


def make_inspection(**values: Any) -> Inspection:
    rng = np.random.default_rng(0)
    cells = tuple(
        make_cell(name, rng.normal(0, 1e-3, SHAPES.get(name, (66, 200))), chosen=name == "steering")
        for name in NAMES
    )
    own: dict[str, Any] = {
        "cells": cells,
        "layer": LayerInfo("conv1", "Conv2D", (31, 98, 24)),
        "activations": rng.normal(size=(31, 98, 24)).astype(np.float32),
        "filter_changes": rng.normal(0, 0.02, 24).astype(np.float32),
    }
    return Inspection(**(own | values))
