"""What one layer answers to the shown frame, and what each of its filters does to the steering."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from carla_saliency.core import Array
from carla_saliency.draw.activations import LOWEST, bars, grey, newest, paste
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import Box, fit
from carla_saliency.draw.palette import BACKGROUND, HIGH, LOW, MID, PANEL, Colour
from carla_saliency.draw.state import Inspection
from carla_saliency.draw.words import Degrees, plain, signed

AREA = Box(60, 576, 964, 111)  # the lower strip, and the row of the axis that it does not need
LEGEND = Box(1036, 576, 232, 111)
ROW, ROWS = 20.0, 24.0  # units: of a filter's number; of a line of the legend
ACROSS, DOWN = 12, 2
MOST = ACROSS * DOWN
GAP = 10.0  # units between filters: a share must not seem to belong to the next one
CLIPPED = 0.5  # percent of the values at either end: one bright cell must not leave the rest black
STRAIGHT_DEG = 0.5  # under this a share of the steering says nothing
KEYS = "J layer   K method"


@dataclass(frozen=True, slots=True)
class _Filters:
    """Which filters or units are shown, and what is written at each.

    Attributes:
        order: Their numbers.
        effects: Of all of the layer, by number, with shorter variants; None if not known.
        of: What the effects are, for the legend.
    """

    order: list[int]
    effects: list[tuple[str, ...]] | None
    of: str


def activations(canvas: Canvas, inspection: Inspection, degrees: Degrees, steering: float) -> None:
    """Draw the feature maps of a layer in the place of the lower strip, and their legend.

    Args:
        canvas: Is drawn on.
        inspection: Has the layer, its output, and the changes of the steering.
        degrees: Of the network's steering.
        steering: The network's own for this frame: the changes are shares of it, unless it is
            nearly straight.
    """
    canvas.fill(Box(0, 570, 1280, 119), BACKGROUND)
    layer, output = inspection.layer, inspection.activations
    if layer is None or output is None:
        canvas.fill(AREA, PANEL)
        words = "no layer has activations to show" if layer is None else "calculating"
        canvas.text(AREA, words, LOW, align="centre")
        _legend(canvas, "" if layer is None else layer.name, ())
        return
    values = newest(output)
    filters = _choose(values, inspection.filter_changes, degrees, steering)
    if values.ndim == 1:
        bars(canvas, AREA, values)
    else:
        _pictures(canvas, values, filters)
    _legend(canvas, layer.name, _lines(values, filters))


# ------------------------------------------------------------------ which, and their effects


def _choose(values: Array, changes: Array | None, degrees: Degrees, steering: float) -> _Filters:
    count = values.shape[-1]
    if changes is None or len(changes) != count:
        size = np.abs(values).reshape(-1, count).mean(axis=0)
        strongest = np.argsort(-size, kind="stable")[:MOST]
        return _Filters(sorted(strongest.tolist()), None, "")
    order = np.argsort(-np.abs(changes), kind="stable")[:MOST].tolist()
    if abs(steering) * degrees.network < STRAIGHT_DEG:
        turned = [_turned(change, degrees) for change in changes.tolist()]
        unit = "10⁻³ of steering" if degrees.car is None else "degrees"
        return _Filters(order, turned, f"{unit}, masked alone")
    texts = [_percent(abs(change / steering)) for change in changes.tolist()]
    return _Filters(order, texts, "% of steering, masked alone")


def _turned(change: float, degrees: Degrees) -> tuple[str, ...]:
    """Return a change of the steering with as many digits as there is room for."""
    suffix, shown, finest = degrees.suffix, degrees.of_network(change), 2
    if degrees.car is None:
        shown, finest = 1000 * shown, 1
    signs = tuple(f"{signed(shown, digits)}{suffix}" for digits in range(finest, -1, -1))
    return *signs, f"{abs(shown):.0f}{suffix}"


def _percent(share: float) -> tuple[str, ...]:
    return f"{share * 100:.{0 if share >= 0.0995 else 1}f} %", f"×{share:.0f}"


def _lines(values: Array, filters: _Filters) -> tuple[str, ...]:
    """Return what the legend says about the layer's output."""
    count, shown = values.shape[-1], len(filters.order)
    if values.ndim == 1:
        low, high = plain(float(values.min())), plain(float(values.max()))
        size, scale = f"{count} units", f"{low} … {high}"
        if filters.effects is None:
            return size, scale
        most = filters.order[0]
        return f"{size}, {scale}", f"unit {most} masked alone: {filters.effects[most][0]}"
    number = f"{count}" if shown == count else f"{shown} of {count}"
    size = f"{number} filters, {values.shape[1]}×{values.shape[0]} each"
    if filters.of:
        return size, filters.of
    low, high = (plain(limit) for limit in _limits(values))
    return size, f"black {low}, white {high}"


def _limits(values: Array) -> tuple[float, float]:
    """Return the outputs that are black and white."""
    ordered = np.partition(
        values, (first := int(values.size * CLIPPED / 100), -1 - first), axis=None
    )
    return float(ordered[first]), float(ordered[-1 - first])


# ------------------------------------------------------------------ drawing


def _pictures(canvas: Canvas, values: Array, filters: _Filters) -> None:
    rows, columns = values.shape[:2]
    count = len(filters.order)
    down = ceil(count / ACROSS)
    across = ceil(count / down)
    w, h = (AREA.w - GAP * (across - 1)) / across, AREA.h / down
    shades = grey(np.clip(values, *_limits(values)))
    digits = max(2, len(str(values.shape[-1] - 1)))
    for i, number in enumerate(filters.order):
        x, y = AREA.x + i % across * (w + GAP), AREA.y + i // across * h
        slot = canvas.pens.pixels(Box(x, y, w, h - ROW))
        least = max(rows, round(columns * LOWEST / w))
        place = fit((least, columns), slot)
        place = place._replace(y=slot.y + slot.h - place.h)  # right above its number
        paste(canvas, place, shades[..., number])
        row = Box(x, y + h - ROW, w, ROW)
        taken = canvas.text(row, f"{number:0{digits}d}", LOW)
        if filters.effects is not None:
            left = taken.w / canvas.layout.k + 4
            slot_text = Box(row.x + left, row.y, row.w - left, row.h)
            canvas.text(slot_text, filters.effects[number], MID, align="right")


def _legend(canvas: Canvas, layer: str, lines: tuple[str, ...]) -> None:
    names = tuple(f"{name} activations" for name in shorter(layer)) if layer else ("activations",)
    rows: list[tuple[tuple[str, ...], Colour]] = [(names, HIGH)]
    rows += [((line,), MID) for line in lines]
    rows.append(((KEYS,), LOW))
    for i, (variants, colour) in enumerate(rows):
        row = Box(LEGEND.x, LEGEND.y + ROWS * i + 1, LEGEND.w, ROWS - 4)
        canvas.text(row, variants, colour)


def shorter(name: str, least: int = 6) -> tuple[str, ...]:
    """Return a name, and shorter ones without its middle: its end often has a number."""
    cut = (
        f"{name[: ceil(kept / 2)]}…{name[-(kept // 2) :]}"
        for kept in range(len(name) - 2, least - 2, -1)
    )
    return name, *cut
