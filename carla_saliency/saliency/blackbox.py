"""What the methods share that only ask: how does the output change when something is hidden?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Feed, Inputs, Network, Query, Seen
from carla_saliency.saliency.baseline import BASELINE_WORDS, Baseline
from carla_saliency.saliency.method import STEERING, Method
from carla_saliency.saliency.options import DEFAULTS, Options

BATCH = 20  # 1 to 40 take the same time for each picture; small ones need less memory


class BlackBox(Method):
    """Hides parts of a frame behind a baseline picture; needs no gradient."""

    slow = True
    needs_gradient = False
    per = "cell"

    def __init__(self, network: Network, feed: Feed, options: Options = DEFAULTS) -> None:
        super().__init__(network, feed, options)
        self.baseline = Baseline(options.baseline)

    def full_title(self, *details: str) -> str:
        """Return the title with the baseline."""
        words = BASELINE_WORDS[self.options.baseline]
        return super().full_title(f"baseline: {words}", *details)

    def cell_px(self, rows: int) -> int:
        """Return the side of a cell on a grid of so many rows."""
        return math.ceil(rows / self.options.mask_cells)

    def outputs(self, seen: Seen, pictures: Array, names: Sequence[str]) -> NDArray[np.float64]:
        """Return one number for each picture and layer, (N, layers): the sum of its filters' means.

        Args:
            seen: The frame; its speed and older frames stay.
            pictures: RGB on the network's grid, float32 (N, H, W, 3).
            names: Of layers, or "steering".
        """
        parts = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        return np.concatenate([self._ask(self.feed.vary(seen, part), names) for part in parts])

    def _ask(self, inputs: Inputs, names: Sequence[str]) -> NDArray[np.float64]:
        keep = tuple(dict.fromkeys(name for name in names if name != STEERING))
        if not keep and not self.options.linear:
            steering = self.network.steer(inputs)
            return np.repeat(steering.astype(np.float64)[:, None], len(names), axis=1)
        answer = self.network.run(Query((), keep=keep, linear=self.options.linear), inputs)
        columns = [
            answer.steering if name == STEERING else filter_means(answer.outputs[name])
            for name in names
        ]
        return np.stack(columns, axis=1).astype(np.float64)


def filter_means(outputs: Array) -> NDArray[np.float64]:
    """Return the sum over filters of each one's mean over positions, (N,).

    Args:
        outputs: Of a layer, (N, rows, columns, filters) or (N, units).
    """
    positions = tuple(range(1, outputs.ndim - 1))
    values = outputs.astype(np.float64)
    return np.asarray((values.mean(axis=positions) if positions else values).sum(axis=1))
