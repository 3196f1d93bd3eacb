from __future__ import annotations

import numpy as np
import pytest
from drawn import CHANGES, FLOORS, SHARES
from text_checks import check_texts, record_texts

from carla_saliency.core import GROUPS, ClassEffects, ClassShares
from carla_saliency.draw import classes
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.history import Field, History
from carla_saliency.draw.layout import STRIP_B, Layout
from carla_saliency.draw.palette import CLASSES, LEFT, LOW, ON_BADGE, RIGHT, Colour
from carla_saliency.draw.words import Degrees

DEGREES = Degrees(70.0, 70.0)
AREA = np.full(8, 0.125, np.float32)
TICK_S = 0.05


def make_canvas(size: tuple[int, int] = (1280, 720)) -> Canvas:
    return Canvas(Pens(Layout.of(size)), np.zeros((size[1], size[0], 3), np.uint8))


def filled(shares: list[np.ndarray | None]) -> History:
    history = History(TICK_S)
    for tick, share in enumerate(shares):
        history.add(tick * TICK_S, {Field.NETWORK: 0.0}, share)
    return history


def shares_of(**values: float) -> np.ndarray:
    share = np.zeros(8, np.float32)
    for name, value in values.items():
        share[GROUPS.index(name)] = value
    return share


def rows_of(column: np.ndarray, colour: Colour) -> np.ndarray:
    return np.flatnonzero((column == colour).all(axis=-1))


@pytest.mark.parametrize("size", [(960, 540), (1280, 720), (1920, 1080), (3840, 2160)])
def test_each_class_is_as_high_as_its_share_and_they_are_stacked_bottom_up(
    size: tuple[int, int],
) -> None:
    canvas = make_canvas(size)
    classes.strip(canvas, filled([SHARES] * 401))
    strip = canvas.view(STRIP_B)
    column = strip[:, strip.shape[1] // 2]
    height, lowest = len(column), len(column)
    for share, colour in zip(SHARES, CLASSES, strict=True):
        rows = rows_of(column, colour)
        assert len(rows) == pytest.approx(share * height, abs=2.0)
        if rows.size:
            assert rows.max() < lowest
            lowest = rows.min()
    assert (column[0] == CLASSES[-1]).all()
    assert (column[-1] == CLASSES[0]).all()


def test_one_class_alone_fills_the_strip() -> None:
    canvas = make_canvas()
    classes.strip(canvas, filled([shares_of(vehicle=1.0)] * 401))
    strip = canvas.view(STRIP_B)
    assert (strip[1:-1] == CLASSES[GROUPS.index("vehicle")]).all()


def test_between_two_classes_is_a_dark_line() -> None:
    canvas = make_canvas()
    classes.strip(canvas, filled([shares_of(road=0.5, sky=0.5)] * 401))
    column = canvas.view(STRIP_B)[:, 480]
    assert rows_of(column, ON_BADGE).tolist() == [44]
    assert (column[30] == CLASSES[7]).all()
    assert (column[60] == CLASSES[1]).all()


def test_the_newest_is_at_the_right_and_what_is_not_known_is_a_gap() -> None:
    road, sky = shares_of(road=1.0), shares_of(sky=1.0)
    canvas = make_canvas()
    classes.strip(canvas, filled([sky] * 200 + [None] * 101 + [road] * 100))
    row = canvas.view(STRIP_B)[20]
    assert rows_of(row, CLASSES[7]).max() == pytest.approx(963 * 199.5 / 400, abs=2)
    assert rows_of(row, CLASSES[1]).min() == pytest.approx(963 * 300.5 / 400, abs=2)
    assert (row[-1] == CLASSES[1]).all()
    assert not row[490:715].any()


def test_less_than_twenty_seconds_stand_at_the_right() -> None:
    canvas = make_canvas()
    classes.strip(canvas, filled([shares_of(road=1.0)] * 101))
    known = canvas.view(STRIP_B)[20].any(axis=1)
    assert np.flatnonzero(known).min() == pytest.approx(963 * 0.75, abs=2)


def test_nothing_is_drawn_outside_the_strip() -> None:
    canvas = make_canvas()
    classes.strip(canvas, filled([SHARES] * 401))
    canvas.view(STRIP_B)[...] = 0
    assert not canvas.array.any()


def test_the_usual_share_is_a_dashed_line_at_its_height() -> None:
    canvas = make_canvas()
    classes.usual(canvas, 0.75)
    line = canvas.view(STRIP_B)[22, 300:]
    assert 0.4 < (line == ON_BADGE).all(axis=1).mean() < 0.6
    assert not canvas.view(STRIP_B)[:20, 300:].any()


# ------------------------------------------------------------------ the legend


def written(monkeypatch: pytest.MonkeyPatch, canvas: Canvas) -> dict[str, Colour]:
    """Return a dictionary that fills with each text and its colour."""
    found: dict[str, Colour] = {}
    write = Canvas.text

    def text(
        self: Canvas, slot: object, words: object, colour: Colour, *rest: object, **more: object
    ) -> object:
        first = words if isinstance(words, str) else words[0]  # type: ignore[index]
        found[first] = colour
        return write(self, slot, words, colour, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Canvas, "text", text)
    return found


def test_an_effect_has_the_colour_of_its_side_if_plain_road_does_not_as_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canvas = make_canvas()
    found = written(monkeypatch, canvas)
    classes.legend(canvas, ClassShares(0, SHARES, AREA), ClassEffects(0, CHANGES, FLOORS), DEGREES)
    assert found["+3.6"] == RIGHT  # lines: 0.052 of 70 degrees
    assert found["−0.8"] == LEFT
    assert found["−10"] == LEFT  # no room for a digit behind the point
    assert found["+0.1"] == LOW  # plants: less than plain road
    assert found["+0.0"] == LOW
    assert found["—"] == LOW  # not in sight
    assert "40" in found
    assert any("floor 0.2°" in text for text in found)


@pytest.mark.parametrize("size", [(960, 540), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("degrees", [70.0, None])
@pytest.mark.parametrize("which", ["usual", "none", "no effects", "one class alone", "large"])
def test_no_number_of_the_legend_is_cut_or_lies_on_another(
    size: tuple[int, int], degrees: float | None, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    shares: ClassShares | None = ClassShares(0, SHARES, AREA)
    effects: ClassEffects | None = ClassEffects(0, CHANGES, FLOORS)
    if which == "none":
        shares = None
    if which == "no effects":
        effects = None
    if which == "one class alone":
        shares = ClassShares(0, np.eye(8, dtype=np.float32)[5], AREA)
    if which == "large":
        effects = ClassEffects(0, np.full(8, -0.9, np.float32), np.full(8, 0.9, np.float32))
    classes.legend(make_canvas(size), shares, effects, Degrees(degrees, 70.0))
    check_texts(placed, cut, size)
