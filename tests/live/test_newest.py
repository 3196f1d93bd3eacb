"""A step for somebody who may be slower than the drive."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "record"))

import pytest
from rich_steps import EXTRAS, bare_step, rich_step

from carla_saliency.core import DriveStep
from carla_saliency.live.newest import Newest
from carla_saliency.record.extras import Extras


class Slow:
    """Takes a step, and the next only when it may."""

    def __init__(self) -> None:
        self.taken: list[DriveStep] = []
        self.took, self.may_go_on = threading.Event(), threading.Event()

    def take(self, step: DriveStep, _: Extras) -> None:
        self.taken.append(step)
        self.took.set()
        assert self.may_go_on.wait(30)


def ids(steps: list[DriveStep]) -> list[int]:
    return [step.observation.frame.frame_id for step in steps]


def test_who_is_late_is_given_the_newest_step_only() -> None:
    slow = Slow()
    newest = Newest("test", slow.take, pytest.fail)
    newest.add(bare_step(1), EXTRAS)
    assert slow.took.wait(30)
    for number in range(2, 50):
        newest.add(bare_step(number), EXTRAS)
    slow.may_go_on.set()
    assert newest.close()
    assert ids(slow.taken) == [1, 49]


def test_events_of_steps_that_were_left_out_are_told_with_the_next() -> None:
    slow = Slow()
    newest = Newest("test", slow.take, pytest.fail)
    newest.add(bare_step(1), EXTRAS)
    assert slow.took.wait(30)
    eventful = rich_step(2)
    newest.add(eventful, EXTRAS)
    newest.add(bare_step(3), EXTRAS)
    newest.add(bare_step(4), EXTRAS)
    slow.may_go_on.set()
    newest.close()
    last = slow.taken[-1]
    assert ids(slow.taken) == [1, 4]
    assert last.observation.events == eventful.observation.events
    assert last.findings.events == eventful.findings.events


def test_closing_says_when_somebody_hangs() -> None:
    slow = Slow()
    newest = Newest("test", slow.take, pytest.fail)
    newest.add(bare_step(1), EXTRAS)
    assert slow.took.wait(30)
    assert not newest.close(0.05)
    slow.may_go_on.set()
    assert newest.close()


def test_a_step_that_cannot_be_shown_is_told_once_and_the_next_ones_are_shown() -> None:
    told: list[str] = []
    shown: list[int] = []

    def take(step: DriveStep, _: Extras) -> None:
        number = step.observation.frame.frame_id
        if number < 3:
            raise ValueError("no such picture")
        shown.append(number)

    newest = Newest("Foxglove", take, told.append)
    for number in (1, 2, 3):
        newest.add(bare_step(number), EXTRAS)
        until_s = time.monotonic() + 30
        while newest._box and time.monotonic() < until_s:
            time.sleep(0.001)
    assert newest.close()
    assert shown == [3]
    assert told == [
        "the stream to Foxglove left out frame 1: ValueError('no such picture')",
    ]
