"""A window on a real X server (Xvfb), not SDL's dummy: what is on the screen is looked at.

The keys and the mouse are those of that server, pressed by xdotool.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pygame
import pytest

import carla_saliency
from carla_saliency.draw.inspecting import cell_boxes
from carla_saliency.draw.layout import (
    CONTROLS_R,
    FOOT,
    LEGEND_A,
    LEGEND_B,
    LEGEND_NOTE,
    PANE_L,
    PANE_R,
    STRIP_A,
    TITLE_L,
    TITLE_R,
    TOP,
    Box,
)
from carla_saliency.draw.palette import BACKGROUND, HIGH
from carla_saliency.draw.text import BAND, HEADING, SMALL, STRONG, TAG, Style, Type

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed"),
]
needs_hands = pytest.mark.skipif(shutil.which("xdotool") is None, reason="xdotool is not installed")

SIZE = (1280, 720)
WIDE = (1600, 900)  # of a screen that has room for the whole window: a unit is a pixel
SHIPPED = Path(carla_saliency.__file__).parent / "network" / "shipped"
PLAIN = ("-m", "carla_saliency")
BADGE = Box(12, 6, 118, 24)
FRAME = Box(1030, 6, 60, 24)
HELP = Box(130, 56, 200, 40)
ALIKE = 0.9  # correlation of letters; others of the same length are below 0.7
PATIENCE_S = (
    90.0  # for whatever must come: a busy machine is slow, a broken window never gets there
)
GAP_S = 0.8  # 0.1 s is aimed at, on an idle machine; a window that waits is silent for 5 or 10 s

Picture = np.ndarray


@pytest.fixture
def screen(request, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Yield the name of a display and the file in which its pixels are."""
    width, height = getattr(request, "param", SIZE)
    folder = tmp_path_factory.mktemp("screen")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24"]
    server = subprocess.Popen(
        [*command, "-fbdir", str(folder), "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as numbers:
            display = numbers.readline().strip()
        yield f":{display}", folder / "Xvfb_screen0"
    finally:
        server.terminate()
        server.wait(10)


def pixels(file: Path) -> Picture:
    """Return what is on the screen, (H, W, 3), from Xvfb's frame buffer in X window dump format."""
    raw = file.read_bytes()
    header = np.frombuffer(raw[:100], ">u4")
    start = int(header[0]) + int(header[19]) * 12  # the header, then the colour map
    width, height, line = int(header[4]), int(header[5]), int(header[12])
    rows = np.frombuffer(raw, np.uint8, height * line, start).reshape(height, line)
    return rows[:, : width * 4].reshape(height, width, 4)[..., 2::-1]


# ------------------------------------------------------------------ a person before it


class Person:
    """Presses keys and looks at the window of a drive.

    Args:
        screen: Name of the display, and the file with its pixels.
        process: The drive.
    """

    def __init__(self, screen: tuple[str, Path], process: subprocess.Popen[str]) -> None:
        self._display, self._file = screen
        self._process = process
        self._letters = Type(1.0)
        self._corner, self._window = (0, 0), ""

    def find_window(self) -> None:
        """Wait until the window is there; the mouse points at it, so it gets the keys."""
        self.until(lambda: self._geometry().get("WIDTH") == str(SIZE[0]), "the window opens")
        found = self._geometry()
        self._corner, self._window = (int(found["X"]), int(found["Y"])), found["WINDOW"]
        self.do("mousemove", str(self._corner[0] + 20), str(self._corner[1] + 500))

    def _geometry(self) -> dict[str, str]:
        lines = self.do("getwindowfocus", "getwindowgeometry", "--shell").split()
        return dict(line.split("=") for line in lines if "=" in line)

    def resize(self, width: int, height: int) -> None:
        self.do("windowsize", self._window, str(width), str(height))

    def do(self, *command: str) -> str:
        done = subprocess.run(
            ["xdotool", *command],
            env={**os.environ, "DISPLAY": self._display},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        for key in keys:
            self.do("key", key)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag with the left button, from place to place in the picture."""
        middle = (start[0] + end[0]) // 2, (start[1] + end[1]) // 2
        self.do(*self._to(start), "mousedown", "1", *self._to(middle), *self._to(end))
        self.do("mouseup", "1")

    def click(self, place: tuple[int, int]) -> None:
        self.do(*self._to(place), "click", "1")

    def _to(self, place: tuple[int, int]) -> tuple[str, ...]:
        x, y = self._corner[0] + place[0], self._corner[1] + place[1]
        return "mousemove", str(x), str(y), "sleep", "0.05"

    # -------------------------------------------------------------- what is seen

    def sees(self, box: Box) -> Picture:
        """Return a part of the window's picture, 1280x720, as it is on the screen."""
        x, y = self._corner[0] + round(box.x), self._corner[1] + round(box.y)
        return pixels(self._file)[y : y + round(box.h), x : x + round(box.w)]

    def reads(self, box: Box, text: str, style: Style = SMALL) -> bool:
        """Return whether a text stands somewhere in a box.

        It should begin where the window's own text begins: the letters of a part of it may lie by
        fractions of a pixel elsewhere.
        """
        surface = self._letters.surface(text, style, HIGH, BACKGROUND)
        letters = pygame.surfarray.array3d(surface).transpose(1, 0, 2)
        seen = cv2.cvtColor(np.ascontiguousarray(self.sees(box)), cv2.COLOR_RGB2GRAY)
        wanted = cv2.cvtColor(np.ascontiguousarray(letters), cv2.COLOR_RGB2GRAY)
        rows = np.flatnonzero(np.ptp(wanted, axis=1))
        wanted = wanted[rows[0] : rows[-1] + 1]
        if seen.shape[0] < wanted.shape[0] or seen.shape[1] < wanted.shape[1]:
            return False
        match = cv2.matchTemplate(seen, wanted, cv2.TM_CCOEFF_NORMED)
        return bool(np.nanmax(np.abs(match)) > ALIKE)  # dark on light is the negative

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for something that must come; a picture may be read while it is being changed."""
        end_s, times = time.monotonic() + PATIENCE_S, 0
        while times < 2:
            times = times + 1 if condition() else 0
            assert self._process.poll() is None, f"the drive ended before: {what}"
            assert time.monotonic() < end_s, f"never came: {what}"
            time.sleep(0.05)

    def until_reads(self, box: Box, text: str, style: Style = SMALL) -> None:
        self.until(lambda: self.reads(box, text, style), f"{text!r} in {box}")

    def until_gone(self, box: Box, text: str, style: Style = SMALL) -> None:
        self.until(lambda: not self.reads(box, text, style), f"no {text!r} in {box}")


def colourful(picture: Picture) -> int:
    """Return how many pixels have the colours of a map, and are not grey."""
    values = picture.astype(int)
    return int((values.max(axis=2) - values.min(axis=2) > 60).sum())


def is_plain(picture: Picture) -> bool:
    """Return whether it is of one colour."""
    return not np.ptp(picture, axis=(0, 1)).any()


@contextmanager
def driving(
    screen: tuple[str, Path], cwd: Path, *arguments: str, start: tuple[str, ...] = PLAIN
) -> Iterator[tuple[Person, subprocess.Popen[str]]]:
    """Yield who drives, and the process; it must have ended well by the end of the block."""
    environment = {k: v for k, v in os.environ.items() if k != "SDL_VIDEODRIVER"}
    command = [sys.executable, *start, "drive", "--embedded", "always", "--map", "curvy"]
    with subprocess.Popen(
        [*command, *arguments],
        cwd=cwd,
        env={**environment, "DISPLAY": screen[0]},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            person = Person(screen, process)
            person.find_window()
            yield person, process
        except BaseException:
            process.kill()
            sys.stderr.write(process.communicate()[1])
            raise


@pytest.mark.parametrize("screen", [WIDE], indirect=True)
@needs_hands
def test_every_key_and_the_mouse_do_what_the_help_says(screen, tmp_path) -> None:
    for name in ("dave2.keras", "dave2.contract.json"):
        shutil.copy(SHIPPED / name, tmp_path / name.replace("dave2", "other"))
    given = "--shadow", "other.keras", "--summary", "s.json"
    with driving(screen, tmp_path, *given) as (person, process):
        person.until_reads(BADGE, "NETWORK", STRONG)
        person.until(lambda: colourful(person.sees(PANE_R)) > 500, "a map")
        looks_of_the_drive(person)
        who_drives(person)
        a_video_while_the_window_is_resized(person, tmp_path)
        two_networks(person)
        standing_still(person, tmp_path)
        masks(person)
        events(person)
        person.press("BackSpace")
        person.until_reads(FOOT, "to spawn point")
        person.press("Escape")
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "s.json").read_text())["ticks"] > 100
    assert [path.name[:11] for path in (tmp_path / "events").iterdir()] == ["01_bookmark"]


def looks_of_the_drive(person: Person) -> None:
    person.press("F2")
    person.until_reads(TITLE_L, "solid = steering moves")
    person.press("F2")
    person.until_gone(TITLE_L, "solid = steering moves")
    person.press("t")
    person.until_reads(LEGEND_NOTE, "% of map · × its share")
    person.press("t")
    person.until_reads(LEGEND_B, "from lane centre")
    person.press("t")
    person.until_reads(LEGEND_B, "road")
    person.until_gone(LEGEND_NOTE, "% of map · × its share")
    person.press("Tab")
    person.until_reads(TITLE_L, "chase · not what the network sees")
    for name in ("bird", "side", "front"):
        person.press("Tab")
        person.until_reads(FOOT, f"camera: {name}")
    person.until_gone(TITLE_L, "not what the network sees")
    person.press("c")
    person.until_reads(FOOT, "weather:")
    person.press("shift+c")
    person.until_reads(FOOT, "weather: ClearNoon")
    person.press("f")
    person.until_reads(CONTROLS_R, "deg / pixel, locked")
    person.press("f")
    person.until_gone(CONTROLS_R, "deg / pixel, locked")
    person.press("k")
    person.until_gone(TITLE_R, "gradient × (frame − blur)")
    person.press("shift+k")
    person.until_reads(TITLE_R, "gradient × (frame − blur)")
    person.press("0")
    person.until(lambda: colourful(person.sees(PANE_R)) == 0, "no map")
    person.press("0")
    person.until(lambda: colourful(person.sees(PANE_R)) > 500, "a map again")
    person.press("F1")
    person.until(lambda: is_plain(person.sees(FOOT)), "no text")
    assert colourful(person.sees(PANE_R)) > 0
    person.press("F1")
    person.until_reads(FOOT, "server")
    person.press("h")
    person.until_reads(HELP, "Keys", HEADING)
    person.press("h")
    person.until_gone(HELP, "Keys", HEADING)


def who_drives(person: Person) -> None:
    person.press("p")
    person.until_reads(BADGE, "EXPERT", STRONG)
    person.press("shift+p")
    person.until_reads(BADGE, "AUTOPILOT", STRONG)
    person.press("p")
    person.until_reads(BADGE, "NETWORK", STRONG)
    person.press("w")
    person.until_reads(BADGE, "MANUAL", STRONG)
    person.press("p")
    person.until_reads(BADGE, "NETWORK", STRONG)


def a_video_while_the_window_is_resized(person: Person, folder: Path) -> None:
    person.press("r")
    person.until_reads(TOP, "REC", STRONG)
    person.resize(1000, 700)
    below = Box(0, 640, 1000, 50)  # what a picture of 1000x562 in the middle leaves free
    person.until(lambda: is_plain(person.sees(below)), "borders")
    assert colourful(person.sees(Box(500, 70, 500, 560))) > 0
    person.resize(*SIZE)
    person.until_reads(BADGE, "NETWORK", STRONG)
    person.press("r")
    person.until_reads(TOP, "REC saved", STRONG)
    person.until(lambda: list(folder.glob("*.mp4")), "the video")
    person.until_reads(FOOT, "R record")
    (video,) = folder.glob("*.mp4")
    with av.open(str(video)) as file:
        sizes = {(frame.width, frame.height) for frame in file.decode(video=0)}
    assert sizes == {SIZE}


def two_networks(person: Person) -> None:
    person.press("u")
    person.until_reads(TITLE_L, "A drives", STRONG)
    person.until_reads(TITLE_R, "B shadows", STRONG)
    person.press("shift+u")
    person.until_reads(TITLE_R, "B drives", STRONG)
    person.press("shift+u")
    person.until_reads(TITLE_L, "A drives", STRONG)
    person.press("u")
    person.until_reads(TITLE_L, "CAMERA", STRONG)


def standing_still(person: Person, folder: Path) -> None:
    person.press("e")
    person.until_reads(BADGE, "PAUSED", STRONG)
    person.until_reads(TITLE_R, "LAYERS", STRONG)
    boxes = cell_boxes(9)
    person.until(
        lambda: all(colourful(person.sees(box)) > 10 for box in boxes), "a map in each cell"
    )
    person.until_reads(LEGEND_B, "conv1 activations")
    person.press("j")
    person.until_reads(LEGEND_B, "conv2 activations")
    person.press("shift+j")
    person.until_reads(LEGEND_B, "conv1 activations")
    person.press("t")
    person.until_reads(LEGEND_B, "road")
    person.press("t")
    person.until_reads(LEGEND_NOTE, "% of map · × its share")
    person.press("t")
    person.until_reads(LEGEND_B, "conv1 activations")
    box = boxes[1]
    person.click((round(box.x + box.w / 2), round(box.y + box.h / 2)))
    person.until_gone(TITLE_R, "LAYERS", STRONG)
    person.until_reads(TITLE_R, "LayerCAM · layer conv2")
    person.click((round(PANE_R.x + 300), round(PANE_R.y + 200)))
    person.until_reads(TITLE_R, "LAYERS", STRONG)
    person.press("Prior")
    person.until_reads(LEGEND_A, "−0.05 s")
    person.press("Next")
    person.until_reads(LEGEND_A, "now")
    before = person.sees(FRAME)
    person.press("Return")
    person.until(lambda: (person.sees(FRAME) != before).any(), "the next tick")
    person.until_reads(BADGE, "PAUSED", STRONG)
    person.press("shift+e")
    person.until_reads(FOOT, "saved")
    assert list(folder.glob("*.npz"))


def masks(person: Person) -> None:
    person.drag((100, 250), (300, 350))
    person.until_reads(PANE_L, "mask A:", TAG)
    person.press("Delete")
    person.until_gone(PANE_L, "mask A", TAG)
    person.drag((100, 250), (300, 350))
    person.until_reads(PANE_L, "mask A:", TAG)
    person.press("Insert")
    person.until_reads(FOOT, "the network drives with the masks")
    person.press("e")
    person.until_gone(BADGE, "PAUSED", STRONG)
    person.until_reads(TITLE_L, "masks in force")
    person.press("Insert")
    person.until_gone(TITLE_L, "masks in force")


def events(person: Person) -> None:
    person.press("y")
    person.until_reads(FOOT, "bookmark, event 1")
    person.until_reads(STRIP_A, "bookmark 1")
    person.until_gone(FOOT, "bookmark, event 1")
    person.press("shift+y")
    person.until_reads(BADGE, "PAUSED", STRONG)
    person.until_reads(FOOT, "1 bookmark")
    person.until_gone(LEGEND_A, "now")
    person.press("e")
    person.until_gone(BADGE, "PAUSED", STRONG)
    person.press("F12")
    person.until_reads(FOOT, "saved carla-saliency-")


# ------------------------------------------------------------------ a server that hangs

TIMED = """
import os, sys, time
from carla_saliency.cli import main
from carla_saliency.embedded import EmbeddedServer
from carla_saliency.output.window import Window

pump, close, enter = Window.pump, Window.__exit__, EmbeddedServer.__enter__
log = open("pumped", "w", buffering=1)

def timed(self):
    log.write(f"{time.monotonic()}\\n")
    pump(self)

def closed(self, *error):
    log.write(f"{time.monotonic()}\\n")  # the last line
    close(self, *error)

def told(self):
    enter(self)
    with open("pid.part", "w") as file:
        file.write(str(self.pid))
    os.rename("pid.part", "pid")
    return self

Window.pump, Window.__exit__, EmbeddedServer.__enter__ = timed, closed, told
sys.exit(main(sys.argv[1:]))
"""


def longest_gap_s(file: Path, start_s: float, end_s: float | None = None) -> float:
    """Return the longest time without a look at what the person did.

    Between two moments, or from one until the window is closed.
    """
    at_s = [float(line) for line in file.read_text().splitlines()]
    end_s = at_s[-1] if end_s is None else end_s
    within = [start_s, *(t for t in at_s if start_s < t < end_s), end_s]
    return float(np.diff(within).max())


@pytest.mark.parametrize("screen", [WIDE], indirect=True)
@needs_hands
def test_the_window_is_awake_while_the_server_hangs(screen, tmp_path) -> None:
    pumped = tmp_path / "pumped"
    with driving(screen, tmp_path, start=("-c", TIMED)) as (person, process):
        person.until_reads(BADGE, "NETWORK", STRONG)
        person.until(lambda: colourful(person.sees(PANE_R)) > 500, "a map")
        server = int((tmp_path / "pid").read_text())

        stopped_s = time.monotonic()
        os.kill(server, signal.SIGSTOP)
        try:
            person.until_reads(PANE_L, "Waiting for the picture of frame", BAND)
            before = person.sees(FRAME)
            time.sleep(2)
            assert longest_gap_s(pumped, stopped_s, time.monotonic()) < GAP_S
            assert (person.sees(FRAME) == before).all()
            person.press("h")
            person.until_reads(HELP, "Keys", HEADING)
            person.press("h")
            person.until_gone(HELP, "Keys", HEADING)
        finally:
            os.kill(server, signal.SIGCONT)
        person.until_gone(PANE_L, "Waiting for the picture of frame", BAND)
        person.until(lambda: (person.sees(FRAME) != before).any(), "the drive goes on")

        os.kill(server, signal.SIGSTOP)
        try:
            person.until_reads(PANE_L, "Waiting for the picture of frame", BAND)
            left_s = time.monotonic()
            person.press("Escape")
            person.until_reads(PANE_L, "Leaving: waiting for the server", BAND)
            time.sleep(2)
            assert longest_gap_s(pumped, left_s, time.monotonic()) < GAP_S
        finally:
            os.kill(server, signal.SIGCONT)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert longest_gap_s(pumped, left_s) < GAP_S
    assert process.returncode == 0, err
    assert "Traceback" not in err


# ------------------------------------------------------------------ without hands


def test_the_drive_is_on_the_screen(screen, tmp_path) -> None:
    display, frame_buffer = screen
    environment = {k: v for k, v in os.environ.items() if k != "SDL_VIDEODRIVER"}
    command = [sys.executable, "-m", "carla_saliency", "drive", "--embedded", "always"]
    summary = tmp_path / "s.json"
    with subprocess.Popen(
        [*command, "--map", "curvy", "--seconds", "8", "--summary", str(summary)],
        env={**environment, "DISPLAY": display},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen = 0
        until_s = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until_s:
            time.sleep(0.3)
            picture = pixels(frame_buffer).astype(int)
            colour = picture.max(axis=2) - picture.min(axis=2)
            # the right half has saliency only where the network drives; the left one has a sky
            seen = max(seen, int((colour[:, 650:] > 60).sum()))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert seen > 500, "colours of the map were on the screen"
    assert "window" in json.loads(summary.read_text())["timing_ms"]
