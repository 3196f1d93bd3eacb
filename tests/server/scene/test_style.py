from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from carla_saliency.server.scene import style
from carla_saliency.server.scene.style import DESERT, TEMPERATE, look_of, luminance, paint_colour


@pytest.mark.parametrize("palette", [TEMPERATE, DESERT])
def test_worn_paint_stays_at_least_1_4_times_as_bright_as_its_asphalt(
    palette: style.Palette,
) -> None:
    for seed in range(400):
        look = look_of(palette, np.random.default_rng(seed), town=bool(seed % 2))
        for name in (*style.MARK_COLOURS, "unheard of"):
            colour, wear = paint_colour(name, look)
            road = look.asphalt_luminance
            assert luminance(colour) * (1 - wear) + road * wear >= 1.4 * road
            assert max(colour) <= 1


def test_yellow_stays_yellow() -> None:
    for seed in range(200):
        look = look_of(TEMPERATE, np.random.default_rng(seed), town=False)
        red, green, blue = paint_colour("yellow", look)[0]
        assert red >= green > 1.3 * blue


def test_looks_differ_as_much_as_training_needs() -> None:
    looks = [look_of(TEMPERATE, np.random.default_rng(s), town=False) for s in range(300)]
    assert {look.asphalt for look in looks} == set(range(style.ASPHALTS))
    assert {look.verge - style.VERGE for look in looks} == set(range(style.VERGES))
    assert {look.dash_m for look in looks} == set(style.DASHES_M)
    bright = [look.asphalt_luminance for look in looks]
    assert max(bright) > 1.8 * min(bright)
    sides = [side for look in looks for side in look.sides]
    assert {side.barrier for side in sides} == set(TEMPERATE.barriers)
    assert all(0.8 <= side.barrier_m <= 3.5 and side.tree_m >= 4 for side in sides)


def test_a_town_street_has_no_guard_rail_at_its_sidewalk() -> None:
    for seed in range(200):
        look = look_of(TEMPERATE, np.random.default_rng(seed), town=True)
        assert all(side.barrier not in ("rail", "jersey") for side in look.sides)


def test_the_palette_of_unseen_is_used_nowhere_else() -> None:
    assert style.palette_of("unseen") is DESERT
    for name in ("town", "curvy", "country", "Town01", "anything"):
        assert style.palette_of(name) is TEMPERATE
    shared = {"paved_verge", "flat_roofs", "trees", "barriers"}  # numbers and kinds, not looks
    for field in fields(style.Palette):
        if field.name not in shared:
            assert getattr(DESERT, field.name) != getattr(TEMPERATE, field.name), field.name
    assert not set(DESERT.asphalts) & set(TEMPERATE.asphalts)
    assert not {plant.leaves for plant in DESERT.plants} & {
        plant.leaves for plant in TEMPERATE.plants
    }


def test_dice_depend_on_seed_and_place_only() -> None:
    first, again = (style.dice(3, "town", "look", 7).random(4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for other in (style.dice(4, "town", "look", 7), style.dice(3, "town", "look", 8)):
        assert (other.random(4) != first).all()
