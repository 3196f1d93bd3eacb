from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import Control, Decision, Explanation, Meaning
from carla_saliency.draw import words
from carla_saliency.draw.words import Degrees
from carla_saliency.network.contract import DEFAULT_CONTRACT

CONTRAST = Meaning(title="gradient × (frame − blur)")


# ------------------------------------------------------------------ units


@pytest.mark.parametrize(
    ("scale", "unit", "end"),
    [
        (5.0, "deg / pixel", "+5"),
        (0.1, "deg / pixel", "+0.1"),
        (0.05, "10⁻³ deg / pixel", "+50"),
        (0.001, "10⁻³ deg / pixel", "+1"),
        (0.0001, "10⁻³ deg / pixel", "+0.1"),
        (0.00002, "1e−6 deg / pixel", "+20"),
        (0.0, "10⁻³ deg / pixel", "0"),
        (500.0, "deg / pixel", "+500"),
        (1000.0, "10³ deg / pixel", "+1"),
        (200000.0, "10³ deg / pixel", "+200"),
        (1e7, "1e6 deg / pixel", "+10"),
    ],
)
def test_a_scale_is_written_with_few_digits(scale: float, unit: str, end: str) -> None:
    assert words.unit(scale, "deg / pixel")[0] == unit
    assert words.number(scale, scale, True) == end


def test_half_of_a_scale_keeps_its_half() -> None:
    assert words.number(-0.0025, 0.005, True) == "−2.5"


def test_a_map_without_sign_has_numbers_without_sign() -> None:
    assert words.number(0.002, 0.002, False) == "2"


def test_a_unit_has_shorter_forms_but_not_half_of_a_bracket() -> None:
    assert words.unit(0.005, "deg / grey level") == (
        "10⁻³ deg / grey level",
        "10⁻³ deg",
        "10⁻³",
    )
    assert words.unit(0.005, "(steering / grey level)²")[1] == "10⁻³ (steering / grey level)²"


@pytest.mark.parametrize(
    ("scale", "unit", "signed", "text"),
    [
        (0.005, "deg / pixel", True, "±0.005 deg / pixel"),
        (0.00002, "deg / pixel", False, "2e−05 deg / pixel"),
        (0.123456, "conv-1 / pixel", True, "±0.123 conv-1 / pixel"),
    ],
)
def test_a_scale_in_one_text(scale: float, unit: str, signed: bool, text: str) -> None:
    assert words.value(scale, unit, signed) == text


@pytest.mark.parametrize(
    ("unit", "factor", "shown"),
    [
        ("deg / pixel", 25.0, "deg / pixel"),
        ("deg", 25.0, "deg"),
        ("deg² / pixel", 625.0, "deg² / pixel"),
        ("relative", 1.0, "relative"),
        ("conv2d / pixel", 1.0, "conv2d / pixel"),
        ("degree_head / pixel", 1.0, "degree_head / pixel"),
        ("(steering / grey level)²", 1.0, "(steering / grey level)²"),
    ],
)
def test_only_a_unit_in_degrees_is_multiplied_by_the_lock(
    unit: str, factor: float, shown: str
) -> None:
    degrees, meaning = Degrees(70.0, 25.0), Meaning(title="m", unit=unit)
    assert degrees.of_map(meaning) == factor
    assert degrees.unit(meaning) == shown


def test_where_degrees_are_not_known_they_are_steering() -> None:
    degrees = Degrees(None, 25.0)
    for unit, shown in (("deg / cell", "steering / cell"), ("deg² / cell", "steering² / cell")):
        meaning = Meaning(title="m", unit=unit)
        assert degrees.of_map(meaning) == 1.0
        assert degrees.unit(meaning) == shown
    assert degrees.unit(Meaning(title="m", unit="relative")) == "relative"


@pytest.mark.parametrize(
    ("steering", "text"),
    [(-0.1, "steering −7.0° left"), (0.1, "steering +7.0° right"), (1e-4, "steering +0.0°")],
)
def test_the_steering_is_said_with_its_side(steering: float, text: str) -> None:
    assert words.steering(steering, Degrees(70.0, 70.0)) == text


# ------------------------------------------------------------------ titles


def facts(meaning: Meaning, shape: tuple[int, int]) -> str:
    return words.facts(Explanation(0, "m", 0.0, np.zeros(shape, np.float32), meaning))[0]


@pytest.mark.parametrize(
    ("title", "of", "shape", "text"),
    [
        ("contrast", "steering", (66, 200), "contrast · layer output · map 200×66"),
        ("contrast · of conv2d", "conv2d", (66, 200), "contrast · of conv2d · map 200×66"),
        (
            "LayerCAM · layer c3 · map 20×3",
            "steering",
            (3, 20),
            "LayerCAM · layer c3 · map 20×3, coarse",
        ),
        (
            "LayerCAM · layer c5 · map 18×1 · towards right",
            "steering",
            (1, 18),
            "LayerCAM · layer c5 · map 18×1, no vertical detail · towards right",
        ),
    ],
)
def test_the_title_says_method_layer_and_true_resolution(
    title: str, of: str, shape: tuple[int, int], text: str
) -> None:
    assert facts(Meaning(title=title, of=of), shape) == text


def decision(explanation: Explanation | None, **values: object) -> Decision:
    return Decision(Control(), "network", explanation, **values)  # type: ignore[arg-type]


def test_the_title_says_how_the_overlay_is_and_for_which_frames() -> None:
    found = Explanation(0, "m", 0.0, np.zeros((66, 200), np.float32), CONTRAST)
    assert words.map_facts(decision(found), CONTRAST)[0].endswith("map 200×66")
    assert words.map_facts(decision(found), CONTRAST, 0.5)[0].endswith(" · overlay 50 %")
    assert words.map_facts(decision(found), CONTRAST, 0.0)[0].endswith(" · overlay off")
    every = words.map_facts(decision(found, every=3), CONTRAST)
    assert all(variant.endswith(" · every 3rd frame") for variant in every)


def test_without_a_map_the_title_says_why() -> None:
    assert words.map_facts(decision(None), CONTRAST) == ("no map: no network",)
    assert words.map_facts(decision(None, network_steering=0.1), CONTRAST)[-1] == "no map yet"


@pytest.mark.parametrize(
    ("every", "text"),
    [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (21, "21st"), (112, "112th")],
)
def test_ordinals(every: int, text: str) -> None:
    assert words.nth(every) == f"every {text} frame"


def test_the_camera_says_that_it_stands_still_in_between() -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    assert all("every" not in text for text in words.camera_facts(picture, DEFAULT_CONTRACT))
    assert all("every 2nd" in text for text in words.camera_facts(picture, DEFAULT_CONTRACT, 2))
