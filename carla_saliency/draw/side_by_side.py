"""A frame of an annotated video: the camera beside its map, no larger than the two pictures."""

from __future__ import annotations

import cv2
import numpy as np

from carla_saliency.core import Contract, Explanation, Image
from carla_saliency.draw import heatmap, panes
from carla_saliency.draw.canvas import Canvas, Pens
from carla_saliency.draw.layout import UNITS, Box, Layout
from carla_saliency.draw.palette import BACKGROUND, HIGH, LEFT, MID, RIGHT
from carla_saliency.draw.text import SMALL, STRONG
from carla_saliency.draw.words import Degrees, steering, value

HALF = UNITS[0] / 2
STRIP = 26.0  # units at the top, dimmed, for the words
MARGIN, BAR = 10.0, (96.0, 12.0)
SIDE = 150.0  # units at both ends of the map's strip, for the method and for the scale
HIGHEST = 720  # pixels, of the usual size


def usual_size(picture: Image) -> tuple[int, int]:
    """Return (width, height) of the frame that is usual for such a picture: 1280x360 for 16:9."""
    height, width = picture.shape[:2]
    return UNITS[0], max(32, min(HIGHEST, 2 * round(HALF * height / width / 2)))


class SideBySide:
    """Draws the frames of one video.

    Args:
        size: (width, height) in pixels; pictures of another shape get empty borders.
        degrees: Of the network's steering.
        own: Each frame has a scale of its own, which is said.
    """

    def __init__(self, size: tuple[int, int], degrees: Degrees, own: bool = False) -> None:
        width, height = size
        self._empty = np.full((height, width, 3), BACKGROUND, np.uint8)
        self._degrees, self._own = degrees, own
        k = width / UNITS[0]
        self._pens = Pens(Layout(width, height, k, 0, 0))
        self._left = Box(0, 0, HALF, height / k)
        self._right = Box(HALF, 0, HALF, height / k)
        self._bars: dict[bool, Image] = {}

    def paint(
        self,
        picture: Image,
        name: str,
        contract: Contract,
        explanation: Explanation,
        scale: float,
    ) -> Image:
        """Return the frame: RGB, uint8, (height, width, 3).

        Args:
            picture: RGB, uint8, (H, W, 3).
            name: Of the picture.
            contract: Has the region that the network saw, and its grid.
            explanation: Of this picture.
            scale: The magnitude in full colour, in the unit that is shown.
        """
        canvas = Canvas(self._pens, self._empty.copy())  # filling it takes ten times as long
        meaning = explanation.meaning
        index = heatmap.index_of(explanation, scale / self._degrees.of_map(meaning))
        colours = heatmap.table(meaning.signed)
        panes.camera(canvas, picture, contract, self._left)
        where = self._right, self._left
        panes.overlay(canvas, picture, contract, index, colours, explanation.place, *where)
        strip = canvas.view(Box(0, 0, UNITS[0], STRIP))
        cv2.convertScaleAbs(strip, dst=strip, alpha=panes.DIM)
        self._write(canvas, name, explanation)
        self._explain_colours(canvas, explanation, scale)
        return canvas.array

    def _write(self, canvas: Canvas, name: str, explanation: Explanation) -> None:
        row = Box(MARGIN, 0, HALF - 2 * MARGIN, STRIP)
        words = steering(explanation.steering, self._degrees)
        canvas.text(row, words, HIGH, STRONG)
        left = row.x + canvas.width(words, STRONG) + MARGIN
        canvas.text(Box(left, 0, row.right - left, STRIP), name, MID, SMALL, "right")

    def _explain_colours(self, canvas: Canvas, explanation: Explanation, scale: float) -> None:
        meaning = explanation.meaning
        row = Box(HALF + MARGIN, 0, HALF - 2 * MARGIN, STRIP)
        full = value(scale, self._degrees.unit(meaning), meaning.signed)
        facts = (f"own scale {full}", "own scale") if self._own else (full, full.split()[0])
        canvas.text(Box(row.x, 0, SIDE, STRIP), explanation.method, HIGH, STRONG)
        canvas.text(Box(row.right - SIDE, 0, SIDE, STRIP), facts, MID, SMALL, "right")
        middle, width = row.x + row.w / 2, (row.w - 2 * SIDE - BAR[0]) / 2 - 8
        bar = Box(middle - BAR[0] / 2, (STRIP - BAR[1]) / 2, *BAR)
        self._draw_bar(canvas.view(bar), meaning.signed)
        colours = (LEFT, RIGHT) if meaning.signed else (MID, HIGH)
        before = Box(bar.x - 8 - width, 0, width, STRIP)
        canvas.text(before, meaning.left, colours[0], SMALL, "right")
        canvas.text(Box(bar.right + 8, 0, width, STRIP), meaning.right, colours[1], SMALL)

    def _draw_bar(self, view: Image, signed: bool) -> None:
        if signed not in self._bars:
            index = np.linspace(1 if signed else 0, 255, view.shape[1]).round().astype(np.uint8)
            colour, keep = (table[index, 0] for table in heatmap.table(signed))
            on = np.full(colour.shape, BACKGROUND, np.uint8)
            row = cv2.add(cv2.multiply(on, keep, scale=1 / 255), colour)
            self._bars[signed] = np.repeat(row[None], len(view), axis=0).astype(np.uint8)
        np.copyto(view, self._bars[signed])
