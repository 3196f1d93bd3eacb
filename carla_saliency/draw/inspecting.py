"""The window while the world stands still: the map at every layer, and which moment is shown."""

from __future__ import annotations

from math import ceil

from carla_saliency.core import Contract, Image, Meaning
from carla_saliency.draw import colourbar, heatmap, layer_cells, panes
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.feature_maps import activations as activations
from carla_saliency.draw.history import SECONDS
from carla_saliency.draw.layout import LEGEND_A, PANE_R, STRIP_A, TITLE_R, Box, Pixels
from carla_saliency.draw.palette import BACKGROUND, HIGH, MID, PANEL
from carla_saliency.draw.state import Inspection, LayerCell
from carla_saliency.draw.text import STRONG
from carla_saliency.draw.words import Degrees, facts

GAP = 6.0  # units between cells
MOST = 9  # cells
CURSOR_ROW = Box(LEGEND_A.x, LEGEND_A.y + 50, LEGEND_A.w, 18)
SIGNED_FACTS = (
    "cells at true resolution, each on its own ± scale, shown top right",
    "true resolution, each on its own ± scale",
    "each on its own ± scale",
)
MIXED_FACTS = (
    "cells at true resolution, each on its own scale; from 0: no sign",
    "each on its own scale; from 0: no sign",
    "each on its own scale",
)


# ------------------------------------------------------------------ where the cells are


def cell_boxes(count: int) -> tuple[Box, ...]:
    """Return where the cells of so many layers are in the right pane, row by row; at most 9."""
    count = min(count, MOST)
    across = 1 if count <= 2 else 2 if count <= 6 else 3
    down = max(1, ceil(count / across))
    w, h = (PANE_R.w - GAP * (across - 1)) / across, (PANE_R.h - GAP * (down - 1)) / down
    return tuple(
        Box(PANE_R.x + i % across * (w + GAP), PANE_R.y + i // across * (h + GAP), w, h)
        for i in range(count)
    )


def chosen(inspection: Inspection) -> int | None:
    """Return the number of the chosen cell, from 0; None if none is."""
    cells = enumerate(inspection.cells[:MOST])
    return next((i for i, cell in cells if cell.chosen), None)


def fills(inspection: Inspection) -> LayerCell | None:
    """Return the cell whose map fills the pane; None while the grid is shown."""
    number = chosen(inspection)
    return inspection.cells[number] if inspection.full and number is not None else None


def bar(inspection: Inspection, degrees: Degrees) -> tuple[Meaning, colourbar.Scale] | None:
    """Return what the colour bar says about the map that fills the pane; None if none does."""
    cell = fills(inspection)
    if cell is None or cell.explanation is None:
        return None
    meaning = cell.explanation.meaning
    full = layer_cells.scale_of(cell.explanation, degrees)
    return meaning, colourbar.Scale(full=full, unit=degrees.unit(meaning))


# ------------------------------------------------------------------ the maps


def layers(
    canvas: Canvas,
    picture: Image,
    inspection: Inspection,
    contract: Contract,
    degrees: Degrees,
    opacity: float = 1.0,
) -> None:
    """Draw the right pane with its title: all layers' maps, or the chosen one's alone.

    Args:
        canvas: Is drawn on.
        picture: Of the camera, of the frame that is explained.
        inspection: Has the maps.
        contract: Has the crop and the network's grid.
        degrees: Of the network's steering.
        opacity: Of the maps.
    """
    alone = fills(inspection)
    canvas.fill(TITLE_R, BACKGROUND)
    if alone is not None:
        _full(canvas, picture, alone, contract, degrees, opacity)
        return
    canvas.fill(PANE_R, BACKGROUND)
    cells = inspection.cells[:MOST]
    found = [cell.explanation for cell in cells if cell.explanation is not None]
    mixed = any(not explanation.meaning.signed for explanation in found)
    _title(canvas, "LAYERS", MIXED_FACTS if mixed else SIGNED_FACTS)
    boxes = cell_boxes(len(cells))
    if not cells:
        panes.note(canvas, PANE_R, "no layer has a map")
        return
    brush = layer_cells.Brush(canvas, picture, contract, degrees, opacity, boxes[0])
    for box, cell in zip(boxes, cells, strict=True):
        brush.draw(box, cell)


def _title(canvas: Canvas, name: str, about: tuple[str, ...]) -> None:
    canvas.text(TITLE_R, name, HIGH, STRONG)
    left = TITLE_R.x + canvas.width(name, STRONG) + 12
    canvas.text(Box(left, TITLE_R.y, TITLE_R.right - left, TITLE_R.h), about, MID, align="right")


def _full(
    canvas: Canvas,
    picture: Image,
    cell: LayerCell,
    contract: Contract,
    degrees: Degrees,
    opacity: float,
) -> None:
    canvas.fill(PANE_R, PANEL)
    found = cell.explanation
    signed = True if found is None else found.meaning.signed
    index, covers = None, None
    if found is not None and opacity > 0:
        index, covers = layer_cells.index_of(found, degrees), found.place
    tables = heatmap.table(signed, round(opacity, 2))
    panes.overlay(canvas, picture, contract, index, tables, covers)
    if found is None:
        _title(canvas, "LAYER", (layer_cells.shown_name(cell), ""))
        panes.note(canvas, PANE_R, "calculating")
    else:
        _title(canvas, "LAYER", facts(found))


# ------------------------------------------------------------------ time


def cursor(canvas: Canvas, inspection: Inspection) -> None:
    """Draw which moment is shown: a line on the steering strip, and how long ago that was."""
    back_s = inspection.back_s
    canvas.fill(CURSOR_ROW, BACKGROUND)
    name = Box(CURSOR_ROW.x + 26, CURSOR_ROW.y, 110, CURSOR_ROW.h)
    canvas.text(name, "cursor", MID)
    when = f"−{back_s:.2f} s" if round(back_s, 2) > 0 else "now"
    canvas.text(CURSOR_ROW, when, HIGH, align="right")
    if back_s > SECONDS:
        return
    p = canvas.pens.pixels(STRIP_A)
    wide = max(1, round(2 * canvas.layout.k))
    x = p.x + round((p.w - 1) * (1 - max(0.0, back_s) / SECONDS)) - wide // 2
    x = min(max(x, p.x), p.x + p.w - wide)
    canvas.fill(Pixels(x, p.y, wide, p.h), HIGH)
