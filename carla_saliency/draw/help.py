"""The help: all keys, and how to read the map, over the darkened window."""

from __future__ import annotations

import cv2

from carla_saliency.core import Meaning
from carla_saliency.draw import keys
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import Box
from carla_saliency.draw.palette import BACKGROUND, HIGH, LEFT, LINE, LOW, MID, RIGHT, Colour
from carla_saliency.draw.text import HEADING, SMALL, TAG, TAG_STRONG

CARD = Box(112, 48, 1056, 624)
COLUMNS = (140.0, 660.0)  # left sides
TOP = 104.0
ROW, GAP = 22.0, 10.0  # units: from line to line; between groups
KEYS = 144.0  # width of the keys, at the right of which is what they do
DIM = 0.35  # of the brightness of what is behind


def help_(canvas: Canvas, method: Meaning, replay: bool = False) -> None:
    """Draw the help.

    Args:
        canvas: The finished window, is darkened.
        method: Of the map at hand.
        replay: A recorded drive is shown.
    """
    cv2.convertScaleAbs(canvas.array, dst=canvas.array, alpha=DIM)
    canvas.fill(CARD, BACKGROUND)
    canvas.outline(CARD, LINE)
    canvas.text(Box(COLUMNS[0], 62, 300, 30), "Keys", HIGH, HEADING)
    goes_on = "it plays on" if replay else "the car keeps driving"
    note = (f"H closes · {goes_on} · not in the recording", "H closes · not recorded")
    canvas.text(Box(600, 64, 540, 24), note, MID, SMALL, "right")
    ends = []
    columns = keys.REPLAY_COLUMNS if replay else keys.COLUMNS
    for x, groups in zip(COLUMNS, columns, strict=True):
        y = TOP
        for group in groups:
            y = _group(canvas, x, y, group)
        ends.append(y)
    _reading(canvas, max(ends), method)


def _group(canvas: Canvas, x: float, y: float, group: keys.Group) -> float:
    """Draw keys that belong together; return where the next group begins."""
    canvas.text(Box(x, y, 300, ROW), group.name, LOW, TAG)
    for key, text in group.rows:
        y += ROW
        canvas.text(Box(x, y, KEYS, ROW), key, HIGH, TAG_STRONG, "right")
        canvas.text(Box(x + KEYS + 16, y, 330, ROW), text, MID, TAG)
    return y + ROW + GAP


def _reading(canvas: Canvas, y: float, method: Meaning) -> None:
    """Draw how to read the map: the colours at the left, the rest beside them."""
    title = f"Reading the picture: {method.title}"
    short = (title, f"Reading the picture: {method.title.partition(' · ')[0]}")
    width = CARD.right - 28 - COLUMNS[0]
    canvas.horizontal(y, COLUMNS[0], COLUMNS[0] + width, LINE)
    y += 6
    canvas.text(Box(COLUMNS[0], y, width, ROW), (*short, "Reading the picture"), LOW, TAG)
    beside: list[tuple[str, Colour]] = [
        ("stronger colour = larger, on the scale below the map", MID),
        ("no colour = nothing measured here by this method", MID),
    ]
    for x, lines in zip(COLUMNS, (_colours(method), beside), strict=True):
        for i, (text, colour) in enumerate(lines):
            row = Box(x, y + ROW * (i + 1), CARD.right - 28 - x if x > 400 else 500, ROW)
            canvas.text(row, text, colour, TAG)


def _colours(method: Meaning) -> list[tuple[str, Colour]]:
    """Return what the colours of the map say."""
    about = " ".join(method.hint) or f"about {method.of}"
    if method.signed:
        return [
            (f"blue: {method.left}", LEFT),
            (f"orange: {method.right}", RIGHT),
            (about, MID),
        ]
    return [
        (f"dark red to bright yellow: from {method.left} to {method.right}", MID),
        ("no sign: it does not say to which side", MID),
        (about, MID),
    ]
