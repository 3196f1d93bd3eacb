from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from carla_saliency.core import Explanation, Meaning
from carla_saliency.draw.layout import PANE_L, PANE_R, TOP
from carla_saliency.draw.sheet import SheetPainter
from carla_saliency.draw.words import Degrees
from carla_saliency.network.contract import DEFAULT_CONTRACT

SIGNED = Meaning(title="gradient", hint=("one", "two"))
UNSIGNED = Meaning(title="|gradient|", signed=False, left="little", right="much")
DEGREES = Degrees(70.0, 70.0)
PANE_TOP = PANE_L.y - TOP.bottom  # on a sheet


def explanation(
    attribution: np.ndarray, steering: float = 0.1, meaning: Meaning = SIGNED
) -> Explanation:
    return Explanation(0, "gradient", steering, attribution.astype(np.float32), meaning)


def paint(
    attribution: np.ndarray, meaning: Meaning = SIGNED, scale: float = 70.0, width: int = 640
) -> np.ndarray:
    picture = np.full((width * 9 // 16, width, 3), 90, np.uint8)
    found = explanation(attribution, meaning=meaning)
    painter = SheetPainter("dave2.keras", DEGREES)
    return painter.paint(picture, "frame.png", DEFAULT_CONTRACT, found, scale)


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


def words(
    monkeypatch, steering: float, scale: float, degrees: Degrees, meaning=SIGNED, own=False
) -> list[str]:
    said: list[str] = []

    def text(self, slot, text, *rest, **named):
        said.append(text if isinstance(text, str) else text[0])

    monkeypatch.setattr("carla_saliency.draw.canvas.Canvas.text", text)
    painter = SheetPainter("dave2.keras", degrees, own)
    picture = np.zeros((360, 640, 3), np.uint8)
    found = explanation(np.zeros((66, 200)), steering, meaning)
    painter.paint(picture, "frame.png", DEFAULT_CONTRACT, found, scale)
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
    assert "gradient · layer output · map 200×66" in said
    assert "full colour: 0.005 deg / pixel" in words(monkeypatch, 0.1, 0.005, DEGREES, UNSIGNED)
    assert "no pixel moves the steering" in words(monkeypatch, 0.1, 0.0, DEGREES)


def test_without_a_contract_nothing_is_said_in_degrees(monkeypatch) -> None:
    said = words(monkeypatch, -0.1, 0.005, Degrees(None, 70.0))
    assert "steering −0.100 left" in said
    assert "full colour: ±0.005 steering / pixel" in said
    assert not any("deg" in text for text in said)


def test_two_pictures_of_other_sizes_share_a_painter() -> None:
    painter = SheetPainter("dave2.keras", DEGREES)
    contract = dataclasses.replace(DEFAULT_CONTRACT, crop=(0, 360, 0, 640))
    for width in (640, 1280, 640):
        picture = np.zeros((width * 9 // 16, width, 3), np.uint8)
        sheet = painter.paint(picture, "f", contract, explanation(np.zeros((66, 200))), 1.0)
        assert sheet.shape[1] == 1280 * (width // 640)


def test_a_layers_own_output_is_not_said_in_degrees(monkeypatch) -> None:
    layer = Meaning(title="gradient · of conv2d", of="conv2d", unit="conv2d / grey level")
    said = words(monkeypatch, 0.1, 0.005, DEGREES, layer)
    assert "full colour: ±0.005 conv2d / grey level" in said
    assert "steering +7.0° right" in said
    assert "gradient · of conv2d · map 200×66" in said
    assert "no pixel moves conv2d" in words(monkeypatch, 0.1, 0.0, DEGREES, layer)


def test_a_pictures_own_scale_is_said(monkeypatch) -> None:
    assert "scaled to this frame" in words(monkeypatch, 0.1, 0.005, DEGREES, own=True)
    assert "scaled to this frame" not in words(monkeypatch, 0.1, 0.005, DEGREES)


def test_the_map_of_a_layers_cells_covers_its_place_and_nothing_else() -> None:
    cam = Meaning(title="cam", unit="relative")
    found = Explanation(
        0, "cam", 0.0, np.ones((1, 2), np.float32), cam, place=(22.0, 44.0, 50.0, 100.0)
    )
    picture = np.full((360, 640, 3), 90, np.uint8)
    painter = SheetPainter("dave2.keras", DEGREES)
    sheet = painter.paint(picture, "f", DEFAULT_CONTRACT, found, 1.0)
    coloured = np.ptp(pane(sheet), axis=2)[2:-2, 20:-20] > 60
    ys, xs = np.nonzero(coloured)
    top, bottom, left, right = DEFAULT_CONTRACT.crop
    k, down, along = 620 / 640, (bottom - top) / 66, (right - left) / 200
    assert ys.min() + 2 == pytest.approx(k * (top + 22 * down), abs=1)
    assert ys.max() + 3 == pytest.approx(k * (top + 44 * down), abs=1)
    assert xs.min() + 20 == pytest.approx(k * (left + 50 * along), abs=1)
    assert xs.max() + 21 == pytest.approx(k * (left + 100 * along), abs=1)
    assert coloured[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()
