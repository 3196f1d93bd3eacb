"""The numbers of one drive: how far, how well, how fast."""

from __future__ import annotations

import time
from typing import Any

from carla_saliency.core import DriveStep, EventKind
from carla_saliency.timing import Clock, TickTimer

SECONDS_PER_INTERVENTION = 6.0  # Bojarski et al. 2016, "End to End Learning for Self-Driving Cars"

# The parts of a tick as the table names them; `TickTimer` has the same keys.
PARTS = {
    "server": "server and camera",
    "network": "network and map",
    "insight": "insight",
    "draw": "draw",
    "window": "window",
    "record": "record",
}


def autonomy_percent(interventions: int, network_seconds: float) -> float | None:
    """Return PilotNet's autonomy, 0..100: six seconds are lost per intervention.

    Args:
        interventions: While the network steered.
        network_seconds: Simulated seconds in which the network steered.

    Returns:
        None if the network never steered.
    """
    if network_seconds <= 0:
        return None
    lost_s = SECONDS_PER_INTERVENTION * interventions
    return max(0.0, 100.0 * (1.0 - lost_s / network_seconds))


class DriveLog:
    """Counts what happens in a drive, step by step.

    Args:
        delta_s: Simulated seconds per tick.
        clock: Wall seconds that only grow.

    Attributes:
        method: The last saliency method.
        map_every: It explained every n-th frame; given as --every, the drive has the same maps.
    """

    def __init__(self, delta_s: float, clock: Clock = time.perf_counter) -> None:
        self._delta_s = delta_s
        self._clock = clock
        self._first_s = self._last_s = clock()
        self.timer = TickTimer(clock)
        self.ticks = 0
        self.distance_m = 0.0
        self.network_seconds = 0.0
        self.counts = dict.fromkeys(EventKind, 0)
        self.method: str | None = None
        self.map_every = 1

    def add(self, step: DriveStep) -> None:
        """Count one finished step."""
        self._last_s = self._clock()
        if self.ticks == 0:
            self._first_s = self._last_s
        self.ticks += 1
        self.distance_m += abs(step.observation.speed_mps) * self._delta_s
        if step.decision.explanation is not None:
            self.method = step.decision.explanation.method
            self.map_every = step.decision.every
        if step.decision.driver == "network":
            self.network_seconds += self._delta_s
        for event in step.observation.events:
            self.counts[event.kind] += 1
        self.timer.add("server", step.observation.server_ms)
        for part, duration_ms in step.decision.timing_ms.items():
            self.timer.add(part, duration_ms)

    @property
    def sim_seconds(self) -> float:
        """Simulated seconds so far."""
        return self.ticks * self._delta_s

    def as_json(self) -> dict[str, Any]:
        """Return what `--summary` writes."""
        wall_s = self._last_s - self._first_s
        autonomy = autonomy_percent(self.counts[EventKind.INTERVENTION], self.network_seconds)
        times = self.timer.percentiles()
        mean_mps = self.distance_m / self.sim_seconds if self.ticks else 0.0
        return {
            "ticks": self.ticks,
            "sim_seconds": round(self.sim_seconds, 3),
            "wall_seconds": round(wall_s, 3),
            "ticks_per_second": round((self.ticks - 1) / wall_s, 2) if wall_s > 0 else None,
            "distance_m": round(self.distance_m, 2),
            "mean_speed_kmh": round(mean_mps * 3.6, 2),
            "lane_departures": self.counts[EventKind.LANE_DEPARTURE],
            "collisions": self.counts[EventKind.COLLISION],
            "interventions": self.counts[EventKind.INTERVENTION],
            "network_seconds": round(self.network_seconds, 3),
            "autonomy_percent": None if autonomy is None else round(autonomy, 2),
            "method": self.method,
            "map_every": self.map_every,
            "timing_ms": {part: times[part] for part in PARTS if part in times},
        }


def table(numbers: dict[str, Any]) -> str:
    """Return the short table that ends a drive, as plain text."""
    autonomy, rate = numbers["autonomy_percent"], numbers["ticks_per_second"]
    rows = [
        ("ticks", f"{numbers['ticks']}"),
        ("simulated", f"{numbers['sim_seconds']:.1f} s"),
        ("wall", f"{numbers['wall_seconds']:.1f} s"),
        ("ticks per second", "-" if rate is None else f"{rate:.1f}"),
        ("distance", f"{numbers['distance_m']:.0f} m at {numbers['mean_speed_kmh']:.1f} km/h"),
        ("lane departures", f"{numbers['lane_departures']}"),
        ("collisions", f"{numbers['collisions']}"),
        ("interventions", f"{numbers['interventions']}"),
        ("network steered", f"{numbers['network_seconds']:.1f} s"),
        ("autonomy", "-" if autonomy is None else f"{autonomy:.1f} %"),
    ]
    lines = [f"{name:<18} {value:>24}" for name, value in rows]
    lines.append(f"{'milliseconds':<18} {'p50':>12}{'p99':>12}")
    lines += [
        f"{PARTS.get(part, part):<18} {times['p50']:>12.2f}{times['p99']:>12.2f}"
        for part, times in numbers["timing_ms"].items()
    ]
    return "\n".join(lines)
