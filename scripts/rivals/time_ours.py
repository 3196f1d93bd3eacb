"""carla_saliency, one thread. python time_ours.py FOLDER [--sgemm]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from clock import measure
from network import LAYERS, multiplications, picture

from carla_saliency.core import Inputs, Query, Seen
from carla_saliency.factory import read_steering
from carla_saliency.network.loading import Reading
from carla_saliency.saliency import METHODS, Options


def main() -> None:
    reading = Reading(parts={"scale": "0.00392156862745098", "crop": "0,360,0,640"})
    steering = read_steering(Path(sys.argv[1]) / "dave2.h5", reading)
    network, image = steering.network, picture()
    inputs = Inputs(image)
    nine = Query(targets=tuple((name, "mean") for name in LAYERS))
    if "--sgemm" in sys.argv:
        share_of_peak(lambda: network.run(Query(), inputs))
        return
    seen = Seen(0, (image[0] * 255).astype(np.uint8), inputs)
    smooth = METHODS["smoothgrad"](network, steering.feed, Options(samples=25))
    measure(
        {
            "steering": lambda: network.steer(inputs),
            "steering + map": lambda: network.run(Query(), inputs),
            "nine layers": lambda: network.run(nine, inputs),
            "SmoothGrad(25)": lambda: smooth.explain_seen(seen),
        }
    )


def share_of_peak(call: object) -> None:
    """Print what share of this core's own sgemm peak the steering and its map reach."""
    a, b = (np.random.default_rng(i).random((768, 768), np.float32) for i in (0, 1))
    best = {"sgemm": 1e9, "map": 1e9}
    for _ in range(300):  # side by side, since the clock of a shared core wanders
        for what, each in (("sgemm", lambda: a @ b), ("map", call)):
            begin = time.perf_counter()
            each()  # type: ignore[operator]
            best[what] = min(best[what], time.perf_counter() - begin)
    peak = 2 * 768**3 / best["sgemm"]
    reached = 2 * 2 * multiplications() / best["map"]  # forward, and back to the input
    print(f"{peak / 1e9:.0f} GFLOP/s sgemm, {reached / 1e9:.0f} reached: {reached / peak:.2f}")


main()
