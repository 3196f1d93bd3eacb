"""A person looks at a recorded drive; the window is one without a screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drive_process import write_model
from recorded_drive import EVENT_AT, FIRST_ID, record_drive

from carla_saliency.commands import replay
from carla_saliency.commands.screen import Screen
from carla_saliency.core import (
    Bookmark,
    ChangePace,
    ChangeWeather,
    DriveMasked,
    HandOver,
    Image,
    Mouse,
    NextCamera,
    NextEvent,
    OpenEvent,
    Pause,
    Quit,
    Request,
    Scrub,
    StepOnce,
    SwapDrivers,
)
from carla_saliency.draw.layout import PANE_L
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.output.controls import View
from carla_saliency.settings import ReplaySettings

STEPS = 60
RATE_HZ = 2.0  # so the drive takes 30 s, and the strips have 20
Script = Callable[[Screen], Iterator[Request | Callable[[], bool]]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept") / "d"
    record_drive(folder, STEPS, rate_hz=RATE_HZ)
    return folder


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Returns what replays with a person who follows a script: requests, and what to wait for."""
    monkeypatch.chdir(tmp_path)

    def act(script: Script, folder: Path, **settings: Any) -> None:
        screens: list[Screen] = []

        class Seen(Screen):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                screens.append(self)

        class Scripted:
            def __init__(self, size: tuple[int, int], **_: Any) -> None:
                self.view = View()
                self._steps: Iterator[Any] | None = None
                self._waits: Callable[[], bool] | None = None
                self._until_s = 0.0

            def __enter__(self) -> Scripted:
                return self

            def __exit__(self, *_: object) -> None: ...

            def pump(self) -> None: ...

            def show(self, picture: Image) -> None:
                assert picture.shape == (360, 640, 3)

            def requests(self) -> list[Request]:
                self._steps = self._steps or iter(script(screens[0]))
                if self._waits is not None and not self._waits():
                    assert time.monotonic() < self._until_s, "waited in vain"
                    return []
                self._waits = None
                asked = next(self._steps, Quit())
                if callable(asked):
                    self._waits, self._until_s = asked, time.monotonic() + 60
                    return []
                return [asked]

        monkeypatch.setattr(replay, "Screen", Seen)
        monkeypatch.setattr(replay, "Window", Scripted)
        values = {"folder": (str(folder),), "res": "640x360", "pace": 0.0} | settings
        assert replay.run(ReplaySettings(**values)) == 0

    return act


def number(screen: Screen) -> int:
    """Which step is shown: of the one that is looked at, or that was played last."""
    parts = screen._parts
    if screen._looks.paused:
        return parts.inspecting.step.observation.frame.frame_id - FIRST_ID
    assert screen._last is not None
    return screen._last.observation.frame.frame_id - FIRST_ID


def is_answered(screen: Screen) -> Callable[[], bool]:
    def answered() -> bool:
        inspecting = screen._parts.inspecting
        inspecting.poll()
        _, inspection = inspecting.view()
        cells = all(cell.explanation is not None for cell in inspection.cells)
        return cells and inspection.filter_changes is not None and not inspecting.waits

    return answered


def notice(screen: Screen) -> str:
    return screen._looks.notice[0]


def test_the_whole_drive_can_be_looked_at(kept, person) -> None:
    shown: list[int] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 50
        yield Pause()
        shown.append(number(screen))
        yield Scrub(-1)
        shown.append(number(screen) - shown[0])
        yield Scrub(-24, seconds=True)  # further back than the strips
        shown.append(number(screen) - shown[0])
        step, inspection = screen._parts.inspecting.view()
        history = screen._painter._memory.history
        assert history.now_s == pytest.approx(step.observation.frame.sim_s + inspection.back_s)
        assert inspection.back_s == pytest.approx(10)
        yield is_answered(screen)
        step, _ = screen._parts.inspecting.view()
        assert step.decision.explanation is not None
        assert step.findings.causal is not None
        assert step.findings.shares is not None
        yield StepOnce()
        shown.append(number(screen) - shown[0])
        yield Scrub(-100, seconds=True)
        shown.append(number(screen))
        yield Scrub(100, seconds=True)
        shown.append(number(screen))

    person(script, kept)
    assert shown[1:] == [-1, -49, -48, 0, STEPS - 1]


def test_it_plays_on_from_what_is_shown_and_begins_anew_after_the_end(kept, person) -> None:
    played: list[int] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 30
        yield Pause()
        yield Scrub(-10, seconds=True)
        at = number(screen)
        yield Pause()
        yield lambda: screen._last is not None and number(screen) != 30
        played.append(number(screen) - at)
        yield lambda: screen._looks.paused  # the end
        assert "end of the drive" in notice(screen)
        assert number(screen) == STEPS - 1
        yield Pause()
        yield lambda: number(screen) < 10
        yield Scrub(10, seconds=True)  # a jump while it plays
        yield lambda: number(screen) >= 20

    person(script, kept)
    assert 0 < played[0] <= 3


def test_one_jumps_from_event_to_event(kept, person) -> None:
    shown: list[int] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 2
        yield Pause()
        for by in (1, 1, 1, -1, -1):
            yield NextEvent(by)
            shown.append(number(screen))
        assert "no earlier event" in notice(screen)
        yield Scrub(30)
        yield Bookmark()
        yield NextEvent(1)
        shown.append(number(screen))
        yield Scrub(10)
        yield OpenEvent()
        shown.append(number(screen))
        assert [entry.number for entry in screen._desk.looking.entries()] == [1, 2, 3]

    person(script, kept)
    first, second = EVENT_AT
    assert shown == [first, second, second, first, first, first + 30, first + 30]


def test_what_belongs_to_driving_says_that_it_is_over(kept, person) -> None:
    said: list[str] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 1
        for request in (HandOver(), ChangeWeather(), NextCamera(), SwapDrivers()):
            yield request
            said.append(notice(screen))

    person(script, kept, pace=1.0)
    assert [line.partition(":")[0] for line in said[:3]] == ["recorded"] * 3
    assert "--model" in said[3]


def test_it_is_played_faster_and_slower(kept, person) -> None:
    said: list[str] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 1
        for by in (1, 1, -1, -1, -1):
            yield ChangePace(by)
            said.append(screen._looks.spawn)

    person(script, kept, pace=1.0)
    assert said == [f"speed {pace}×" for pace in ("2", "4", "2", "1", "0.5")]


def test_masks_change_what_the_network_says_and_not_what_was_driven(kept, person) -> None:
    told: list[tuple[float, float]] = []

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 3
        yield Pause()
        k = 0.5  # the window's picture is half as large as its layout
        left, top = (PANE_L.x + 0.3 * PANE_L.w) * k, (PANE_L.y + 0.5 * PANE_L.h) * k
        right, bottom = (PANE_L.x + 0.9 * PANE_L.w) * k, (PANE_L.y + 0.99 * PANE_L.h) * k
        yield Mouse(left, top, "press")
        yield Mouse(right, bottom, "move")
        yield Mouse(right, bottom, "release")
        at = number(screen)
        yield DriveMasked()
        yield Pause()
        yield lambda: number(screen) >= at + 2
        decision = screen._last.decision
        assert decision.masked is not None
        told.append((decision.control.steering, decision.network_steering))
        yield DriveMasked()
        at = number(screen)
        yield lambda: number(screen) >= at + 2
        decision = screen._last.decision
        assert decision.masked is None
        told.append((decision.control.steering, decision.network_steering))

    person(script, kept, pace=4.0)
    assert abs(told[0][0] - told[0][1]) > 1e-3
    assert told[1][0] == pytest.approx(told[1][1], abs=1e-6)


def test_another_network_stands_beside_the_one_that_drove(kept, person, tmp_path, capsys) -> None:
    kernel = np.zeros((DEFAULT_CONTRACT.input_height_px, DEFAULT_CONTRACT.input_width_px, 3))
    kernel[30, 100] = 1e-4
    model = write_model(tmp_path / "other.h5", kernel, 0.1, DEFAULT_CONTRACT)

    def script(screen: Screen) -> Iterator[Any]:
        yield lambda: number(screen) >= 20
        assert screen._looks.compare
        shadow = screen._last.decision.shadow
        assert (shadow.letter, shadow.title) == ("B", "other.h5")
        assert shadow.explanation is not None
        yield Pause()
        assert screen._parts.inspecting.letter == "A"
        yield SwapDrivers()
        inspecting = screen._parts.inspecting
        assert inspecting.letter == "B"
        yield lambda: inspecting.view()[0].decision.explanation is not None
        step, _ = screen._parts.inspecting.view()
        assert step.decision.shadow.letter == "A"
        assert step.decision.explanation.steering == pytest.approx(0.1, abs=0.05)
        yield Pause()
        at = number(screen)
        yield lambda: number(screen) > at
        assert screen._last.decision.shadow.letter == "B"

    person(script, kept, model=str(model))
    assert "B − A" in capsys.readouterr().out
