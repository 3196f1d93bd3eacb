"""What every saliency method says of its maps fits into the window and on the sheets."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from text_checks import check_texts, record_texts

from carla_saliency.core import Control, Decision, DriveStep, Explanation, Frame, Observation, Pose
from carla_saliency.draw.layer_sheets import Cell, LayersSheet
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.sheet import SheetPainter
from carla_saliency.draw.state import UiState
from carla_saliency.draw.words import Degrees
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.feed import ContractFeed
from carla_saliency.network.layers import Layer, chain
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork
from carla_saliency.saliency import METHODS, ChangeExplainer, Method, Options, towards_expert

DEGREES = Degrees(70.0, 70.0)
PICTURE = np.zeros((360, 640, 3), np.uint8)
SMALLEST = 2e-5  # a scale whose numbers and unit are wide
OPTIONS = {
    "usual": Options(),
    "of a layer": Options(layer="conv2d_4"),
    "linear, both sides, black": Options(linear=True, towards="both", baseline="black"),
    "left, mean, guided": Options(towards="left", baseline="mean", backprop="guided"),
    "small values": Options(grad="small_values"),
}


@cache
def network() -> OnnxNetwork:
    rng = np.random.default_rng(0)
    sizes = [(5, 2, 3, 4), (5, 2, 4, 4), (5, 2, 4, 4), (3, 1, 4, 4), (3, 1, 4, 4)]
    layers = [
        Layer(
            "Conv2D",
            f"conv2d_{i}",
            {"filters": new, "kernel_size": [k, k], "strides": [s, s], "activation": "relu"},
            (rng.normal(0, 0.1, (k, k, old, new)).astype(np.float32), np.zeros(new, np.float32)),
        )
        for i, (k, s, old, new) in enumerate(sizes)
    ]
    dense = (rng.normal(0, 0.1, (72, 1)).astype(np.float32), np.zeros(1, np.float32))
    layers += [Layer("Flatten", "flatten", {}), Layer("Dense", "steering", {"units": 1}, dense)]
    return OnnxNetwork(chain((66, 200, 3), layers))


def feed() -> ContractFeed:
    return ContractFeed(ContractPreprocess(DEFAULT_CONTRACT))


def method_of(name: str, options: Options) -> Method:
    return METHODS[name](network(), feed(), options)


def explanation_of(method: Method) -> Explanation:
    """Return a map as the method would give it: only its words and its shape matter here."""
    info = method.infos.get(method.layer)
    place = None if info is None else method.place_of(method.layer)
    shape = (66, 200) if place is None or info is None else info.shape[:2]
    values = np.full(shape, SMALLEST, np.float32)
    return Explanation(0, method.name, -0.123, values, method.meaning, place)


def check_window(
    explanation: Explanation, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = Painter(size, DEFAULT_CONTRACT, 70.0, 50.0)
    fixed = list(placed)
    for tick, sim_s in enumerate((0.0, 3.0)):  # the second is past calibration
        placed.clear()
        frame = Frame(tick, sim_s, PICTURE)
        found = replace(explanation, frame_id=tick)
        observation = Observation(frame, Pose(), 8.0, None)
        decision = Decision(Control(), "network", found)
        painter.paint(DriveStep(observation, decision), UiState(method=found.meaning))
        check_texts(fixed + placed, cut, size)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [(1280, 720), (960, 540)], ids=lambda size: f"{size[0]}")
def test_what_a_method_says_fits_into_the_window(
    method: str, options: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_window(explanation_of(method_of(method, OPTIONS[options])), size, monkeypatch)


@pytest.mark.parametrize("size", [(1280, 720), (960, 540)], ids=lambda size: f"{size[0]}")
@pytest.mark.parametrize("target", ["change", "difference"])
def test_what_the_other_targets_say_fits_into_the_window(
    target: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = explanation_of(method_of("contrast", Options()))
    if target == "change":
        found = replace(usual, meaning=ChangeExplainer(network(), feed()).meaning)
    else:
        found = towards_expert(usual, 0.1)
    check_window(found, size, monkeypatch)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("own", [False, True])
def test_what_a_method_says_fits_on_a_sheet(
    method: str, options: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = explanation_of(method_of(method, OPTIONS[options]))
    placed, cut = record_texts(monkeypatch)
    painter = SheetPainter("dave2.keras", DEGREES, own)
    painter.paint(PICTURE, "frame.png", DEFAULT_CONTRACT, found, SMALLEST)
    check_texts(placed, cut, (1280, 500))


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_says_fits_on_the_sheet_of_all_layers(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, Any] = {info.name: info for info in network().layers}
    cells = []
    for name in ("conv2d_0", "conv2d_4", "steering"):
        if name == "steering" and method in ("gradcam", "gradcam++", "layercam"):
            continue
        explainer = method_of(method, Options(layer=name))
        cells.append(Cell(known[name], explanation_of(explainer), SMALLEST))
    first = known["conv2d_0"], np.zeros((31, 98, 4), np.float32)
    placed, cut = record_texts(monkeypatch)
    sheet = LayersSheet("dave2.keras", DEGREES).paint(
        PICTURE, "frame.png", DEFAULT_CONTRACT, np.zeros((66, 200, 3), np.uint8), first, cells
    )
    check_texts(placed, cut, (sheet.shape[1], sheet.shape[0]))
