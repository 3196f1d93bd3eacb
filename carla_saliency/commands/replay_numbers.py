"""The numbers of a replay: how far networks are apart over a whole drive in which one steered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.commands.replay_pilot import of_network_a, of_network_b
from carla_saliency.core import Decision, Driver, DriveStep, Explanation
from carla_saliency.timing import Clock

MUCH_DEG = 0.5
"""At the wheels: what a person would notice."""
MOMENTS, APART_S = 5, 2.0  # of the largest differences are told, so far from each other


@dataclass(frozen=True, slots=True)
class _Row:
    """What was steered in one step, in commands to the live car; NaN where nobody knows."""

    sim_s: float
    frame_id: int
    driver: Driver
    recorded: float
    a: float
    b: float
    expert: float
    map_error: float


class ReplayNumbers:
    """Counts each step of a record once, however often it is played.

    Args:
        lock_deg: Of the live car's wheels at steering 1.
        names: Of network A, which drove, and of B; "" without a second one.
        alone: Only B is asked; A is as it was recorded.
        clock: Wall seconds.
    """

    def __init__(
        self,
        lock_deg: float,
        names: tuple[str, str],
        alone: bool = False,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._lock_deg, self._names, self._alone = lock_deg, names, alone
        self._rows: dict[int, _Row] = {}
        self._clock = clock
        self._begin_s: float | None = None
        self._end_s = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, index: int, recorded: DriveStep, decision: Decision) -> None:
        """Count a step.

        Args:
            index: In the record.
            recorded: As it was.
            decision: With what the networks say now.
        """
        self._end_s = self._clock()
        self._begin_s = self._end_s if self._begin_s is None else self._begin_s
        was, was_map = of_network_a(recorded.decision)
        now, now_map = of_network_a(decision)
        frame, lane = recorded.observation.frame, recorded.observation.lane
        told = lane is None or not lane.expert_must_steer  # else no network can know where to go
        self._rows[index] = _Row(
            frame.sim_s,
            frame.frame_id,
            recorded.decision.driver,
            _or_nan(was),
            np.nan if self._alone else _or_nan(now),
            _or_nan(of_network_b(decision)[0]) if self._names[1] else np.nan,
            _or_nan(recorded.decision.expert_steering) if told else np.nan,
            np.nan if self._alone else _apart(was_map, now_map),
        )

    def as_json(self) -> dict[str, Any]:
        """Return what `--summary` writes; degrees are at the live car's wheels."""
        rows = [self._rows[index] for index in sorted(self._rows)]
        recorded, a, b, expert = (
            np.array([getattr(row, name) for row in rows]) * self._lock_deg
            for name in ("recorded", "a", "b", "expert")
        )
        own = recorded if self._alone else a
        wall_s = 0.0 if self._begin_s is None else self._end_s - self._begin_s
        found: dict[str, Any] = {
            "frames": len(rows),
            "wall_seconds": round(wall_s, 3),
            "frames_per_second": round((len(rows) - 1) / wall_s, 1) if wall_s > 0 else None,
            "networks": {"A": self._names[0], "B": self._names[1] or None},
            "as_recorded": None if self._alone else self._as_recorded(rows, a - recorded),
            "difference": self._difference(rows, b - own) if self._names[1] else None,
            "expert": {"A": _sizes(own - expert)},
        }
        if self._names[1]:
            found["expert"]["B"] = _sizes(b - expert)
        return found

    # -------------------------------------------------------------- inside

    def _as_recorded(self, rows: list[_Row], apart_deg: NDArray[np.float64]) -> dict[str, Any]:
        maps = _known(np.array([row.map_error for row in rows]))
        apart_deg = np.abs(_known(apart_deg))
        return {
            "steering_max": float(apart_deg.max() / self._lock_deg) if apart_deg.size else None,
            "maps": int(maps.size),
            "maps_max": float(maps.max()) if maps.size else None,
        }

    def _difference(self, rows: list[_Row], apart_deg: NDArray[np.float64]) -> dict[str, Any]:
        drivers = np.array([row.driver for row in rows])
        return {
            **_sizes(apart_deg),
            "moments": self._moments(rows, apart_deg),
            "by_driver": {
                str(driver): _sizes(apart_deg[drivers == driver]) for driver in sorted(set(drivers))
            },
        }

    @staticmethod
    def _moments(rows: list[_Row], apart_deg: NDArray[np.float64]) -> list[dict[str, Any]]:
        """Return the moments at which the difference is largest, the largest first."""
        found: list[_Row] = []
        moments: list[dict[str, Any]] = []
        for at in np.argsort(-np.nan_to_num(np.abs(apart_deg)), kind="stable"):
            row = rows[at]
            if len(moments) == MOMENTS or np.isnan(apart_deg[at]):
                break
            if any(abs(row.sim_s - other.sim_s) < APART_S for other in found):
                continue
            found.append(row)
            moments.append(
                {
                    "sim_seconds": round(row.sim_s, 3),
                    "frame": row.frame_id,
                    "difference_deg": round(float(apart_deg[at]), 3),
                    "driver": row.driver,
                }
            )
        return moments


def table(numbers: dict[str, Any]) -> str:
    """Return the table that ends a replay, as plain text."""
    rate = numbers["frames_per_second"]
    lines = [("frames", f"{numbers['frames']}" + (f", {rate:g}/s" if rate else ""))]
    lines.append(("network A", f"{numbers['networks']['A']}, which drove"))
    same = numbers["as_recorded"]
    if same is not None and same["steering_max"] is not None:
        lines.append(("A's steering", f"as recorded to {same['steering_max']:.1e}"))
    if same is not None and same["maps"]:
        lines.append(("A's maps", f"as recorded to {same['maps_max']:.1e} of the strongest pixel"))
    if numbers["difference"] is not None:
        lines += _lines_of_b(numbers)
    for letter, sizes in numbers["expert"].items():
        if sizes["frames"]:
            lines.append((f"{letter} to the expert", f"{_words(sizes)} (not in turning junctions)"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)


def _lines_of_b(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    difference = numbers["difference"]
    lines = [
        ("network B", f"{numbers['networks']['B']}, shown the same frames (open loop)"),
        ("B − A", _words(difference)),
    ]
    if len(difference["by_driver"]) > 1:
        for driver, sizes in difference["by_driver"].items():
            lines.append((f"  {driver} steered", f"{sizes['frames']} frames: {_words(sizes)}"))
    for moment in difference["moments"]:
        side = "right" if moment["difference_deg"] > 0 else "left"
        lines.append(
            (
                f"  at {moment['sim_seconds']:.2f} s",
                f"B steers {abs(moment['difference_deg']):.1f}° further {side} "
                f"(frame {moment['frame']}, {moment['driver']} steered)",
            )
        )
    return lines


def _words(sizes: dict[str, Any]) -> str:
    if not sizes["frames"]:
        return "not known"
    return (
        f"mean {sizes['mean_deg']:.2f}°, 95 % below {sizes['p95_deg']:.2f}°, "
        f"largest {sizes['max_deg']:.2f}°; above {MUCH_DEG:g}° in {sizes['above'] * 100:.0f} %"
    )


def _sizes(values_deg: NDArray[np.float64]) -> dict[str, Any]:
    """Return how large differences are, as magnitudes; those not known are left out."""
    sizes = np.abs(_known(values_deg))
    if not sizes.size:
        return {"frames": 0, "mean_deg": None, "p95_deg": None, "max_deg": None, "above": None}
    return {
        "frames": int(sizes.size),
        "mean_deg": round(float(sizes.mean()), 4),
        "p95_deg": round(float(np.percentile(sizes, 95)), 4),
        "max_deg": round(float(sizes.max()), 4),
        "above": round(float(np.mean(sizes > MUCH_DEG)), 4),
    }


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _apart(was: Explanation | None, now: Explanation | None) -> float:
    """Return how far two maps of one frame are apart, part of the strongest pixel; NaN if others.

    16 bits of the record are 1.5e-5 of it.
    """
    if was is None or now is None or was.frame_id != now.frame_id or was.method != now.method:
        return np.nan
    if was.meaning != now.meaning or was.attribution.shape != now.attribution.shape:
        return np.nan
    strongest = float(np.abs(was.attribution).max())
    error = float(np.abs(was.attribution - now.attribution).max())
    return error / strongest if strongest > 0 else (0.0 if error == 0 else np.inf)
