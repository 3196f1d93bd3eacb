from __future__ import annotations

from itertools import combinations

import pytest

from carla_saliency.draw import layout
from carla_saliency.draw.layout import UNITS, Box, Layout, Pixels, fit, part

BOXES = {name: box for name, box in vars(layout).items() if isinstance(box, Box)}
PARTS = {"STRIP_OFFSET": "STRIP_B", "STRIP_SPEED": "STRIP_B", "MAP_CHECK": "CONTROLS_R"}


def test_no_two_boxes_of_the_frame_overlap() -> None:
    assert len(BOXES) == 17
    for (a, first), (b, second) in combinations(BOXES.items(), 2):
        if b not in (PARTS.get(a), a) and a != PARTS.get(b):
            assert not first.overlaps(second), (a, b)


def test_a_part_of_a_box_is_inside_of_it() -> None:
    assert all(BOXES[part].inside(BOXES[whole]) for part, whole in PARTS.items())


def test_every_box_is_inside_the_window() -> None:
    assert all(box.inside(Box(0, 0, *UNITS)) for box in BOXES.values())


def test_at_1280x720_a_unit_is_a_pixel() -> None:
    assert Layout.of((1280, 720)).pixels(layout.PANE_R) == (648, 62, 620, 349)


@pytest.mark.parametrize("size", [(1920, 1080), (960, 540), (1000, 1000), (2000, 400), (33, 7)])
def test_the_frame_lies_in_the_middle_of_any_picture(size: tuple[int, int]) -> None:
    place = Layout.of(size).pixels(Box(0, 0, *UNITS))
    assert abs(2 * place.x + place.w - size[0]) <= 1
    assert abs(2 * place.y + place.h - size[1]) <= 1
    assert place.w in (size[0], round(size[1] * 16 / 9))


def test_boxes_that_touch_still_touch_at_other_sizes() -> None:
    small = Layout.of((901, 507))
    left, right = small.pixels(Box(3, 0, 50, 9)), small.pixels(Box(53, 0, 7, 9))
    assert left.x + left.w == right.x


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="received 0x0"):
        Layout.of((0, 0))


def test_a_square_picture_is_drawn_as_a_square() -> None:
    assert fit((100, 100), Pixels(10, 20, 620, 349)) == (145, 20, 349, 349)


def test_a_16_to_9_picture_fills_its_pane() -> None:
    assert fit((360, 640), Pixels(12, 62, 620, 349)) == (12, 62, 620, 349)


def test_a_crop_of_all_is_the_whole_place() -> None:
    place = Pixels(12, 62, 620, 349)
    assert part(place, (360, 640), (0, 360, 0, 640)) == place


def test_the_lower_right_quarter_of_a_picture_is_the_lower_right_quarter_of_its_place() -> None:
    assert part(Pixels(10, 20, 400, 200), (150, 300), (75, 150, 150, 300)) == (210, 120, 200, 100)
