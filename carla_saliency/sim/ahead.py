"""The others on the road: what is ahead in the lane, and whether a place is free."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Car, Pose
from carla_saliency.sim.facts import Neighbour
from carla_saliency.sim.lane_map import Floats, project

_FREE_ALONG_M = 1.0
_FREE_ACROSS_M = 0.2
_BESIDE_M = 0.2  # an oncoming car close to its own centre line is not in the way


def gap_ahead(
    others: tuple[Neighbour, ...],
    path: NDArray[np.float32],
    path_yaw_deg: Floats,
    lane_width_m: float,
    car: Car,
) -> tuple[float | None, float]:
    """Return the free distance to what is ahead in the lane, and its speed along the lane.

    In the way is whatever reaches into the strip, along the path, that the car itself needs.

    Args:
        others: Everything around.
        path: The points of the lane path from the car's place on, (N, 2), 1 m apart.
        path_yaw_deg: Direction at each, (N,).
        lane_width_m: The strip is not wider than this.
        car: Whose front bumper the distance begins at.

    Returns:
        (None, 0) if nothing is ahead in sight; the speed is never negative.
    """
    if not others or len(path) < 2:
        return None, 0.0
    centres = np.array([(other.pose.x_m, other.pose.y_m) for other in others])
    stations = np.arange(len(path), dtype=np.float64)
    hits = project(centres, path.astype(np.float64), stations)
    half_strip_m = min(lane_width_m, car.width_m + 2 * _BESIDE_M) / 2
    nearest: tuple[float | None, float] = (None, 0.0)
    for i, other in enumerate(others):
        at_m = float(hits.station_m[i])
        if not 0.0 < at_m < stations[-1]:  # clamped: it is behind, or further than can be seen
            continue
        yaw_deg = float(np.interp(at_m, stations, path_yaw_deg))
        along_m, across_m = _half_extents(other, yaw_deg)
        if abs(hits.lateral_m[i]) - across_m >= half_strip_m:
            continue
        gap_m = max(0.0, at_m - along_m - car.length_m / 2)
        if nearest[0] is None or gap_m < nearest[0]:
            speed_mps = other.speed_mps * math.cos(math.radians(other.pose.yaw_deg - yaw_deg))
            nearest = gap_m, max(0.0, speed_mps)
    return nearest


def is_free(place: Pose, car: Car, others: tuple[Neighbour, ...]) -> bool:
    """Return whether the car would stand there without touching anybody, with a metre to spare."""
    yaw = math.radians(place.yaw_deg)
    for other in others:
        x, y = other.pose.x_m - place.x_m, other.pose.y_m - place.y_m
        ahead = x * math.cos(yaw) + y * math.sin(yaw)
        right = y * math.cos(yaw) - x * math.sin(yaw)
        along_m, across_m = _half_extents(other, place.yaw_deg)
        if (
            abs(ahead) < along_m + car.length_m / 2 + _FREE_ALONG_M
            and abs(right) < across_m + car.width_m / 2 + _FREE_ACROSS_M
        ):
            return False
    return True


def _half_extents(other: Neighbour, yaw_deg: float) -> tuple[float, float]:
    """Return how far a box reaches along and across a direction, from its centre."""
    turn = math.radians(other.pose.yaw_deg - yaw_deg)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    along_m = other.half_length_m * cos + other.half_width_m * sin
    return along_m, other.half_length_m * sin + other.half_width_m * cos
