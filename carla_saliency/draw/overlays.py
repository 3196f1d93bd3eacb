"""What is laid over the window: cards while there is no drive, and the help."""

from __future__ import annotations

import cv2
import numpy as np

from carla_saliency.core import Meaning
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.hud import TONES
from carla_saliency.draw.layout import Box
from carla_saliency.draw.palette import BACKGROUND, HIGH, LEFT, LINE, LOW, MID, RIGHT, Colour
from carla_saliency.draw.state import Card
from carla_saliency.draw.text import HEADING, SMALL, TAG, TAG_STRONG

ROW = 25  # units from line to line
DRIVE = (
    ("P", "network or expert drives"),
    ("W A S D, arrows", "take over; P gives back"),
    ("Space", "hand brake"),
    ("Q", "reverse"),
)
EXPLAIN = (
    ("K, Shift+K", "next, previous method"),
    ("[  ]", "overlay weaker, stronger"),
    ("0", "overlay off, on"),
)
INSPECT = (("E", "pause, go on"), ("Enter", "one tick further"))
RECORD = (("R", "start, stop the video"),)
WINDOW = (("H  ?", "this help"), ("Esc, Ctrl+Q", "quit; the server is put back as it was"))


def card(canvas: Canvas, pane: Box, content: Card) -> None:
    """Draw a card over a pane."""
    height = 60 + ROW * len(content.lines)
    box = Box(pane.x + 24, pane.y + 35, pane.w - 48, min(height, pane.h - 48))
    view = canvas.view(box)
    plain = np.full_like(view, BACKGROUND)
    cv2.addWeighted(view, 0.08, plain, 0.92, 0.0, dst=view)
    canvas.outline(box, LINE)
    bar = TONES[content.tone]
    canvas.fill(Box(box.x, box.y, 4, box.h), bar)
    x, width = box.x + 22, box.w - 38
    canvas.text(Box(x, box.y + 12, width, 30), content.heading, bar, HEADING)
    for i, line in enumerate(content.lines):
        y = box.y + 48 + ROW * i
        indent = 18 if line.number else 0
        colour = TONES[line.tone]
        if line.number:
            canvas.text(Box(x, y, 18, ROW), line.number, colour, TAG)
        remark_at = max(173.0, indent + canvas.width(line.text, TAG) + 20) if line.remark else width
        canvas.text(Box(x + indent, y, remark_at - indent, ROW), line.text, colour, TAG)
        if line.remark and remark_at < width:
            canvas.text(Box(x + remark_at, y, width - remark_at, ROW), line.remark, colour, TAG)


def help_(canvas: Canvas, method: Meaning) -> None:
    """Draw the keys over a darkened window."""
    cv2.convertScaleAbs(canvas.array, dst=canvas.array, alpha=0.35)
    box = Box(112, 92, 1056, 536)
    canvas.fill(box, BACKGROUND)
    canvas.outline(box, LINE)
    canvas.text(Box(140, 108, 300, 30), "Keys", HIGH, HEADING)
    note = ("H closes · the car keeps driving · not in the recording", "H closes · not recorded")
    canvas.text(Box(600, 110, 540, 24), note, MID, SMALL, "right")

    y = _keys(canvas, 140, 156, "Drive", DRIVE)
    _keys(canvas, 140, y, "Explain", EXPLAIN)
    y = _keys(canvas, 660, 156, "Inspect", INSPECT)
    y = _keys(canvas, 660, y, "Record", RECORD)
    _keys(canvas, 660, y, "Window", WINDOW)
    _reading(canvas, Box(140, 460, 1000, ROW), method)


def _keys(
    canvas: Canvas, x: float, y: float, name: str, keys: tuple[tuple[str, str], ...]
) -> float:
    canvas.text(Box(x, y, 300, 22), name, LOW, TAG)
    for key, text in keys:
        y += ROW
        canvas.text(Box(x - 10, y + 2, 148, ROW), key, HIGH, TAG_STRONG, "right")
        canvas.text(Box(x + 154, y + 2, 330, ROW), text, MID, TAG)
    return y + ROW + 15


def _reading(canvas: Canvas, row: Box, method: Meaning) -> None:
    lines: list[tuple[str, Colour]] = []
    if method.signed:
        lines += [(f"blue: {method.left}", LEFT), (f"orange: {method.right}", RIGHT)]
    lines.append(("stronger colour = larger, on the scale below the map", MID))
    lines.append(("no colour = nothing measured here by this method", MID))
    canvas.text(row, f"Reading the picture: {method.title}", LOW, TAG)
    for i, (text, colour) in enumerate(lines):
        canvas.text(Box(row.x, row.y + 27 + 24 * i, row.w, row.h), text, colour, TAG)
