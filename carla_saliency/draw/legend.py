"""Direct labels of the strips: names at their lines, with the values of now, and the axes."""

from __future__ import annotations

from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import (
    AXIS,
    LEGEND_A,
    LEGEND_B,
    STRIP_A,
    STRIP_OFFSET,
    STRIP_SPEED,
    Box,
)
from carla_saliency.draw.palette import AREA, HIGH, LOW, MID, ROOM, Colour
from carla_saliency.draw.traces import OFFSET_RANGE_M, SECONDS, Field, History
from carla_saliency.draw.words import NONE, Degrees, signed

_ROWS_A = tuple(LEGEND_A.y + 13 + 23 * i for i in range(3))
_ROWS_B = tuple(LEGEND_B.y + 11 + 22 * i for i in range(4))
_WIDEST = "000.0 km/h"


def base(canvas: Canvas, degrees: Degrees, limit_m: float, top_kmh: float) -> None:
    """Draw what never changes: the axes' numbers and the names of the curves."""
    limit = f"{degrees.strip_limit:g}{degrees.suffix}"
    _scale(canvas, STRIP_A, (f"R {limit}", "0", f"L {limit}"), 9)
    inset = STRIP_OFFSET.h / 2 * (1 - limit_m / OFFSET_RANGE_M)
    _scale(canvas, STRIP_OFFSET, (f"R {limit_m:g} m", "0", f"L {limit_m:g} m"), inset)
    _scale(canvas, STRIP_SPEED, (f"{top_kmh:g}", "0"), 5)
    _seconds(canvas)
    _name(canvas, LEGEND_A, _ROWS_A[0], ("network",), "solid", HIGH)
    _name(canvas, LEGEND_A, _ROWS_A[1], ("expert (ghost)", "expert"), "dashed", MID)
    _name(canvas, LEGEND_B, _ROWS_B[0], ("from lane centre", "lane offset"), "solid", HIGH)
    _name(canvas, LEGEND_B, _ROWS_B[1], ("inside the lane", "in the lane"), "band", ROOM)
    _name(canvas, LEGEND_B, _ROWS_B[2], ("put back beyond", "put back at"), "dotted", LOW)
    _value(canvas, LEGEND_B, _ROWS_B[2], f"±{limit_m:.2f} m")
    _name(canvas, LEGEND_B, _ROWS_B[3], ("speed",), "area", MID)


def _scale(canvas: Canvas, strip: Box, texts: tuple[str, ...], inset: float) -> None:
    first, last = strip.y + inset, strip.bottom - inset
    for i, text in enumerate(texts):
        y = first + (last - first) * i / (len(texts) - 1)
        canvas.text(Box(0, y - 8, 54, 16), text, MID, align="right")


def _seconds(canvas: Canvas) -> None:
    for quarter in range(5):
        seconds = round(SECONDS * (1 - quarter / 4))
        x = AXIS.x + AXIS.w * quarter / 4
        if quarter == 0:
            canvas.text(Box(x, AXIS.y, 60, AXIS.h), f"−{seconds} s", LOW)
        elif quarter == 4:
            canvas.text(Box(x - 60, AXIS.y, 60, AXIS.h), "now", LOW, align="right")
        else:
            canvas.text(Box(x - 30, AXIS.y, 60, AXIS.h), f"−{seconds}", LOW, align="centre")


def draw(canvas: Canvas, history: History, degrees: Degrees, known: bool = True) -> None:
    """Draw the newest values; a dash for what is not known."""
    now = {field: history.latest(field) if known else None for field in Field}
    network, expert, by_hand = now[Field.NETWORK], now[Field.EXPERT], now[Field.BY_HAND]
    _value(canvas, LEGEND_A, _ROWS_A[0], degrees.text(network))
    _value(canvas, LEGEND_A, _ROWS_A[1], degrees.text(expert))
    if by_hand is not None:
        _name(canvas, LEGEND_A, _ROWS_A[2], ("by hand",), "solid", LOW)
        _value(canvas, LEGEND_A, _ROWS_A[2], degrees.text(by_hand))
    else:
        both = None if network is None or expert is None else network - expert
        _name(canvas, LEGEND_A, _ROWS_A[2], ("difference",), "none", MID)
        _value(canvas, LEGEND_A, _ROWS_A[2], degrees.text(both))

    offset, room, speed = now[Field.OFFSET_M], now[Field.ROOM_M], now[Field.SPEED_KMH]
    _value(canvas, LEGEND_B, _ROWS_B[0], NONE if offset is None else f"{signed(offset, 2)} m")
    _value(canvas, LEGEND_B, _ROWS_B[1], NONE if room is None else f"±{max(0.0, room):.2f} m")
    kmh = NONE if speed is None else f"{speed + 0.0:.1f} km/h".replace("-", "−")
    _value(canvas, LEGEND_B, _ROWS_B[3], kmh)


def _name(
    canvas: Canvas, box: Box, y: float, names: tuple[str, ...], sample: str, colour: Colour
) -> None:
    x = box.x
    if sample in ("solid", "area"):
        canvas.fill(Box(x, y - 1, 19, 2), colour)
    if sample == "area":
        canvas.fill(Box(x, y + 1, 19, 5), AREA)
    if sample == "dashed":
        for left in (0, 7, 14):
            canvas.fill(Box(x + left, y - 1, 5, 2), colour)
    if sample == "dotted":
        canvas.horizontal(y, x, x + 8, colour)
        canvas.horizontal(y, x + 12, x + 20, colour)
    if sample == "band":
        canvas.fill(Box(x, y - 6, 19, 12), colour)
    width = box.w - 26 - canvas.width(_WIDEST) - 6
    canvas.text(Box(x + 26, y - 8, width, 16), names, MID)


def _value(canvas: Canvas, box: Box, y: float, text: str) -> None:
    width = canvas.width(_WIDEST) + 2
    canvas.text(Box(box.right - width, y - 8, width, 16), text, HIGH, align="right")
