"""What is asked about one frame that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, runtime_checkable

from carla_saliency.core import Decision, DriveStep, Explanation, Findings, Frame, Seen, Shadow
from carla_saliency.errors import BadInputError
from carla_saliency.factory.insights import Letter, Subject
from carla_saliency.factory.questions import Questions

FALLBACK = "contrast"  # for layers at which the method at hand can't be asked


class Steps(Protocol):
    """The steps that can be looked at: the last 20 s, a clip, or a recorded drive."""

    def __len__(self) -> int:
        """Return how many there are."""

    def at(self, index: int) -> DriveStep:
        """Return a step as it was."""


class Stamp(Protocol):
    """Which step it is."""

    @property
    def frame_id(self) -> int:
        """Number of its frame."""

    @property
    def sim_s(self) -> float:
        """Its simulated seconds."""


@runtime_checkable
class DriveSteps(Steps, Protocol):
    """The steps of the drive at hand, and not of a clip of it."""

    @property
    def newest(self) -> Stamp | None:
        """The newest moment on the strips; None before the first."""

    def find(self, frame_id: int) -> int | None:
        """Return the index of a frame; None if it is not there."""

    def add(self, step: DriveStep) -> None:
        """Take the newest step."""


class Looker:
    """Looks at one step's frame, after those before it that a network remembers.

    Args:
        frames: As the network was given them: those before it that matter, and the frame itself.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames

    @classmethod
    def at(cls, steps: Steps, index: int, older: int) -> Looker:
        """Return one for a step; reads it, and so many before it as there are."""
        read = [steps.at(i) for i in range(max(0, index - older), index + 1)]
        return cls([step.decision.masked or step.observation.frame for step in read])

    @property
    def frame(self) -> Frame:
        """The step's frame."""
        return self._frames[-1]

    def __call__(self, questions: Questions) -> Seen:
        """Return what a network is given for it."""
        return questions.look(self._frames[-questions.frames :])

    def instead(self, frame: Frame) -> list[Frame]:
        """Return the frames that a network is shown if this one takes the last one's place."""
        return [*self._frames[:-1], frame]

    def before(self, questions: Questions) -> Seen:
        """Look at the frame before it; at this one, if it is the first."""
        return questions.look((self._frames[:-1] or self._frames)[-questions.frames :])


def find_out(subject: Subject, look: Looker, explanation: Explanation) -> Findings:
    """Return all that there is to be found out about a map."""
    examiner, frame = subject.examiner, look.frame
    look(subject.questions)  # other frames may have been looked at since the map was made
    return Findings(
        causal=examiner.blobs(frame, explanation),
        shares=examiner.shares(frame, explanation),
        effects=examiner.without_here(frame, explanation.steering),
        check=examiner.check(frame, explanation, "once"),
        novelty=examiner.novelty(frame),
    )


def explain_other(
    questions: Questions, method: str, layer: str | None, look: Looker
) -> Explanation | None:
    """Return the map of the network that looks on; None if it can't be explained so."""
    with suppress(BadInputError):  # the other network may not have this layer
        return questions.explain(method, layer, look(questions))
    return None


def explain_cell(questions: Questions, method: str, name: str, look: Looker) -> Explanation | None:
    """Return the map of one cell of the grid of layers; None if there is no such map."""
    seen = look(questions)
    for each in (method, FALLBACK):
        with suppress(BadInputError):
            return questions.cell(each, name, seen)
    return None


def as_seen_by(decision: Decision, letter: Letter, other: str | None) -> Decision:
    """Return a decision as seen from the network that is asked.

    In the drive the other one may have been at the wheel, which then looks on here; and of a clip
    nobody knows who was.

    Args:
        decision: Of the drive.
        letter: Of the network that is asked.
        other: Title of the other network, if it can be asked as well; None if not.
    """
    shadow = decision.shadow
    if shadow is None and other is None:
        return decision
    if shadow is not None and shadow.letter != letter:
        return decision
    title = other or "as recorded"
    beside = Shadow(letter="B" if letter == "A" else "A", title=title, command=None)
    if shadow is None:
        return replace(decision, shadow=beside)
    beside = replace(beside, command=decision.network_steering, explanation=decision.explanation)
    return replace(
        decision,
        explanation=shadow.explanation,
        network_steering=shadow.command,
        shadow=beside,
    )
