"""`drive --web` in the real Chromium: what a person sees and does in a page."""

from __future__ import annotations

import base64
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import chromium
from drive_process import ALONE, start
from playwright.sync_api import Browser, Page, expect

from carla_saliency.core import Image
from carla_saliency.draw.layout import PANE_L, Layout

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
SIZE = (1280, 720)
CAMERA = Layout.of(SIZE).pixels(PANE_L)
CLOCK = (slice(0, 36), slice(900, 1200))  # frame and simulated time, above the right pane
BADGE = (slice(6, 30), slice(12, 130))


class Web:
    """A drive with its page.

    Attributes:
        address: Of the page.
        process: Drives.
    """

    def __init__(self, folder: Path) -> None:
        flags = (*ALONE, "--map", "curvy", "--headless", "--web", "0", "--pace", "1", "--seed", "3")
        self.process: subprocess.Popen[str] = start(*flags, cwd=folder)
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", line):
                self.address = found[0]
                return
        pytest.fail("".join(self.said))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    drive = Web(tmp_path)
    yield drive
    drive.process.kill()
    drive.process.communicate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def open_page(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    page.goto(address)
    return page


def picture(page: Page) -> Image:
    """Return what the canvas shows, RGB."""
    url = page.evaluate("document.getElementById('picture').toDataURL('image/png')")
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def until(what: str, is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.1)


def differ(a: Image, b: Image) -> float:
    """Return how far two pictures are apart, in mean grey levels."""
    return float(np.abs(a.astype(np.int16) - b).mean())


def moves(page: Page) -> bool:
    """Return whether time goes on: more than once, as it does when the first card appears."""
    return all(_changes(page) for _ in range(3))


def _changes(page: Page) -> bool:
    before = picture(page)
    time.sleep(0.4)
    after = picture(page)
    clock = not np.array_equal(before[CLOCK], after[CLOCK])
    pane = CAMERA.rows, CAMERA.columns
    return clock and differ(before[pane], after[pane]) > 0.5


def stands(page: Page) -> bool:
    """Return whether some more pictures tell the same simulated time."""
    before = picture(page)
    for _ in range(3):
        drawn = page.evaluate("shown.at(-1)")
        page.wait_for_function("drawn => shown.at(-1) !== drawn", arg=drawn)
    return bool(np.array_equal(before[CLOCK], picture(page)[CLOCK]))


def on_page(page: Page, x_px: float, y_px: float) -> tuple[float, float]:
    """Return where a pixel of the picture is in the page."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    return box["x"] + x_px * box["width"] / SIZE[0], box["y"] + y_px * box["height"] / SIZE[1]


def drag(page: Page, x0: float, y0: float, x1: float, y1: float) -> None:
    page.mouse.move(*on_page(page, x0, y0))
    page.mouse.down()
    page.mouse.move(*on_page(page, (x0 + x1) / 2, (y0 + y1) / 2), steps=4)
    page.mouse.move(*on_page(page, x1, y1), steps=4)
    page.mouse.up()


def end(web: Web, page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_have_text("The drive has ended.", timeout=20_000)
    assert web.process.wait(30) == 0


def test_the_picture_moves_a_key_pauses_and_a_dragged_rectangle_masks(
    web: Web, browser: Browser
) -> None:
    page = open_page(browser, web.address)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    until("the picture moves", lambda: moves(page))
    driving = picture(page)[BADGE]

    page.keyboard.press("e")
    until("PAUSED", lambda: differ(driving, picture(page)[BADGE]) > 10)
    until("the world stands still", lambda: stands(page))

    left, top, right, bottom = CAMERA.x + 120, CAMERA.y + 190, CAMERA.x + 380, CAMERA.y + 320
    pane, inside = (CAMERA.rows, CAMERA.columns), (slice(top, bottom), slice(left, right))
    far = (slice(CAMERA.y + 20, CAMERA.y + 100), slice(CAMERA.x + 400, CAMERA.x + 600))
    before = picture(page)
    assert before[pane].any()
    drag(page, left, top, right, bottom)
    until("the mask is there", lambda: differ(before[inside], picture(page)[inside]) > 3)
    assert differ(before[far], picture(page)[far]) < 1, "and nowhere else"
    page.keyboard.press("Delete")
    until("the mask is gone", lambda: differ(before[inside], picture(page)[inside]) < 0.5)

    page.keyboard.press("e")
    until("the drive goes on", lambda: moves(page))
    end(web, page)
    assert errors == []


def test_one_viewer_is_in_control_and_others_watch_however_slow_they_are(
    web: Web, browser: Browser
) -> None:
    first = open_page(browser, web.address)
    expect(first.locator("#who")).to_have_text("You are in control")
    second = open_page(browser, web.address)
    expect(second.locator("#who")).to_have_text("Watching; viewer 1 is in control")
    host, _, path = web.address.removeprefix("http://").partition("/")
    with socket.create_connection(("127.0.0.1", int(host.split(":")[1]))) as deaf:
        deaf.sendall(  # a viewer that never reads
            f"GET /{path}live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        expect(first.locator("#who")).to_have_text("You are in control, 2 watching")
        until("both pages move", lambda: moves(first) and moves(second))

        second.keyboard.press("e")
        expect(second.locator("#hint")).to_contain_text("keys and mouse do nothing")
        until("the drive goes on all the same", lambda: moves(first))
        second.locator("#ask").click()
        expect(first.locator("#who")).to_have_text("Viewer 2 asks for control")
        first.locator("#ask").click()
        expect(second.locator("#who")).to_contain_text("You are in control")
        second.keyboard.press("e")
        until("the second viewer pauses", lambda: stands(second) and stands(first))
        second.keyboard.press("e")

        second.keyboard.down("ArrowUp")  # and is gone with the key down
        until("a person drives", lambda: moves(second))
        second.close()
        expect(first.locator("#who")).to_contain_text("nobody is in control")
        first.locator("#ask").click()
        expect(first.locator("#who")).to_contain_text("You are in control")
        end(web, first)


def test_the_help_is_shown_by_a_key_and_by_a_button(web: Web, browser: Browser) -> None:
    page = open_page(browser, web.address)
    until("the picture moves", lambda: moves(page))
    middle = (slice(200, 500), slice(560, 720))
    page.keyboard.press("e")
    until("the world stands still", lambda: stands(page))
    plain = picture(page)
    page.locator("#help").click()
    until("the keys are there", lambda: differ(plain[middle], picture(page)[middle]) > 5)
    helped = picture(page)
    page.keyboard.press("h")
    until("and gone", lambda: differ(helped[middle], picture(page)[middle]) > 5)
    end(web, page)
