from __future__ import annotations

import numpy as np
import pytest
from inspected import make_canvas
from text_checks import check_texts, record_texts

from carla_saliency.core import Meaning
from carla_saliency.draw import keys
from carla_saliency.draw.help import CARD, help_
from carla_saliency.draw.layout import Box
from carla_saliency.draw.palette import LEFT, RIGHT

MEANINGS = {
    "contrast": Meaning(
        title="gradient × (frame − blur)",
        hint=("what stands out here pushes", "the steering left or right"),
    ),
    "cam": Meaning(
        title="LayerCAM · layer time_distributed_convolution_12 · map 98×31 · towards right",
        signed=False,
        left="little",
        right="much",
        hint=("what is found in this cell", "pushes the steering right"),
    ),
    "layer": Meaning(
        title="integrated gradients · of time_distributed_dense_12 · before the last activation: "
        "larger numbers",
        of="time_distributed_dense_12",
        left="lowers it",
        right="raises it",
        hint=("about the output of time_distributed_dense_12,", "not the steering"),
    ),
    "bare": Meaning(title="saliency"),
}
SIZES = [(960, 540), (1280, 720), (1920, 1080), (1000, 800)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MEANINGS)
def test_all_of_it_fits_into_the_card(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], name: str
) -> None:
    placed, cut = record_texts(monkeypatch)
    canvas = make_canvas(size)
    help_(canvas, MEANINGS[name])
    check_texts(placed, cut, size)
    card = Box(*canvas.layout.pixels(CARD))
    assert all(Box(*found).inside(card) for _, _, found in placed)


@pytest.mark.parametrize("size", SIZES)
def test_so_does_that_of_a_recorded_drive(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    placed, cut = record_texts(monkeypatch)
    canvas = make_canvas(size)
    help_(canvas, MEANINGS["contrast"], replay=True)
    check_texts(placed, cut, size)
    texts = [words for words, _, _ in placed]
    rows = [row for column in keys.REPLAY_COLUMNS for group in column for row in group.rows]
    assert all(texts.count(key) == 1 and texts.count(text) == 1 for key, text in rows)
    assert not any("driv" in text for text in texts)


def test_every_key_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, _ = record_texts(monkeypatch)
    help_(make_canvas(), MEANINGS["contrast"])
    texts = [words for words, _, _ in placed]
    rows = [row for column in keys.COLUMNS for group in column for row in group.rows]
    assert all(texts.count(key) == 1 and texts.count(text) == 1 for key, text in rows)
    for key in ("Shift+P", "Tab", "T", "F2", "Insert", "Shift+U", "F12", "Shift+E", "Backspace"):
        assert key in texts


def test_the_picture_behind_is_darkened() -> None:
    canvas = make_canvas()
    canvas.array[...] = 200
    help_(canvas, MEANINGS["contrast"])
    assert (canvas.array[10, 10] == 70).all()


@pytest.mark.parametrize(("name", "sides"), [("contrast", True), ("cam", False)])
def test_only_a_map_with_a_sign_is_explained_in_blue_and_orange(name: str, sides: bool) -> None:
    canvas = make_canvas()
    help_(canvas, MEANINGS[name])
    for colour in (LEFT, RIGHT):
        assert (abs(canvas.array.astype(int) - np.array(colour)).max(axis=2) < 8).any() == sides
