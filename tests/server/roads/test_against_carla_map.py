"""Our reader and CARLA's own agree, waypoint by waypoint.

Besides the shipped maps this reads those in the folder that the environment variable XODR_FOLDER
names, for example CARLA's towns.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import carla
import numpy as np
import pytest
from numpy.typing import NDArray

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import LaneStrip, MarkLine, RoadNetwork
from carla_saliency.server.roads.network import load_map, map_names, network_from_xodr

EVERY_M = 3.0
LINES = {
    "Solid": ["solid"],
    "Broken": ["broken"],
    "SolidSolid": ["solid", "solid"],
    "SolidBroken": ["broken", "solid"],
    "BrokenSolid": ["broken", "solid"],
    "BrokenBroken": ["broken", "broken"],
}
COLOURS = ("white", "blue", "green", "red", "yellow")  # in CARLA's order; all others are "Other"


def shape(plan: str, elevation: str = "") -> str:
    """Return a map of one road of 60 m with a lane on both sides."""
    lane = '<lane id="{}" type="driving"><width sOffset="0" a="3" b="0.01" c="0" d="0"/></lane>'
    return f"""<OpenDRIVE><header revMajor="1" revMinor="4"/>
    <road name="" length="60" id="0" junction="-1"><link/><planView>
    <geometry s="0" x="5" y="7" hdg="0.7" length="60">{plan}</geometry></planView>
    <elevationProfile><elevation s="0" a="1" b="0.05" c="0.001" d="0"/></elevationProfile>
    <lanes><laneOffset s="0" a="0.5" b="0.02" c="0" d="0"/><laneSection s="0">
    <left>{lane.format(1)}</left><center><lane id="0" type="none"/></center>
    <right>{lane.format(-1)}</right></laneSection></lanes></road></OpenDRIVE>"""


SHAPES = {
    "line": shape("<line/>"),
    "left arc": shape('<arc curvature="0.03"/>'),
    "right arc": shape('<arc curvature="-0.03"/>'),
    "spiral in": shape('<spiral curvStart="0" curvEnd="0.03"/>'),
    "spiral out": shape('<spiral curvStart="-0.03" curvEnd="0"/>'),
    "spiral through": shape('<spiral curvStart="-0.02" curvEnd="0.03"/>'),
    "cubic": shape(
        '<paramPoly3 pRange="arcLength" aU="0" bU="1" cU="0" dU="-0.00001"'
        ' aV="0" bV="0" cV="0.005" dV="-0.00002"/>'
    ),
}


def foreign_maps() -> dict[str, Path]:
    """Return the maps of the folder that CARLA can read; it raises IndexError for some."""
    found = {}
    for path in sorted(Path(os.environ.get("XODR_FOLDER", os.devnull)).glob("*.xodr")):
        try:
            carla.Map(path.stem, path.read_text(encoding="utf-8"))
        except IndexError:
            continue
        found[path.stem] = path
    return found


FOREIGN = foreign_maps()


@cache
def load(name: str) -> RoadNetwork | None:
    """Return a map, or None if it is refused."""
    if name in SHAPES:
        return network_from_xodr(name, SHAPES[name])
    try:
        return load_map(str(FOREIGN.get(name, name)))
    except BadInputError:
        return None


@cache
def waypoints(name: str) -> list[carla.Waypoint]:
    roads = load(name)
    text = roads.xodr if roads else FOREIGN[name].read_text(encoding="utf-8")
    return carla.Map(name, text).generate_waypoints(EVERY_M)


def place(edge: NDArray[np.float64], s: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    return np.array([np.interp(at, s, edge[:, i]) for i in range(3)])


def strips_by_lane(roads: RoadNetwork) -> dict[tuple[int, int, int], LaneStrip]:
    return {(lane.road_id, lane.section, lane.lane_id): lane for lane in roads.lanes}


@pytest.mark.parametrize("name", [*map_names(), *SHAPES, *FOREIGN])
def test_lanes_are_where_carla_puts_them_and_as_wide(name: str) -> None:
    roads = load(name)
    if roads is None:
        assert waypoints(name) == []
        return
    strips = strips_by_lane(roads)
    assert len(waypoints(name)) > 10
    for waypoint in waypoints(name):
        lane = strips[waypoint.road_id, waypoint.section_id, waypoint.lane_id]
        inner, outer = (place(edge, lane.s, waypoint.s) for edge in (lane.inner, lane.outer))
        there = waypoint.transform.location
        if math.isnan(there.x):
            continue  # CARLA divides by the curvature of an arc, also when that is 0
        middle = (inner + outer) / 2
        assert np.linalg.norm(middle - [there.x, there.y, there.z]) < 0.05
        assert abs(np.linalg.norm(outer - inner) - waypoint.lane_width) < 0.01
        assert lane.kind == "driving"
        assert (lane.junction_id != -1) == waypoint.is_junction


@pytest.mark.parametrize("name", [*map_names(), *FOREIGN])
def test_paint_is_what_carla_says(name: str) -> None:
    roads = load(name)
    if roads is None:
        assert waypoints(name) == []
        return
    strips = strips_by_lane(roads)
    marks = defaultdict(list)
    for mark in roads.marks:
        marks[mark.road_id, mark.lane_id].append(mark)
    for waypoint in waypoints(name):
        lane_id = waypoint.lane_id
        lane = strips[waypoint.road_id, waypoint.section_id, lane_id]
        if lane.s[-1] - lane.s[0] < 0.01:
            continue  # some towns have sections of a few micrometres
        inside = lane_id - 1 if lane_id > 0 else lane_id + 1
        for said, edge, owner in (
            (waypoint.right_lane_marking, lane.outer, lane_id),
            (waypoint.left_lane_marking, lane.inner, inside),
        ):
            here = place(edge, lane.s, waypoint.s)
            lines = marks[waypoint.road_id, owner]
            if any(
                np.linalg.norm(mark.points[[0, -1]] - here, axis=1).min() < 0.4 for mark in lines
            ):
                continue  # where one line ends and the next begins, both are near
            found = [mark for mark in lines if passes(mark, here)]
            kind = str(said.type) if said else ""  # CARLA has none where the file says nothing
            assert sorted(mark.kind for mark in found) == LINES.get(kind, [])
            for mark in found:
                colour = COLOURS.index(mark.colour) if mark.colour in COLOURS else len(COLOURS)
                assert colour == int(said.color)


def passes(mark: MarkLine, place: NDArray[np.float64]) -> bool:
    """Return whether a line runs past a place on the edge of its lane, not only ends near it."""
    steps = np.diff(mark.points, axis=0)
    share = ((place - mark.points[:-1]) * steps).sum(axis=1) / (steps**2).sum(axis=1)
    nearest = mark.points[:-1] + share.clip(0, 1)[:, None] * steps
    return bool(np.linalg.norm(nearest - place, axis=1).min() < 1.1 * mark.width_m + 0.03)
