"""Driving lanes as arrays, read from a `carla.Map`, which answers in the client without the server.

A lane here is what OpenDRIVE calls a lane of one lane section: `(road, section, lane)`. Its points
run in the direction of traffic. `carla.Map` is only asked once for each lane.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import carla
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Pose
from carla_saliency.errors import BadInputError

LaneKey = tuple[int, int, int]  # road, section, lane
Floats = NDArray[np.float64]

TURN_DEG = 25.0
"""A junction lane that turns by more than this can't be guessed from a picture before it."""

_SAMPLE_M = 0.5  # a chord of half a metre leaves a circle of 6 m by 5 mm
_INDEX_M = 2.0
_END_M = 1e-3  # how exactly the ends of a lane are found
_BEYOND_M = 0.02  # one such step leads from a lane's end into what follows it


@dataclass(frozen=True, slots=True)
class Hits:
    """Where points fall on a line; each array is (M,).

    Attributes:
        index: Of the line's segment.
        station_m: Along the line.
        lateral_m: Off the line, right positive.
        distance_m: To the line; more than `lateral_m` beyond its ends.
    """

    index: NDArray[np.intp]
    station_m: Floats
    lateral_m: Floats
    distance_m: Floats


def project(points: Floats, line: Floats, station_m: Floats) -> Hits:
    """Return the nearest place on a line of (N, 2) points, N > 1, for each of (M, 2) points.

    Args:
        points: (M, 2), world x and y.
        line: (N, 2), world x and y.
        station_m: (N,), of the line's points.
    """
    # x and y apart: a third of the time of (M, N, 2) arrays, and this runs ten times a tick
    begin_x, begin_y = line[:-1, 0], line[:-1, 1]
    step_x, step_y = line[1:, 0] - begin_x, line[1:, 1] - begin_y
    length2 = np.maximum(step_x * step_x + step_y * step_y, 1e-12)
    to_x, to_y = points[:, :1] - begin_x, points[:, 1:] - begin_y
    part = np.minimum(np.maximum((to_x * step_x + to_y * step_y) / length2, 0.0), 1.0)
    gap_x, gap_y = to_x - part * step_x, to_y - part * step_y
    distance2 = gap_x * gap_x + gap_y * gap_y
    index = distance2.argmin(axis=1)

    each = np.arange(len(points))
    # y is right of x, so this cross product is positive for a point on the right
    cross = step_x[index] * to_y[each, index] - step_y[index] * to_x[each, index]
    lateral = cross / np.sqrt(length2[index])
    distance = np.sqrt(distance2[each, index])
    begin_m, end_m = station_m[index], station_m[index + 1]
    on_line = begin_m + part[each, index] * (end_m - begin_m)
    return Hits(index, on_line, lateral, distance)


@dataclass(frozen=True, eq=False)
class Lane:
    """One driving lane of one lane section, its points in the direction of traffic.

    Attributes:
        key: Road, section, lane.
        junction_id: Of the junction that it leads through; -1 outside.
        s_m: OpenDRIVE's s of each point, (N,).
        station_m: Metres along the lane's own centre line, (N,), from 0.
        xyz_m: World places, (N, 3).
        yaw_deg: Direction, (N,), unwrapped.
        width_m: (N,).
    """

    key: LaneKey
    junction_id: int
    s_m: Floats
    station_m: Floats
    xyz_m: Floats
    yaw_deg: Floats
    width_m: Floats

    @property
    def in_junction(self) -> bool:
        """Whether it leads through a junction."""
        return self.junction_id >= 0

    @property
    def length_m(self) -> float:
        """Return the length of its centre line."""
        return float(self.station_m[-1])

    def locate(self, points: Floats, low: int = 0, high: int | None = None) -> Hits:
        """Return where (M, 2) points fall on the lane's points low..high (by index)."""
        low = max(0, min(low, len(self.station_m) - 2))
        high = len(self.station_m) if high is None else max(high, low + 2)
        hits = project(points, self.xyz_m[low:high, :2], self.station_m[low:high])
        return Hits(hits.index + low, hits.station_m, hits.lateral_m, hits.distance_m)

    def pose(self, station_m: float) -> Pose:
        """Return the centre of the lane there, looking along it."""
        x, y, z = (float(np.interp(station_m, self.station_m, self.xyz_m[:, i])) for i in range(3))
        ends = np.clip([station_m - 0.5, station_m + 0.5], 0.0, self.length_m)
        low, high = np.interp(ends, self.station_m, self.xyz_m[:, 2])
        pitch = math.degrees(math.atan2(high - low, max(float(ends[1] - ends[0]), 1e-6)))
        yaw = float(np.interp(station_m, self.station_m, self.yaw_deg))
        return Pose(x, y, z, pitch_deg=pitch, yaw_deg=wrap_deg(yaw))

    def turn_deg(self) -> float:
        """Return by how much it turns from its begin to its end, right positive."""
        return float(self.yaw_deg[-1] - self.yaw_deg[0])


def wrap_deg(angle_deg: float) -> float:
    """Return the same angle in (-180, 180]."""
    return -((-angle_deg + 180.0) % 360.0 - 180.0)


class LaneMap:
    """Every driving lane of a map, what follows it and what runs beside it.

    Args:
        carla_map: A `carla.Map`, from the world or from OpenDRIVE text.
    """

    def __init__(self, carla_map: Any) -> None:
        self._map = carla_map
        self._lanes: dict[LaneKey, Lane] = {}
        self._successors: dict[LaneKey, tuple[Lane, ...]] = {}
        self._predecessors: dict[LaneKey, tuple[Lane, ...]] = {}
        self._parallels: dict[LaneKey, tuple[Lane, ...]] = {}

    def lane(self, waypoint: Any) -> Lane:
        """Return the lane that a waypoint is on."""
        key = _key(waypoint)
        if key not in self._lanes:
            self._lanes[key] = self._sample(waypoint)
        return self._lanes[key]

    def successors(self, lane: Lane) -> tuple[Lane, ...]:
        """Return the driving lanes that one can go on to from its end, in a fixed order."""
        if lane.key not in self._successors:
            end = self._waypoint(lane.key, float(lane.s_m[-1]))
            self._successors[lane.key] = self._others(lane, end.next(_BEYOND_M))
        return self._successors[lane.key]

    def predecessors(self, lane: Lane) -> tuple[Lane, ...]:
        """Return the driving lanes that end where it begins, in a fixed order."""
        if lane.key not in self._predecessors:
            begin = self._waypoint(lane.key, float(lane.s_m[0]))
            self._predecessors[lane.key] = self._others(lane, begin.previous(_BEYOND_M))
        return self._predecessors[lane.key]

    def parallels(self, lane: Lane) -> tuple[Lane, ...]:
        """Return the other driving lanes of the same section and direction.

        All lanes of a section are sampled at the same s: the same index is the same place.
        """
        if lane.key not in self._parallels:
            middle = self._waypoint(lane.key, float(lane.s_m[len(lane.s_m) // 2]))
            found = []
            for side in ("get_left_lane", "get_right_lane"):
                beside = getattr(middle, side)()
                # CARLA goes on to the other direction's lanes: stop where the sign changes
                while beside is not None and beside.lane_id * lane.key[2] > 0:
                    if _is_driving(beside):
                        found.append(self.lane(beside))
                    beside = getattr(beside, side)()
            self._parallels[lane.key] = tuple(found)
        return self._parallels[lane.key]

    def lanes(self) -> Iterator[Lane]:
        """Yield every driving lane."""
        for key, s_m in sorted(self._index.first_s_m.items()):
            yield self.lane(self._waypoint(key, s_m))

    def nearest(self, pose: Pose, reach_m: float) -> tuple[Lane, float] | None:
        """Return the lane, and the station on it, that a car there most likely drives on.

        The nearest lane alone would be wrong in junctions, where lanes cross: lanes against the
        car's direction are left out, and 20° of heading weigh as much as a metre.

        Args:
            pose: Of the car.
            reach_m: Lanes further away are left out; infinity takes the nearest of any direction.
        """
        index = self._index
        point = np.array([[pose.x_m, pose.y_m]])
        near = index.near(point[0], reach_m + _INDEX_M)
        best: tuple[float, Lane, float] | None = None
        for key, s_m in index.nearest_of_each_lane(near, point[0]):
            lane = self.lane(self._waypoint(key, s_m))
            at = int(np.abs(lane.s_m - s_m).argmin())
            hits = lane.locate(point, at - 8, at + 9)
            yaw = float(np.interp(hits.station_m[0], lane.station_m, lane.yaw_deg))
            off_deg, off_m = abs(wrap_deg(pose.yaw_deg - yaw)), float(hits.distance_m[0])
            if off_m > reach_m or (off_deg > 90.0 and not math.isinf(reach_m)):
                continue
            if best is None or off_m + off_deg / 20.0 < best[0]:
                best = off_m + off_deg / 20.0, lane, float(hits.station_m[0])
        return None if best is None else best[1:]

    @cached_property
    def _index(self) -> _Index:
        waypoints = self._map.generate_waypoints(_INDEX_M)
        # Lanes shorter than the spacing have no such waypoint, but a begin. The begin itself may
        # lie a hair outside of the road, where `get_waypoint_xodr` finds nothing.
        for begin, _ in self._map.get_topology():
            waypoints += [inner for inner in begin.next(_BEYOND_M) if _key(inner) == _key(begin)]
        return _Index([waypoint for waypoint in waypoints if _is_driving(waypoint)])

    def _waypoint(self, key: LaneKey, s_m: float) -> Any:
        return self._map.get_waypoint_xodr(key[0], key[2], s_m)

    def _others(self, lane: Lane, waypoints: list[Any]) -> tuple[Lane, ...]:
        """A road that bites its own tail follows itself; a waypoint still on the lane does not."""
        found = {}
        for waypoint in waypoints:
            is_same = _key(waypoint) == lane.key
            moved_m = min(abs(waypoint.s - lane.s_m[0]), abs(waypoint.s - lane.s_m[-1]))
            is_stuck = is_same and len(waypoints) == 1 and moved_m < _END_M
            if _is_driving(waypoint) and not is_stuck:
                found[_key(waypoint)] = self.lane(waypoint)
        return tuple(found[key] for key in sorted(found))

    def _sample(self, waypoint: Any) -> Lane:
        """`previous_until_lane_start` would do, but crashes where a road has no predecessor."""
        key = _key(waypoint)
        ends = [self._end_s_m(key, waypoint.s, sign) for sign in (-1.0, 1.0)]
        count = max(2, round((ends[1] - ends[0]) / _SAMPLE_M) + 1)
        first, last = ends if key[2] < 0 else ends[::-1]
        s_m = np.linspace(first, last, count)
        points = [self._waypoint(key, float(s)) for s in s_m]
        places = [point.transform.location for point in points]
        xyz = np.array([(place.x, place.y, place.z) for place in places], dtype=np.float64)
        step = np.diff(xyz[:, :2], axis=0)
        station = np.concatenate([[0.0], np.hypot(*step.T).cumsum()])
        yaw = np.unwrap([point.transform.rotation.yaw for point in points], period=360.0)
        width = np.array([point.lane_width for point in points], dtype=np.float64)
        junction_id = waypoint.junction_id if waypoint.is_junction else -1
        return Lane(key, junction_id, s_m, station, xyz, yaw, width)

    def _end_s_m(self, key: LaneKey, inside_m: float, sign: float) -> float:
        def is_inside(s_m: float) -> bool:
            waypoint = self._waypoint(key, s_m)
            return waypoint is not None and waypoint.section_id == key[1]

        step = 1.0
        while is_inside(inside_m + sign * step):
            step *= 2.0
        low, high = 0.0, step
        while high - low > _END_M / 2:
            middle = (low + high) / 2
            low, high = (middle, high) if is_inside(inside_m + sign * middle) else (low, middle)
        return inside_m + sign * low


class _Index:
    """Finds lanes by place, whole map, without sampling every lane."""

    def __init__(self, waypoints: list[Any]) -> None:
        places = [waypoint.transform.location for waypoint in waypoints]
        self._xy = np.array([(place.x, place.y) for place in places], dtype=np.float64)
        if not np.isfinite(self._xy).all():
            raise BadInputError(
                "The CARLA client can't follow the lanes of this map (it finds places that are no "
                "numbers): mend its geometry, or take another map."
            )
        self._keys = [_key(waypoint) for waypoint in waypoints]
        self._s_m = [float(waypoint.s) for waypoint in waypoints]
        self.first_s_m = dict(zip(reversed(self._keys), reversed(self._s_m), strict=True))

    def near(self, xy: Floats, reach_m: float) -> list[int]:
        """Return the places within reach; with infinite reach the nearest one."""
        away_m = np.hypot(*(self._xy - xy).T)
        found = [away_m.argmin()] if math.isinf(reach_m) else np.flatnonzero(away_m <= reach_m)
        return [int(i) for i in found]

    def nearest_of_each_lane(self, near: list[int], xy: Floats) -> list[tuple[LaneKey, float]]:
        best: dict[LaneKey, tuple[float, float]] = {}
        for i in near:
            distance = float(np.hypot(*(self._xy[i] - xy)))
            best[self._keys[i]] = min(
                best.get(self._keys[i], (math.inf, 0.0)), (distance, self._s_m[i])
            )
        return [(key, s_m) for key, (_, s_m) in sorted(best.items())]


def _key(waypoint: Any) -> LaneKey:
    return waypoint.road_id, waypoint.section_id, waypoint.lane_id


def _is_driving(waypoint: Any) -> bool:
    return bool(waypoint.lane_type == carla.LaneType.Driving)
