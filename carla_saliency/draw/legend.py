"""Direct labels of the strips: names at their lines, with the values of now, and the axes."""

from __future__ import annotations

from carla_saliency.core import Driver
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import SECONDS, Field, History
from carla_saliency.draw.layout import (
    AXIS,
    LEGEND_A,
    LEGEND_B,
    STRIP_A,
    STRIP_B,
    STRIP_OFFSET,
    STRIP_SPEED,
    Box,
)
from carla_saliency.draw.palette import AREA, BACKGROUND, HIGH, LOW, MID, OTHER, ROOM, Colour
from carla_saliency.draw.traces import OFFSET_RANGE_M, Mode
from carla_saliency.draw.words import NONE, Degrees, signed

ROWS_A = tuple(LEGEND_A.y + 13 + 23 * i for i in range(3))
ROWS_B = tuple(LEGEND_B.y + 11 + 22 * i for i in range(4))
WIDEST = "000.0 km/h"
BY: dict[Driver, str] = {"manual": "by hand", "autopilot": "autopilot", "owner": "its owner"}


# ------------------------------------------------------------------ what rarely changes


def base(canvas: Canvas, mode: Mode, degrees: Degrees, limit_m: float, top_kmh: float) -> None:
    """Draw the axes' numbers, and the names of the lower strip's curves.

    Args:
        canvas: Is drawn on.
        mode: What the lower strip shows.
        degrees: Of the wheels.
        limit_m: Where the car is put back.
        top_kmh: At the top of the speed's strip.
    """
    limit = f"{degrees.strip_limit:g}{degrees.suffix}"
    scale(canvas, STRIP_A, (f"R {limit}", "0", f"L {limit}"), 9)
    if mode == "classes":
        scale(canvas, STRIP_B, ("100 %", "0"), 9)
    if mode == "lane":
        _lane(canvas, limit_m, top_kmh)
    if mode != "inspect":
        _seconds(canvas)


def _lane(canvas: Canvas, limit_m: float, top_kmh: float) -> None:
    inset = STRIP_OFFSET.h / 2 * (1 - limit_m / OFFSET_RANGE_M)
    scale(canvas, STRIP_OFFSET, (f"R {limit_m:g} m", "0", f"L {limit_m:g} m"), inset)
    scale(canvas, STRIP_SPEED, (f"{top_kmh:g}", "0"), 5)
    name(canvas, LEGEND_B, ROWS_B[0], ("from lane centre", "lane offset"), "solid", HIGH)
    name(canvas, LEGEND_B, ROWS_B[1], ("inside the lane", "in the lane"), "band", ROOM)
    name(canvas, LEGEND_B, ROWS_B[2], ("put back beyond", "put back at"), "dotted", LOW)
    value(canvas, LEGEND_B, ROWS_B[2], f"±{limit_m:.2f} m")
    name(canvas, LEGEND_B, ROWS_B[3], ("speed",), "area", MID)


def scale(canvas: Canvas, strip: Box, texts: tuple[str, ...], inset: float) -> None:
    """Write the values of a strip at its left, evenly from top to bottom."""
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


# ------------------------------------------------------------------ the values of now


def steering(
    canvas: Canvas,
    history: History,
    degrees: Degrees,
    driver: Driver | None,
    roles: tuple[str, str] | None,
    mode: Mode,
    back_s: float = 0.0,
) -> None:
    """Draw the names and values of the upper strip; a dash for what is not known.

    Args:
        canvas: Is drawn on.
        history: Has the values.
        degrees: Of the wheels.
        driver: Who steers; None: nothing is known.
        roles: What network A and B do, where there are two.
        mode: Of the lower strip: there is a cursor while inspecting.
        back_s: How long ago the shown moment is.
    """
    now = {field: None if driver is None else history.at(field, back_s) for field in Field}
    network, expert, other = now[Field.NETWORK], now[Field.EXPERT], now[Field.OTHER]
    rows: list[tuple[tuple[str, ...], str, Colour, float | None]]
    rows = [(("network",) if roles is None else (f"A {roles[0]}",), "solid", HIGH, network)]
    expert_row = (("expert (ghost)", "expert"), "dashed", MID, expert)
    if mode != "compare":
        rows.append(expert_row)
    if roles is not None:
        rows.append(((f"B {roles[1]}",), "dashed", OTHER, other))
    if mode == "inspect":
        rows = rows[:2] if roles is None else [rows[0], rows[2]]  # the third is the cursor's
    elif driver in BY and now[Field.BY_HAND] is not None:
        rows = [*rows[:2], ((BY[driver],), "solid", LOW, now[Field.BY_HAND])]
    elif roles is None:
        both = None if network is None or expert is None else network - expert
        rows.append((("difference",), "none", MID, both))
    for y, (names, sample, colour, number) in zip(ROWS_A, rows, strict=False):
        name(canvas, LEGEND_A, y, names, sample, colour)
        value(canvas, LEGEND_A, y, degrees.text(number))


def lane(canvas: Canvas, history: History, known: bool = True) -> None:
    """Draw the place in the lane and the speed."""
    fields = (Field.OFFSET_M, Field.ROOM_M, Field.SPEED_KMH)
    offset, room, speed = (history.at(field) if known else None for field in fields)
    value(canvas, LEGEND_B, ROWS_B[0], NONE if offset is None else f"{signed(offset, 2)} m")
    value(canvas, LEGEND_B, ROWS_B[1], NONE if room is None else f"±{max(0.0, room):.2f} m")
    kmh = NONE if speed is None else f"{speed + 0.0:.1f} km/h".replace("-", "−")
    value(canvas, LEGEND_B, ROWS_B[3], kmh)


def name(
    canvas: Canvas, box: Box, y: float, names: tuple[str, ...], sample: str, colour: Colour
) -> None:
    """Write a curve's name, behind a sample of how it is drawn.

    Args:
        canvas: Is drawn on.
        box: The legend.
        y: Middle of the row.
        names: Variants, longest first.
        sample: "solid", "dashed", "dotted", "area", "band", "none", or "" for no room for one.
        colour: Of the sample.
    """
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
    indent = 26 if sample else 0
    width = box.w - indent - canvas.width(WIDEST) - 6
    canvas.text(Box(x + indent, y - 8, width, 16), names, MID, on=BACKGROUND)


def value(canvas: Canvas, box: Box, y: float, text: str, colour: Colour = HIGH) -> None:
    """Write a value at the right of a legend's row."""
    width = canvas.width(WIDEST) + 2
    slot = Box(box.right - width, y - 8, width, 16)
    canvas.text(slot, text, colour, align="right", on=BACKGROUND)
