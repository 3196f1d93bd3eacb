"""What the map's colours mean: the bar, its unit and its numbers, and how to read the method."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from carla_saliency.core import Meaning
from carla_saliency.draw import heatmap
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import CONTROLS_R, Box
from carla_saliency.draw.palette import GRID, HIGH, LEFT, LINE, LOW, MID, ON_BADGE, RIGHT
from carla_saliency.draw.text import STRONG, Align
from carla_saliency.draw.words import number, unit

BAR = Box(CONTROLS_R.x, CONTROLS_R.y + 22, 372, 16)
ROWS = 3  # of the hint
HINT = Box(CONTROLS_R.x + 392, CONTROLS_R.y, 228, CONTROLS_R.h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The values at the ends of the bar.

    Attributes:
        full: The magnitude in full colour, in the unit; 0 if it is not known.
        unit: Of it, for example "deg / pixel".
        calibrating: It may still change a lot.
        clipped: Many pixels are beyond it.
        locked: It does not follow the maps.
    """

    full: float = 0.0
    unit: str = "deg / pixel"
    calibrating: bool = False
    clipped: bool = False
    locked: bool = False


def draw(canvas: Canvas, method: Meaning, scale: Scale, opacity: float = 1.0) -> None:
    """Draw the bar with its unit and numbers.

    Args:
        canvas: Is drawn on.
        method: What its ends are called.
        scale: What they are worth.
        opacity: Of the overlay: the bar shows the very colours of the map.
    """
    _words(canvas, method, scale)
    _colours(canvas, method.signed, opacity)
    if scale.clipped:
        canvas.text(Box(BAR.right - 16, BAR.y, 14, BAR.h), "▶", ON_BADGE, align="right")
        if method.signed:
            canvas.text(Box(BAR.x + 2, BAR.y, 14, BAR.h), "◀", ON_BADGE)
    _ticks(canvas, method.signed, scale.full, scale.calibrating or scale.full <= 0)


def _words(canvas: Canvas, method: Meaning, scale: Scale) -> None:
    row = Box(BAR.x, CONTROLS_R.y + 2, BAR.w, 18)
    what = ("calibrating", "…") if scale.calibrating else unit(scale.full, scale.unit)
    if scale.locked:
        what = (*(f"{text}, locked" for text in what), "locked")
    ends = method.left, method.right
    slot = _between(canvas, row, ends, method.signed)
    if canvas.width(what[0]) > slot.w:  # the unit is worth more than an article
        ends = method.left.replace(" the ", " "), method.right.replace(" the ", " ")
        slot = _between(canvas, row, ends, method.signed)
    left, right = _ends(ends, method.signed)
    canvas.text(row, left, LEFT if method.signed else MID, STRONG)
    canvas.text(row, right, RIGHT if method.signed else HIGH, STRONG, "right")
    canvas.text(slot, what, LOW if scale.calibrating else MID, align="centre")


def _ends(words: tuple[str, str], signed: bool) -> tuple[str, str]:
    left, right = words
    return (f"◀ {left}", f"{right} ▶") if signed else (left, f"{right}, no sign")


def _between(canvas: Canvas, row: Box, words: tuple[str, str], signed: bool) -> Box:
    """Return what is left of a row between the words at its ends."""
    left, right = (canvas.width(text, STRONG) + 8 for text in _ends(words, signed))
    return Box(row.x + left, row.y, max(1.0, row.w - left - right), row.h)


def _colours(canvas: Canvas, signed: bool, opacity: float) -> None:
    canvas.fill(BAR, LINE)
    view = canvas.view(BAR)
    ends = (1, 255) if signed else (0, 255)
    index = np.linspace(*ends, view.shape[1]).round().astype(np.uint8)
    colour, keep = heatmap.table(signed, opacity)
    row = index.reshape(1, -1)
    cv2.multiply(view, np.repeat(keep[row, 0], len(view), axis=0), dst=view, scale=1 / 255)
    cv2.add(view, np.repeat(colour[row, 0], len(view), axis=0), dst=view)


def _ticks(canvas: Canvas, signed: bool, scale: float, unknown: bool) -> None:
    fractions = (-1.0, -0.5, 0.0, 0.5, 1.0) if signed else (0.0, 0.5, 1.0)
    low = fractions[0]
    for fraction in fractions:
        share = (fraction - low) / (1 - low)
        x = BAR.x + (BAR.w - 1) * share
        canvas.vertical(x + 0.5, BAR.bottom, BAR.bottom + 4, LOW)
        if unknown and fraction != 0:
            continue
        align: Align = "left" if share == 0 else "right" if share == 1 else "centre"
        left = {"left": BAR.x, "right": BAR.right - 80, "centre": x - 40}[align]
        text = number(fraction * scale, scale, signed)
        canvas.text(Box(left, BAR.bottom + 6, 80, 18), text, MID, align=align)


def hint(canvas: Canvas, method: Meaning, own: bool = False) -> None:
    """Draw how to read the method's map, beside the bar.

    Args:
        canvas: Is drawn on.
        method: Has the lines.
        own: Each frame has its own scale: that must be said, since two can't be compared then.
    """
    canvas.vertical(CONTROLS_R.x + 382, CONTROLS_R.y + 2, CONTROLS_R.bottom - 1, GRID)
    lines = [(line, MID) for line in _wrapped(canvas, method.hint)]
    if own:
        lines = [("scaled to this frame", HIGH), *lines]
    elif 0 < len(lines) < ROWS:
        lines = [("how to read it", LOW), *lines]
    for i, (line, colour) in enumerate(lines[:ROWS]):
        slot = Box(HINT.x, HINT.y + 2 + 21 * i, HINT.w, 20)
        canvas.text(slot, line, colour)


def _wrapped(canvas: Canvas, hint: tuple[str, ...]) -> list[str]:
    """Return the lines of a hint, broken anew where one is too long for a small window."""
    if all(canvas.width(line) <= HINT.w for line in hint):
        return list(hint)
    lines: list[str] = []
    for word in " ".join(hint).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and canvas.width(longer) <= HINT.w:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
