"""Who takes part in a replay: the networks that are asked, and who finds out about their maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

from carla_saliency import factory
from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.replay_networks import Cast
from carla_saliency.commands.replay_pilot import ReplayPilot, recorded_letter
from carla_saliency.commands.wishes import as_seen_by
from carla_saliency.core import DriveStep, EventKind, Frame
from carla_saliency.factory import Letter, Rider
from carla_saliency.factory.questions import CHANGE
from carla_saliency.insight.classes import tag_table
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.record.facts import Facts
from carla_saliency.record.reader import Record


class ReplayCrew:
    """Makes them, and finishes each recorded step.

    Args:
        stack: Closes what must be closed.
        cast: The networks.
        record: Is open.
        has_tags: The frames have semantic tags.
        watched: There is a window: a slow map is not waited for.
        say: Is told lines for the person.

    Attributes:
        pilot: Asks the networks.
        analyst: Finds out about every step.
        inspecting: Is asked about one frame while the replay stands still.
    """

    def __init__(
        self,
        stack: ExitStack,
        cast: Cast,
        record: Record,
        has_tags: bool,
        watched: bool,
        say: Callable[[str], None],
    ) -> None:
        self._cast, self._record = cast, record
        facts, settings, riders = record.facts, cast.settings, cast.riders
        self._alone = "A" not in riders
        self.pilot = self._make_pilot(stack, watched, say)
        groups = tag_table(facts.server_version) if has_tags else None
        examiners = {
            letter: factory.make_examiner(rider, settings, groups)
            for letter, rider in riders.items()
        }
        both: Mapping[Letter, Rider] = riders
        if self._alone:  # it stands in for A, which is never examined
            both, examiners["A"] = {"A": riders["B"], "B": riders["B"]}, examiners["B"]
        self.analyst = factory.make_analyst(both, examiners, settings, facts.car, say)
        subjects = {
            letter: factory.make_subject(rider, examiners[letter], settings)
            for letter, rider in riders.items()
        }
        self.inspecting = Inspecting(subjects)
        stack.callback(self.inspecting.close)
        self._asked = {letter: one.questions.apart() for letter, one in subjects.items()}
        frames = max(one.questions.frames for one in subjects.values())
        self._older = frames if self.pilot.method == CHANGE else frames - 1

    def finish(self, index: int, recorded: DriveStep, jumped: bool, examine: bool) -> DriveStep:
        """Return a recorded step with what the networks say now, and what is found out about it.

        Args:
            index: In the record.
            recorded: The step.
            jumped: The step before it was not finished just now.
            examine: Something is to be found out about its map.
        """
        if jumped:
            first = max(0, index - self._older)
            self.pilot.rejoin(list(self._record.steps(first, index)) if index > first else [])
        step = replace(recorded, decision=self.pilot.decide(recorded))
        if not examine:
            return step
        if self._alone and recorded_letter(step.decision) == "A":  # B can be asked, A can't
            seen = replace(step, decision=as_seen_by(step.decision, "B", None))
            findings = self.analyst.examine(seen).findings
            if findings.comparison is not None:  # nobody knows what A sees
                findings = replace(findings, comparison=replace(findings.comparison, alike=None))
        else:
            findings = self.analyst.examine(step).findings
        told = recorded.findings.events
        if not self._cast.as_driven:
            told = tuple(event for event in told if event.kind is not EventKind.NETWORKS)
            told += tuple(e for e in findings.events if e.kind is EventKind.NETWORKS)
        return replace(step, findings=replace(findings, events=told))

    def steer(self, letter: Letter, frames: Sequence[Frame]) -> float:
        """Ask a network about the last of these frames, apart from the replay."""
        return self._asked[letter].steer(frames)

    def layer(self) -> str:
        """Return the layer that is explained; "" = as the method chooses."""
        return self._cast.riders[self.pilot.letter].layer() or ""

    def change_layer(self, method: str, by: int) -> None:
        """Ask the methods of all networks about the next layer."""
        for rider in self._cast.riders.values():
            if isinstance(rider.explainers, factory.Explainers):
                rider.explainers.change_layer(method, by)

    # -------------------------------------------------------------- inside

    def _make_pilot(
        self, stack: ExitStack, watched: bool, say: Callable[[str], None]
    ) -> ReplayPilot:
        settings, riders, facts = self._cast.settings, self._cast.riders, self._record.facts
        first = riders[self._cast.asked]
        b = None if self._alone else riders.get("B")
        explaining = Explaining(
            first.explainers,
            settings.every,
            not watched,
            1 / facts.rate_hz,
            say,
            beside=None if b is None else b.explainers,
            measured=self._measured(next(iter(first.explainers))),
        )
        stack.callback(explaining.close)
        shadow: Seat | Literal["expert"] | None = None
        if b is not None:
            shadow = Seat(b.steering.title, b.explainers, facts.car, b.steering.contract)
        elif settings.shadow == "expert":
            shadow = "expert"
        learned = LearnedPilot(
            first.explainers,
            facts.car,
            first.steering.contract,
            SpeedControl(settings.speed / 3.6),
            explaining=explaining,
            compared=factory.compared(settings),
            title=first.steering.title,
            shadow=shadow,
        )
        feeds = [rider.steering.feed for rider in riders.values()]
        return ReplayPilot(
            learned, explaining, feeds, b is not None, self._cast.as_driven, self._alone
        )

    def _measured(self, method: str) -> dict[str, int]:
        """Return of how many frames one had a map, if the drive measured that for its method."""
        drive, now = self._record.facts.settings, self._cast.settings
        same = all(drive.get(name) == getattr(now, name) for name in ("method", "target"))
        if not (same and drive.get("headless")):  # in a window it was as often as it could
            return {}
        return {method: self._record.without_pictures(0).decision.every}


def why_no_classes(facts: Facts, has_tags: bool) -> str:
    """Return why there is no attention by class, one line; "" if there is."""
    if has_tags:
        return ""
    if facts.frames == "network":
        return "no attention by class: only what the network saw was recorded"
    return "no attention by class: the drive had no semantic camera"
