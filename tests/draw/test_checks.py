from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import CHECK
from text_checks import check_texts, record_texts

from carla_saliency.core import MapCheck
from carla_saliency.draw import checks
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import MAP_CHECK, Layout
from carla_saliency.draw.palette import WARNING
from carla_saliency.draw.words import Degrees

DEGREES = Degrees(70.0, 70.0)
EDGES = "like an edge detector, r 0.82"
RANDOM = "like random weights, r 0.91"
OTHERS = "like other pictures' maps, r 0.93"
DELETION = "as telling as another frame's"
FLAT = "flat, it points nowhere"
CASES = {
    "none": None,
    "passed": CHECK,
    "not measured": MapCheck(0, 0.3),
    "edges": replace(CHECK, edges=0.82, doubts=(EDGES,)),
    "others": replace(CHECK, doubts=(OTHERS,)),
    "deletion": replace(CHECK, doubts=(DELETION,)),
    "all": replace(CHECK, doubts=(EDGES, RANDOM, OTHERS, DELETION)),
    "flat": replace(CHECK, doubts=(FLAT,)),
}


def draw(
    check: MapCheck | None, calibrated: bool = True, size: tuple[int, int] = (1280, 720)
) -> Canvas:
    canvas = Canvas(Pens(Layout.of(size)), np.zeros((size[1], size[0], 3), np.uint8))
    checks.draw(canvas, check, calibrated, DEGREES)
    return canvas


def rows(check: MapCheck | None) -> list[tuple[str, str, bool]]:
    return [(names[0], number, doubt) for names, number, doubt in checks.rows(check, DEGREES)]


def test_edges_and_random_weights_are_the_usual_rows() -> None:
    assert rows(CHECK) == [
        ("like an edge detector, r", "0.31", False),
        ("like a random network, r", "0.12", False),
    ]
    assert [number for _, number, _ in rows(MapCheck(0, -0.3))] == ["−0.30", "—"]
    assert [number for _, number, _ in rows(None)] == ["—", "—"]


def test_what_is_in_doubt_takes_the_place_of_what_is_not() -> None:
    assert rows(CASES["edges"])[0] == ("like an edge detector, r", "0.31".replace("31", "82"), True)
    assert rows(CASES["others"])[1] == ("like other pictures' maps, r", "0.20", True)
    assert rows(CASES["deletion"])[1] == ("top 5 % moves 3.5°, another's 0.7°", "", True)
    assert [doubt for _, _, doubt in rows(CASES["all"])] == [True, True]
    assert rows(CASES["flat"])[0] == (FLAT, "", True)


def test_a_doubt_is_yellow_and_a_word() -> None:
    doubted, passed = draw(CASES["edges"]), draw(CHECK)
    assert (doubted.view(MAP_CHECK) == WARNING).all(axis=2).sum() > 1000
    assert not (passed.view(MAP_CHECK) == WARNING).all(axis=2).any()


@pytest.mark.parametrize("size", [(960, 540), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("calibrated", [True, False])
def test_no_text_of_the_check_is_cut_or_lies_on_another(
    size: tuple[int, int], name: str, calibrated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    draw(CASES[name], calibrated, size)
    check_texts(placed, cut, size)
    said = " ".join(text for text, _, _ in placed)
    assert ("not calibrated" in said) != calibrated
    verdict = "—" if CASES[name] is None else "▲ DOUBT" if CASES[name].doubts else "passed"
    assert verdict in said
