from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from carla_saliency.commands import answers as answers_module
from carla_saliency.commands.answers import Answers, Wish
from carla_saliency.errors import BadInputError


@pytest.fixture
def answers() -> Iterator[Answers]:
    one = Answers()
    yield one
    one.close()


def ask_all(answers: Answers, *wishes: Wish) -> None:
    deadline_s = time.monotonic() + 30
    while not all(wish.key in answers for wish in wishes):
        answers.poll(lambda: wishes)
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def fail() -> None:
    raise BadInputError("the network has no layer of this name: choose another")


def test_one_thing_is_asked_at_a_time_and_what_matters_most_first(answers: Answers) -> None:
    order: list[str] = []
    wishes = [Wish((name,), lambda name=name: order.append(name) or name) for name in "abc"]  # type: ignore[misc, func-returns-value]
    assert answers.get(("a",)) is None
    ask_all(answers, *wishes)
    assert order == ["a", "b", "c"]
    assert answers.get(("b",)) == "b"
    assert not answers.waits


def test_what_cannot_be_asked_has_no_answer_is_not_asked_again_and_ends_nothing(
    answers: Answers,
) -> None:
    ask_all(answers, Wish(("a",), fail))
    assert answers.get(("a",)) is None
    assert answers.trouble(("a",)) == "the network has no layer of this name: choose another"
    ask_all(answers, Wish(("a",), fail), Wish(("b",), lambda: 7))
    assert answers.get(("b",)) == 7
    assert answers.trouble(("b",)) == ""


def test_the_oldest_large_answers_make_room_for_the_newest(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_module, "REMEMBERED_BYTES", 1000)
    for name in "abcd":
        answers.remember((name,), np.zeros(100, np.float32))
    assert [(name,) in answers for name in "abcd"] == [False, False, True, True]
    answers.remember(("huge",), np.zeros(10_000, np.float32))
    assert ("huge",) in answers, "it is looked at just now"
    answers.remember(("small",), 1.0)
    assert ("huge",) not in answers
    answers.forget()
    assert ("small",) not in answers
