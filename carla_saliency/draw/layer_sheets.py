"""A network layer by layer on one picture: the map of each, and what a layer answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from carla_saliency.core import Array, Contract, Explanation, Image, LayerInfo, Meaning
from carla_saliency.draw import activations, heatmap, panes
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import UNITS, Box, fit
from carla_saliency.draw.palette import HIGH, LEFT, LINE, LOW, MID, PANEL, RIGHT
from carla_saliency.draw.sheet import Paper, camera_facts, title
from carla_saliency.draw.text import HEADING, STRONG
from carla_saliency.draw.words import Degrees, resolution, steering, value

MARGIN, GAP = 12.0, 16.0
COLUMNS = 4
HALF = (UNITS[0] - 2 * MARGIN - GAP) / 2
CELL = (UNITS[0] - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
HEAD, ROW = 40.0, 22.0
HIGHEST_PANE, HIGHEST_CELL = 349.0, 210.0
LEGEND = 34.0
CELL_UNITS = 2.0  # larger cells of a map are seen as cells, although the pictures are small


@dataclass(frozen=True, slots=True)
class Cell:
    """The map of one layer.

    Attributes:
        layer: Which.
        explanation: Has the map.
        scale: The magnitude in full colour, in the unit that is shown.
    """

    layer: LayerInfo
    explanation: Explanation
    scale: float


class LayersSheet:
    """Draws a picture, what the first layer answers to it, and the map of every layer.

    Args:
        network: Name of the network's file.
        degrees: Of the network's steering.
        own: Each map is scaled to itself, which is said.
    """

    def __init__(self, network: str, degrees: Degrees, own: bool = False) -> None:
        self._network, self._degrees, self._own = network, degrees, own
        self._paper = Paper()

    def paint(
        self,
        picture: Image,
        name: str,
        contract: Contract,
        grid: Image,
        first: tuple[LayerInfo, Array],
        cells: Sequence[Cell],
    ) -> Image:
        """Return the sheet: RGB, uint8, 1280 wide or two or three times that.

        Args:
            picture: RGB, uint8, (H, W, 3); a larger one gets a larger sheet.
            name: Of the picture.
            contract: Has the region that the network saw.
            grid: The picture on the network's grid, RGB, uint8, (rows, columns, 3).
            first: The first layer, and its output without the batch.
            cells: In the order of computation; at least one.
        """
        tall, wide = picture.shape[:2]
        pane = min(HIGHEST_PANE, HALF * tall / wide)
        high = min(HIGHEST_CELL, CELL * grid.shape[0] / grid.shape[1])
        each = 2 * ROW + high + GAP
        meanings = _meanings(cells)
        top = HEAD + ROW + pane + GAP
        below = top + ROW + 8 + math.ceil(len(cells) / COLUMNS) * each
        canvas = self._paper.sheet(picture, below + LEGEND * len(meanings) + 4)
        self._head(canvas, cells[0].explanation)
        left = Box(MARGIN, HEAD + ROW, HALF, pane)
        right = Box(MARGIN + HALF + GAP, HEAD + ROW, HALF, pane)
        title(canvas, Box(left.x, HEAD, HALF, ROW), "CAMERA", camera_facts(picture, name))
        canvas.fill(left, PANEL)
        panes.camera(canvas, picture, contract, left)
        about = activations.describe(*first)
        title(canvas, Box(right.x, HEAD, HALF, ROW), "ACTIVATIONS", about)
        _draw_activations(canvas, right, activations.newest(first[1]))
        self._title(canvas, Box(MARGIN, top, UNITS[0] - 2 * MARGIN, ROW))
        grey = heatmap.grey(grid)
        for i, cell in enumerate(cells):
            x, y = MARGIN + i % COLUMNS * (CELL + GAP), top + ROW + 8 + i // COLUMNS * each
            self._cell(canvas, Box(x, y, CELL, high + 2 * ROW), grey, cell)
        for i, meaning in enumerate(meanings):
            legend(canvas, Box(MARGIN, below + LEGEND * i, UNITS[0] - 2 * MARGIN, LEGEND), meaning)
        return canvas.array

    def _head(self, canvas: Canvas, explanation: Explanation) -> None:
        row = Box(MARGIN, 6, UNITS[0] - 2 * MARGIN, HEAD - 10)
        said = steering(explanation.steering, self._degrees)
        canvas.text(row, said, HIGH, HEADING)
        left = row.x + canvas.width(said, HEADING) + 24
        facts = (f"{explanation.method} · every layer · {self._network}", explanation.method)
        canvas.text(Box(left, row.y, row.right - left, row.h), facts, MID, align="right")

    def _title(self, canvas: Canvas, row: Box) -> None:
        scaled = "scaled to this frame and layer" if self._own else "each on its own scale"
        facts = f"cells at their true resolution · {scaled}: full colour is the value below"
        title(canvas, row, "SALIENCY", (facts,))

    def _cell(self, canvas: Canvas, box: Box, grey: Image, cell: Cell) -> None:
        explanation, meaning = cell.explanation, cell.explanation.meaning
        row = Box(box.x, box.y, box.w, ROW)
        width = min(canvas.width(cell.layer.name, STRONG) + 1, box.w)
        canvas.text(Box(row.x, row.y, width, row.h), cell.layer.name, HIGH, STRONG)
        slot = Box(row.x + width + 10, row.y, max(1.0, row.w - width - 10), row.h)
        canvas.text(slot, (cell.layer.kind, ""), LOW, align="right")

        pane = Box(box.x, box.y + ROW, box.w, box.h - 2 * ROW)
        canvas.fill(pane, PANEL)
        place = fit(grey.shape, canvas.layout.pixels(pane))
        how = cv2.INTER_AREA if place.w < grey.shape[1] else cv2.INTER_LINEAR
        large = cv2.resize(grey, (place.w, place.h), interpolation=how)
        view = canvas.view(place)
        view[...] = large[..., None]
        index = heatmap.index_of(explanation, cell.scale / self._degrees.of_map(meaning))
        covers = panes.on_screen(explanation.place, grey.shape, place)
        coarse_px = CELL_UNITS * canvas.layout.k
        heatmap.lay_over(view, index, heatmap.table(meaning.signed), covers, coarse_px)

        row = Box(box.x, pane.bottom + 2, box.w, ROW - 2)
        full = value(cell.scale, self._degrees.unit(meaning), meaning.signed)
        full = full if cell.scale > 0 else "nothing moves it"
        width = canvas.width(full) + 1
        canvas.text(row, (full, full.partition(" / ")[0]), MID, align="right")
        size = resolution(explanation.attribution.shape)
        left = Box(row.x, row.y, max(1.0, row.w - width - 10), row.h)
        canvas.text(left, (size, size.partition(",")[0], ""), MID)


class ActivationsSheet:
    """Draws everything that one layer answers to a picture.

    Args:
        network: Name of the network's file.
    """

    def __init__(self, network: str) -> None:
        self._network = network
        self._paper = Paper()

    def paint(
        self, picture: Image, name: str, contract: Contract, layer: LayerInfo, values: Array
    ) -> Image:
        """Return the sheet: RGB, uint8, 1280 wide or two or three times that.

        Args:
            picture: RGB, uint8, (H, W, 3); a larger one gets a larger sheet.
            name: Of the picture.
            contract: Has the region that the network saw.
            layer: Which layer.
            values: Its output, without the batch.
        """
        values = activations.newest(values)
        width = UNITS[0] - 2 * MARGIN
        high = 240.0
        if values.ndim == 3:
            rows, columns, count = values.shape
            high = activations.numbered_height((rows, columns), count, width)
        small = Box(MARGIN, MARGIN, 192, 108)
        canvas = self._paper.sheet(picture, small.bottom + GAP + high + MARGIN)
        canvas.fill(small, PANEL)
        panes.camera(canvas, picture, contract, small)
        beside = Box(small.right + GAP, small.y, UNITS[0] - MARGIN - small.right - GAP, 28)
        canvas.text(beside, layer.name, HIGH, HEADING)
        lines = (
            activations.describe(layer, values)[0].partition(" · ")[2],
            f"{name} · {self._network}",
        )
        for i, line in enumerate(lines):
            canvas.text(Box(beside.x, beside.bottom + 20 * i, beside.w, 20), line, MID)
        body = Box(MARGIN, small.bottom + GAP, width, high)
        if values.ndim == 3:
            activations.ruler(canvas, Box(beside.x, small.bottom - 34, 304, 34), values)
            activations.numbered(canvas, body, values)
        else:
            activations.bars(canvas, body, values)
        return canvas.array


def legend(canvas: Canvas, row: Box, meaning: Meaning) -> None:
    """Draw one row that says what the colours of a meaning are."""
    bar = Box(row.x + 200, row.y + 11, 240, 12)
    left = f"◀ {meaning.left}" if meaning.signed else meaning.left
    right = f"{meaning.right} ▶" if meaning.signed else f"{meaning.right}, no sign"
    slot = Box(row.x, row.y, 190, row.h)
    canvas.text(slot, left, LEFT if meaning.signed else MID, STRONG, "right")
    canvas.fill(bar, LINE)
    ends = (1, 255) if meaning.signed else (0, 255)
    index = np.linspace(*ends, canvas.view(bar).shape[1]).round().astype(np.uint8)[None]
    heatmap.lay_over(canvas.view(bar), index, heatmap.table(meaning.signed))
    slot = Box(bar.right + 10, row.y, 190, row.h)
    canvas.text(slot, right, RIGHT if meaning.signed else HIGH, STRONG)
    hint = " ".join(meaning.hint)
    if meaning.of != "steering":  # the row stands for several layers
        hint = "about each layer's own output, not the steering"
    x = slot.right + 10
    canvas.text(Box(x, row.y, row.right - x, row.h), (hint, meaning.title), LOW, align="right")


def _meanings(cells: Sequence[Cell]) -> list[Meaning]:
    """Return one meaning of each kind of colours, that of the steering where it has them."""
    found: dict[tuple[bool, str, str], Meaning] = {}
    for meaning in (cell.explanation.meaning for cell in cells):
        kind = (meaning.signed, meaning.left, meaning.right)
        if kind not in found or meaning.of == "steering":
            found[kind] = meaning
    return list(found.values())


def _draw_activations(canvas: Canvas, box: Box, values: Array) -> None:
    if values.ndim == 1:
        activations.bars(canvas, box, values)
        return
    canvas.fill(box, PANEL)
    activations.mosaic(canvas, Box(box.x + 4, box.y + 4, box.w - 8, box.h - 8), values)
