from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from text_checks import check_texts, record_texts

from carla_saliency.core import (
    Contract,
    Control,
    Decision,
    Driver,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Frame,
    LaneView,
    Meaning,
    Observation,
    Place,
    Pose,
)
from carla_saliency.draw import cards, heatmap
from carla_saliency.draw.canvas import Pens
from carla_saliency.draw.layout import PANE_L, PANE_R, Box, Layout
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.palette import BACKGROUND, FAILURE, LEFT, RIGHT, WARNING
from carla_saliency.draw.state import (
    Card,
    CardLine,
    Interlude,
    Recording,
    UiState,
    World,
)
from carla_saliency.draw.text import Type

CONTRACT = Contract(
    name="dave2.keras",
    camera=Pose(x_m=0.8, z_m=1.4),
    width_px=640,
    height_px=360,
    fov_deg=90,
    crop=(145, 338, 0, 640),
    input_height_px=66,
    input_width_px=200,
)
CONTRAST = Meaning(
    title="contrast", hint=("what stands out here pushes", "the steering left or right")
)
GRADIENT = Meaning(
    title="gradient",
    unit="deg / grey level",
    left="brighter = left",
    right="brighter = right",
    hint=("a brighter pixel would push", "the steering this way"),
)
WORLD = World(
    map_name="Town01",
    weather="ClearNoon",
    spawn="spawn 24",
    network="dave2.keras",
    pace="sync 0.05 s",
)
PARTS = (("server", 21.0), ("net + map", 10.0), ("draw", 3.0), ("record", 1.0))
STATE = UiState(
    method=CONTRAST,
    world=WORLD,
    recording=Recording("on", 134.6),
    timing_ms=PARTS,
    fps=20.0,
)
SIZES = [(1280, 720), (960, 540)]


def camera(shape: tuple[int, int] = (360, 640)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)


def make_step(
    frame_id: int = 0,
    attribution: np.ndarray | None = None,
    image: np.ndarray | None = None,
    driver: Driver = "network",
    events: tuple[EventKind, ...] = (),
    steering: float = 0.117,
    meaning: Meaning = CONTRAST,
    place: Place | None = None,
    **decision: Any,
) -> DriveStep:
    if attribution is None:
        attribution = np.zeros((66, 200), np.float32)
    frame = Frame(frame_id, frame_id * 0.05, camera() if image is None else image)
    lane = LaneView(0.3, 1.0, 3.5, False, np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    observation = Observation(
        frame, Pose(), 8.7, lane, tuple(Event(kind, frame_id, kind.value) for kind in events)
    )
    values: dict[str, Any] = {
        "control": Control(steering, 0.4),
        "driver": driver,
        "explanation": Explanation(frame_id, "contrast", steering, attribution, meaning, place),
        "expert_steering": 0.14,
    }
    return DriveStep(observation, Decision(**(values | decision)))


def make_painter(size: tuple[int, int] = (1280, 720), **settings: Any) -> Painter:
    values: dict[str, Any] = {"max_steer_deg": 70.0, "tick_ms": 50.0, "car_width_m": 1.85}
    return Painter(size, settings.pop("contract", CONTRACT), **(values | settings))


def view(picture: np.ndarray, box: Box) -> np.ndarray:
    height, width, _ = picture.shape
    p = Layout.of((width, height)).pixels(box)
    return picture[p.rows, p.columns]


def has(picture: np.ndarray, colour: tuple[int, int, int], least: int = 1) -> bool:
    return int((picture == colour).all(axis=2).sum()) >= least


# ------------------------------------------------------------------ the pictures


@pytest.mark.parametrize("size", [*SIZES, (1920, 1080), (1000, 800), (640, 360)])
def test_the_picture_has_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    picture = make_painter(size).paint(make_step(), STATE)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8


def test_a_picture_that_was_returned_is_never_changed() -> None:
    painter = make_painter()
    first = painter.paint(make_step(0), STATE)
    copy = first.copy()
    painter.paint(make_step(1, steering=-0.4), STATE)
    painter.paint_help(first, STATE)
    assert (first == copy).all()


def test_the_frame_is_not_changed() -> None:
    image = camera()
    make_painter().paint(make_step(image=image), STATE)
    assert (image == camera()).all()


def test_the_camera_is_shown_with_its_colours_in_their_order() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    image[:] = (200, 30, 10)
    picture = make_painter().paint(make_step(image=image), STATE)
    assert (picture[80, 20:600] == (200, 30, 10)).all()


def test_the_pair_has_equal_places_and_the_right_one_is_grey() -> None:
    image = np.zeros((360, 640, 3), np.uint8)
    image[100:120, 300:340] = (255, 255, 255)
    step = make_step(image=image, meaning=Meaning(title="contrast"))  # nothing to be read over it
    picture = make_painter().paint(step, STATE)
    left = view(picture, PANE_L)[:130].astype(int).sum(axis=2) > 400
    right = view(picture, PANE_R)[:130, :, 0] > 60
    assert left.sum() > 500
    assert (left == right).mean() > 0.999
    pane = view(picture, PANE_R)[:130].astype(int)
    assert abs(pane - pane[..., :1]).max() == 0


def test_a_camera_of_another_shape_is_not_stretched() -> None:
    image = np.full((480, 480, 3), 255, np.uint8)
    contract = replace(CONTRACT, width_px=480, height_px=480, crop=(200, 450, 0, 480))
    picture = make_painter(contract=contract).paint(make_step(image=image), STATE)
    bright = (view(picture, PANE_L) == 255).all(axis=2)
    assert bright.any(axis=0).sum() == bright.any(axis=1).sum() == 349


def test_a_map_of_another_frame_is_refused() -> None:
    step = make_step(7)
    wrong = replace(step.decision, explanation=make_step(8).decision.explanation)
    with pytest.raises(ValueError, match="frame 7, received one of 8"):
        make_painter().paint(replace(step, decision=wrong), STATE)


def test_without_a_network_the_window_has_no_map() -> None:
    step = make_step(explanation=None, expert_steering=None)
    pane = view(make_painter().paint(step, STATE), PANE_R).astype(int)
    assert abs(pane - pane[..., :1]).max() <= 17  # only the ticks have a tint


def test_off_the_road_the_window_still_works() -> None:
    step = make_step()
    lost = replace(step.observation, lane=None)
    assert make_painter().paint(replace(step, observation=lost), STATE).any()


# ------------------------------------------------------------------ the map


def saliency_of(attribution: np.ndarray, **settings: Any) -> np.ndarray:
    image = np.zeros((360, 640, 3), np.uint8)
    painter = make_painter(**settings)
    return painter.paint(make_step(attribution=attribution, image=image), STATE)


def test_a_push_to_the_right_is_orange_and_one_to_the_left_is_blue() -> None:
    attribution = np.zeros((66, 200), np.float32)
    attribution[20:40, 20:80] = -0.001
    attribution[20:40, 120:180] = 0.001
    pane = view(saliency_of(attribution), PANE_R)
    strong = np.ptp(pane.astype(int), axis=2) > 60
    xs = np.flatnonzero(strong.any(axis=0))
    assert (xs.min(), xs.max()) == pytest.approx((20 * 3.1, 180 * 3.1), abs=2)
    left, right = pane[200, 150].astype(int), pane[200, 460].astype(int)
    assert left[2] > 150 > left[0]
    assert right[0] > 150 > right[2]
    assert abs(left - np.array(LEFT)).max() < 140
    assert abs(right - np.array(RIGHT)).max() < 140


@pytest.mark.parametrize("size", [*SIZES, (1920, 1080)])
@pytest.mark.parametrize(
    ("shape", "crop"),
    [
        ((360, 640), (145, 338, 0, 640)),
        ((360, 640), (0, 360, 0, 640)),
        ((360, 640), (200, 300, 100, 500)),
        ((480, 640), (240, 480, 64, 512)),
    ],
)
def test_a_planted_cell_lies_on_the_pixels_that_the_network_saw(
    size: tuple[int, int], shape: tuple[int, int], crop: tuple[int, int, int, int]
) -> None:
    top, bottom, left, right = crop
    attribution = np.zeros((66, 200), np.float32)
    attribution[30:36, 140:160] = 1.0
    image = np.zeros((*shape, 3), np.uint8)
    contract = replace(CONTRACT, width_px=shape[1], height_px=shape[0], crop=crop)
    picture = make_painter(size, contract=contract).paint(
        make_step(attribution=attribution, image=image), STATE
    )

    pane = Layout.of(size).pixels(PANE_R)
    k = min(pane.w / shape[1], pane.h / shape[0])
    x0, y0 = pane.x + (pane.w - k * shape[1]) / 2, pane.y + (pane.h - k * shape[0]) / 2
    cell = ((right - left) / 200, (bottom - top) / 66)  # camera pixels
    wanted = (
        x0 + k * (left + 140 * cell[0]),
        x0 + k * (left + 160 * cell[0]),
        y0 + k * (top + 30 * cell[1]),
        y0 + k * (top + 36 * cell[1]),
    )
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    coloured = np.zeros(picture.shape[:2], bool)
    coloured[pane.rows, pane.columns] = (red - blue)[pane.rows, pane.columns] > 90
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    found = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
    assert found == pytest.approx(wanted, abs=2.0)


def test_a_camera_of_another_size_is_cropped_in_proportion() -> None:
    attribution = np.zeros((66, 200), np.float32)
    attribution[30:36, 140:160] = 1.0
    pictures = [
        make_painter().paint(
            make_step(attribution=attribution, image=np.zeros((*shape, 3), np.uint8)), STATE
        )
        for shape in ((360, 640), (720, 1280))
    ]
    panes = [view(picture, PANE_R).astype(int) for picture in pictures]
    assert abs(panes[0] - panes[1]).max() <= 2


def test_a_flat_map_leaves_the_overlay_as_it_is_without_one() -> None:
    flat = make_painter().paint(make_step(), STATE)
    off = make_painter().paint(make_step(), replace(STATE, opacity=0.0))
    assert (view(flat, PANE_R) == view(off, PANE_R)).all()


def test_the_overlay_can_be_switched_off() -> None:
    attribution = np.full((66, 200), 0.001, np.float32)
    picture = make_painter().paint(make_step(attribution=attribution), replace(STATE, opacity=0.0))
    pane = view(picture, PANE_R).astype(int)
    assert abs(pane - pane[..., :1]).max() <= 17


def test_a_coarse_map_keeps_its_cells() -> None:
    attribution = np.zeros((1, 18), np.float32)
    attribution[0, 9] = 1.0
    cam = Meaning(title="cam", unit="relative", signed=False)
    picture = make_painter().paint(
        make_step(0, attribution, np.zeros((360, 640, 3), np.uint8), meaning=cam), STATE
    )
    row = view(picture, PANE_R)[200].astype(int).sum(axis=1)
    bright = np.flatnonzero(row > 200)
    assert (bright.min(), bright.max() + 1) == (310, 344)
    assert len(set(row[bright].tolist())) == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(3, 20), (1, 18), (31, 98)])
@pytest.mark.parametrize("cell", [(0, 0), (-1, -1), (0, 7)])
def test_a_layers_cell_is_painted_around_the_middle_of_what_it_sees(
    size: tuple[int, int], shape: tuple[int, int], cell: tuple[int, int]
) -> None:
    rows, columns = shape
    first, step = (12.0, 16.0), (8.0, 7.5)  # grid pixels: centre of the first cell, to the next
    place = (
        first[0] - step[0] / 2,
        first[0] + (rows - 0.5) * step[0],
        first[1] - step[1] / 2,
        first[1] + (columns - 0.5) * step[1],
    )
    if shape == (31, 98):  # a fine map that covers less than the grid
        place = (2.0, 64.0, 2.0, 198.0)
        step = (2.0, 2.0)
        first = (3.0, 3.0)
    row, column = cell[0] % rows, cell[1] % columns
    attribution = np.zeros(shape, np.float32)
    attribution[row, column] = 1.0
    black = np.zeros((360, 640, 3), np.uint8)
    picture = make_painter(size).paint(make_step(0, attribution, black, place=place), STATE)

    pane = Layout.of(size).pixels(PANE_R)
    k = pane.w / 640
    y = pane.y + k * (145 + 193 / 66 * (first[0] + row * step[0]))
    x = pane.x + k * (640 / 200 * (first[1] + column * step[1]))
    red, blue = picture[..., 0].astype(int), picture[..., 2].astype(int)
    coloured = np.zeros(picture.shape[:2], bool)
    coloured[pane.rows, pane.columns] = (red - blue)[pane.rows, pane.columns] > 60
    ys, xs = np.nonzero(coloured)
    assert ys.mean() + 0.5 == pytest.approx(y, abs=1.0)
    assert xs.mean() + 0.5 == pytest.approx(x, abs=1.0)
    if shape != (31, 98):
        assert np.ptp(xs) + 1 == pytest.approx(k * 3.2 * step[1], abs=1.5)
        assert np.ptp(ys) + 1 == pytest.approx(k * 193 / 66 * step[0], abs=1.5)


def test_cells_beyond_the_grid_are_cut_off_at_the_crop() -> None:
    attribution = np.ones((3, 4), np.float32)
    black = np.zeros((360, 640, 3), np.uint8)
    step = make_step(0, attribution, black, place=(-30.0, 100.0, -20.0, 250.0))
    pane = view(make_painter().paint(step, STATE), PANE_R).astype(int)
    coloured = np.ptp(pane, axis=2) > 60
    rows = np.flatnonzero(coloured.any(axis=1))
    k = 620 / 640
    assert (rows.min(), rows.max() + 1) == pytest.approx((145 * k, 338 * k), abs=1)
    assert coloured[rows.min() : rows.max() + 1, 1:-1].mean() > 0.98


def test_a_place_that_covers_the_grid_is_drawn_as_the_grid() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-3, (66, 200)).astype(np.float32)
    attribution = cv2.GaussianBlur(noise, (0, 0), 2.0)
    whole = make_painter().paint(make_step(0, attribution), STATE)
    placed = make_painter().paint(make_step(0, attribution, place=(0.0, 66.0, 0.0, 200.0)), STATE)
    difference = abs(whole.astype(int) - placed.astype(int))
    assert difference.max() <= 30  # the step at the edge of the dead zone, moved by 1/32 of a pixel
    assert difference.mean() < 0.2


def test_a_unit_without_degrees_is_not_multiplied_by_the_lock(monkeypatch: Any) -> None:
    meaning = Meaning(title="gradient", of="conv2d", unit="conv2d / pixel")
    attribution = np.full((66, 200), 0.9, np.float32)
    painter = make_painter()
    for frame_id in range(40):
        painter.paint(make_step(frame_id, attribution, meaning=meaning), STATE)
    texts = words(painter, make_step(40, attribution, meaning=meaning), STATE, monkeypatch)
    assert {"conv2d / pixel", "+1", "−1"} <= set(texts)


def test_another_method_or_layer_has_its_own_scale_and_that_is_an_event() -> None:
    painter = make_painter()
    weak, strong = (np.full((66, 200), v, np.float32) for v in (1e-4, 1.0))
    layer = Meaning(title="contrast", of="conv2d", unit="conv2d / pixel")
    for frame_id in range(50):
        painter.paint(make_step(frame_id, weak), STATE)
    painter.paint(make_step(50, strong, meaning=layer), STATE)
    painter.paint(make_step(51, weak), STATE)
    assert [flag.text for flag in painter._memory.history.flags] == [
        "contrast · conv2d",
        "contrast",
    ]


def test_each_frame_may_have_its_own_scale_and_then_it_is_said(monkeypatch: Any) -> None:
    attribution = np.random.default_rng(0).normal(0, 1e-3, (66, 200)).astype(np.float32)
    image = np.zeros((360, 640, 3), np.uint8)
    painter = make_painter(scaling="frame")
    strong = view(painter.paint(make_step(0, attribution, image), STATE), PANE_R)
    weak = view(painter.paint(make_step(1, attribution * 0.1, image), STATE), PANE_R)
    assert abs(strong.astype(int) - weak.astype(int)).max() <= 4
    assert not painter._memory.history.flags
    said = words(painter, make_step(2, attribution, image), STATE, monkeypatch)
    assert any(text.endswith("scaled to this frame") for text in said)
    assert "calibrating" not in said
    usual = words(make_painter(), make_step(2, attribution, image), STATE, monkeypatch)
    assert not any("scaled to this frame" in text for text in usual)


def slow_step(frame_id: int, explained: DriveStep, every: int) -> DriveStep:
    """Return a step whose newest map is of an older one."""
    step = make_step(frame_id, image=np.full((360, 640, 3), 10, np.uint8))
    decision = replace(
        step.decision,
        explanation=explained.decision.explanation,
        explained=explained.observation.frame,
        every=every,
        network_steering=-0.2,
    )
    return replace(step, decision=decision)


def test_the_pair_is_of_the_frame_that_was_explained_last(monkeypatch: Any) -> None:
    old = make_step(4, image=np.full((360, 640, 3), (200, 30, 10), np.uint8))
    step = slow_step(6, old, 3)
    picture = make_painter().paint(step, STATE)
    assert (picture[80, 20:600] == (200, 30, 10)).all()
    said = words(make_painter(), step, STATE, monkeypatch)
    assert sum("every 3rd frame" in text for text in said) == 2
    assert "000006" in said  # the numbers are of the newest step
    assert "−14.0°" in said


def test_the_scale_takes_an_older_map_into_account_once() -> None:
    rng = np.random.default_rng(0)
    old = make_step(0, rng.normal(0, 1e-3, (66, 200)).astype(np.float32))
    painter = make_painter()
    painter.paint(old, STATE)
    for frame_id in range(1, 20):
        painter.paint(slow_step(frame_id, old, 20), STATE)
    keeper = painter._memory.keeper("A", old.decision.explanation)
    assert len(keeper._maps) == 1


def test_before_the_first_map_the_camera_is_live_and_the_other_pane_says_so(
    monkeypatch: Any,
) -> None:
    image = np.full((360, 640, 3), (200, 30, 10), np.uint8)
    step = make_step(image=image, explanation=None, network_steering=0.1)
    assert (make_painter().paint(step, STATE)[80, 20:600] == (200, 30, 10)).all()
    said = words(make_painter(), step, STATE, monkeypatch)
    assert "calculating the first map" in said
    assert "+7.0°" in said
    assert not any("map: no network" in text for text in said)


def test_the_same_map_has_the_same_colours_in_the_next_frame() -> None:
    rng = np.random.default_rng(0)
    attribution = rng.normal(0, 1e-3, (66, 200)).astype(np.float32)
    image = np.zeros((360, 640, 3), np.uint8)
    painter = make_painter()
    panes = [view(painter.paint(make_step(i, attribution, image), STATE), PANE_R) for i in range(3)]
    assert (panes[0] == panes[2]).all()


def test_a_weaker_map_is_darker_and_not_scaled_up() -> None:
    rng = np.random.default_rng(0)
    attribution = rng.normal(0, 1e-3, (66, 200)).astype(np.float32)
    image = np.zeros((360, 640, 3), np.uint8)
    painter = make_painter()
    strong = view(painter.paint(make_step(0, attribution, image), STATE), PANE_R)
    weak = view(painter.paint(make_step(1, attribution * 0.2, image), STATE), PANE_R)
    assert weak.mean() - 14 < 0.5 * (strong.mean() - 14)  # 14 is a black camera


# ------------------------------------------------------------------ the numbers


@pytest.mark.parametrize(("steering", "colour"), [(0.3, RIGHT), (-0.3, LEFT)])
def test_the_steering_bar_grows_to_its_side_in_its_colour(
    steering: float, colour: tuple[int, int, int]
) -> None:
    picture = make_painter().paint(make_step(steering=steering), STATE)
    bar = (picture[436, 140:430] == colour).all(axis=1)
    columns = np.flatnonzero(bar)
    assert columns.size > 70
    assert (columns > 145).all() if steering > 0 else (columns < 145).all()


def test_steering_beyond_the_bar_stops_at_its_end() -> None:
    picture = make_painter().paint(make_step(steering=1.0, expert_steering=None), STATE)
    assert has(picture[436:440, 425:430], RIGHT)
    assert not has(picture[434:452, 434:640], RIGHT)


def words(painter: Painter, step: DriveStep, state: UiState, monkeypatch: Any) -> list[str]:
    """Return all texts of a picture."""
    found: list[str] = []
    write = Type.surface

    def surface(self: Type, text: str, *style: Any) -> Any:
        found.append(text)
        return write(self, text, *style)

    with monkeypatch.context() as patch:
        patch.setattr(Type, "surface", surface)
        patch.setattr(Pens, "text", Pens._set_text)  # nothing is remembered from before
        painter.paint(step, state)
    return found


def test_degrees_are_steering_times_the_angle_of_the_live_car(monkeypatch: Any) -> None:
    texts = words(make_painter(max_steer_deg=40.0), make_step(steering=-0.25), STATE, monkeypatch)
    assert "−0.250" in texts
    assert "10.0° left" in texts
    assert "−17.5°" in texts  # the network's own car turns by up to 70°


def test_without_degrees_all_is_in_steering(monkeypatch: Any) -> None:
    texts = words(make_painter(max_steer_deg=None), make_step(), STATE, monkeypatch)
    assert not any("°" in text for text in texts if "fov" not in text)
    assert "+0.117" in texts
    assert any("steering / pixel" in text or text == "calibrating" for text in texts)


def test_the_first_two_seconds_say_calibrating_then_the_scale_is_a_round_number(
    monkeypatch: Any,
) -> None:
    attribution = np.full((66, 200), 1e-4, np.float32)  # 0.007 degrees
    painter = make_painter()
    assert "calibrating" in words(painter, make_step(0, attribution), STATE, monkeypatch)
    for frame_id in range(1, 40):
        painter.paint(make_step(frame_id, attribution), STATE)
    texts = words(painter, make_step(40, attribution), STATE, monkeypatch)
    assert "calibrating" not in texts
    assert {"10⁻³ deg / pixel", "−10", "−5", "+5", "+10"} <= set(texts)


def test_the_same_frame_painted_again_is_no_new_sample(monkeypatch: Any) -> None:
    painter = make_painter()
    first = painter.paint(make_step(5), STATE)
    for _ in range(3):
        again = painter.paint(make_step(5), STATE)
    assert (first == again).all()


@pytest.mark.parametrize(
    ("driver", "paused", "text"),
    [
        ("network", False, "NETWORK"),
        ("expert", False, "EXPERT"),
        ("manual", False, "MANUAL"),
        ("autopilot", False, "AUTOPILOT"),
        ("network", True, "PAUSED"),
    ],
)
def test_the_badge_says_who_steers(
    driver: Driver, paused: bool, text: str, monkeypatch: Any
) -> None:
    state = replace(STATE, paused=paused)
    assert text in words(make_painter(), make_step(driver=driver), state, monkeypatch)


@pytest.mark.parametrize(
    ("recording", "text"),
    [
        (Recording(), "not recording"),
        (Recording("on", 134.65), "02:14.6"),
        (Recording("held", 1), "REC held"),
        (Recording("saved", 1), "REC saved"),
    ],
)
def test_the_recording_is_told_in_words(recording: Recording, text: str, monkeypatch: Any) -> None:
    state = replace(STATE, recording=recording)
    assert text in words(make_painter(), make_step(), state, monkeypatch)


def test_the_pilots_notice_is_shown_unless_the_state_has_one(monkeypatch: Any) -> None:
    step = make_step(notice="turn ahead: the expert steers", driver="expert")
    assert step.decision.notice in words(make_painter(), step, STATE, monkeypatch)
    state = replace(STATE, notice="disk nearly full", notice_tone="warning")
    assert "▲ disk nearly full" in words(make_painter(), step, state, monkeypatch)


def test_a_tick_over_budget_has_a_red_end() -> None:
    painter = make_painter()
    assert not has(painter.paint(make_step(), STATE)[699:711, 244:252], FAILURE)
    slow = replace(STATE, timing_ms=(("server", 44.0), ("draw", 12.0)))
    assert has(make_painter().paint(make_step(), slow)[699:711, 244:252], FAILURE, 50)


def test_events_are_flagged_in_their_colours() -> None:
    painter = make_painter()
    painter.paint(make_step(0), STATE)
    kinds = (EventKind.LANE_DEPARTURE, EventKind.COLLISION)
    strip = painter.paint(make_step(1, events=kinds), STATE)[496:568]
    assert has(strip, WARNING, 500)
    assert has(strip, FAILURE, 500)


def test_a_change_of_the_scale_is_an_event() -> None:
    painter = make_painter()
    for frame_id in range(50):
        painter.paint(make_step(frame_id, np.full((66, 200), 1e-4, np.float32)), STATE)
    painter.paint(make_step(50, np.full((66, 200), 1.0, np.float32)), STATE)
    assert [flag.text for flag in painter._memory.history.flags] == ["scale ±0.01 → ±100"]


# ------------------------------------------------------------------ no text outside its slot


STATES = {
    "driving": STATE,
    "paused": replace(STATE, paused=True, recording=Recording("held", 9.0), opacity=0.5),
    "not recording, slow": replace(
        STATE,
        recording=Recording(),
        timing_ms=(("server", 444.0), ("net + map", 122.0), ("draw", 13.0), ("record", 11.0)),
        fps=888.8,
    ),
    "slow": replace(STATE, opacity=0.5),
    "hour": replace(STATE, recording=Recording("on", 5999.9)),
    "notice": replace(STATE, notice="turn ahead: the expert steers"),
    "lane": replace(STATE, strip="lane", scale_locked=True),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("degrees", [70.0, None])
def test_no_text_is_cut_or_lies_on_another(
    size: tuple[int, int], name: str, degrees: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    attribution = rng.normal(0, 3e-4, (66, 200)).astype(np.float32)
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size, max_steer_deg=degrees)
    fixed = list(placed)
    for frame_id in range(0, 900, 60):  # 3 s from step to step: past calibration
        placed.clear()
        kinds = (EventKind.LANE_DEPARTURE,) if frame_id % 240 == 0 else ()
        world = replace(WORLD, spawn=f"spawn {frame_id % 7}")  # writes all words anew
        meaning = GRADIENT if name == "notice" else CONTRAST
        step = make_step(
            frame_id + 100_000, attribution, events=kinds, steering=-0.888, meaning=meaning
        )
        if name == "slow":
            step = replace(step, decision=replace(step.decision, every=23))
        painter.paint(step, replace(STATES[name], world=world))
        check_texts(fixed + placed, cut, size)


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_a_crowded_strip_lies_on_another(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size)
    drivers: tuple[Driver, ...] = ("network", "expert", "manual", "autopilot")
    for tick in range(160):
        placed.clear()
        kinds = tuple(EventKind) if tick % 26 == 7 else ()
        step = make_step(5 * tick, driver=drivers[tick // 10 % 4], events=kinds)
        painter.paint(step, STATE)
        if tick % 5 == 0:
            check_texts(placed, cut, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stage", range(4))
def test_no_text_of_the_connecting_cards_is_cut_or_lies_on_another(
    size: tuple[int, int], stage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size)
    network = cards.network_ready(CONTRACT, 252_219)
    content = cards.connecting("127.0.0.1:2000", stage, 8, 20, network)
    painter.paint_card(content, replace(STATE, timing_ms=(), fps=None, recording=Recording()))
    check_texts(placed, cut, size)


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_the_lost_card_is_cut(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size)
    painter.paint(make_step(), STATE)
    fixed_count = len(placed)
    reason = (
        "The CARLA server stopped answering after 10 s, while waiting for the next frame: is it "
        "still running? Start it again, or give a longer --timeout."
    )
    content = cards.server_lost(reason, seen=True)
    painter.paint_card(content, STATE)
    check_texts(placed[fixed_count:], cut, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", [CONTRAST, GRADIENT])
def test_no_text_of_the_help_is_cut_or_lies_on_another(
    size: tuple[int, int], method: Meaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = make_painter(size)
    picture = painter.paint(make_step(meaning=method), STATE)
    placed, cut = record_texts(monkeypatch)
    painter.paint_help(picture, STATE)
    check_texts(placed, cut, size)


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_an_alarm_is_cut(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size)
    painter.paint(make_step(), replace(STATE, alarm=cards.waiting(4312, 0.4, 2.0)))
    check_texts(placed, cut, size)


@pytest.mark.parametrize("size", SIZES)
def test_a_remark_stands_behind_its_line_however_long_that_is(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, cut = record_texts(monkeypatch)
    painter = make_painter(size)
    lines = (
        CardLine("the picture of frame 004312 of the front camera", remark="waiting"),
        CardLine("first frame", number="4", remark="waiting"),
    )
    content = Interlude(badge="CONNECTING", left=Card(heading="Connecting", lines=lines))
    painter.paint_card(content, STATE)
    check_texts(placed, cut, size)
    assert [text for text, _, _ in placed].count("waiting") == 2


# ------------------------------------------------------------------ cards and help


def test_an_alarm_is_yellow_and_above_what_the_network_sees() -> None:
    picture = make_painter().paint(make_step(), replace(STATE, alarm="Camera 3 ticks late"))
    pane = view(picture, PANE_L)
    assert has(pane[:32], WARNING, 10_000)
    assert not has(pane[33:340, 4:-4], WARNING)


def test_a_lost_server_darkens_the_last_pictures() -> None:
    image = np.full((360, 640, 3), 200, np.uint8)
    painter = make_painter()
    painter.paint(make_step(image=image), STATE)
    content = cards.server_lost("No answer for 10 s.", seen=True)
    picture = painter.paint_card(content, STATE)
    assert (picture[400, 100:500] == 60).all()
    assert has(view(picture, PANE_L), FAILURE, 300)


def test_before_the_first_frame_the_panes_are_empty() -> None:
    content = cards.connecting("127.0.0.1:2000", 0, 1, 20)
    picture = make_painter().paint_card(content, STATE)
    pane = view(picture, PANE_R)
    assert (pane == pane[0, 0]).all()


def test_the_first_frame_after_a_card_is_painted_as_if_there_was_none() -> None:
    plain, interrupted = make_painter(), make_painter()
    interrupted.paint_card(cards.connecting("127.0.0.1:2000", 0, 1, 20), STATE)
    assert (plain.paint(make_step(), STATE) == interrupted.paint(make_step(), STATE)).all()


def test_help_is_drawn_on_a_copy() -> None:
    painter = make_painter()
    picture = painter.paint(make_step(), STATE)
    shown = painter.paint_help(picture, STATE)
    assert has(shown[130:600, 120:1160], BACKGROUND, 300_000)
    assert not has(view(picture, PANE_L), BACKGROUND, 100)


def test_the_colour_bar_has_the_colours_of_the_map() -> None:
    picture = make_painter().paint(make_step(), STATE)
    colour, _ = heatmap.table(True)
    assert abs(picture[450, 648].astype(int) - colour[1, 0]).max() <= 3
    assert abs(picture[450, 1018].astype(int) - colour[254, 0]).max() <= 4


def test_a_tick_without_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="tick_ms"):
        make_painter(tick_ms=0.0)
