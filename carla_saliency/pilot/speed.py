"""Holds a set speed, slows for curves, stops behind what is ahead and at red lights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from carla_saliency.core import LaneView

SIDEWAYS_MPS2 = 2.5  # comfortable in a curve
_BRAKING_MPS2 = 2.0  # planned with; the pedal goes further where that was not enough
_HARDEST_MPS2 = 8.0
_QUICKEST_MPS2 = 3.0
_SLOWING_PER_S = 1.5  # wished acceleration for each m/s of error
_STANDOFF_M = 4.0  # behind what is ahead
_HEADWAY_S = 0.8  # and so much more for each m/s of its speed
_STOP_BEFORE_M = 1.0  # before a stop line
_DEAD_END_M = 25.0  # a path is cut at forks, but never nearer than 30 m: here it is the road's end
_END_BEFORE_M = 4.0
_STANDSTILL_MPS = 0.3
_HOLD_BRAKE = 0.5

# Pedals of CARLA's cars: throttle 1 gives some 4 m/s2, brake 1 some 8 m/s2. The rest is learned:
# `_holding` is the throttle that keeps the speed against drag and slope.
_THROTTLE_PER_MPS2 = 0.2
_BRAKE_PER_MPS2 = 0.12
_LEARN_PER_S = 0.15
_MOST_HOLDING = 0.7
_COAST_MPS2 = 0.6  # slowing by less than this is left to the drag: no fidgeting with the pedals
_THROTTLE_PER_S = 2.0
_BRAKE_PER_S = 4.0
_LONGEST_STEP_S = 0.2


@dataclass(frozen=True, slots=True)
class Pedals:
    """What the feet do; never both.

    Attributes:
        throttle: In [0, 1].
        brake: In [0, 1].
    """

    throttle: float = 0.0
    brake: float = 0.0


class SpeedControl:
    """Works the pedals towards a speed.

    Args:
        set_speed_mps: Never exceeded on purpose.

    Raises:
        ValueError: If the set speed is not positive.
    """

    def __init__(self, set_speed_mps: float) -> None:
        if not 0.0 < set_speed_mps < math.inf:
            raise ValueError(f"set_speed_mps must be more than 0, received {set_speed_mps!r}")
        self.set_speed_mps = set_speed_mps
        self._last_s: float | None = None
        self._pedals = Pedals()
        self._holding = 0.0

    def pedals(self, speed_mps: float, lane: LaneView | None, sim_s: float) -> Pedals:
        """Return the pedals for the next tick.

        Args:
            speed_mps: Along the car, backwards negative.
            lane: What is ahead; off the road (None) the car is stopped.
            sim_s: Simulated time; the pedals move no faster than a foot.
        """
        step_s = 0.0 if self._last_s is None else max(0.0, sim_s - self._last_s)
        step_s = min(step_s, _LONGEST_STEP_S)
        self._last_s = sim_s
        target_mps = 0.0 if lane is None else self.target_mps(lane)
        self._pedals = self._towards(target_mps, speed_mps, step_s)
        return self._pedals

    def target_mps(self, lane: LaneView) -> float:
        """Return the speed that the road ahead allows, at most the set speed."""
        limits = [self.set_speed_mps, _curve_limit(lane)]
        if lane.gap_m is not None:
            away_m = lane.gap_m - _STANDOFF_M - _HEADWAY_S * lane.ahead_speed_mps
            limits.append(_limit(lane.ahead_speed_mps, away_m))
        if lane.stop_in_m is not None:
            limits.append(_limit(0.0, lane.stop_in_m - _STOP_BEFORE_M))
        if len(lane.path) < _DEAD_END_M:
            limits.append(_limit(0.0, len(lane.path) - 1.0 - _END_BEFORE_M))
        return min(limits)

    def _towards(self, target_mps: float, speed_mps: float, step_s: float) -> Pedals:
        if target_mps < _STANDSTILL_MPS and abs(speed_mps) < 2 * _STANDSTILL_MPS:
            return self._moved(Pedals(brake=_HOLD_BRAKE), step_s)
        error_mps = target_mps - speed_mps
        wished = min(max(_SLOWING_PER_S * error_mps, -_HARDEST_MPS2), _QUICKEST_MPS2)
        if wished < -_COAST_MPS2:
            brake = min(1.0, _BRAKE_PER_MPS2 * (-wished - _COAST_MPS2 / 2))
            return self._moved(Pedals(brake=brake), step_s)
        if abs(error_mps) < 1.0:  # not while it speeds up: that would overshoot
            learned = self._holding + _LEARN_PER_S * error_mps * step_s
            self._holding = min(max(learned, 0.0), _MOST_HOLDING)
        throttle = min(max(self._holding + _THROTTLE_PER_MPS2 * wished, 0.0), 1.0)
        return self._moved(Pedals(throttle=throttle), step_s)

    def _moved(self, wished: Pedals, step_s: float) -> Pedals:
        """Return the pedals on their way to where they are wished; a foot leaves one at once."""
        last = self._pedals
        return Pedals(
            throttle=min(wished.throttle, last.throttle + _THROTTLE_PER_S * step_s),
            brake=min(wished.brake, last.brake + _BRAKE_PER_S * step_s),
        )


def _curve_limit(lane: LaneView) -> float:
    """Return the speed from which every curve of the path ahead can still be met slowly enough."""
    curvature = np.maximum(np.abs(lane.path_curvature), 1e-6)
    away_m = np.arange(len(curvature), dtype=np.float64)
    return float(np.sqrt(SIDEWAYS_MPS2 / curvature + 2.0 * _BRAKING_MPS2 * away_m).min())


def _limit(then_mps: float, away_m: float) -> float:
    """Return the speed from which a lower one can be reached within a distance."""
    return math.sqrt(max(0.0, then_mps**2 + 2.0 * _BRAKING_MPS2 * away_m))
