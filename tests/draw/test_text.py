from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

import carla_saliency.draw
from carla_saliency.draw.text import BIG, CHARACTERS, FONTS, SMALL, STRONG, Type, clean
from carla_saliency.draw.words import signed

PACKAGE = Path(carla_saliency.draw.__file__).parent


@pytest.mark.parametrize("name", ["ui-Medium.otf", "ui-SemiBold.otf"])
def test_both_fonts_have_exactly_the_characters_that_we_count_on(name: str) -> None:
    with TTFont(FONTS / name) as font:
        assert set(map(chr, font.getBestCmap())) == CHARACTERS


@pytest.mark.parametrize("name", ["ui-Medium.otf", "ui-SemiBold.otf"])
def test_all_digits_and_signs_are_equally_wide(name: str) -> None:
    with TTFont(FONTS / name) as font:
        cmap, widths = font.getBestCmap(), font["hmtx"]
        digits = [widths[cmap[ord(digit)]][0] for digit in "0123456789"]
        signs = [widths[cmap[ord(sign)]][0] for sign in "−+"]
        for group in (digits, signs):
            assert max(group) - min(group) < 0.002 * max(group)


def test_the_fonts_come_with_their_licence() -> None:
    licence = next(FONTS.glob("COPYRIGHT*")).read_text()
    assert "OFL" in licence


def words_of(file: Path) -> list[str]:
    """Return all string constants of a file but the docstrings."""
    tree = ast.parse(file.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
    ]


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("*.py")), ids=lambda file: file.stem)
def test_every_character_of_the_window_is_in_the_fonts(file: Path) -> None:
    missing = {c for text in words_of(file) for c in text} - CHARACTERS - {"\n"}
    assert not missing


def test_a_character_that_is_missing_becomes_a_square() -> None:
    assert clean("Town中01 ⏸") == "Town□01 □"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.117, "+0.117"), (-0.0591, "−0.059"), (0, "+0.000"), (-0.0001, "+0.000"), (-1, "−1.000")],
)
def test_numbers_carry_their_sign_but_zero_never_a_minus(value: float, text: str) -> None:
    assert signed(value, 3) == text


def test_numbers_of_the_same_length_are_equally_wide() -> None:
    type_ = Type(1.0)
    assert len({type_.width_px(text, BIG) for text in ("+0.117", "−0.888", "+1.000")}) == 1


def test_the_first_variant_that_fits_is_taken() -> None:
    type_ = Type(1.0)
    variants = ("a rather long text", "a short text", "text")
    width = type_.width_px("a short text", SMALL)
    assert type_.choose(variants, SMALL, width) == "a short text"
    assert type_.choose(variants, SMALL, width - 1) == "text"


def test_a_text_is_cut_only_if_no_variant_fits_and_then_says_so() -> None:
    type_ = Type(1.0)
    cut = type_.choose(("intervention",), SMALL, 60)
    assert cut.endswith("…")
    assert type_.width_px(cut, SMALL) <= 60
    assert type_.choose(("intervention",), SMALL, 2) == ""


@pytest.mark.parametrize(("k", "size"), [(1.0, 14), (0.75, 12), (0.2, 12), (1.5, 21)])
def test_letters_are_never_under_12_pixels(k: float, size: int) -> None:
    assert Type(k).size_px(STRONG) == size


def test_a_long_drive_does_not_fill_the_memory() -> None:
    type_ = Type(1.0)
    for number in range(4_000):
        type_.surface(str(number), SMALL, (255, 255, 255))
        type_.width_px(str(number), SMALL)
    assert len(type_._written) <= 1_500
    assert len(type_._widths) <= 1_500
