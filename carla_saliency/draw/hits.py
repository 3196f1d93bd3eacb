"""What is under the mouse: pure arithmetic, the inverse of where things are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carla_saliency.draw.history import SECONDS
from carla_saliency.draw.inspecting import cell_boxes, chosen
from carla_saliency.draw.layout import AXIS, PANE_L, PANE_R, STRIP_A, Box, Layout, fit
from carla_saliency.draw.state import UiState

FLAG_REACH = 10.0  # units to either side of an event's line

Boxes = Sequence[tuple[int, Box]]
"""Where events are named: the number of each, and its box in units."""


@dataclass(frozen=True, slots=True)
class CameraHit:
    """A place in the camera's picture, in its pixels; the first one reaches from 0 to 1."""

    x_px: float
    y_px: float


@dataclass(frozen=True, slots=True)
class CellHit:
    """A layer's cell in the grid, from 0; or the one that fills the pane."""

    index: int


@dataclass(frozen=True, slots=True)
class EventHit:
    """An event of the drive, by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class TimeHit:
    """A moment: so many seconds before the newest."""

    back_s: float


Hit = CameraHit | CellHit | EventHit | TimeHit


def at(
    layout: Layout,
    picture_shape: tuple[int, int],
    state: UiState,
    x: float,
    y: float,
    *,
    now_s: float | None = None,
    named: Boxes = (),
) -> Hit | None:
    """Return what is at a place of the window's picture.

    Args:
        layout: Of that picture.
        picture_shape: (rows, columns) of the camera's picture in the left pane.
        state: What the window shows.
        x: In pixels of the window's picture, from its left edge.
        y: From its top.
        now_s: Simulated time of the newest moment on the strips; None: events are not looked for
            there.
        named: Where else events stand: in a list, or beside their lines.

    Returns:
        What is there, or None. A moment near an event is that event.
    """
    for number, box in named:
        if state.text and _inside(layout, box, x, y):
            return EventHit(number)
    point = camera_point(layout, picture_shape, x, y)
    if point is not None:
        return CameraHit(*point)
    if state.inspection is not None and _inside(layout, PANE_R, x, y):
        return _cell(layout, state, x, y)
    return _moment(layout, state, x, y, now_s) if state.text else None


def camera_point(
    layout: Layout, shape: tuple[int, int], x: float, y: float, clamp: bool = False
) -> tuple[float, float] | None:
    """Return where a place of the window's picture is in the camera's: right and down, in pixels.

    Args:
        layout: Of the window's picture.
        shape: (rows, columns) of the camera's picture.
        x: In pixels of the window's picture.
        y: The same way.
        clamp: Outside of the camera's picture the nearest place in it is returned: for a drag that
            leaves the pane. Else None.
    """
    place = fit(shape, layout.pixels(PANE_L))
    along, down = (x - place.x) / place.w, (y - place.y) / place.h
    if clamp:
        along, down = min(max(along, 0.0), 1.0), min(max(down, 0.0), 1.0)
    elif not (0 <= along < 1 and 0 <= down < 1):
        return None
    return along * shape[1], down * shape[0]


def _inside(layout: Layout, box: Box, x: float, y: float) -> bool:
    p = layout.pixels(box)
    return p.x <= x < p.x + p.w and p.y <= y < p.y + p.h


def _cell(layout: Layout, state: UiState, x: float, y: float) -> CellHit | None:
    assert state.inspection is not None
    number = chosen(state.inspection)
    if state.inspection.full and number is not None:
        return CellHit(number)
    boxes = enumerate(cell_boxes(len(state.inspection.cells)))
    found = next((i for i, box in boxes if _inside(layout, box, x, y)), None)
    return None if found is None else CellHit(found)


def _moment(
    layout: Layout, state: UiState, x: float, y: float, now_s: float | None
) -> EventHit | TimeHit | None:
    bottom = STRIP_A.bottom if state.inspection is not None else AXIS.bottom  # else feature maps
    strips = Box(STRIP_A.x, STRIP_A.y, STRIP_A.w, bottom - STRIP_A.y)
    if not _inside(layout, strips, x, y):
        return None
    p = layout.pixels(STRIP_A)
    back_s = min(max(SECONDS * (1 - (x - p.x) / max(1, p.w - 1)), 0.0), SECONDS)
    if now_s is not None and _inside(layout, STRIP_A, x, y):
        reach_s = FLAG_REACH * SECONDS / STRIP_A.w
        near = [
            (abs(now_s - back_s - event.sim_s), -event.number)
            for event in state.events
            if 0 <= now_s - event.sim_s <= SECONDS
        ]
        if near and min(near)[0] <= reach_s:
            return EventHit(-min(near)[1])
    return TimeHit(back_s)
