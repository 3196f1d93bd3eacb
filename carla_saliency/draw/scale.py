"""Which magnitude is drawn in full colour: one for a drive, or one for each frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Explanation, Meaning
from carla_saliency.draw.words import number

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
        nominal: What is usual for these maps, in their unit: the scale to begin with; 0 = not
            known, then it is found in the first 2 s.

    Attributes:
        scale: In the shown unit; 0 as long as all maps were 0.
        clipped: Whether more than 1 % of the pixels have been beyond it lately.
    """

    PERCENTILE = 99.5
    WINDOW_S = 30.0
    CALIBRATION_S = 2.0
    SHRINK_AFTER_S = 10.0
    CLIPPED = 0.01

    def __init__(self, factor: float = 1.0, nominal: float = 0.0) -> None:
        self.factor = factor
        self._nominal = nominal
        self._forget()

    def _forget(self) -> None:
        self.scale = round_up(self._nominal * self.factor)
        self.clipped = False
        self._beyond = 0.0
        self._maps: deque[tuple[float, NDArray[np.int32]]] = deque()
        self._sum = np.zeros(_BINS, np.int64)
        self._first_s: float | None = None
        self._small_since_s: float | None = None
        self._last_s = 0.0

    @property
    def calibrating(self) -> bool:
        """Return whether there are fewer than 2 s of maps yet, and nobody knows what is usual."""
        if self._nominal > 0:
            return False
        return self._first_s is None or self._last_s - self._first_s < self.CALIBRATION_S

    def add(
        self, attribution: Array, now_s: float, usual: bool = True, locked: bool = False
    ) -> float:
        """Take one map into account.

        Args:
            attribution: (H, W), finite.
            now_s: Its time. If it went back, a new drive has begun and all is forgotten.
            usual: Whether it counts for the scale; the first map always does.
            locked: The scale stays as it is, if there is one.

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
            if not (locked and self.scale > 0):
                self._choose(round_up(self._percentile() * self.factor), now_s)
        if magnitude.size:
            beyond = np.count_nonzero(magnitude > self.scale / self.factor) / magnitude.size
            self._beyond += 0.1 * (beyond - self._beyond)  # a mean over about ten maps
            limit = self.CLIPPED / 2 if self.clipped else self.CLIPPED
            self.clipped = bool(self._beyond > limit)
        return self.scale

    def settle(self) -> None:
        """Let the scale be that of all maps that are remembered, in whatever order they came."""
        if self._maps:
            self.scale = round_up(self._percentile() * self.factor)

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


class FrameScale:
    """Scales each map to its own largest magnitude, as most programs do.

    Two frames can't be compared then, so pictures that use it must say so.

    Args:
        factor: From the map's unit to the one that is shown.

    Attributes:
        scale: Of the newest map, in the shown unit.
    """

    calibrating = False
    clipped = False

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.scale = 0.0

    def add(
        self, attribution: Array, now_s: float, usual: bool = True, locked: bool = False
    ) -> float:
        """Return the scale of this map; its time and place don't matter."""
        del now_s, usual, locked
        self.scale = float(np.abs(attribution).max(initial=0.0)) * self.factor
        return self.scale

    def settle(self) -> None:
        """Do nothing: each map has its own."""


Keeper = ScaleKeeper | FrameScale


class Scales:
    """One scale for each meaning: another method or layer has its own, and keeps it.

    Args:
        factor: From a map's unit to the one that is shown.
        own: Each frame is scaled to itself.
        nominal: What is usual for a method's maps of the steering, in their unit.
    """

    def __init__(
        self,
        factor: Callable[[Meaning], float],
        own: bool = False,
        nominal: Mapping[str, float] | None = None,
    ) -> None:
        self.own = own
        self._nominal = nominal or {}
        self._factor = factor
        self._keepers: dict[tuple[str, Meaning], Keeper] = {}
        self._newest: Explanation | None = None

    def of(self, explanation: Explanation | None) -> Keeper | None:
        """Return the scale of maps like this one; None before the first of them."""
        if explanation is None:
            return None
        return self._keepers.get((explanation.method, explanation.meaning))

    def settle(self) -> None:
        """Let each scale be that of all its maps, in whatever order they came."""
        for keeper in self._keepers.values():
            keeper.settle()

    def add(
        self, explanation: Explanation, now_s: float, usual: bool = True, locked: bool = False
    ) -> str:
        """Take a map into account, but the same one only once.

        Args:
            explanation: Has the map.
            now_s: Its time.
            usual: Whether it counts for the scale, see `ScaleKeeper.add`.
            locked: The scale stays as it is, if there is one.

        Returns:
            What changed, in a few words for the strip; "" if nothing did.
        """
        newest = self._newest
        before, keeper = self.of(newest), self.of(explanation)
        if newest is not None and keeper is before and newest.frame_id == explanation.frame_id:
            return ""
        if keeper is None:
            factor = self._factor(explanation.meaning)
            of_steering = explanation.meaning.of == "steering"
            nominal = self._nominal.get(explanation.method, 0.0) if of_steering else 0.0
            keeper = FrameScale(factor) if self.own else ScaleKeeper(factor, nominal)
            self._keepers[explanation.method, explanation.meaning] = keeper
        was, young = keeper.scale, keeper.calibrating
        now = keeper.add(explanation.attribution, now_s, usual, locked)
        self._newest = explanation
        if before not in (None, keeper):
            of = explanation.meaning.of
            return explanation.method if of == "steering" else f"{explanation.method} · {of}"
        if self.own or young or was in (0, now):
            return ""
        sign = "±" if explanation.meaning.signed else ""
        texts = [f"{sign}{number(scale, max(was, now), False)}" for scale in (was, now)]
        return f"scale {' → '.join(texts)}"
