"""Which moments of a drive are worth keeping: what has been out of the usual for long enough.

Collisions, lane departures and interventions come with what is observed; here are those that only
the network and its map show. Where the expert must steer, in a turning junction, nothing is judged:
no network learned from such pictures, so there they are always out of the usual.
"""

from __future__ import annotations

import math

import numpy as np

from carla_saliency.core import (
    ClassShares,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Novelty,
)
from carla_saliency.insight.calibration import Calibration, Nominal
from carla_saliency.insight.jumps import JumpCheck

AGAIN_S = 3.0
"""The same kind of event happens at most once in this time."""

DISAGREE_DEG = 10.0
DISAGREE_S = 0.3
AGREE = 0.7  # of the bound: below it a disagreement is over

OFF_ROAD = 0.5  # of the usual attention on road and lines
ON_ROAD_AGAIN = 0.7
OFF_ROAD_S = 0.5
ON_ROAD_S = 2.0

NOVEL_S = 0.5
KNOWN_AGAIN = 0.9  # of the limit

OVER_S = 0.5  # below the lower bound for so long: it is over
LEARN_S = 10.0
CALM_S = 1.0  # after the car was put back
MOVING_MPS = 1.0  # slower, the map of a car that stands hardly changes
BINS = 200


class Triggers:
    """Watches finished steps for what is out of the usual.

    Args:
        calibration: Of the network; without one, the usual is learned from the drive's first 10 s
            on, and nothing is new.
        lock_deg: Angle of the live car's wheels at steering 1.
        disagree_deg: Difference of network and expert that is too much, at the wheels.
    """

    def __init__(
        self,
        calibration: Calibration | None,
        lock_deg: float,
        disagree_deg: float = DISAGREE_DEG,
    ) -> None:
        self._calibration = calibration
        self._lock_deg, self._disagree_deg = lock_deg, disagree_deg
        self._last_s = self._calm_s = -math.inf
        self._disagreement = _Alarm(DISAGREE_S, OVER_S)
        self._novelty = _Alarm(NOVEL_S, OVER_S)
        self._map: tuple[str, str, tuple[int, ...], bool] | None = None
        self._maps = _Maps(None)

    @property
    def off_road_s(self) -> float:
        """For how long the attention on road and lines has been far below the usual; 0 = not."""
        return self._maps.off_road_s

    @property
    def usual_on_road(self) -> float | None:
        """Share of road and lines that is usual for the maps at hand; None if not known yet."""
        return self._maps.usual_on_road

    @property
    def is_calibrated(self) -> bool:
        """Whether the limits for the maps at hand are from a nominal drive, not from this one."""
        return self._maps.is_calibrated

    def forget(self) -> None:
        """Begin anew: another drive, or another network."""
        self._last_s = self._calm_s = -math.inf
        self._disagreement = _Alarm(DISAGREE_S, OVER_S)
        self._novelty = _Alarm(NOVEL_S, OVER_S)
        self._map, self._maps = None, _Maps(None)

    def look(self, step: DriveStep) -> tuple[Event, ...]:
        """Return what happened in a step, beside what was observed.

        Args:
            step: The newest one, with its findings; each once.
        """
        observation, decision, findings = step.observation, step.decision, step.findings
        sim_s = observation.frame.sim_s
        if sim_s < self._last_s:
            self.forget()
        self._last_s = sim_s
        self._notice(decision)
        if any(event.kind is EventKind.INTERVENTION for event in observation.events):
            self._calm_s = sim_s + CALM_S
        lane = observation.lane
        if sim_s < self._calm_s or (lane is not None and lane.expert_must_steer):
            self._disagreement.end()
            self._novelty.end()
            self._maps.end()
            return ()
        texts = {
            EventKind.DISAGREEMENT: self._disagrees(sim_s, step),
            EventKind.ATTENTION: self._maps.look_away(sim_s, findings.shares),
            EventKind.JUMP: self._maps.jump(sim_s, step),
            EventKind.NOVELTY: self._is_new(sim_s, findings.novelty),
        }
        frame_id = observation.frame.frame_id
        return tuple(Event(kind, frame_id, text) for kind, text in texts.items() if text)

    def _disagrees(self, sim_s: float, step: DriveStep) -> str:
        network, expert = step.decision.network_steering, step.decision.expert_steering
        if network is None or expert is None or step.observation.lane is None:
            self._disagreement.end()
            return ""
        network_deg, expert_deg = network * self._lock_deg, expert * self._lock_deg
        apart_deg = abs(network_deg - expert_deg)
        bound_deg = self._disagree_deg
        if self._disagreement.look(sim_s, apart_deg > bound_deg, apart_deg < AGREE * bound_deg):
            return f"network {_signed(network_deg)}°, expert {_signed(expert_deg)}°"
        return ""

    def _is_new(self, sim_s: float, novelty: Novelty | None) -> str:
        if novelty is None:
            self._novelty.end()
            return ""
        distance, limit = novelty.distance, novelty.limit
        if self._novelty.look(sim_s, distance > limit, distance < KNOWN_AGAIN * limit):
            return f"distance {distance:.1f}, limit {limit:.1f}"
        return ""

    def _notice(self, decision: Decision) -> None:
        """Begin anew where the maps become those of something else."""
        explanation = decision.explanation
        if explanation is None:
            return
        method, of = explanation.method, explanation.meaning.of
        now = method, of, explanation.attribution.shape, decision.masked is not None
        if now == self._map:
            return
        nominal = None
        if self._calibration is not None and of == "steering":
            nominal = self._calibration.nominal_for(method)
        self._map, self._maps = now, _Maps(nominal)


class _Maps:
    """Watches maps of one kind: where the attention lies, and how it jumps.

    Args:
        nominal: What is usual for them; None = what this drive says.
    """

    def __init__(self, nominal: Nominal | None) -> None:
        self._nominal = nominal
        self._running = _RunningMedian()
        self._counted: int | None = None  # frame of the newest shares that the median knows
        self._attention = _Alarm(OFF_ROAD_S, ON_ROAD_S)
        self._jumping = _Alarm(0.0, OVER_S)
        self._in_a_row = 0
        self._check = JumpCheck()
        if nominal is not None:
            self._check = JumpCheck(nominal.jumps, nominal.map_scale, nominal.apart_s)
        self.is_calibrated = nominal is not None
        self.off_road_s = 0.0

    @property
    def usual_on_road(self) -> float | None:
        if self._nominal is not None and math.isfinite(self._nominal.on_road):
            return self._nominal.on_road
        return self._running.median

    def end(self) -> None:
        """Let the next map follow no other."""
        self._attention.end()
        self._jumping.end()
        self._check.skip()
        self._in_a_row, self.off_road_s = 0, 0.0

    def look_away(self, sim_s: float, shares: ClassShares | None) -> str:
        """Return what to say where the attention has left the road; "" else."""
        if shares is None or not shares.share.any():  # a map that is 0 looks nowhere
            self._attention.end()
            self.off_road_s = 0.0
            return ""
        now, usual = shares.on_road, self.usual_on_road
        if shares.frame_id != self._counted:  # a map that is shown for several ticks counts once
            self._counted = shares.frame_id
            self._running.add(sim_s, now)
        if usual is None:
            return ""
        alarm = self._attention
        begins = alarm.look(sim_s, now < OFF_ROAD * usual, now > ON_ROAD_AGAIN * usual)
        self.off_road_s = 0.0 if alarm.since_s is None else sim_s - alarm.since_s
        return f"road + lines {now * 100:.0f} %, usual {usual * 100:.0f} %" if begins else ""

    def jump(self, sim_s: float, step: DriveStep) -> str:
        """Return what to say where two maps in a row jumped; "" else."""
        explanation = step.decision.explanation
        if explanation is None or step.observation.speed_mps < MOVING_MPS:
            self._check.skip()
            return ""
        explained = step.decision.explained or step.observation.frame
        found = self._check.look(explanation.attribution, explained.sim_s)
        if found is None:
            return ""
        self._in_a_row = self._in_a_row + 1 if found.is_unusual else 0
        begins = self._jumping.look(sim_s, self._in_a_row >= 2, not found.is_unusual)
        if not begins or found.limit is None:
            return ""
        return f"by {found.size / found.limit:.1f} × the limit"


class _Alarm:
    """Goes off where something has lasted, ends where the opposite has, and is never hasty.

    Args:
        on_s: How long it must last.
        over_s: How long it must be over.

    Attributes:
        since_s: When what it is about began; None while it is off.
    """

    def __init__(self, on_s: float, over_s: float) -> None:
        self._on_s, self._over_s = on_s, over_s
        self._went_off_s = -math.inf
        self._raised_s: float | None = None
        self._over_since_s: float | None = None
        self.since_s: float | None = None

    def look(self, sim_s: float, raised: bool, over: bool) -> bool:
        """Return whether it goes off just now."""
        self._raised_s = _since(self._raised_s, sim_s, raised)
        self._over_since_s = _since(self._over_since_s, sim_s, over)
        if self.since_s is not None:
            if _lasted(sim_s, self._over_since_s, self._over_s):
                self.since_s = None
            return False
        if not _lasted(sim_s, self._raised_s, self._on_s):
            return False
        self.since_s = self._raised_s
        if sim_s - self._went_off_s < AGAIN_S:
            return False  # the same again: it is one event
        self._went_off_s = sim_s
        return True

    def end(self) -> None:
        """Be off, and know nothing of what was."""
        self._raised_s = self._over_since_s = self.since_s = None


class _RunningMedian:
    """Of a share over the drive so far, in bins of half a per cent."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._begin_s: float | None = None
        self._last_s = 0.0

    def add(self, sim_s: float, share: float) -> None:
        self._begin_s = sim_s if self._begin_s is None else self._begin_s
        self._last_s = sim_s
        self._counts[min(int(share * BINS), BINS - 1)] += 1

    @property
    def median(self) -> float | None:
        if self._begin_s is None or self._last_s - self._begin_s < LEARN_S:
            return None
        sums = self._counts.cumsum()
        return (int(np.searchsorted(sums, sums[-1] / 2)) + 0.5) / BINS


def _since(since_s: float | None, now_s: float, holds: bool) -> float | None:
    """Return since when something holds; None if it does not."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _lasted(now_s: float, since_s: float | None, span_s: float) -> bool:
    return since_s is not None and now_s - since_s >= span_s - 1e-6


def _signed(angle_deg: float) -> str:
    return f"{angle_deg:+.1f}".replace("-", "−")
