"""One frame that is looked at while the world stands still."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from carla_saliency import factory
from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.wishes import Looker, find_out
from carla_saliency.core import (
    Control,
    Decision,
    DriveStep,
    Explanation,
    Frame,
    Observation,
    Pose,
    Shadow,
)
from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.factory import Letter, Rider, Subject
from carla_saliency.factory.questions import Questions
from carla_saliency.output.past import Past
from carla_saliency.settings import DriveSettings


class Steps:
    """Frames of noise; A was at the wheel, and B looked on, or nobody did."""

    def __init__(self, count: int = 3, shadow: Shadow | None = None) -> None:
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 256, (count, 36, 64, 3), np.uint8).repeat(10, 1).repeat(10, 2)
        self.steps = [
            DriveStep(
                Observation(Frame(n, n / 20, picture), Pose(), 8.0, None),
                Decision(Control(), "network", None, network_steering=0.1, shadow=shadow),
            )
            for n, picture in enumerate(pictures)
        ]
        self.unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self.steps)

    def at(self, index: int) -> DriveStep:
        if index in self.unreadable:
            raise CarlaSaliencyError("the picture can't be read")
        return self.steps[index]


@pytest.fixture(scope="module")
def subjects() -> dict[Letter, Subject]:
    settings = DriveSettings()
    steering = factory.load_steering()
    other = replace(steering, path=steering.path.with_name("other.keras"))
    subjects: dict[Letter, Subject] = {}
    for letter, each in (("A", steering), ("B", other)):
        rider = Rider(each, factory.make_explainers(each, "contrast"))
        examiner = factory.make_examiner(rider, settings, None)
        subjects[cast(Letter, letter)] = factory.make_subject(rider, examiner, settings)
    return subjects


@pytest.fixture
def inspecting(subjects: dict[Letter, Subject]) -> Iterator[Inspecting]:
    one = Inspecting(subjects)
    yield one
    one.close()


def map_of(inspecting: Inspecting) -> Explanation | None:
    """Return the shown map, after it was asked for."""
    deadline_s = time.monotonic() + 30
    while ("map", *inspecting._key()) not in inspecting._answers:
        inspecting.poll()
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    return inspecting.view()[0].decision.explanation


def test_a_frame_of_the_time_when_the_other_network_drove_is_told_as_the_asked_one_sees_it(
    inspecting: Inspecting,
) -> None:
    inspecting.open(Steps(shadow=Shadow(title="other.keras", command=0.3)), 1, "B", "contrast", "")
    decision = inspecting.view()[0].decision
    assert decision.network_steering == 0.3
    assert decision.shadow is not None
    assert (decision.shadow.letter, decision.shadow.title) == ("A", "dave2.keras")
    assert decision.shadow.command == 0.1
    inspecting.ask_by("A", "contrast", "")
    decision = inspecting.view()[0].decision
    assert decision.shadow is not None
    assert (decision.network_steering, decision.shadow.letter) == (0.1, "B")


def test_of_a_clip_it_is_said_which_network_is_asked(inspecting: Inspecting) -> None:
    inspecting.open(Steps(), 1, "B", "contrast", "")
    shadow = inspecting.view()[0].decision.shadow
    assert shadow is not None
    assert (shadow.letter, shadow.command) == ("A", None)


def test_a_network_that_cannot_be_asked_by_this_method_ends_nothing(
    inspecting: Inspecting,
) -> None:
    inspecting.open(Steps(), 1, "A", "layercam", "dense1")
    assert map_of(inspecting) is None
    assert inspecting.trouble.startswith("layer dense1 has no rows and columns")


def test_what_turned_the_steering_since_the_frame_before_is_asked_about_these_two_frames(
    inspecting: Inspecting, subjects: dict[Letter, Subject]
) -> None:
    steps = Steps()
    inspecting.open(steps, 2, "A", "change", "")
    explanation = map_of(inspecting)
    assert explanation is not None
    assert explanation.frame_id == 2
    steer = subjects["A"].questions.steer
    turned = steer([steps.steps[2].observation.frame]) - steer([steps.steps[1].observation.frame])
    assert float(explanation.attribution.sum()) == pytest.approx(turned, abs=0.02)
    inspecting.show(0)
    first = map_of(inspecting)
    assert first is not None
    assert not first.attribution.any(), "nothing came before it"


def test_a_view_that_stands_still_stays_at_its_frame_while_the_past_goes_on(
    inspecting: Inspecting,
) -> None:
    steps = Steps(9).steps
    with Past(seconds=0.2) as past:
        for step in steps[:5]:
            past.add(step)
        inspecting.open(past, 3, "A", "contrast", "")
        for step in steps[5:7]:
            past.add(step)
        assert inspecting.view()[0].observation.frame.frame_id == 3
        assert inspecting.view()[1].back_s == pytest.approx(0.15)
        inspecting.show(inspecting.index + 1)
        assert inspecting.view()[0].observation.frame.frame_id == 4
        past.clear()
        past.add(steps[8])
        assert inspecting.view()[0].observation.frame.frame_id == 4, "it is kept as it was"
        inspecting.show(inspecting.index + 1)
        assert inspecting.view()[0].observation.frame.frame_id == 8


def test_a_frame_that_cannot_be_read_leaves_the_view_as_it_was(inspecting: Inspecting) -> None:
    steps = Steps()
    inspecting.open(steps, 2, "A", "contrast", "")
    steps.unreadable = {1}
    with pytest.raises(CarlaSaliencyError, match="can't be read"):
        inspecting.show(1)
    assert inspecting.view()[0].observation.frame.frame_id == 2
    unreadable = Steps()
    unreadable.unreadable = {2}
    with pytest.raises(CarlaSaliencyError, match="can't be read"):
        inspecting.open(unreadable, 1, "A", "contrast", "")
    assert inspecting.view()[0].observation.frame.frame_id == 2


def test_a_network_that_remembers_is_shown_the_frames_before_as_it_was_given_them() -> None:
    steps = Steps(4)
    hidden = replace(steps.steps[1].observation.frame, image=np.zeros((360, 640, 3), np.uint8))
    decision = replace(steps.steps[1].decision, masked=hidden)
    steps.steps[1] = replace(steps.steps[1], decision=decision)
    shown: list[Any] = []
    questions = cast(Questions, SimpleNamespace(frames=3, look=shown.append))
    look = Looker.at(steps, 3, 3)
    look(questions)
    assert [frame.frame_id for frame in shown[-1]] == [1, 2, 3]
    assert shown[-1][0] is hidden
    look.before(questions)
    assert [frame.frame_id for frame in shown[-1]] == [0, 1, 2]
    Looker.at(steps, 0, 3).before(questions)
    assert [frame.frame_id for frame in shown[-1]] == [0], "nothing came before it"


def test_before_a_map_is_examined_its_frame_is_looked_at_again() -> None:
    order: list[str] = []

    class Examiner:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: order.append(name)

    class Looking(Looker):
        def __call__(self, questions: Questions) -> Any:
            order.append("look")

    look = Looking([Steps().steps[0].observation.frame])
    explanation = Explanation(0, "planted", 0.0, np.zeros((2, 2), np.float32))
    subject = cast(Subject, SimpleNamespace(questions=None, examiner=Examiner()))
    find_out(subject, look, explanation)
    assert order[0] == "look"
    assert "blobs" in order
