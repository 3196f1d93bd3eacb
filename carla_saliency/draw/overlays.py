"""The cards that are laid over the panes while there is no drive."""

from __future__ import annotations

import cv2
import numpy as np

from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.hud import TONES
from carla_saliency.draw.layout import Box
from carla_saliency.draw.palette import BACKGROUND, LINE
from carla_saliency.draw.state import Card
from carla_saliency.draw.text import HEADING, TAG

ROW = 25  # units from line to line


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
