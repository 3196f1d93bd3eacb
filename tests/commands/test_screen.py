from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pygame
import pytest

from carla_saliency import factory
from carla_saliency.commands.hands import HandDriving
from carla_saliency.commands.inspecting import Inspecting
from carla_saliency.commands.looking import Parts
from carla_saliency.commands.screen import Screen
from carla_saliency.commands.waiting import Left
from carla_saliency.core import (
    Autopilot,
    Car,
    ChangeMethod,
    Control,
    Decision,
    DriveStep,
    Event,
    EventKind,
    Explanation,
    Frame,
    HeldKeys,
    Image,
    Manual,
    Meaning,
    Observation,
    Pose,
    Request,
)
from carla_saliency.draw.layout import PANE_L, PANE_R, STRIP_A, Layout
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState
from carla_saliency.factory import Letter, Rider
from carla_saliency.factory.questions import Questions
from carla_saliency.insight.classes import tag_table
from carla_saliency.output.clips import Clips
from carla_saliency.output.past import Past
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.window import Window
from carla_saliency.saliency import Options
from carla_saliency.settings import DriveSettings
from carla_saliency.sim.calls import Waiting
from carla_saliency.timing import TickTimer

SIZE = (960, 540)


class ListeningPilot:
    """Notes what it is asked, and is asked by the network A with `contrast`."""

    letter, method, driver = "A", "contrast", "network"

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.masking: Callable[[Frame], Frame] | None = None
        self.seat = SimpleNamespace(title="a.keras")

    def handle(self, request: Request) -> bool:
        self.asked.append(request)
        if isinstance(request, ChangeMethod):
            self.method = "gradient"
        return True


class World:
    """Notes how it is changed."""

    not_ours = ""
    autopilot_trouble = ""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def next_weather(self, by: int = 1) -> str:
        self.changes.append(f"weather {by:+d}")
        return "WetNoon"

    def next_spawn_point(self) -> int | None:
        self.changes.append("spawn")
        return 7

    def next_view(self, by: int = 1) -> str:
        self.changes.append("view")
        return "chase"

    def put_back_now(self) -> None:
        self.changes.append("put back")


WITH = ("guest", "follows", "sinks", "log")  # what parts can be made with


def picture_of(frame_id: int) -> Image:
    """A road with lines that wander, so that every frame steers differently."""
    image = np.full((360, 640, 3), 90, np.uint8)
    image[:150] = (120, 170, 230)
    for row in range(150, 360):
        x = 320 + (row - 150) + 40 * np.sin(frame_id / 5)
        image[row, int(x) : int(x) + 8] = 230
    return image


def make_step(frame_id: int, **more: Any) -> DriveStep:
    tags = np.full((360, 640), 1, np.uint8)
    tags[:150] = 11
    frame = Frame(frame_id, frame_id / 20, picture_of(frame_id), tags)
    explanation = Explanation(frame_id, "contrast", 0.1, np.ones((66, 200), np.float32))
    observation = Observation(frame, Pose(), 8.0, None, more.pop("events", ()))
    decision = Decision(Control(0.1), "network", explanation, network_steering=0.1, **more)
    return DriveStep(observation, decision)


def press(key: int, mod: int = 0) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod, unicode=""))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))


def point(kind: int, x: float, y: float) -> None:
    more = {"buttons": (1, 0, 0), "rel": (0, 0)} if kind == pygame.MOUSEMOTION else {"button": 1}
    pygame.event.post(pygame.event.Event(kind, pos=(round(x), round(y)), **more))


def drag(x0: float, y0: float, x1: float, y1: float) -> None:
    point(pygame.MOUSEBUTTONDOWN, x0, y0)
    point(pygame.MOUSEMOTION, (x0 + x1) / 2, y1)
    point(pygame.MOUSEMOTION, x1, y1)
    point(pygame.MOUSEBUTTONUP, x1, y1)


@pytest.fixture
def pilot() -> ListeningPilot:
    return ListeningPilot()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def riders() -> dict[Letter, Rider]:
    settings = DriveSettings()
    return factory.make_riders(factory.load_steering(), settings)


@pytest.fixture
def parts(pilot, world, riders, tmp_path) -> Iterator[Parts]:
    settings = DriveSettings()
    car = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.8, 2.1)
    examiner = factory.make_examiner(riders["A"], settings, tag_table("0.9.16"))
    analyst = factory.make_analyst(riders, {"A": examiner}, settings, car, lambda _: None)
    inspecting = Inspecting({"A": factory.make_subject(riders["A"], examiner, settings)})
    with (
        Recorder(SIZE, 20.0, lambda _: None, pytest.fail) as recorder,
        Past() as past,
        Clips(None, past, recorder, lambda _: None, pytest.fail) as clips,
    ):
        yield Parts(
            pilot=pilot,
            world=world,
            recorder=recorder,
            past=past,
            clips=clips,
            analyst=analyst,
            inspecting=inspecting,
            change_layer=None,
            layer=lambda: "",
            folder=tmp_path,
        )
    inspecting.close()


@pytest.fixture
def make_screen(parts, riders, tmp_path, monkeypatch) -> Iterator[Callable[..., Screen]]:
    monkeypatch.chdir(tmp_path)
    with Window(SIZE, HandDriving()) as window:
        pygame.event.clear()
        contract = riders["A"].steering.contract
        questions = Questions(riders["A"].steering, Options())

        def make(**more: Any) -> Screen:
            changed = {name: more.pop(name) for name in WITH if name in more}
            return Screen(
                Painter(SIZE, contract, 70.0, 50.0),
                window,
                replace(parts, **changed),
                TickTimer(),
                UiState(method=Meaning(title="contrast")),
                lambda letter, frames: questions.steer(frames),
                **more,
            )

        yield make


@pytest.fixture
def screen(make_screen) -> Screen:
    return make_screen()


def no_wait() -> float:
    return 0.0


def test_an_untouched_drive_goes_straight_on(screen) -> None:
    screen.finish(make_step(1))
    screen.attend(no_wait)
    assert not screen.quit


def test_escape_leaves(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_ESCAPE)
    screen.attend(no_wait)
    assert screen.quit


def test_a_pause_lasts_until_a_key_ends_it_and_enter_lets_one_tick_pass(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_e)
    calls = 0

    def wait() -> float:
        nonlocal calls
        calls += 1
        if calls == 3:
            press(pygame.K_RETURN)
        return 0.0

    screen.attend(wait)
    assert calls == 4, "three rounds of standing still, then the tick that Enter asked for"
    screen.finish(make_step(2))
    calls = 10

    def wait_again() -> float:
        nonlocal calls
        calls += 1
        if calls == 12:
            press(pygame.K_e)
        return 0.0

    screen.attend(wait_again)
    assert calls == 13, "still paused after that one tick, until E"


def test_r_records_the_steps_between_two_presses(screen) -> None:
    press(pygame.K_r)
    screen.attend(no_wait)
    for frame_id in range(3):
        screen.finish(make_step(frame_id))
    assert Path("drive.mp4").exists()
    press(pygame.K_r)
    screen.attend(no_wait)
    assert screen._parts.recorder.status == "saved"
    assert screen._parts.recorder.seconds == 3 / 20


def test_driving_keys_reach_the_pilot_as_a_persons_control(screen, pilot) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP, mod=0, unicode=""))
    screen.attend(no_wait)
    (request,) = pilot.asked
    assert isinstance(request, Manual)


def test_esc_is_heard_while_the_server_hangs(screen) -> None:
    screen.finish(make_step(1))
    screen.wake(Waiting("waiting for the next frame", "127.0.0.1:2000", 0.6, 10.0))
    press(pygame.K_ESCAPE)
    with pytest.raises(Left):
        screen.wake(Waiting("waiting for the next frame", "127.0.0.1:2000", 0.7, 10.0))


def test_the_held_keys_become_a_control_by_the_time_that_passed() -> None:
    now_s = [0.0]
    hands = HandDriving(lambda: now_s[0])
    now_s[0] += 0.1
    control = hands(HeldKeys(right=True, throttle=True))
    assert control.steering == pytest.approx(0.05)
    assert control.throttle > 0
    now_s[0] += 0.1
    assert hands(HeldKeys(left=True, hand_brake=True)).steering < 0


def test_while_a_slow_method_has_no_map_yet_and_when_it_has_an_older_one_steps_are_shown(
    screen,
) -> None:
    fast = make_step(1)
    without = replace(make_step(2).decision, explanation=None, network_steering=0.1)
    screen.finish(DriveStep(make_step(2).observation, without))
    older = replace(
        make_step(3).decision,
        explanation=fast.decision.explanation,
        explained=fast.observation.frame,
        every=2,
    )
    screen.finish(DriveStep(make_step(3).observation, older))
    screen.attend(no_wait)


# ------------------------------------------------------------------ standing still


def stand(screen: Screen, rounds: int = 1) -> None:
    """Let the world stand still for some rounds, long enough for all answers to come."""
    left = [rounds]

    def wait() -> float:
        left[0] -= 1
        if left[0] < 0:
            press(pygame.K_F12)  # asked for nothing, so the round has not ended
            raise StopStandingError
        return 1.0

    with pytest.raises(StopStandingError):
        screen.attend(wait)


class StopStandingError(Exception):
    pass


def until_answered(screen: Screen) -> None:
    deadline_s = time.monotonic() + 60
    inspecting = screen._parts.inspecting
    while True:
        stand(screen)
        inspecting.poll()
        if not inspecting.waits:
            return
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def shown(screen: Screen) -> DriveStep:
    assert screen._drawn is not None
    return screen._drawn[0]


def inspection(screen: Screen) -> Any:
    assert screen._drawn is not None
    return screen._drawn[1].inspection


def test_e_asks_everything_about_the_newest_frame(screen) -> None:
    for frame_id in range(1, 6):
        screen.finish(make_step(frame_id))
    press(pygame.K_e)
    until_answered(screen)
    stand(screen)
    step, seen = shown(screen), inspection(screen)
    assert step.observation.frame.frame_id == 5
    assert step.decision.explanation.frame_id == 5
    assert step.decision.explanation.steering != 0.1, "asked anew, not the drive's"
    assert [cell.name for cell in seen.cells][-1] == "steering"
    assert all(cell.explanation is not None for cell in seen.cells)
    assert seen.layer.name == "conv1"
    assert seen.activations.shape == (31, 98, 24)
    assert seen.filter_changes.shape == (24,)
    found = step.findings
    assert found.causal.frame_id == found.check.frame_id == found.effects.frame_id == 5
    assert found.shares.share.sum() == pytest.approx(1)


def test_the_last_seconds_can_be_walked_through_and_the_drive_goes_on_where_it_was(
    screen, world
) -> None:
    for frame_id in range(1, 31):
        screen.finish(make_step(frame_id))
    press(pygame.K_e)
    for _ in range(3):
        press(pygame.K_PAGEUP)
    stand(screen, 2)
    assert shown(screen).observation.frame.frame_id == 27
    assert np.array_equal(shown(screen).observation.frame.image, picture_of(27))
    assert inspection(screen).back_s == pytest.approx(0.15)
    press(pygame.K_PAGEUP, pygame.KMOD_LSHIFT)
    stand(screen, 2)
    assert shown(screen).observation.frame.frame_id == 7
    for _ in range(3):
        press(pygame.K_PAGEDOWN, pygame.KMOD_LSHIFT)
    stand(screen, 2)
    assert shown(screen).observation.frame.frame_id == 30, "now is the end"
    press(pygame.K_e)
    screen.attend(no_wait)
    assert world.changes == ["put back"]


def test_enter_lets_one_tick_pass_and_shows_it(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_e)
    stand(screen)
    press(pygame.K_RETURN)
    screen.attend(no_wait)
    screen.finish(make_step(2))
    stand(screen)
    assert shown(screen).observation.frame.frame_id == 2


def on_screen(x_px: float, y_px: float) -> tuple[float, float]:
    """Return where a pixel of the camera's picture is in the window."""
    pane = Layout.of(SIZE).pixels(PANE_L)
    return pane.x + x_px / 640 * pane.w, pane.y + y_px / 360 * pane.h


def test_a_dragged_rectangle_masks_and_tells_what_that_does(screen) -> None:
    screen.finish(make_step(1))
    drag(*on_screen(300, 200), *on_screen(600, 350))
    stand(screen, 2)
    assert inspection(screen) is not None, "the world stands still for it"
    (box,) = screen._drawn[1].masks
    assert box.place == pytest.approx((200, 350, 300, 600), abs=2)
    assert box.before != pytest.approx(box.after, abs=1e-4)
    press(pygame.K_DELETE)
    stand(screen, 2)
    assert screen._drawn[1].masks == ()


def test_masks_can_be_driven_with(screen, pilot) -> None:
    screen.finish(make_step(1))
    press(pygame.K_INSERT)
    screen.attend(no_wait)
    assert pilot.masking is None, "there is nothing to hide"
    drag(*on_screen(300, 200), *on_screen(600, 350))
    press(pygame.K_INSERT)
    press(pygame.K_e)
    screen.attend(no_wait)
    assert pilot.masking is not None
    frame = make_step(2).observation.frame
    hidden = pilot.masking(frame)
    assert np.array_equal(hidden.image[:190], frame.image[:190])
    assert not np.array_equal(hidden.image[200:350], frame.image[200:350])
    press(pygame.K_INSERT)
    screen.attend(no_wait)
    assert pilot.masking is None


def test_a_click_on_a_layer_fills_the_pane_with_it_and_another_leads_back(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_e)
    stand(screen)
    pane = Layout.of(SIZE).pixels(PANE_R)
    point(pygame.MOUSEBUTTONDOWN, pane.x + pane.w * 0.9, pane.y + pane.h * 0.1)
    stand(screen, 2)
    assert inspection(screen).full
    assert [cell.name for cell in inspection(screen).cells if cell.chosen] == ["conv3"]
    assert inspection(screen).layer.name == "conv3"
    point(pygame.MOUSEBUTTONDOWN, pane.x + pane.w * 0.9, pane.y + pane.h * 0.1)
    stand(screen, 2)
    assert not inspection(screen).full


def test_j_walks_through_the_layers_and_k_asks_by_another_method(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_e)
    press(pygame.K_j)
    until_answered(screen)
    stand(screen)
    assert inspection(screen).layer.name == "conv2"
    press(pygame.K_k)
    stand(screen, 2)
    until_answered(screen)
    stand(screen)
    assert shown(screen).decision.explanation.method == "gradient"


def test_t_changes_the_lower_strip_also_while_standing_still(screen) -> None:
    screen.finish(make_step(1))
    for frame_id, strip in ((2, "lift"), (3, "lane"), (4, "classes"), (5, "lift")):
        press(pygame.K_t)
        screen.attend(no_wait)
        screen.finish(make_step(frame_id))
        assert screen._drawn[1].strip == strip
    press(pygame.K_e)
    stand(screen)
    assert inspection(screen).strip == "layers"
    press(pygame.K_t)
    stand(screen, 2)
    assert inspection(screen).strip == "classes"
    assert screen._drawn[1].strip == "lift", "what is driven with stays"


def test_a_click_on_the_strip_shows_that_moment(screen) -> None:
    for frame_id in range(1, 101):
        screen.finish(make_step(frame_id))
    strip = Layout.of(SIZE).pixels(STRIP_A)
    point(pygame.MOUSEBUTTONDOWN, strip.x + strip.w * (1 - 3 / 20), strip.y + strip.h / 2)
    stand(screen, 2)
    assert inspection(screen).back_s == pytest.approx(3.0, abs=0.1)


# ------------------------------------------------------------------ events, and what follows


def test_y_keeps_a_moment_and_shift_y_leads_back_to_it(screen) -> None:
    for frame_id in range(1, 11):
        screen.finish(make_step(frame_id))
    press(pygame.K_y)
    screen.attend(no_wait)
    for frame_id in range(11, 31):
        screen.finish(make_step(frame_id))
    press(pygame.K_y, pygame.KMOD_LSHIFT)
    stand(screen, 2)
    assert shown(screen).observation.frame.frame_id == 10
    (event,) = screen._drawn[1].events
    assert (event.number, event.kind, event.shown) == (1, EventKind.BOOKMARK, True)


def test_an_event_of_the_drive_is_listed(screen) -> None:
    event = Event(EventKind.LANE_DEPARTURE, 2, "0.3 m over the left edge")
    screen.finish(make_step(1))
    screen.finish(make_step(2, events=(event,)))
    (entry,) = screen._desk.looking.entries()
    assert (entry.kind, entry.text) == (EventKind.LANE_DEPARTURE, event.text)


def test_an_intervention_can_pause_at_the_frame_of_one_second_before(make_screen, world) -> None:
    screen = make_screen(on_failure="pause")
    for frame_id in range(1, 41):
        screen.finish(make_step(frame_id))
    failure = Event(EventKind.INTERVENTION, 41, "1.1 m left of the lane's centre")
    screen.finish(make_step(41, events=(failure,)))
    stand(screen)
    assert shown(screen).observation.frame.frame_id == 21
    assert world.changes == [], "the car stays where it is while somebody looks"
    press(pygame.K_e)
    screen.attend(no_wait)
    assert world.changes == ["put back"]


def test_an_intervention_can_end_the_drive(make_screen) -> None:
    screen = make_screen(on_failure="stop")
    screen.finish(make_step(1, events=(Event(EventKind.INTERVENTION, 1, "collision"),)))
    assert screen.quit


# ------------------------------------------------------------------ the rest of the keys


def test_the_world_is_changed_by_its_keys(screen, world) -> None:
    screen.finish(make_step(1))
    press(pygame.K_c)
    press(pygame.K_c, pygame.KMOD_LSHIFT)
    press(pygame.K_BACKSPACE)
    press(pygame.K_TAB)
    screen.attend(no_wait)
    assert world.changes == ["weather +1", "weather -1", "spawn", "view"]


def test_somebody_elses_world_is_left_alone_and_that_is_said(screen, world) -> None:
    world.not_ours = "the world belongs to another client"
    screen.finish(make_step(1))
    press(pygame.K_c)
    screen.attend(no_wait)
    assert world.changes == []
    assert screen._looks.notice[0] == world.not_ours


def test_an_autopilot_that_cannot_drive_gives_the_wheel_back(screen, pilot, world) -> None:
    pilot.driver, world.autopilot_trouble = "autopilot", "this server has no Traffic Manager"
    screen.finish(make_step(1))
    assert pilot.asked == [Autopilot()]
    assert screen._looks.notice[0] == world.autopilot_trouble


def test_who_only_looks_on_does_not_steer_and_never_holds_the_world(make_screen, pilot) -> None:
    screen = make_screen(guest=True, follows=True)
    screen.finish(make_step(1))
    press(pygame.K_p)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP, mod=0, unicode=""))
    screen.attend(no_wait)
    assert pilot.asked == []
    press(pygame.K_e)
    screen.attend(no_wait)
    screen.finish(make_step(2))
    screen.attend(no_wait)
    assert inspection(screen).frozen
    assert shown(screen).observation.frame.frame_id == 1


def test_the_picture_and_the_frame_can_be_saved(screen, tmp_path) -> None:
    screen.finish(make_step(12))
    press(pygame.K_F12)
    press(pygame.K_e, pygame.KMOD_LSHIFT)
    screen.attend(no_wait)
    names = sorted(path.suffix for path in tmp_path.iterdir())
    assert names == [".json", ".npz", ".png", ".png"]
    assert screen._looks.notice[0].startswith("saved ")


def test_a_wish_that_cannot_be_fulfilled_is_a_line_and_not_the_end(screen) -> None:
    screen.finish(make_step(1))
    press(pygame.K_u)
    press(pygame.K_y, pygame.KMOD_LSHIFT)
    screen.attend(no_wait)
    assert not screen.quit
    assert screen._looks.notice[0] == "no event so far; Y keeps this moment"


def test_the_record_is_told_of_bookmarks_and_of_what_changed_in_the_world(make_screen) -> None:
    steps: list[DriveStep] = []
    lines: list[str] = []
    screen = make_screen(sinks=(lambda step, extras: steps.append(step),), log=lines.append)
    screen.finish(make_step(1))
    press(pygame.K_y)
    press(pygame.K_c)
    press(pygame.K_BACKSPACE)
    screen.attend(no_wait)
    screen.finish(make_step(2))
    screen.finish(make_step(3))
    told = [[(event.kind, event.frame_id) for event in step.findings.events] for step in steps]
    assert told == [[], [(EventKind.BOOKMARK, 1)], []]
    assert lines == ["weather: WetNoon", "to spawn point 7"]


def test_the_video_of_a_record_is_not_ended_before_the_drive(make_screen, parts, tmp_path) -> None:
    screen = make_screen()
    parts.recorder.start(tmp_path / "drive.mp4", to_the_end=True)
    screen.finish(make_step(1))
    press(pygame.K_r)
    screen.attend(no_wait)
    screen.finish(make_step(2))
    assert parts.recorder.status == "on"
    assert screen._looks.notice[0] == "the whole drive is recorded: its video ends with it"
    parts.recorder.stop()
    press(pygame.K_r)  # and later videos are as ever
    screen.attend(no_wait)
    assert parts.recorder.status == "on"
    press(pygame.K_r)
    screen.attend(no_wait)
    assert parts.recorder.status != "on"
