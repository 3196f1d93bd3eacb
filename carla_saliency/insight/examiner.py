"""What can be found out about one network on one frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import (
    GROUPS,
    Array,
    CausalCheck,
    ClassEffects,
    ClassShares,
    Explanation,
    Frame,
    MapCheck,
    Novelty,
)
from carla_saliency.insight.causal import BlobCheck
from carla_saliency.insight.classes import cover, shares
from carla_saliency.insight.grids import covered_by, on_grid
from carla_saliency.insight.map_check import Limits, MapChecker
from carla_saliency.insight.novelty import NoveltyCheck
from carla_saliency.insight.probe import Probe
from carla_saliency.insight.without import WithoutClasses

LEAST_CHANGE_DEG = 0.5
"""At the wheels: what a person would notice."""


class Checkers:
    """The map checks of a network, by method; threads may share them.

    Args:
        limits: Of a method; None = usual ones.
    """

    def __init__(self, limits: Callable[[str], Limits | None]) -> None:
        self._limits = limits
        self._by_map: dict[tuple[str, str], MapChecker] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, explanation: Explanation) -> Iterator[MapChecker]:
        """Lend the check of such maps; others wait for it."""
        key = explanation.method, explanation.meaning.title
        with self._lock:
            if key not in self._by_map:
                of_steering = explanation.meaning.of == "steering"  # limits are of such maps
                limits = self._limits(explanation.method) if of_steering else None
                self._by_map[key] = MapChecker(limits)
            yield self._by_map[key]

    def forget(self) -> None:
        """Forget all other maps."""
        self._by_map.clear()


class Examiner:
    """Asks about frames and their maps; remembers what random patches and other maps gave.

    Args:
        probe: How the network is asked.
        tag_groups: From semantic tag to the index of its group, uint8 (256,); None if tags are not
            known.
        limits: Of the map check for a method; None = usual ones.
        novelty: Knows the training frames; None if nobody does.
        checkers: Know other maps; None = none yet.
    """

    def __init__(
        self,
        probe: Probe,
        tag_groups: NDArray[np.uint8] | None,
        limits: Callable[[str], Limits | None] = lambda method: None,
        novelty: NoveltyCheck | None = None,
        checkers: Checkers | None = None,
    ) -> None:
        self._probe, self._tag_groups = probe, tag_groups
        self._limits, self._novelty = limits, novelty
        self._blobs = BlobCheck(LEAST_CHANGE_DEG / probe.lock_deg)
        self._without = WithoutClasses()
        self._checkers = checkers or Checkers(limits)
        self._covered: tuple[NDArray[np.uint8], Array] | None = None

    def for_one_frame(self, probe: Probe) -> Examiner:
        """Return one for frames that are looked at again: it knows the same other maps.

        Args:
            probe: Asks the same network without disturbing the drive.
        """
        return Examiner(probe, self._tag_groups, self._limits, self._novelty, self._checkers)

    def shares(self, frame: Frame, explanation: Explanation) -> ClassShares | None:
        """Return where the attention lies; None without tags."""
        covered = self._cover(frame)
        if covered is None:
            return None
        grid = self._probe.grid
        on = on_grid(explanation, grid)
        return shares(frame.frame_id, on, covered, covered_by(explanation, grid))

    def without(self, frame: Frame, steering: float) -> ClassEffects | None:
        """Return what each class being absent changes; None without tags."""
        covered = self._cover(frame)
        if covered is None:
            return None
        seen = self._probe.look(frame)
        ask = self._probe.asker(seen)
        return self._without.measure(frame.frame_id, seen.rgb, covered, steering, ask)

    def without_here(self, frame: Frame, steering: float) -> ClassEffects | None:
        """Return the same with every class's floor on this very frame; 8 times as much work."""
        self._without.forget()
        effects = None
        for _ in GROUPS:  # one class's floor is measured each time
            effects = self.without(frame, steering)
        return effects

    def blobs(self, frame: Frame, explanation: Explanation) -> CausalCheck:
        """Return whether the strongest parts of the map move the steering."""
        seen = self._probe.look(frame)
        on, ask = on_grid(explanation, self._probe.grid), self._probe.asker(seen)
        return self._blobs.check(frame.frame_id, seen.rgb, on, explanation.steering, ask)

    def check(
        self, frame: Frame, explanation: Explanation, how: Literal["cheap", "full", "once"]
    ) -> MapCheck:
        """Return how much the map could be had without this network or picture.

        Args:
            frame: That is explained.
            explanation: Has the map.
            how: "cheap": what costs more is carried on; "full": everything; "once": everything, of
                a frame that is looked at again.
        """
        seen, grid = self._probe.look(frame), self._probe.grid
        on, rgb = on_grid(explanation, grid), seen.rgb
        # may take a second where it is waited for: not while the drive waits for the lock
        random = None if how == "cheap" else self._probe.random_map(seen, explanation)
        with self._checkers.of(explanation) as checker:
            if how == "cheap":
                return checker.cheap(frame.frame_id, frame.sim_s, rgb, on)
            check = checker.full if how == "full" else checker.once
            return check(
                frame.frame_id,
                frame.sim_s,
                rgb,
                on,
                explanation.steering,
                self._probe.asker(seen),
                None if random is None else on_grid(random, grid),
            )

    def novelty(self, frame: Frame) -> Novelty | None:
        """Return how unlike the training the frame is; None where that is not known."""
        if self._novelty is None:
            return None
        features = self._probe.features(self._probe.look(frame), self._novelty.layer)
        return None if features is None else self._novelty.look(features)

    def forget(self) -> None:
        """Begin anew: another method, or another world."""
        self._blobs.forget()
        self._without.forget()
        self._checkers.forget()

    def _cover(self, frame: Frame) -> Array | None:
        """Return how much of each grid cell each class covers, float32 (H, W, 8)."""
        tags = frame.tags
        if tags is None or self._tag_groups is None:
            return None
        if self._covered is None or self._covered[0] is not tags:
            top, bottom, left, right = self._probe.region(tags.shape)
            region = tags[top:bottom, left:right]
            self._covered = tags, cover(region, self._probe.grid, self._tag_groups)
        return self._covered[1]
