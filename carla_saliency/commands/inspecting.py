"""While the world stands still: one frame of the last 20 s, asked about all that can be asked.

What is looked at first is asked first: the map, the checks, the grid of layers, the feature maps,
the filters. A worker asks one thing at a time, so that the window answers at once; what was asked
once is remembered as long as somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from carla_saliency.core import DriveStep, Explanation, Findings, Frame, LayerInfo, Seen
from carla_saliency.draw.state import Inspection, LayerCell
from carla_saliency.errors import BadInputError
from carla_saliency.factory.every_layer import STEERING
from carla_saliency.factory.insights import Letter, Subject
from carla_saliency.factory.questions import Questions
from carla_saliency.insight.examiner import Examiner

REMEMBERED = 600  # answers: about 40 frames with everything
FALLBACK = "contrast"  # for layers at which the method at hand can't be asked


class Steps(Protocol):
    """The steps that can be looked at: the last 20 s, or a clip."""

    def __len__(self) -> int:
        """Return how many there are."""

    def at(self, index: int) -> DriveStep:
        """Return a step as it was."""


@dataclass(frozen=True)
class _Wish:
    """A question: what its answer is remembered as, and how it is asked."""

    key: tuple[Any, ...]
    ask: Callable[[], Any]


class Inspecting:
    """Shows one of several steps with everything that can be asked about it.

    Args:
        subjects: The networks by letter.

    Attributes:
        index: Of the shown step.
        revision: Grows with every change of what there is to see.
        full: The chosen layer's map fills the pane.
        frozen: Somebody else ticks the world, only the view stands still.
    """

    def __init__(self, subjects: Mapping[Letter, Subject]) -> None:
        self._subjects = subjects
        self._steps: Steps | None = None
        self._letter: Letter = "A"
        self._method, self._layer = "", ""
        self._chosen = ""
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._asked: tuple[tuple[Any, ...], Future[Any]] | None = None
        self._read: tuple[int, DriveStep] | None = None
        self.index = 0
        self.revision = 0
        self.full = False
        self.frozen = False

    # -------------------------------------------------------------- what is looked at

    def open(self, steps: Steps, index: int, letter: Letter, method: str, layer: str) -> None:
        """Begin to look.

        Args:
            steps: What can be looked at, at least one.
            index: Of the first.
            letter: Of the network that drives.
            method: Of the map.
            layer: That the method is asked about; "" = its own choice.
        """
        self._steps, self._letter = steps, letter
        self._method, self._layer = method, layer
        if not self._chosen:
            first = self._subject.questions.first_picture_layer()
            self._chosen = STEERING if first is None else first.name
        self.show(index)

    @property
    def is_open(self) -> bool:
        """Whether somebody looks."""
        return self._steps is not None

    def leave(self) -> None:
        """Look no longer; what was asked is forgotten."""
        self._steps = self._read = None
        self._answers.clear()
        self.full = False

    def close(self) -> None:
        """End the worker, after what it is doing."""
        self.leave()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._asked = None

    def show(self, index: int) -> None:
        """Show another step, or the nearest that there is."""
        self.index = max(0, min(index, len(self._some_steps) - 1))
        self._read = None
        self.revision += 1

    def ask_by(self, letter: Letter, method: str, layer: str) -> None:
        """Ask another network, or by another method or about another layer."""
        self._letter, self._method, self._layer = letter, method, layer
        self.revision += 1

    def change_layer(self, by: int) -> None:
        """Choose the next layer of the grid."""
        names = [cell.name for cell in self._cells()]
        at = names.index(self._chosen) if self._chosen in names else 0
        self._chosen = names[(at + by) % len(names)]
        self.revision += 1

    def click(self, number: int) -> None:
        """Choose a cell of the grid: its map fills the pane; a click on that leads back."""
        names = [cell.name for cell in self._cells()]
        if self.full:
            self.full = False
        elif number < len(names):
            self._chosen, self.full = names[number], True
        self.revision += 1

    @property
    def step(self) -> DriveStep:
        """The shown step as it was in the drive."""
        if self._read is None or self._read[0] != self.index:
            self._read = self.index, self._some_steps.at(self.index)
        return self._read[1]

    # -------------------------------------------------------------- what there is to see

    def view(self) -> tuple[DriveStep, Inspection]:
        """Return the shown step with what was found out so far, and the rest of the window."""
        step, key = self.step, self._key()
        decision = step.decision
        explanation = self._answers.get(("map", *key))
        if explanation is None and decision.explained is None:
            own = decision.explanation
            explanation = own if own is not None and own.method == self._method else None
        shadow = decision.shadow
        if shadow is not None and self._other is not None:
            shadow = replace(shadow, explanation=self._answers.get(("shadow", *key)))
        decision = replace(decision, explanation=explanation, explained=None, shadow=shadow)
        findings = self._answers.get(("findings", *key), Findings())
        findings = replace(findings, comparison=step.findings.comparison)
        layer = self._layer_info
        name = "" if layer is None else layer.name
        newest = self._some_steps.at(len(self._some_steps) - 1).observation.frame.sim_s
        inspection = Inspection(
            cells=self._cells(),
            full=self.full,
            layer=layer,
            activations=self._answers.get(("activations", *key[:2], name)),
            filter_changes=self._answers.get(("filters", *key[:2], name)),
            back_s=newest - step.observation.frame.sim_s,
            frozen=self.frozen,
        )
        return replace(step, decision=decision, findings=findings), inspection

    def poll(self) -> None:
        """Take an answer, and ask what is missing most; never waits."""
        if self._steps is None:
            return
        if self._asked is not None:
            key, future = self._asked
            if not future.done():
                return
            self._asked = None
            self._answers[key] = future.result()
            while len(self._answers) > REMEMBERED:
                del self._answers[next(iter(self._answers))]
            self.revision += 1
        for wish in self._wishes():
            if wish.key not in self._answers:
                self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="inspecting")
                self._asked = wish.key, self._pool.submit(wish.ask)
                return

    @property
    def waits(self) -> bool:
        """Whether something is being asked."""
        return self._asked is not None

    # -------------------------------------------------------------- inside

    @property
    def _some_steps(self) -> Steps:
        if self._steps is None:
            raise RuntimeError("nobody looks: call open first")
        return self._steps

    @property
    def _subject(self) -> Subject:
        return self._subjects[self._letter]

    @property
    def _other(self) -> Subject | None:
        return self._subjects.get("B" if self._letter == "A" else "A")

    @property
    def _layer_info(self) -> LayerInfo | None:
        """Whose feature maps are shown: the chosen one's, or those of the first that has any."""
        questions = self._subject.questions
        if self._chosen in questions.layers and self._chosen != STEERING:
            return questions.layers[self._chosen]
        return questions.first_picture_layer()

    def _key(self) -> tuple[Any, ...]:
        return self.step.observation.frame.frame_id, self._letter, self._method, self._layer

    def _cells(self) -> tuple[LayerCell, ...]:
        key, cells = self._key(), []
        for name in self._subject.questions.cells:
            explanation = self._answers.get(self._cell_key(name))
            if self._cell_key(name) in self._answers and explanation is None:
                continue  # the network can't be asked about it
            if name == STEERING and explanation is None:
                explanation = self._answers.get(("map", *key))
            chosen = name == self._chosen
            cells.append(LayerCell(name=name, explanation=explanation, chosen=chosen))
        return tuple(cells)

    def _cell_key(self, name: str) -> tuple[Any, ...]:
        return ("cell", *self._key()[:3], name)

    def _wishes(self) -> Iterator[_Wish]:
        """Yield all that can be asked about the shown step, what matters most first."""
        step, key, subject = self.step, self._key(), self._subject
        questions, frame = subject.questions, step.decision.masked or step.observation.frame
        look = _Looking(self._some_steps, self.index, frame)
        method, layer = self._method, self._layer or None

        def map_() -> Explanation:
            return questions.explain(method, layer, look(questions))

        yield _Wish(("map", *key), map_)
        explanation = self._answers.get(("map", *key))
        if explanation is not None:
            yield _Wish(("findings", *key), lambda: _findings(subject.examiner, frame, explanation))
        if self._other is not None and step.decision.shadow is not None:
            other = self._other.questions
            yield _Wish(("shadow", *key), lambda: _try(other, method, layer, look))
        for name in questions.cells:
            if name != STEERING or layer is not None:
                yield _Wish(self._cell_key(name), _cell(questions, method, name, look))
        info = self._layer_info
        if info is not None:
            name = info.name
            yield _Wish(
                ("activations", *key[:2], name),
                lambda: questions.activations(name, look(questions)),
            )
            if len(info.shape) == 3:
                yield _Wish(
                    ("filters", *key[:2], name),
                    lambda: questions.filter_changes(name, look(questions)),
                )


class _Looking:
    """Looks at one step's frame, after those before it that a network remembers."""

    def __init__(self, steps: Steps, index: int, frame: Frame) -> None:
        self._steps, self._index, self._frame = steps, index, frame

    def __call__(self, questions: Questions) -> Seen:
        first = max(0, self._index - questions.frames + 1)
        before = [self._steps.at(i).observation.frame for i in range(first, self._index)]
        return questions.look([*before, self._frame])


def _findings(examiner: Examiner, frame: Frame, explanation: Explanation) -> Findings:
    return Findings(
        causal=examiner.blobs(frame, explanation),
        shares=examiner.shares(frame, explanation),
        effects=examiner.without_here(frame, explanation.steering),
        check=examiner.check(frame, explanation, "once"),
        novelty=examiner.novelty(frame),
    )


def _try(
    questions: Questions, method: str, layer: str | None, look: _Looking
) -> Explanation | None:
    with suppress(BadInputError):  # the other network may not have this layer
        return questions.explain(method, layer, look(questions))
    return None


def _cell(
    questions: Questions, method: str, name: str, look: _Looking
) -> Callable[[], Explanation | None]:
    def ask() -> Explanation | None:
        seen = look(questions)
        for each in (method, FALLBACK):
            with suppress(BadInputError):
                return questions.cell(each, name, seen)
        return None

    return ask
