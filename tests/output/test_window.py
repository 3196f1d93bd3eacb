from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pygame
import pytest

from carla_saliency.core import (
    Autopilot,
    Bookmark,
    ChangeLayer,
    ChangeMethod,
    ChangeStrip,
    ChangeWeather,
    CheckBlobs,
    Control,
    DriveMasked,
    HandOver,
    HeldKeys,
    LockScale,
    Manual,
    Mouse,
    NextCamera,
    NextSpawnPoint,
    OpenEvent,
    Pause,
    Quit,
    RemoveMask,
    Request,
    SaveFrame,
    Screenshot,
    Scrub,
    ShowShadow,
    StepOnce,
    SwapDrivers,
    ToggleRecording,
)
from carla_saliency.errors import BadInputError
from carla_saliency.output.window import View, Window, has_display


def steer(held: HeldKeys) -> Control:
    """Return full steering to where a key is held: what a person wants is visible in it."""
    return Control(
        steering=float(held.right) - float(held.left),
        throttle=float(held.throttle),
        brake=float(held.brake),
        hand_brake=held.hand_brake,
        reverse=held.reverse,
    )


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window((320, 180), steer) as opened:
        pygame.event.clear()
        yield opened


def press(key: int, mod: int = 0, text: str = "") -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod, unicode=text))


def release(key: int) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=0))


def asked(window: Window) -> list[Request]:
    window.pump()
    return window.requests()


SHIFT, CTRL = pygame.KMOD_LSHIFT, pygame.KMOD_LCTRL


@pytest.mark.parametrize(
    ("key", "mod", "request_"),
    [
        (pygame.K_ESCAPE, 0, Quit()),
        (pygame.K_q, CTRL, Quit()),
        (pygame.K_p, 0, HandOver()),
        (pygame.K_e, 0, Pause()),
        (pygame.K_RETURN, 0, StepOnce()),
        (pygame.K_KP_ENTER, 0, StepOnce()),
        (pygame.K_k, 0, ChangeMethod(1)),
        (pygame.K_k, SHIFT, ChangeMethod(-1)),
        (pygame.K_r, 0, ToggleRecording()),
        (pygame.K_p, SHIFT, Autopilot()),
        (pygame.K_e, SHIFT, SaveFrame()),
        (pygame.K_PAGEUP, 0, Scrub(-1)),
        (pygame.K_PAGEDOWN, 0, Scrub(1)),
        (pygame.K_PAGEUP, SHIFT, Scrub(-1, seconds=True)),
        (pygame.K_j, 0, ChangeLayer(1)),
        (pygame.K_j, SHIFT, ChangeLayer(-1)),
        (pygame.K_f, 0, LockScale()),
        (pygame.K_F2, 0, CheckBlobs()),
        (pygame.K_t, 0, ChangeStrip()),
        (pygame.K_u, 0, ShowShadow()),
        (pygame.K_u, SHIFT, SwapDrivers()),
        (pygame.K_c, 0, ChangeWeather(1)),
        (pygame.K_c, SHIFT, ChangeWeather(-1)),
        (pygame.K_BACKSPACE, 0, NextSpawnPoint()),
        (pygame.K_TAB, 0, NextCamera()),
        (pygame.K_y, 0, Bookmark()),
        (pygame.K_y, SHIFT, OpenEvent()),
        (pygame.K_DELETE, 0, RemoveMask()),
        (pygame.K_INSERT, 0, DriveMasked()),
        (pygame.K_F12, 0, Screenshot()),
        (pygame.K_r, SHIFT, ToggleRecording()),
    ],
)
def test_a_key_becomes_its_request(window: Window, key: int, mod: int, request_: Request) -> None:
    press(key, mod)
    assert asked(window) == [request_]
    assert asked(window) == []


def test_requests_come_in_the_order_of_the_keys(window: Window) -> None:
    for key in (pygame.K_e, pygame.K_RETURN, pygame.K_r):
        press(key)
    assert asked(window) == [Pause(), StepOnce(), ToggleRecording()]


def test_closing_the_window_quits(window: Window) -> None:
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    assert asked(window) == [Quit()]


def test_ctrl_with_a_letter_is_not_that_letter(window: Window) -> None:
    for key in (pygame.K_w, pygame.K_r, pygame.K_p, pygame.K_e, pygame.K_k):
        press(key, CTRL)
    assert asked(window) == []


def test_keys_without_a_meaning_ask_for_nothing(window: Window) -> None:
    for key in (pygame.K_z, pygame.K_F5, pygame.K_g, pygame.K_q):
        press(key)
    assert asked(window) == []


# ------------------------------------------------------------------ driving by hand


@pytest.mark.parametrize(
    ("keys", "control"),
    [
        ((pygame.K_LEFT,), Control(-1.0)),
        ((pygame.K_a,), Control(-1.0)),
        ((pygame.K_RIGHT, pygame.K_UP), Control(1.0, throttle=1.0)),
        ((pygame.K_d, pygame.K_w), Control(1.0, throttle=1.0)),
        ((pygame.K_s,), Control(brake=1.0)),
        ((pygame.K_DOWN,), Control(brake=1.0)),
        ((pygame.K_SPACE,), Control(hand_brake=True)),
    ],
)
def test_a_driving_key_takes_over_at_once(
    window: Window, keys: tuple[int, ...], control: Control
) -> None:
    for key in keys:
        press(key)
    assert asked(window) == [Manual(control)]


def test_a_key_that_is_held_goes_on_and_one_that_is_released_does_not(window: Window) -> None:
    press(pygame.K_LEFT)
    assert asked(window) == [Manual(Control(-1.0))]
    assert asked(window) == [Manual(Control(-1.0))]
    release(pygame.K_LEFT)
    assert asked(window) == [Manual(Control())]


def test_a_short_tap_between_two_ticks_counts_once(window: Window) -> None:
    press(pygame.K_RIGHT)
    release(pygame.K_RIGHT)
    assert asked(window) == [Manual(Control(1.0))]
    assert asked(window) == [Manual(Control())]


def test_p_gives_back_and_the_next_driving_key_takes_over_again(window: Window) -> None:
    press(pygame.K_UP)
    asked(window)
    release(pygame.K_UP)
    press(pygame.K_p)
    assert asked(window) == [HandOver()]
    assert asked(window) == []
    press(pygame.K_UP)
    assert asked(window) == [Manual(Control(throttle=1.0))]


def test_q_is_the_reverse_gear_while_a_person_drives(window: Window) -> None:
    press(pygame.K_w)
    press(pygame.K_q)
    assert asked(window) == [Manual(Control(throttle=1.0, reverse=True))]
    press(pygame.K_q)
    assert asked(window) == [Manual(Control(throttle=1.0))]


def test_taking_over_again_begins_in_the_forward_gear(window: Window) -> None:
    for key in (pygame.K_w, pygame.K_q, pygame.K_p):
        press(key)
    asked(window)
    press(pygame.K_s)
    release(pygame.K_w)
    assert asked(window) == [Manual(Control(brake=1.0))]


def test_a_window_that_loses_the_focus_releases_its_keys(window: Window) -> None:
    press(pygame.K_w)
    asked(window)
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    assert asked(window) == [Manual(Control())]


def test_where_nobody_drives_the_arrows_go_through_the_drive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window((320, 180)) as window:
        press(pygame.K_LEFT)
        assert asked(window) == [Scrub(-1, seconds=True)]
        press(pygame.K_w)
        assert asked(window) == []


# ------------------------------------------------------------------ the view


@pytest.mark.parametrize(("key", "text"), [(pygame.K_h, "h"), (pygame.K_SLASH, "?")])
def test_h_or_the_question_mark_shows_and_hides_the_help(
    window: Window, key: int, text: str
) -> None:
    for shown in (True, False):
        press(key, text=text)
        assert asked(window) == []
        assert window.view == View(help=shown)


def test_brackets_change_the_opacity_between_none_and_full(window: Window) -> None:
    for opacity in (0.75, 0.5, 0.25, 0.0, 0.0):
        press(pygame.K_LEFTBRACKET, text="[")
        window.pump()
        assert window.view.opacity == opacity
    for opacity in (0.25, 0.5, 0.75, 1.0, 1.0):
        press(pygame.K_8, text="]")  # where a German keyboard has it
        window.pump()
        assert window.view.opacity == opacity


def test_zero_switches_the_overlay_off_and_back_to_what_it_was(window: Window) -> None:
    press(pygame.K_LEFTBRACKET, text="[")
    press(pygame.K_0, text="0")
    window.pump()
    assert window.view.opacity == 0
    press(pygame.K_0, text="0")
    window.pump()
    assert window.view.opacity == 0.75


# ------------------------------------------------------------------ the screen


def on_screen() -> np.ndarray:
    screen = pygame.display.get_surface()
    assert screen is not None
    return pygame.surfarray.array3d(screen).swapaxes(0, 1)


def test_a_picture_of_the_windows_size_is_shown_as_it_is(window: Window) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    window.show(picture)
    assert (on_screen() == picture).all()


@pytest.mark.parametrize(
    ("size", "place"),
    [
        ((640, 360), (0, 0, 640, 360)),
        ((400, 180), (40, 0, 320, 180)),
        ((160, 300), (0, 105, 160, 90)),
    ],
)
def test_in_a_window_of_another_size_the_picture_keeps_its_shape_in_the_middle(
    window: Window, size: tuple[int, int], place: tuple[int, int, int, int]
) -> None:
    pygame.display.set_mode(size, pygame.RESIZABLE)
    window.show(np.full((180, 320, 3), (255, 138, 61), np.uint8))
    orange = (on_screen() == (255, 138, 61)).all(axis=2)
    x, y, w, h = place
    assert orange[y : y + h, x : x + w].all()
    assert orange.sum() == w * h


def test_nothing_can_be_shown_before_the_window_is_open() -> None:
    with pytest.raises(ValueError, match="not open"):
        Window((320, 180)).show(np.zeros((180, 320, 3), np.uint8))


def test_leaving_the_window_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window((320, 180)):
        assert pygame.display.get_init()
    assert not pygame.display.get_init()


# ------------------------------------------------------------------ displays


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    return monkeypatch


def test_without_any_display_there_is_none(bare: pytest.MonkeyPatch) -> None:
    assert not has_display()


@pytest.mark.parametrize(
    ("name", "value"),
    [("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "wayland-0"), ("SDL_VIDEODRIVER", "dummy")],
)
def test_a_display_is_found_by_its_variable(
    bare: pytest.MonkeyPatch, name: str, value: str
) -> None:
    bare.setenv(name, value)
    assert has_display()


def test_a_window_without_a_display_is_a_clear_error(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInputError, match="--headless"), Window((320, 180)):
        pass


def test_a_display_that_does_not_answer_is_a_clear_error(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("SDL_VIDEODRIVER", "no such driver")
    with pytest.raises(BadInputError, match="no window could be opened"), Window((320, 180)):
        pass
    assert not pygame.display.get_init()


def test_f1_hides_and_shows_the_text(window: Window) -> None:
    for shown in (False, True):
        press(pygame.K_F1)
        assert asked(window) == []
        assert window.view == View(text=shown)


def test_a_key_that_walks_through_time_repeats_while_it_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    now_s = [0.0]
    with Window((320, 180), clock=lambda: now_s[0]) as window:
        pygame.event.clear()
        press(pygame.K_PAGEUP)
        assert asked(window) == [Scrub(-1)]
        now_s[0] = 0.3
        assert asked(window) == []
        for now_s[0] in (0.41, 0.47):
            assert asked(window) == [Scrub(-1)]
        release(pygame.K_PAGEUP)
        now_s[0] = 0.6
        assert asked(window) == []


# ------------------------------------------------------------------ the mouse


def mouse(kind: int, x: int, y: int, button: int = pygame.BUTTON_LEFT) -> None:
    more = {"buttons": (1, 0, 0), "rel": (0, 0)} if kind == pygame.MOUSEMOTION else {}
    pygame.event.post(pygame.event.Event(kind, pos=(x, y), button=button, **more))


def test_a_drag_is_told_in_pixels_of_the_picture(window: Window) -> None:
    window.show(np.zeros((90, 160, 3), np.uint8))  # twice as large on the screen
    mouse(pygame.MOUSEBUTTONDOWN, 20, 10)
    mouse(pygame.MOUSEMOTION, 30, 20)
    mouse(pygame.MOUSEMOTION, 50, 30)
    mouse(pygame.MOUSEBUTTONUP, 60, 40)
    assert asked(window) == [
        Mouse(10.0, 5.0, "press"),
        Mouse(25.0, 15.0, "move"),
        Mouse(30.0, 20.0, "release"),
    ]


def test_a_letterboxed_picture_is_pointed_at_where_it_is(window: Window) -> None:
    window.show(np.zeros((180, 160, 3), np.uint8))  # 80 columns are free on each side
    mouse(pygame.MOUSEBUTTONDOWN, 100, 10)
    assert asked(window) == [Mouse(20.0, 10.0, "press")]


def test_moves_without_the_left_button_and_other_buttons_say_nothing(window: Window) -> None:
    mouse(pygame.MOUSEMOTION, 30, 20)
    mouse(pygame.MOUSEBUTTONDOWN, 30, 20, pygame.BUTTON_RIGHT)
    mouse(pygame.MOUSEBUTTONUP, 30, 20, pygame.BUTTON_RIGHT)
    assert asked(window) == []


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_picture_is_sharp_at_whole_sizes(window: Window, k: int) -> None:
    picture = np.random.default_rng(k).integers(0, 256, (90, 160, 3), np.uint8)
    pygame.display.set_mode((160 * k, 90 * k), pygame.RESIZABLE)
    window.show(picture)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, picture.repeat(k, 0).repeat(k, 1))
