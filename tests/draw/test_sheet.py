from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from carla_saliency.core import Explanation
from carla_saliency.draw.hud import Degrees
from carla_saliency.draw.layout import PANE_L, PANE_R, TOP
from carla_saliency.draw.sheet import SheetPainter
from carla_saliency.draw.state import MethodView
from carla_saliency.network.contract import DEFAULT_CONTRACT

SIGNED = MethodView(title="gradient", hint=("one", "two"))
UNSIGNED = MethodView(title="|gradient|", signed=False, left="little", right="much")
DEGREES = Degrees(70.0, 70.0)
PANE_TOP = PANE_L.y - TOP.bottom  # on a sheet


def explanation(attribution: np.ndarray, steering: float = 0.1) -> Explanation:
    return Explanation(0, "gradient", steering, attribution.astype(np.float32))


def paint(
    attribution: np.ndarray, view: MethodView = SIGNED, scale: float = 70.0, width: int = 640
) -> np.ndarray:
    picture = np.full((width * 9 // 16, width, 3), 90, np.uint8)
    painter = SheetPainter(view, "dave2.keras", scale, DEGREES)
    return painter.paint(picture, "frame.png", DEFAULT_CONTRACT, explanation(attribution))


def pane(sheet: np.ndarray, box: tuple[float, ...] = PANE_R) -> np.ndarray:
    times = sheet.shape[1] // 1280
    x, w, h = (round(v * times) for v in (box[0], box[2], box[3]))
    top = round(PANE_TOP * times)
    return sheet[top : top + h, x : x + w].astype(int)


@pytest.mark.parametrize(("width", "times"), [(160, 1), (640, 1), (1280, 2), (1920, 3), (7680, 3)])
def test_a_larger_picture_gets_a_larger_sheet_up_to_three_times(width, times) -> None:
    sheet = paint(np.zeros((66, 200)), width=width)
    assert sheet.shape == (456 * times, 1280 * times, 3)
    assert sheet.dtype == np.uint8


@pytest.mark.parametrize(("value", "strongest"), [(-1.0, 2), (1.0, 0)])
def test_left_is_blue_and_right_is_orange_in_the_region_that_the_network_saw(
    value, strongest
) -> None:
    right = pane(paint(np.full((66, 200), value)))
    inside, above = right[200, 300], right[60, 300]  # the crop begins at row 140 of 360
    assert inside.argmax() == strongest
    assert np.ptp(inside) > 80
    assert np.ptp(above) == 0


def test_the_camera_is_shown_as_it_is_beside_it() -> None:
    left = pane(paint(np.ones((66, 200))), PANE_L)
    assert (left[20:120, 20:600] == 90).all()
    assert (left[170:330, 20:600] == 90).all()


def test_a_map_without_a_sign_is_neither_blue_nor_orange() -> None:
    full = pane(paint(np.ones((66, 200)), UNSIGNED))[200, 300]
    assert full[0] > 200  # Inferno ends in a light yellow
    assert full[1] > 200
    assert full[1] > full[2]


def test_half_the_scale_is_weaker_than_the_scale() -> None:
    full, half = (np.ptp(pane(paint(np.ones((66, 200)), scale=s))[200, 300]) for s in (70.0, 140.0))
    assert 0 < half < full


def test_no_scale_draws_no_map() -> None:
    right = pane(paint(np.zeros((66, 200)), scale=0.0))
    assert np.ptp(right[2:-2, 2:-2], axis=2).max() <= 20  # grey, but for the marks at the corners


def words(monkeypatch, steering: float, scale: float, degrees: Degrees, view=SIGNED) -> list[str]:
    said: list[str] = []

    def text(self, slot, text, *rest, **named):
        said.append(text if isinstance(text, str) else text[0])

    monkeypatch.setattr("carla_saliency.draw.canvas.Canvas.text", text)
    painter = SheetPainter(view, "dave2.keras", scale, degrees)
    picture = np.zeros((360, 640, 3), np.uint8)
    found = explanation(np.zeros((66, 200)), steering)
    painter.paint(picture, "frame.png", DEFAULT_CONTRACT, found)
    return said


@pytest.mark.parametrize(
    ("steering", "said"),
    [(-0.1, "steering −7.0° left"), (0.1, "steering +7.0° right"), (0.0001, "steering +0.0°")],
)
def test_the_steering_is_said_in_degrees_with_its_side(monkeypatch, steering, said) -> None:
    assert said in words(monkeypatch, steering, 0.005, DEGREES)


def test_method_network_and_scale_are_said(monkeypatch) -> None:
    said = words(monkeypatch, 0.1, 0.005, DEGREES)
    assert "gradient · dave2.keras" in said
    assert "full colour: ±0.005 deg / pixel" in said
    assert any(text.startswith("frame.png · 640×360") for text in said)
    assert "gradient · map 200×66" in said
    assert "full colour: 0.005 deg / pixel" in words(monkeypatch, 0.1, 0.005, DEGREES, UNSIGNED)
    assert "no pixel moves the steering" in words(monkeypatch, 0.1, 0.0, DEGREES)


def test_without_a_contract_nothing_is_said_in_degrees(monkeypatch) -> None:
    said = words(monkeypatch, -0.1, 0.005, Degrees(None, 70.0))
    assert "steering −0.100 left" in said
    assert "full colour: ±0.005 steering / pixel" in said
    assert not any("deg" in text for text in said)


def test_two_pictures_of_other_sizes_share_a_painter() -> None:
    painter = SheetPainter(SIGNED, "dave2.keras", 1.0, DEGREES)
    contract = dataclasses.replace(DEFAULT_CONTRACT, crop=(0, 360, 0, 640))
    for width in (640, 1280, 640):
        picture = np.zeros((width * 9 // 16, width, 3), np.uint8)
        sheet = painter.paint(picture, "f", contract, explanation(np.zeros((66, 200))))
        assert sheet.shape[1] == 1280 * (width // 640)
