"""Where there is room: distances to lanes, heights of the land, and what is already taken."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from carla_saliency.server.nouns import LaneStrip, RoadNetwork

Floats = NDArray[np.float64]

ASPHALT_KINDS = frozenset(
    {
        "driving", "bidirectional", "stop", "entry", "exit", "onRamp", "offRamp", "parking",
        "connectingRamp", "slipLane", "shoulder", "biking", "restricted", "HOV", "bus", "taxi",
        "tram", "rail", "special1", "special2", "special3", "roadWorks",
    }
)  # fmt: skip
WALK_KINDS = frozenset({"sidewalk", "walking", "curb", "border", "median"})
DRIVE_KINDS = frozenset(
    {"driving", "bidirectional", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane"}
)

MARGIN_M = 70.0
FINEST_M = 0.25
MOST_CELLS = 3000
FLAT_M = 0.08


def lane_polygon(lane: LaneStrip) -> Floats:
    """Return the outline of a lane, (2N, 2)."""
    return np.concatenate([lane.inner[:, :2], lane.outer[::-1, :2]])


def box_corners(
    xy: Floats | tuple[float, float], yaw_deg: float, half_length: float, half_width: float
) -> Floats:
    """Return the four corners of an upright box around a place, (4, 2)."""
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    corners = np.array(
        [
            [-half_length, -half_width],
            [half_length, -half_width],
            [half_length, half_width],
            [-half_length, half_width],
        ]
    )
    return np.asarray(corners @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(xy), np.float64)


class Site:
    """The ground plan of a map: lanes, free ground, heights.

    Args:
        network: The map.
    """

    def __init__(self, network: RoadNetwork) -> None:
        used = [lane for lane in network.lanes if lane.kind in ASPHALT_KINDS | WALK_KINDS]
        outlines = [lane_polygon(lane) for lane in used]
        x_min, y_min, x_max, y_max = network.bounds
        self.origin = np.array([x_min - MARGIN_M, y_min - MARGIN_M])
        span = max(x_max - x_min, y_max - y_min) + 2 * MARGIN_M
        self.cell_m = max(FINEST_M, span / MOST_CELLS)
        shape = (
            int((y_max - y_min + 2 * MARGIN_M) / self.cell_m) + 1,
            int((x_max - x_min + 2 * MARGIN_M) / self.cell_m) + 1,
        )
        free = np.ones(shape, np.uint8)
        for outline in outlines:
            cv2.fillPoly(free, [self._cells(outline).astype(np.int32)], 0)
        self._distance = cv2.distanceTransform(free, cv2.DIST_L2, 5) * np.float32(self.cell_m)
        self._taken = 1 - free

        # make_valid: a lane that crosses itself in a hairpin must still count
        shapes = [shapely.make_valid(shapely.Polygon(outline)) for outline in outlines]
        self._lanes = shapely.STRtree(shapes)
        self._driving = shapely.STRtree(
            [shape for shape, lane in zip(shapes, used, strict=True) if lane.kind in DRIVE_KINDS]
        )

        edges = np.concatenate([np.concatenate([lane.inner, lane.outer]) for lane in used])
        self._edge_z = edges[:, 2]
        self._edges = cKDTree(edges[:, :2])
        self.flat = float(np.ptp(self._edge_z)) < FLAT_M
        self.base_z = float(self._edge_z.min())

    def _cells(self, points: Floats) -> Floats:
        return np.asarray(np.round((points - self.origin) / self.cell_m), np.float64)

    def distance(self, points: Floats) -> Floats:
        """Return about how far points (N, 2) are from any lane, never too much; 0 on a lane."""
        cells = self._cells(points).astype(np.int64)
        rows = np.clip(cells[:, 1], 0, self._distance.shape[0] - 1)
        columns = np.clip(cells[:, 0], 0, self._distance.shape[1] - 1)
        near = self._distance[rows, columns].astype(np.float64)
        return np.maximum(near - 1.5 * self.cell_m, 0)

    def height(self, points: Floats, below_m: float = 0.0) -> Floats:
        """Return the height of the land at points (N, 2).

        Near a road it is the road's, less `below_m` where the map is not flat.
        """
        if self.flat:
            return np.full(len(points), self.base_z)
        distance, nearest = self._edges.query(points, k=6)
        weight = np.asarray(1 / (distance + 0.5) ** 2, np.float64)
        smooth = (weight * self._edge_z[nearest]).sum(axis=1) / weight.sum(axis=1)
        # Under a bridge the land follows the lower road.
        low = np.where(distance < 25, self._edge_z[nearest], np.inf).min(axis=1)
        height = np.minimum(smooth, np.where(np.isfinite(low), low, smooth))
        return np.asarray(height - below_m, np.float64)

    def nearest_edge(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the distance to, and the height of, the nearest lane edge; (N,) each."""
        distance, index = self._edges.query(points)
        return np.asarray(distance, np.float64), self._edge_z[index]

    def take(self, corners: Floats, gap_m: float = 0.0) -> bool:
        """Claim a convex piece of ground (N, 2), if all of it is free and off every lane.

        Args:
            corners: Its outline.
            gap_m: How far it must stay from lanes.

        Returns:
            Whether it was free; if not, nothing changes.
        """
        if not self.is_free(corners, gap_m):
            return False
        self.claim(corners)
        return True

    def is_free(self, corners: Floats, gap_m: float = 0.0) -> bool:
        """Return whether a convex piece of ground (N, 2) is free and keeps off every lane."""
        window, mask = self._mask(corners)
        if mask is None or (self._taken[window] & mask).any():
            return False
        return self.clear_of_lanes(corners, gap_m)

    def claim(self, corners: Floats) -> None:
        """Take a convex piece of ground, free or not."""
        window, mask = self._mask(corners)
        if mask is not None:
            self._taken[window] |= mask

    def _mask(self, corners: Floats) -> tuple[tuple[slice, slice], NDArray[np.uint8] | None]:
        """Return the piece's window of the ground plan and its cells there; None if outside."""
        cells = self._cells(corners).astype(np.int32)
        low, high = cells.min(axis=0), cells.max(axis=0) + 1
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        if (low < 0).any() or (high >= self._taken.shape[::-1]).any():
            return window, None
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(mask, [cells - low], 1)
        return window, mask

    def clear_of_lanes(self, corners: Floats, gap_m: float = 0.0) -> bool:
        """Return whether a piece of ground keeps a distance from every lane; exact."""
        shape = shapely.Polygon(corners)
        return len(self._lanes.query(shape, predicate="dwithin", distance=max(gap_m, 1e-3))) == 0

    def on_driving_lanes(self, polygons: Sequence[Floats], shrink_m: float) -> NDArray[np.bool_]:
        """Return for each outline whether it reaches more than `shrink_m` into a driving lane."""
        result = np.zeros(len(polygons), np.bool_)
        if len(self._driving.geometries) == 0 or not polygons:
            return result
        shapes = [shapely.Polygon(p).buffer(-shrink_m) for p in polygons]
        hits = self._driving.query(shapes, predicate="intersects")
        result[hits[0]] = True
        return result
