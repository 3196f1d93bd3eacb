"""Small maps made by hand, so that the tests of the renderer need no OpenDRIVE."""

from __future__ import annotations

import numpy as np

from carla_saliency.server.nouns import LaneStrip, MarkLine, RoadNetwork, Transform

LANE_M = 3.5


def straight(length_m: float = 300.0, slope: float = 0.0, name: str = "straight") -> RoadNetwork:
    """A road along x with a lane each way, solid white edges, and a broken centre line."""
    s = np.arange(0, length_m + 1, 2.0)

    def line(y: float) -> np.ndarray:
        return np.column_stack([s, np.full_like(s, y), slope * s])

    lanes = tuple(
        LaneStrip(1, 0, lane_id, "driving", -1, s, line(0.0), line(-lane_id * LANE_M))
        for lane_id in (1, -1)
    )
    marks = (
        MarkLine(1, 0, "broken", "white", 0.12, line(0.0), s),
        MarkLine(1, 1, "solid", "white", 0.12, line(-LANE_M), s),
        MarkLine(1, -1, "solid", "yellow", 0.12, line(LANE_M), s),
    )
    spawn = (Transform(20.0, LANE_M / 2, slope * 20 + 0.5, 0.0, 0.0, 0.0),)
    return RoadNetwork(name, "", lanes, marks, spawn, (0.0, -LANE_M, length_m, LANE_M))
