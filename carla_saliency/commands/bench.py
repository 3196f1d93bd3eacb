"""`python -m carla_saliency.commands.bench`: what steering and its map cost, with no simulator."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from carla_saliency.core import Frame, Inputs
from carla_saliency.factory import Steering, load_steering, make_explainers
from carla_saliency.factory.probing import make_probe
from carla_saliency.insight.classes import tag_table
from carla_saliency.insight.examiner import Examiner
from carla_saliency.saliency import Options

ROAD, VEGETATION, SKY, LINES = 1, 9, 11, 24  # CARLA's tags
COLOURS = {
    ROAD: (90, 90, 92),
    VEGETATION: (70, 110, 50),
    SKY: (130, 170, 220),
    LINES: (230, 230, 225),
}
SECONDS = 2.0  # for each line of the table


def measure(call: Callable[[], object]) -> tuple[float, float]:
    """Return (minimum, median) milliseconds of a call."""
    call()  # the first compiles
    begin_s = time.perf_counter()
    call()
    rounds = min(300, max(5, round(SECONDS / (time.perf_counter() - begin_s))))
    times_ms = np.empty(rounds)
    for i in range(rounds):
        start_s = time.perf_counter()
        call()
        times_ms[i] = (time.perf_counter() - start_s) * 1000
    return float(times_ms.min()), float(np.median(times_ms))


def run() -> int:
    """Print a table; the machine is shared with others, so the minimum is the robust column."""
    steering = load_steering()
    contract = steering.contract
    picture = np.random.default_rng(0).integers(
        0, 256, (contract.height_px, contract.width_px, 3), np.uint8
    )
    frame = Frame(0, 0.0, picture)
    rgb = steering.preprocess.crop(picture)
    inputs = Inputs(steering.preprocess.encode(rgb)[None])
    rows: dict[str, Callable[[], object]] = {
        "crop and resize": lambda: steering.preprocess.crop(picture),
        "steering alone": lambda: steering.network.steer(inputs),
    }
    for name, explainer in make_explainers(steering, "contrast").items():
        rows[f"picture to steering and {name} map"] = lambda each=explainer: each.explain(frame)  # type: ignore[misc]
    rows |= insights(steering, frame)
    lines = [f"{'milliseconds':<48}{'min':>8}{'median':>9}"]
    for name, call in rows.items():
        least, median = measure(call)
        lines.append(f"{name:<48}{least:>8.2f}{median:>9.2f}")
    lines.append(f"{'model file to network, gradient checked':<48}{steering.load_s * 1000:>8.0f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def road(frame: Frame) -> Frame:
    """Return a frame with sky, grass and a road with two lines, and CARLA's tags of them."""
    rows, columns = frame.image.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns]
    across = (x - columns / 2) / np.maximum(y - rows / 3, 1)  # in a lane's perspective
    tags = np.where(np.abs(across) < 1.5, ROAD, VEGETATION).astype(np.uint8)
    tags[np.abs(np.abs(across) - 1) < 0.04] = LINES
    tags[: rows // 3] = SKY
    colours = np.zeros((256, 3), np.uint8)
    for tag, colour in COLOURS.items():
        colours[tag] = colour
    noise = np.random.default_rng(0).integers(0, 12, (rows, columns, 1), np.uint8)
    return replace(frame, image=colours[tags] + noise, tags=tags)


def insights(steering: Steering, frame: Frame) -> dict[str, Callable[[], object]]:
    """Return what is found out about one map of a plain road, by name."""
    frame = road(frame)
    explanation = make_explainers(steering, "contrast")["contrast"].explain(frame)
    probe = make_probe(steering, Options(), patient=True)
    examiner = Examiner(probe, tag_table(""))

    def newly(call: Callable[[Frame], object]) -> Callable[[], object]:
        """Other tags each time: as in a drive nothing of the frame before can be used again."""
        return lambda: call(replace(frame, tags=frame.tags.copy()))  # type: ignore[union-attr]

    return {
        "share of each class": newly(lambda each: examiner.shares(each, explanation)),
        "each class painted over (9 pictures)": newly(
            lambda each: examiner.without(each, explanation.steering)
        ),
        "causal check (32 pictures)": lambda: examiner.blobs(frame, explanation),
        "map check, each frame": lambda: examiner.check(frame, explanation, "cheap"),
        "map check, each second": lambda: examiner.check(frame, explanation, "full"),
    }


if __name__ == "__main__":
    sys.exit(run())
