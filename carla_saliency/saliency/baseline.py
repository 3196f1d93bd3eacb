"""The picture that a method compares a frame with."""

from __future__ import annotations

import cv2
import numpy as np

from carla_saliency.core import Array, Image, Seen
from carla_saliency.saliency.options import BaselineKind

SIGMA_PER_ROW = 6 / 66  # 6 px on DAVE-2's 66 rows, in proportion on others

BASELINE_WORDS: dict[BaselineKind, str] = {
    "black": "black",
    "blurred": "blurred",
    "mean": "mean of the frames so far",
}


def blurred(rgb: Image) -> Array:
    """Return each pixel's surroundings: the picture blurred by a Gaussian, float32 (H, W, 3)."""
    return np.asarray(
        cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), SIGMA_PER_ROW * len(rgb)), np.float32
    )


class Baseline:
    """Gives the baseline of each frame.

    Args:
        kind: "black", "blurred" (the frame itself, blurred), or "mean": of the frames that were
            asked for so far, this one included.
    """

    def __init__(self, kind: BaselineKind) -> None:
        self.kind = kind
        self._sum = np.zeros(0)
        self._frames = 0
        self._last: int | None = None

    def picture(self, seen: Seen) -> Array:
        """Return the baseline of a frame, RGB on the network's grid, float32 (H, W, 3), 0..255."""
        if self.kind == "black":
            return np.zeros(seen.rgb.shape, np.float32)
        if self.kind == "blurred":
            return blurred(seen.rgb)
        if self._frames == 0 or seen.frame_id != self._last:  # each frame counts once
            rgb = seen.rgb.astype(np.float64)
            self._sum = rgb if self._frames == 0 else self._sum + rgb
            self._frames += 1
            self._last = seen.frame_id
        return np.asarray(self._sum / self._frames, np.float32)
