from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest

import carla_saliency
from carla_saliency.core import Car, Driver, EventKind, LaneView, Pose
from carla_saliency.sim.facts import Neighbour, TickFacts, Verdict
from carla_saliency.sim.lane import LanePlace, RoadSense, spread_lane_poses
from carla_saliency.sim.lane_map import LaneMap, wrap_deg

MAPS = Path(carla_saliency.__file__).parent / "server" / "maps"
CAR = Car("vehicle.tesla.model3", 70.0, 3.0, -1.4, ((0.0, 1.0), (60.0, 0.8)), 4.7, 2.0)
TICK_S = 0.05

LANE = """<lane id="{id}" type="driving" level="false"><link/>
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>"""
ROAD = """<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4" name="" version="1">
<geoReference><![CDATA[+proj=tmerc +lat_0=0 +lon_0=0]]></geoReference></header>
<road name="" length="{length}" id="1" junction="-1"><link/><type s="0" type="town"/>
<planView><geometry s="0" x="0" y="0" hdg="0" length="{length}">{geometry}</geometry></planView>
<elevationProfile/><lateralProfile/>
<lanes><laneSection s="0"><left>{left}</left>
<center><lane id="0" type="none" level="false"><link/></lane></center>
<right>{right}</right></laneSection></lanes></road></OpenDRIVE>"""


def road(length_m: float = 300.0, lanes: int = 1, curvature: float = 0.0) -> Any:
    """One road from the origin eastwards; OpenDRIVE's curvature is left positive."""
    geometry = f'<arc curvature="{curvature}"/>' if curvature else "<line/>"
    left = "".join(LANE.format(id=i) for i in range(lanes, 0, -1))
    right = "".join(LANE.format(id=-i) for i in range(1, lanes + 1))
    text = ROAD.format(length=length_m, geometry=geometry, left=left, right=right)
    return carla.Map("road", text)


@cache
def shipped(name: str) -> Any:
    return carla.Map(name, (MAPS / f"{name}.xodr").read_text(encoding="utf-8"))


def facts(
    pose: Pose, tick: int = 0, speed_mps: float = 8.0, driver: Driver = "network", **more: Any
) -> TickFacts:
    return TickFacts(tick, tick * TICK_S, pose, speed_mps, driver, **more)


def sense(carla_map: Any, seed: int = 0, **more: Any) -> RoadSense:
    return RoadSense(carla_map, CAR, seed, TICK_S, **more)


def seen(pose: Pose, carla_map: Any, **more: Any) -> LaneView:
    verdict = sense(carla_map).observe(facts(pose, **more))
    assert verdict.lane is not None
    return verdict.lane


def kinds(verdicts: list[Verdict]) -> list[EventKind]:
    return [event.kind for verdict in verdicts for event in verdict.events]


# ------------------------------------------------------------------ where the car is


@pytest.mark.parametrize("offset_m", [-0.6, 0.0, 0.6])
def test_an_offset_to_the_right_is_positive_in_the_lane_along_the_road(offset_m: float) -> None:
    view = seen(Pose(50.0, 1.75 + offset_m, yaw_deg=5.0), road())
    assert view.offset_m == pytest.approx(offset_m, abs=1e-4)
    assert view.heading_error_deg == pytest.approx(5.0, abs=1e-4)
    assert view.width_m == pytest.approx(3.5)
    assert not view.in_junction


@pytest.mark.parametrize("offset_m", [-0.6, 0.6])
def test_an_offset_to_the_right_is_positive_in_the_lane_against_the_road(offset_m: float) -> None:
    view = seen(Pose(50.0, -1.75 - offset_m, yaw_deg=-175.0), road())
    assert view.offset_m == pytest.approx(offset_m, abs=1e-4)
    assert view.heading_error_deg == pytest.approx(5.0, abs=1e-4)


def test_the_path_starts_beside_the_car_and_has_a_point_each_metre() -> None:
    view = seen(Pose(50.0, 2.0), road())
    assert view.path.dtype == view.path_curvature.dtype == np.float32
    expected = np.stack([50.0 + np.arange(51), np.full(51, 1.75)], axis=1)
    np.testing.assert_allclose(view.path, expected, atol=1e-3)
    np.testing.assert_allclose(view.path_curvature, 0.0, atol=1e-4)


def test_the_path_ends_with_the_road() -> None:
    assert len(seen(Pose(290.0, 1.75), road()).path) == 10


@pytest.mark.parametrize(("opendrive", "sign"), [(-0.02, 1.0), (0.02, -1.0)])
def test_a_curve_to_the_right_has_positive_curvature(opendrive: float, sign: float) -> None:
    view = seen(Pose(0.0, 1.75), road(curvature=opendrive))
    radius_m = 50.0 - sign * 1.75  # of the right lane
    np.testing.assert_allclose(view.path_curvature[2:], sign / radius_m, rtol=1e-2)
    middle = np.array([0.0, sign * 50.0])
    np.testing.assert_allclose(np.hypot(*(view.path - middle).T), radius_m, atol=2e-3)
    np.testing.assert_allclose(np.hypot(*np.diff(view.path, axis=0).T), 1.0, atol=1e-2)


def test_far_from_every_road_there_is_no_lane() -> None:
    assert sense(road()).observe(facts(Pose(50.0, 60.0), driver="expert")).lane is None


def test_an_angle_is_wrapped_to_half_a_turn() -> None:
    assert [wrap_deg(x) for x in (0.0, 180.0, -180.0, 190.0, -350.0)] == [0, 180, 180, -170, 10]


# ------------------------------------------------------------------ lane departures


def drive_along(
    road_sense: RoadSense, ys: list[float], driver: Driver = "network"
) -> list[Verdict]:
    """Drive eastwards at 8 m/s, with these y, tick by tick."""
    step_m = 8.0 * TICK_S
    return [
        road_sense.observe(facts(Pose(20.0 + step_m * tick, y), tick, driver=driver))
        for tick, y in enumerate(ys)
    ]


def test_a_departure_is_counted_once_until_the_car_was_inside_for_a_second() -> None:
    inside, over = [1.75] * 5, [1.75 + 0.8] * 3  # lane 0 to 3.5 m, the car 2 m wide
    verdicts = drive_along(sense(road()), inside + over + inside + over)
    assert kinds(verdicts) == [EventKind.LANE_DEPARTURE]
    assert verdicts[5].events[0].text == "0.05 m over the right edge"

    rested = [1.75] * 21
    verdicts = drive_along(sense(road()), inside + over + rested + over)
    assert kinds(verdicts) == [EventKind.LANE_DEPARTURE] * 2


def test_a_departure_says_the_side() -> None:
    verdicts = drive_along(sense(road()), [1.75, 0.9])
    assert verdicts[1].events[0].text == "0.10 m over the left edge"


def test_a_car_that_turns_in_its_lane_departs_with_a_corner() -> None:
    road_sense = sense(road())
    road_sense.observe(facts(Pose(50.0, 1.75), 0))
    out = road_sense.observe(facts(Pose(50.2, 1.75, yaw_deg=30.0), 1))
    corner_m = 2.35 * math.sin(math.radians(30)) + math.cos(math.radians(30)) - 1.75
    assert out.events[0].text.startswith(f"{corner_m:.2f} m over the")


def test_a_car_that_never_was_fully_in_a_lane_does_not_depart_from_it() -> None:
    assert kinds(drive_along(sense(road()), [2.6] * 5)) == []


def test_changing_the_lane_is_one_departure_and_the_path_moves_along() -> None:
    ys = [1.75] * 5 + list(np.linspace(1.75, 5.25, 20)) + [5.25] * 5
    verdicts = drive_along(sense(road(lanes=2)), ys, driver="manual")
    assert kinds(verdicts) == [EventKind.LANE_DEPARTURE]
    last = verdicts[-1].lane
    assert last is not None
    assert last.offset_m == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_allclose(last.path[:, 1], 5.25, atol=1e-3)


def test_the_other_direction_is_not_legal() -> None:
    verdicts = drive_along(sense(road()), [1.75, 1.2, 0.7, 0.0, -1.75])
    assert EventKind.INTERVENTION in kinds(verdicts)


# ------------------------------------------------------------------ interventions


def test_a_car_1_2_m_off_is_put_back_on_the_lanes_centre_at_15_kmh() -> None:
    road_sense = sense(road())
    verdicts = [road_sense.observe(facts(Pose(50.0 + t, 1.75), t)) for t in range(3)]
    assert all(verdict.put_back is None for verdict in verdicts)
    off = road_sense.observe(facts(Pose(52.5, 1.75 - 1.2, 0.03, yaw_deg=-8.0), 3))
    assert [event.kind for event in off.events][-1] is EventKind.INTERVENTION
    assert off.events[-1].text == "1.2 m left of the lane's centre"
    assert off.put_back is not None
    assert off.put_back.x_m == pytest.approx(52.0, abs=0.6)
    assert off.put_back.y_m == pytest.approx(1.75, abs=1e-3)
    assert off.put_back.yaw_deg == pytest.approx(0.0, abs=1e-3)
    assert off.put_back_speed_mps == pytest.approx(15 / 3.6)


def test_events_in_the_first_second_after_that_do_not_count() -> None:
    road_sense = sense(road())
    off = Pose(52.0, 1.75 + 1.2)
    verdicts = [road_sense.observe(facts(off, tick)) for tick in range(22)]
    put_back = [tick for tick, verdict in enumerate(verdicts) if verdict.put_back is not None]
    assert put_back == [0, 21]
    assert kinds(verdicts) == [EventKind.INTERVENTION] * 2


def test_a_put_back_is_never_faster_than_the_car_was() -> None:
    slow = sense(road()).observe(facts(Pose(52.0, 3.0), speed_mps=2.0))
    assert slow.put_back_speed_mps == 2.0


def test_the_expert_is_put_back_without_an_intervention() -> None:
    verdict = sense(road()).observe(facts(Pose(52.0, 3.0), driver="expert"))
    assert verdict.put_back is not None
    assert verdict.events == ()


def test_a_person_may_drive_where_they_like_and_is_found_again_on_the_other_side() -> None:
    road_sense = sense(road())
    assert road_sense.observe(facts(Pose(50.0, 1.75), 0, driver="manual")).put_back is None
    assert road_sense.observe(facts(Pose(55.0, 12.0), 1, driver="manual")).put_back is None
    turned = Pose(50.0, -1.75, yaw_deg=180.0)
    view = road_sense.observe(facts(turned, 2, driver="manual")).lane
    assert view is not None
    assert view.offset_m == pytest.approx(0.0, abs=1e-4)
    assert view.path[-1, 0] == pytest.approx(0.0, abs=1e-3)


def parked(x_m: float, y_m: float = 1.75) -> Neighbour:
    return Neighbour(Pose(x_m, y_m), 0.0, 2.3, 0.9)


def test_after_a_collision_the_car_is_put_back_ten_metres_on() -> None:
    verdict = sense(road()).observe(facts(Pose(50.0, 1.75), collided=True))
    assert [event.kind for event in verdict.events] == [
        EventKind.COLLISION,
        EventKind.INTERVENTION,
    ]
    assert verdict.put_back is not None
    assert verdict.put_back.x_m == pytest.approx(60.0, abs=1e-3)


def test_a_taken_place_is_passed_over() -> None:
    others = (parked(60.0), parked(66.0))
    verdict = sense(road()).observe(facts(Pose(50.0, 1.75), collided=True, others=others))
    assert verdict.put_back is not None
    assert 66.0 + 2.3 + 2.35 + 1.0 <= verdict.put_back.x_m <= 73.0


def test_an_oncoming_car_does_not_take_the_place() -> None:
    beside = (parked(52.0, -1.75),)
    verdict = sense(road()).observe(facts(Pose(52.0, 3.0), others=beside))
    assert verdict.put_back is not None
    assert verdict.put_back.x_m == pytest.approx(52.0, abs=1e-3)


def stand(road_sense: RoadSense, seconds: float, **more: Any) -> list[Verdict]:
    pose = Pose(50.0, 1.75)
    ticks = range(round(seconds / TICK_S) + 1)
    return [road_sense.observe(facts(pose, tick, speed_mps=0.2, **more)) for tick in ticks]


def test_standing_for_ten_seconds_without_a_reason_is_an_intervention() -> None:
    assert kinds(stand(sense(road()), 9.9)) == []
    verdicts = stand(sense(road()), 10.0)
    assert kinds(verdicts) == [EventKind.INTERVENTION]
    assert verdicts[-1].events[0].text == "stood for 10 s without a reason"


def test_a_red_light_that_is_obeyed_or_somebody_ahead_is_a_reason() -> None:
    assert kinds(stand(sense(road()), 12.0, red_light_ahead=True, obey_lights=True)) == []
    assert kinds(stand(sense(road()), 12.0, others=(parked(58.0),))) == []
    ignored = stand(sense(road()), 12.0, red_light_ahead=True, obey_lights=False)
    assert kinds(ignored) == [EventKind.INTERVENTION]


def test_the_end_of_the_road_is_a_reason_to_stand() -> None:
    assert kinds(stand(sense(road(length_m=60.0)), 12.0)) == []


# ------------------------------------------------------------------ what is ahead


def test_the_gap_is_from_bumper_to_bumper() -> None:
    ahead = Neighbour(Pose(80.0, 1.75, yaw_deg=3.0), 5.0, 2.3, 0.9)
    view = seen(Pose(50.0, 1.75), road(), others=(parked(95.0), ahead))
    assert view.gap_m == pytest.approx(30.0 - 2.3 - 2.35, abs=0.1)
    assert view.ahead_speed_mps == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("other", [parked(80.0, -1.75), parked(40.0), parked(80.0, 4.5)])
def test_who_is_behind_or_beside_the_lane_is_not_ahead(other: Neighbour) -> None:
    assert seen(Pose(50.0, 1.75), road(), others=(other,)).gap_m is None


def test_what_is_round_a_bend_is_ahead_in_the_lane() -> None:
    bend = road(curvature=-0.02)
    path = seen(Pose(0.0, 1.75), bend).path
    other = Neighbour(Pose(float(path[30, 0]), float(path[30, 1])), 0.0, 0.4, 0.4)
    view = seen(Pose(0.0, 1.75), bend, others=(other,))
    assert view.gap_m == pytest.approx(30.0 - 0.5 - 2.35, abs=0.2)


# ------------------------------------------------------------------ junctions


def fork(carla_map: Any, want: int = 3) -> tuple[LaneMap, Any]:
    """Return a road lane with as many ways on through a junction, one of them a turn."""
    lanes = LaneMap(carla_map)
    for lane in lanes.lanes():
        ways = lanes.successors(lane)
        if not lane.in_junction and len(ways) >= want and lane.length_m > 40.0:
            return lanes, lane
    raise AssertionError(f"no junction with {want} ways")


def before(lane: Any, away_m: float) -> Pose:
    pose: Pose = lane.pose(lane.length_m - away_m)
    return pose


def drawn_way(view: LaneView | None, ways: tuple[Any, ...]) -> int:
    assert view is not None
    ends = [way.pose(way.length_m) for way in ways]
    away = [np.hypot(*(view.path - (end.x_m, end.y_m)).T).min() for end in ends]
    return int(np.argmin(away))


def test_every_way_through_a_junction_is_equally_likely() -> None:
    lanes, lane = fork(shipped("town"))
    ways, pose, tries = lanes.successors(lane), before(lane, 20.0), 300
    road_sense = sense(shipped("town"), 1)
    drawn: Counter[int] = Counter()
    for tick in range(tries):
        road_sense.place(pose)
        drawn[drawn_way(road_sense.observe(facts(pose, tick)).lane, ways)] += 1
    fair = tries / len(ways)
    assert len(drawn) == len(ways)
    assert all(abs(count - fair) < 4 * math.sqrt(fair) for count in drawn.values())


def test_the_seed_decides_the_way() -> None:
    lanes, lane = fork(shipped("town"))
    ways, pose = lanes.successors(lane), before(lane, 20.0)
    drawn = [
        [drawn_way(sense(shipped("town"), seed).observe(facts(pose)).lane, ways) for _ in range(2)]
        for seed in range(12)
    ]
    assert all(first == second for first, second in drawn)
    assert {first for first, _ in drawn} == set(range(len(ways)))


def test_the_way_is_drawn_thirty_metres_before_the_junction_and_stays() -> None:
    _, lane = fork(shipped("town"))
    road_sense = sense(shipped("town"), 3)
    lengths, last = [], []
    for tick, away_m in enumerate(np.arange(36.0, 2.0, -0.5)):
        view = road_sense.observe(facts(before(lane, float(away_m)), tick)).lane
        assert view is not None
        lengths.append((away_m, len(view.path)))
        last.append(view.path[-1] if away_m <= 20.0 else None)
        assert view.turn_ahead is None or away_m <= 30.0
    assert all(length < 40 for away_m, length in lengths if away_m > 30.5)
    assert all(length == 51 for away_m, length in lengths if away_m < 30.0)
    ends = [end for end in last if end is not None]
    assert np.hypot(*np.diff(ends, axis=0).T).max() < 2.0


def crossing_poses(lanes: LaneMap, lane: Any, way: Any, step_m: float = 0.4) -> list[Pose]:
    """From 14 m before a way through a junction, along its centre, to 8 m behind it."""
    (out,) = lanes.successors(way)
    poses = [before(lane, float(d)) for d in np.arange(14.0, 0.0, -step_m)]
    poses += [way.pose(float(d)) for d in np.arange(0.0, way.length_m, step_m)]
    return poses + [out.pose(float(d)) for d in np.arange(0.0, 8.0, step_m)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("number", range(3))
def test_crossing_lanes_do_not_confuse_and_every_way_is_legal(seed: int, number: int) -> None:
    """Whatever way was drawn: the car may take any that starts in its lane."""
    lanes, lane = fork(shipped("town"))
    way = lanes.successors(lane)[number]
    road_sense = sense(shipped("town"), seed)
    for tick, pose in enumerate(crossing_poses(lanes, lane, way)):
        verdict = road_sense.observe(facts(pose, tick))
        assert verdict.lane is not None
        assert abs(verdict.lane.offset_m) < 0.1
        assert verdict.events == ()
        where = (pose.x_m, pose.y_m)
        assert np.hypot(*(verdict.lane.path[0] - where)) <= 1.05
    assert verdict.lane is not None
    assert np.hypot(*(verdict.lane.path[0] - where)) < 0.1
    assert not verdict.lane.in_junction


def drawn_turn(carla_map: Any, **more: Any) -> tuple[RoadSense, LaneMap, Any, Any]:
    """Return a road sense, a lane, and the turning way that was drawn behind it."""
    lanes, lane = fork(carla_map)
    for seed in range(50):
        road_sense = sense(carla_map, seed, **more)
        view = road_sense.observe(facts(before(lane, 20.0))).lane
        assert view is not None
        if view.turn_ahead is not None:
            ways = lanes.successors(lane)
            return road_sense, lanes, lane, ways[drawn_way(view, ways)]
    raise AssertionError("no turn was drawn")


def test_the_expert_steers_from_8_m_before_a_turn_to_2_m_behind_it() -> None:
    road_sense, lanes, lane, way = drawn_turn(shipped("town"))
    (out,) = lanes.successors(way)
    expected = "right" if way.turn_deg() > 0 else "left"
    assert abs(way.turn_deg()) > 25.0
    places = [(before(lane, 8.4), False), (before(lane, 7.6), True), (before(lane, 0.5), True)]
    places += [(way.pose(float(d)), True) for d in np.arange(0.5, way.length_m, 2.0)]
    places += [(out.pose(1.6), True), (out.pose(2.4), False)]
    for tick, (pose, must) in enumerate(places):
        view = road_sense.observe(facts(pose, tick)).lane
        assert view is not None
        assert view.expert_must_steer is must
        if must:
            assert view.turn_ahead == expected


def test_a_network_that_strays_onto_a_turning_lane_has_to_finish_it() -> None:
    """The expert only steers through the turns that were drawn, or straying would be free.

    The other ways stay legal until the junction is behind.
    """
    lanes, lane = fork(shipped("town"))
    ways = lanes.successors(lane)
    (straight,) = (i for i, way in enumerate(ways) if abs(way.turn_deg()) < 25.0)
    turning = next(way for way in ways if abs(way.turn_deg()) > 25.0)
    for seed in range(50):
        road_sense = sense(shipped("town"), seed)
        view = road_sense.observe(facts(before(lane, 20.0))).lane
        if drawn_way(view, ways) == straight:
            break
    for tick, pose in enumerate(crossing_poses(lanes, lane, turning)):
        verdict = road_sense.observe(facts(pose, tick))
        assert verdict.lane is not None
        assert not verdict.lane.expert_must_steer
        assert verdict.events == ()
        if verdict.lane.in_junction:
            other = road_sense.observe(facts(ways[straight].pose(8.0), tick)).lane
            assert other is not None
            assert abs(other.offset_m) < 0.05
    where = (pose.x_m, pose.y_m)
    assert verdict.lane is not None
    assert np.hypot(*(verdict.lane.path[0] - where)) < 0.1


def test_with_the_network_in_junctions_the_expert_never_has_to_steer() -> None:
    road_sense, lanes, lane, way = drawn_turn(shipped("town"), junctions="network")
    for tick, pose in enumerate(crossing_poses(lanes, lane, way)):
        view = road_sense.observe(facts(pose, tick)).lane
        assert view is not None
        assert not view.expert_must_steer


def test_a_red_light_holds_at_the_junctions_begin() -> None:
    _, lane = fork(shipped("town"))
    obeyed = {"red_light_ahead": True, "obey_lights": True}
    view = seen(before(lane, 15.0), shipped("town"), **obeyed)
    assert view.stop_in_m == pytest.approx(15.0 - 2.35, abs=0.05)
    ignored = {"red_light_ahead": True, "obey_lights": False}
    assert seen(before(lane, 15.0), shipped("town"), **ignored).stop_in_m is None


def test_there_is_no_departure_in_a_junction_and_none_from_the_lane_before_it() -> None:
    road_sense, lanes, lane, way = drawn_turn(shipped("town"))
    verdicts = []
    for tick, pose in enumerate(crossing_poses(lanes, lane, way)):
        yaw = math.radians(pose.yaw_deg)
        right_m = 0.9 if tick > 35 else 0.0
        moved = Pose(
            pose.x_m - right_m * math.sin(yaw),
            pose.y_m + right_m * math.cos(yaw),
            yaw_deg=pose.yaw_deg,
        )
        verdicts.append(road_sense.observe(facts(moved, tick)))
    assert kinds(verdicts) == []


# ------------------------------------------------------------------ teleports and places


def test_a_teleported_car_is_found_anew() -> None:
    road_sense = sense(road())
    road_sense.observe(facts(Pose(50.0, 1.75), 0))
    road_sense.place(Pose(200.0, -1.75, yaw_deg=180.0))
    view = road_sense.observe(facts(Pose(199.6, -1.75, yaw_deg=180.0), 1)).lane
    assert view is not None
    assert view.offset_m == pytest.approx(0.0, abs=1e-4)


def test_a_car_that_is_teleported_off_the_road_has_no_lane_until_it_is_back() -> None:
    road_sense = sense(road())
    road_sense.observe(facts(Pose(50.0, 1.75), 0))
    road_sense.place(Pose(50.0, 80.0))
    assert road_sense.observe(facts(Pose(50.0, 80.0), 1, driver="manual")).lane is None
    assert road_sense.observe(facts(Pose(50.0, 1.75), 2, driver="manual")).lane is not None


def test_a_network_that_was_never_on_a_road_is_put_on_the_nearest_one() -> None:
    verdict = sense(road()).observe(facts(Pose(50.0, 80.0)))
    assert verdict.put_back is not None
    assert verdict.put_back.x_m == pytest.approx(50.0, abs=1.0)
    assert verdict.put_back.y_m == pytest.approx(1.75, abs=1e-3)


@pytest.mark.parametrize("name", ["curvy", "town"])
def test_a_car_beside_any_place_sees_that_places_lane(name: str) -> None:
    places = [p for p in spread_lane_poses(shipped(name), 37.0) if not p.in_junction]
    road_sense = sense(shipped(name))
    rng = np.random.default_rng(0)
    for tick, place in enumerate(places):
        offset_m, turned_deg = rng.uniform(-1.2, 1.2), rng.uniform(-11.0, 11.0)
        yaw = math.radians(place.pose.yaw_deg)
        pose = Pose(
            place.pose.x_m - offset_m * math.sin(yaw),
            place.pose.y_m + offset_m * math.cos(yaw),
            yaw_deg=place.pose.yaw_deg + turned_deg,
        )
        road_sense.place(pose)
        view = road_sense.observe(facts(pose, tick, driver="expert")).lane
        assert view is not None
        assert view.offset_m == pytest.approx(offset_m, abs=0.05)
        assert view.heading_error_deg == pytest.approx(turned_deg, abs=2.0)


def test_places_are_spread_over_every_lane_and_know_their_turns() -> None:
    places = spread_lane_poses(shipped("town"), 5.0)
    lanes = LaneMap(shipped("town"))
    length_m = sum(lane.length_m for lane in lanes.lanes())
    assert len(places) == pytest.approx(length_m / 5.0, rel=0.1)
    turning = {
        lane.key[0] for lane in lanes.lanes() if lane.in_junction and abs(lane.turn_deg()) > 25.0
    }
    assert turning
    inside: list[LanePlace] = [place for place in places if place.in_junction]
    assert all(place.near_turn == (place.road_id in turning) for place in inside)
    far = [place for place in places if not place.in_junction and not place.near_turn]
    assert far
    assert all(place.near_turn for place in places if place.must_turn)


def test_the_spacing_of_places_must_be_positive() -> None:
    with pytest.raises(ValueError, match="more than 0, received 0"):
        spread_lane_poses(road(), 0.0)


def test_lanes_of_the_shipped_maps_join_without_gaps() -> None:
    for name in ("curvy", "town"):
        lanes = LaneMap(shipped(name))
        for lane in lanes.lanes():
            for following in lanes.successors(lane):
                gap_m = np.hypot(*(lane.xyz_m[-1, :2] - following.xyz_m[0, :2]))
                assert gap_m < 0.1
                assert lane in lanes.predecessors(following)
