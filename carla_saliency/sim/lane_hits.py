"""Which lanes a car can legally be on, and how far it is from each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carla_saliency.core import PUT_BACK_M, Pose
from carla_saliency.sim.lane_map import Lane, LaneMap
from carla_saliency.sim.route import Route

_NEAR = 40  # lane points, half a metre each, that the car can't leave within a tick
_PAST_JUNCTION_M = 8.0
_CHANGED_LANE_M = 0.2  # nearer than the path's lane by this: the car is in that lane


@dataclass(frozen=True, slots=True)
class Hit:
    """The car's centre on one lane.

    Attributes:
        lane: The lane.
        index: Of the lane's nearest point.
        station_m: On the lane.
        lateral_m: From its centre line, right positive.
        distance_m: From its centre line.
    """

    lane: Lane
    index: int
    station_m: float
    lateral_m: float
    distance_m: float


def legal_from(lanes: LaneMap, road: Lane) -> list[tuple[Lane, bool]]:
    """Return the legal lanes of a car, each with whether it is its own one or beside it.

    Args:
        lanes: The map.
        road: The lane that the car is in, or was in before a junction.
    """
    beside = [] if road.in_junction else lanes.parallels(road)
    ahead: dict[Lane, None] = {}

    def go_on(lane: Lane, left_m: float) -> None:
        for one in lanes.successors(lane):
            if one in ahead:
                continue
            ahead[one] = None
            if one.in_junction:
                go_on(one, left_m)
                continue
            ahead.update(dict.fromkeys(lanes.parallels(one)))
            if one.length_m < left_m:
                go_on(one, left_m - one.length_m)

    go_on(road, _PAST_JUNCTION_M)
    return [(road, True), *((one, True) for one in beside), *((one, False) for one in ahead)]


def hits_on(legal: list[tuple[Lane, bool]], road: Lane, at: int, pose: Pose) -> list[Hit]:
    """Return where a car is on each legal lane that it can have come to.

    Args:
        legal: As `legal_from` gives them.
        road: The lane that they were found from.
        at: The point of it that the car was at last.
        pose: Of the car.
    """
    point = np.array([[pose.x_m, pose.y_m]])
    index = min(at, len(road.s_m) - 1)
    nears_end = index + _NEAR >= len(road.s_m)
    found = []
    for lane, is_beside in legal:
        if not (is_beside or nears_end):
            continue
        low, high = 0, (None if lane.in_junction else 2 * _NEAR)
        if is_beside:
            middle = round(index * (len(lane.s_m) - 1) / (len(road.s_m) - 1))
            low, high = middle - _NEAR, middle + _NEAR
        if high is not None:
            high = min(high, len(lane.s_m))
        hit = lane.locate(point, low, high)
        found.append(
            Hit(
                lane,
                int(hit.index[0]),
                float(hit.station_m[0]),
                float(hit.lateral_m[0]),
                float(hit.distance_m[0]),
            )
        )
    return found


def on_route(route: Route, hits: list[Hit], near_m: float) -> tuple[Hit, float] | None:
    """Return the nearest hit on a lane of the route, and its station there; None if there is none.

    Args:
        route: Of the car.
        hits: Of the car.
        near_m: Station on the route where it was.
    """
    found = []
    for hit in hits:
        station = route.station(hit.lane, hit.station_m, near_m)
        if station is not None:
            found.append((hit, station))
    return min(found, key=lambda pair: pair[0].distance_m, default=None)


def has_left(on_route: Hit, best: Hit) -> bool:
    """Return whether the car is on another legal lane than its path.

    Lanes that part in a junction lie over each other at first: there the car follows another way
    only once it is off its own.
    """
    if on_route.lane.in_junction or best.lane.in_junction:
        return on_route.distance_m > PUT_BACK_M and best.distance_m < on_route.distance_m
    return best.distance_m < on_route.distance_m - _CHANGED_LANE_M
