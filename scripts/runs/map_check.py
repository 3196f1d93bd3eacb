"""How often the map check is amber: for the shipped network, and for networks of random weights.

python map_check.py FOLDER FRAMES NETWORKS METHOD...

The shipped network drives the embedded server's map "town", one frame in each second is kept in
FOLDER; then every network explains these frames in their order, and the check is asked about each.
What is in FOLDER already is not done again.
"""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np

from carla_saliency import factory
from carla_saliency.core import Frame
from carla_saliency.drive import drive
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.factory import Steering
from carla_saliency.insight.grids import on_grid
from carla_saliency.insight.map_check import MapChecker
from carla_saliency.pilot.learned import LearnedPilot
from carla_saliency.pilot.speed import SpeedControl
from carla_saliency.saliency import METHODS
from carla_saliency.settings import DriveSettings
from carla_saliency.sim.session import CarlaSession

SEED = 3
REASONS = {
    "edges": "like an edge detector",
    "random": "like random weights",
    "others": "like other pictures' maps",
    "deletion": "as telling as another frame's",
    "flat": "flat",
}


def frames_of_a_drive(path: Path, count: int) -> list[Frame]:
    """Return one frame of each second in which the shipped network steered."""
    if not path.exists():
        steering = factory.load_steering()
        with EmbeddedServer("town", SEED) as server:
            settings = DriveSettings(seed=SEED)
            wanted = factory.session_settings(
                settings, steering.contract, server.host, server.port, None
            )
            with CarlaSession(wanted, steering.contract) as session:
                pilot = LearnedPilot(
                    factory.make_explainers(steering, "contrast"),
                    session.car,
                    steering.contract,
                    SpeedControl(30 / 3.6),
                )
                steps = (s for s in drive(session, pilot) if s.decision.driver == "network")
                kept = [s.observation.frame for s in islice(steps, 40, 40 + 20 * count, 20)]
        part = path.with_suffix(".part.npz")
        np.savez(
            part,
            images=np.stack([frame.image for frame in kept]),
            sim_s=np.array([frame.sim_s for frame in kept]),
        )
        part.replace(path)
    with np.load(path) as saved:
        pairs = zip(saved["images"], saved["sim_s"].tolist(), strict=True)
        return [Frame(number, sim_s, image) for number, (image, sim_s) in enumerate(pairs)]


def amber(steering: Steering, seed: int | None, method: str, frames: list[Frame]) -> dict[str, int]:
    """Return in how many frames the check is amber, and how often for each reason."""
    network = steering.network if seed is None else steering.network.randomised(seed)
    other = steering.network.randomised(1_000 + (seed or 0))
    explainer = METHODS[method](network, steering.feed)
    random = METHODS[method](other, steering.feed)
    checker = MapChecker()
    counts = dict.fromkeys(["any", *REASONS], 0)
    grid = steering.contract.input_height_px, steering.contract.input_width_px
    for frame in frames:
        seen = explainer.look(frame)
        explanation = explainer.explain_seen(seen)
        check = checker.full(
            frame.frame_id,
            frame.sim_s,
            seen.rgb,
            on_grid(explanation, grid),
            explanation.steering,
            lambda pictures, seen=seen: network.steer(steering.feed.vary(seen, pictures)),
            on_grid(random.explain_seen(seen), grid),
        )
        counts["any"] += bool(check.doubts)
        for name, words in REASONS.items():
            counts[name] += any(doubt.startswith(words) for doubt in check.doubts)
    return counts


def main() -> None:
    folder, count, networks = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    frames = frames_of_a_drive(folder / "frames.npz", count)
    steering = factory.load_steering()
    print("| method | network | amber | " + " | ".join(REASONS.values()) + " |")
    print("|---|---|---" + "|---" * len(REASONS) + "|")
    for method in sys.argv[4:]:
        rows: dict[str, list[dict[str, int]]] = {"trained": [], f"{networks} random": []}
        for seed in (None, *range(networks)):
            path = folder / f"{method}-{'trained' if seed is None else seed}.json"
            if not path.exists():
                path.write_text(json.dumps(amber(steering, seed, method, frames)))
            row = "trained" if seed is None else f"{networks} random"
            rows[row].append(json.loads(path.read_text()))
        for name, found in rows.items():
            share = {k: 100 * sum(f[k] for f in found) / len(found) / len(frames) for k in found[0]}
            cells = " | ".join(f"{share[k]:.0f} %" for k in ("any", *REASONS))
            print(f"| {method} | {name} | {cells} |")


if __name__ == "__main__":
    main()
