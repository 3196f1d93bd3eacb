from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.commands.masks import Masks
from carla_saliency.core import Frame

RED = (200, 0, 0)


def frame_with_a_red_patch() -> Frame:
    image = np.full((90, 160, 3), 100, np.uint8)
    image[30:50, 40:80] = RED
    return Frame(1, 0.05, image)


def red_pixels(frame: Frame) -> float:
    """A network that steers right by how much red it sees."""
    return float((frame.image == RED).all(axis=2).sum()) / 1000


def drag(masks: Masks, top: float, bottom: float, left: float, right: float) -> None:
    masks.press(left, top)
    masks.move((left + right) / 2, bottom)
    masks.move(right, bottom)
    assert masks.release()


def test_what_is_masked_is_filled_in_from_around_it_and_nothing_else_changes() -> None:
    masks, frame = Masks(), frame_with_a_red_patch()
    drag(masks, 25, 55, 35, 85)
    hidden = masks.hide(frame).image
    assert np.abs(hidden.astype(int) - 100).max() <= 1
    assert frame.image[40, 60].tolist() == list(RED), "the frame itself is as it was"
    drag(masks, 0, 10, 0, 10)
    outside = np.ones((90, 160), bool)
    outside[25:55, 35:85] = outside[0:10, 0:10] = False
    assert np.array_equal(masks.hide(frame).image[outside], frame.image[outside])


def test_each_mask_says_what_it_adds_to_those_before_it() -> None:
    masks, frame = Masks(), frame_with_a_red_patch()
    drag(masks, 30, 50, 40, 60)
    drag(masks, 30, 50, 60, 80)
    a, b = masks.boxes(frame, red_pixels)
    assert (a.letter, b.letter) == ("A", "B")
    assert a.before == pytest.approx(0.8)
    assert a.after == b.before == pytest.approx(0.4)
    assert b.after == 0.0
    assert a.place == (30, 50, 40, 60)


def test_the_network_is_asked_again_only_where_something_changed() -> None:
    masks, frame, asked = Masks(), frame_with_a_red_patch(), []

    def steer(shown: Frame) -> float:
        asked.append(shown)
        return red_pixels(shown)

    drag(masks, 30, 50, 40, 60)
    for _ in range(5):
        masks.boxes(frame, steer)
    assert len(asked) == 2
    masks.press(60, 30)
    masks.move(80, 50)
    assert masks.boxes(frame, steer)[1].after == 0.0, "also while it is being dragged"
    assert len(asked) == 3, "the first mask is where it was"
    masks.boxes(frame, steer, "B")
    assert len(asked) == 6, "another network"
    masks.boxes(Frame(2, 0.1, frame.image), steer, "B")
    assert len(asked) == 9, "another frame"


def test_a_click_is_no_mask_and_a_drag_backwards_is_one() -> None:
    masks = Masks()
    masks.press(50, 50)
    masks.move(51, 51)
    assert not masks.release()
    assert len(masks) == 0
    drag(masks, 50, 30, 80, 40)
    assert masks.plain()[0].place == (30, 50, 40, 80)


def test_the_last_mask_is_removed_first_and_without_any_nothing_is_in_force() -> None:
    masks, frame = Masks(), frame_with_a_red_patch()
    drag(masks, 30, 50, 40, 60)
    drag(masks, 30, 50, 60, 80)
    masks.in_force = True
    masks.remove()
    assert [box.letter for box in masks.plain()] == ["A"]
    assert masks.in_force
    masks.remove()
    assert not masks.in_force
    assert masks.hide(frame) is frame
    masks.remove()


def test_a_mask_that_reaches_beyond_the_picture_is_cut() -> None:
    masks, frame = Masks(), frame_with_a_red_patch()
    drag(masks, 80, 120, 150, 300)
    assert masks.hide(frame).image.shape == frame.image.shape
