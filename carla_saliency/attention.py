"""The attention by class of a whole drive, for its summary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import GROUPS, ClassEffects, ClassShares, Findings


class Attention:
    """Means over the maps of a drive.

    Args:
        lock_deg: Angle of the wheels at the network's steering 1; None leaves degrees out.
    """

    def __init__(self, lock_deg: float | None = None) -> None:
        self._lock_deg = lock_deg
        self._shares: ClassShares | None = None
        self._effects: ClassEffects | None = None
        self._maps = 0
        self._share, self._area = np.zeros(len(GROUPS)), np.zeros(len(GROUPS))
        self._change, self._floor = _Mean(), _Mean()

    def add(self, findings: Findings) -> None:
        """Take one step into account; what was found out for an earlier one counts once."""
        shares, effects = findings.shares, findings.effects
        if shares is not None and shares is not self._shares:
            self._maps += 1
            self._share += shares.share
            self._area += shares.area
        if effects is not None and effects is not self._effects:
            self._change.add(np.abs(effects.change))
            self._floor.add(effects.floor)
        self._shares, self._effects = shares, effects

    def as_json(self) -> dict[str, dict[str, float]] | None:
        """Return share, area and lift of each class that was seen, and what it does.

        `change_deg` is the mean size of the steering's change when the class is painted over,
        `floor_deg` that of as much plain road.
        """
        if not self._maps:
            return None
        share, area = self._share / self._maps, self._area / self._maps
        change, floor = self._change.values, self._floor.values
        table: dict[str, dict[str, float]] = {}
        for i, name in enumerate(GROUPS):
            if area[i] <= 0:
                continue
            row = {"share": share[i], "area": area[i], "lift": share[i] / area[i]}
            if self._lock_deg is not None and np.isfinite(change[i]):
                row["change_deg"] = change[i] * self._lock_deg
                if np.isfinite(floor[i]):
                    row["floor_deg"] = floor[i] * self._lock_deg
            table[name] = {key: round(float(value), 4) for key, value in row.items()}
        return table


class _Mean:
    """Mean of what is not NaN, for each class."""

    def __init__(self) -> None:
        self._sum, self._count = np.zeros(len(GROUPS)), np.zeros(len(GROUPS))

    def add(self, values: NDArray[np.floating]) -> None:
        there = np.isfinite(values)
        self._sum[there] += values[there]
        self._count += there

    @property
    def values(self) -> NDArray[np.float64]:
        return np.where(self._count > 0, self._sum / np.maximum(self._count, 1), np.nan)
