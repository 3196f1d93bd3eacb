"""Asks the networks about recorded frames; everything else was decided in the drive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from carla_saliency.core import (
    ChangeMethod,
    Decision,
    Driver,
    DriveStep,
    Explanation,
    Frame,
    Request,
    Shadow,
    SwapDrivers,
)
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Letter
from carla_saliency.network.feed import ContractFeed
from carla_saliency.pilot.explaining import Explaining
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.seat import Seat


class ReplayPilot:
    """Decides what was decided, but for what the networks say, which is asked anew.

    Args:
        learned: Asks them.
        explaining: Its own.
        feeds: Of the networks, which may remember frames.
        two: Both networks can be asked.
        as_driven: They are those of the drive: where they were swapped, they are again.
        alone: Only B can be asked; what is known of A was recorded.

    Attributes:
        masking: Makes of a frame the one that the network is given; None = it sees all.
    """

    def __init__(
        self,
        learned: LearnedPilot,
        explaining: Explaining,
        feeds: Sequence[ContractFeed],
        two: bool,
        as_driven: bool,
        alone: bool,
    ) -> None:
        self._learned, self._explaining, self._feeds = learned, explaining, feeds
        self._two, self._as_driven, self._alone = two, as_driven, alone
        self.masking: Callable[[Frame], Frame] | None = None

    @property
    def method(self) -> str:
        """Name of the saliency method in use."""
        return self._learned.method

    @property
    def driver(self) -> Driver:
        """Nobody is meant to drive any more: the network is looked at."""
        return "network"

    @property
    def seat(self) -> Seat:
        """The network that is asked."""
        return self._learned.seat

    @property
    def letter(self) -> Letter:
        """Of the network that is asked."""
        return "B" if self._alone else self._learned.letter

    def handle(self, request: Request) -> bool:
        """Change the method, or which network is looked at.

        Raises:
            BadInputError: If it is about driving.
        """
        if isinstance(request, ChangeMethod) or (isinstance(request, SwapDrivers) and self._two):
            return self._learned.handle(request)
        raise BadInputError("recorded: nobody can drive it any more")

    def rejoin(self, before: Sequence[DriveStep]) -> None:
        """Begin at another moment: show the networks the steps before it that they remember."""
        self._explaining.forget()
        for feed in self._feeds:
            feed.forget()
        for step in before:
            self.decide(step)

    def decide(self, step: DriveStep) -> Decision:
        """Return what was decided about a recorded step, with what the networks say now.

        Raises:
            BadInputError: If a network gives NaN.
        """
        recorded, hide = step.decision, self.masking
        driving = recorded_letter(recorded)
        if self._two and self._learned.letter != (driving if self._as_driven else "A"):
            self._learned.handle(SwapDrivers())
        given = recorded.masked or step.observation.frame
        given = given if hide is None else hide(given)
        hidden = given is not step.observation.frame
        self._learned.masking = (lambda _: given) if hidden else None
        decision = self._learned.decide(step.observation)
        if self._alone:
            return self._beside_recorded(recorded, decision)
        shadow = decision.shadow
        if shadow is None and self._as_driven and driving == "A" and recorded.shadow is not None:
            shadow = replace(recorded.shadow, explanation=None)  # its file is gone
        return replace(
            decision,
            control=recorded.control,
            driver=recorded.driver,
            expert_steering=recorded.expert_steering,
            notice=recorded.notice,
            shadow=shadow,
        )

    def _beside_recorded(self, recorded: Decision, asked: Decision) -> Decision:
        """Return the decision of A as it was recorded, and beside it B, which was asked."""
        command, own = of_network_a(recorded)
        explained, other = recorded.explained, asked.explanation
        beside_a = Shadow(letter="A", title="as recorded", command=command)
        if own is None or other is None or own.method != other.method:  # the map is B's alone
            return replace(
                asked,
                control=recorded.control,
                driver=recorded.driver,
                expert_steering=recorded.expert_steering,
                notice=recorded.notice,
                shadow=beside_a,
            )
        if own.frame_id != other.frame_id:
            other = None
        shadow = Shadow(
            letter="B",
            title=self._learned.seat.title,
            command=asked.network_steering,
            explanation=other,
        )
        return replace(
            recorded,
            explanation=own,
            explained=explained,
            network_steering=command,
            every=asked.every,
            shadow=shadow,
            masked=asked.masked,
            timing_ms=asked.timing_ms,
        )


def recorded_letter(decision: Decision) -> Letter:
    """Return which network a decision's own steering is of."""
    shadow = decision.shadow
    return "B" if shadow is not None and shadow.letter == "A" else "A"


def of_network_a(decision: Decision) -> tuple[float | None, Explanation | None]:
    """Return the steering and the map of network A, whoever drove."""
    shadow = decision.shadow
    if shadow is not None and shadow.letter == "A":
        return shadow.command, shadow.explanation
    return decision.network_steering, decision.explanation


def of_network_b(decision: Decision) -> tuple[float | None, Explanation | None]:
    """Return the steering and the map of who is compared with A; None without one."""
    shadow = decision.shadow
    if shadow is None:
        return None, None
    if shadow.letter == "A":
        return decision.network_steering, decision.explanation
    return shadow.command, shadow.explanation
