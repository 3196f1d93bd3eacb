"""Explains why two networks steer differently: the map of A - B on the same frame.

Attribution is linear in what is explained, so the map of the difference of two networks is the
difference of their maps, wherever both are on the same pixels and in the same unit.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from carla_saliency.core import Explanation, Frame, Meaning, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.saliency.change import REMEMBERED
from carla_saliency.saliency.method import STEERING, Method


class ShadowExplainer:
    """What pushes network A further than a shadow network B; implements `core.Explainer`.

    Args:
        a: A method with a sign, of the network that may steer.
        b: The same method, of the shadow, which only looks on.
        b_in_a: From B's steering to A's: B's degrees at steering 1 over A's.

    Raises:
        BadInputError: If the method's maps have no sign, or are not of the steering.
    """

    def __init__(self, a: Method, b: Method, b_in_a: float = 1.0) -> None:
        if not a.meaning.signed or a.meaning.of != STEERING:
            raise BadInputError(
                "the difference of two networks needs a map of the steering with a sign, received "
                f"{a.meaning.title}: use contrast or another method that tells left from right"
            )
        self._a, self._b, self._b_in_a = a, b, b_in_a
        self._of_b: OrderedDict[int, Seen] = OrderedDict()

    @property
    def name(self) -> str:
        """Of the method."""
        return self._a.name

    @property
    def slow(self) -> bool:
        """Whether it takes longer than a tick."""
        return self._a.slow or self._b.slow

    @property
    def meaning(self) -> Meaning:
        """Of its maps."""
        own = self._a.meaning
        return replace(
            own,
            title=f"{own.title} · A − B",
            left="A further left",
            right="A further right",
            hint=("pushes A, which steers, further", "to this side than its shadow B"),
        )

    def look(self, frame: Frame) -> Seen:
        """Return what A is given for this frame, and remember what B is."""
        seen = self._a.look(frame)
        self._of_b[seen.frame_id] = self._b.look(frame)
        while len(self._of_b) > REMEMBERED:
            self._of_b.popitem(last=False)
        return seen

    def steer(self, seen: Seen) -> float:
        """Return A's steering alone."""
        return self._a.steer(seen)

    def explain_seen(self, seen: Seen) -> Explanation:
        """Return A's steering, and the map of A - B in A's unit, for a frame that was looked at.

        Raises:
            BadInputError: If a network answers NaN or infinity, or the maps are not of one grid.
        """
        a = self._a.explain_seen(seen)
        b = self._b.explain_seen(self._of_b[seen.frame_id])
        if (a.attribution.shape, a.place) != (b.attribution.shape, b.place):
            raise BadInputError(
                "the maps of two networks can be compared on one grid only, received "
                f"{a.attribution.shape} and {b.attribution.shape}: use a method on the input's grid"
            )
        difference = a.attribution - np.float32(self._b_in_a) * b.attribution
        return replace(a, attribution=difference, meaning=self.meaning)

    def explain(self, frame: Frame) -> Explanation:
        """Return A's steering, and the map of A - B, of one frame."""
        return self.explain_seen(self.look(frame))
