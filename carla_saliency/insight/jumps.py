"""How much a map changes from one frame to the next, and how much would be unusual.

The mean |difference| of consecutive maps follows a gamma distribution while the network drives as
it should; what lies beyond a high quantile of it warns, before the car leaves the lane. It is one
of the scores of ThirdEye: Stocco, Nunes, d'Amorim, Tonella, "ThirdEye: Attention Maps for Safe
Autonomous Driving Systems", 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from carla_saliency.core import Array

FALSE_ALARM = 1 / 12_000
"""Share of the maps of a usual drive that lie beyond the limit: one in 10 minutes at 20 Hz."""

LEARN_S = 10.0
"""A drive without calibration is watched for so long before anything in it is unusual."""

LEAST_MAPS = 50

ALIKE = 0.25  # two maps are as far apart as in the nominal drive, within this part of that time


@dataclass(frozen=True, slots=True)
class Gamma:
    """A gamma distribution.

    Attributes:
        shape: Often called k or alpha; above 0.
        scale: Often called theta, the mean divided by the shape; above 0.
    """

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        """Of the distribution."""
        return self.shape * self.scale

    def above(self, rate: float) -> float:
        """Return the value that this share of the distribution lies beyond.

        Args:
            rate: In (0, 1): how often there is a false alarm.
        """
        from scipy.special import gammainccinv  # 0.1 s that a start need not wait for

        return float(gammainccinv(self.shape, rate) * self.scale)


def fit_gamma(values: ArrayLike) -> Gamma | None:
    """Return the gamma distribution with the values' mean and variance.

    Not the most likely one: jumps of quiet and of busy roads mix, the many small ones decide what
    is most likely, and its tail is then far too light. Here only the tail matters.

    Args:
        values: What was measured.

    Returns:
        None if there are fewer than two different values.
    """
    array = np.asarray(values, np.float64).ravel()
    return _fitted(array.size, float(array.sum()), float((array**2).sum()))


def _fitted(count: int, total: float, squares: float) -> Gamma | None:
    """Return the same from the number of values, their sum and the sum of their squares."""
    if count < 2:
        return None
    mean = total / count
    variance = squares / count - mean**2
    if not variance > 1e-12 * mean**2:
        return None
    return Gamma(mean**2 / variance, variance / mean)


@dataclass(frozen=True, slots=True)
class Jump:
    """How much one map differs from the one before it.

    Attributes:
        size: Mean |difference|, in parts of the map's scale.
        limit: Beyond it a jump is unusual; None as long as that is not known.
    """

    size: float
    limit: float | None

    @property
    def is_unusual(self) -> bool:
        """Whether it is beyond the limit."""
        return self.limit is not None and self.size > self.limit


def jump(before: Array, now: Array, scale: float = 1.0) -> float:
    """Return the mean |difference| of two maps in parts of a scale.

    Args:
        before: Float32 (H, W).
        now: Of the same shape.
        scale: Of the maps, above 0.
    """
    return float(np.abs(now - before).mean()) / scale


class JumpCheck:
    """Compares each map with the one before it.

    Args:
        usual: Distribution of the jumps in a nominal drive; None = learned from this drive, from
            10 s on.
        scale: Of the maps; 1 leaves jumps in the map's own unit.
        apart_s: Between two maps of the nominal drive; jumps of another spacing are compared with
            this drive's own.
        rate: Of false alarms among all maps.
    """

    def __init__(
        self,
        usual: Gamma | None = None,
        scale: float = 1.0,
        apart_s: float = 0.05,
        rate: float = FALSE_ALARM,
    ) -> None:
        self._scale = scale if scale > 0 else 1.0
        self._apart_s, self._rate = apart_s, rate
        self._limit = None if usual is None else usual.above(rate)
        self._before: tuple[float, Array] | None = None
        self._begin_s: float | None = None
        self._count, self._total, self._squares = 0, 0.0, 0.0
        self._own: float | None = None  # limit by this drive's own jumps
        self._own_count = 0  # of jumps that it was made of

    def skip(self) -> None:
        """Let the next map follow no other: the car was put elsewhere."""
        self._before = None

    def look(self, attribution: Array, sim_s: float) -> Jump | None:
        """Return how much a map jumped; None if it is the first, or the same moment again.

        Args:
            attribution: Float32 (H, W).
            sim_s: Of the frame that it is of.
        """
        before = self._before
        if before is not None and before[0] == sim_s:
            return None
        self._before = sim_s, attribution
        if self._begin_s is None or sim_s < self._begin_s:
            self._begin_s = sim_s
        if before is None or before[0] > sim_s or before[1].shape != attribution.shape:
            return None
        size = jump(before[1], attribution, self._scale)
        as_usual = abs(sim_s - before[0] - self._apart_s) <= ALIKE * self._apart_s
        if self._limit is not None and as_usual:
            return Jump(size, self._limit)
        limit = self._own_limit(sim_s - self._begin_s)
        self._count += 1
        self._total += size
        self._squares += size**2
        return Jump(size, limit)

    def _own_limit(self, driven_s: float) -> float | None:
        """Return the limit by the jumps so far; made anew when there are a tenth more of them."""
        if driven_s < LEARN_S or self._count < LEAST_MAPS:
            return None
        if self._count >= 1.1 * self._own_count:
            fitted = _fitted(self._count, self._total, self._squares)
            self._own = None if fitted is None else fitted.above(self._rate)
            self._own_count = self._count
        return self._own
