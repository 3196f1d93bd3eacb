"""Reads a dataset with LeRobot's own library and compares it with what it must have.

Runs in a Python that has that library, not this package: `scripts/accept lerobot`.
"""

import json
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from torch.utils.data import DataLoader

CAMERA = "observation.images.front"


def main(folder: str, wanted_path: str) -> None:
    wanted = json.loads(Path(wanted_path).read_text())
    steps = wanted["steps"]
    dataset = LeRobotDataset("local/drive", root=folder)
    assert len(dataset) == len(steps), (len(dataset), len(steps))
    assert dataset.num_episodes == 1
    assert dataset.fps == wanted["fps"]
    for i, step in enumerate(steps):
        item = dataset[i]
        for name in ("observation.state", "observation.environment_state", "action"):
            np.testing.assert_allclose(item[name], step[name], rtol=1e-6, atol=1e-6)
        assert abs(item["timestamp"].item() - i / wanted["fps"]) < 1e-4
        assert item["task"] == wanted["task"]
        assert item[CAMERA].shape[0] == 3
        assert abs(item[CAMERA].mean().item() - step["picture"]) < 0.01, i
    actions = np.array([step["action"] for step in steps])
    np.testing.assert_allclose(dataset.meta.stats["action"]["mean"], actions.mean(0), rtol=1e-5)
    assert dataset.meta.stats[CAMERA]["mean"].shape == (3, 1, 1)
    batch = next(iter(DataLoader(dataset, batch_size=4)))
    assert batch["action"].shape == (4, 3)
    print(f"{len(steps)} steps agree")


if __name__ == "__main__":
    main(*sys.argv[1:])
