"""Places spread over every driving lane of a map, for collecting pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from carla_saliency.core import Pose
from carla_saliency.sim.lane_map import TURN_DEG, Lane, LaneMap

_BEFORE_TURN_M = 14.0
_CURVE_M = 1.0
_SHORTEST_M = 1.0


@dataclass(frozen=True, slots=True)
class LanePlace:
    """A place on the centre of a driving lane.

    Attributes:
        road_id: OpenDRIVE's.
        lane_id: OpenDRIVE's.
        s_m: OpenDRIVE's.
        pose: Looking along the lane.
        curvature: 1/m, right positive.
        width_m: Of the lane.
        in_junction: On a junction lane.
        near_turn: On a junction lane that turns by more than 25°, or at most 14 m before one.
        must_turn: The same, and there is no other way on.
    """

    road_id: int
    lane_id: int
    s_m: float
    pose: Pose
    curvature: float
    width_m: float
    in_junction: bool
    near_turn: bool
    must_turn: bool


def spread_lane_poses(carla_map: Any, spacing_m: float) -> list[LanePlace]:
    """Return places a given distance apart on every driving lane, in a fixed order.

    Args:
        carla_map: A `carla.Map`.
        spacing_m: Along each lane.

    Raises:
        ValueError: If the spacing is not positive.
    """
    if not spacing_m > 0.0:
        raise ValueError(f"spacing_m must be more than 0, received {spacing_m!r}")
    lanes = LaneMap(carla_map)
    return [place for lane in lanes.lanes() for place in _places(lanes, lane, spacing_m)]


def _places(lanes: LaneMap, lane: Lane, spacing_m: float) -> Iterator[LanePlace]:
    if lane.length_m < _SHORTEST_M:
        return
    first, before_m = lane, 0.0
    while lane.in_junction and before_m < 100.0:
        before = [one for one in lanes.predecessors(first) if one.junction_id == lane.junction_id]
        if not before:
            break
        first, before_m = before[0], before_m + before[0].length_m
    for at in np.arange(min(spacing_m, lane.length_m) / 2, lane.length_m, spacing_m):
        at_m = float(at)
        ends = np.clip([at_m - _CURVE_M, at_m + _CURVE_M], 0.0, lane.length_m)
        turn = np.radians(np.diff(np.interp(ends, lane.station_m, lane.yaw_deg)))
        near = _turns_within(lanes, first, _BEFORE_TURN_M + before_m + at_m, set())
        yield LanePlace(
            road_id=lane.key[0],
            lane_id=lane.key[2],
            s_m=float(np.interp(at_m, lane.station_m, lane.s_m)),
            pose=lane.pose(at_m),
            curvature=float(turn[0] / (ends[1] - ends[0])),
            width_m=float(np.interp(at_m, lane.station_m, lane.width_m)),
            in_junction=lane.in_junction,
            near_turn=any(near),
            must_turn=all(near),
        )


def _turns_within(
    lanes: LaneMap, lane: Lane, reach_m: float, seen: set[Lane], turned_deg: float = 0.0
) -> list[bool]:
    """Return, for each way on from the begin of a lane, whether it has a turn within reach.

    A way through a junction may consist of several lanes: their turns add up.
    """
    if lane.in_junction:
        turned_deg += lane.turn_deg()
        if abs(turned_deg) > TURN_DEG:
            return [True]
    reach_m -= lane.length_m
    ways: list[bool] = []
    for one in lanes.successors(lane):
        goes_on = lane.in_junction and one.junction_id == lane.junction_id
        if one in seen or not (goes_on or reach_m > 0.0):
            ways.append(False)
        else:
            so_far_deg = turned_deg if goes_on else 0.0
            ways += _turns_within(lanes, one, reach_m, seen | {lane}, so_far_deg)
    return ways or [False]
