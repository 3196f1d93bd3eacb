"""Holds a set speed, slows for curves, stops behind what is ahead and at red lights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import DEAD_END_M, LaneView

SIDEWAYS_MPS2 = 2.5
"""What is comfortable in a curve; a curve is met with the root of this over its curvature."""

_BRAKING_MPS2 = 1.5  # planned with; harder only where something came too suddenly for that
_HARDEST_MPS2 = 8.0
_QUICKEST_MPS2 = 3.0
_SPEEDING_PER_S = 1.5  # wished acceleration for each m/s that is missing
_STANDOFF_M = 4.0  # behind what is ahead
_HEADWAY_S = 0.8  # and so much more for each m/s of its speed
_STOP_BEFORE_M = 1.0  # before a stop line
_END_BEFORE_M = 4.0
_NEAREST_M = 0.5
_STANDSTILL_MPS = 0.3
_HOLD_BRAKE = 0.5

# Pedals of CARLA's cars: throttle 1 gives some 4 m/s2, brake 1 some 8 m/s2. The rest is learned:
# `_holding` is the throttle that keeps the speed against drag and slope.
_THROTTLE_PER_MPS2 = 0.2
_BRAKE_PER_MPS2 = 0.12
_LEARN = 0.1  # throttle for each m/s that was wished and did not come
_MOST_HOLDING = 0.7
_COAST_MPS2 = 0.6  # slowing by less than this is left to the drag: no fidgeting with the pedals
_THROTTLE_PER_S = 2.0
_BRAKE_PER_S = 4.0
_LONGEST_STEP_S = 0.2
_LARGEST_GAIN_MPS = 1.0  # more in one tick is a crash, or the car was put somewhere

Floats = NDArray[np.float64]


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
        self._last_mps = 0.0
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
        gained_mps = speed_mps - self._last_mps
        self._last_s, self._last_mps = sim_s, speed_mps
        then_mps, away_m = (np.zeros(1), np.zeros(1)) if lane is None else _limits(lane)
        target_mps = min(self.set_speed_mps, _reachable(then_mps, away_m))
        wished = min(_SPEEDING_PER_S * (target_mps - speed_mps), _QUICKEST_MPS2)
        needed = (speed_mps**2 - then_mps**2) / (2.0 * np.maximum(away_m, _NEAREST_M))
        if (slowing := float(needed.max())) > 0.8 * _BRAKING_MPS2:
            # The target falls while one brakes: following it by its error alone would lag behind.
            wished = min(wished, -slowing)
        wished = max(wished, -_HARDEST_MPS2)
        must_stand = target_mps < _STANDSTILL_MPS and abs(speed_mps) < 2 * _STANDSTILL_MPS
        pedals = Pedals(brake=_HOLD_BRAKE) if must_stand else self._for(wished, gained_mps, step_s)
        self._pedals = self._moved(pedals, step_s)
        return self._pedals

    def target_mps(self, lane: LaneView) -> float:
        """Return the speed that the road ahead allows, at most the set speed."""
        return min(self.set_speed_mps, _reachable(*_limits(lane)))

    def _for(self, wished: float, gained_mps: float, step_s: float) -> Pedals:
        """Return the pedals for an acceleration, given what came of the last ones."""
        if wished < -_COAST_MPS2:
            return Pedals(brake=min(1.0, _BRAKE_PER_MPS2 * (-wished - _COAST_MPS2 / 2)))
        was_put = abs(gained_mps) > _LARGEST_GAIN_MPS
        if self._pedals.brake == 0.0 and wished < _QUICKEST_MPS2 and not was_put:
            # What is missing to the wished acceleration, not to the speed: an integral of that
            # would grow all the while the car speeds up, and overshoot.
            learned = self._holding + _LEARN * (wished * step_s - gained_mps)
            self._holding = min(max(learned, 0.0), _MOST_HOLDING)
        return Pedals(min(max(self._holding + _THROTTLE_PER_MPS2 * wished, 0.0), 1.0))

    def _moved(self, wished: Pedals, step_s: float) -> Pedals:
        """Return the pedals on their way to where they are wished; a foot leaves one at once."""
        last = self._pedals
        return Pedals(
            throttle=min(wished.throttle, last.throttle + _THROTTLE_PER_S * step_s),
            brake=min(wished.brake, last.brake + _BRAKE_PER_S * step_s),
        )


def _limits(lane: LaneView) -> tuple[Floats, Floats]:
    """Return the speeds that hold ahead, in curves and where one must stop, and how far away."""
    curvature = np.maximum(np.abs(lane.path_curvature.astype(np.float64)), 1e-6)
    speeds = np.sqrt(SIDEWAYS_MPS2 / curvature)
    stops = []
    if lane.gap_m is not None:
        headway_m = _STANDOFF_M + _HEADWAY_S * lane.ahead_speed_mps
        stops.append((lane.ahead_speed_mps, lane.gap_m - headway_m))
    if lane.stop_in_m is not None:
        stops.append((0.0, lane.stop_in_m - _STOP_BEFORE_M))
    if len(lane.path) < DEAD_END_M:
        stops.append((0.0, len(lane.path) - 1.0 - _END_BEFORE_M))
    then_mps = np.concatenate([speeds, [speed for speed, _ in stops]])
    away_m = np.concatenate([np.arange(len(speeds)), [max(0.0, away) for _, away in stops]])
    return then_mps, away_m


def _reachable(then_mps: Floats, away_m: Floats) -> float:
    """Return the speed from which every one of the speeds can still be reached in time."""
    return float(np.sqrt(then_mps**2 + 2.0 * _BRAKING_MPS2 * away_m).min())
