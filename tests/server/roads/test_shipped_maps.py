"""Every shipped map is one that a car can drive on for ever, and looks as it should."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import carla
import numpy as np
import pytest
import shapely

from carla_saliency.server.nouns import LaneStrip, RoadNetwork
from carla_saliency.server.roads import opendrive
from carla_saliency.server.roads.network import load_map, map_names
from carla_saliency.server.roads.opendrive import Link, OpenDrive, Road

ROOT = Path(__file__).parents[3]
TRAINING = [name for name in map_names() if name != "unseen"]
UNSEEN_COLOURS = {"blue", "green", "red", "orange"}

load = cache(load_map)


@cache
def parsed(name: str) -> OpenDrive:
    return opendrive.parse(load(name).xodr)


@cache
def carla_map(name: str) -> carla.Map:
    return carla.Map(name, load(name).xodr)


def end_of(strip: LaneStrip, contact: str) -> np.ndarray:
    """Return the inner and the outer corner at an end of a lane, (2, 3)."""
    i = 0 if contact == "start" else -1
    return np.array([strip.inner[i], strip.outer[i]])


def joints(name: str) -> Iterator[tuple[Road, str, Road, str, list[tuple[int, int]]]]:
    """Yield each end of a road that touches a road, with the lanes that it says are linked."""
    roads = parsed(name).roads
    for road in roads.values():
        lanes = road.sections[0].lanes.values()
        for link, contact in ((road.predecessor, "start"), (road.successor, "end")):
            assert isinstance(link, Link)
            if link.kind == "road":
                ends = (
                    (lane, lane.predecessor if contact == "start" else lane.successor)
                    for lane in lanes
                )
                pairs = [(lane.lane_id, linked) for lane, linked in ends if linked is not None]
                yield road, contact, roads[link.element_id], link.contact, pairs


@pytest.mark.parametrize("name", map_names())
def test_linked_lanes_meet_within_a_centimetre_and_a_milliradian(name: str) -> None:
    strips = {(lane.road_id, lane.lane_id): lane for lane in load(name).lanes}
    count = 0
    for road, contact, other, other_contact, pairs in joints(name):
        headings = []
        for each, at in ((road, contact), (other, other_contact)):
            _, _, heading = each.plan.at(np.array([0.0 if at == "start" else each.length]))
            headings.append(
                heading[0] + (math.pi if contact == other_contact and each is other else 0)
            )
        assert abs(math.remainder(headings[0] - headings[1], 2 * math.pi)) < 1e-3
        assert any(lane_id in (-1, 1) for lane_id, _ in pairs)
        for lane_id, linked in pairs:
            here = end_of(strips[road.road_id, lane_id], contact)
            there = end_of(strips[other.road_id, linked], other_contact)
            assert np.abs(here - there).max() < 0.01
            count += 1
    assert count > 20


@pytest.mark.parametrize("name", map_names())
def test_junctions_lead_from_every_road_to_every_other_but_not_back(name: str) -> None:
    drive = parsed(name)
    for junction_id, connections in drive.junctions.items():
        ways = set()
        for connection in connections:
            path = drive.roads[connection.connecting]
            assert path.junction == junction_id
            assert path.predecessor is not None
            assert path.successor is not None
            assert path.predecessor.element_id == connection.incoming
            ways.add((connection.incoming, path.successor.element_id))
            for incoming, lane_id in connection.lanes:
                assert path.sections[0].lanes[lane_id].predecessor == incoming
        arms = {road for way in ways for road in way}
        assert len(arms) in (3, 4)
        assert ways == {(a, b) for a in arms for b in arms if a != b}


@pytest.mark.slow
@pytest.mark.parametrize("name", map_names())
def test_from_every_spawn_point_one_can_drive_2_km_by_any_successors(name: str) -> None:
    roads, rng = carla_map(name), random.Random(0)
    for spawn in load(name).spawn_points:
        here = roads.get_waypoint(carla.Location(spawn.x, spawn.y, spawn.z))
        for _ in range(400):
            following = here.next(5.0)
            assert following, f"a dead end on road {here.road_id} at {here.s:.1f}"
            there = rng.choice(following)
            step = here.transform.location.distance(there.transform.location)
            turn = there.transform.rotation.yaw - here.transform.rotation.yaw
            assert 3.5 < step < 6.5
            assert abs(math.remainder(turn, 360)) < 50
            here = there


@pytest.mark.parametrize("name", map_names())
def test_spawn_points_are_on_their_lane_away_from_junctions(name: str) -> None:
    roads = carla_map(name)
    points = load(name).spawn_points
    assert len(points) >= 50
    for spawn in points:
        at = carla.Location(spawn.x, spawn.y, spawn.z - 0.5)
        here = roads.get_waypoint(at)
        # CARLA looks for the nearest place on chords of its own, 16 cm off in the widest curves.
        assert here.transform.location.distance(at) < 0.25
        assert abs(math.remainder(here.transform.rotation.yaw - spawn.yaw, 360)) < 6
        for near in (here.next(11), here.previous(11)):
            assert [waypoint.road_id for waypoint in near] == [here.road_id]
        assert not here.is_junction


@pytest.mark.parametrize("name", map_names())
def test_the_asphalt_of_a_junction_has_no_hole(name: str) -> None:
    for junction_id in parsed(name).junctions:
        ways = [
            # A centimetre more, because neighbouring curves are sampled apart.
            shapely.Polygon(np.concatenate([lane.inner, lane.outer[::-1]])[:, :2]).buffer(0.01)
            for lane in load(name).lanes
            if lane.junction_id == junction_id
        ]
        whole = shapely.union_all(ways)
        assert isinstance(whole, shapely.Polygon)
        assert sum(shapely.Polygon(hole).area for hole in whole.interiors) < 0.01


@pytest.mark.parametrize("name", map_names())
def test_it_is_flat_and_small(name: str) -> None:
    assert all(np.ptp(lane.inner[:, 2]) == 0 == lane.inner[0, 2] for lane in load(name).lanes)
    assert len(load(name).xodr) < 1e6


@pytest.mark.parametrize("name", map_names())
def test_marks_end_at_junctions(name: str) -> None:
    inside = {lane.road_id for lane in load(name).lanes if lane.junction_id != -1}
    assert inside.isdisjoint(mark.road_id for mark in load(name).marks)


def looks(roads: RoadNetwork) -> set[tuple[tuple[str, str, float], ...]]:
    """Return the different ways in which roads are painted."""
    by_road: dict[int, set[tuple[str, str, float]]] = {lane.road_id: set() for lane in roads.lanes}
    for mark in roads.marks:
        by_road[mark.road_id].add((mark.kind, mark.colour, mark.width_m))
    return {tuple(sorted(marks)) for marks in by_road.values()}


@pytest.mark.parametrize("name", map_names())
def test_its_roads_look_different(name: str) -> None:
    assert len(looks(load(name))) >= 6


def widths(name: str) -> np.ndarray:
    """Return the widths of driving lanes outside junctions."""
    lanes = [lane for lane in load(name).lanes if lane.kind == "driving" and lane.junction_id == -1]
    return np.concatenate([np.linalg.norm(lane.outer - lane.inner, axis=1) for lane in lanes])


def tightest(name: str) -> float:
    """Return the smallest radius of a road outside junctions."""
    roads = (road for road in parsed(name).roads.values() if road.junction == -1)
    return 1 / max(piece.largest_curvature() for road in roads for piece in road.plan.pieces)


def test_unseen_lies_outside_of_what_the_others_have() -> None:
    trained = np.concatenate([widths(name) for name in TRAINING])
    assert trained.min() >= 3.0 - 1e-6
    assert trained.max() <= 3.75 + 1e-6
    assert widths("unseen").min() == pytest.approx(2.75)
    assert widths("unseen").max() == pytest.approx(4.2)
    assert min(tightest(name) for name in TRAINING) >= 15
    assert tightest("unseen") == pytest.approx(12)
    colours = {mark.colour for name in TRAINING for mark in load(name).marks}
    assert colours == {"white", "yellow"}
    assert {mark.colour for mark in load("unseen").marks} > UNSEEN_COLOURS


def test_the_town_has_what_a_town_has() -> None:
    town = load("town")
    assert {lane.kind for lane in town.lanes} == {"driving", "parking", "border", "sidewalk"}
    arms = [len({c.incoming for c in junction}) for junction in parsed("town").junctions.values()]
    assert sorted(arms) == [3] * 10 + [4] * 2
    paths = [lane for lane in town.lanes if lane.junction_id != -1 and lane.kind == "driving"]
    assert min(radius(path) for path in paths) > 8


def radius(lane: LaneStrip) -> float:
    """Return the smallest radius of a lane's middle."""
    middle = (lane.inner + lane.outer)[:, :2] / 2
    steps = np.diff(middle, axis=0)
    heading = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    lengths = np.linalg.norm(steps, axis=1)
    curvature = np.abs(np.diff(heading)) / ((lengths[1:] + lengths[:-1]) / 2)
    return float(1 / max(curvature.max(), 1e-9))


@pytest.mark.slow
def test_the_script_writes_the_same_files_again(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / "make_maps", tmp_path], check=True)
    for name in map_names():
        written = (tmp_path / f"{name}.xodr").read_text(encoding="utf-8")
        assert written == load(name).xodr
