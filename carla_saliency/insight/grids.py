"""Maps and semantic classes on the network's grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    rows, columns = _cells(explanation, grid)
    inside = _inside(rows, columns, values.shape)
    spread = values[
        np.clip(rows, 0, values.shape[0] - 1)[:, None],
        np.clip(columns, 0, values.shape[1] - 1),
    ]
    return np.where(inside, spread, np.float32(0)).astype(np.float32)


def covered_by(explanation: Explanation, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return which pixels of the network's grid a map says something about; None = all.

    Args:
        explanation: Has the map, and its place on the grid.
        grid: (H, W) of the network's grid.
    """
    if explanation.place is None:
        return None
    return _inside(*_cells(explanation, grid), explanation.attribution.shape)


def _cells(
    explanation: Explanation, grid: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the map's row and column of each row and column of the grid, also beyond its ends."""
    shape = explanation.attribution.shape
    top, bottom, left, right = explanation.place or (0.0, float(grid[0]), 0.0, float(grid[1]))
    rows = np.floor((np.arange(grid[0]) + 0.5 - top) / (bottom - top) * shape[0])
    columns = np.floor((np.arange(grid[1]) + 0.5 - left) / (right - left) * shape[1])
    return rows.astype(np.intp), columns.astype(np.intp)


def _inside(
    rows: NDArray[np.intp], columns: NDArray[np.intp], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    down, along = (rows >= 0) & (rows < shape[0]), (columns >= 0) & (columns < shape[1])
    return np.asarray(down[:, None] & along)
