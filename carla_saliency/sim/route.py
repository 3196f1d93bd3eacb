"""The lane path that the car is on: what lies behind it, and some 50 m of what comes.

At a fork the next lane is drawn, each successor equally likely, once the fork is 30 m away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from carla_saliency.core import Array, Pose
from carla_saliency.sim.lane_map import Floats, Hits, Lane, LaneMap, project, wrap_deg

SIGHT_M = 50.0
DRAW_M = 30.0

_KEEP_BEHIND_M = 40.0  # for putting the car back
_CURVE_M = 1.0  # curvature is the change of direction from so far before to so far behind


@dataclass(frozen=True, slots=True)
class Crossing:
    """A run of the route through one junction.

    Attributes:
        begin_m: Station on the route.
        end_m: Station on the route.
        turn_deg: Change of direction, right positive.
    """

    begin_m: float
    end_m: float
    turn_deg: float


class Route:
    """A chain of lanes, each a successor of the one before.

    Stations are metres along the route from the begin of its first lane; they stay what they are
    when lanes far behind are dropped.

    Args:
        lanes: The map.
        first: Where it begins.
        choose: Draws one of several successors.
    """

    def __init__(
        self, lanes: LaneMap, first: Lane, choose: Callable[[tuple[Lane, ...]], Lane]
    ) -> None:
        self._map = lanes
        self._choose = choose
        self._lanes = [first]
        self._begin_m = [0.0]
        self.crossings: tuple[Crossing, ...] = ()
        self._join()

    @property
    def begin_m(self) -> float:
        """Return the station of the first point that is kept."""
        return self._begin_m[0]

    @property
    def end_m(self) -> float:
        """Return the station of the last point that is known."""
        return self._begin_m[-1] + self._lanes[-1].length_m

    def advance(self, at_m: float) -> None:
        """Make the route reach as far as can be seen from there, and forget what is far behind."""
        count = len(self._lanes), self._begin_m[0]
        while self.end_m < at_m + SIGHT_M + 2.0:
            following = self._map.successors(self._lanes[-1])
            if not following or (len(following) > 1 and self.end_m > at_m + DRAW_M):
                break
            chosen = following[0] if len(following) == 1 else self._choose(following)
            self._begin_m.append(self.end_m)
            self._lanes.append(chosen)
        while len(self._lanes) > 1 and self._begin_m[1] < at_m - _KEEP_BEHIND_M:
            del self._lanes[0], self._begin_m[0]
        if count != (len(self._lanes), self._begin_m[0]):
            self._join()

    def station(self, lane: Lane, on_lane_m: float, near_m: float) -> float | None:
        """Return where a place of a lane lies on the route; None if the lane is not part of it.

        Args:
            lane: The lane.
            on_lane_m: Station on it.
            near_m: Of several such stations (a short ring) the one nearest to this is meant.
        """
        pairs = zip(self._lanes, self._begin_m, strict=True)
        found = [begin + on_lane_m for part, begin in pairs if part is lane]
        return min(found, key=lambda station: abs(station - near_m), default=None)

    def lane_at(self, station_m: float) -> tuple[Lane, float]:
        """Return the lane there, and the station on that lane."""
        i = max(0, int(np.searchsorted(self._begin_m, station_m, side="right")) - 1)
        return self._lanes[i], min(station_m - self._begin_m[i], self._lanes[i].length_m)

    def road_before(self, station_m: float) -> Lane:
        """Return the lane there, or before the junction that this is in, if that is kept."""
        i = max(0, int(np.searchsorted(self._begin_m, station_m, side="right")) - 1)
        before = [lane for lane in self._lanes[: i + 1] if not lane.in_junction]
        return self._lanes[i] if not before else before[-1]

    def pose(self, station_m: float) -> Pose:
        """Return the centre of the lane there, looking along it."""
        lane, on_lane_m = self.lane_at(station_m)
        return lane.pose(on_lane_m)

    def yaw_deg(self, station_m: Floats) -> Floats:
        """Return the direction of the lane there, (N,), unwrapped."""
        return np.interp(station_m, self._station, self._yaw)

    def ahead(self, at_m: float) -> tuple[Array, Array]:
        """Return the points 1 m apart from there on, (N, 2), and the curvature at each, (N,)."""
        count = int(min(SIGHT_M, max(0.0, self.end_m - at_m))) + 1
        stations = at_m + np.arange(float(count))
        path = np.stack([np.interp(stations, self._station, self._xy[:, i]) for i in (0, 1)], 1)
        last = self._station[-1]
        before = np.clip(stations - _CURVE_M, self.begin_m, last)
        behind = np.clip(stations + _CURVE_M, self.begin_m, last)
        turn = np.radians(self.yaw_deg(behind) - self.yaw_deg(before))
        curvature = turn / np.maximum(behind - before, 1e-3)
        return path.astype(np.float32), curvature.astype(np.float32)

    def locate(self, points: Floats, low_m: float, high_m: float) -> Hits:
        """Return where (M, 2) points fall on the route between two stations."""
        low, high = np.searchsorted(self._station, [low_m, high_m])
        low = max(0, min(int(low), len(self._station) - 2))
        high = max(int(high) + 1, low + 2)
        return project(points, self._xy[low:high], self._station[low:high])

    def _join(self) -> None:
        parts, yaws = self._lanes, [self._lanes[0].yaw_deg]
        for lane in parts[1:]:
            whole_turns = yaws[-1][-1] - lane.yaw_deg[0]
            whole_turns -= wrap_deg(float(whole_turns))
            yaws.append(lane.yaw_deg + whole_turns)
        pairs = zip(parts, self._begin_m, strict=True)
        self._station = np.concatenate([lane.station_m + begin for lane, begin in pairs])
        self._xy = np.concatenate([lane.xyz_m[:, :2] for lane in parts])
        self._yaw = np.concatenate(yaws)
        self.crossings = self._find_crossings()

    def _find_crossings(self) -> tuple[Crossing, ...]:
        found: list[Crossing] = []
        junction_id = -1
        for lane, begin in zip(self._lanes, self._begin_m, strict=True):
            end, turn = begin + lane.length_m, lane.turn_deg()
            if lane.in_junction and lane.junction_id == junction_id:
                first = found.pop()
                begin, turn = first.begin_m, first.turn_deg + turn
            if lane.in_junction:
                found.append(Crossing(begin, end, turn))
            junction_id = lane.junction_id
        return tuple(found)
