from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from text_checks import check_texts, record_texts

from carla_saliency.core import Explanation, LayerInfo, Meaning, Place
from carla_saliency.draw import activations
from carla_saliency.draw.layer_sheets import CELL, GAP, MARGIN, ActivationsSheet, Cell, LayersSheet
from carla_saliency.draw.layout import Box
from carla_saliency.draw.text import SMALL
from carla_saliency.draw.words import Degrees
from carla_saliency.network.contract import DEFAULT_CONTRACT

DEGREES = Degrees(70.0, 70.0)
GRID = np.full((66, 200, 3), 90, np.uint8)
STEERING = Meaning(title="contrast", hint=("what stands out here pushes", "the steering"))


def picture(width: int = 640) -> np.ndarray:
    return np.full((width * 9 // 16, width, 3), 90, np.uint8)


def cell(
    name: str = "steering",
    attribution: np.ndarray | None = None,
    place: Place | None = None,
    scale: float = 70.0,
    kind: str = "Conv2D",
    **meaning: Any,
) -> Cell:
    values = np.zeros((66, 200)) if attribution is None else attribution
    values = values.astype(np.float32)
    found = Explanation(0, "contrast", 0.1, values, replace(STEERING, **meaning), place)
    return Cell(LayerInfo(name, kind, (1,)), found, scale)


def layer(name: str, kind: str = "Conv2D", **values: Any) -> Cell:
    meaning = {"of": name, "unit": f"{name} / pixel", "left": "lowers it", "right": "raises it"}
    return cell(name, kind=kind, **(meaning | values))


FIRST = (
    LayerInfo("conv2d", "Conv2D", (31, 98, 24)),
    np.random.default_rng(0).normal(size=(31, 98, 24)).astype(np.float32),
)


def paint(cells: list[Cell], width: int = 640, first: Any = FIRST, **settings: Any) -> np.ndarray:
    sheet = LayersSheet("dave2.keras", DEGREES, **settings)
    return sheet.paint(picture(width), "frame.png", DEFAULT_CONTRACT, GRID, first, cells)


def coloured(sheet: np.ndarray) -> np.ndarray:
    return np.ptp(sheet.astype(int), axis=2) > 60


# ------------------------------------------------------------------ the maps


@pytest.mark.parametrize(("width", "times"), [(160, 1), (640, 1), (1280, 2), (7680, 3)])
def test_a_larger_picture_gets_a_larger_sheet_up_to_three_times(width: int, times: int) -> None:
    small, sheet = paint([cell()]), paint([cell()], width)
    assert sheet.shape[1] == 1280 * times
    assert sheet.shape[0] == small.shape[0] * times
    assert sheet.dtype == np.uint8


def test_more_than_four_layers_begin_a_new_row() -> None:
    heights = [paint([layer(f"l{i}") for i in range(n)]).shape[0] for n in (1, 4, 5, 8, 9)]
    assert heights[0] == heights[1] < heights[2] == heights[3] < heights[4]


@pytest.mark.parametrize("number", [0, 3, 5])
def test_each_layers_map_is_in_its_own_cell(number: int) -> None:
    cells = [layer(f"l{i}") for i in range(6)]
    cells[number] = layer("marked", attribution=np.full((66, 200), 1.0), scale=1.0)
    plain, sheet = paint([layer(f"l{i}") for i in range(6)]), paint(cells)
    ys, xs = np.nonzero(coloured(sheet) & ~coloured(plain))
    left = MARGIN + number % 4 * (CELL + GAP)
    assert (xs.min(), xs.max() + 1) == pytest.approx((left, left + CELL), abs=1.5)
    assert np.ptp(ys) + 1 == pytest.approx(CELL * 66 / 200, abs=1.5)


def test_left_is_blue_and_right_is_orange_and_no_sign_is_neither() -> None:
    def middle(value: float, signed: bool) -> np.ndarray:
        found = cell(attribution=np.full((66, 200), value), signed=signed)
        sheet, plain = paint([found]), paint([cell(signed=signed)])
        ys, xs = np.nonzero(coloured(sheet) & ~coloured(plain))
        return sheet[round(ys.mean()), round(xs.mean())].astype(int)

    assert middle(-1.0, True).argmax() == 2
    assert middle(1.0, True).argmax() == 0
    light = middle(1.0, False)
    assert light[0] > 200
    assert light[1] > 200


def test_a_planted_cell_is_where_its_place_on_the_grid_is() -> None:
    attribution = np.zeros((3, 20))
    attribution[1, 5] = 1.0
    place = (18.5, 42.5, 18.5, 178.5)  # 8 grid pixels from cell to cell
    sheet = paint([cell(attribution=attribution, place=place)])
    ys, xs = np.nonzero(coloured(sheet) & ~coloured(paint([cell()])))
    k = CELL / 200
    wanted = MARGIN + k * (18.5 + 8 * 5), MARGIN + k * (18.5 + 8 * 6)
    assert (xs.min(), xs.max() + 1) == pytest.approx(wanted, abs=1)
    assert np.ptp(ys) + 1 == pytest.approx(8 * k, abs=1)
    inside = sheet[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    assert np.ptp(inside.astype(int), axis=(0, 1)).max() == 0  # one cell, one colour


# ------------------------------------------------------------------ the words

CASES = {
    "dave2": [*(layer(f"conv2d_{i}") for i in range(5)), layer("dense_12", "Dense"), cell()],
    "long names": [
        layer("time_distributed_separable_conv2d_12", "SeparableConv2D"),
        layer("a", "a_very_long_kind_of_layer_that_somebody_registered"),
    ],
    "cells": [
        cell(
            "conv2d_4", np.ones((1, 18)), unit="relative", signed=False, left="little", right="much"
        ),
        cell("conv2d_3", np.ones((3, 20)), unit="deg / cell", scale=0.00002),
    ],
    "dead": [cell(scale=0.0)],
}


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("own", [False, True])
def test_no_text_is_cut_or_lies_on_another(
    width: int, name: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    sheet = paint(CASES[name], width, own=own)
    check_texts(placed, cut, sheet.shape[1::-1])
    assert SMALL.size >= 14


def said(monkeypatch: pytest.MonkeyPatch, cells: list[Cell], **settings: Any) -> list[str]:
    with monkeypatch.context() as patch:
        placed, _ = record_texts(patch)
        paint(cells, **settings)
    return [text for text, _, _ in placed]


def test_each_cell_has_its_name_kind_resolution_and_scale(monkeypatch: Any) -> None:
    cells = [
        layer("conv2d", scale=0.0002),
        cell("conv2d_3", np.ones((3, 20)), unit="relative", signed=False, scale=0.5),
        cell(scale=0.05, kind="output of dense_7"),
    ]
    texts = said(monkeypatch, cells)
    assert {"conv2d", "Conv2D", "map 200×66", "±0.0002 conv2d / pixel"} <= set(texts)
    assert {"map 20×3, coarse", "0.5 relative"} <= set(texts)
    assert {"output of dense_7", "±0.05 deg / pixel"} <= set(texts)
    assert "steering +7.0° right" in texts


def test_a_layer_that_nothing_moves_has_no_scale(monkeypatch: Any) -> None:
    assert "nothing moves it" in said(monkeypatch, [cell(scale=0.0)])


def test_the_legend_has_one_row_for_each_kind_of_colours(monkeypatch: Any) -> None:
    texts = said(monkeypatch, [layer("a"), layer("b"), cell()])
    assert texts.count("◀ lowers it") == texts.count("◀ pushes left") == 1
    assert "about each layer's own output, not the steering" in texts


def test_own_scales_are_said(monkeypatch: Any) -> None:
    assert any("scaled to this frame" in text for text in said(monkeypatch, [cell()], own=True))
    assert not any("scaled to this frame" in text for text in said(monkeypatch, [cell()]))


# ------------------------------------------------------------------ activations


def sheet_of(values: np.ndarray, width: int = 640) -> np.ndarray:
    info = LayerInfo("conv2d", "Conv2D", values.shape)
    values = values.astype(np.float32)
    return ActivationsSheet("dave2.keras").paint(
        picture(width), "frame.png", DEFAULT_CONTRACT, info, values
    )


SHAPES = [
    (31, 98, 24),
    (1, 18, 64),
    (12, 20, 512),
    (240, 320, 8),
    (5, 5, 1),
    (100,),
    (1164,),
    (1,),
    (3, 31, 98, 4),
    (3, 50),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("width", [320, 1280])
def test_no_text_of_an_activations_sheet_is_cut_or_lies_on_another(
    shape: tuple[int, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    placed, cut = record_texts(monkeypatch)
    sheet = sheet_of(values, width)
    assert sheet.shape[1] == 1280 * (width // 640 or 1)
    numbers = [each for each in placed if each[0].isdigit()]
    others = [each for each in placed if not each[0].isdigit()]
    check_texts(others + numbers[:40], cut, sheet.shape[1::-1])
    check_texts(numbers[-40:], cut, sheet.shape[1::-1])


@pytest.mark.parametrize("low", [0.0, -3.0])
def test_a_filters_cells_are_black_to_white_on_the_scale_of_all(low: float) -> None:
    values = np.full((2, 3, 4), low)
    values[0, 0, 0] = low + 1.0  # the first filter has the largest of all
    values[1, 2, 3] = low + 0.5
    sheet = sheet_of(values)[136:]
    assert (sheet[25, 20] == 255).all()
    grey = sheet[20:, 960:]
    assert ((grey == 128).all(axis=2)).sum() == pytest.approx((311 / 3) ** 2, rel=0.05)


def test_all_the_same_is_black_and_divides_by_nothing() -> None:
    assert not activations.grey(np.full((2, 2, 3), 7.0, np.float32)).any()
    sheet_of(np.full((2, 2, 3), 7.0))
    sheet_of(np.zeros(10))


def test_the_newest_frame_of_several_is_seen() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(np.float32)
    assert np.array_equal(activations.newest(values), values[-1])
    assert np.array_equal(activations.newest(values[:, 0, 0]), values[-1, 0, 0])


def test_a_unit_is_a_bar_from_zero_up_or_down() -> None:
    sheet = sheet_of(np.array([1.0, -1.0, 0.5, 0.0]))[136:]
    bright = (sheet > 160).all(axis=2)
    zero = round(8 + (240 - 36) / 2)
    columns = [round(640 - 96 + 48 * (i + 0.5)) for i in range(4)]
    assert bright[12 : zero - 2, columns[0]].all()
    assert bright[zero + 2 : zero + 100, columns[1]].all()
    assert not bright[12 : zero - 2, columns[1]].any()
    assert bright[zero - 40 : zero - 2, columns[2]].all()
    assert not bright[12 : zero - 60, columns[2]].any()
    assert not bright[12 : zero - 2, columns[3]].any()


def test_the_name_the_size_and_the_range_are_said(monkeypatch: Any) -> None:
    values = np.zeros((31, 98, 24))
    values[0, 0, 0], values[1, 1, 1] = -0.25, 4.125
    placed, _ = record_texts(monkeypatch)
    sheet_of(values)
    texts = [text for text, _, _ in placed]
    assert "conv2d" in texts
    assert "Conv2D · 24 filters of 98×31 · −0.25 … 4.12" in texts
    assert "frame.png · dave2.keras" in texts
    assert [str(i) for i in range(24)] == [text for text in texts if text.isdigit()][-24:]


@pytest.mark.parametrize(
    ("shape", "count", "columns"), [((31, 98), 24, 4), ((10, 10), 16, 6), ((1, 18), 64, 3)]
)
def test_a_mosaic_uses_its_box_well(shape: tuple[int, int], count: int, columns: int) -> None:
    assert activations.columns_to_fit(shape, count, Box(0, 0, 612, 302)) == columns
