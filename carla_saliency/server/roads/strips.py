"""Samples the lanes and the paint of OpenDRIVE roads, in CARLA's axes (y changes its sign)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import LaneStrip, MarkLine, Points
from carla_saliency.server.roads.opendrive import Lane, LaneSection, Road

Values = NDArray[np.float64]

LONGEST_STEP_M = 2.0
CHORD_ERROR_M = 0.015  # largest distance of a sampled edge from the true one; 2 cm are promised
THINNEST_M = 1e-3  # lanes that are nowhere wider are left out
SHORTEST_M = 1e-6  # positions nearer than this are one
FARTHEST_M = 1e7  # from the origin; beyond it the file is broken

# Kinds that are painted, as the lines from left to right (lane 0) or from inside to outside.
PAINT = {
    "solid": ("solid",),
    "broken": ("broken",),
    "solid solid": ("solid", "solid"),
    "solid broken": ("solid", "broken"),
    "broken solid": ("broken", "solid"),
    "broken broken": ("broken", "broken"),
}


class RoadSampler:
    """Samples one lane section of a road.

    Args:
        road: Whose lanes are wanted.
        index: Of the section.
    """

    def __init__(self, road: Road, index: int) -> None:
        self.road = road
        self.index = index
        self.section: LaneSection = road.sections[index]
        self.s = _positions(road, self.section)
        self._x, self._y, self._heading = road.plan.at(self.s)
        self._z = road.elevation.at(self.s)
        self._edges = _edges(road, self.section, self.s)

    def strips(self) -> Iterator[LaneStrip]:
        """Yield the lanes of the section that have a width, from left to right."""
        for lane_id, lane in self.section.lanes.items():
            if lane_id == 0:
                continue
            inner = self._edges[lane_id - 1 if lane_id > 0 else lane_id + 1]
            outer = self._edges[lane_id]
            if np.abs(outer - inner).max() < THINNEST_M:
                continue
            yield LaneStrip(
                road_id=self.road.road_id,
                section=self.index,
                lane_id=lane_id,
                kind=lane.kind,
                junction_id=self.road.junction,
                s=self.s,
                inner=self._points(inner),
                outer=self._points(outer),
            )

    def marks(self) -> Iterator[MarkLine]:
        """Yield every painted line of the section."""
        for lane_id, lane in self.section.lanes.items():
            starts = [self.section.start + mark.s_offset for mark in lane.marks]
            ends = [*starts, self.section.end][1:]
            for mark, start, end in zip(lane.marks, starts, ends, strict=True):
                here = (self.s >= start - SHORTEST_M) & (self.s <= end + SHORTEST_M)
                lines = PAINT.get(mark.kind, ())
                if here.sum() < 2 or not lines:
                    continue
                # The gap of a double is as wide as a line: 2 widths from middle to middle.
                shifts = (0.0,) if len(lines) == 1 else (mark.width_m, -mark.width_m)
                side = -1.0 if lane_id > 0 else 1.0  # inside is where t falls, left of the middle
                for line, shift in zip(lines, shifts, strict=True):
                    points = self._points(self._edges[lane_id] + side * shift)[here]
                    yield MarkLine(
                        road_id=self.road.road_id,
                        lane_id=lane_id,
                        kind="solid" if line == "solid" else "broken",
                        colour=mark.colour,
                        width_m=mark.width_m,
                        points=points,
                        s=_travelled(points),
                    )

    def _points(self, t: Values) -> Points:
        x = self._x - np.sin(self._heading) * t
        y = self._y + np.cos(self._heading) * t
        points = np.column_stack([x, -y, self._z])
        if not (np.abs(points) < FARTHEST_M).all():  # false for NaN too
            raise BadInputError(
                f"road {self.road.road_id} must stay within {FARTHEST_M:g} m of the origin; "
                "look at its <planView>, <elevation> and <width>"
            )
        return points


def sample_road(road: Road) -> tuple[list[LaneStrip], list[MarkLine]]:
    """Return a road's lanes and its paint.

    Args:
        road: As read from the file.

    Returns:
        Its strips and lines, section by section. Their points are at most 2 m apart, and the true
        edge is never more than 2 cm beside them.

    Raises:
        BadInputError: If the road leads to infinity.
    """
    samplers = [
        RoadSampler(road, index)
        for index, section in enumerate(road.sections)
        if section.end - section.start > SHORTEST_M
    ]
    strips = [strip for sampler in samplers for strip in sampler.strips()]
    marks = [mark for sampler in samplers for mark in sampler.marks()]
    return strips, marks


def _positions(road: Road, section: LaneSection) -> Values:
    """Choose where to sample: at every change of a formula, and densely where something bends."""
    breaks = [road.plan.starts, road.elevation.starts, road.offset.starts]
    for lane in section.lanes.values():
        breaks.append(section.start + lane.width.starts)
        breaks.append(section.start + lane.border.starts)
        breaks.append(np.array([section.start + mark.s_offset for mark in lane.marks]))
    corners: Values = np.unique(np.concatenate(breaks))
    corners = corners[(corners > section.start) & (corners < section.end)]
    corners = np.concatenate([[section.start], corners, [section.end]])
    keep = np.concatenate([[True], np.diff(corners[:-1]) > SHORTEST_M, [True]])
    corners = corners[keep]

    lengths = np.diff(corners)
    bend = _bend(road, section, corners)
    steps = np.minimum(LONGEST_STEP_M, np.sqrt(8 * CHORD_ERROR_M / np.maximum(bend, 1e-9)))
    counts = np.ceil(lengths / steps - 1e-9).astype(int).clip(1)
    pieces = [
        np.linspace(start, end, count, endpoint=False)
        for start, end, count in zip(corners[:-1], corners[1:], counts, strict=True)
    ]
    positions: Values = np.concatenate([*pieces, [section.end]])
    return positions


def _bend(road: Road, section: LaneSection, corners: Values) -> Values:
    """Bound the curvature of every edge between neighbouring corners, 1/m."""
    lengths = np.diff(corners)
    middles, starts, ends = corners[:-1] + lengths / 2, corners[:-1], corners[1:] - 1e-9
    edges = np.abs(list(_edges(road, section, corners).values()))
    widest = np.maximum(edges[:, :-1], edges[:, 1:]).max(axis=0)
    curvature = road.plan.largest_curvature(middles)
    bend: Values = curvature * (1 + curvature * widest)
    for cubics, origin in (
        (road.elevation, 0.0),
        (road.offset, 0.0),
        *((lane.width, section.start) for lane in section.lanes.values()),
        *((lane.border, section.start) for lane in section.lanes.values()),
    ):
        bend = bend + np.maximum(cubics.bend(starts - origin), cubics.bend(ends - origin))
    return bend


def _edges(road: Road, section: LaneSection, s: Values) -> dict[int, Values]:
    """Return t of the outer edge of each lane, and of lane 0, (N,) each."""
    middle = road.offset.at(s)
    edges = {0: middle}
    for side in (1, -1):
        edge, lane_id = middle, side
        while lane_id in section.lanes:
            lane = section.lanes[lane_id]
            edge = _outer_edge(lane, middle, edge, side, s - section.start)
            edges[lane_id] = edge
            lane_id += side
    _check_ids(road, section, edges)
    return edges


def _outer_edge(lane: Lane, middle: Values, inner: Values, side: int, along: Values) -> Values:
    if len(lane.border.starts) and not len(lane.width.starts):
        edge: Values = middle + side * np.abs(lane.border.at(along))  # both signs are in use
    else:
        edge = inner + side * np.maximum(lane.width.at(along), 0)
    return edge


def _check_ids(road: Road, section: LaneSection, edges: dict[int, Values]) -> None:
    orphans = section.lanes.keys() - edges.keys()
    if orphans:
        raise BadInputError(
            f"lane ids of road {road.road_id} must be consecutive, received {sorted(section.lanes)}"
        )


def _travelled(points: Points) -> Values:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])
