"""What is found out about a map, beyond the map itself: plain values for the window and the record.

Changes of the steering are in the network's own steering, [-1, 1], left negative: times the lock of
the car that it learned on they are degrees at the wheels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carla_saliency.core.driving import Array, Event, Image, Place

GROUPS = ("lines", "road", "sidewalk", "wall", "vegetation", "building", "vehicle", "sky")
"""CARLA's semantic classes in eight groups, in the order in which they are stacked, bottom up."""

ON_ROAD = (0, 1)
"""Which of the groups a steering network is expected to look at: lines and road."""


@dataclass(frozen=True, slots=True)
class ClassShares:
    """Where the attention of one map lies, by semantic class.

    Attributes:
        frame_id: Of the frame.
        share: Of the sum of |attribution|, of each of `GROUPS`, float32 (8,); sums to 1, or is all
            0 where the map is.
        area: Of what the map covers, float32 (8,); sums to 1.
    """

    frame_id: int
    share: Array
    area: Array

    @property
    def lift(self) -> Array:
        """How many times as much attention as area, (8,); NaN where a class is not in sight."""
        there = self.area > 0
        return np.where(there, self.share / np.where(there, self.area, 1), np.nan).astype(
            np.float32
        )

    @property
    def on_road(self) -> float:
        """Share of road and lines together."""
        return float(self.share[list(ON_ROAD)].sum())


@dataclass(frozen=True, slots=True)
class ClassEffects:
    """What the network would do if a class were not there.

    Attributes:
        frame_id: Of the frame.
        change: Of the steering when all of the class is painted over with its surroundings, of each
            of `GROUPS`, float32 (8,); NaN where (nearly) nothing of it is in sight.
        floor: How much painting over as large a piece of plain road changes it, as a magnitude,
            float32 (8,); NaN where that is not known.
    """

    frame_id: int
    change: Array
    floor: Array


@dataclass(frozen=True, slots=True)
class Blob:
    """A part of a map that stands out, and what filling it in does.

    Attributes:
        place: Around it, on the network's grid.
        change: Of the steering when it is filled in with its blurred surroundings.
        moves: By more than random patches of like area, and more than a person would notice.
    """

    place: Place
    change: float
    moves: bool


@dataclass(frozen=True, slots=True)
class CausalCheck:
    """Whether what a map points at moves the steering at all.

    Attributes:
        frame_id: Of the frame.
        blobs: The strongest of the map, the strongest first.
        limit: 95th percentile of |change| of the random patches; NaN if there were none.
        patches: How many random patches that is of.
    """

    frame_id: int
    blobs: tuple[Blob, ...]
    limit: float
    patches: int


@dataclass(frozen=True, slots=True)
class MapCheck:
    """How much a map could be had without this network or this picture. Evidence, no verdict.

    Attributes:
        frame_id: Of the frame.
        edges: Rank correlation of its magnitudes with those of an edge detector.
        random: With those of the same network with random weights; None if not measured.
        others: With those of its own maps of other pictures; None as long as there are none.
        deletion: |change| of the steering when the strongest 5 % of the map are filled in, and when
            those of another picture's map are; None as long as there is none.
        doubts: Why the map may carry no information, each a short line; () = passed.
    """

    frame_id: int
    edges: float
    random: float | None = None
    others: float | None = None
    deletion: tuple[float, float] | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Novelty:
    """How unlike everything that the network learned from a frame is.

    Attributes:
        distance: To the nearest training frame, in standard deviations of the features.
        limit: Beyond it a frame counts as new.
        nearest: That training frame, RGB, uint8 (h, w, 3).
        stand_in: The frames are of a nominal drive, not of the training.
    """

    distance: float
    limit: float
    nearest: Image
    stand_in: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks on one frame.

    Attributes:
        difference: B's command minus A's, on the live car.
        alike: Correlation of their maps where both look; None without two maps.
    """

    difference: float
    alike: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found out in one tick; what was not asked is None.

    Attributes:
        shares: Attention by class.
        effects: What if a class were not there; of the newest frame that was asked.
        causal: Whether the strongest blobs move the steering.
        check: Whether the map says anything about this network and picture.
        novelty: How unlike the training this frame is.
        comparison: With the shadow network.
        off_road_s: For how long the attention on road and lines has been far below the usual; 0 =
            it is not.
        events: What the findings amount to; beside those of the observation.
    """

    shares: ClassShares | None = None
    effects: ClassEffects | None = None
    causal: CausalCheck | None = None
    check: MapCheck | None = None
    novelty: Novelty | None = None
    comparison: Comparison | None = None
    off_road_s: float = 0.0
    events: tuple[Event, ...] = ()
