"""The two pictures: the camera, and the same frame in grey under the map."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from carla_saliency.core import Contract, Image, Place
from carla_saliency.draw import heatmap
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import PANE_L, PANE_R, Box, Pixels, fit, part
from carla_saliency.draw.palette import BACKGROUND, HIGH, MID, ON_BADGE, WARNING
from carla_saliency.draw.text import BAND, TAG

CORNER = 14  # units, length of the ticks at the corners of the network's crop
BAND_HEIGHT = 32
INSET = (168.0, 40.0)  # units: width of a small picture, and its least height
INSET_HIGHEST, INSET_LABEL = 96.0, 20.0
ASIDE_HEIGHT = 22.0
DIM = 0.30  # of the brightness: pictures that are no longer true


def crop_pixels(contract: Contract, whole: Pixels) -> Pixels:
    """Return what the network sees, on the screen.

    Args:
        contract: Has the crop, in pixels of its camera. A camera of another size at the same place
            is cropped in proportion.
        whole: Where the camera's picture is on the screen.
    """
    return part(whole, (contract.height_px, contract.width_px), contract.crop)


def camera(canvas: Canvas, picture: Image, contract: Contract | None, pane: Box = PANE_L) -> None:
    """Draw a camera's picture, with ticks at the corners of the network's crop.

    Without a contract it is one that no network sees, and has no ticks.
    """
    place = fit(picture.shape[:2], canvas.layout.pixels(pane))
    _resize_into(canvas.view(place), picture)
    if contract is not None:
        corners(canvas, crop_pixels(contract, place))


def overlay(
    canvas: Canvas,
    picture: Image,
    contract: Contract,
    index: Image | None,
    tables: tuple[Image, Image],
    covers: Place | None = None,
    pane: Box = PANE_R,
    beside: Box | None = None,
) -> None:
    """Draw the camera's picture in grey, and the map over the very region that it explains.

    Args:
        canvas: Is drawn on.
        picture: Of the frame that the map explains.
        contract: Has the crop and the network's grid.
        index: From `heatmap.index_of`; None draws no map.
        tables: From `heatmap.table`.
        covers: What the map covers of the network's grid, in its pixels; None = all of it.
        pane: Where.
        beside: A pane in which `camera` drew the same picture, which need not be enlarged again.
    """
    place = fit(picture.shape[:2], canvas.pens.pixels(pane))
    large = _large_grey(canvas, picture, place, beside)
    cv2.cvtColor(large, cv2.COLOR_GRAY2RGB, dst=canvas.view(place))
    crop = crop_pixels(contract, place)
    if index is not None:
        grid = contract.input_height_px, contract.input_width_px
        inside = Pixels(crop.x - place.x, crop.y - place.y, crop.w, crop.h)
        heatmap.lay_over(
            canvas.view(crop),
            index,
            tables,
            on_screen(covers, grid, crop),
            grey=large[inside.rows, inside.columns],
        )
    corners(canvas, crop)


def _large_grey(canvas: Canvas, picture: Image, place: Pixels, beside: Box | None) -> Image:
    """Return a picture in grey, (H, W) of a place; the corners' ticks may already be on it."""
    if beside is not None:
        there = fit(picture.shape[:2], canvas.pens.pixels(beside))
        if (there.w, there.h) == (place.w, place.h):
            return heatmap.grey(canvas.view(there))
    dark = heatmap.grey(picture)  # before it is enlarged: a third of the work
    large = cv2.resize(dark, (place.w, place.h), interpolation=_how(picture, place))
    return large.astype(np.uint8, copy=False)


def on_screen(covers: Place | None, grid: tuple[int, int], crop: Pixels) -> Place | None:
    """Return where a part of the network's grid is on the screen, from the crop's first pixel.

    Args:
        covers: That part, in pixels of the grid; None = all of it.
        grid: (rows, columns) of the network's grid.
        crop: The pixels of the screen that show it.
    """
    if covers is None:
        return None
    down, along = crop.h / grid[0], crop.w / grid[1]
    top, bottom, left, right = covers
    return top * down, bottom * down, left * along, right * along


def dim(canvas: Canvas, pane: Box) -> None:
    """Darken a pane whose picture is old."""
    view = canvas.view(pane)
    view[...] = cv2.convertScaleAbs(view, alpha=DIM)


def alarm(canvas: Canvas, pane: Box, text: str | Sequence[str]) -> Box:
    """Draw a yellow frame and a band with one line at the top of a pane.

    Args:
        canvas: Is drawn on.
        pane: Which.
        text: The line, or variants of it, longest first.

    Returns:
        The band.
    """
    variants = (text,) if isinstance(text, str) else text
    canvas.outline(pane, WARNING, max(1, round(3 * canvas.layout.k)))
    band = Box(pane.x, pane.y, pane.w, BAND_HEIGHT)
    canvas.fill(band, WARNING)
    slot = Box(pane.x + 12, pane.y, pane.w - 24, BAND_HEIGHT)
    canvas.text(slot, [f"▲ {line}" for line in variants], ON_BADGE, BAND, on=WARNING)
    return band


def inset(canvas: Canvas, picture: Image, pane: Box, lowest: float, labels: tuple[str, ...]) -> Box:
    """Draw a small picture with a label at the right of a pane, under its band.

    Args:
        canvas: Is drawn on.
        picture: RGB, (H, W, 3).
        pane: Where.
        lowest: It ends above this row, if there is room for it at all.
        labels: What it is; variants, longest first.

    Returns:
        The box that it takes.
    """
    top = pane.y + BAND_HEIGHT + 8
    most = max(INSET[1], min(INSET_HIGHEST, lowest - 6 - top - INSET_LABEL))
    k = min(INSET[0] / picture.shape[1], most / picture.shape[0])
    w, h = picture.shape[1] * k, picture.shape[0] * k
    words = max(min(canvas.width(label) for label in labels) + 12, w, INSET[0])
    box = Box(pane.right - 8 - words, top, words, h + INSET_LABEL)
    canvas.fill(box, ON_BADGE)
    canvas.text(Box(box.x + 6, box.y, box.w - 12, INSET_LABEL), labels, HIGH)
    _resize_into(canvas.view(Box(box.x + (words - w) / 2, box.y + INSET_LABEL, w, h)), picture)
    canvas.outline(box, HIGH)
    return box


def aside(canvas: Canvas, pane: Box, lowest: float, text: str | Sequence[str]) -> None:
    """Say one line quietly at the top left of a pane, if it ends above a row."""
    if pane.y + 6 + ASIDE_HEIGHT > lowest:
        return
    variants = (text,) if isinstance(text, str) else text
    room = pane.w - 12 - 16
    line = next((line for line in variants if canvas.width(line) <= room), variants[-1])
    box = Box(pane.x + 6, pane.y + 6, min(room, canvas.width(line)) + 16, ASIDE_HEIGHT)
    view = canvas.view(box)
    cv2.convertScaleAbs(view, dst=view, alpha=DIM)
    canvas.text(Box(box.x + 8, box.y, box.w - 16, box.h), line, MID)


def note(canvas: Canvas, pane: Box, text: str) -> None:
    """Say one line in the middle of a pane."""
    width, height = canvas.width(text, TAG) + 32, 40
    box = Box(pane.x + (pane.w - width) / 2, pane.y + (pane.h - height) / 2, width, height)
    canvas.plate(box, BACKGROUND)
    canvas.text(box, text, HIGH, TAG, "centre")


def _how(picture: Image, place: Pixels) -> int:
    """Return how to resize: averaging costs five times as much, and is needed below 60 % only."""
    return cv2.INTER_AREA if place.w < 0.6 * picture.shape[1] else cv2.INTER_LINEAR


def _resize_into(target: Image, picture: Image) -> None:
    height, width = target.shape[:2]
    if picture.shape == target.shape:
        np.copyto(target, picture)
        return
    place = Pixels(0, 0, width, height)
    cv2.resize(picture, (width, height), dst=target, interpolation=_how(picture, place))


def corners(canvas: Canvas, crop: Pixels) -> None:
    """Draw ticks at the corners of the network's crop."""
    length = min(round(CORNER * canvas.layout.k), crop.w // 2, crop.h // 2)
    fill = canvas.surface.fill
    for x in (crop.x, crop.x + crop.w - length):
        for y in (crop.y, crop.y + crop.h - 1):
            fill(MID, (x, y, length, 1))
    for x in (crop.x, crop.x + crop.w - 1):
        for y in (crop.y, crop.y + crop.h - length):
            fill(MID, (x, y, 1, length))
