"""While the world stands still: one frame of the last 20 s, asked about all that can be asked.

What is looked at first is asked first: the map, the checks, the grid of layers, the feature maps,
the filters. A worker asks one thing at a time, so that the window answers at once; what was asked
once is remembered as long as somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from carla_saliency.commands.answers import Answers, Key, Wish
from carla_saliency.commands.wishes import (
    DriveSteps,
    Looker,
    Steps,
    as_seen_by,
    explain_cell,
    explain_other,
    find_out,
)
from carla_saliency.core import (
    DriveStep,
    Explanation,
    Findings,
    Frame,
    LayerInfo,
)
from carla_saliency.draw.state import Inspection, LayerCell
from carla_saliency.factory.every_layer import STEERING
from carla_saliency.factory.insights import Letter, Subject
from carla_saliency.factory.questions import CHANGE


class Inspecting:
    """Shows one of several steps with everything that can be asked about it.

    Args:
        subjects: The networks by letter.

    Attributes:
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
        self._answers = Answers()
        self._index, self._end_s = 0, 0.0
        self._read: tuple[DriveStep, Looker] | None = None
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

        Raises:
            CarlaSaliencyError: If the steps can't be read; then the view stays as it was.
        """
        if not isinstance(steps, DriveSteps):
            self._end_s = steps.at(len(steps) - 1).observation.frame.sim_s
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

    @property
    def is_live(self) -> bool:
        """Whether the drive itself is looked at, and not a clip."""
        return isinstance(self._steps, DriveSteps)

    def leave(self) -> None:
        """Look no longer; what was asked is forgotten."""
        self._steps = self._read = None
        self._answers.forget()
        self.full = False

    def close(self) -> None:
        """End the worker, after what it is doing."""
        self.leave()
        self._answers.close()

    def show(self, index: int) -> None:
        """Show another step, or the nearest that there is.

        Raises:
            CarlaSaliencyError: If it can't be read; then the view stays as it was.
        """
        steps = self._some_steps
        index = max(0, min(index, len(steps) - 1))
        remembered = max(each.questions.frames for each in self._subjects.values())
        older = remembered if self._method == CHANGE else remembered - 1
        self._read = steps.at(index), Looker.at(steps, index, older)
        self._index = index
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
        return self._shown[0]

    def frames_with(self, frame: Frame) -> list[Frame]:
        """Return a variation of the shown frame, after those before it that a network remembers."""
        return self._shown[1].instead(frame)

    @property
    def letter(self) -> Letter:
        """Of the network that is asked."""
        return self._letter

    @property
    def index(self) -> int:
        """Of the shown step among those that can be looked at; 0 if it is too old by now."""
        if isinstance(self._steps, DriveSteps):  # goes on where somebody else ticks the world
            self._index = self._steps.find(self.step.observation.frame.frame_id) or 0
        return self._index

    # -------------------------------------------------------------- what there is to see

    def view(self) -> tuple[DriveStep, Inspection]:
        """Return the shown step with what was found out so far, and the rest of the window."""
        step, key = self.step, self._key()
        other = self._other
        title = None if other is None else other.questions.steering.title
        decision = as_seen_by(step.decision, self._letter, title)
        explanation = self._answers.get(("map", *key))
        if explanation is None and decision.explained is None:
            own = decision.explanation
            explanation = own if own is not None and own.method == self._method else None
        shadow = decision.shadow
        if shadow is not None and self._other is not None:  # the expert has no map
            shadow = replace(shadow, explanation=self._answers.get(("shadow", *key)))
        decision = replace(decision, explanation=explanation, explained=None, shadow=shadow)
        findings = self._answers.get(("findings", *key)) or Findings()
        findings = replace(findings, comparison=step.findings.comparison)
        layer = self._layer_info
        name = "" if layer is None else layer.name
        inspection = Inspection(
            cells=self._cells(),
            full=self.full,
            layer=layer,
            activations=self._answers.get(("activations", *key[:2], name)),
            filter_changes=self._answers.get(("filters", *key[:2], name)),
            back_s=self._newest_s - step.observation.frame.sim_s,
            frozen=self.frozen,
        )
        return replace(step, decision=decision, findings=findings), inspection

    def poll(self) -> None:
        """Take an answer, and ask what is missing most; never waits."""
        if self._steps is not None and self._answers.poll(self._wishes):
            self.revision += 1

    @property
    def waits(self) -> bool:
        """Whether something is being asked."""
        return self._answers.waits

    @property
    def trouble(self) -> str:
        """Why there is no map of the shown frame, one line; "" if there is, or is to come."""
        return "" if self._steps is None else self._answers.trouble(("map", *self._key()))

    # -------------------------------------------------------------- inside

    @property
    def _some_steps(self) -> Steps:
        if self._steps is None:
            raise RuntimeError("nobody looks: call open first")
        return self._steps

    @property
    def _newest_s(self) -> float:
        newest = self._steps.newest if isinstance(self._steps, DriveSteps) else None
        return self._end_s if newest is None else newest.sim_s

    @property
    def _shown(self) -> tuple[DriveStep, Looker]:
        if self._read is None:
            raise RuntimeError("nobody looks: call open first")
        return self._read

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

    def _key(self) -> Key:
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

    def _cell_key(self, name: str) -> Key:
        return ("cell", *self._key()[:3], name)

    def _wishes(self) -> Iterator[Wish]:
        """Yield all that can be asked about the shown step, what matters most first."""
        (_, look), key, subject = self._shown, self._key(), self._subject
        questions = subject.questions
        method, layer = self._method, self._layer or None

        def map_() -> Explanation:
            if method == CHANGE:
                return questions.explain_change(look.before(questions), look(questions))
            return questions.explain(method, layer, look(questions))

        yield Wish(("map", *key), map_)
        explanation = self._answers.get(("map", *key))
        if explanation is not None:
            yield Wish(("findings", *key), lambda: find_out(subject, look, explanation))
        if self._other is not None:
            other = self._other.questions
            yield Wish(("shadow", *key), lambda: explain_other(other, method, layer, look))
        for name in questions.cells:
            if name != STEERING or layer is not None:
                ask = partial(explain_cell, questions, method, name, look)
                yield Wish(self._cell_key(name), ask)
        info = self._layer_info
        if info is not None:
            name = info.name
            yield Wish(
                ("activations", *key[:2], name),
                lambda: questions.activations(name, look(questions)),
            )
            if len(info.shape) == 3:
                yield Wish(
                    ("filters", *key[:2], name),
                    lambda: questions.filter_changes(name, look(questions)),
                )
