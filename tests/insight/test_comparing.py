"""Two networks on one drive, with planted commands and maps."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from carla_saliency.core import (
    Array,
    Comparison,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Frame,
    Observation,
    Place,
    Pose,
    Shadow,
)
from carla_saliency.insight.comparing import Comparing, Numbers, View, alike, on_camera

TICK_S = 0.05
LOCK_DEG = 70.0
LIMIT = 5 / LOCK_DEG
PICTURE = np.zeros((36, 64, 3), np.uint8)
VIEW = View((148, 360, 0, 640), (66, 200))
RANDOM = np.random.default_rng(5)
MAP = RANDOM.normal(0, 1e-5, (66, 200)).astype(np.float32)


def explained(values: Array, frame_id: int = 1, place: Place | None = None) -> Explanation:
    return Explanation(frame_id, "planted", 0.0, values, place=place)


def step(
    tick: int,
    own: float | None,
    shadow: float | None,
    letter: Literal["A", "B"] = "B",
    maps: tuple[Explanation | None, Explanation | None] = (None, None),
    looks_on: bool = True,
) -> DriveStep:
    other = Shadow(letter=letter, title="b.keras", command=shadow, explanation=maps[1])
    decision = Decision(
        Control(own or 0.0),
        "network",
        maps[0],
        network_steering=own,
        shadow=other if looks_on else None,
    )
    frame = Frame(tick, tick * TICK_S, PICTURE)
    return DriveStep(Observation(frame, Pose(), 8.0, None), decision)


def comparing() -> Comparing:
    return Comparing(LIMIT, LOCK_DEG, a=VIEW, b=VIEW)


def events(differences_deg: list[float], one: Comparing | None = None) -> list[tuple[int, Event]]:
    """Return the events of a drive, each with the tick in which it was told."""
    one = one or comparing()
    told = [
        (tick, one.add(step(tick, 0.1, 0.1 + difference / LOCK_DEG))[1])
        for tick, difference in enumerate(differences_deg)
    ]
    return [(tick, event) for tick, event in told if event is not None]


# ------------------------------------------------------------------ difference


def test_a_shadow_that_equals_the_pilot_disagrees_nowhere() -> None:
    one, random = comparing(), np.random.default_rng(1)
    for tick in range(100):
        command = float(random.uniform(-1, 1))
        values = random.normal(0, 1e-4, (66, 200)).astype(np.float32)
        same = explained(values, tick), explained(values.copy(), tick)
        letter: Literal["A", "B"] = "A" if tick % 2 else "B"
        comparison, event = one.add(step(tick, command, command, letter, same))
        assert comparison == Comparison(0.0, 1.0)
        assert event is None
    assert one.numbers == Numbers(0.0, 0.0, 0)


def test_the_difference_is_always_b_minus_a() -> None:
    one = comparing()
    assert one.add(step(1, 0.1, 0.3, "B"))[0] == Comparison(pytest.approx(0.2))
    assert one.add(step(2, 0.3, 0.1, "A"))[0] == Comparison(pytest.approx(0.2))


def test_without_an_answer_nothing_is_compared() -> None:
    one = comparing()
    assert one.add(step(1, None, 0.3)) == (None, None)
    assert one.add(step(2, 0.1, None)) == (None, None)
    assert one.add(step(3, 0.1, 0.2, looks_on=False)) == (None, None)
    assert one.numbers == Numbers()


# ------------------------------------------------------------------ events


def test_a_disagreement_is_told_at_its_peak_when_it_ends() -> None:
    bump = [0, 1, 4, 6, 7, 7.9, 7.5, 7, 6.5, 6, 5.5, 4, 1, 0]
    ((tick, event),) = events(bump)
    assert tick == 11
    text = "D1: B steers 7.9° further right than A"
    assert event == Event(EventKind.NETWORKS, 5, text)


def test_to_the_left_and_without_degrees() -> None:
    ((_, event),) = events([0] + [-6.0] * 8 + [0])
    assert event.text == "D1: B steers 6.0° further left than A"
    ((_, event),) = events([0] + [-7.0] * 8 + [0], Comparing(LIMIT))
    assert event.text == "D1: B steers 0.100 further left than A"


@pytest.mark.parametrize("ticks", [5, 6, 7, 8])
def test_it_must_last_for_three_tenths_of_a_second(ticks: int) -> None:
    told = events([0, 0] + [6.0] * ticks + [0, 0])
    assert len(told) == (ticks >= 7)  # the 7th is 0.3 s after the 1st


def test_one_that_does_not_end_is_told_after_two_seconds_and_only_once() -> None:
    rising = [6 + 0.01 * n for n in range(200)]
    told = events([0, *rising, 0, 0, *rising[:10], 0])
    assert [(tick, event.frame_id) for tick, event in told] == [(41, 41), (213, 212)]
    assert [event.text[:3] for _, event in told] == ["D1:", "D2:"]


def test_where_one_of_them_falls_silent_a_disagreement_ends() -> None:
    one = comparing()
    assert events([0] + [6.0] * 9, one) == []
    _, event = one.add(step(10, 0.1, None))
    assert event is not None
    assert event.frame_id == 1
    assert one.add(step(11, 0.1, None)) == (None, None)


def test_a_drive_that_begins_anew_forgets() -> None:
    one = comparing()
    assert events([0] + [6.0] * 9, one) == []
    assert events([0, 0], one) == []
    assert one.numbers == Numbers(0.0, 0.0, 0)


def test_the_numbers_are_of_the_last_twenty_seconds() -> None:
    one = comparing()
    events([-10.0] * 100 + [0.0] * 300, one)
    assert one.numbers.mean == pytest.approx(10 / 4 / LOCK_DEG)
    assert one.numbers.above == pytest.approx(0.25)
    assert one.numbers.bookmarks == 1
    for tick in range(400, 450):
        one.add(step(tick, 0.1, 0.1))
    assert one.numbers.above == pytest.approx(0.125)
    for tick in range(450, 800):
        one.add(step(tick, 0.1, 0.1))
    assert one.numbers == Numbers(0.0, 0.0, 1)


# ------------------------------------------------------------------ maps


def test_maps_are_compared_in_sign_and_place() -> None:
    one = comparing()
    cases = {1.0: MAP, -1.0: -2 * MAP}
    for expected, other in cases.items():
        comparison, _ = one.add(step(1, 0.0, 0.0, maps=(explained(MAP), explained(other))))
        assert comparison is not None
        assert comparison.alike == pytest.approx(expected)
    mixed = (MAP + RANDOM.permuted(MAP)).astype(np.float32)
    expected = np.corrcoef(MAP.ravel(), mixed.ravel())[0, 1]
    assert alike(explained(MAP), VIEW, explained(mixed), VIEW) == pytest.approx(expected)


def test_without_two_maps_of_one_frame_nothing_is_alike() -> None:
    one, flat = comparing(), np.full((66, 200), 0.1, np.float32)
    for maps in (
        (explained(MAP), None),
        (None, explained(MAP)),
        (explained(MAP, 1), explained(MAP, 2)),
        (explained(MAP), explained(flat)),
    ):
        assert one.add(step(1, 0.0, 0.0, maps=maps))[0] == Comparison(0.0, None)
    blind = Comparing(LIMIT)
    maps = (explained(MAP), explained(MAP))
    assert blind.add(step(1, 0.0, 0.0, maps=maps))[0] == Comparison(0.0, None)


def world(area: tuple[int, int, int, int], grid: tuple[int, int]) -> Array:
    """A smooth map of the camera's picture as a network with this view has it."""
    rows = np.linspace(area[0], area[1], grid[0] + 1)
    columns = np.linspace(area[2], area[3], grid[1] + 1)
    y, x = (rows[1:] + rows[:-1]) / 2, (columns[1:] + columns[:-1]) / 2
    return (np.sin(x / 40) * np.cos(y[:, None] / 30)).astype(np.float32)


OTHER_VIEWS = [
    View((148, 360, 0, 640), (88, 240)),
    View((100, 300, 40, 600), (66, 200)),
    View((200, 340, 0, 640), (40, 300)),
]


@pytest.mark.parametrize("view", OTHER_VIEWS)
def test_maps_of_other_grids_and_crops_are_compared_where_both_look(view: View) -> None:
    a, b = explained(world(VIEW.area, VIEW.grid)), explained(world(view.area, view.grid))
    assert alike(a, VIEW, b, view) == pytest.approx(1, abs=0.01)
    assert alike(b, view, a, VIEW) == pytest.approx(1, abs=0.01)
    mirrored = explained(b.attribution[:, ::-1].copy())
    assert abs(alike(a, VIEW, mirrored, view) or 0.0) < 0.99


def test_whoever_drives_each_map_is_seen_with_its_own_view() -> None:
    view = OTHER_VIEWS[1]
    a, b = explained(world(VIEW.area, VIEW.grid)), explained(world(view.area, view.grid))
    one = Comparing(LIMIT, LOCK_DEG, a=VIEW, b=view)
    first, _ = one.add(step(1, 0.0, 0.0, "B", (a, b)))
    swapped, _ = one.add(step(2, 0.0, 0.0, "A", (b, a)))
    assert first == swapped
    assert first is not None
    assert first.alike == pytest.approx(1, abs=0.01)


def test_a_coarse_map_is_compared_where_its_cells_are() -> None:
    """Only the right half of the grid is covered by the cells."""
    cells = np.array([[1, 2], [4, 3]], np.float32)
    coarse = explained(cells, place=(0, 66, 100, 200))
    fine = RANDOM.normal(0, 1, (66, 200)).astype(np.float32)
    fine[:, 100:] = cells.repeat(33, 0).repeat(50, 1)
    assert alike(coarse, VIEW, explained(fine), VIEW) == pytest.approx(1)


def test_views_without_a_common_part_are_not_compared() -> None:
    upper, lower = View((0, 100, 0, 640), (66, 200)), View((100, 200, 0, 640), (66, 200))
    assert alike(explained(MAP), upper, explained(MAP), lower) is None


def test_means_keep_the_mean_and_the_place() -> None:
    means = on_camera(MAP, (148.0, 360.0, 0.0, 640.0), (148.0, 360.0, 0.0, 640.0))
    assert means.shape == (53, 160)
    assert means.mean() == pytest.approx(MAP.mean(), rel=1e-3)
    ramp = np.tile(np.arange(320, dtype=np.float32), (4, 1))
    halves = on_camera(ramp, (0.0, 8.0, 0.0, 640.0), (0.0, 8.0, 0.0, 640.0))
    assert np.allclose(halves, np.arange(0.5, 320, 2))
    part = on_camera(ramp, (0.0, 8.0, 0.0, 640.0), (0.0, 8.0, 320.0, 640.0))
    assert np.allclose(part, np.arange(160, 320))
