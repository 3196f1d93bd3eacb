"""How high the road is at a place."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from carla_saliency.server.nouns import RoadNetwork

FLAT_M = 1e-6  # a map whose points differ less is flat
FAR_M = 20.0  # beyond this the slope of the nearest lane says nothing
NEIGHBOURS = 8  # candidates where one road crosses above another
SAME_PLACE_M = 2.0  # candidates this much farther than the nearest are of the same place


class Ground:
    """The height of the road surface, and of the land around it.

    Args:
        network: Its lanes are the surface.
    """

    def __init__(self, network: RoadNetwork) -> None:
        points, tangents = [], []
        for lane in network.lanes:
            middle = (lane.inner + lane.outer) / 2
            along = np.gradient(middle, axis=0)
            run = np.linalg.norm(along[:, :2], axis=1, keepdims=True)
            points.append(middle)
            # z rises by gradient . (x, y) along the lane, and not across it.
            tangents.append(along[:, :2] * along[:, 2:] / np.maximum(run**2, 1e-9))
        self._points = np.concatenate(points)
        self._gradients = np.concatenate(tangents)
        z = self._points[:, 2]
        self._flat = float(z[0]) if np.ptp(z) < FLAT_M else None
        self._tree = cKDTree(self._points[:, :2])

    def height(self, x: float, y: float, near_z: float | None = None) -> float:
        """Return z of the surface at a place.

        Args:
            x: CARLA's x.
            y: CARLA's y.
            near_z: Where roads cross above each other, the one nearest to this height is meant.

        Returns:
            z in metres. Far from every road the land has the height of the nearest one.
        """
        if self._flat is not None:
            return self._flat
        neighbours = min(NEIGHBOURS, len(self._points)) if near_z is not None else 1
        distances, indices = self._tree.query((x, y), k=neighbours)
        distances, indices = np.atleast_1d(distances), np.atleast_1d(indices)
        best = indices[0]
        if near_z is not None:
            close = indices[distances <= distances[0] + SAME_PLACE_M]
            best = close[np.abs(self._points[close, 2] - near_z).argmin()]
        z = float(self._points[best, 2])
        if distances[0] > FAR_M:
            return z
        return z + float(self._gradients[best] @ (np.array([x, y]) - self._points[best, :2]))
