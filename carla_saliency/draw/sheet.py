"""One picture explained: the camera beside its map, with what the colours mean below."""

from __future__ import annotations

import math

import numpy as np

from carla_saliency.core import Contract, Explanation, Image
from carla_saliency.draw import colourbar, heatmap, panes
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import (
    CONTROLS_L,
    CONTROLS_R,
    PANE_L,
    PANE_R,
    TITLE_L,
    TITLE_R,
    TOP,
    UNITS,
    Box,
    Layout,
)
from carla_saliency.draw.palette import BACKGROUND, HIGH, MID, PANEL
from carla_saliency.draw.text import HEADING, STRONG
from carla_saliency.draw.words import Degrees, facts, steering, value

LARGEST = 3  # times 1280 pixels wide


class Paper:
    """Makes empty sheets: 1280 units wide, as high as needed, one to three pixels per unit."""

    def __init__(self) -> None:
        self._pens: dict[int, Pens] = {}

    def sheet(self, picture: Image, height: float) -> Canvas:
        """Return an empty sheet.

        Args:
            picture: A larger one, (H, W, 3), gets a larger sheet.
            height: In units.
        """
        times = min(LARGEST, max(1, round(picture.shape[1] / PANE_L.w)))
        if times not in self._pens:
            self._pens[times] = Pens(Layout.of((UNITS[0] * times, UNITS[1] * times)))
        array = np.empty((math.ceil(height) * times, UNITS[0] * times, 3), np.uint8)
        array[...] = BACKGROUND
        return Canvas(self._pens[times], array)


def title(canvas: Canvas, row: Box, what: str, facts: tuple[str, ...]) -> None:
    """Write what a part of a sheet shows, and at its right the facts; variants, longest first."""
    canvas.text(row, what, HIGH, STRONG)
    left = row.x + canvas.width(what, STRONG) + 12
    canvas.text(Box(left, row.y, row.right - left, row.h), facts, MID, align="right")


def camera_facts(picture: Image, name: str) -> tuple[str, ...]:
    """Return what is said over the camera's picture."""
    short = f"{name} · {picture.shape[1]}×{picture.shape[0]}"
    return (f"{short} · corners: seen by the network", short)


class SheetPainter:
    """Draws explained pictures.

    Args:
        network: Name of the network's file.
        degrees: Of the network's steering.
        own: Each picture has a scale of its own, which is said: two can't be compared then.
    """

    def __init__(self, network: str, degrees: Degrees, own: bool = False) -> None:
        self._network, self._degrees, self._own = network, degrees, own
        self._paper = Paper()

    def paint(
        self,
        picture: Image,
        name: str,
        contract: Contract,
        explanation: Explanation,
        scale: float,
    ) -> Image:
        """Return the sheet: RGB, uint8, 1280x456, or two or three times that.

        Args:
            picture: RGB, uint8, (H, W, 3); a larger one gets a larger sheet.
            name: Of the picture.
            contract: Has the region that the network saw, and its grid.
            explanation: Of this picture.
            scale: The magnitude in full colour, in the unit that is shown.
        """
        canvas = self._paper.sheet(picture, CONTROLS_R.bottom + 6)
        for pane in (PANE_L, PANE_R):
            canvas.fill(pane, PANEL)
        title(canvas, TITLE_L, "CAMERA", camera_facts(picture, name))
        title(canvas, TITLE_R, "SALIENCY", facts(explanation))
        index = heatmap.index_of(explanation, scale / self._degrees.of_map(explanation.meaning))
        colours = heatmap.table(explanation.meaning.signed)
        panes.camera(canvas, picture, contract)
        panes.overlay(canvas, picture, contract, index, colours, explanation.place)
        self._write(canvas, explanation, scale)
        return np.ascontiguousarray(canvas.array[canvas.layout.y(TOP.bottom) :])

    def _write(self, canvas: Canvas, explanation: Explanation, scale: float) -> None:
        meaning = explanation.meaning
        unit = self._degrees.unit(meaning)
        what = "the steering" if meaning.of == "steering" else meaning.of
        full = f"full colour: {value(scale, unit, meaning.signed)}"
        row = Box(CONTROLS_L.x, CONTROLS_L.y, CONTROLS_L.w, 26)
        canvas.text(row, steering(explanation.steering, self._degrees), HIGH, HEADING)
        for i, line in enumerate(
            (
                f"{explanation.method} · {self._network}",
                full if scale > 0 else f"no pixel moves {what}",
            )
        ):
            canvas.text(Box(row.x, row.bottom + 20 * i, row.w, 20), line, MID)
        colourbar.draw(canvas, meaning, colourbar.Scale(full=scale, unit=unit))
        colourbar.hint(canvas, meaning, self._own)
