"""Draws poses around the lanes of a map: near the centre line, and where a car must recover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from carla_saliency.core import Pose

CURVATURE_EDGES = (0.003, 0.01, 0.025, 0.05, 0.1)  # 1/m: six bins of roads
KERB_M = 0.35  # uniform offsets keep this far inside the lane's edge


class Place(Protocol):
    """A place on the centre of a driving lane."""

    @property
    def pose(self) -> Pose:
        """Looking along the lane."""

    @property
    def curvature(self) -> float:
        """1/m, right positive."""

    @property
    def width_m(self) -> float:
        """Of the lane."""

    @property
    def must_turn(self) -> bool:
        """On or before a turning junction lane, with no other way on."""


@dataclass(frozen=True, kw_only=True)
class PoseRecipe:
    """How poses are spread; angles and offsets are from the lane's centre line.

    Attributes:
        recovery_share: Share of poses that are spread evenly, the others lie near the centre.
        near_offset_m: Standard deviation near the centre.
        near_heading_deg: The same.
        far_offset_m: Largest offset of evenly spread ones.
        far_heading_deg: The same.
        balanced_share: Share of places drawn evenly over bins of curvature, not over the roads.
        weather_share: Share of frames with a random weather.
        weather_frames: Frames for which a weather stays.
    """

    recovery_share: float = 0.5
    near_offset_m: float = 0.25
    near_heading_deg: float = 2.5
    far_offset_m: float = 1.2
    far_heading_deg: float = 11.0
    balanced_share: float = 0.65
    weather_share: float = 0.75
    weather_frames: int = 4


class PoseDrawer:
    """Draws poses around places; see `PoseRecipe`.

    Args:
        places: On the map's lanes.
        recipe: How poses are spread.
        rng: Decides.

    Raises:
        ValueError: If there is no place.
    """

    def __init__(
        self, places: Sequence[Place], recipe: PoseRecipe, rng: np.random.Generator
    ) -> None:
        self._places = [place for place in places if not place.must_turn]
        if not self._places:
            raise ValueError(f"at least one place is needed, received {len(places)} usable ones")
        self._recipe, self._rng = recipe, rng
        bins = np.digitize([abs(place.curvature) for place in self._places], CURVATURE_EDGES)
        self._bins = [np.flatnonzero(bins == i) for i in np.unique(bins)]

    def __call__(self) -> tuple[Place, Pose, float]:
        """Return a place, a pose near it, and its offset from the lane's centre, right positive."""
        rng, recipe = self._rng, self._recipe
        if rng.random() < recipe.balanced_share:
            choices = self._bins[rng.integers(len(self._bins))]
            place = self._places[choices[rng.integers(len(choices))]]
        else:
            place = self._places[rng.integers(len(self._places))]
        if rng.random() < recipe.recovery_share:
            reach_m = max(min(recipe.far_offset_m, place.width_m / 2 - KERB_M), 0.0)
            offset_m = rng.uniform(-reach_m, reach_m)
            turn_deg = rng.uniform(-recipe.far_heading_deg, recipe.far_heading_deg)
        else:
            offset_m = rng.normal(0, recipe.near_offset_m)
            turn_deg = rng.normal(0, recipe.near_heading_deg)
        return place, beside(place.pose, offset_m, turn_deg), offset_m


def beside(pose: Pose, offset_m: float, turn_deg: float) -> Pose:
    """Return a pose moved to the right and turned clockwise."""
    yaw = math.radians(pose.yaw_deg)
    return replace(
        pose,
        x_m=pose.x_m - offset_m * math.sin(yaw),
        y_m=pose.y_m + offset_m * math.cos(yaw),
        yaw_deg=pose.yaw_deg + turn_deg,
    )
