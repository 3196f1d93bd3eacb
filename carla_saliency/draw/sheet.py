"""One picture explained: the camera beside its map, with what the colours mean below."""

from __future__ import annotations

import numpy as np

from carla_saliency.core import Contract, Explanation, Image
from carla_saliency.draw import colourbar, heatmap, hud, panes
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
from carla_saliency.draw.state import MethodView
from carla_saliency.draw.text import HEADING, STRONG

LARGEST = 3  # times 1280 pixels wide


class SheetPainter:
    """Draws explained pictures that share one scale, so that they can be compared.

    Args:
        method: What the colours mean.
        network: Name of the network's file.
        scale: The magnitude in full colour, in degrees where they are known, else in steering.
        degrees: Of the network's steering.
    """

    def __init__(
        self, method: MethodView, network: str, scale: float, degrees: hud.Degrees
    ) -> None:
        self._method, self._network = method, network
        self._scale, self._degrees = scale, degrees
        self._pens: dict[int, Pens] = {}

    def paint(
        self, picture: Image, name: str, contract: Contract, explanation: Explanation
    ) -> Image:
        """Return the sheet: RGB, uint8, about 1280x456, or two or three times that.

        Args:
            picture: RGB, uint8, (H, W, 3); a larger one gets a larger sheet.
            name: Of the picture.
            contract: Has the region that the network saw.
            explanation: Of this picture.
        """
        canvas = self._canvas(picture)
        height, width = picture.shape[:2]
        rows, columns = explanation.attribution.shape
        camera = f"{name} · {width}×{height}"
        map_ = f"{self._method.title} · map {columns}×{rows}"
        for title, what, pane, facts in (
            (TITLE_L, "CAMERA", PANE_L, (f"{camera} · corners: seen by the network", camera)),
            (TITLE_R, "SALIENCY", PANE_R, (map_,)),
        ):
            canvas.fill(pane, PANEL)
            canvas.text(title, what, HIGH, STRONG)
            left = title.x + canvas.width(what, STRONG) + 12
            slot = Box(left, title.y, title.right - left, title.h)
            canvas.text(slot, facts, MID, align="right")
        panes.camera(canvas, picture, contract)
        panes.overlay(
            canvas, picture, contract, self._index(explanation), heatmap.table(self._method.signed)
        )
        self._write(canvas, explanation)
        layout = canvas.layout
        top, bottom = layout.y(TOP.bottom), layout.y(CONTROLS_R.bottom + 6)
        return np.ascontiguousarray(canvas.array[top:bottom])

    def _canvas(self, picture: Image) -> Canvas:
        times = min(LARGEST, max(1, round(picture.shape[1] / PANE_L.w)))
        if times not in self._pens:
            self._pens[times] = Pens(Layout.of((UNITS[0] * times, UNITS[1] * times)))
        array = np.empty((UNITS[1] * times, UNITS[0] * times, 3), np.uint8)
        array[...] = BACKGROUND
        return Canvas(self._pens[times], array)

    def _index(self, explanation: Explanation) -> Image:
        to_index = heatmap.signed_index if self._method.signed else heatmap.magnitude_index
        return to_index(explanation.attribution, self._scale / self._degrees.of_network(1.0))

    def _write(self, canvas: Canvas, explanation: Explanation) -> None:
        degrees, method = self._degrees, self._method
        known = degrees.car is not None
        steering = degrees.of_network(explanation.steering)
        side = "" if round(steering, degrees.digits) == 0 else "left" if steering < 0 else "right"
        unit = f"{'deg' if known else 'steering'} / {method.per}"
        scale = f"full colour: {'±' if method.signed else ''}{self._scale:g} {unit}"
        row = Box(CONTROLS_L.x, CONTROLS_L.y, CONTROLS_L.w, 26)
        canvas.text(row, f"steering {degrees.text(steering)} {side}".strip(), HIGH, HEADING)
        for i, line in enumerate(
            (
                f"{explanation.method} · {self._network}",
                scale if self._scale > 0 else "no pixel moves the steering",
            )
        ):
            canvas.text(Box(row.x, row.bottom + 20 * i, row.w, 20), line, MID)
        colourbar.draw(
            canvas,
            method,
            self._scale,
            degrees=known,
            calibrating=False,
            clipped=False,
            opacity=1.0,
        )
        colourbar.hint(canvas, method)
