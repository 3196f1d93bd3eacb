"""The gradient of the steering to the pixels, with its sign (Simonyan 2013, arXiv:1312.6034).

A pixel's value is the change of the steering when red, green and blue of that pixel all rise by one
grey level: the chain rule is followed through scale and colour conversion back to the picture on
the network's grid. It says what *would* change the steering, not what caused it: a plain road has a
gradient too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from carla_saliency.core import Array, Image, Query, Seen
from carla_saliency.saliency.colours import Values, added
from carla_saliency.saliency.method import BRIGHTER, Method, target


class Gradient(Method):
    """Explains a frame by the gradient of the steering; the base of all that use one gradient.

    Attributes:
        rule: How the gradient passes an activation, see `core.Query`.
    """

    name = "gradient"
    title = "gradient"
    per = "grey level"
    words = BRIGHTER
    hint = ("a brighter pixel would push", "the steering this way")
    rule: Literal["true", "guided", "relu"] = "true"

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid, from one call."""
        query = Query(tuple(map(target, names)), rule=self.rule, linear=self.options.linear)
        answer = self.network.run(query, seen.inputs)
        pictures = np.broadcast_to(seen.rgb, (len(names), *seen.rgb.shape))
        per_level = self.feed.pull_back(pictures, answer.gradients[0])
        return self.steering_in(answer, seen), [self.combine(seen.rgb, g) for g in per_level]

    def combine(self, rgb: Image, per_level: Array) -> Values:
        """Return the map, (H, W), from the three colours.

        Args:
            rgb: On the network's grid, (H, W, 3).
            per_level: Gradient per grey level of R, G, B, (H, W, 3).
        """
        return added(per_level)
