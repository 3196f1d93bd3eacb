from __future__ import annotations

import pytest

from carla_saliency.core import Control, HandOver, HeldKeys, Manual, Mouse, Pause, Scrub
from carla_saliency.output.controls import Controls
from carla_saliency.output.keys import ASK, ASK_WITH_SHIFT, LOOK, REPEAT, REVERSE, STEER, WATCH
from carla_saliency.output.viewer import Both, Viewer
from carla_saliency.output.window import NAMES, Window


def steer(held: HeldKeys) -> Control:
    return Control(float(held.right) - float(held.left), throttle=float(held.throttle))


def test_two_keyboards_drive_together_and_each_releases_its_own_keys() -> None:
    controls = Controls(steer)
    controls.press("window", "w")
    controls.press("web", "ArrowRight")
    assert controls.requests() == [Manual(Control(1.0, throttle=1.0))]
    controls.release_all("window")
    assert controls.requests() == [Manual(Control(1.0))]
    assert controls.holds("web")
    controls.let_go("web")
    assert controls.requests() == [Manual(Control())]
    assert not controls.holds("web")


def test_whoever_gives_back_gives_back_for_both() -> None:
    controls = Controls(steer)
    controls.press("window", "w")
    controls.press("web", "p")
    assert controls.requests() == [HandOver()]
    assert controls.requests() == []


def test_a_drag_ends_where_it_is_when_the_person_is_gone() -> None:
    controls = Controls()
    controls.point("web", 1.0, 2.0, "move")
    controls.point("web", 10.0, 20.0, "press")
    controls.requests()
    controls.point("web", 30.0, 40.0, "move")
    controls.point("window", 5.0, 5.0, "move")
    controls.let_go("web")
    controls.let_go("web")
    assert controls.requests() == [Mouse(30.0, 40.0, "move"), Mouse(30.0, 40.0, "release")]


def test_a_key_repeats_for_the_keyboard_that_holds_it() -> None:
    now_s = [0.0]
    controls = Controls(clock=lambda: now_s[0])
    controls.press("web", "PageDown")
    now_s[0] = 1.0
    controls.repeat("window")
    assert controls.requests() == [Scrub(1)]
    controls.repeat("web", shift=True)
    assert controls.requests() == [Scrub(1, seconds=True)]
    controls.let_go("web")
    now_s[0] = 2.0
    controls.repeat("web")
    assert controls.requests() == []


def test_each_key_has_one_meaning_and_the_window_knows_all_of_them() -> None:
    groups = [set(STEER), set(ASK), set(LOOK), {REVERSE}]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert set(ASK_WITH_SHIFT) <= set(ASK)
    assert set(ASK) >= REPEAT
    long = {key for key in set.union(*groups) if len(key) > 1 or key == " "}
    assert long == set(NAMES.values()) - {"0"}


def test_where_nobody_can_drive_its_keys_pause_and_go_to_and_fro() -> None:
    controls = Controls()
    for key in (" ", "ArrowLeft", "ArrowRight", "w"):
        controls.press("window", key)
    assert controls.requests() == [Pause(), Scrub(-1, seconds=True), Scrub(1, seconds=True)]
    assert set(WATCH) <= set(STEER)


class Shown:
    """A viewer that notes what is done to it."""

    def __init__(self, controls: Controls) -> None:
        self.controls, self.done = controls, list[str]()

    @property
    def view(self):
        return self.controls.view

    def show(self, picture) -> None:
        self.done.append("show")

    def pump(self) -> None:
        self.done.append("pump")

    def requests(self):
        return self.controls.requests()


def test_two_viewers_are_used_as_one() -> None:
    controls = Controls()
    first, second = Shown(controls), Shown(controls)
    both: Viewer = Both(first, second)
    both.show(None)
    both.pump()
    assert first.done == second.done == ["show", "pump"]
    second.controls.press("web", "e")
    second.controls.press("web", "[")
    assert both.view.opacity == 0.75
    assert both.requests() == [Pause()]
    assert both.requests() == []


def test_a_window_lends_its_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with Window((320, 180)) as window:
        window.controls.press("web", "h")
        assert window.view.help
