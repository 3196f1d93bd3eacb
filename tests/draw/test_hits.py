from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from inspected import SIZES, make_cell

from carla_saliency.core import EventKind, Meaning
from carla_saliency.draw import hits
from carla_saliency.draw.hits import CameraHit, CellHit, EventHit, TimeHit
from carla_saliency.draw.inspecting import cell_boxes
from carla_saliency.draw.layout import AXIS, PANE_L, PANE_R, STRIP_A, STRIP_B, Box, Layout
from carla_saliency.draw.state import EventEntry, Inspection, UiState

ALL_SIZES = [*SIZES, (1000, 1000), (2560, 1080), (1280, 1024)]
CELLS = tuple(make_cell(f"l{i}", chosen=i == 2) for i in range(9))
DRIVING = UiState(method=Meaning(title="contrast"))
INSPECTING = replace(DRIVING, inspection=Inspection(cells=CELLS))


def event(number: int, sim_s: float) -> EventEntry:
    return EventEntry(number=number, kind=EventKind.BOOKMARK, sim_s=sim_s)


def at(
    x: float,
    y: float,
    state: UiState = INSPECTING,
    size: tuple[int, int] = (1280, 720),
    shape: tuple[int, int] = (360, 640),
    **options: Any,
) -> hits.Hit | None:
    return hits.at(Layout.of(size), shape, state, x, y, **options)


def middle(box: Box, size: tuple[int, int] = (1280, 720)) -> tuple[float, float]:
    p = Layout.of(size).pixels(box)
    return p.x + p.w / 2, p.y + p.h / 2


# ------------------------------------------------------------------ the camera


@pytest.mark.parametrize("size", ALL_SIZES)
@pytest.mark.parametrize("shape", [(360, 640), (480, 640), (160, 320), (300, 300), (200, 900)])
@pytest.mark.parametrize("share", [(0.0, 0.0), (0.25, 0.7), (0.999, 0.999)])
def test_a_pixel_of_the_camera_is_found_where_it_is_drawn(
    size: tuple[int, int], shape: tuple[int, int], share: tuple[float, float]
) -> None:
    layout = Layout.of(size)
    pane = PANE_L
    k = min(pane.w / shape[1], pane.h / shape[0])  # in the middle of the pane, in units
    x = pane.x + (pane.w - k * shape[1]) / 2 + k * shape[1] * share[0]
    y = pane.y + (pane.h - k * shape[0]) / 2 + k * shape[0] * share[1]
    px = layout.left_px + x * layout.k, layout.top_px + y * layout.k
    point = hits.camera_point(layout, shape, *px, clamp=True)
    assert point is not None
    wanted = shape[1] * share[0], shape[0] * share[1]
    slack = 1.5 / (k * layout.k)  # a pixel and a half of the window
    assert point == pytest.approx(wanted, abs=slack)


def test_the_corners_of_the_pane_are_the_corners_of_the_picture() -> None:
    assert at(12, 62) == CameraHit(0.0, 0.0)
    found = at(631.99, 410.99)
    assert isinstance(found, CameraHit)
    assert (found.x_px, found.y_px) == pytest.approx((640, 360), abs=0.02)


def test_a_drag_that_leaves_the_pane_ends_at_its_edge() -> None:
    layout = Layout.of((1280, 720))
    assert hits.camera_point(layout, (360, 640), 900, 30) is None
    assert hits.camera_point(layout, (360, 640), 900, 30, clamp=True) == (640, 0)
    assert hits.camera_point(layout, (360, 640), -5, 900, clamp=True) == (0, 360)


def test_the_border_beside_a_square_picture_is_not_the_camera() -> None:
    assert at(20, 200, shape=(300, 300)) is None
    assert isinstance(at(322, 200, shape=(300, 300)), CameraHit)


def test_the_camera_is_found_while_driving_too() -> None:
    assert isinstance(at(300, 200, DRIVING), CameraHit)


# ------------------------------------------------------------------ the layers


@pytest.mark.parametrize("size", ALL_SIZES)
@pytest.mark.parametrize("count", [1, 2, 3, 6, 9])
def test_each_cell_is_found_at_its_corners_and_its_middle(
    size: tuple[int, int], count: int
) -> None:
    state = replace(DRIVING, inspection=Inspection(cells=CELLS[:count]))
    for i, box in enumerate(cell_boxes(count)):
        p = Layout.of(size).pixels(box)
        for x, y in (
            (p.x, p.y),
            (p.x + p.w - 1, p.y + p.h - 1),
            middle(box, size),
        ):
            assert at(x, y, state, size) == CellHit(i)


def test_between_the_cells_is_nothing() -> None:
    first = cell_boxes(9)[0]
    assert at(first.right + 3, 100) is None


def test_the_map_that_fills_the_pane_is_its_cell() -> None:
    state = replace(DRIVING, inspection=Inspection(cells=CELLS, full=True))
    assert at(*middle(PANE_R), state) == CellHit(2)


def test_while_driving_there_are_no_cells() -> None:
    assert at(*middle(PANE_R), DRIVING) is None


# ------------------------------------------------------------------ time and events


@pytest.mark.parametrize("size", ALL_SIZES)
@pytest.mark.parametrize("back_s", [0.0, 0.05, 3.25, 12.5, 20.0])
def test_a_moment_is_found_where_its_sample_is_drawn(size: tuple[int, int], back_s: float) -> None:
    p = Layout.of(size).pixels(STRIP_A)
    x = p.x + (p.w - 1) * (1 - back_s / 20)
    found = at(x, p.y + 5, INSPECTING, size)
    assert isinstance(found, TimeHit)
    assert found.back_s == pytest.approx(back_s, abs=1e-9)


@pytest.mark.parametrize("box", [STRIP_B, AXIS])
def test_the_lower_strip_is_time_only_while_it_shows_time(box: Box) -> None:
    assert isinstance(at(*middle(box), DRIVING), TimeHit)
    assert at(*middle(box), INSPECTING) is None


@pytest.mark.parametrize("offset", [-9.0, 0.0, 9.0])
def test_near_an_event_the_event_is_meant(offset: float) -> None:
    state = replace(INSPECTING, events=(event(1, 92.0), event(2, 95.0)))
    x = STRIP_A.x + (STRIP_A.w - 1) * (1 - 5 / 20)
    assert at(x + offset, 520, state, now_s=100.0) == EventHit(2)
    assert isinstance(
        at(x + 2 * offset, 520, state, now_s=100.0), EventHit if not offset else TimeHit
    )


def test_of_two_events_the_nearer_is_meant_and_of_equal_ones_the_newer() -> None:
    state = replace(INSPECTING, events=(event(1, 95.0), event(2, 95.1), event(3, 95.1)))
    x = STRIP_A.x + (STRIP_A.w - 1) * (1 - 5 / 20)
    assert at(x, 520, state, now_s=100.0) == EventHit(1)
    assert at(x + 5, 520, state, now_s=100.0) == EventHit(3)


def test_an_event_that_left_the_strip_is_not_found_on_it() -> None:
    state = replace(INSPECTING, events=(event(1, 79.9),))
    assert isinstance(at(61, 520, state, now_s=100.0), TimeHit)


def test_without_a_clock_the_strip_has_moments_alone() -> None:
    state = replace(INSPECTING, events=(event(1, 95.0),))
    assert isinstance(at(500, 520, state), TimeHit)


def test_an_event_is_found_where_it_is_named() -> None:
    named = [(4, Box(400, 690, 80, 30)), (5, Box(490, 690, 80, 30))]
    assert at(500, 700, named=named) == EventHit(5)
    assert at(485, 700, named=named) is None


def test_without_text_only_the_pictures_are_there() -> None:
    state = replace(INSPECTING, text=False)
    assert at(500, 520, state) is None
    assert at(500, 700, state, named=[(4, Box(400, 690, 180, 30))]) is None
    assert isinstance(at(300, 200, state), CameraHit)


def test_elsewhere_is_nothing() -> None:
    for x, y in ((5, 5), (640, 200), (300, 450), (1270, 600), (-1, -1), (1300, 800)):
        assert at(x, y) is None
