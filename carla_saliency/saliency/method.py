"""What all saliency methods share: which layer, the steering, the words and the checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from carla_saliency.core import (
    Answer,
    Explanation,
    Feed,
    Frame,
    LayerInfo,
    Meaning,
    Network,
    Place,
    Seen,
    Target,
)
from carla_saliency.errors import BadInputError
from carla_saliency.saliency.colours import Values
from carla_saliency.saliency.options import DEFAULTS, Options

STEERING = "steering"
BLACK_BOX = "occlusion, rise"
"""The methods that only ask for the steering, for messages."""

PUSHES = ("pushes left", "pushes right")
BRIGHTER = ("brighter = left", "brighter = right")
AMOUNT = ("little", "much")
OF_A_LAYER = {PUSHES: ("lowers it", "raises it"), BRIGHTER: ("brighter = less", "brighter = more")}


class Method(ABC):
    """Explains frames in one way.

    Args:
        network: Whose steering is explained.
        feed: From frames to what the network takes; `explain_seen` does not look through it, so
            that it can run in another thread.
        options: What the method is told.

    Attributes:
        name: In the table and on the command line.
        title: For the window.
        slow: It does not fit into a tick of 50 ms on one core.
        needs_gradient: It asks the network for more than its steering.
        signed: The sign says to which side.
        per: What a value is counted per: "grey level", "pixel" or "cell".
        words: What a small and a large value say.
        hint: How to read the map of the steering, two short lines.
        layer: Whose output is explained, or at which the steering is.

    Raises:
        BadInputError: If the network has no such layer, or can't be asked what the method needs.
    """

    name: str
    title: str
    slow = False
    needs_gradient = True
    signed = True
    per = "pixel"
    words = PUSHES
    hint: tuple[str, ...] = ()

    def __init__(self, network: Network, feed: Feed, options: Options = DEFAULTS) -> None:
        self.network = network
        self.feed = feed
        self.options = options
        self.infos = {info.name: info for info in network.layers}
        asks = "--linear" if options.linear else f"layer {options.layer}" if options.layer else ""
        if not network.has_gradient and (self.needs_gradient or asks):
            raise BadInputError(
                f"{asks or self.name} needs the network's layers and gradient, and this network "
                f"can only be asked for its steering: use one of {BLACK_BOX} on the steering"
            )
        self.layer = self.default_layer() if options.layer is None else options.layer
        self.check_layer(self.layer)

    @property
    def meaning(self) -> Meaning:
        """Of the maps of `explain`."""
        return self.meaning_of(self.layer)

    def explain(self, frame: Frame) -> Explanation:
        """Return the steering and the map of one frame.

        Raises:
            BadInputError: If the network answers NaN or infinity.
        """
        return self.explain_seen(self.look(frame))

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame."""
        return self.feed.look(frame)

    def steer(self, seen: Seen) -> float:
        """Return the network's steering alone; left negative."""
        return float(self.network.steer(seen.inputs)[0])

    def explain_seen(self, seen: Seen) -> Explanation:
        """Return the steering and the map of a frame that was looked at before.

        Raises:
            BadInputError: If the network answers NaN or infinity.
        """
        return self._explain(seen, (self.layer,))[0]

    def explain_layers(self, frame: Frame, names: Sequence[str]) -> list[Explanation]:
        """Return one explanation of the frame for each of these layers, in their order.

        Args:
            frame: To explain.
            names: Of layers, or "steering".

        Raises:
            BadInputError: If there is no such layer, or the network answers NaN or infinity.
        """
        for name in names:
            self.check_layer(name)
        return self._explain(self.look(frame), tuple(names)) if names else []

    @abstractmethod
    def maps(self, seen: Seen, names: Sequence[str]) -> tuple[float, list[Values]]:
        """Return the steering and, for each layer, its map, (H, W) of the grid or of its cells."""

    def default_layer(self) -> str:
        """Return the layer that is taken when none is given."""
        return STEERING

    def check_layer(self, name: str) -> None:
        """Refuse a layer that the network has not.

        Raises:
            BadInputError: If it has not.
        """
        if name != STEERING and name not in self.infos:
            names = ", ".join(dict.fromkeys((*self.infos, STEERING)))
            raise BadInputError(f"the network has no layer {name}: use one of {names}")

    def meaning_of(self, layer: str) -> Meaning:
        """Return what a map says that explains this layer."""
        steering = layer == STEERING
        left, right = self.words if steering else OF_A_LAYER.get(self.words, self.words)
        return Meaning(
            title=self.full_title(*(() if steering else (f"of {layer}",))),
            of=layer,
            unit=self.unit_of(layer),
            signed=self.signed,
            left=left,
            right=right,
            hint=self.hint if steering else (f"about the output of {layer},", "not the steering"),
        )

    def unit_of(self, layer: str) -> str:
        """Return the unit of a map that explains this layer."""
        return f"{quantity(layer)} / {self.per}"

    def full_title(self, *details: str) -> str:
        """Return the title with what makes this map special."""
        linear = ("before the last activation: larger numbers",) if self.options.linear else ()
        return " · ".join((self.title, *details, *linear))

    def place_of(self, layer: str) -> Place | None:
        """Return what the map covers of the grid; None = all of it."""
        return None

    def steering_in(self, answer: Answer, seen: Seen) -> float:
        """Return the steering that an answer for a frame has; asks again if it is a linear one."""
        return self.steer(seen) if self.options.linear else float(answer.steering[0])

    def _explain(self, seen: Seen, names: Sequence[str]) -> list[Explanation]:
        steering, maps = self.maps(seen, names)
        explanations = []
        for name, values in zip(names, maps, strict=True):
            require_finite(seen, steering, values)
            explanations.append(
                Explanation(
                    seen.frame_id,
                    self.name,
                    steering,
                    np.ascontiguousarray(values, np.float32),
                    self.meaning_of(name),
                    self.place_of(name),
                )
            )
        return explanations


def quantity(layer: str) -> str:
    """Return the word for a layer's output in a unit: only the steering is in degrees."""
    if layer == STEERING:
        return "deg"
    return f"layer {layer}" if layer.startswith("deg") else layer


def target(layer: str) -> Target:
    """Return what is differentiated to explain a layer: the sum of its filters' means."""
    return layer, "mean"


def require_finite(seen: Seen, steering: float, values: Values) -> None:
    """Refuse an answer that is no number.

    Raises:
        BadInputError: If the steering or the map has NaN or infinity.
    """
    if not (np.isfinite(steering) and np.isfinite(values).all()):
        raise BadInputError(
            f"the network answers NaN or infinity for frame {seen.frame_id}: its weights or "
            "its contract's scale are wrong: give another --model"
        )


def picture_layers(infos: dict[str, LayerInfo]) -> list[str]:
    """Return the names of the layers whose outputs have rows, columns and channels."""
    return [name for name, info in infos.items() if len(info.shape) == 3]
