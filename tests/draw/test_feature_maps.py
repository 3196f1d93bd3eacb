from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from inspected import DEGREES, SIZES, make_canvas, make_inspection
from text_checks import check_texts, record_texts

from carla_saliency.core import LayerInfo
from carla_saliency.draw.feature_maps import AREA, shorter
from carla_saliency.draw.inspecting import activations
from carla_saliency.draw.layout import FOOT, Layout
from carla_saliency.draw.palette import BACKGROUND
from carla_saliency.draw.state import Inspection
from carla_saliency.draw.words import Degrees


def layer(shape: tuple[int, ...], changes: Any = None, name: str = "conv1") -> Inspection:
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    if changes is not None:
        changes = np.asarray(changes, np.float32)
    return Inspection(
        layer=LayerInfo(name, "Conv2D", shape), activations=values, filter_changes=changes
    )


def paint(
    inspection: Inspection,
    steering: float = 0.1,
    size: tuple[int, int] = (1280, 720),
    degrees: Degrees = DEGREES,
) -> np.ndarray:
    canvas = make_canvas(size)
    activations(canvas, inspection, degrees, steering)
    return canvas.array


def words(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **settings: Any) -> list[str]:
    placed, _ = record_texts(monkeypatch)
    paint(*arguments, **settings)
    return [text for text, _, _ in placed]


# ------------------------------------------------------------------ which filters


def test_filters_are_sorted_by_what_silencing_them_does(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words(monkeypatch, layer((31, 98, 3), [0.01, -0.05, 0.002]))
    assert said[:6] == ["01", "50 %", "00", "10 %", "02", "2.0 %"]
    assert said[6:] == [
        "conv1 activations",
        "3 filters, 98×31 each",
        "% of steering, masked alone",
        "J layer   K method",
    ]


def test_shares_of_nearly_no_steering_are_given_in_degrees(monkeypatch: pytest.MonkeyPatch) -> None:
    said = words(monkeypatch, layer((5, 22, 2), [0.01, -0.02]), steering=0.007)
    assert said[:4] == ["01", "−1.40°", "00", "+0.70°"]
    assert "degrees, masked alone" in said


def test_without_degrees_they_are_in_steering(monkeypatch: pytest.MonkeyPatch) -> None:
    found = layer((5, 22, 2), [0.01, -0.02])
    said = words(monkeypatch, found, steering=0.0, degrees=Degrees(None, 70.0))
    assert said[:4] == ["01", "−20.0", "00", "+10.0"]
    assert "10⁻³ of steering, masked alone" in said


def test_without_changes_filters_are_in_order_and_have_no_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = words(monkeypatch, layer((31, 98, 24)))
    assert said[:24] == [f"{i:02d}" for i in range(24)]
    assert said[24] == "conv1 activations"
    assert said[26].startswith("black −")


def test_of_many_filters_the_24_strongest_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = np.arange(64) / 1000
    said = words(monkeypatch, layer((3, 20, 64), changes))
    assert said[:48:2] == [str(i) for i in range(63, 39, -1)]
    assert "24 of 64 filters, 20×3 each" in said


def test_of_many_filters_without_changes_those_that_answer_most_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.zeros((3, 20, 64), np.float32)
    values[..., 20:44] = -1.0
    found = Inspection(layer=LayerInfo("c", "Conv2D", (3, 20, 64)), activations=values)
    assert words(monkeypatch, found)[:24] == [str(i) for i in range(20, 44)]


def test_units_are_bars_and_the_strongest_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = np.zeros(100)
    changes[35] = 0.026
    said = words(monkeypatch, layer((100,), changes, "dense1"))
    assert said[-4:-1] == ["dense1 activations", said[-3], "unit 35 masked alone: 26 %"]
    assert said[-3].startswith("100 units, ")


# ------------------------------------------------------------------ the pictures


def test_filters_share_one_grey_scale_and_the_brightest_is_white() -> None:
    values = np.zeros((10, 30, 4), np.float32)
    for i in range(4):
        values[..., i] = i
    found = Inspection(layer=LayerInfo("c", "Conv2D", values.shape), activations=values)
    picture = paint(found)
    row = picture[600, 60:1024, 0]
    width = 964 / 4
    assert [int(row[round(width * (i + 0.4))]) for i in range(4)] == [0, 85, 170, 255]


def test_one_extreme_value_does_not_leave_the_rest_black() -> None:
    values = np.tile(np.float32([0.0, 1.0]), (10, 30, 2))
    values[0, 0, 0] = 1000.0
    found = Inspection(layer=LayerInfo("c", "Conv2D", values.shape), activations=values)
    assert (paint(found)[600, 60:1024, 0] == 255).sum() > 200


def test_a_filter_keeps_its_shape_but_is_never_a_hairline() -> None:
    def height(shape: tuple[int, int, int]) -> int:
        found = Inspection(
            layer=LayerInfo("c", "Conv2D", shape),
            activations=np.stack([np.ones(shape[:2])] + [np.zeros(shape[:2])] * 23, -1).astype(
                np.float32
            ),
        )
        return int((paint(found)[576:690, 80] == 255).all(axis=1).sum())

    assert height((31, 98, 24)) == pytest.approx(71 * 31 / 98, abs=1)
    assert height((1, 18, 24)) == pytest.approx(12, abs=1)


@pytest.mark.parametrize("size", SIZES)
def test_it_stays_above_the_foot_and_below_the_steering(size: tuple[int, int]) -> None:
    canvas = make_canvas(size)
    canvas.array[...] = 77
    activations(canvas, make_inspection(), DEGREES, 0.1)
    k = Layout.of(size).k
    changed = np.flatnonzero((canvas.array != 77).any(axis=(1, 2)))
    assert changed.min() >= 568 * k
    assert changed.max() < round(FOOT.y * k)


def test_what_was_there_before_is_gone() -> None:
    canvas = make_canvas()
    canvas.array[575:688] = 200
    activations(canvas, Inspection(), DEGREES, 0.1)
    assert (canvas.array[600, :50] == BACKGROUND).all()
    assert not (canvas.array[580:688] == 200).all(axis=2).any()


# ------------------------------------------------------------------ the words

CASES = {
    "dave2": make_inspection(),
    "calculating": Inspection(layer=LayerInfo("conv1", "Conv2D", (31, 98, 24))),
    "no layer": Inspection(),
    "one": layer((31, 98, 1), [0.01]),
    "thirteen": layer((31, 98, 13), np.ones(13) * 0.05),
    "tall": layer((60, 10, 24), np.full(24, 0.3)),
    "many": layer((1, 18, 512), np.linspace(-0.5, 0.5, 512), "time_distributed_convolution_12"),
    "units": layer((100,), np.ones(100) * 0.01, "dense1"),
    "many units": layer((1164,), np.ones(1164), "time_distributed_dense_with_long_name_12"),
    "no changes": layer((1164,)),
    "of several frames": layer((5, 10, 20, 24), np.full(24, 0.3)),
}


@pytest.mark.parametrize("size", SIZES[:3])
@pytest.mark.parametrize("steering", [0.0, 0.008, 0.9])
@pytest.mark.parametrize("degrees", [DEGREES, Degrees(None, 70.0)], ids=["degrees", "steering"])
@pytest.mark.parametrize("case", CASES)
def test_no_text_is_cut_or_lies_on_another(
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    steering: float,
    degrees: Degrees,
    case: str,
) -> None:
    placed, cut = record_texts(monkeypatch)
    paint(CASES[case], steering, size, degrees)
    check_texts(placed, cut, size)


def test_the_area_ends_where_the_foot_begins() -> None:
    assert AREA.bottom <= FOOT.y


def test_a_name_becomes_shorter_in_its_middle() -> None:
    variants = shorter("convolution_12")
    assert variants[0] == "convolution_12"
    assert "conv…_12" in variants
    assert len(variants[-1]) <= 7
    assert shorter("conv1") == ("conv1",)
