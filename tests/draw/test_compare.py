from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn import (
    BLOBS,
    CONTRACT,
    MASKS,
    STATE,
    compared,
    is_colour,
    make_findings,
    make_painter,
    make_step,
    paint_last,
    shadow_of,
    view,
)
from text_checks import check_texts, record_texts

from carla_saliency.core import Comparison, EventKind
from carla_saliency.draw import compare
from carla_saliency.draw.layout import CONTROLS_L, PANE_L, PANE_R, STRIP_A, STRIP_B
from carla_saliency.draw.palette import HIGH, OTHER, WARNING
from carla_saliency.draw.state import EventEntry, Inspection

COMPARE = replace(STATE, compare=True)


def planted(rows: slice, columns: slice, value: float = 0.001) -> np.ndarray:
    values = np.zeros((66, 200), np.float32)
    values[rows, columns] = value
    return values


A_MAP = planted(slice(10, 20), slice(20, 40))
B_MAP = planted(slice(40, 50), slice(150, 170))


def orange(picture: np.ndarray, pane: object) -> tuple[float, float]:
    """Return the middle of what is orange in a pane, as shares of its size; NaN if nothing is."""
    part = view(picture, pane)[4:].astype(int)  # type: ignore[arg-type]
    rows, columns = np.nonzero(part[..., 0] - part[..., 2] > 60)
    if not rows.size:
        return float("nan"), float("nan")
    return (rows.mean() + 4) / part.shape[0], columns.mean() / part.shape[1]


def of_grid(row: float, column: float) -> tuple[float, float]:
    return (148 + row / 66 * 212) / 360, column / 200


# ------------------------------------------------------------------ who is where


def test_a_is_left_and_b_is_right() -> None:
    step = make_step(0, A_MAP, shadow=shadow_of(0, B_MAP))
    picture = make_painter().paint(step, COMPARE)
    assert orange(picture, PANE_L) == pytest.approx(of_grid(15, 30), abs=0.02)
    assert orange(picture, PANE_R) == pytest.approx(of_grid(45, 160), abs=0.02)


def test_they_keep_their_places_when_b_drives() -> None:
    step = make_step(0, B_MAP, shadow=shadow_of(0, A_MAP, letter="A"))
    picture = make_painter().paint(step, COMPARE)
    assert orange(picture, PANE_L) == pytest.approx(of_grid(15, 30), abs=0.02)
    assert orange(picture, PANE_R) == pytest.approx(of_grid(45, 160), abs=0.02)


def test_each_map_lies_on_what_its_own_network_saw() -> None:
    other = replace(CONTRACT, crop=(0, 360, 320, 640))
    step = make_step(0, A_MAP, shadow=shadow_of(0, A_MAP))
    picture = make_painter(shadow_contract=other).paint(step, COMPARE)
    assert orange(picture, PANE_L) == pytest.approx(of_grid(15, 30), abs=0.02)
    assert orange(picture, PANE_R) == pytest.approx((15 / 66, 0.5 + 30 / 400), abs=0.02)


def test_both_maps_have_the_larger_of_the_two_scales() -> None:
    weak, strong = A_MAP, A_MAP * 10
    painter = make_painter()
    picture = painter.paint(make_step(0, weak, shadow=shadow_of(0, strong)), COMPARE)
    panes = (view(picture, pane).astype(int) for pane in (PANE_L, PANE_R))
    left, right = (int((pane[..., 0] - pane[..., 2]).max()) for pane in panes)
    assert right > 140
    assert left < 50
    same = make_painter().paint(make_step(0, strong, shadow=shadow_of(0, strong)), COMPARE)
    assert (view(same, PANE_L)[4:] == view(same, PANE_R)[4:]).all()


def test_a_network_that_learned_on_a_car_with_less_lock_pushes_fewer_degrees() -> None:
    other = replace(CONTRACT, max_steer_deg=7.0)
    step = make_step(0, A_MAP, shadow=shadow_of(0, A_MAP))
    picture = make_painter(shadow_contract=other).paint(step, COMPARE)
    assert np.isnan(orange(picture, PANE_R)).all()
    assert not np.isnan(orange(picture, PANE_L)).any()


def test_without_compare_the_camera_and_the_drivers_map_are_shown() -> None:
    step = make_step(0, A_MAP, shadow=shadow_of(0, B_MAP))
    picture = make_painter().paint(step, STATE)
    assert np.isnan(orange(picture, PANE_L)).all()
    assert orange(picture, PANE_R) == pytest.approx(of_grid(15, 30), abs=0.02)


def test_a_shadow_without_a_map_leaves_the_camera() -> None:
    step = make_step(0, A_MAP, shadow=shadow_of(0, explanation=None))
    picture = make_painter().paint(step, COMPARE)
    assert np.isnan(orange(picture, PANE_L)).all()
    assert orange(picture, PANE_R) == pytest.approx(of_grid(15, 30), abs=0.02)


def test_a_shadows_map_of_another_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 7, received one of 8"):
        make_painter().paint(make_step(7, shadow=shadow_of(8)), COMPARE)


@pytest.mark.parametrize(
    ("letter", "driver", "roles"),
    [
        ("B", "network", ("drives", "shadows")),
        ("A", "network", ("shadows", "drives")),
        ("B", "expert", ("shadows", "shadows")),
    ],
)
def test_the_titles_say_who_drives(
    letter: str, driver: str, roles: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, _ = record_texts(monkeypatch)
    step = make_step(0, driver=driver, shadow=shadow_of(0, letter=letter))
    make_painter().paint(step, COMPARE)
    said = [text for text, _, _ in placed]
    assert said.count(f"A {roles[0]}") == said.count(f"B {roles[1]}") == 2  # title and legend
    assert any(text.startswith("dave2_town01.keras") for text in said)
    assert "dave2_augmented.keras · same method, layer and scale" in said


def test_masks_are_marked_on_a_whoever_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    placed, _ = record_texts(monkeypatch)
    state = replace(COMPARE, masks=MASKS[:1], masks_in_force=True)
    step = make_step(0, findings=make_findings(causal=BLOBS), shadow=shadow_of(0, letter="A"))
    make_painter().paint(step, state)
    said = [text for text, _, _ in placed]
    assert "dave2_town01.keras · ▲ masks in force" in said
    assert any(text.startswith("mask A: steering") for text in said)
    assert not any("masked: " in text for text in said)  # that is about B's map


def test_while_inspecting_the_layers_are_shown_instead() -> None:
    state = replace(COMPARE, inspection=Inspection())
    step = make_step(0, A_MAP, shadow=shadow_of(0, B_MAP))
    assert np.isnan(orange(make_painter().paint(step, state), PANE_L)).all()


# ------------------------------------------------------------------ how they differ


def test_a_difference_beyond_five_degrees_is_yellow_and_right_is_upwards() -> None:
    steps = (compared(tick, 0.01 if tick < 100 else 0.1) for tick in range(200))
    picture = paint_last(make_painter(), steps, COMPARE)  # 0.7 and 7 degrees
    strip = view(picture, STRIP_B)
    yellow = is_colour(strip, WARNING)
    rows, columns = np.nonzero(yellow)
    assert rows.min() == pytest.approx(44 * 0.3, abs=2)
    assert rows.max() <= 44
    assert columns.min() == pytest.approx(963 * 0.75, abs=4)
    assert not yellow[45:].any()


def test_the_legend_has_the_numbers_of_the_last_twenty_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painter = make_painter()
    steps = (compared(tick, 0.0 if tick < 75 else -0.1) for tick in range(100))
    paint_last(painter, steps, COMPARE)
    placed, _ = record_texts(monkeypatch)
    events = tuple(EventEntry(number=i, kind=EventKind.NETWORKS, sim_s=1.0) for i in (1, 2))
    painter.paint(compared(99, -0.1), replace(COMPARE, events=events))
    said = [text for text, _, _ in placed]
    for text in ("−7.0°", "1.8°", "25 %", "2", "0.58"):
        assert text in said


def test_the_shadow_is_a_dashed_mint_line_and_a_mint_diamond() -> None:
    painter = make_painter()
    picture = paint_last(painter, (compared(tick, command=0.2) for tick in range(401)), COMPARE)
    strip = view(picture, STRIP_A)[: 72 // 3]  # 14 degrees are in the upper third
    mint = (abs(strip.astype(int) - OTHER).max(axis=2) < 40).any(axis=0)
    assert 0.3 < mint.mean() < 0.7
    assert (abs(view(picture, CONTROLS_L).astype(int) - OTHER).max(axis=2) < 30).any()
    hidden = painter.paint(compared(401, command=0.2), STATE)
    assert not (abs(view(hidden, CONTROLS_L).astype(int) - OTHER).max(axis=2) < 30).any()
    strip = view(hidden, STRIP_A)[: 72 // 3]
    assert (abs(strip.astype(int) - OTHER).max(axis=2) < 40).any()  # still in the strip


def test_a_keeps_its_line_when_b_takes_over() -> None:
    steps = []
    for tick in range(401):
        letter = "B" if tick < 200 else "A"
        own, other = (0.0, 0.25) if letter == "B" else (0.25, 0.0)
        found = make_findings(tick, comparison=Comparison(0.25))
        shadow = shadow_of(tick, letter=letter, command=other)
        steps.append(make_step(tick, findings=found, shadow=shadow, network_steering=own))
    picture = paint_last(make_painter(), steps, COMPARE)
    middle = view(picture, STRIP_A)[34:38].astype(int)
    white = (abs(middle - HIGH).max(axis=2) < 60).any(axis=0)
    assert white[5:-5].mean() > 0.95


def test_a_difference_without_a_comparison_is_that_of_the_commands() -> None:
    painter = make_painter()
    painter.paint(make_step(0, shadow=shadow_of(0, command=0.15)), COMPARE)
    assert painter._memory.history.at(compare.Field.DIFFERENCE) == pytest.approx(3.5)


@pytest.mark.parametrize("size", [(960, 540), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("degrees", [70.0, None])
def test_no_text_is_cut_or_lies_on_another(
    size: tuple[int, int], degrees: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size, max_steer_deg=degrees)
    fixed = list(placed)
    for tick in range(100_000, 100_120, 30):
        placed.clear()
        state = replace(COMPARE, world=replace(STATE.world, spawn=f"spawn {tick}"))
        painter.paint(compared(tick, -0.25, command=-0.888), state)
        check_texts(fixed + placed, cut, size)
