"""Whether a map could be had without this network, or without this picture. Evidence, no verdict.

Maps that look plausible can be those of any network: J. Adebayo et al., "Sanity Checks for Saliency
Maps", NeurIPS 2018, compare them with an edge detector and with the maps of randomised weights.
That other frames' maps would do as well is seen from their likeness, and from filling in: where the
strongest parts of another frame's map move the steering as much, this map points at nothing
in particular (after V. Petsiuk et al., "RISE", BMVC 2018, deletion).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Image, MapCheck
from carla_saliency.insight.filling import filled_many
from carla_saliency.insight.probe import Ask
from carla_saliency.insight.ranks import alike, magnitudes, ranks

KEPT = 8
APART_S = 2.0  # between two kept maps, and from the newest map to those that it is compared with
UNLIKE = 6.0  # grey levels, mean difference of coarse pictures: a car that waits sees one picture
STRONGEST = 0.05  # of the map: what is filled in
LEAST_DELETIONS = 4  # one alone says little
MEAN_S = 1.0
DELETION_MEAN_S = 8.0
BACK = 0.02  # so far below its limit a doubt ends
BACK_RATIO = 1.2
THUMBNAIL = (16, 50)


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond them a map is in doubt.

    Attributes:
        edges: Rank correlation with an edge detector.
        random: With the map of the same network with random weights.
        others: With its own maps of other pictures.
        deletion_ratio: Filling in its strongest parts must move the steering by so many times as
            much as those of another frame's map.
    """

    edges: float = 0.6
    random: float = 0.9
    others: float = 0.94
    deletion_ratio: float = 1.25


class MapChecker:
    """Watches the maps of one method and network; every number is a mean over the last second(s).

    Args:
        limits: Of a calibration; None = what separates the shipped network from random ones.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._kept: deque[_Look] = deque(maxlen=KEPT)
        self._means: dict[str, _Mean] = {}
        self._doubted: frozenset[str] = frozenset()
        self._last_s = -math.inf
        self._turn = 0

    def cheap(self, frame_id: int, sim_s: float, rgb: Image, attribution: Array) -> MapCheck:
        """Compare a map with an edge detector; the other numbers are the last known ones.

        Args:
            frame_id: Of the frame.
            sim_s: Of the frame; after a step back in time everything begins anew.
            rgb: The frame on the network's grid, uint8 (H, W, 3).
            attribution: The map on that grid, float32 (H, W).
        """
        own = ranks(magnitudes(attribution))
        return self._judge(frame_id, sim_s, _cheaply(own, rgb))

    def full(
        self,
        frame_id: int,
        sim_s: float,
        rgb: Image,
        attribution: Array,
        steering: float,
        ask: Ask,
        random_map: Array | None = None,
    ) -> MapCheck:
        """Compare a map with all there is; asks once, one batch of two pictures.

        Args:
            frame_id: Of the frame.
            sim_s: Of the frame; after a step back in time everything begins anew.
            rgb: The frame on the network's grid, uint8 (H, W, 3).
            attribution: The map on that grid, float32 (H, W).
            steering: The network's own answer to the frame.
            ask: The network.
            random_map: Of the same network with random weights, of this frame, on the same grid.
        """
        if sim_s < self._last_s:
            self.forget()
        look = _Look.of(sim_s, rgb, attribution)
        measured = self._measure(look, rgb, steering, ask, random_map)
        self._turn += 1
        self._keep(look)
        return self._judge(frame_id, sim_s, measured)

    def once(
        self,
        frame_id: int,
        sim_s: float,
        rgb: Image,
        attribution: Array,
        steering: float,
        ask: Ask,
        random_map: Array | None = None,
    ) -> MapCheck:
        """Check one map by itself, as `full` does: no means, and nothing is remembered.

        For a frame that is looked at again; one deletion alone raises no doubt.
        """
        look = _Look.of(sim_s, rgb, attribution)
        measured = self._measure(look, rgb, steering, ask, random_map)
        doubted = _in_doubt(measured, self._limits, frozenset())
        return _told(frame_id, measured, doubted - {"deletion"})

    def forget(self) -> None:
        """Begin anew: the maps are of another method, layer, network or drive from now on."""
        self._kept.clear()
        self._means.clear()
        self._doubted = frozenset()
        self._last_s = -math.inf

    def _measure(
        self, look: _Look, rgb: Image, steering: float, ask: Ask, random_map: Array | None
    ) -> dict[str, float]:
        """Return all numbers of one map, as far as they are to be had."""
        measured = _cheaply(look.ranks, rgb)
        if random_map is not None:
            measured["random"] = alike(look.ranks, ranks(magnitudes(random_map)))
        others = self._others(look)
        if others and look.ranks.any():
            measured["others"] = float(np.mean([alike(look.ranks, kept.ranks) for kept in others]))
            other = others[self._turn % len(others)]
            pictures = filled_many(rgb, np.stack([look.strongest, other.strongest]))
            changes = np.abs(ask(pictures) - np.float32(steering))
            measured |= {"own": float(changes[0]), "other": float(changes[1])}
        return measured

    def _others(self, look: _Look) -> list[_Look]:
        """Return the kept maps of pictures that are other ones."""
        return [
            kept
            for kept in self._kept
            if abs(look.sim_s - kept.sim_s) >= APART_S - 1e-6 and kept.unlike(look)
        ]

    def _keep(self, look: _Look) -> None:
        if self._kept:
            newest = self._kept[-1]
            if look.sim_s - newest.sim_s < APART_S - 1e-6 or not newest.unlike(look):
                return
        if look.ranks.any():
            self._kept.append(look)

    def _judge(self, frame_id: int, sim_s: float, measured: dict[str, float]) -> MapCheck:
        """Return the means, and what they amount to."""
        if sim_s < self._last_s:
            self.forget()
        self._last_s = sim_s
        for name, value in measured.items():
            seconds = DELETION_MEAN_S if name in ("own", "other") else MEAN_S
            self._means.setdefault(name, _Mean(seconds)).add(sim_s, value)
        values = {name: mean.value for name, mean in self._means.items()}
        doubted = _in_doubt(values, self._limits, self._doubted)
        if "own" in self._means and self._means["own"].count < LEAST_DELETIONS:
            doubted -= {"deletion"}
        self._doubted = doubted
        return _told(frame_id, values, doubted)


@dataclass(frozen=True, slots=True)
class _Look:
    """A map, as far as others are compared with it."""

    sim_s: float
    thumbnail: Array
    ranks: NDArray[np.float64]
    strongest: NDArray[np.bool_]

    @classmethod
    def of(cls, sim_s: float, rgb: Image, attribution: Array) -> _Look:
        small = cv2.resize(rgb, THUMBNAIL[::-1], interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        return cls(sim_s, grey, ranks(magnitudes(attribution)), strongest(attribution))

    def unlike(self, other: _Look) -> bool:
        """Return whether the pictures differ enough to expect other maps of them."""
        return bool(np.abs(self.thumbnail - other.thumbnail).mean() >= UNLIKE)


class _Mean:
    """Of a number over about so many seconds, the newest weighing most."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last_s = seconds, 0.0
        self.value, self.count = 0.0, 0

    def add(self, sim_s: float, value: float) -> None:
        weight = 1 - math.exp(-(sim_s - self._last_s) / self._seconds) if self.count else 1.0
        self.value += weight * (value - self.value)
        self.count += weight > 0
        self._last_s = sim_s


def edge_map(rgb: Image) -> Array:
    """Return the strength of the edges of a picture (Sobel), float32 (H, W)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    down, right = cv2.Sobel(grey, cv2.CV_32F, 0, 1), cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    return cv2.magnitude(down, right).astype(np.float32, copy=False)


def strongest(attribution: Array) -> NDArray[np.bool_]:
    """Return where the strongest 5 % of a map are, bool (H, W); never where it is 0."""
    magnitude = np.abs(attribution)
    count = max(1, round(STRONGEST * magnitude.size))
    limit = np.partition(magnitude, magnitude.size - count, axis=None)[magnitude.size - count]
    where: NDArray[np.bool_] = (magnitude >= limit) & (magnitude > 0)
    return where


def _cheaply(own: NDArray[np.float64], rgb: Image) -> dict[str, float]:
    """Return what can be said of a map by its ranks without asking the network."""
    edges = alike(own, ranks(magnitudes(edge_map(rgb))))
    return {"edges": edges, "flat": float(not own.any())}


def _in_doubt(values: dict[str, float], limits: Limits, before: frozenset[str]) -> frozenset[str]:
    """Return which numbers raise a doubt; one that did goes on until it is well below."""
    allowed = {"flat": 0.5, "edges": limits.edges, "random": limits.random, "others": limits.others}
    doubted = {
        name
        for name, limit in allowed.items()
        if values.get(name, -1.0) > limit - (BACK if name in before else 0)
    }
    if "own" in values:
        ratio = limits.deletion_ratio * (BACK_RATIO if "deletion" in before else 1)
        if values["own"] <= ratio * values["other"]:
            doubted.add("deletion")
    return frozenset(doubted)


def _told(frame_id: int, values: dict[str, float], doubted: frozenset[str]) -> MapCheck:
    """Return the numbers, and the doubts in words."""
    words = {
        "flat": "flat, it points nowhere",
        "edges": f"like an edge detector, r {values['edges']:.2f}",
        "random": f"like random weights, r {values.get('random', 0):.2f}",
        "others": f"like other pictures' maps, r {values.get('others', 0):.2f}",
        "deletion": "as telling as another frame's",
    }
    check = MapCheck(
        frame_id,
        values["edges"],
        values.get("random"),
        values.get("others"),
        (values["own"], values["other"]) if "own" in values else None,
    )
    return replace(check, doubts=tuple(text for name, text in words.items() if name in doubted))
