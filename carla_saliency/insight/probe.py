"""How one network is asked about a frame, without knowing what runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from carla_saliency.core import Array, Explanation, Frame, Seen

Ask = Callable[[NDArray[Any]], Array]
"""From pictures on the network's grid, RGB 0..255, (N, H, W, 3), to the steering, (N,)."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The questions that insights ask of one network.

    Attributes:
        grid: (H, W) of its pictures.
        lock_deg: Angle of the wheels at steering 1 of the car that it learned on.
        look: What it is given for a frame.
        vary: The steering for other pictures in place of the seen one.
        region: (top, bottom, left, right) of the camera's picture (rows, columns) that its grid
            covers.
        random_map: A map by the same method from the same network with random weights; None where
            that takes too long, or is not ready yet.
        features: The output of a layer, by its name, float32 (D,); None if it has no such layer.
    """

    grid: tuple[int, int]
    lock_deg: float
    look: Callable[[Frame], Seen]
    vary: Callable[[Seen, NDArray[Any]], Array]
    region: Callable[[tuple[int, int]], tuple[int, int, int, int]]
    random_map: Callable[[Seen, Explanation], Explanation | None]
    features: Callable[[Seen, str], Array | None]

    def asker(self, seen: Seen) -> Ask:
        """Return the question about variations of one frame."""
        return lambda pictures: self.vary(seen, pictures)
