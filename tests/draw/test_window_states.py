"""What the whole window shows in each of its states, and that no text is in the way of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn import (
    BLOBS,
    CHECK,
    CONTRACT,
    EVENTS,
    MASKS,
    NOVELTY,
    STATE,
    compared,
    explain,
    is_colour,
    make_findings,
    make_painter,
    make_step,
    paint_last,
    shadow_of,
    view,
)
from text_checks import check_texts, record_texts

from carla_saliency.core import (
    Control,
    DriveStep,
    Event,
    EventKind,
    Frame,
    Meaning,
    SideView,
)
from carla_saliency.draw.history import Field
from carla_saliency.draw.layout import CONTROLS_L, PANE_L, PANE_R, STRIP_A, STRIP_B, TITLE_L
from carla_saliency.draw.palette import BACKGROUND, RIGHT, WARNING
from carla_saliency.draw.state import EventEntry, Inspection, UiState

SIZES = [(960, 540), (1280, 720), (1920, 1080)]
CHASE = SideView("chase", np.full((360, 640, 3), (10, 90, 170), np.uint8))
DOUBT = replace(CHECK, edges=0.82, doubts=("like an edge detector, r 0.82",))
ALONE = Inspection(back_s=2.35)


def off_road(frame_id: int) -> DriveStep:
    return make_step(frame_id, findings=make_findings(frame_id, off_road_s=1.2, check=DOUBT))


def novel(frame_id: int, stand_in: bool = False) -> DriveStep:
    novelty = replace(NOVELTY, stand_in=stand_in)
    return make_step(frame_id, findings=make_findings(frame_id, novelty=novelty, causal=BLOBS))


def everything(frame_id: int) -> DriveStep:
    found = make_findings(
        frame_id, off_road_s=1.2, check=DOUBT, novelty=NOVELTY, causal=replace(BLOBS, frame_id=9)
    )
    return make_step(frame_id, findings=found, events=tuple(EventKind), shadow=shadow_of(frame_id))


def chased(frame_id: int) -> DriveStep:
    seen = {"view": CHASE, "applied": Control(-0.3, 0.2)}
    found = make_findings(frame_id, causal=BLOBS)
    return make_step(frame_id, observation=seen, driver="autopilot", findings=found)


CASES: dict[str, tuple[Any, UiState]] = {
    "driving": (make_step, STATE),
    "lane": (make_step, replace(STATE, strip="lane", scale_locked=True)),
    "not calibrated": (make_step, replace(STATE, calibrated=False, usual_on_road=None)),
    "no classes": (make_step, replace(STATE, no_classes="this server has no semantic camera")),
    "attention off road": (off_road, STATE),
    "unlike the training": (novel, STATE),
    "unlike the nominal drive": (lambda i: novel(i, True), STATE),
    "everything": (everything, replace(STATE, masks=MASKS)),
    "masks in force": (make_step, replace(STATE, masks=MASKS, masks_in_force=True)),
    "chase": (chased, STATE),
    "shadowed": (compared, STATE),
    "inspected": (
        lambda i: make_step(i, findings=make_findings(i, causal=BLOBS)),
        replace(STATE, paused=True, inspection=ALONE, masks=MASKS, events=EVENTS),
    ),
    "frozen": (make_step, replace(STATE, inspection=replace(ALONE, frozen=True))),
    "alarm": (everything, replace(STATE, alarm="Camera 3 ticks late (150 ms)")),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("degrees", [70.0, None])
def test_no_text_is_cut_or_lies_on_another(
    size: tuple[int, int], name: str, degrees: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, state = CASES[name]
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size, max_steer_deg=degrees)
    fixed = list(placed)
    for tick in range(100_000, 100_180, 60):
        placed.clear()
        world = replace(STATE.world, spawn=f"spawn {tick}")  # writes all words anew
        painter.paint(make(tick), replace(state, world=world))
        check_texts(fixed + placed, cut, size)


def said(monkeypatch: pytest.MonkeyPatch, step: DriveStep, state: UiState) -> list[str]:
    placed, _ = record_texts(monkeypatch)
    make_painter().paint(step, state)
    return [text for text, _, _ in placed]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("attention off road", "▲ Attention off road: road + lines 70 %, usual 71 %, for 1.2 s"),
        ("unlike the training", "▲ Unlike the training: distance 4.1, limit 3.0"),
        ("unlike the training", "nearest training frame"),
        ("unlike the nominal drive", "nearest of a nominal drive"),
        ("masks in force", "▲ masks in force: the network does not see what is hatched"),
        ("chase", "chase · not what the network sees"),
        ("chase", "AUTOPILOT"),
        ("chase", "21.0° left"),
        ("inspected", "masking check: solid = steering moves, dashed = no effect"),
        ("inspected", "PAUSED"),
        ("inspected", "Enter next tick   PgUp PgDn history   E resume"),
        ("frozen", "view frozen, car drives on"),
        ("no classes", "this server has no semantic camera"),
        ("driving", "usual road + lines 71 %"),
        ("driving", "what stands out here pushes the steering left or right"),
        ("shadowed", "B shadows"),
        ("everything", "masking check: solid = steering moves, dashed = no effect · frame 000009"),
    ],
)
def test_the_window_says_what_is_going_on(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, state = CASES[name]
    assert text in said(monkeypatch, make(0), state)


def test_a_locked_scale_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    painter = make_painter()
    state = replace(STATE, scale_locked=True)
    values = np.full((66, 200), 1e-4, np.float32)
    paint_last(painter, (make_step(tick, values) for tick in range(60)), state)
    placed, _ = record_texts(monkeypatch)
    painter.paint(make_step(60, values, grey=1), replace(state, opacity=0.9))
    assert "10⁻³ deg / pixel, locked" in [text for text, _, _ in placed]


# ------------------------------------------------------------------ bands and marks


def test_a_band_lies_above_what_the_network_sees() -> None:
    for found, pane in (({"off_road_s": 1.0}, PANE_R), ({"novelty": NOVELTY}, PANE_L)):
        step = make_step(findings=make_findings(**found))
        yellow = is_colour(view(make_painter().paint(step, STATE), pane), WARNING)
        assert yellow[:32].mean() > 0.7
        assert not yellow[33:-3, 3:-3].any()
        assert yellow[100:300, :3].all()


def test_a_frame_like_the_training_has_no_band() -> None:
    usual = replace(NOVELTY, distance=2.0)
    picture = make_painter().paint(make_step(findings=make_findings(novelty=usual)), STATE)
    assert not is_colour(view(picture, PANE_L), WARNING).any()


def test_the_nearest_training_frame_is_shown_above_the_crop() -> None:
    picture = make_painter().paint(novel(0), STATE)
    rows, columns = np.nonzero(is_colour(view(picture, PANE_L), (10, 200, 30)))
    assert rows.min() > 32
    assert rows.max() < 148 / 360 * 349
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(200 / 66, rel=0.06)


def test_another_cameras_picture_has_no_marks_and_no_corners() -> None:
    picture = make_painter().paint(chased(0), STATE)
    assert is_colour(view(picture, PANE_L), (10, 90, 170)).all()
    assert not is_colour(view(picture, PANE_R), (10, 90, 170)).any()


def test_masks_in_force_show_what_the_network_sees() -> None:
    masked = Frame(0, 0.0, np.full((360, 640, 3), 30, np.uint8))
    state = replace(STATE, masks=MASKS, masks_in_force=True)
    picture = make_painter().paint(make_step(masked=masked), state)
    assert (np.median(view(picture, PANE_L), axis=(0, 1)) == 30).all()
    assert is_colour(view(picture, TITLE_L), WARNING).any()


def test_without_text_only_the_panes_are_there() -> None:
    values = np.zeros((66, 200), np.float32)
    values[30:40, 50:150] = 1.0
    picture = make_painter().paint(make_step(0, values), replace(STATE, text=False))
    whole = make_painter().paint(make_step(0, values), replace(STATE, method=Meaning(title="m")))
    assert (view(picture, PANE_L) == view(whole, PANE_L)).all()
    assert (view(picture, PANE_R)[40:] == view(whole, PANE_R)[40:]).all()
    for pane in (PANE_L, PANE_R):
        view(picture, pane)[...] = BACKGROUND
    assert is_colour(picture, BACKGROUND).all()


def test_what_was_sent_by_somebody_else_is_the_command_that_is_shown() -> None:
    picture = make_painter().paint(make_step(observation={"applied": Control(0.4)}), STATE)
    assert is_colour(view(picture, CONTROLS_L), RIGHT).sum() > 100 * 18


# ------------------------------------------------------------------ memory


def flags(painter: Any) -> list[tuple[str, str]]:
    return [(flag.text, flag.tone) for flag in painter._memory.history.flags]


def test_every_kind_of_event_is_flagged_whoever_found_it() -> None:
    painter = make_painter()
    kinds = [kind for kind in EventKind if kind is not EventKind.NETWORKS]
    found = tuple(Event(kind, 0, "") for kind in kinds[4:])
    step = make_step(findings=make_findings(events=found), events=tuple(kinds[:4]))
    painter.paint(step, STATE)
    texts = dict(flags(painter))
    assert set(texts) == {kind.value for kind in kinds}
    assert texts["collision"] == texts["intervention"] == "failure"
    assert texts["map jumps"] == texts["attention off road"] == "warning"
    assert texts["bookmark"] == "high"


def test_where_networks_disagree_is_flagged_at_the_peak_by_its_number() -> None:
    painter = make_painter()
    event = Event(EventKind.NETWORKS, 90, "D2: B steers 7.9° further right than A")
    steps = (make_step(tick) for tick in range(100))
    paint_last(painter, steps, STATE)
    painter.paint(make_step(100, findings=make_findings(events=(event,))), STATE)
    assert flags(painter) == [("D2", "warning")]
    assert painter._memory.history.flags[0].sim_s == pytest.approx(4.5)


def test_what_a_person_kept_is_flagged_once() -> None:
    painter = make_painter()
    kept = EventEntry(number=3, kind=EventKind.BOOKMARK, sim_s=0.0)
    for tick in range(3):
        painter.paint(make_step(tick), replace(STATE, events=(kept,)))
    assert flags(painter) == [("bookmark 3", "high")]


def test_looking_back_changes_neither_the_strips_nor_the_scale() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e-3, (66, 200)).astype(np.float32)
    painter = make_painter()
    paint_last(painter, (make_step(tick, values) for tick in range(100)), STATE)
    memory = painter._memory
    before = memory.history.column(Field.NETWORK).copy()
    scale = memory.keeper("A", explain(0)).scale  # type: ignore[union-attr]
    for tick in (50, 20, 21, 99):
        state = replace(STATE, inspection=replace(ALONE, back_s=(99 - tick) * 0.05))
        painter.paint(make_step(tick, values * 1000), state)
    assert (memory.history.column(Field.NETWORK) == before).all()
    assert memory.keeper("A", explain(0)).scale == scale  # type: ignore[union-attr]
    painter.paint(make_step(20, values, driver="expert"), state)
    painter.paint(make_step(99, values), STATE)  # as before it was looked back
    painter.paint(make_step(100, values), STATE)
    assert len(memory.history.column(Field.NETWORK)) == len(before) + 1
    assert not memory.history.flags


def test_a_tick_of_the_inspected_world_is_remembered() -> None:
    painter = make_painter()
    painter.paint(make_step(0), STATE)
    painter.paint(make_step(1), replace(STATE, inspection=Inspection()))
    assert len(painter._memory.history.column(Field.NETWORK)) == 2


def test_the_legend_is_of_the_moment_that_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    painter = make_painter()
    steps = (make_step(tick, network_steering=tick / 1000) for tick in range(100))
    paint_last(painter, steps, STATE)
    placed, _ = record_texts(monkeypatch)
    painter.paint(make_step(50), replace(STATE, inspection=replace(ALONE, back_s=49 * 0.05)))
    assert "+3.5°" in [text for text, _, _ in placed]


def test_a_masking_check_of_every_tenth_tick_stays_until_the_next() -> None:
    painter = make_painter()
    painter.paint(make_step(0, findings=make_findings(causal=BLOBS)), STATE)
    plain = make_painter().paint(make_step(9), STATE)
    held = painter.paint(make_step(9), STATE)
    assert (view(plain, PANE_L) != view(held, PANE_L)).any()
    late = painter.paint(make_step(30), STATE)
    assert (view(plain, PANE_L) == view(late, PANE_L)).all()
    state = replace(STATE, inspection=Inspection())
    painter.paint(make_step(31, findings=make_findings(causal=BLOBS)), state)
    other = painter.paint(make_step(32), state)  # in inspect it must be of the very frame
    assert (view(plain, PANE_L) == view(other, PANE_L)).all()


def test_a_locked_scale_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1e-4, (66, 200)).astype(np.float32)
    painter, locked = make_painter(), replace(STATE, scale_locked=True)
    paint_last(painter, (make_step(tick, values) for tick in range(60)), STATE)
    keeper = painter._memory.keeper("A", explain(0))
    assert keeper is not None
    scale = keeper.scale
    painter.paint(make_step(60, values * 100), locked)
    assert keeper.scale == scale
    painter.paint(make_step(61, values * 100), STATE)
    assert keeper.scale > 10 * scale


def test_the_lower_strip_holds_what_was_asked_for() -> None:
    strips = [
        view(make_painter().paint(make(0), state), STRIP_B)
        for make, state in (CASES[name] for name in ("driving", "lane", "no classes", "inspected"))
    ]
    for i, strip in enumerate(strips):
        assert all((strip != other).any() for other in strips[i + 1 :])


def test_small_and_odd_windows_are_drawn_too() -> None:
    for size in ((640, 360), (333, 777), (64, 36), (3840, 2160)):
        picture = make_painter(size).paint(everything(0), replace(STATE, masks=MASKS))
        assert picture.shape == (size[1], size[0], 3)


def test_a_crop_of_the_whole_picture_leaves_no_room_but_works() -> None:
    contract = replace(CONTRACT, crop=(0, 360, 0, 640))
    picture = make_painter(contract=contract).paint(everything(0), STATE)
    assert is_colour(view(picture, PANE_L), (10, 200, 30)).any()
    assert view(picture, STRIP_A).any()
