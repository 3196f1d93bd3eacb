"""Chooses where vehicles may appear."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import LaneStrip, Transform

ABOVE_ROAD_M = 0.5
APART_M = 20.0
MARGIN_M = 12.0  # from junctions and from the ends of roads
NARROWEST_M = 2.3  # a lane that tapers to less has no room for a car


def spawn_points(
    lanes: Sequence[LaneStrip], left_hand_roads: frozenset[int] = frozenset()
) -> tuple[Transform, ...]:
    """Return places on driving lanes, some 20 m apart, in the direction of traffic.

    Args:
        lanes: Of the whole map.
        left_hand_roads: Ids of roads with traffic on the left.

    Returns:
        In an order that is the same every time: first the one with the longest road around it, then
        always the one that is farthest from all before. On maps whose roads are all too short for
        the margins, the middle of each lane; without any driving lane, none.
    """
    driving = [lane for lane in lanes if lane.kind == "driving"]
    outside = [lane for lane in driving if lane.junction_id == -1]
    spans = _road_spans(outside)
    found = list(_places(outside, spans, left_hand_roads))
    if not found:
        some = outside or driving
        found = [
            place
            for lane in some
            if (place := _place(lane, float(lane.s[[0, -1]].mean()), left_hand_roads)) is not None
        ]
    if not found:
        return ()
    places, room = zip(*found, strict=True)
    xy = np.array([(place.x, place.y) for place in places])
    return tuple(places[i] for i in _spread(xy, int(np.argmax(room))))


def _road_spans(lanes: Sequence[LaneStrip]) -> dict[int, tuple[float, float]]:
    """Return the first and the last s of each road."""
    ends: defaultdict[int, list[float]] = defaultdict(list)
    for lane in lanes:
        ends[lane.road_id] += [float(lane.s[0]), float(lane.s[-1])]
    return {road_id: (min(values), max(values)) for road_id, values in ends.items()}


def _places(
    lanes: Sequence[LaneStrip],
    spans: dict[int, tuple[float, float]],
    left_hand_roads: frozenset[int],
) -> Iterator[tuple[Transform, float]]:
    for lane in lanes:
        start, end = spans[lane.road_id]
        if end - start < 2 * MARGIN_M:
            continue
        gaps = math.floor((end - start - 2 * MARGIN_M) / APART_M)
        # Counted over the whole road, so that a change of section does not shift the grid.
        grid = (start + end) / 2 + APART_M * (np.arange(gaps + 1) - gaps / 2)
        for s in grid[(grid >= lane.s[0]) & (grid < lane.s[-1])]:
            place = _place(lane, float(s), left_hand_roads)
            if place is not None:
                yield place


def _place(
    lane: LaneStrip, s: float, left_hand_roads: frozenset[int]
) -> tuple[Transform, float] | None:
    """Return the place and the length of road around it, or None where the lane is too narrow."""
    i = int(np.clip(np.searchsorted(lane.s, s, side="right") - 1, 0, len(lane.s) - 2))
    share = (s - lane.s[i]) / (lane.s[i + 1] - lane.s[i])
    inner, outer = (edge[i] + share * (edge[i + 1] - edge[i]) for edge in (lane.inner, lane.outer))
    if np.linalg.norm(outer - inner) < NARROWEST_M:
        return None
    middle = (inner + outer) / 2
    ahead = (lane.inner[i + 1] + lane.outer[i + 1] - lane.inner[i] - lane.outer[i]) / 2
    if (lane.lane_id > 0) != (lane.road_id in left_hand_roads):
        ahead = -ahead
    yaw = math.degrees(math.atan2(ahead[1], ahead[0]))
    pitch = math.degrees(math.atan2(ahead[2], math.hypot(ahead[0], ahead[1])))
    x, y, z = (float(value) for value in middle)
    room = min(s - float(lane.s[0]), float(lane.s[-1]) - s)
    return Transform(x, y, z + ABOVE_ROAD_M, pitch + 0.0, yaw + 0.0), room  # + 0.0: no minus zero


def _spread(xy: NDArray[np.float64], first: int) -> list[int]:
    """Order points so that each is farthest from all before it (Gonzalez, 1985)."""
    order = [first]
    distance = np.linalg.norm(xy - xy[first], axis=1)
    distance[first] = -1
    for _ in range(len(xy) - 1):
        following = int(np.argmax(distance))
        order.append(following)
        distance = np.minimum(distance, np.linalg.norm(xy - xy[following], axis=1))
        distance[following] = -1
    return order
