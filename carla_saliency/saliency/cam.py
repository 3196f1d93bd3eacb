"""What the class activation maps share: a steering network has no classes, but two sides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from carla_saliency.core import Explanation, Frame, Meaning, Place, Query, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.saliency.colours import Values
from carla_saliency.saliency.convolutions import default_layer
from carla_saliency.saliency.method import AMOUNT, PUSHES, STEERING, Method, picture_layers, target


class Cam(Method):
    """Attributes the steering at a layer: the map is on that layer's cells.

    Towards the right the papers' class score is the steering, towards the left its negative, and
    the map is rectified as in the papers. Both: nothing is rectified, and the sign is the side.
    """

    signed = False
    per = "cell"
    in_degrees = False

    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and a map at each layer, on its cells, from one call."""
        query = Query((target(STEERING),), keep=tuple(names), linear=self.options.linear)
        answer = self.network.run(query, seen.inputs)
        maps = []
        for name in names:
            outputs = answer.outputs[name][0].astype(np.float64)  # (h, w, channels)
            gradients = answer.output_gradients[name][0, 0].astype(np.float64)
            if self.options.towards == "left":
                gradients = -gradients
            values = self.combine(outputs, gradients)
            maps.append(values if self.both else np.maximum(values, 0))
        return self.steering_in(answer, seen), maps

    @abstractmethod
    def combine(self, outputs: Values, gradients: Values) -> Values:
        """Return the map before it is rectified, (h, w).

        Args:
            outputs: Of the layer, (h, w, channels).
            gradients: Of the steering, or its negative, to them.
        """

    @property
    def both(self) -> bool:
        """Whether the map is of both sides and has a sign."""
        return self.options.towards == "both"

    def explain_layers(self, frame: Frame, names: Sequence[str]) -> list[Explanation]:
        """Return one explanation at each of these layers that has cells, in their order.

        Raises:
            BadInputError: If there is no such layer, or the network answers NaN or infinity.
        """
        for name in names:
            super().check_layer(name)
        pictures = picture_layers(self.infos)
        return super().explain_layers(frame, [name for name in names if name in pictures])

    def default_layer(self) -> str:
        """Return the deepest convolution that still has a height and a width."""
        return default_layer(self.network)

    def check_layer(self, name: str) -> None:
        """Refuse a layer that has no cells.

        Raises:
            BadInputError: If it has none, or there is no such layer.
        """
        super().check_layer(name)
        pictures = picture_layers(self.infos)
        if name not in pictures:
            raise BadInputError(
                f"layer {name} has no rows and columns to show a map on: "
                f"use one of {', '.join(pictures)}"
            )

    def meaning_of(self, layer: str) -> Meaning:
        """Return what the map at this layer says."""
        towards = self.options.towards
        rows, columns = self.infos[layer].shape[:2]
        left, right = PUSHES if self.both else AMOUNT
        side = "left or right" if self.both else towards
        return Meaning(
            title=self.full_title(
                f"layer {layer}",
                f"map {columns}×{rows}",
                "left and right" if self.both else f"towards {towards}",
            ),
            of=STEERING,
            unit=f"deg / {self.per}" if self.in_degrees else "relative",
            signed=self.both,
            left=left,
            right=right,
            hint=("what is found in this cell", f"pushes the steering {side}"),
        )

    def place_of(self, layer: str) -> Place | None:
        """Return where the layer's cells lie on the grid."""
        return self.infos[layer].place
