"""What is marked on the camera's picture: what a masking check found, and what a person masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import CausalCheck, Contract, Image, Place
from carla_saliency.draw import panes
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import PANE_L, Box, Pixels, fit, part
from carla_saliency.draw.palette import HIGH, ON_BADGE
from carla_saliency.draw.placing import place_label
from carla_saliency.draw.state import MaskBox
from carla_saliency.draw.text import TAG
from carla_saliency.draw.words import Degrees, signed

SMALLEST = 12.0  # units, half an ellipse: a smaller one could not be seen
LABEL_HEIGHT = 22.0
HANDLE = 4.0  # units, half the side of a mask's corner
MASKED, SEEN_THROUGH = 82, 0.15  # a mask's grey, and how much of the picture is left in it
HATCH, HATCH_LIGHT = 9, 42  # units from line to line; how much lighter a line is
_POINTS = 96
_DASHES = 14


@dataclass(frozen=True, slots=True)
class _Label:
    """A number and what it is about."""

    variants: tuple[str, ...]
    about: Box
    above: bool
    light: bool


def draw(
    canvas: Canvas,
    picture: Image,
    contract: Contract,
    degrees: Degrees,
    causal: CausalCheck | None,
    masks: tuple[MaskBox, ...],
    in_force: bool,
    taken: Iterable[Box] = (),
) -> None:
    """Draw all marks on the left pane, their labels where they hide the least.

    Args:
        canvas: Is drawn on.
        picture: In the pane.
        contract: Has the crop and the network's grid.
        degrees: Of the network's steering.
        causal: Its blobs are marked: solid if they move the steering, else dashed.
        masks: What a person masked.
        in_force: The picture is already masked: a thin hatch only says where.
        taken: What else is in the pane, in units.
    """
    whole = fit(picture.shape[:2], canvas.layout.pixels(PANE_L))
    crop = panes.crop_pixels(contract, whole)
    labels: list[_Label] = []
    for mask in masks:
        labels.append(_mask(canvas, part_of(whole, picture, mask.place), mask, in_force, degrees))
    for i, blob in enumerate(() if causal is None else causal.blobs):
        grid = contract.input_height_px, contract.input_width_px
        place = panes.on_screen(blob.place, grid, crop)
        assert place is not None
        box = _ellipse(canvas, crop, place, blob.moves)
        text = degrees.text(degrees.of_network(blob.change))
        labels.append(
            _Label((f"{i + 1}  masked: {text}", f"{i + 1}: {text}"), box, False, blob.moves)
        )
    _write(canvas, labels, list(taken))


def part_of(whole: Pixels, picture: Image, place: Place) -> Pixels:
    """Return where a part of the camera's picture is on the screen."""
    top, bottom, left, right = (round(side) for side in place)
    found = part(whole, picture.shape[:2], (top, bottom, left, right))
    x0, y0 = max(whole.x, found.x), max(whole.y, found.y)
    x1 = min(whole.x + whole.w, found.x + found.w)
    y1 = min(whole.y + whole.h, found.y + found.h)
    return Pixels(x0, y0, max(1, x1 - x0), max(1, y1 - y0))


def _units(canvas: Canvas, p: Pixels) -> Box:
    layout = canvas.layout
    k = layout.k
    return Box((p.x - layout.left_px) / k, (p.y - layout.top_px) / k, p.w / k, p.h / k)


# ------------------------------------------------------------------ masks


def _mask(canvas: Canvas, p: Pixels, mask: MaskBox, in_force: bool, degrees: Degrees) -> _Label:
    view = canvas.view(p)
    step = max(5, round(HATCH * canvas.layout.k))
    if not in_force:
        view[...] = cv2.convertScaleAbs(view, alpha=SEEN_THROUGH, beta=MASKED)
    lines = _hatch(canvas.layout.height_px, canvas.layout.width_px, step)[: p.h, : p.w]
    cv2.add(view, lines, dst=view)
    canvas.surface.fill(HIGH, (p.x, p.y, p.w, 1))
    canvas.surface.fill(HIGH, (p.x, p.y + p.h - 1, p.w, 1))
    canvas.surface.fill(HIGH, (p.x, p.y, 1, p.h))
    canvas.surface.fill(HIGH, (p.x + p.w - 1, p.y, 1, p.h))
    box = _units(canvas, p)
    for x in (box.x, box.right):
        for y in (box.y, box.bottom):
            left = min(max(x - HANDLE, PANE_L.x), PANE_L.right - 2 * HANDLE)
            top = min(max(y - HANDLE, PANE_L.y), PANE_L.bottom - 2 * HANDLE)
            canvas.fill(Box(left, top, 2 * HANDLE, 2 * HANDLE), HIGH)
    return _Label(_mask_words(mask, degrees), box, True, True)


@lru_cache(maxsize=4)
def _hatch(height: int, width: int, step: int) -> Image:
    """Return slanted lines, (height, width, 3), to be added to a picture."""
    lines = (np.arange(height)[:, None] + np.arange(width)) % step == 0
    return np.repeat((lines * np.uint8(HATCH_LIGHT))[..., None], 3, axis=2)


def _mask_words(mask: MaskBox, degrees: Degrees) -> tuple[str, ...]:
    name = f"mask {mask.letter}"
    if mask.before is None or mask.after is None:
        return (name, mask.letter)
    before, after = signed(mask.before, 2), signed(mask.after, 2)
    if degrees.car is None:
        change = signed(mask.after - mask.before, 2)
        return (f"{name}: steering {before} → {after} (Δ {change})", f"{name}: Δ {change}")
    change = degrees.text(degrees.of_network(mask.after - mask.before))
    return (
        f"{name}: steering {before} → {after} (Δ {change} at the wheels)",
        f"{name}: {before} → {after} (Δ {change})",
        f"{name}: Δ {change}",
    )


# ------------------------------------------------------------------ blobs


def _ellipse(canvas: Canvas, crop: Pixels, place: Place, solid: bool) -> Box:
    """Draw the ellipse that was filled in; return the box around it, in units."""
    k, pane = canvas.layout.k, canvas.pens.pixels(PANE_L)
    top, bottom, left, right = place
    x, y = crop.x + (left + right) / 2 - pane.x, crop.y + (top + bottom) / 2 - pane.y
    a = max(SMALLEST * k, (right - left) / 2)
    b = max(SMALLEST * k, (bottom - top) / 2)
    view = canvas.view(PANE_L)
    middle = x - 0.5, y - 0.5  # for OpenCV a pixel's middle is a whole number
    cv2.fillPoly(view, _rings(middle, a, b, 2 * k, solid), ON_BADGE, cv2.LINE_8, 4)
    cv2.fillPoly(view, _rings(middle, a, b, k, solid), HIGH, cv2.LINE_AA, 4)
    around = Pixels(round(pane.x + x - a), round(pane.y + y - b), round(2 * a), round(2 * b))
    return _units(canvas, around)


@lru_cache(maxsize=64)  # marks stand still for ten ticks, or as long as the world does
def _rings(
    middle: tuple[float, float], a: float, b: float, half: float, solid: bool
) -> list[NDArray[np.int32]]:
    """Return the outlines of an elliptic ring, or of its dashes, in sixteenths of pixels.

    They are filled: OpenCV takes four times as long for a thick line.
    """
    angle = np.linspace(0, 2 * np.pi, _POINTS + 1)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outer, inner = (
        ((unit * (a + side, b + side) + middle) * 16).round().astype(np.int32)
        for side in (half, -half)
    )
    if solid:
        return [outer, inner]
    each = _POINTS / _DASHES
    starts = [round(i * each) for i in range(_DASHES)]
    parts = [slice(start, start + round(each * 0.6) + 1) for start in starts]
    return [np.concatenate([outer[part], inner[part][::-1]]) for part in parts]


# ------------------------------------------------------------------ labels


def _write(canvas: Canvas, labels: list[_Label], taken: list[Box]) -> None:
    """Write all labels: none lies on another, and few on what is marked."""
    marked = tuple(label.about for label in labels)
    for label in labels:
        sizes = tuple((canvas.width(text, TAG) + 12, LABEL_HEIGHT) for text in label.variants)
        number, box = place_label(PANE_L, label.about, sizes, tuple(taken), marked, label.above)
        plate, colour = (HIGH, ON_BADGE) if label.light else (ON_BADGE, HIGH)
        canvas.plate(box, plate)
        canvas.text(box, label.variants[number], colour, TAG, "centre", on=plate)
        taken.append(box)
