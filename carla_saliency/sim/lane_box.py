"""Whether the car's box is inside a lane, and how far it is beyond the edge of the one it left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Car, Pose
from carla_saliency.sim.lane_map import Floats, Lane, LaneKey, LaneMap, project

_EDGE_M = 0.02  # the edges are polylines: less than this is no departure
_MORE_M = 3.0


@dataclass(frozen=True, slots=True)
class _Strip:
    """A lane and as much of its neighbours along the way as a car's length asks."""

    lane_begins: int  # index of the lane's first point
    station_m: Floats
    xy: Floats
    width_m: Floats
    in_junction: NDArray[np.bool_]


class LaneKeeping:
    """Remembers the lane that the car was last fully in.

    Args:
        lanes: The map.
        car: Its size.
    """

    def __init__(self, lanes: LaneMap, car: Car) -> None:
        self._map = lanes
        self._reach_m = car.length_m / 2 + _MORE_M
        ahead, right = car.length_m / 2, car.width_m / 2
        self._corners = np.array(
            [(ahead, -right), (ahead, right), (-ahead, right), (-ahead, -right)]
        )
        self._strips: dict[LaneKey, _Strip] = {}
        self._full: Lane | None = None

    def forget(self) -> None:
        """Forget the lane: the car was teleported, or went through a junction."""
        self._full = None

    def look(self, pose: Pose, lane: Lane, on_lane_m: float) -> tuple[float | None, bool]:
        """Return how the car's box lies.

        Args:
            pose: Of the car.
            lane: That its centre is in.
            on_lane_m: Where on it.

        Returns:
            How far a corner is beyond the edge of the lane that the box was last fully in, left
            negative, 0 inside, None if there is no such lane or the box reaches into a junction;
            and whether the box is fully inside one lane.
        """
        if lane.in_junction:
            self.forget()
            return None, False
        yaw = math.radians(pose.yaw_deg)
        turn = np.array([(math.cos(yaw), math.sin(yaw)), (-math.sin(yaw), math.cos(yaw))])
        corners = self._corners @ turn + (pose.x_m, pose.y_m)
        part = float(np.interp(on_lane_m, lane.station_m, np.linspace(0.0, 1.0, len(lane.s_m))))
        beside = (lane, *self._map.parallels(lane))
        over_m = self._beyond(corners, lane, part)
        if over_m is None:
            return None, False
        self._full = self._continued(beside)
        for one in beside:
            if self._beyond(corners, one, part) == 0.0:
                self._full = one
                return 0.0, True
        return None if self._full is None else self._beyond(corners, self._full, part), False

    def _continued(self, beside: tuple[Lane, ...]) -> Lane | None:
        """Return which of the lanes here goes on from the one that the box was last fully in."""
        if self._full is None or self._full in beside:
            return self._full
        following = self._map.successors(self._full)
        return next((lane for lane in beside if lane in following), None)

    def _beyond(self, corners: Floats, lane: Lane, part: float) -> float | None:
        strip = self._strip(lane)
        middle = strip.station_m[strip.lane_begins + round(part * (len(lane.s_m) - 1))]
        ends = (middle - self._reach_m, middle + self._reach_m)
        low, high = np.searchsorted(strip.station_m, ends)
        low, high = max(0, min(low - 1, len(strip.xy) - 2)), max(high + 1, low + 2)
        hits = project(corners, strip.xy[low:high], strip.station_m[low:high])
        if strip.in_junction[low:high][hits.index].any():
            return None
        width = np.interp(hits.station_m, strip.station_m, strip.width_m)
        excess = np.abs(hits.lateral_m) - width / 2
        worst = int(excess.argmax())
        if excess[worst] <= _EDGE_M:
            return 0.0
        return math.copysign(float(excess[worst]), float(hits.lateral_m[worst]))

    def _strip(self, lane: Lane) -> _Strip:
        if lane.key not in self._strips:
            self._strips[lane.key] = self._make_strip(lane)
        return self._strips[lane.key]

    def _make_strip(self, lane: Lane) -> _Strip:
        before, behind = [lane], [lane]
        while len(before) == 1 or sum(one.length_m for one in before[1:]) < self._reach_m:
            if not (found := self._map.predecessors(before[-1])) or len(before) > 9:
                break
            before.append(found[0])
        while len(behind) == 1 or sum(one.length_m for one in behind[1:]) < self._reach_m:
            if not (found := self._map.successors(behind[-1])) or len(behind) > 9:
                break
            behind.append(found[0])
        chain = [*reversed(before[1:]), *behind]
        begins = np.cumsum([0.0] + [one.length_m for one in chain])
        pairs = list(zip(chain, begins, strict=False))
        return _Strip(
            lane_begins=sum(len(one.s_m) for one in before[1:]),
            station_m=np.concatenate([one.station_m + begin for one, begin in pairs]),
            xy=np.concatenate([one.xyz_m[:, :2] for one in chain]),
            width_m=np.concatenate([one.width_m for one in chain]),
            in_junction=np.repeat(
                [one.in_junction for one in chain], [len(one.s_m) for one in chain]
            ),
        )
