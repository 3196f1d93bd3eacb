"""What a whole drive finds out, and that looking at it changes nothing: our server, real client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pygame
import pytest
from drive_process import ALONE, drive, remembers, steers_always, table_of, write_model

from carla_saliency import cli
from carla_saliency.commands import drive as command
from carla_saliency.commands.screen import Screen
from carla_saliency.core import DriveStep, EventKind
from carla_saliency.factory import SHIPPED_NETWORK
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.output.telemetry import row
from carla_saliency.output.window import Window
from carla_saliency.summary import DriveLog

pytestmark = pytest.mark.slow

ON_TOWN = (*ALONE, "--map", "town", "--model", "ahead.h5", "--headless")
"""`ahead.h5` never steers: it is in its lane for 15.5 s, until the road bends."""


def _rounded(value: Any) -> Any:
    return float(f"{value:.9g}") if isinstance(value, float) else value


class Driven:
    """What a drive gave, tick by tick."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.blobs: list[Any] = []
        self.kinds: list[EventKind] = []

    def add(self, step: DriveStep) -> None:
        findings = step.findings
        self.rows.append(row(step))
        self.blobs.append(findings.causal and replace(findings.causal, frame_id=0))
        self.kinds += [event.kind for event in (*step.observation.events, *findings.events)]

    def column(self, name: str) -> list[Any]:
        return [numbers[name] for numbers in self.rows]

    @property
    def found(self) -> list[dict[str, Any]]:
        """All numbers but what depends on how long the server had run before.

        Means over time do in their last bits: the length of a tick is a difference of such times.
        """
        before = {"frame", "sim_s", "map_frame"}
        return [
            {key: _rounded(value) for key, value in one.items() if key not in before}
            for one in self.rows
        ]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Driven]:
    """The command line in this process, listened to where it counts its steps."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Driven:
        driven = Driven()
        count = DriveLog.add

        def add(log: DriveLog, step: DriveStep) -> None:
            driven.add(step)
            count(log, step)

        with monkeypatch.context() as patch:
            patch.setattr(DriveLog, "add", add)
            code = cli.main(["drive", *ALONE, *arguments])
        assert code == 0, capsys.readouterr().err
        return driven

    return run


# ------------------------------------------------------------------ what follows a failure


def test_on_failure_stop_ends_at_the_first_intervention(tmp_path: Path) -> None:
    steers_always(tmp_path / "left.h5", -0.4)
    code, out, err = drive(
        *(*ALONE, "--map", "unseen", "--weather", "ClearNight", "--model", "left.h5"),
        *("--headless", "--on-failure", "stop", "--ticks", "400", "--summary", "s.json"),
        cwd=tmp_path,
    )
    assert code == 0, err
    assert "intervention: " in err.splitlines()[-1]
    assert " left of the lane's centre" in err.splitlines()[-1]
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert numbers["interventions"] == 1
    assert numbers["ticks"] < 200
    assert "interventions                             1" in out


def test_an_event_is_kept_with_what_was_ten_seconds_before(tmp_path: Path) -> None:
    steers_always(tmp_path / "ahead.h5", 0.0)
    code, _, err = drive(
        *(*ON_TOWN, "--events", "clips", "--seconds", "17.5", "--summary", "s.json"),
        cwd=tmp_path,
    )
    assert code == 0, err
    clips = sorted((tmp_path / "clips").iterdir())
    kinds = ["lane-departure", "unlike-the-expert", "intervention"]
    assert [clip.name.split("_")[1] for clip in clips] == kinds
    assert [f"event {n}, {k.replace('-', ' ')}: clips/" in err for n, k in enumerate(kinds, 1)] == [
        True
    ] * 3
    for clip in clips:
        facts = json.loads((clip / "event.json").read_text())
        rows = table_of(clip)
        ids, times_s = ([float(one[key]) for one in rows] for key in ("frame", "sim_s"))
        assert np.diff(ids).tolist() == [1.0] * (len(ids) - 1), "no frame is missing"
        assert times_s[0] == pytest.approx(facts["sim_s"] - 10.0, abs=0.06)
        pictures = sorted((clip / "frames").glob("*.png"))
        assert [int(path.stem) for path in pictures] == [int(one) for one in ids]
        first = cv2.imread(str(pictures[0]))
        assert first.shape == (360, 640, 3)
        assert first.std() > 20, "a road, not a flat colour"
        with av.open(str(clip / "clip.mp4")) as container:
            count = sum(1 for _ in container.decode(video=0))
        assert len(ids) <= count <= len(ids) + 21, "it may begin at the key picture before"
        event = next(one for one in rows if int(one["frame"]) == int(clip.name.split("_")[2]))
        assert facts["kind"] in event["events"]
        assert float(event["sim_s"]) == pytest.approx(facts["sim_s"])
    numbers = json.loads((tmp_path / "s.json").read_text())
    assert (numbers["lane_departures"], numbers["interventions"]) == (1, 1)


# ------------------------------------------------------------------ two networks on one drive


def copy_of_the_shipped(folder: Path, name: str = "copy.keras") -> str:
    shutil.copy(SHIPPED_NETWORK, folder / name)
    contract = SHIPPED_NETWORK.with_suffix(".contract.json")
    shutil.copy(contract, (folder / name).with_suffix(".contract.json"))
    return name


def test_a_shadow_that_is_the_very_same_network_differs_nowhere(run, tmp_path: Path) -> None:
    shadow = copy_of_the_shipped(tmp_path)
    driven = run("--map", "curvy", "--headless", "--shadow", shadow, "--ticks", "100")
    assert len(driven.rows) == 100
    assert driven.column("shadow_steering") == driven.column("network_steering")
    assert set(driven.column("shadow_difference")) == {0.0}
    assert driven.column("maps_alike") == pytest.approx([1.0] * 100, abs=1e-6)
    assert EventKind.NETWORKS not in driven.kinds
    assert max(map(abs, driven.column("steering"))) > 0.01, "the road bends"


def test_the_expert_can_be_the_shadow(run) -> None:
    driven = run("--map", "curvy", "--headless", "--shadow", "expert", "--ticks", "40")
    expert, network = driven.column("expert_steering"), driven.column("network_steering")
    assert driven.column("shadow_steering") == expert
    wanted = [e - n for e, n in zip(expert, network, strict=True)]
    assert driven.column("shadow_difference") == pytest.approx(wanted)
    assert set(driven.column("maps_alike")) == {""}, "the expert has no map"


def test_a_shadow_may_look_at_another_part_of_the_picture(run, tmp_path: Path) -> None:
    contract = replace(DEFAULT_CONTRACT, name="wide", crop=(100, 340, 60, 580), input_height_px=48)
    grid = (48, contract.input_width_px, 3)
    kernel = np.random.default_rng(0).normal(0, 1e-6, grid)
    write_model(tmp_path / "other.h5", kernel, 0.5, contract)
    driven = run("--map", "curvy", "--headless", "--shadow", "other.h5", "--ticks", "60")
    network, shadow = driven.column("network_steering"), driven.column("shadow_steering")
    assert shadow == pytest.approx([0.5] * 60, abs=0.1)
    wanted = [s - n for s, n in zip(shadow, network, strict=True)]
    assert driven.column("shadow_difference") == pytest.approx(wanted)
    assert all(-1.0 <= alike <= 1.0 for alike in driven.column("maps_alike"))
    assert max(driven.column("maps_alike")) < 0.9
    assert driven.kinds.count(EventKind.NETWORKS) == 1, "35 degrees apart, and told once"


def test_a_shadow_that_cannot_be_explained_so_is_compared_without_maps(run, tmp_path: Path) -> None:
    remembers(tmp_path / "memory.onnx")
    driven = run("--map", "curvy", "--headless", "--shadow", "memory.onnx", "--ticks", "20")
    assert len(set(driven.column("shadow_steering"))) > 10
    assert set(driven.column("maps_alike")) == {""}


def test_a_change_of_both_networks_is_explained(run, tmp_path: Path) -> None:
    shadow = copy_of_the_shipped(tmp_path)
    flags = ("--target", "change", "--steps", "4", "--every", "2", "--shadow", shadow)
    driven = run("--map", "curvy", "--headless", "--ticks", "30", *flags)
    assert set(driven.column("method")) == {"", "integrated-gradients"}, "between two frames"
    assert driven.column("maps_alike")[-10:] == pytest.approx([1.0] * 10, abs=1e-6)
    assert set(driven.column("shadow_difference")) == {0.0}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--on-failure", "pause", "--headless"), "leave out --headless"),
        (("--events", "ahead.h5", "--headless"), "is a file, expected a folder"),
        (("--model", "memory.onnx", "--target", "change"), "the gradient of memory.onnx"),
        (("--shadow", "memory.onnx", "--target", "change"), "the gradient of memory.onnx"),
        (("--shadow", "nowhere.keras",), "nowhere.keras"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_before_anything_is_started(
    flags: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steers_always(tmp_path / "ahead.h5", 0.0)
    remembers(tmp_path / "memory.onnx")
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    code = cli.main(["drive", *ALONE, *flags])
    err = capsys.readouterr().err
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert words in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_without_a_display_nobody_can_look_at_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    assert cli.main(["drive", *ALONE, "--on-failure", "pause"]) == 2
    assert "there is no display: choose --on-failure stop" in capsys.readouterr().err


# ------------------------------------------------------------------ the same again


def test_the_same_drive_finds_the_same(run) -> None:
    flags = ("--map", "curvy", "--headless", "--ticks", "80", "--seed", "3")
    flags = (*flags, "--blobs", "--classes-every", "1", "--shadow", str(SHIPPED_NETWORK))
    first, second = run(*flags), run(*flags)
    assert first.found == second.found
    assert repr(first.blobs) == repr(second.blobs), "NaN or not"
    assert first.kinds == second.kinds
    assert all(check is not None for check in first.blobs), "--blobs holds from the start"
    assert len(set(first.column("without_road"))) > 70, "a new one for every map"


# ------------------------------------------------------------------ going on


class Person(Window):
    """At each look at the window does one thing of the script, if the last one has worked."""

    screen: Screen | None = None
    script: Iterator[Callable[[Screen], bool]] = iter(())
    worked: Callable[[Screen], bool] | None = None

    def pump(self) -> None:
        if self.screen is not None and (Person.worked is None or Person.worked(self.screen)):
            Person.worked = next(self.script, lambda _: False)
        super().pump()


def press(key: int, mod: int = 0) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod, unicode=""))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))


def drag(x0: int, y0: int, x1: int, y1: int) -> None:
    press_at, move, release = pygame.MOUSEBUTTONDOWN, pygame.MOUSEMOTION, pygame.MOUSEBUTTONUP
    for kind, at in ((press_at, (x0, y0)), (move, (x1, y1)), (release, (x1, y1))):
        more = {"buttons": (1, 0, 0), "rel": (0, 0)} if kind == move else {"button": 1}
        pygame.event.post(pygame.event.Event(kind, pos=at, **more))


def is_answered(screen: Screen) -> bool:
    """All that can be asked about the frame that is looked at was asked."""
    inspecting = screen._parts.inspecting
    if not screen._looks.paused or inspecting.waits or not inspecting.is_open:
        return False
    return all(wish.key in inspecting._answers for wish in inspecting._wishes())


def look_around(ticks: int, log: list[str]) -> Iterator[Callable[[Screen], bool]]:
    """Pause, look at older frames and in other ways, hide something, let a tick pass, go on."""
    yield lambda screen: len(screen._parts.past) >= ticks
    press(pygame.K_e)
    yield is_answered
    for key, mod in (
        (pygame.K_PAGEUP, 0),
        (pygame.K_PAGEUP, pygame.KMOD_SHIFT),
        (pygame.K_k, 0),
        (pygame.K_j, 0),
    ):
        press(key, mod)
        yield is_answered
    drag(120, 220, 300, 330)
    yield lambda screen: len(screen._parts.masks) == 1
    press(pygame.K_DELETE)
    yield lambda screen: len(screen._parts.masks) == 0
    press(pygame.K_RETURN)
    yield lambda screen: len(screen._parts.past) == ticks + 1 and is_answered(screen)
    press(pygame.K_e)
    yield lambda screen: not screen._looks.paused
    log.append("gone on")


@pytest.mark.parametrize("memory", [False, True], ids=["shipped", "with memory"])
def test_a_drive_that_was_looked_into_goes_on_exactly(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool
) -> None:
    flags = ("--map", "curvy", "--ticks", "60", "--pace", "0")
    if memory:
        remembers(tmp_path / "memory.onnx")
        flags = (*flags, "--model", "memory.onnx", "--method", "occlusion", "--every", "3")
    untouched = run(*flags, "--headless")

    class Watched(Screen):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            Person.screen = self

    log: list[str] = []
    Person.screen, Person.worked, Person.script = None, None, look_around(25, log)
    monkeypatch.setattr(command, "Window", Person)
    monkeypatch.setattr(command, "Screen", Watched)
    looked_into = run(*flags, "--events", "none")
    assert log == ["gone on"]
    for name in ("steering", "network_steering", "throttle", "x_m", "y_m", "yaw_deg"):
        assert looked_into.column(name) == untouched.column(name), name
    assert len(set(untouched.column("steering"))) > 50


# ------------------------------------------------------------------ calibration


def test_a_calibration_holds_for_its_own_network_only(run, tmp_path: Path) -> None:
    own = copy_of_the_shipped(tmp_path)
    steers_always(tmp_path / "other.h5", 0.0)
    code, out, err = drive(
        *(*ALONE, "--model", own, "--map", "curvy", "--ticks", "100", "--out", "c.npz"),
        cwd=tmp_path,
        command="calibrate",
    )
    assert code == 0, err
    assert "stand in for the training" in out
    flags = ("--model", own, "--map", "curvy", "--headless", "--ticks", "30")
    assert set(run(*flags).column("novelty")) == {""}, "nobody knows what is usual"
    known = run(*flags, "--calibration", "c.npz").column("novelty")
    assert all(distance >= 0 for distance in known)
    assert len(set(known)) > 10

    code, out, err = drive(
        *(*ALONE, "--model", "other.h5", "--calibration", "c.npz", "--headless"), cwd=tmp_path
    )
    assert code == 2
    assert len(err.strip().splitlines()) == 1, err
    assert "--calibration c.npz is of another network than other.h5" in err
    assert out == ""
