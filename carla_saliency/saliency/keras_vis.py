"""What keras-vis 0.4's `visualize_saliency` draws, so that its users' pictures can be had again.

The gradient of the sum over filters of the mean output of each filter, to the input as it enters
the network (not to the picture), with the backprop and grad modifiers of that library; the maximum
over channels; scaled so that the smallest value is 0 and the largest 1. As each map has its own
scale, two of them can't be compared; a flat map becomes zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from carla_saliency.core import Feed, Network, Query, Seen
from carla_saliency.saliency.colours import Values, largest
from carla_saliency.saliency.method import AMOUNT, Method, target
from carla_saliency.saliency.options import DEFAULTS, GradModifier, Options

EPSILON = 1e-7  # of Keras's backend, which the library uses

MODIFIERS: dict[GradModifier, Callable[[Values], Values]] = {
    "none": lambda g: g,
    "absolute": np.abs,
    "negate": np.negative,
    "invert": lambda g: 1 / (g + EPSILON),
    "relu": lambda g: np.maximum(g, 0),
    "small_values": lambda g: np.abs(1 / (g + EPSILON)),
}


class KerasVis(Method):
    """Explains a frame as keras-vis did."""

    name = "keras-vis"
    title = "keras-vis"
    signed = False
    words = AMOUNT
    hint = ("the gradient of this frame, from", "its smallest value to its largest")

    def __init__(self, network: Network, feed: Feed, options: Options = DEFAULTS) -> None:
        super().__init__(network, feed, options)
        self.rule = "true" if options.backprop == "none" else options.backprop

    def full_title(self, *details: str) -> str:
        """Return the title with the modifiers."""
        options = self.options
        backprop = () if options.backprop == "none" else (f"backprop {options.backprop}",)
        return super().full_title(*backprop, f"grad {options.grad}", *details)

    def unit_of(self, layer: str) -> str:
        """Return the unit: a map that is scaled to itself has none."""
        return "relative"

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map for each layer, (H, W) on the grid, from one call."""
        query = Query(tuple(map(target, names)), rule=self.rule, linear=self.options.linear)
        answer = self.network.run(query, seen.inputs)
        gradients = answer.gradients[0].astype(np.float64)  # (T, H, W, C), or with frames
        if gradients.ndim == 5:
            gradients = gradients[:, -1]  # the newest
        modified = largest(MODIFIERS[self.options.grad](gradients))
        return self.steering_in(answer, seen), [stretch(values) for values in modified]


def stretch(values: Values) -> Values:
    """Return values scaled to 0..1; a flat map becomes zeros."""
    low, high = values.min(), values.max()
    return np.zeros_like(values) if high == low else (values - low) / (high - low)
