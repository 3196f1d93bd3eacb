from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from inspected import (
    CONTRACT,
    DEGREES,
    NAMES,
    SIZES,
    make_canvas,
    make_cell,
    make_inspection,
)
from text_checks import check_texts, record_texts

from carla_saliency.core import Contract, Explanation, Meaning
from carla_saliency.draw import inspecting
from carla_saliency.draw.inspecting import cell_boxes
from carla_saliency.draw.layer_cells import HEAD, scale_of
from carla_saliency.draw.layout import LEGEND_A, PANE_R, STRIP_A, TITLE_R, Box, Layout
from carla_saliency.draw.palette import BACKGROUND, HIGH
from carla_saliency.draw.state import Inspection, LayerCell
from carla_saliency.draw.words import Degrees

BLACK = np.zeros((360, 640, 3), np.uint8)


def paint(
    inspection: Inspection,
    size: tuple[int, int] = (1280, 720),
    contract: Contract = CONTRACT,
    picture: np.ndarray = BLACK,
    degrees: Degrees = DEGREES,
    opacity: float = 1.0,
) -> np.ndarray:
    canvas = make_canvas(size)
    inspecting.layers(canvas, picture, inspection, contract, degrees, opacity)
    return canvas.array


def coloured(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 60


def span(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of what has a colour."""
    ys, xs = np.nonzero(coloured(picture))
    return ys.min(), ys.max() + 1, xs.min(), xs.max() + 1


def grid_with(number: int, cell: LayerCell) -> Inspection:
    cells = [make_cell(name) for name in NAMES]
    cells[number] = cell
    return Inspection(cells=tuple(cells))


# ------------------------------------------------------------------ where the cells are


@pytest.mark.parametrize("count", range(1, 10))
def test_all_cells_are_apart_and_inside_the_pane(count: int) -> None:
    boxes = cell_boxes(count)
    assert len(boxes) == count
    assert all(box.inside(PANE_R, slack=1e-6) for box in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_more_than_nine_cells_are_not_drawn() -> None:
    assert cell_boxes(12) == cell_boxes(9)
    paint(Inspection(cells=tuple(make_cell(f"l{i}") for i in range(12))))


def test_nothing_is_drawn_outside_the_pane_and_its_title() -> None:
    picture = paint(make_inspection(), picture=np.full_like(BLACK, 200))
    for box in (TITLE_R, PANE_R):
        p = Layout.of((1280, 720)).pixels(box)
        picture[p.rows, p.columns] = BACKGROUND
    assert (picture == BACKGROUND).all()


# ------------------------------------------------------------------ the maps


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [0, 4, 8])
def test_a_map_that_is_full_fills_the_crop_of_its_own_cell(
    size: tuple[int, int], number: int
) -> None:
    picture = paint(grid_with(number, make_cell("full", np.ones((66, 200)))), size)
    box = cell_boxes(9)[number]
    p = Layout.of(size).pixels(Box(box.x, box.y + HEAD, box.w, box.h - HEAD))
    top, bottom, left, right = span(picture)
    assert (left, right) == pytest.approx((p.x, p.x + p.w), abs=1)
    assert bottom == pytest.approx(p.y + p.h, abs=1)  # the crop ends where the picture does
    assert bottom - top == pytest.approx((right - left) * 220 / 640, abs=1.5)


def test_a_planted_cell_lies_where_its_place_on_the_grid_is() -> None:
    values = np.zeros((3, 20))
    values[1, 5] = 1.0
    picture = paint(grid_with(0, make_cell("conv4", values, (18.5, 42.5, 18.5, 178.5))))
    box = cell_boxes(9)[0]
    k = box.w / 200
    top, bottom, left, right = span(picture)
    assert (left, right) == pytest.approx(
        (box.x + k * (18.5 + 8 * 5), box.x + k * (18.5 + 8 * 6)), abs=1
    )
    middle = box.bottom - box.w * 220 / 640 * (1 - 30.5 / 66)
    assert (top + bottom) / 2 == pytest.approx(middle, abs=1)
    assert np.ptp(picture[top:bottom, left:right].astype(int), axis=(0, 1)).max() == 0


def test_a_crop_inside_a_larger_picture_is_drawn_with_its_surroundings_darker() -> None:
    contract = replace(CONTRACT, crop=(150, 250, 250, 390))
    white = np.full((360, 640, 3), 255, np.uint8)
    picture = paint(grid_with(0, make_cell("a")), contract=contract, picture=white)
    box = Layout.of((1280, 720)).pixels(cell_boxes(9)[0])
    row = picture[box.y + 66, box.x : box.x + box.w, 0]
    assert row.max() == 116
    assert 0 < row.min() < 60
    assert (row == 116).sum() == pytest.approx((box.h - HEAD) * 1.4, abs=3)


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_a_camera_of_another_shape_is_shown_as_far_as_it_reaches(opacity: float) -> None:
    wide = np.zeros((120, 640, 3), np.uint8)  # lower than the crop
    found = make_cell("a", np.ones((66, 200)))
    picture = paint(grid_with(0, found), picture=wide, opacity=opacity)
    assert coloured(picture).any() == (opacity > 0)


def test_each_cell_has_its_own_scale() -> None:
    small = paint(grid_with(2, make_cell("a", np.full((66, 200), 1e-5))))
    large = paint(grid_with(2, make_cell("a", np.full((66, 200), 1e-2))))
    assert (coloured(small) == coloured(large)).all()


def test_left_is_blue_and_right_is_orange_and_no_sign_is_neither() -> None:
    def colour(value: float, signed: bool) -> np.ndarray:
        picture = paint(
            grid_with(0, make_cell("a", np.full((66, 200), value), signed=signed, unit="relative"))
        )
        top, bottom, left, right = span(picture)
        return picture[(top + bottom) // 2, (left + right) // 2].astype(int)

    assert colour(-1.0, True).argmax() == 2
    assert colour(1.0, True).argmax() == 0
    assert colour(1.0, False)[:2].min() > 200


def test_a_cell_that_is_not_calculated_has_no_picture() -> None:
    white = np.full((360, 640, 3), 255, np.uint8)
    inspection = Inspection(cells=tuple(LayerCell(name=name) for name in NAMES))
    box = cell_boxes(9)[4]
    p = Layout.of((1280, 720)).pixels(Box(box.x + 2, box.y + 80, box.w - 4, 20))
    assert np.ptp(paint(inspection, picture=white)[p.rows, p.columns]) < 10


def test_the_chosen_cell_alone_has_a_white_edge() -> None:
    cells = tuple(make_cell(f"l{i}", chosen=i == 4) for i in range(9))
    picture = paint(Inspection(cells=cells))
    for i, box in enumerate(cell_boxes(9)):
        p = Layout.of((1280, 720)).pixels(box)
        edge = picture[p.y + p.h - 1, p.columns]
        assert (edge == HIGH).all() == (i == 4)


def test_the_chosen_map_can_fill_the_pane() -> None:
    values = np.zeros((66, 200))
    values[33:, :] = -1.0
    cells = (make_cell("a", np.ones((66, 200))), make_cell("b", values, chosen=True))
    picture = paint(Inspection(cells=cells, full=True))
    top, bottom, left, right = span(picture)
    assert (left, right) == (648, 1268)
    assert (top, bottom) == pytest.approx((62 + 349 * 250 / 360, 411), abs=1.5)
    assert picture[top + 5, 900].argmax() == 2


def test_without_a_chosen_cell_the_grid_stays() -> None:
    cells = (make_cell("a"), make_cell("b"))
    full = paint(Inspection(cells=cells, full=True))
    assert (full == paint(Inspection(cells=cells))).all()


def test_a_full_pane_waits_for_its_map() -> None:
    inspection = Inspection(cells=(LayerCell(name="a", chosen=True),), full=True)
    assert not coloured(paint(inspection)).any()
    assert inspecting.bar(inspection, DEGREES) is None


def test_the_bar_is_that_of_the_map_that_fills_the_pane() -> None:
    found = make_cell("a", np.full((66, 200), 1e-3), chosen=True, unit="deg / cell")
    assert inspecting.bar(Inspection(cells=(found,)), DEGREES) is None
    said = inspecting.bar(Inspection(cells=(found,), full=True), DEGREES)
    assert said is not None
    meaning, scale = said
    assert meaning.unit == "deg / cell"
    assert scale.full == pytest.approx(0.1)  # 0.07 degrees, rounded up
    assert scale.unit == "deg / cell"


# ------------------------------------------------------------------ the scale


def explained(values: Any, **meaning: Any) -> Explanation:
    words = {"title": "t"} | meaning
    return Explanation(0, "m", 0.0, np.array(values, np.float32), Meaning(**words))


def test_the_scale_is_the_995th_of_a_thousand_magnitudes_rounded_up() -> None:
    values = np.linspace(0.001, 1.0, 1000).reshape(10, 100) * np.float32(-1)
    assert scale_of(explained(values, unit="relative"), DEGREES) == 1.0
    values[values < -0.995] = -1000.0
    assert scale_of(explained(values, unit="relative"), DEGREES) == 1.0
    values[values < -0.99] = -1000.0
    assert scale_of(explained(values, unit="relative"), DEGREES) == 1000.0


def test_the_scale_is_in_degrees_where_the_map_is() -> None:
    found = explained([[0.02]], unit="deg / cell")
    assert scale_of(found, DEGREES) == 2.0
    assert scale_of(found, Degrees(None, 70.0)) == 0.02


def test_a_map_with_one_peak_has_a_scale_and_a_map_of_zeros_has_none() -> None:
    values = np.zeros((66, 200))
    assert scale_of(explained(values), DEGREES) == 0.0
    values[3, 4] = 1.0
    assert scale_of(explained(values, unit="relative"), DEGREES) == 1.0


# ------------------------------------------------------------------ the words


def longest(name: str) -> str:
    return f"time_distributed_{name}_with_a_long_name_12"


LONG = make_cell(
    longest("a"),
    np.ones((5, 22)),
    chosen=True,
    title=f"LayerCAM · layer {longest('a')} · map 22×5 · left and right",
)
CASES = {
    "dave2": make_inspection(),
    "nothing yet": Inspection(cells=tuple(LayerCell(name=name) for name in NAMES)),
    "no layers": Inspection(),
    "no sign": Inspection(
        cells=tuple(make_cell(n, np.ones((31, 98)), signed=False, unit="deg / cell") for n in NAMES)
    ),
    "long names": Inspection(
        cells=tuple(make_cell(longest(n), np.full((31, 98), 3e-7), unit="relative") for n in NAMES)
    ),
    "zero": Inspection(cells=tuple(make_cell(n, chosen=n == "conv5") for n in NAMES)),
    "full": replace(make_inspection(), full=True),
    "full, long": Inspection(cells=(LONG,), full=True),
    "full, nothing yet": Inspection(cells=(LayerCell(name=longest("a"), chosen=True),), full=True),
    **{
        f"{n} cells": Inspection(cells=tuple(make_cell(f"conv{i}") for i in range(n)))
        for n in range(1, 9)
    },
}


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("degrees", [DEGREES, Degrees(None, 70.0)], ids=["degrees", "steering"])
@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_lies_on_another(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], degrees: Degrees, case: str
) -> None:
    placed, cut = record_texts(monkeypatch)
    paint(CASES[case], size, degrees=degrees)
    assert placed
    check_texts(placed, cut, size)


def test_cells_say_their_resolution_their_scale_and_that_they_have_no_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed, _ = record_texts(monkeypatch)
    cells = (
        make_cell("conv3", np.full((5, 22), 1e-3), unit="deg / cell"),
        make_cell("cam", np.full((1, 18), 1e-3), signed=False, unit="relative"),
        make_cell("steering"),
    )
    paint(Inspection(cells=cells))
    texts = [words for words, _, _ in placed]
    assert "22×5  ±0.1°" in texts
    assert "18×1 0–0.001, no sign" in texts
    assert {"no vertical detail", "zero everywhere", "output", "conv3"} <= set(texts)
    assert "steering" not in texts


def test_a_full_map_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, _ = record_texts(monkeypatch)
    title = "LayerCAM · layer conv3 · map 22×5"
    cell = make_cell("conv3", np.ones((5, 22)), chosen=True, title=title)
    paint(Inspection(cells=(cell,), full=True))
    assert "LayerCAM · layer conv3 · map 22×5, coarse" in [words for words, _, _ in placed]


# ------------------------------------------------------------------ time


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("back_s", "share"), [(0.0, 1.0), (5.0, 0.75), (20.0, 0.0)])
def test_the_cursor_is_at_the_moment_that_is_shown(
    size: tuple[int, int], back_s: float, share: float
) -> None:
    canvas = make_canvas(size)
    inspecting.cursor(canvas, Inspection(back_s=back_s))
    p = canvas.layout.pixels(STRIP_A)
    columns = np.flatnonzero((canvas.array[p.rows, p.columns] == HIGH).all(axis=(0, 2)))
    assert columns.mean() == pytest.approx((p.w - 1) * share, abs=2 * canvas.layout.k)


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize(
    ("back_s", "said"), [(0.0, "now"), (0.004, "now"), (3.25, "−3.25 s"), (123.4, "−123.40 s")]
)
def test_the_legend_says_how_long_ago_it_was(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], back_s: float, said: str
) -> None:
    placed, cut = record_texts(monkeypatch)
    canvas = make_canvas(size)
    inspecting.cursor(canvas, Inspection(back_s=back_s))
    check_texts(placed, cut, size)
    assert [words for words, _, _ in placed] == ["cursor", said]
    legend = Box(*canvas.layout.pixels(LEGEND_A))
    assert all(Box(*found).inside(legend) for _, _, found in placed)
