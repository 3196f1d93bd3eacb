from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn import BLOBS, CONTRACT, MASKS
from text_checks import check_texts, record_texts

from carla_saliency.core import Blob, CausalCheck, Contract
from carla_saliency.draw import marks
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import PANE_L, Box, Layout
from carla_saliency.draw.palette import HIGH
from carla_saliency.draw.state import MaskBox
from carla_saliency.draw.words import Degrees

DEGREES = Degrees(70.0, 70.0)
PICTURE = np.full((360, 640, 3), 60, np.uint8)
SIZES = [(960, 540), (1280, 720), (1920, 1080), (3840, 2160)]


def draw(
    causal: CausalCheck | None = None,
    masks: tuple[MaskBox, ...] = (),
    in_force: bool = False,
    contract: Contract = CONTRACT,
    size: tuple[int, int] = (1280, 720),
    degrees: Degrees = DEGREES,
    taken: tuple[Box, ...] = (),
) -> Canvas:
    canvas = Canvas(Pens(Layout.of(size)), np.full((size[1], size[0], 3), 60, np.uint8))
    marks.draw(canvas, PICTURE, contract, degrees, causal, masks, in_force, taken)
    return canvas


def white(canvas: Canvas, box: Box = PANE_L) -> np.ndarray:
    return (canvas.view(box).astype(int) > 200).all(axis=2)


def blob(moves: bool, place: Any = (20.0, 40.0, 80.0, 120.0)) -> CausalCheck:
    return CausalCheck(0, (Blob(place, 0.05, moves),), 0.01, 200)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("crop", [(148, 360, 0, 640), (0, 360, 0, 640), (100, 300, 100, 500)])
def test_an_ellipse_is_around_the_very_pixels_that_the_network_saw(
    size: tuple[int, int], crop: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "_write", lambda *_: None)
    canvas = draw(blob(True), contract=replace(CONTRACT, crop=crop), size=size)
    rows, columns = np.nonzero(white(canvas))
    k = canvas.layout.pixels(PANE_L).w / 640
    top, bottom, left, right = crop
    x = left + 100 / 200 * (right - left)
    y = top + 30 / 66 * (bottom - top)
    half = 20 / 200 * (right - left), 10 / 66 * (bottom - top)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(x * k, abs=1.0)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(y * k, abs=1.0)
    assert np.ptp(columns) / 2 == pytest.approx(half[0] * k, abs=3 * k + 0.5)
    assert np.ptp(rows) / 2 == pytest.approx(half[1] * k, abs=3 * k + 0.5)


def test_what_moves_the_steering_is_solid_and_what_does_not_is_dashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(marks, "_write", lambda *_: None)
    solid, dashed = (int(white(draw(blob(moves))).sum()) for moves in (True, False))
    assert 0.4 * solid < dashed < 0.75 * solid


def test_a_small_blob_can_still_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "_write", lambda *_: None)
    _, columns = np.nonzero(white(draw(blob(True, (20.0, 21.0, 80.0, 81.0)))))
    assert np.ptp(columns) >= 2 * marks.SMALLEST - 2


def words(monkeypatch: pytest.MonkeyPatch, **what: Any) -> list[str]:
    placed, _ = record_texts(monkeypatch)
    draw(**what)
    return [text for text, _, _ in placed]


def test_labels_say_the_change_in_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    assert words(monkeypatch, causal=BLOBS)[:2] == ["1  masked: +6.1°", "2  masked: −2.4°"]
    said = words(monkeypatch, masks=MASKS)
    assert said[0] == "mask A: steering +0.12 → −0.03 (Δ −10.5° at the wheels)"
    assert said[2] == "mask C"
    said = words(monkeypatch, masks=MASKS, degrees=Degrees(None, 70.0))
    assert said[0] == "mask A: steering +0.12 → −0.03 (Δ −0.15)"


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_is_where_the_person_drew_it(size: tuple[int, int]) -> None:
    canvas = draw(masks=(replace(MASKS[0], after=None),), size=size)
    pane = canvas.layout.pixels(PANE_L)
    k = pane.w / 640
    inside = canvas.view(PANE_L)[
        round(95 * k) : round(175 * k), round(405 * k) : round(555 * k)
    ].astype(int)
    assert (abs(inside - 60).max(axis=2) > 10).all()
    edge = canvas.view(PANE_L)[round(120 * k) : round(150 * k), round(400 * k)]
    assert (edge == HIGH).all()
    assert not white(canvas)[round(190 * k) :].any()


def test_a_mask_in_force_lets_the_masked_picture_be_seen() -> None:
    canvas = draw(masks=MASKS[:1], in_force=True)
    inside = canvas.view(Box(412, 162, 130, 60))
    plain = (inside == 60).all(axis=2).mean()
    assert 0.7 < plain < 0.95
    assert not (inside == 60).all()


def test_a_mask_at_the_edge_stays_in_the_picture() -> None:
    canvas = draw(masks=(MaskBox(letter="A", place=(-20, 400, -50, 700)),))
    outside = canvas.array.copy()
    p = canvas.layout.pixels(PANE_L)
    outside[p.rows, p.columns] = 60
    assert (outside == 60).all()


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("degrees", [70.0, None])
def test_labels_are_not_cut_and_lie_on_nothing(
    size: tuple[int, int], degrees: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    band = Box(PANE_L.x, PANE_L.y, PANE_L.w, 32)
    draw(BLOBS, MASKS, size=size, degrees=Degrees(degrees, 70.0), taken=(band,))
    check_texts(placed, cut, size)
    pane = Layout.of(size).pixels(band)
    assert all(found.y >= pane.y + pane.h for _, _, found in placed)


def test_labels_of_a_picture_full_of_marks_lie_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, cut = record_texts(monkeypatch)
    rng = np.random.default_rng(0)
    for _ in range(20):
        placed.clear()
        corners = rng.uniform((0, 0), (60, 190), (5, 2))
        blobs = tuple(
            Blob((float(y), float(y) + 8, float(x), float(x) + 12), 0.1, bool(i % 2))
            for i, (y, x) in enumerate(corners)
        )
        draw(CausalCheck(0, blobs, 0.01, 200), MASKS, size=(960, 540))
        check_texts(placed, cut, (960, 540))
