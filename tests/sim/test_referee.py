from __future__ import annotations

import math
from typing import Any

import pytest

from carla_saliency.core import Driver, EventKind, Pose
from carla_saliency.sim.facts import TickFacts
from carla_saliency.sim.referee import Referee, Rescue, RescueWhen, Ruling, Situation

TICK_S = 0.05
DEPARTURE, COLLISION, INTERVENTION = (
    EventKind.LANE_DEPARTURE,
    EventKind.COLLISION,
    EventKind.INTERVENTION,
)
INSIDE = Situation(0.0, 0.0, fully_inside=True)
OVER = Situation(0.6, 0.3)
LOST = Situation(-1.01, -0.5)


def tick(number: int, driver: Driver = "network", speed_mps: float = 8.0, **more: Any) -> TickFacts:
    return TickFacts(number, number * TICK_S, Pose(), speed_mps, driver, **more)


def judge(referee: Referee, situations: list[Situation], **more: Any) -> list[Ruling]:
    return [referee.judge(tick(i, **more), situation) for i, situation in enumerate(situations)]


def kinds(rulings: list[Ruling]) -> list[EventKind]:
    return [event.kind for ruling in rulings for event in ruling.events]


@pytest.mark.parametrize(("ticks_inside", "count"), [(20, 1), (21, 2)])
def test_a_departure_counts_again_after_a_second_fully_inside(
    ticks_inside: int, count: int
) -> None:
    """Twenty-one ticks of 0.05 s, from the first to the last, are one second."""
    rulings = judge(Referee(TICK_S), [INSIDE, OVER, *[INSIDE] * ticks_inside, OVER])
    assert kinds(rulings) == [DEPARTURE] * count


def test_neither_inside_nor_over_an_edge_is_no_rest() -> None:
    in_junction = Situation(0.0)
    rulings = judge(Referee(TICK_S), [OVER, *[INSIDE] * 15, in_junction, *[INSIDE] * 15, OVER])
    assert kinds(rulings) == [DEPARTURE]


@pytest.mark.parametrize("driver", ["network", "expert", "manual"])
def test_departures_and_collisions_count_whoever_steers(driver: Driver) -> None:
    assert kinds([Referee(TICK_S).judge(tick(0, driver), OVER)]) == [DEPARTURE]
    hit = Referee(TICK_S).judge(tick(0, driver, collided=True), INSIDE)
    assert COLLISION in kinds([hit])


def test_a_departure_where_the_expert_must_steer_is_not_counted() -> None:
    turn = Situation(0.6, 0.3, for_expert=True)
    assert kinds([Referee(TICK_S).judge(tick(0, "expert"), turn)]) == []
    assert kinds([Referee(TICK_S).judge(tick(0, "network"), turn)]) == [DEPARTURE]


@pytest.mark.parametrize("offset_m", [1.01, -1.01, math.inf])
def test_more_than_a_metre_off_is_an_intervention(offset_m: float) -> None:
    ruling = Referee(TICK_S).judge(tick(7), Situation(offset_m))
    assert kinds([ruling]) == [INTERVENTION]
    assert ruling.events[0].frame_id == 7
    assert ruling.rescue is Rescue.NEAREST
    assert Referee(TICK_S).judge(tick(7), Situation(math.copysign(1.0, offset_m))) == Ruling()


@pytest.mark.parametrize(
    ("driver", "rescue"),
    [("network", Rescue.NEAREST), ("expert", Rescue.NEAREST), ("manual", Rescue.NONE)],
)
def test_only_the_network_can_cause_an_intervention(driver: Driver, rescue: Rescue) -> None:
    ruling = Referee(TICK_S).judge(tick(0, driver), LOST)
    assert (INTERVENTION in kinds([ruling])) == (driver == "network")
    assert ruling.rescue is rescue


def test_a_collision_is_an_intervention_and_the_car_goes_on_ahead() -> None:
    ruling = Referee(TICK_S).judge(tick(0, collided=True), INSIDE)
    assert kinds([ruling]) == [COLLISION, INTERVENTION]
    assert ruling.rescue is Rescue.AHEAD


def test_one_contact_is_one_collision_also_with_gaps_between_reports() -> None:
    referee = Referee(TICK_S)
    touching = [True, True, False, True, False, False, False, True] + [False] * 10 + [True]
    rulings = [
        referee.judge(tick(i, "manual", collided=touched), INSIDE)
        for i, touched in enumerate(touching)
    ]
    assert kinds(rulings) == [COLLISION] * 2
    assert rulings[0].events
    assert rulings[-1].events


def test_nothing_counts_in_the_first_second_after_the_car_was_put_back() -> None:
    referee = Referee(TICK_S)
    assert referee.judge(tick(0), LOST).rescue is Rescue.NEAREST
    for number in range(1, 21):
        assert referee.judge(tick(number, collided=True), OVER) == Ruling()
    assert kinds([referee.judge(tick(21), LOST)]) == [INTERVENTION]


def test_a_contact_that_began_in_that_second_does_not_count_later() -> None:
    referee = Referee(TICK_S)
    referee.judge(tick(0), LOST)
    rulings = [referee.judge(tick(number, collided=True), INSIDE) for number in range(15, 40)]
    assert kinds(rulings) == []


def stand(driver: Driver = "network", seconds: float = 10.0, **more: Any) -> list[Ruling]:
    referee = Referee(TICK_S)
    situation = Situation(0.0, 0.0, fully_inside=True, **more)
    count = round(seconds / TICK_S) + 1
    return [referee.judge(tick(i, driver, speed_mps=-0.9), situation) for i in range(count)]


def test_standing_for_ten_seconds_is_an_intervention_unless_there_is_a_reason() -> None:
    assert kinds(stand(seconds=9.95)) == []
    assert kinds(stand()) == [INTERVENTION]
    assert kinds(stand(may_stand=True)) == []
    assert kinds(stand("manual")) == []
    assert stand("expert")[-1].rescue is Rescue.NEAREST


def test_ten_seconds_begin_anew_when_the_driver_changes_or_the_car_moves() -> None:
    referee = Referee(TICK_S)
    rulings = []
    for i in range(250):
        driver: Driver = "expert" if i < 150 else "network"
        rulings.append(referee.judge(tick(i, driver, speed_mps=0.0), INSIDE))
    rulings.append(referee.judge(tick(250, speed_mps=1.0), INSIDE))
    rulings += [referee.judge(tick(i, speed_mps=0.0), INSIDE) for i in range(251, 451)]
    assert kinds(rulings) == []
    assert kinds([referee.judge(tick(451, speed_mps=0.0), INSIDE)]) == [INTERVENTION]


def test_a_teleport_leaves_no_grace_behind() -> None:
    """Whoever puts the car elsewhere wants to know of a contact there at once."""
    referee = Referee(TICK_S)
    assert referee.judge(tick(0), LOST).rescue is Rescue.NEAREST
    referee.forget()
    assert kinds([referee.judge(tick(1, collided=True), INSIDE)])[0] is COLLISION


@pytest.mark.parametrize("when", ["when asked", "never"])
def test_a_car_that_is_not_put_back_is_counted_once_until_it_was_well_for_a_second(
    when: RescueWhen,
) -> None:
    referee = Referee(TICK_S, when)
    rulings = judge(referee, [LOST] * 60)
    assert kinds(rulings) == [DEPARTURE, INTERVENTION]
    assert {ruling.rescue for ruling in rulings} == {Rescue.NONE}
    assert [ruling.later for ruling in rulings] == [Rescue.NEAREST, *[Rescue.NONE] * 59]
    for i in range(60, 79):
        referee.judge(tick(i), INSIDE)
    assert kinds([referee.judge(tick(79), Situation(1.5))]) == [INTERVENTION]


def test_only_what_the_network_did_waits_for_being_asked() -> None:
    assert Referee(TICK_S, "when asked").judge(tick(0, "expert"), LOST).rescue is Rescue.NEAREST
    assert Referee(TICK_S, "never").judge(tick(0, "expert"), LOST).rescue is Rescue.NONE
    referee = Referee(TICK_S, "when asked")
    referee.judge(tick(0), LOST)
    assert referee.judge(tick(1, "expert"), LOST).rescue is Rescue.NONE  # it took over there


def test_after_being_put_back_on_request_there_is_a_second_of_grace() -> None:
    referee = Referee(TICK_S, "when asked")
    assert referee.judge(tick(0, collided=True), INSIDE).later is Rescue.AHEAD
    referee.was_put_back(tick(0).sim_s)
    rulings = [referee.judge(tick(i), LOST) for i in range(1, 22)]
    assert [INTERVENTION in kinds([ruling]) for ruling in rulings] == [False] * 20 + [True]


def test_the_autopilot_may_drive_where_it_likes() -> None:
    ruling = Referee(TICK_S).judge(tick(0, "autopilot", collided=True), LOST)
    assert kinds([ruling]) == [DEPARTURE, COLLISION]
    assert ruling.rescue is Rescue.NONE
    assert kinds(stand("autopilot")) == []
