"""Two networks on one drive: who does what, and how their steering differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from carla_saliency.core import Comparison, Decision, EventKind
from carla_saliency.draw import legend
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.history import Field, History
from carla_saliency.draw.layout import LEGEND_A, LEGEND_B, PANE_L, PANE_R, STRIP_B, Box
from carla_saliency.draw.palette import HIGH, LINE, LOW, MID, OTHER, WARNING
from carla_saliency.draw.state import EventEntry, UiState
from carla_saliency.draw.traces import Plot
from carla_saliency.draw.words import NONE, Degrees

Letter = Literal["A", "B"]
RANGE_DEG, MUCH_DEG = 10.0, 5.0
RANGE, MUCH = 0.15, 0.07  # the same in steering, where degrees are not known


def letter(decision: Decision) -> Letter:
    """Return which network the decision's own map is of."""
    shadow = decision.shadow
    return "B" if shadow is not None and shadow.letter == "A" else "A"


def roles(decision: Decision) -> tuple[str, str] | None:
    """Return what network A and B do; None without a second one."""
    if decision.shadow is None:
        return None
    if decision.driver != "network":
        return "shadows", "shadows"
    return ("drives", "shadows") if letter(decision) == "A" else ("shadows", "drives")


def shown(decision: Decision, state: UiState) -> bool:
    """Return whether the strips are about two networks just now."""
    return state.compare and decision.shadow is not None and state.inspection is None


def pair(decision: Decision, state: UiState) -> bool:
    """Return whether the panes are the maps of two networks."""
    shadow = decision.shadow
    return (
        shown(decision, state)
        and decision.explanation is not None
        and shadow is not None
        and shadow.explanation is not None
    )


def edges(canvas: Canvas) -> None:
    """Draw each network's colour over its pane."""
    for pane, colour in ((PANE_L, HIGH), (PANE_R, OTHER)):
        canvas.fill(Box(pane.x, pane.y, pane.w, 2), colour)


# ------------------------------------------------------------------ the strip


def limits(degrees: Degrees) -> tuple[float, float]:
    """Return the end of the strip, and from where on the difference is much."""
    return (RANGE, MUCH) if degrees.car is None else (RANGE_DEG, MUCH_DEG)


def base(canvas: Canvas, degrees: Degrees) -> None:
    """Draw what rarely changes: the numbers at the strip, and what is in its legend."""
    end, much = limits(degrees)
    unit = degrees.suffix
    legend.scale(canvas, STRIP_B, (f"+{end:g}{unit}", "B − A", f"−{end:g}{unit}"), 9)
    names = (
        ("B − A now",),
        ("mean |B − A|, 20 s", "mean |B − A|"),
        (f"time above {much:g}{unit}", f"above {much:g}{unit}"),
        ("bookmarks",),
    )
    for y, variants in zip(legend.ROWS_B, names, strict=True):
        legend.name(canvas, LEGEND_B, y, variants, "", MID)


def strip(canvas: Canvas, history: History, degrees: Degrees) -> None:
    """Draw B's steering minus A's, right upwards; yellow where it is much."""
    end, much = limits(degrees)
    plot = Plot(canvas, STRIP_B, history, -end, end)
    plot.area(Field.DIFFERENCE, MID)
    plot.area(Field.DIFFERENCE, WARNING, beyond=much)
    canvas.horizontal(STRIP_B.y + STRIP_B.h / 2, STRIP_B.x, STRIP_B.right, LINE)
    for side in (-1, 1):
        plot.level(side * much, LOW)
    plot.line(Field.DIFFERENCE, HIGH)


def values(
    canvas: Canvas,
    history: History,
    degrees: Degrees,
    comparison: Comparison | None,
    events: Sequence[EventEntry],
) -> None:
    """Draw the numbers of the legends."""
    _, much = limits(degrees)
    now = history.at(Field.DIFFERENCE)
    past = np.abs(history.column(Field.DIFFERENCE))
    past = past[np.isfinite(past)]
    mean, often = NONE, NONE
    if past.size:
        mean = f"{past.mean():.{degrees.digits}f}{degrees.suffix}"
        often = f"{np.count_nonzero(past > much) * 100 / past.size:.0f} %"
    bookmarks = sum(event.kind is EventKind.NETWORKS for event in events)
    tone = WARNING if now is not None and abs(now) > much else HIGH
    texts = (degrees.text(now), mean, often, str(bookmarks))
    for y, text, colour in zip(legend.ROWS_B, texts, (tone, HIGH, HIGH, HIGH), strict=True):
        legend.value(canvas, LEGEND_B, y, text, colour)
    alike = None if comparison is None else comparison.alike
    legend.name(canvas, LEGEND_A, legend.ROWS_A[2], ("maps alike, r",), "none", MID)
    text = NONE if alike is None else f"{alike:.2f}".replace("-", "−")
    legend.value(canvas, LEGEND_A, legend.ROWS_A[2], text)
