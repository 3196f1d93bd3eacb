"""The colours of the window. Blue and orange mean left and right everywhere, and nothing else.

Contrast of each text colour on the background is at least 4.5 : 1. Yellow ("look here") and red
("recording" or "failure") never stand alone: a word or a shape says the same.
"""

from __future__ import annotations

Colour = tuple[int, int, int]


def _rgb(text: str) -> Colour:
    value = int(text, 16)
    return value >> 16, value >> 8 & 255, value & 255


BACKGROUND = _rgb("0F1114")
PANEL = _rgb("171A1F")
GRID = _rgb("20242B")
LINE = _rgb("2A2F37")
HIGH = _rgb("E8EAED")
MID = _rgb("A9B0BA")
LOW = _rgb("7C8590")
LEFT = _rgb("4FA8FF")
RIGHT = _rgb("FF8A3D")
WARNING = _rgb("FFD23F")
FAILURE = _rgb("FF4B55")
ROOM = _rgb("262B33")  # between grid and line: a wide band
AREA = _rgb("3A414B")  # below the speed
ON_BADGE = _rgb("0B0C0E")
OTHER = _rgb("7FE3C0")  # network B: always dashed or named as well
CLASSES = tuple(
    _rgb(text)  # in the order of `core.GROUPS`; what is off the road has a hue
    for text in (
        "D3D8DE",
        "828B97",
        "515A65",
        "C9A66B",
        "5E9E6E",
        "8A6FB0",
        "D9607F",
        "3F6179",
    )
)
PARTS = (_rgb("515A65"), _rgb("A9B0BA"), _rgb("7C8590"), _rgb("E8EAED"), _rgb("3F6179"))
