"""What is usual for the maps of one network, from a drive in which it steers as it should."""

from __future__ import annotations

import numpy as np

from carla_saliency.core import GROUPS, ON_ROAD, Array, ClassShares, MapCheck
from carla_saliency.insight.calibration_values import Nominal
from carla_saliency.insight.jumps import fit_gamma, jump
from carla_saliency.insight.map_check import Limits

PERCENTILE = 99.5  # of |map|: its scale
EVERY_PX = 16  # of a map's values go into the scale, other ones in each map
USUAL_PERCENT = 95.0  # of the nominal drive is within the limits of the map check
SPARE = 0.05  # is added to a correlation: a drive that is as usual must not be in doubt
SPARE_RATIO = 1.2  # divides the ratio

LOWEST = Limits(edges=0.4, random=0.6, others=0.7, deletion_ratio=1.1)
HIGHEST = Limits(edges=0.7, random=0.92, others=0.94, deletion_ratio=1.6)
"""Of the limits of the map check: maps that always are an edge detector's must stay in doubt."""


class NominalDrive:
    """Collects maps while a network drives as it should, and says what is usual for them.

    Args:
        method: Name of the saliency method.
    """

    def __init__(self, method: str) -> None:
        self._method = method
        self._samples: list[Array] = []
        self._shares: list[Array] = []
        self._jumps: list[float] = []
        self._apart_s: list[float] = []
        self._edges: list[float] = []
        self._random: list[float] = []
        self._others: list[float] = []
        self._ratios: list[float] = []
        self._before: tuple[float, Array] | None = None

    @property
    def frames(self) -> int:
        """How many maps there are so far."""
        return len(self._samples)

    def skip(self) -> None:
        """Let the next map follow no other."""
        self._before = None

    def add(
        self,
        sim_s: float,
        attribution: Array,
        shares: ClassShares | None,
        check: MapCheck,
        is_full: bool,
    ) -> None:
        """Take one map into account.

        Args:
            sim_s: Of its frame.
            attribution: Float32 (H, W).
            shares: Of the attention by class; None without a semantic camera.
            check: Of the map.
            is_full: Whether all of the check is new, or only the comparison with edges.
        """
        begin = len(self._samples) * 7 % EVERY_PX  # 7 and 16 have no divisor in common
        self._samples.append(np.abs(attribution).ravel()[begin::EVERY_PX])
        if shares is not None and shares.share.any():
            self._shares.append(shares.share)
        before, self._before = self._before, (sim_s, attribution)
        if before is not None and before[1].shape == attribution.shape:
            self._jumps.append(jump(before[1], attribution))
            self._apart_s.append(sim_s - before[0])
        self._edges.append(check.edges)
        if is_full:
            self._add_full(check)

    def result(self, maps: str) -> Nominal:
        """Return what is usual.

        Args:
            maps: Where it drove, for a person.

        Raises:
            ValueError: If there was no map.
        """
        values = np.concatenate(self._samples) if self._samples else np.zeros(0)
        if not values.size:
            raise ValueError("there was no map")
        scale = float(np.percentile(values, PERCENTILE))
        unknown = np.full(len(GROUPS), np.nan, np.float32)
        shares = np.array(self._shares, np.float32)
        return Nominal(
            method=self._method,
            maps=maps,
            frames=self.frames,
            map_scale=scale,
            shares=np.median(shares, axis=0) if len(shares) else unknown,
            on_road=float(np.median(_on_road(shares))) if len(shares) else float("nan"),
            jumps=fit_gamma(np.array(self._jumps) / scale) if scale > 0 else None,
            apart_s=float(np.median(self._apart_s)) if self._apart_s else 0.0,
            limits=self._limits(),
        )

    def jumps_beyond(self, limit: float, scale: float) -> int:
        """Return how many jumps are beyond a limit in parts of a scale."""
        return int((np.array(self._jumps) > limit * scale).sum())

    def _add_full(self, check: MapCheck) -> None:
        if check.random is not None:
            self._random.append(check.random)
        if check.others is not None:
            self._others.append(check.others)
        if check.deletion is not None and check.deletion[1] > 0:
            self._ratios.append(check.deletion[0] / check.deletion[1])

    def _limits(self) -> Limits:
        """Return the limits within which the drive was, as far as they are sensible."""
        usual = Limits()
        return Limits(
            edges=_within("edges", _high(self._edges, usual.edges)),
            random=_within("random", _high(self._random, usual.random)),
            others=_within("others", _high(self._others, usual.others)),
            deletion_ratio=_within(
                "deletion_ratio",
                float(np.percentile(self._ratios, 100 - USUAL_PERCENT)) / SPARE_RATIO
                if self._ratios
                else usual.deletion_ratio,
            ),
        )


def _on_road(shares: Array) -> Array:
    return np.asarray(shares[:, list(ON_ROAD)].sum(axis=1))


def _high(values: list[float], otherwise: float) -> float:
    return float(np.percentile(values, USUAL_PERCENT)) + SPARE if values else otherwise


def _within(name: str, value: float) -> float:
    return float(min(max(value, getattr(LOWEST, name)), getattr(HIGHEST, name)))
