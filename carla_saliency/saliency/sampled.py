"""What the methods share that average the gradient over many pictures near the frame."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from carla_saliency.core import Array, Query, Seen
from carla_saliency.saliency.colours import Values
from carla_saliency.saliency.method import Method, target

BATCH = 5  # 1 to 25 take the same time for each picture; small ones need less memory


class Sampled(Method):
    """Asks for the gradient at pictures that are not the frame."""

    slow = True

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid."""
        return self.steer(seen), [self.map(seen, name) for name in names]

    @abstractmethod
    def map(self, seen: Seen, layer: str) -> Values:
        """Return the map of one layer, (H, W) on the grid."""

    def gradients(self, seen: Seen, pictures: Array, layer: str) -> Array:
        """Return the gradient of a layer at each picture, per grey level of R, G, B.

        Args:
            seen: The frame; its speed and older frames stay.
            pictures: RGB on the network's grid, float32 (N, H, W, 3); they may leave 0..255.
            layer: Whose output is differentiated.

        Returns:
            Float32, (N, H, W, 3).
        """
        query = Query((target(layer),), linear=self.options.linear)
        parts = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
        return np.concatenate(
            [
                self.feed.pull_back(
                    part, self.network.run(query, self.feed.vary(seen, part)).gradients[:, 0]
                )
                for part in parts
            ]
        )


class Noisy(Sampled):
    """Asks at the frame with normal noise, the same for each frame."""

    _noise: Array | None = None

    def noisy_gradients(self, seen: Seen, layer: str) -> Array:
        """Return the gradient of a layer at each noisy picture, (samples, H, W, 3)."""
        options = self.options
        if self._noise is None:
            shape = (options.samples, *seen.rgb.shape)
            noise = np.random.default_rng(options.seed).standard_normal(shape, np.float32)
            self._noise = noise * np.float32(options.noise * 255)
        return self.gradients(seen, seen.rgb + self._noise, layer)
