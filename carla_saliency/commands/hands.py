"""A person at the wheel."""

from __future__ import annotations

import time
from collections.abc import Callable

from carla_saliency.core import Control, HeldKeys
from carla_saliency.pilot.manual import ManualDriving

HANDS_OFF_S = 0.5  # not asked for so long: nobody drove meanwhile, so the wheel is straight again


class HandDriving:
    """Turns the window's held keys into a control, by wall time."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._driving = ManualDriving()
        self._clock = clock
        self._last_s = clock()

    def __call__(self, keys: HeldKeys) -> Control:
        """Return the control for the keys that are held now."""
        now_s = self._clock()
        passed_s, self._last_s = now_s - self._last_s, now_s
        if passed_s > HANDS_OFF_S:
            self._driving, passed_s = ManualDriving(), 0.0
        return self._driving.move(keys, passed_s)
