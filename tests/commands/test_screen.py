from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest

from carla_saliency.commands.screen import HandDriving, Left, Screen
from carla_saliency.core import (
    Control,
    Decision,
    DriveStep,
    Explanation,
    Frame,
    HeldKeys,
    Manual,
    Meaning,
    Observation,
    Pose,
    Request,
)
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.output.recorder import Recorder
from carla_saliency.output.window import Window
from carla_saliency.sim.calls import Waiting
from carla_saliency.timing import TickTimer

SIZE = (640, 360)


class ListeningPilot:
    def __init__(self) -> None:
        self.asked: list[Request] = []

    def handle(self, request: Request) -> bool:
        self.asked.append(request)
        return True


def make_step(frame_id: int) -> DriveStep:
    picture = np.full((360, 640, 3), 100, np.uint8)
    explanation = Explanation(frame_id, "contrast", 0.1, np.ones((66, 200), np.float32))
    observation = Observation(Frame(frame_id, frame_id / 20, picture), Pose(), 8.0, None)
    return DriveStep(observation, Decision(Control(0.1), "network", explanation))


def press(key: int) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0, unicode=""))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=0))


@pytest.fixture
def pilot() -> ListeningPilot:
    return ListeningPilot()


@pytest.fixture
def screen(pilot, tmp_path, monkeypatch) -> Iterator[Screen]:
    monkeypatch.chdir(tmp_path)
    painter = Painter(SIZE, DEFAULT_CONTRACT, 70.0, 50.0)
    with (
        Window(SIZE, HandDriving()) as window,
        Recorder(SIZE, 20.0, lambda _: None, pytest.fail) as recorder,
    ):
        state = UiState(method=Meaning(title="contrast"))
        yield Screen(painter, window, recorder, pilot, TickTimer(), state)


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
    assert screen._recorder.status == "saved"
    assert screen._recorder.seconds == 3 / 20


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
