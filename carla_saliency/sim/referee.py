"""The rules of how driving is measured: departures, collisions, interventions.

No map here and no clock: what the road looks like around the car comes as a `Situation`, time is
the simulation's. The words of the rules:

A lane departure is a corner of the car's box beyond the edge of the lane that it last was fully in,
outside junctions, counted again only after 1 s fully inside one lane. An intervention is: the
centre more than 1 m from the centre line of the nearest legal lane, a collision, or standing (under
1 m/s) for 10 s without a reason. Events in the first second after the car was put back don't count,
one contact is one collision, and only what happens while the network steers is an intervention.
Where the car is not put back, an intervention is counted again only after 1 s without a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from carla_saliency.core import PUT_BACK_M, Driver, Event, EventKind
from carla_saliency.sim.facts import TickFacts

COLLISION_AHEAD_M = 10.0
"""After a collision the car is put back at least so far on."""

FREE = ("manual", "autopilot", "owner")  # they may drive where they like
_STANDING_MPS = 1.0
_STANDING_S = 10.0
_GRACE_S = 1.0
_REARM_S = 1.0
_SAME_CONTACT_S = 0.5  # a car that scrapes along a wall is not reported in each and every tick


RescueWhen = Literal["at once", "when asked", "never"]
"""When a car is put back: "when asked" holds for what the network did, the others' is at once."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The car on the road, as far as the rules ask.

    Attributes:
        offset_m: From the centre line of the nearest legal lane, right positive; infinite if there
            is no legal lane anywhere near.
        over_edge_m: How far the car's box is beyond an edge of the lane that it last was fully in:
            negative beyond the left edge, positive beyond the right one, 0 inside; None where
            that is not asked (in a junction, or never fully in a lane since).
        fully_inside: The whole box is inside one lane, outside junctions.
        may_stand: A red light, or somebody ahead.
        for_expert: The expert has to steer here; what it does is not counted.
    """

    offset_m: float
    over_edge_m: float | None = None
    fully_inside: bool = False
    may_stand: bool = False
    for_expert: bool = False


class Rescue(Enum):
    """How the car is to be put back."""

    NONE = "not at all"
    NEAREST = "at the nearest free place"
    AHEAD = "at least 10 m on"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say about one tick.

    Attributes:
        events: In the order of the rules.
        rescue: To be done now.
        later: To be done when somebody asks for it.
    """

    events: tuple[Event, ...] = ()
    rescue: Rescue = Rescue.NONE
    later: Rescue = Rescue.NONE


class Referee:
    """Applies the rules, tick by tick.

    Args:
        delta_s: Length of a tick; times are compared with half of it to spare.
        when: When cars are put back.
    """

    def __init__(self, delta_s: float, when: RescueWhen = "at once") -> None:
        self._spare_s = delta_s / 2
        self._when = when
        self._may_depart = True
        self.forget()

    def forget(self) -> None:
        """Forget what led here: the car was teleported, and no grace is left over."""
        self._put_back_s = -math.inf
        self._driver: Driver | None = None
        self._inside_since_s: float | None = None
        self._standing_since_s: float | None = None
        self._contact_s = -math.inf
        self._trouble_s = -math.inf

    def was_put_back(self, sim_s: float) -> None:
        """Forget what led here, and be lenient for a second."""
        self.forget()
        self._put_back_s = sim_s

    def judge(self, facts: TickFacts, situation: Situation) -> Ruling:
        """Return what happened in this tick."""
        departed = self._departed(facts, situation)
        collided = self._collided(facts)
        stands = self._stands(facts, situation)
        if facts.sim_s - self._put_back_s < _GRACE_S + self._spare_s:
            return Ruling()  # the tick that ends with the second still lies in it

        events = []
        if departed:
            events.append(_event(facts, EventKind.LANE_DEPARTURE, departed))
        if collided:
            events.append(_event(facts, EventKind.COLLISION, "contact"))
        reason = _reason(situation.offset_m, collided, stands)
        if not reason or facts.driver in FREE:
            return Ruling(tuple(events))

        rescue = Rescue.AHEAD if collided else Rescue.NEAREST
        by_network = facts.driver == "network"
        # What the network did is held even if somebody else has taken the wheel since.
        is_new = self._have_passed(facts.sim_s, self._trouble_s, _REARM_S)
        is_held = self._when == "never" or (
            self._when == "when asked" and (by_network or not is_new)
        )
        if by_network and is_new:
            events.append(_event(facts, EventKind.INTERVENTION, reason))
        if is_held:
            self._trouble_s = facts.sim_s
            return Ruling(tuple(events), later=rescue if is_new else Rescue.NONE)
        self.was_put_back(facts.sim_s)
        if facts.collided:
            self._contact_s = facts.sim_s  # still the same contact should it go on
        return Ruling(tuple(events), rescue)

    def _departed(self, facts: TickFacts, situation: Situation) -> str:
        if not situation.fully_inside:
            self._inside_since_s = None
        elif self._inside_since_s is None:
            self._inside_since_s = facts.sim_s
        if self._inside_since_s is not None:
            rested = self._have_passed(facts.sim_s, self._inside_since_s, _REARM_S)
            self._may_depart = self._may_depart or rested

        over_m = situation.over_edge_m or 0.0
        if over_m == 0.0 or not self._may_depart:
            return ""
        self._may_depart = False  # also where it isn't counted: it is the same departure later on
        if situation.for_expert and facts.driver == "expert":
            return ""
        return f"{abs(over_m):.2f} m over the {'left' if over_m < 0 else 'right'} edge"

    def _collided(self, facts: TickFacts) -> bool:
        if not facts.collided:
            return False
        is_new = self._have_passed(facts.sim_s, self._contact_s, _SAME_CONTACT_S)
        self._contact_s = facts.sim_s
        return is_new

    def _stands(self, facts: TickFacts, situation: Situation) -> bool:
        stands = abs(facts.speed_mps) < _STANDING_MPS and not situation.may_stand
        if not stands or facts.driver != self._driver:  # each driver answers for their own time
            self._standing_since_s = None
        self._driver = facts.driver
        if not stands:
            return False
        if self._standing_since_s is None:
            self._standing_since_s = facts.sim_s
        return self._have_passed(facts.sim_s, self._standing_since_s, _STANDING_S)

    def _have_passed(self, now_s: float, since_s: float, span_s: float) -> bool:
        return now_s - since_s >= span_s - self._spare_s


def _reason(offset_m: float, collided: bool, stands: bool) -> str:
    if collided:
        return "collision"
    if math.isinf(offset_m):
        return "no legal lane near"
    if abs(offset_m) > PUT_BACK_M:
        return f"{abs(offset_m):.1f} m {'left' if offset_m < 0 else 'right'} of the lane's centre"
    return f"stood for {_STANDING_S:g} s without a reason" if stands else ""


def _event(facts: TickFacts, kind: EventKind, text: str) -> Event:
    return Event(kind, facts.frame_id, text)
