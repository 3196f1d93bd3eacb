from __future__ import annotations

from itertools import combinations

import numpy as np

from carla_saliency.draw.layout import Box
from carla_saliency.draw.placing import MARGIN, place_label

PANE = Box(12, 62, 620, 349)
MARK = Box(200, 200, 100, 60)
SIZE = (90.0, 22.0)


def test_a_label_stands_below_or_above_what_it_is_about() -> None:
    number, below = place_label(PANE, MARK, (SIZE,), (), (MARK,))
    assert (number, below.x + 45, below.y) == (0, 250, 265)
    _, over = place_label(PANE, MARK, (SIZE,), (), (MARK,), True)
    assert over.y + 22 == 195


def test_a_label_gets_out_of_the_way_of_another_one() -> None:
    below = Box(200, 262, 120, 24)
    _, box = place_label(PANE, MARK, (SIZE,), (below,), (MARK,))
    assert box.bottom <= MARK.y


def test_a_shorter_variant_is_taken_before_something_is_hidden() -> None:
    around = (Box(150, 150, 80, 200), Box(270, 150, 80, 200))
    number, box = place_label(PANE, Box(230, 200, 40, 40), (SIZE, (30.0, 22.0)), around, ())
    assert number == 1
    assert not any(box.overlaps(other) for other in around)


def test_many_labels_at_one_place_lie_in_the_pane_and_not_on_each_other() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        marks = tuple(
            Box(*(float(v) for v in rng.uniform((0, 60, 5, 5), (630, 400, 200, 150))))
            for _ in range(9)
        )
        taken: list[Box] = []
        for mark in marks:
            sizes = ((400.0, 22.0), (220.0, 22.0), (90.0, 22.0))
            taken.append(place_label(PANE, mark, sizes, tuple(taken), marks)[1])
        for first, second in combinations(taken, 2):
            assert not first.overlaps(second)
        assert all(box.inside(PANE, -MARGIN) for box in taken)
