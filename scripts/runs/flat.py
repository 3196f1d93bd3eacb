"""Explains many frames with each fast method, and looks for growth of time or memory.

python flat.py FRAMES. Prints a table; ends with 1 if memory grew by more than 2 MB, or the last
tenth took a quarter longer than the first.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import numpy as np

from carla_saliency.core import Frame
from carla_saliency.factory import load_steering, make_explainers

METHODS = ("contrast", "gradient", "guided", "layercam", "visualbackprop")
PICTURES = 50  # so many different ones, again and again
GROWTH_MB, SLOWER = 2.0, 1.25


def resident_mb() -> float:
    """Return the memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> int:
    frames = int(sys.argv[1])
    tenth = max(1, frames // 10)
    steering = load_steering()
    pictures = np.random.default_rng(0).integers(0, 256, (PICTURES, 360, 640, 3), np.uint8)
    failed = False
    print(
        f"| method | frames | first {tenth}, ms | last {tenth}, ms "
        f"| MB after {tenth} | MB at the end |"
    )
    print("|---|---|---|---|---|---|")
    for name, explainer in make_explainers(steering, METHODS[0]).items():
        if name not in METHODS:
            continue
        times_ms, begin_mb = [], 0.0
        for i in range(frames):
            begin_s = time.perf_counter()
            explainer.explain(Frame(i, i * 0.05, pictures[i % PICTURES]))
            times_ms.append((time.perf_counter() - begin_s) * 1000)
            if i == tenth - 1:
                begin_mb = resident_mb()
        first, last = (statistics.median(part) for part in (times_ms[:tenth], times_ms[-tenth:]))
        end_mb = resident_mb()
        print(f"| {name} | {frames} | {first:.2f} | {last:.2f} | {begin_mb:.1f} | {end_mb:.1f} |")
        failed |= end_mb - begin_mb > GROWTH_MB or last > SLOWER * first
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
