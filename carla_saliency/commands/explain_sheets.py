"""What `explain` draws: a map, every layer's map, or a layer's feature maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from carla_saliency.commands.explain_asking import Asking
from carla_saliency.core import Explanation, Frame, Image
from carla_saliency.draw.scale import Scales
from carla_saliency.draw.words import Degrees
from carla_saliency.factory import Steering
from carla_saliency.factory.every_layer import LARGE
from carla_saliency.settings import ExplainSettings

if TYPE_CHECKING:
    from carla_saliency.draw.layer_sheets import Cell
    from carla_saliency.draw.sheet import SheetPainter
    from carla_saliency.draw.side_by_side import SideBySide


class Sheets:
    """Draws all pictures of one run on the scale of all.

    Args:
        settings: Of the command.
        steering: The network.
        asking: Of the same run.

    Attributes:
        degrees: How steering is written.
        own: Each map is scaled to itself.
        every_layer: A sheet has the maps of every layer.
    """

    def __init__(self, settings: ExplainSettings, steering: Steering, asking: Asking) -> None:
        self._settings, self._steering, self._asking = settings, steering, asking
        contract = steering.contract
        lock_deg = contract.max_steer_deg if steering.has_contract else None
        self.degrees = Degrees(lock_deg, contract.max_steer_deg)
        self.own = settings.scale == "frame"
        self.every_layer = bool(asking.names)
        self._scales = Scales(self.degrees.of_map, self.own)
        self._film: SideBySide | None = None

    def take(self, explanations: Sequence[Explanation]) -> None:
        """Take maps into account for the scale."""
        for explanation in explanations:
            self._scales.add(explanation, 0.0)

    def settle(self) -> None:
        """Take no more maps into account: the scale is that of all."""
        self._scales.settle()

    def steering(self, explanation: Explanation) -> str:
        """Return the steering as it is written."""
        return self.degrees.text(self.degrees.of_network(explanation.steering))

    def map(self, name: str, frame: Frame, explanations: Sequence[Explanation]) -> Image:
        """Return the picture beside the map of the first explanation."""
        contract, scale = self._asking.steering.contract, self._scale_of(explanations[0])
        return self._painter.paint(frame.image, name, contract, explanations[0], scale)

    def film(
        self, name: str, frame: Frame, explanation: Explanation, size: tuple[int, int] | None
    ) -> Image:
        """Return a frame of an annotated video: the picture beside its map, and little else.

        Args:
            name: Of the picture.
            frame: Of it.
            explanation: Of it.
            size: (width, height) of the video; None = usual for such pictures. That of the first
                frame after `begin_film` holds.
        """
        from carla_saliency.draw.side_by_side import SideBySide, usual_size

        if self._film is None:
            self._film = SideBySide(size or usual_size(frame.image), self.degrees, self.own)
        contract, scale = self._asking.steering.contract, self._scale_of(explanation)
        return self._film.paint(frame.image, name, contract, explanation, scale)

    def begin_film(self) -> None:
        """The next frame is the first of its video."""
        self._film = None

    def layers(self, name: str, frame: Frame, explanations: Sequence[Explanation]) -> Image:
        """Return the picture with the maps of all layers."""
        from carla_saliency.draw.layer_sheets import LayersSheet

        asking = self._asking
        first = asking.layer(asking.names[0])
        painter = LayersSheet(self._steering.path.name, self.degrees, self.own)
        return painter.paint(
            frame.image,
            name,
            asking.steering.contract,
            asking.steering.feed.look(frame).rgb,
            (first, asking.output(frame, first.name)),
            self._cells(explanations),
        )

    @property
    def activations_name(self) -> str:
        """Return the layer's name as a part of a file's: it may have slashes."""
        return re.sub(r"[^\w.-]", "_", self._settings.activations or "")

    def activations(self, name: str, frame: Frame) -> Image:
        """Return the picture with the feature maps of the layer that is asked for."""
        from carla_saliency.draw.layer_sheets import ActivationsSheet

        layer = self._asking.layer(self._settings.activations or "")
        values = self._asking.output(frame, layer.name)
        painter = ActivationsSheet(self._steering.path.name)
        return painter.paint(frame.image, name, self._asking.steering.contract, layer, values)

    def _cells(self, explanations: Sequence[Explanation]) -> list[Cell]:
        from carla_saliency.draw.layer_sheets import Cell

        layers = [self._asking.layer(name) for name in self._asking.names]
        output = layers[-1]
        if output.source and output.kind not in LARGE:  # ours, behind the file's own
            layers[-1] = replace(output, kind=f"of layer {output.source}")
        if len(explanations) != len(layers):  # a method of cells leaves out layers that have none
            layers = [layer for layer in layers if len(layer.shape) == 3]
        return [
            Cell(layer, explanation, self._scale_of(explanation))
            for layer, explanation in zip(layers, explanations, strict=True)
        ]

    def _scale_of(self, explanation: Explanation) -> float:
        if self.own:
            self._scales.add(explanation, 0.0)
        keeper = self._scales.of(explanation)
        return 0.0 if keeper is None else keeper.scale

    @cached_property
    def _painter(self) -> SheetPainter:
        # pygame, which the sheets' text needs, takes 0.2 s to import: the first map comes before it
        from carla_saliency.draw.sheet import SheetPainter

        return SheetPainter(self._steering.path.name, self.degrees, self.own)
