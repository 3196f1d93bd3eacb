"""One layer's map in the grid of the inspected frame, at its true resolution and own scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from carla_saliency.core import Contract, Explanation, Image, Meaning
from carla_saliency.draw import heatmap, panes
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.feature_maps import shorter
from carla_saliency.draw.layout import Box, Pixels
from carla_saliency.draw.palette import HIGH, LOW, MID, PANEL
from carla_saliency.draw.scale import round_up
from carla_saliency.draw.state import LayerCell
from carla_saliency.draw.text import STRONG
from carla_saliency.draw.words import Degrees, plain

HEAD = 20.0  # units: of the row with a cell's name
CELL_UNITS = 2.0  # larger cells of a map are seen as cells, although the pictures are small
PERCENTILE = 99.5
OUTSIDE = 0.5  # brightness of what the camera sees and the network does not
OUTLINE = 2.0  # units, around the chosen cell


# ------------------------------------------------------------------ scale and words


def scale_of(explanation: Explanation, degrees: Degrees) -> float:
    """Return the magnitude that this map alone shows in full colour; 0 for a map of zeros.

    It is the 99.5th percentile of the magnitudes, rounded up to 1, 2 or 5, in the shown unit.
    """
    magnitude = np.abs(explanation.attribution).ravel()
    if not magnitude.size:
        return 0.0
    rank = ceil(PERCENTILE / 100 * magnitude.size) - 1
    full = float(np.partition(magnitude, rank)[rank])
    if not full > 0:  # sparse maps have only their peaks
        full = float(magnitude.max())
    return round_up(full * degrees.of_map(explanation.meaning))


def index_of(explanation: Explanation, degrees: Degrees) -> Image:
    """Return the map as `heatmap.table` wants it, on its own scale."""
    factor = degrees.of_map(explanation.meaning)
    return heatmap.index_of(explanation, scale_of(explanation, degrees) / factor)


def shown_name(cell: LayerCell) -> str:
    """Return what a cell is called."""
    return "output" if cell.name == "steering" else cell.name


def _about(explanation: Explanation, degrees: Degrees) -> tuple[str, ...]:
    """Return a map's true resolution and its own full scale; variants, longest first."""
    rows, columns = explanation.attribution.shape
    size = f"{columns}×{rows}"
    full = f"{_number(scale_of(explanation, degrees))}{_unit(explanation.meaning, degrees)}"
    if explanation.meaning.signed:
        return f"{size}  ±{full}", f"{size} ±{full}", f"±{full}", ""
    both = f"{size} 0–{full}"
    return f"{both}, no sign", f"{both} no sign", both, f"0–{full}", ""


def _number(scale: float) -> str:
    """Return 1, 2 or 5 times a power of ten, as short as it can be written."""
    if 0 < scale < 1e-3:
        digit, _, power = f"{scale:.0e}".partition("e-")
        return f"{digit}e−{int(power)}"
    return plain(scale)


def _unit(meaning: Meaning, degrees: Degrees) -> str:
    """Return the shortest unit: what a cell or pixel is counted in; none for a layer's output."""
    what = degrees.unit(meaning).partition(" / ")[0]
    return {"deg": "°", "deg²": "°²"}.get(what, "")


def _remark(explanation: Explanation) -> str:
    """Return what must be known about a map beside its size; "" if nothing."""
    if not explanation.attribution.any():
        return "zero everywhere"
    return "no vertical detail" if len(explanation.attribution) == 1 else ""


# ------------------------------------------------------------------ the frame


@dataclass(frozen=True, slots=True)
class _View:
    """What the network sees, in grey, with as much around it as a cell has room for.

    Attributes:
        image: RGB, uint8, not larger than the cell.
        crop: What the network sees, in pixels of the image; may stick out of it.
    """

    image: Image
    crop: Pixels

    @classmethod
    def of(cls, picture: Image, contract: Contract, size: tuple[int, int]) -> _View:
        """Return the view of a camera's picture for cells of (width, height) pixels."""
        height, width = picture.shape[:2]
        crop = panes.crop_pixels(contract, Pixels(0, 0, width, height))
        k = min(size[0] / crop.w, size[1] / crop.h)
        x0, x1 = _around(crop.x, crop.w, width, size[0] / k)
        y0, y1 = _around(crop.y, crop.h, height, size[1] / k)
        w, h = (
            max(1, min(most, round(length * k)))
            for most, length in zip(size, (x1 - x0, y1 - y0), strict=True)
        )
        grey = heatmap.grey(np.ascontiguousarray(picture[y0:y1, x0:x1]))
        how = cv2.INTER_AREA if k < 1 else cv2.INTER_LINEAR
        large = cv2.resize(grey, (w, h), interpolation=how)
        image: Image = np.repeat(large[..., None], 3, axis=2).astype(np.uint8, copy=False)
        x, y = round((crop.x - x0) * k), round((crop.y - y0) * k)
        shown = Pixels(x, y, max(1, round(crop.w * k)), max(1, round(crop.h * k)))
        dark = (image * OUTSIDE).astype(np.uint8)
        _cut(dark, shown)[...] = _cut(image, shown)
        return cls(dark, shown)


def _around(first: int, length: int, whole: int, wanted: float) -> tuple[int, int]:
    """Return so many of a picture's rows or columns, with a part of it near their middle."""
    count = min(whole, max(1, round(wanted)))
    start = min(max(0, round(first + (length - count) / 2)), whole - count)
    return start, start + count


def _cut(image: Image, crop: Pixels) -> Image:
    """Return the part of a crop that is inside an image."""
    return image[max(0, crop.y) : max(0, crop.y + crop.h), max(0, crop.x) : max(0, crop.x + crop.w)]


# ------------------------------------------------------------------ the cell


def _picture_box(cell: Box) -> Box:
    return Box(cell.x, cell.y + HEAD, cell.w, cell.h - HEAD)


class Brush:
    """Draws cells of one size, all of the same frame.

    Args:
        canvas: Is drawn on.
        picture: Of the camera, RGB, uint8, (H, W, 3).
        contract: Has the crop and the network's grid.
        degrees: Of the network's steering.
        opacity: Of the maps.
        cell: One of the cells: the others are as large.
    """

    def __init__(
        self,
        canvas: Canvas,
        picture: Image,
        contract: Contract,
        degrees: Degrees,
        opacity: float,
        cell: Box,
    ) -> None:
        self._canvas, self._degrees, self._opacity = canvas, degrees, opacity
        self._grid = contract.input_height_px, contract.input_width_px
        slot = canvas.pens.pixels(_picture_box(cell))
        self._view = _View.of(picture, contract, (slot.w, slot.h))

    def draw(self, box: Box, cell: LayerCell) -> None:
        """Draw a cell: its name, its map or that there is none yet, and whether it is chosen."""
        canvas = self._canvas
        canvas.fill(box, PANEL)
        self._head(box, cell)
        if cell.explanation is None:
            canvas.text(_picture_box(box), "calculating", LOW, align="centre")
        else:
            self._picture(box, cell.explanation)
        if cell.chosen:
            canvas.outline(box, HIGH, max(1, round(OUTLINE * canvas.layout.k)))

    def _head(self, box: Box, cell: LayerCell) -> None:
        canvas = self._canvas
        row = Box(box.x + 5, box.y, box.w - 10, HEAD)
        about = ("",) if cell.explanation is None else _about(cell.explanation, self._degrees)
        needs = canvas.width(about[0]) + 9
        name = Box(row.x, row.y, max(row.w - needs, row.w * 0.4), row.h)
        taken = canvas.text(name, shorter(shown_name(cell)), HIGH, STRONG)
        left = taken.w / canvas.layout.k + 8
        slot = Box(row.x + left, row.y, row.w - left, row.h)
        canvas.text(slot, about, MID, align="right")

    def _picture(self, box: Box, explanation: Explanation) -> None:
        canvas, view = self._canvas, self._view
        slot, (h, w) = canvas.pens.pixels(_picture_box(box)), view.image.shape[:2]
        place = Pixels(slot.x + max(0, slot.w - w) // 2, slot.y + max(0, slot.h - h) // 2, w, h)
        target = canvas.view(place)
        target[...] = view.image
        if self._opacity > 0:
            self._map(_cut(target, view.crop), explanation)
        words = _remark(explanation)
        row = Box(box.x + 5, box.y + HEAD + 1, box.w - 10, 18)
        room = view.crop.y / canvas.layout.k >= row.h + 2 and canvas.width(words) <= row.w
        if words and room:
            canvas.text(row, words, MID)

    def _map(self, inside: Image, explanation: Explanation) -> None:
        """Lay a map over what is shown of the crop."""
        crop = self._view.crop
        covers = panes.on_screen(explanation.place, self._grid, crop)
        if covers is None and inside.shape[:2] != (crop.h, crop.w):
            covers = 0.0, float(crop.h), 0.0, float(crop.w)
        if covers is not None:
            up, left = min(0, crop.y), min(0, crop.x)
            covers = covers[0] + up, covers[1] + up, covers[2] + left, covers[3] + left
        index = index_of(explanation, self._degrees)
        tables = heatmap.table(explanation.meaning.signed, round(self._opacity, 2))
        coarse_px = CELL_UNITS * self._canvas.layout.k
        heatmap.lay_over(inside, index, tables, covers, coarse_px)
