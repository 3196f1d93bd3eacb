"""The numbers of one drive: how far, how well, how fast."""

from __future__ import annotations

import time
from typing import Any

from carla_saliency.attention import Attention
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
        lock_deg: Of the network, for the attention by class in degrees.
        by_frames: Somebody else ticks: time passes as the frames say, and some may be missed.

    Attributes:
        method: The last saliency method.
        sim_seconds: Simulated seconds so far.
        map_every: It explained every n-th frame; given as --every, the drive has the same maps.
    """

    def __init__(
        self,
        delta_s: float,
        clock: Clock = time.perf_counter,
        lock_deg: float | None = None,
        by_frames: bool = False,
    ) -> None:
        self._attention = Attention(lock_deg)
        self._delta_s, self._by_frames = delta_s, by_frames
        self._frame_s: float | None = None
        self._clock = clock
        self._first_s = self._last_s = clock()
        self.timer = TickTimer(clock)
        self.ticks = 0
        self.sim_seconds = 0.0
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
        passed_s = self._passed_s(step.observation.frame.sim_s)
        self.sim_seconds += passed_s
        self.distance_m += abs(step.observation.speed_mps) * passed_s
        if step.decision.explanation is not None:
            self.method = step.decision.explanation.method
            self.map_every = step.decision.every
        if step.decision.driver == "network":
            self.network_seconds += passed_s
        for event in (*step.observation.events, *step.findings.events):
            self.counts[event.kind] += 1
        self._attention.add(step.findings)
        self.timer.add("server", step.observation.server_ms)
        for part, duration_ms in step.decision.timing_ms.items():
            self.timer.add(part, duration_ms)

    def _passed_s(self, frame_s: float) -> float:
        """Return the simulated seconds since the last step."""
        last_s, self._frame_s = self._frame_s, frame_s
        if not self._by_frames or last_s is None or frame_s <= last_s:  # another episode
            return self._delta_s
        return frame_s - last_s

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
            "events": {kind.value: count for kind, count in self.counts.items() if count},
            "attention": self._attention.as_json(),
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
