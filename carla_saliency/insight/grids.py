"""Maps and semantic classes on the network's grid."""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Array, Explanation


def on_grid(explanation: Explanation, grid: tuple[int, int]) -> Array:
    """Return a map's values at each pixel of the network's grid, float32 (H, W).

    A map of coarser cells gives each pixel the value of the cell that it lies in; 0 outside of what
    the map covers.

    Args:
        explanation: Has the map, and its place on the grid.
        grid: (H, W) of the network's grid.
    """
    values = explanation.attribution
    if values.shape == grid and explanation.place is None:
        return values
    top, bottom, left, right = explanation.place or (0.0, float(grid[0]), 0.0, float(grid[1]))
    rows = np.floor((np.arange(grid[0]) + 0.5 - top) / (bottom - top) * values.shape[0])
    columns = np.floor((np.arange(grid[1]) + 0.5 - left) / (right - left) * values.shape[1])
    inside = ((rows >= 0) & (rows < values.shape[0]))[:, None] & (
        (columns >= 0) & (columns < values.shape[1])
    )
    spread = values[
        np.clip(rows, 0, values.shape[0] - 1).astype(int)[:, None],
        np.clip(columns, 0, values.shape[1] - 1).astype(int),
    ]
    return np.where(inside, spread, np.float32(0)).astype(np.float32)
