from __future__ import annotations

import pytest

from carla_saliency.draw import colourbar


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
    ],
)
def test_a_scale_is_written_with_few_digits(scale: float, unit: str, end: str) -> None:
    assert colourbar.unit(scale, "pixel", True)[0] == unit
    assert colourbar.number(scale, scale, True) == end


def test_half_of_a_scale_keeps_its_half() -> None:
    assert colourbar.number(-0.0025, 0.005, True) == "−2.5"


def test_a_map_without_sign_has_numbers_without_sign() -> None:
    assert colourbar.number(0.002, 0.002, False) == "2"


def test_without_degrees_the_unit_is_steering() -> None:
    assert colourbar.unit(0.005, "grey level", False)[0] == "10⁻³ steering / grey level"
