from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from drawn import EVENTS, STATE, make_painter, make_step
from text_checks import check_texts, record_texts

from carla_saliency.draw import foot
from carla_saliency.draw.layout import FOOT
from carla_saliency.draw.palette import HIGH
from carla_saliency.draw.state import EventEntry, Inspection

INSPECT = replace(STATE, paused=True, inspection=Inspection())


def width(text: str) -> float:
    return 8.0 * len(text)


def numbers(events: tuple[EventEntry, ...], right: float = foot.EVENTS_RIGHT) -> list[int]:
    return [number for number, _ in foot.event_boxes(events, width, right)]


def test_the_last_events_that_fit_are_listed_in_their_order() -> None:
    listed = numbers(EVENTS)
    assert listed == list(range(listed[0], len(EVENTS) + 1))
    assert 1 < len(listed) < len(EVENTS)


def test_the_boxes_lie_beside_each_other_in_the_foot() -> None:
    boxes = [box for _, box in foot.event_boxes(EVENTS, width)]
    assert all(box.inside(FOOT) and box.right <= foot.EVENTS_RIGHT for box in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_an_event_of_before_that_is_looked_at_is_listed_too() -> None:
    looked_at = (*EVENTS[:1], replace(EVENTS[1], shown=True), *EVENTS[2:])
    assert numbers(looked_at) == [1, 2]


def test_without_room_or_events_nothing_is_listed() -> None:
    assert numbers(EVENTS, 60.0) == []
    assert numbers(()) == []


def test_what_is_drawn_is_where_the_boxes_are() -> None:
    events = tuple(replace(event, shown=event.number == 8) for event in EVENTS)
    painter = make_painter()
    picture = painter.paint(make_step(), replace(INSPECT, events=events))
    boxes = dict(foot.event_boxes(events, painter.width))
    p = painter.layout.pixels(boxes[8])
    middle = picture[p.y + 3, p.x + 6 : p.x + p.w - 6]
    assert (middle == HIGH).all()
    other = painter.layout.pixels(boxes[7])
    assert not (picture[other.rows, other.columns] == HIGH).all(axis=2).any()


@pytest.mark.parametrize("size", [(960, 540), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("count", [0, 3, 9])
def test_no_text_of_the_list_is_cut_or_lies_on_another(
    size: tuple[int, int], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    state = replace(INSPECT, events=EVENTS[:count])
    make_painter(size).paint(make_step(), state)
    check_texts(placed, cut, size)
