from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from carla_saliency.core import (
    GROUPS,
    Array,
    ClassShares,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Findings,
    Frame,
    LaneView,
    Meaning,
    Novelty,
    Observation,
    Pose,
)
from carla_saliency.insight.calibration import Calibration, Nominal
from carla_saliency.insight.jumps import Gamma
from carla_saliency.insight.triggers import Triggers

TICK_S = 0.05
LOCK_DEG = 70.0
IMAGE = np.zeros((4, 6, 3), np.uint8)
LANE = LaneView(0.0, 0.0, 3.5, False, np.zeros((40, 2), np.float32), np.zeros(40, np.float32))
NOMINAL = Nominal(
    method="contrast",
    maps="town",
    frames=900,
    map_scale=2.0,
    shares=np.zeros(8, np.float32),
    on_road=0.7,
    jumps=Gamma(2.0, 0.01),  # one in 12,000 is beyond 0.12
    apart_s=TICK_S,
    limits=None,
)
CALIBRATED = Calibration("a", nominal=NOMINAL)


def shares_of(frame_id: int, on_road: float) -> ClassShares:
    share = np.zeros(len(GROUPS), np.float32)
    share[1], share[3] = on_road, 1 - on_road
    return ClassShares(frame_id, share, np.full(8, 0.125, np.float32))


def a_step(
    tick: int,
    *,
    network: float | None = 0.0,
    expert: float | None = 0.0,
    on_road: float | None = 0.7,
    value: float = 0.0,
    distance: float | None = 0.5,
    speed_mps: float = 8.0,
    lane: LaneView | None = LANE,
    events: tuple[Event, ...] = (),
    method: str = "contrast",
) -> DriveStep:
    frame = Frame(tick, tick * TICK_S, IMAGE)
    attribution: Array = np.full((4, 6), value, np.float32)
    return DriveStep(
        Observation(frame, Pose(), speed_mps, lane, events),
        Decision(
            Control(),
            "network",
            Explanation(tick, method, 0.0, attribution, Meaning(title=method)),
            expert_steering=expert,
            network_steering=network,
        ),
        Findings(
            shares=None if on_road is None else shares_of(tick, on_road),
            novelty=None if distance is None else Novelty(distance, 1.0, IMAGE),
        ),
    )


class Drive:
    """Ticks on, and remembers what happened and when."""

    def __init__(self, triggers: Triggers) -> None:
        self.triggers = triggers
        self.tick = 0
        self.events: list[tuple[float, Event]] = []
        self.off_road: list[float] = []

    def go(self, seconds: float, **what: object) -> None:
        for _ in range(round(seconds / TICK_S)):
            step = a_step(self.tick, **what)  # type: ignore[arg-type]
            found = self.triggers.look(step)
            self.events += [(self.tick * TICK_S, event) for event in found]
            self.off_road.append(self.triggers.off_road_s)
            self.tick += 1

    def times(self, kind: EventKind) -> list[float]:
        return [pytest.approx(s) for s, event in self.events if event.kind is kind]

    def texts(self) -> list[str]:
        return [event.text for _, event in self.events]


@pytest.fixture
def drive() -> Iterator[Drive]:
    return Drive(Triggers(CALIBRATED, LOCK_DEG))


def test_nothing_happens_while_all_is_as_usual(drive: Drive) -> None:
    drive.go(60)
    assert drive.events == []
    assert drive.triggers.usual_on_road == 0.7
    assert set(drive.off_road) == {0.0}


# ------------------------------------------------------------------ unlike the expert


def test_a_difference_to_the_expert_counts_after_0_3_s(drive: Drive) -> None:
    drive.go(1)
    drive.go(0.3, network=0.1, expert=-0.05)  # 10.5 degrees, too short by a tick
    drive.go(1)
    assert drive.events == []
    drive.go(1, network=0.1, expert=-0.05)
    assert drive.times(EventKind.DISAGREEMENT) == [2.6]
    assert drive.texts() == ["network +7.0°, expert −3.5°"]


def test_below_the_bound_it_does_not(drive: Drive) -> None:
    drive.go(2, network=0.07, expert=-0.07)  # 9.8 degrees
    assert drive.events == []
    sharper = Drive(Triggers(CALIBRATED, LOCK_DEG, disagree_deg=5.0))
    sharper.go(2, network=0.07, expert=-0.07)
    assert len(sharper.events) == 1


@pytest.mark.parametrize(
    "what",
    [
        {"lane": None},
        {"expert": None},
        {"network": None},
    ],
    ids=["off the road", "no expert", "no network"],
)
def test_where_one_of_them_does_not_know_there_is_no_difference(
    drive: Drive, what: dict[str, object]
) -> None:
    drive.go(3, **({"network": 0.5, "expert": -0.5} | what))
    assert drive.events == []


def test_one_that_goes_on_or_flickers_is_one_event(drive: Drive) -> None:
    drive.go(20, network=0.3)
    assert len(drive.events) == 1
    for _ in range(20):  # between 8 and 21 degrees: it is never over
        drive.go(0.5, network=0.3)
        drive.go(0.5, network=0.115)
    assert len(drive.events) == 1


def test_the_same_again_counts_after_it_was_over_and_3_s_later(drive: Drive) -> None:
    for _ in range(12):  # each long enough, over in between
        drive.go(0.5, network=0.3)
        drive.go(0.6)
    times = [s for s, _ in drive.events]
    assert times[0] == pytest.approx(0.3)
    assert np.diff(times).min() >= 3.0 - 1e-6
    assert len(times) == 4


# ------------------------------------------------------------------ attention off road


def test_attention_that_leaves_the_road_counts_after_0_5_s(drive: Drive) -> None:
    drive.go(1)
    drive.go(0.5, on_road=0.16)
    drive.go(1)
    assert drive.events == []
    drive.go(1.2, on_road=0.16)
    assert drive.times(EventKind.ATTENTION) == [3.0]
    assert drive.texts() == ["road + lines 16 %, usual 70 %"]
    assert drive.off_road[-1] == pytest.approx(1.15)
    assert drive.off_road[drive.tick - 25] == 0.0, "not before it counts"


def test_the_alarm_ends_2_s_after_the_attention_is_back(drive: Drive) -> None:
    drive.go(1, on_road=0.2)
    drive.go(3, on_road=0.45)  # better, but under 70 % of usual
    assert drive.off_road[-1] == pytest.approx(3.95)
    drive.go(2, on_road=0.5)
    assert drive.off_road[-1] > 0
    drive.go(0.1, on_road=0.5)
    assert drive.off_road[-1] == 0.0
    assert len(drive.events) == 1


def test_no_tags_or_an_empty_map_are_no_reason_for_an_alarm(drive: Drive) -> None:
    drive.go(1, on_road=0.1)
    assert drive.off_road[-1] > 0
    drive.go(1, on_road=None)
    assert drive.off_road[-1] == 0.0
    triggers = Triggers(CALIBRATED, LOCK_DEG)
    for tick in range(100):
        step = a_step(tick)
        empty = ClassShares(tick, np.zeros(8, np.float32), np.full(8, 0.125, np.float32))
        assert not triggers.look(replace(step, findings=Findings(shares=empty)))


def test_without_a_calibration_the_usual_is_the_median_of_the_drive_after_10_s() -> None:
    drive = Drive(Triggers(None, LOCK_DEG))
    drive.go(9.9, on_road=0.1)
    assert drive.triggers.usual_on_road is None
    drive.go(20, on_road=0.8)
    assert drive.triggers.usual_on_road == pytest.approx(0.8, abs=0.005)
    assert drive.events == []
    drive.go(1, on_road=0.3)
    assert drive.texts() == ["road + lines 30 %, usual 80 %"]


def test_another_method_has_its_own_usual(drive: Drive) -> None:
    drive.go(1)
    assert drive.triggers.is_calibrated
    drive.go(5, method="gradcam", on_road=0.2)
    assert not drive.triggers.is_calibrated
    assert drive.triggers.usual_on_road is None
    assert drive.events == []
    drive.go(6, method="gradcam", on_road=0.2)
    assert drive.triggers.usual_on_road == pytest.approx(0.2, abs=0.005)
    drive.go(0.1)
    assert drive.triggers.usual_on_road == 0.7
    assert drive.triggers.is_calibrated


# ------------------------------------------------------------------ jumps of the map


def test_two_jumps_in_a_row_are_an_event_and_one_is_not(drive: Drive) -> None:
    drive.go(1)
    drive.go(2, value=0.5)  # 0.25 of the scale, once
    assert drive.events == []
    drive.go(0.05, value=1.0)
    drive.go(0.05, value=1.5)
    drive.go(2, value=1.5)
    assert drive.times(EventKind.JUMP) == [3.05]
    (text,) = drive.texts()
    limit = Gamma(2.0, 0.01).above(1 / 12000)
    assert text == f"by {0.25 / limit:.1f} × the limit"


def test_a_map_that_jumps_all_the_time_is_no_storm(drive: Drive) -> None:
    for _ in range(100):
        drive.go(0.05, value=0.0)
        drive.go(0.05, value=1.0)
    assert len(drive.events) == 1


def test_a_standing_car_a_new_method_and_a_car_put_back_do_not_jump(drive: Drive) -> None:
    drive.go(1)
    for value in (1.0, 2.0, 3.0):
        drive.go(0.05, value=value, speed_mps=0.2)
    for value in (4.0, 9.0):
        drive.go(0.05, value=value, method=f"method {value}")
    drive.go(1, value=9.0)
    back = Event(EventKind.INTERVENTION, drive.tick, "1.2 m left of the lane's centre")
    drive.go(0.05, value=0.0, events=(back,))
    drive.go(0.05, value=5.0)
    drive.go(0.05, value=0.0)
    drive.go(2, value=5.0)
    assert drive.events == []


# ------------------------------------------------------------------ novelty


def test_a_new_frame_counts_after_0_5_s_and_again_after_it_was_known(drive: Drive) -> None:
    drive.go(0.5, distance=1.2)
    drive.go(1)
    assert drive.events == []
    drive.go(5, distance=2.94)
    assert drive.times(EventKind.NOVELTY) == [2.0]
    assert drive.texts() == ["distance 2.9, limit 1.0"]
    drive.go(2, distance=0.95)  # not well known yet
    drive.go(1, distance=1.2)
    assert len(drive.events) == 1
    drive.go(1, distance=None)
    drive.go(1, distance=1.2)
    assert len(drive.events) == 2


# ------------------------------------------------------------------ all of them


def test_after_the_car_was_put_back_all_is_calm_for_a_second(drive: Drive) -> None:
    drive.go(0.2, network=0.5, on_road=0.1, distance=3.0)
    back = Event(EventKind.INTERVENTION, drive.tick, "collision")
    drive.go(0.05, network=0.5, on_road=0.1, distance=3.0, events=(back,))
    drive.go(1.2, network=0.5, on_road=0.1, distance=3.0)
    assert drive.events == []
    assert set(drive.off_road) == {0.0}
    drive.go(0.4, network=0.5, on_road=0.1, distance=3.0)
    assert [event.kind for _, event in drive.events] == [
        EventKind.DISAGREEMENT,
        EventKind.ATTENTION,
        EventKind.NOVELTY,
    ]


def test_where_the_expert_must_steer_nothing_is_judged(drive: Drive) -> None:
    drive.go(0.4, on_road=0.1)
    turning = replace(LANE, expert_must_steer=True)
    drive.go(3, lane=turning, network=0.5, on_road=0.1, distance=3.0)
    for value in (1.0, 2.0, 3.0):
        drive.go(0.05, lane=turning, value=value)
    drive.go(0.2, value=3.0, on_road=0.1)
    assert drive.events == []
    assert set(drive.off_road) == {0.0}


def test_events_are_of_the_newest_frame_and_a_new_drive_begins_anew(drive: Drive) -> None:
    drive.go(1, on_road=0.1)
    ((_, event),) = drive.events
    assert event.frame_id == 10
    drive.tick = 0
    drive.go(0.1, on_road=0.1)
    assert drive.off_road[-1] == 0.0
    drive.go(0.9, on_road=0.1)
    assert len(drive.events) == 2
