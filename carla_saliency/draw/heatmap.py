"""From raw attributions to colours on a grey picture: pure functions, and the colour scale.

A map is turned into one byte per cell first (`signed_index`, `magnitude_index`); colours come from
a table afterwards, at the size of the screen. That is 17 times faster than blending in float, and
values are interpolated between left and right rather than colours.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Image
from carla_saliency.draw.palette import LEFT, RIGHT

DEAD_ZONE = 0.06  # weaker than this is not drawn: it would only be a veil
STRONGEST = 0.95  # the camera stays visible below the strongest colour
GAMMA = 0.75  # of opacity: weak pushes are raised a little
COARSE_PX = 8  # a map cell wider than this on the screen is drawn as the cell that it is


# ------------------------------------------------------------------ indices


def signed_index(attribution: Array, scale: float) -> Image:
    """Return one byte per cell: 128 is none, 1 full left, 255 full right.

    Args:
        attribution: (H, W), left negative.
        scale: The magnitude that becomes full; larger ones too. Of 0, all is none.
    """
    if not scale > 0:
        return np.full(attribution.shape, 128, np.uint8)
    index = attribution * np.float32(127 / scale)
    index += 128.5  # rounds, since the conversion below cuts off
    np.clip(index, 1, 255.5, out=index)
    return index.astype(np.uint8)


def magnitude_index(attribution: Array, scale: float) -> Image:
    """Return one byte per cell: 0 is none, 255 the scale or more; negative values are none.

    Args:
        attribution: (H, W).
        scale: The magnitude that becomes full. Of 0, all is none.
    """
    if not scale > 0:
        return np.zeros(attribution.shape, np.uint8)
    index = attribution * np.float32(255 / scale)
    index += 0.5
    np.clip(index, 0, 255.5, out=index)
    return index.astype(np.uint8)


# ------------------------------------------------------------------ tables


def alpha(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how opaque a magnitude in [0, 1] is drawn; nothing in the dead zone."""
    return np.where(magnitude < DEAD_ZONE, 0.0, STRONGEST * magnitude**GAMMA)


@lru_cache(maxsize=32)
def table(signed: bool, opacity: float = 1.0) -> tuple[Image, Image]:
    """Return the colours of all 256 indices, and how much of the picture below stays.

    Lightness rises with magnitude on both sides, so the map reads without colour vision as well.
    Maps without a sign get Inferno, never blue or orange. OpenCV has no diverging table.

    Args:
        signed: Which of the two kinds of index.
        opacity: Of the whole map, 0 to 1.

    Returns:
        Colours times their alpha, to be added, and 255 - alpha, to be multiplied with before;
        each (256, 1, 3) uint8.
    """
    steps = np.arange(256)
    if signed:
        magnitude = np.minimum(np.abs(steps - 128) / 127, 1.0)
        colours = np.where((steps < 128)[:, None], LEFT, RIGHT)
    else:
        magnitude = steps / 255
        brighter = (64 + magnitude * 191).round().astype(np.uint8)  # its dark end is no colour
        shades = cv2.applyColorMap(brighter.reshape(256, 1), cv2.COLORMAP_INFERNO)
        colours = shades.reshape(256, 3)[:, ::-1].astype(np.int64)
    a = alpha(magnitude)[:, None] * opacity
    colour = (colours * a).round().astype(np.uint8)
    keep = np.repeat(255 - (255 * a).round().astype(np.uint8), 3, axis=1)
    return colour.reshape(256, 1, 3), keep.reshape(256, 1, 3)


# ------------------------------------------------------------------ pictures

_GREY = (14 + 0.40 * np.arange(256)).round().astype(np.uint8)


def grey(picture: Image) -> Image:
    """Return a camera picture (H, W, 3) as dark grey (H, W): any colour on it is the map's."""
    return cv2.LUT(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), _GREY).astype(np.uint8, copy=False)


def enlarge(index: Image, size: tuple[int, int]) -> Image:
    """Return an index map at (width, height) on the screen; a coarse one keeps its cells.

    A coarse map that is smoothed looks as if it knew more than it does.
    """
    height, width = index.shape
    coarse = size[0] > COARSE_PX * width or size[1] > COARSE_PX * height
    how = cv2.INTER_NEAREST_EXACT if coarse else cv2.INTER_LINEAR
    return cv2.resize(index, size, interpolation=how).astype(np.uint8, copy=False)


def lay_over(target: Image, index: Image, tables: tuple[Image, Image]) -> None:
    """Lay a map over a picture, in place.

    Args:
        target: (H, W, 3), the very region that the map explains.
        index: The map, of any size.
        tables: From `table`.
    """
    colour, keep = tables
    fine = enlarge(index, (target.shape[1], target.shape[0]))
    cv2.multiply(target, cv2.applyColorMap(fine, keep), dst=target, scale=1 / 255)
    cv2.add(target, cv2.applyColorMap(fine, colour), dst=target)


# ------------------------------------------------------------------ scale

_OFFSET = (127 - 40) << 4  # values under 2^-40 share the first bin
_BINS = 64 << 4  # 64 octaves of 16 bins
_EDGES = (np.arange(1, _BINS + 1, dtype=np.int32) + _OFFSET << 19).view(np.float32)


def round_up(value: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not less; 0 for 0."""
    if not value > 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(value))
    for step in (1, 2, 5, 10):
        if value <= step * power * (1 + 1e-6):
            return float(f"{step * power:.0e}")  # 0.5, not 0.5000000001
    return float(f"{10 * power:.0e}")


class ScaleKeeper:
    """Chooses the magnitude that is drawn in full colour, so that it rarely changes.

    It is the 99.5th percentile of the magnitudes of the last 30 s, rounded up to 1, 2 or 5: it
    grows at once and shrinks only after 10 s of less than half. If each map had its own, a network
    that is dead would look as bright as one that is decisive, and the colours would pump.

    The percentile is of a histogram with 16 bins per octave, cut from the bits of the floats: bins
    of all maps are added and subtracted, and one map takes 0.05 ms.

    Args:
        factor: From the map's unit to the one that is shown, in which the scale is a round number.

    Attributes:
        scale: In the shown unit; 0 as long as all maps were 0.
        clipped: Whether more than 1 % of the pixels have been beyond it lately.
    """

    PERCENTILE = 99.5
    WINDOW_S = 30.0
    CALIBRATION_S = 2.0
    SHRINK_AFTER_S = 10.0
    CLIPPED = 0.01

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._forget()

    def _forget(self) -> None:
        self.scale = 0.0
        self.clipped = False
        self._beyond = 0.0
        self._maps: deque[tuple[float, NDArray[np.int32]]] = deque()
        self._sum = np.zeros(_BINS, np.int64)
        self._first_s: float | None = None
        self._small_since_s: float | None = None
        self._last_s = 0.0

    @property
    def calibrating(self) -> bool:
        """Return whether there are fewer than 2 s of maps yet."""
        return self._first_s is None or self._last_s - self._first_s < self.CALIBRATION_S

    def add(self, attribution: Array, now_s: float, usual: bool = True) -> float:
        """Take one map into account.

        Args:
            attribution: (H, W), finite.
            now_s: Its time. If it went back, a new drive has begun and all is forgotten.
            usual: Whether it counts for the scale; the first map always does.

        Returns:
            The scale from now on, in the shown unit.
        """
        if now_s < self._last_s:
            self._forget()
        self._last_s = now_s
        self._first_s = now_s if self._first_s is None else self._first_s
        magnitude = np.abs(attribution).ravel()
        if usual or not self._maps:
            self._remember(magnitude, now_s)
            self._choose(round_up(self._percentile() * self.factor), now_s)
        if magnitude.size:
            beyond = np.count_nonzero(magnitude > self.scale / self.factor) / magnitude.size
            self._beyond += 0.1 * (beyond - self._beyond)  # a mean over about ten maps
            limit = self.CLIPPED / 2 if self.clipped else self.CLIPPED
            self.clipped = bool(self._beyond > limit)
        return self.scale

    def _remember(self, magnitude: NDArray[np.float32], now_s: float) -> None:
        bins = (magnitude.view(np.int32) >> 19) - _OFFSET
        counts = np.bincount(np.clip(bins, 0, _BINS - 1), minlength=_BINS).astype(np.int32)
        self._maps.append((now_s, counts))
        self._sum += counts
        while self._maps[0][0] < now_s - self.WINDOW_S:
            self._sum -= self._maps.popleft()[1]

    def _percentile(self) -> float:
        up_to = np.cumsum(self._sum)
        bin_ = int(np.searchsorted(up_to, up_to[-1] * self.PERCENTILE / 100))
        if bin_ == 0:  # sparse maps have only their peaks: most of a planted pixel's map is zero
            busy = np.flatnonzero(self._sum)
            bin_ = int(busy[-1])
        return 0.0 if bin_ == 0 else float(_EDGES[bin_])

    def _choose(self, wanted: float, now_s: float) -> None:
        if wanted >= self.scale:
            self.scale = wanted
        if wanted > self.scale / 2 * (1 + 1e-6) or wanted == self.scale:
            self._small_since_s = None
        elif self._small_since_s is None:
            self._small_since_s = now_s
        elif now_s - self._small_since_s >= self.SHRINK_AFTER_S:
            self.scale = wanted
            self._small_since_s = None
