"""Where the milliseconds of a tick go."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

Clock = Callable[[], float]


class TickTimer:
    """Collects the wall time of each part of each tick.

    Args:
        clock: Seconds that only grow; passed in by tests.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._parts_ms: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.latest_ms: dict[str, float] = {}

    def add(self, part: str, duration_ms: float) -> None:
        """Add a duration that was measured elsewhere."""
        self._parts_ms[part].append(duration_ms)
        self.latest_ms[part] = duration_ms

    @contextmanager
    def section(self, part: str) -> Iterator[None]:
        """Measure the `with` block as one sample of a part."""
        start = self._clock()
        yield
        self.add(part, (self._clock() - start) * 1000)

    def percentiles(self) -> dict[str, dict[str, float]]:
        """Return {part: {"p50": ms, "p99": ms}}, in the order in which the parts first came."""
        return {
            part: {
                "p50": round(float(np.percentile(samples, 50)), 3),
                "p99": round(float(np.percentile(samples, 99)), 3),
            }
            for part, samples in self._parts_ms.items()
        }


class Pacer:
    """Keeps simulated time from running ahead of real time.

    Args:
        delta_s: Simulated seconds per tick.
        pace: Simulated seconds per real second; 0 = as fast as it can.
        clock: Seconds that only grow.
    """

    def __init__(self, delta_s: float, pace: float, clock: Clock = time.perf_counter) -> None:
        self._interval_s = delta_s / pace if pace else 0.0
        self._clock = clock
        self._next_s = clock()

    def remaining_s(self) -> float:
        """Return how long to wait before the next tick is due; 0 if it is late."""
        return max(0.0, self._next_s - self._clock())

    def advance(self) -> None:
        """Note that a tick begins now; a loop that fell behind does not try to catch up."""
        self._next_s = max(self._next_s + self._interval_s, self._clock())
