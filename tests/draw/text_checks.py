"""Finds texts on pictures that are cut, leave their slot, or lie on another."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import Box, Pixels
from carla_saliency.draw.text import CHARACTERS, Type

Placed = list[tuple[str, Pixels, Pixels]]  # the text (its longest variant), its slot, what it took


def record_texts(monkeypatch: pytest.MonkeyPatch) -> tuple[Placed, list[str]]:
    """Return two lists that fill while pictures are drawn: all texts, and those that were cut."""
    placed: Placed = []
    cut: list[str] = []
    write, choose = Canvas.text, Type.choose

    def text(self: Canvas, slot: Box, words: Any, *style: Any, **options: Any) -> Pixels:
        result = write(self, slot, words, *style, **options)
        first = words if isinstance(words, str) else words[0]
        placed.append((first, self.pens.pixels(slot), result))
        return result

    def chosen(self: Type, variants: Any, *arguments: Any) -> str:
        result = choose(self, variants, *arguments)
        if result not in variants:
            cut.append(f"{variants} -> {result}")
        return result

    monkeypatch.setattr(Pens, "text", Pens._set_text)  # nothing is remembered from before
    monkeypatch.setattr(Canvas, "text", text)
    monkeypatch.setattr(Type, "choose", chosen)
    return placed, cut


def check_texts(placed: Placed, cut: list[str], size: tuple[int, int]) -> None:
    """Refuse cut texts, and those outside their slot, the picture, or on another text."""
    assert not cut
    whole = Box(0, 0, *size)
    for words, slot, found in placed:
        assert slot.x <= found.x, words
        assert found.x + found.w <= slot.x + slot.w, words
        assert Box(*found).inside(whole), words
        assert set(words) <= CHARACTERS, words
    boxes = [(words, Box(*found)) for words, _, found in placed if found.w > 1]
    for (a, first), (b, second) in combinations(boxes, 2):
        assert not first.overlaps(second), (a, b)
