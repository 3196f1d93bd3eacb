"""Times calls, and prints them as JSON: {what: [minimum, median]} in milliseconds."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

WARM_UP = 3


def measure(calls: dict[str, Callable[[], object]], seconds: float = 6.0) -> None:
    """Call each in turn for about so many seconds in all, at least 10 times, and print."""
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    times: dict[str, list[float]] = {what: [] for what in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < 10:
        for what, call in calls.items():
            begin = time.perf_counter()
            call()
            times[what].append((time.perf_counter() - begin) * 1000)
    print(json.dumps({what: [min(ms), statistics.median(ms)] for what, ms in times.items()}))
