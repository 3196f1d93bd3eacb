"""What the map's colours mean: the bar, its unit and its numbers, and how to read the method."""

from __future__ import annotations

import math

import cv2
import numpy as np

from carla_saliency.draw import heatmap
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import CONTROLS_R, Box
from carla_saliency.draw.palette import GRID, HIGH, LEFT, LINE, LOW, MID, ON_BADGE, RIGHT
from carla_saliency.draw.state import MethodView
from carla_saliency.draw.text import STRONG, Align

BAR = Box(CONTROLS_R.x, CONTROLS_R.y + 22, 372, 16)
HINT = Box(CONTROLS_R.x + 392, CONTROLS_R.y, 228, CONTROLS_R.h)


def exponent(scale: float) -> int:
    """Return the power of ten, a multiple of 3, in which a scale is easy to read."""
    if scale <= 0:
        return -3
    if scale >= 0.1:
        return 0
    return max(-12, -3 * math.ceil((-math.log10(scale) - 1e-9 - 1) / 3))


def unit(scale: float, per: str, degrees: bool) -> tuple[str, ...]:
    """Return the unit on the bar, and shorter ones."""
    power = exponent(scale)
    factor = {0: "", -3: "10⁻³ "}.get(
        power, f"1e−{-power} "
    )  # the fonts have no other superscripts
    what = "deg" if degrees else "steering"
    return (f"{factor}{what} / {per}", f"{factor}{what}", factor.strip() or what)


def number(value: float, scale: float, signed: bool) -> str:
    """Return a value as it stands below the bar."""
    shown = value / 10.0 ** exponent(scale)
    text = f"{abs(shown):.3g}"
    if not signed or value == 0:
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def draw(
    canvas: Canvas,
    method: MethodView,
    scale: float,
    *,
    degrees: bool,
    calibrating: bool,
    clipped: bool,
    opacity: float,
) -> None:
    """Draw the bar with its unit and numbers.

    Args:
        canvas: Is drawn on.
        method: What its ends are called.
        scale: The value at its ends, in the shown unit; 0 if it is not known.
        degrees: Whether that is degrees.
        calibrating: Whether it may still change a lot.
        clipped: Whether many pixels are beyond it.
        opacity: Of the overlay: the bar shows the very colours of the map.
    """
    _words(canvas, method, scale, degrees, calibrating)
    _colours(canvas, method.signed, opacity)
    if clipped:
        canvas.text(Box(BAR.right - 16, BAR.y, 14, BAR.h), "▶", ON_BADGE, align="right")
        if method.signed:
            canvas.text(Box(BAR.x + 2, BAR.y, 14, BAR.h), "◀", ON_BADGE)
    _ticks(canvas, method.signed, scale, calibrating or scale <= 0)


def _words(canvas: Canvas, method: MethodView, scale: float, degrees: bool, young: bool) -> None:
    row = Box(BAR.x, CONTROLS_R.y + 2, BAR.w, 18)
    left = f"◀ {method.left}" if method.signed else method.left
    right = f"{method.right} ▶" if method.signed else f"{method.right}, no sign"
    canvas.text(row, left, LEFT if method.signed else MID, STRONG)
    canvas.text(row, right, RIGHT if method.signed else HIGH, STRONG, "right")
    used = canvas.width(left, STRONG), canvas.width(right, STRONG)
    side = max(used) + 8  # centred on the bar, so the wider side decides
    slot = Box(row.x + side, row.y, row.w - 2 * side, row.h)
    if young:
        canvas.text(slot, ("calibrating", "…"), LOW, align="centre")
    else:
        canvas.text(slot, unit(scale, method.per, degrees), MID, align="centre")


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


def hint(canvas: Canvas, method: MethodView) -> None:
    """Draw how to read the method's map, beside the bar."""
    canvas.vertical(CONTROLS_R.x + 382, CONTROLS_R.y + 2, CONTROLS_R.bottom - 1, GRID)
    lines = ("how to read it", *method.hint)[:3]
    if not method.hint:
        return
    for i, line in enumerate(lines):
        slot = Box(HINT.x, HINT.y + 2 + 21 * i, HINT.w, 20)
        canvas.text(slot, line, LOW if i == 0 else MID)
