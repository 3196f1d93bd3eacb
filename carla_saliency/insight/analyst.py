"""Finds out about every step of a drive what fits into its tick."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from carla_saliency.core import (
    CausalCheck,
    ClassEffects,
    DriveStep,
    Explanation,
    Findings,
    Frame,
    Novelty,
)
from carla_saliency.insight.comparing import Comparing
from carla_saliency.insight.examiner import Examiner
from carla_saliency.insight.triggers import Triggers

TINY_S = 1e-6  # simulated times are sums of ticks
CHECK_EVERY_S = 1.0  # what of the map check costs as much as a map
BLOBS_EVERY = 10  # frames
NOVELTY_EVERY = 2  # maps
SHARE_OF_TICK = 0.25  # that painting the classes over may take
MEASURED = 3  # calls; the first ones compile and warm up


class Analyst:
    """Examines each step once; use it in the thread of the drive.

    Args:
        examiners: Of the networks, by letter; the one that drives is examined.
        triggers: Watch for events; of each network.
        comparing: Compares with the shadow; None without one.
        tick_s: Simulated, and wanted wall, seconds of a tick.
        effects_every: Classes are painted over in every n-th map; None = as many as fit, measured.
        say: Is told one line when n was measured and is not 1.
        clock: Seconds.

    Attributes:
        checks_blobs: It is asked whether a map's strongest blobs move the steering: at once, then
            every tenth frame, or as soon as there is a map.
    """

    def __init__(
        self,
        examiners: Mapping[Literal["A", "B"], Examiner],
        triggers: Mapping[Literal["A", "B"], Triggers],
        comparing: Comparing | None = None,
        tick_s: float = 0.05,
        effects_every: int | None = None,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._examiners, self._all_triggers, self._comparing = examiners, triggers, comparing
        self._triggers = triggers["A"]
        self._tick_s, self._say, self._clock = tick_s, say, clock
        self._every = effects_every
        self._took_s: list[float] = []
        self.checks_blobs = False
        self._forget()

    def forget(self) -> None:
        """Begin anew: the car is in another place, which looks otherwise."""
        for examiner in self._examiners.values():
            examiner.forget()
        self._forget()

    def _forget(self) -> None:
        self._last: tuple[int, Explanation, Examiner] | None = None
        self._maps = 0
        self._checked_s = -math.inf
        self._effects: ClassEffects | None = None
        self._causal: CausalCheck | None = None
        self._novelty: Novelty | None = None
        self._found = Findings()

    @property
    def usual_on_road(self) -> float | None:
        """Share of the attention that is usual on road and lines; None if not known yet."""
        return self._triggers.usual_on_road

    @property
    def is_calibrated(self) -> bool:
        """Whether a nominal drive of the network at hand was measured by the method at hand."""
        return self._triggers.is_calibrated

    def examine(self, step: DriveStep) -> DriveStep:
        """Return the step with what was found out about it."""
        decision, found = step.decision, Findings()
        letter = self._letter(step)
        if self._triggers is not self._all_triggers[letter]:  # drivers were swapped
            self._triggers = self._all_triggers[letter]
            self._triggers.forget()
        explanation = decision.explanation
        frame = decision.explained or decision.masked or step.observation.frame
        if explanation is not None:
            found = self._of_map(self._examiners[letter], frame, explanation)
        events = []
        if self._comparing is not None:
            comparison, event = self._comparing.add(step)
            found = replace(found, comparison=comparison)
            events += [event] if event is not None else []
        step = replace(step, findings=found)
        events += self._triggers.look(step)
        found = replace(found, events=tuple(events), off_road_s=self._triggers.off_road_s)
        return replace(step, findings=found)

    @staticmethod
    def _letter(step: DriveStep) -> Literal["A", "B"]:
        """Return whose steering and map the step has: that of the network that drives."""
        shadow = step.decision.shadow
        return "B" if shadow is not None and shadow.letter == "A" else "A"

    def _of_map(self, examiner: Examiner, frame: Frame, explanation: Explanation) -> Findings:
        """Return what is known of a map; one that was seen before is not examined again."""
        if self._last is not None:
            frame_id, last, by = self._last
            if last is explanation and frame_id == frame.frame_id and by is examiner:
                return self._found
            same_method = (last.method, last.meaning) == (explanation.method, explanation.meaning)
            if not same_method or by is not examiner:
                self._forget()
        self._last = frame.frame_id, explanation, examiner
        since_s = frame.sim_s - self._checked_s
        full = since_s >= CHECK_EVERY_S - TINY_S or since_s < 0
        if full:
            self._checked_s = frame.sim_s
        if self._maps % (self._every or 1) == 0:
            self._effects = self._without(examiner, frame, explanation.steering)
        if self._maps % NOVELTY_EVERY == 0:
            self._novelty = examiner.novelty(frame)
        if not self.checks_blobs:
            self._causal = None
        elif self._is_old(self._causal, frame):
            self._causal = examiner.blobs(frame, explanation)
        self._maps += 1
        self._found = Findings(
            shares=examiner.shares(frame, explanation),
            effects=self._effects,
            causal=self._causal,
            check=examiner.check(frame, explanation, "full" if full else "cheap"),
            novelty=self._novelty,
        )
        return self._found

    @staticmethod
    def _is_old(causal: CausalCheck | None, frame: Frame) -> bool:
        return causal is None or not 0 <= frame.frame_id - causal.frame_id < BLOBS_EVERY

    def _without(self, examiner: Examiner, frame: Frame, steering: float) -> ClassEffects | None:
        """Return the effects of the classes; the first ones tell how often there is time."""
        begin_s = self._clock()
        effects = examiner.without(frame, steering)
        if self._every is None and effects is not None:
            self._took_s.append(self._clock() - begin_s)
            if len(self._took_s) >= MEASURED:
                took_s = min(self._took_s)
                self._every = max(1, math.ceil(took_s / (SHARE_OF_TICK * self._tick_s)))
                if self._every > 1:
                    self._say(
                        f"painting the classes over takes {took_s * 1000:.0f} ms: done for one "
                        f"map in {self._every} (--classes-every {self._every} does the same again)"
                    )
        return effects
