from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from carla_saliency.core import (
    Control,
    HandOver,
    HeldKeys,
    Image,
    Manual,
    Mouse,
    Pause,
    Request,
    Scrub,
)
from carla_saliency.errors import BadInputError
from carla_saliency.output import web_guard, web_jpeg, web_messages, web_server
from carla_saliency.output.controls import Controls
from carla_saliency.output.web import WebWindow
from carla_saliency.output.web_turns import ANSWER_S, Turns

PATIENCE_S = 20.0


def steer(held: HeldKeys) -> Control:
    return Control(float(held.right) - float(held.left), throttle=float(held.throttle))


def picture(
    colour: tuple[int, int, int] = (255, 138, 61), size: tuple[int, int] = (64, 36)
) -> Image:
    return np.full((size[1], size[0], 3), colour, np.uint8)


class Viewer:
    """A page that does what the test says, and nothing by itself."""

    def __init__(self, link: aiohttp.ClientWebSocketResponse) -> None:
        self.link = link
        self.status: dict[str, Any] = {}

    async def say(self, do: str, **more: Any) -> None:
        await self.link.send_str(json.dumps({"do": do, **more}))

    async def key(self, key: str, down: bool = True, **more: Any) -> None:
        await self.say("key", key=key, down=down, text="", **more)

    async def picture(self) -> Image:
        """Return the next picture, RGB."""
        while True:
            said = await asyncio.wait_for(self.link.receive(), PATIENCE_S)
            if said.type is aiohttp.WSMsgType.BINARY:
                bgr = cv2.imdecode(np.frombuffer(said.data, np.uint8), cv2.IMREAD_COLOR)
                return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            self.status = json.loads(said.data)

    async def until(self, **wanted: Any) -> None:
        """Wait for a status."""
        while not self.status or any(self.status[name] != wanted[name] for name in wanted):
            said = await asyncio.wait_for(self.link.receive(), PATIENCE_S)
            if said.type is aiohttp.WSMsgType.TEXT:
                self.status = json.loads(said.data)
            else:
                assert said.type is aiohttp.WSMsgType.BINARY, said


Join = Callable[[], Awaitable[Viewer]]


def run(test: Callable[[WebWindow, Join], Coroutine[Any, Any, None]], **more: Any) -> list[str]:
    """Run a test with an open web window; return what it said."""
    lines: list[str] = []

    async def inside() -> None:
        async with aiohttp.ClientSession() as client:

            async def join() -> Viewer:
                return Viewer(await client.ws_connect(f"{web.address}live"))

            await test(web, join)

    with WebWindow("127.0.0.1", 0, Controls(steer), lines.append, **more) as web:
        asyncio.run(inside())
    return lines


async def asked(web: WebWindow, last: Request | None = None) -> list[Request]:
    """Return what is asked until something is, or until this is."""
    found: list[Request] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while not found if last is None else last not in found:
        assert time.monotonic() < deadline_s, found
        web.pump()
        found += web.requests()
        await asyncio.sleep(0.005)
    return found


# ------------------------------------------------------------------ pictures


def test_a_viewer_sees_the_newest_picture_and_the_next_one_when_it_has_drawn_it() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        for level in (10, 20, 30):
            web.show(picture((level, 0, 0)))
        viewer = await join()
        assert abs(int((await viewer.picture())[0, 0, 0]) - 30) <= 2
        for level in (40, 50, 60):
            web.show(picture((level, 0, 0)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(viewer.picture(), 0.2)
        await viewer.say("drawn")
        assert abs(int((await viewer.picture())[0, 0, 0]) - 60) <= 2

    (line,) = run(look)
    assert line.startswith("web: http://127.0.0.1:")


def test_coloured_letters_keep_their_colours() -> None:
    letters = np.full((90, 160, 3), 0x11, np.uint8)
    cv2.putText(letters, "pushes left", (4, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (79, 168, 255), 1)
    newest = web_jpeg.NewestJpeg()
    newest.put(letters)
    number, data = newest.encoded()
    assert number == newest.number == 1
    seen = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    thin = (letters == (79, 168, 255)).all(axis=2)
    assert np.abs(seen[thin].mean(axis=0) - (79, 168, 255)).max() < 12
    assert newest.encoded()[1] is data, "encoded once"


def test_nothing_is_encoded_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(*_: Any) -> None:
        pytest.fail("nobody looks")

    monkeypatch.setattr(web_jpeg.cv2, "imencode", encode)

    async def look(web: WebWindow, join: Join) -> None:
        for _ in range(20):
            web.show(picture())
            await asyncio.sleep(0.01)

    run(look)


def test_without_a_picture_there_is_none_to_encode() -> None:
    with pytest.raises(ValueError, match="no picture yet"):
        web_jpeg.NewestJpeg().encoded()


def test_what_can_not_be_encoded_is_told_once_and_nothing_else_happens() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        web.show(np.zeros((0, 0, 3), np.uint8))
        for _ in range(2):
            viewer = await join()
            said = await asyncio.wait_for(viewer.link.receive(), PATIENCE_S)
            while said.type is aiohttp.WSMsgType.TEXT:
                said = await asyncio.wait_for(viewer.link.receive(), PATIENCE_S)
            assert said.type is aiohttp.WSMsgType.CLOSE
        web.pump()

    lines = run(look)
    assert len(lines) == 2
    assert "the drive goes on" in lines[1]


async def _raw(address: str, path: bytes) -> bytes:
    """Ask for a path as it stands; return the whole answer."""
    host, _, token = address.removeprefix("http://").partition("/")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = b"GET /" + token.encode() + path + b" HTTP/1.1\r\nHost: " + host.encode()
    writer.write(head + b"\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()
    await writer.wait_closed()
    return answer


async def _never_reads(address: str) -> tuple[socket.socket, bytes]:
    """Open a web socket by hand and leave it at that."""
    host, _, path = address.removeprefix("http://").partition("/")
    name, port = host.split(":")
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect((name, int(port)))
    link.sendall(
        f"GET /{path}live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    link.setblocking(False)
    return link, await asyncio.get_running_loop().sock_recv(link, 12)


def test_a_viewer_that_never_reads_slows_nobody() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)

    async def look(web: WebWindow, join: Join) -> None:
        web.show(noise)
        link, answer = await _never_reads(web.address)
        assert answer == b"HTTP/1.1 101"
        with link:
            viewer = await join()
            await viewer.until(viewers=2, holder=1)
            for level in range(0, 200, 10):
                web.show(picture((level, 0, 0)))
                await viewer.say("drawn")
                seen = await viewer.picture()
                while seen.shape[1] == 1280 or abs(int(seen[0, 0, 0]) - level) > 3:
                    await viewer.say("drawn")
                    seen = await viewer.picture()
            await viewer.until(viewers=1, holder=None)  # it did not answer: it is gone

    assert len(run(look, heartbeat_s=0.5)) == 1


# ------------------------------------------------------------------ keys and mouse


def test_a_key_that_was_held_while_nobody_listened_is_let_go() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewer = await join()
        await viewer.until(holder=1)
        await viewer.key("ArrowUp")
        web.pump()
        until_s = time.monotonic() + PATIENCE_S
        while not web.controls.holds("web"):
            assert time.monotonic() < until_s
            await asyncio.sleep(0.01)
            web.pump()
        await viewer.key("ArrowUp", down=False)
        for x in range(web_server.MOST_WAITING + 100):  # and the main thread is busy
            await viewer.say("point", kind="move", x=x, y=1)
        await asyncio.sleep(0.5)
        web.pump()
        assert not web.controls.holds("web")

    run(look)


def test_keys_and_mouse_of_the_page_are_those_of_the_window() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewer = await join()
        await viewer.key("e")
        await viewer.key("PageUp", shift=True)
        await viewer.key("PageUp", down=False)
        await viewer.key("h")
        for kind, x in (("press", 1.5), ("move", 2.5), ("move", 3.5), ("release", 4.5)):
            await viewer.say("point", kind=kind, x=x, y=9)
        found = await asked(web, Mouse(4.5, 9.0, "release"))
        assert found[:3] == [Pause(), Scrub(-1, seconds=True), Mouse(1.5, 9.0, "press")]
        assert found[-2] == Mouse(3.5, 9.0, "move")
        assert web.view.help

    run(look)


def test_what_is_no_message_of_the_page_is_left_out() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewer = await join()
        for text in ("", "{", "[1]", '{"do": 1}', '{"do": "key"}', '{"do": "point", "x": 1}'):
            await viewer.link.send_str(text)
        await viewer.link.send_bytes(b"\xff\xd8")
        await viewer.key("e")
        assert await asked(web) == [Pause()]
        await viewer.link.send_str("[" * 5000)
        said = await asyncio.wait_for(viewer.link.receive(), PATIENCE_S)
        while said.type is aiohttp.WSMsgType.TEXT:
            said = await asyncio.wait_for(viewer.link.receive(), PATIENCE_S)
        assert said.type is aiohttp.WSMsgType.CLOSE, "too long"

    assert len(run(look)) == 1


def test_a_viewer_in_control_that_vanishes_lets_go_of_the_wheel() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewer, watcher = await join(), await join()
        await viewer.key("ArrowUp")
        assert await asked(web) == [Manual(Control(throttle=1.0))]
        await viewer.link.close()
        await watcher.until(holder=None, viewers=1)
        web.pump()
        assert web.requests() == [Manual(Control())]

    run(look)


def test_a_page_that_is_silent_while_it_holds_a_key_lets_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("carla_saliency.output.web.SILENT_S", 0.3)

    async def look(web: WebWindow, join: Join) -> None:
        viewer = await join()
        await viewer.key("ArrowUp")
        for _ in range(10):  # it speaks: the key is held
            await asyncio.sleep(0.05)
            await viewer.say("awake")
            assert await asked(web) == [Manual(Control(throttle=1.0))]
        deadline_s = time.monotonic() + PATIENCE_S
        while await asked(web) != [Manual(Control())]:
            assert time.monotonic() < deadline_s

    run(look)


def test_only_the_viewer_in_control_is_heard_and_it_may_give_control_away() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        first = await join()
        await first.until(you=1, holder=1)
        second = await join()
        await second.until(you=2, holder=1)
        await second.key("p")
        await second.say("ask")
        await first.until(asker=2)
        await first.key("ArrowUp")
        assert await asked(web) == [Manual(Control(throttle=1.0))]
        await second.say("give")  # is not its to give
        await first.say("give")
        await second.until(holder=2, asker=None)
        web.pump()
        assert web.requests() == [Manual(Control())], "the first one's keys are released"
        await first.key("e")
        await second.key("p")
        assert Pause() not in await asked(web, HandOver())

    run(look)


def test_the_page_is_told_that_the_drive_has_ended() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewer = await join()
        await viewer.until(ended=False)
        web.__exit__(None, None, None)
        await viewer.until(ended=True)
        said = await asyncio.wait_for(viewer.link.receive(), PATIENCE_S)
        assert said.type is aiohttp.WSMsgType.CLOSE
        web.pump()
        with pytest.raises(ValueError, match="not open"):
            web.show(picture())

    run(look)


# ------------------------------------------------------------------ turns


def test_the_first_viewer_is_in_control_and_the_next_one_when_it_is_free() -> None:
    turns = Turns()
    first, second = turns.join(), turns.join()
    assert (turns.holder, len(turns)) == (first, 2)
    turns.leave(first)
    assert turns.holder is None
    turns.ask(second)
    assert turns.holder == second


def test_whoever_asks_gets_control_by_a_yes_by_silence_or_when_the_other_goes() -> None:
    now_s = [0.0]
    turns = Turns(lambda: now_s[0])
    first, second, third = turns.join(), turns.join(), turns.join()
    turns.ask(first)
    assert turns.asker is None, "has it"
    turns.ask(second)
    turns.ask(third)
    assert turns.asker == second, "one at a time"
    turns.answer(first, give=False)
    assert (turns.holder, turns.asker) == (first, None)
    turns.ask(second)
    now_s[0] = ANSWER_S / 2
    turns.pass_time()
    assert turns.holder == first
    now_s[0] = ANSWER_S
    turns.pass_time()
    assert (turns.holder, turns.asker) == (second, None)
    turns.ask(third)
    turns.leave(third)
    assert turns.asker is None
    turns.ask(first)
    turns.leave(second)
    assert turns.holder == first


# ------------------------------------------------------------------ who may come in


async def get(address: str, **headers: str) -> tuple[int, str, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(
            address, headers={name.title(): value for name, value in headers.items()}
        ) as got,
    ):
        return got.status, await got.text(), got.headers


def test_without_the_token_there_is_one_plain_line() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        root = web.address.rsplit("/", 2)[0]
        for path in ("/", "/live", "/page.js", "/wrong/", "/wrong/live", "/é/", "//"):
            status, text, _ = await get(root + path)
            assert (status, text) == (403, f"{web_guard.WRONG_TOKEN}\n")
        for name, start in (("", "<!doctype"), ("page.js", "// Shows"), ("page.css", ":root")):
            status, text, headers = await get(web.address + name)
            assert status == 200
            assert text.startswith(start)
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert "http:" not in text.replace('"http:', ""), "nothing comes from elsewhere"
        assert (await get(web.address + "other"))[0] == 404

    run(look)


@pytest.mark.parametrize("path", ["../web.py", "%2e%2e/web.py", "%2e%2e%2fweb.py", "..%5cweb.py"])
def test_nothing_outside_of_the_page_is_served(path: str) -> None:
    async def look(web: WebWindow, join: Join) -> None:
        answer = await _raw(web.address, path.encode())  # a client would tidy the path first
        assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 403"))
        assert b"import" not in answer

    run(look)


def test_what_is_no_request_is_refused_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    async def look(web: WebWindow, join: Join) -> None:
        assert (await _raw(web.address, b"\xff\xfe/")).split()[1] == b"400"
        assert (await get(web.address, origin="http://[::1"))[0] == 403

    assert len(run(look)) == 1, "the address alone"
    assert capfd.readouterr().err == ""


def test_one_viewer_too_many_is_told_so() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        viewers = [await join() for _ in range(web_server.MOST_VIEWERS)]
        await viewers[0].until(viewers=web_server.MOST_VIEWERS)
        late = await join()
        said = await asyncio.wait_for(late.link.receive(), PATIENCE_S)
        assert json.loads(said.data) == {"full": web_server.MOST_VIEWERS}
        said = await asyncio.wait_for(late.link.receive(), PATIENCE_S)
        assert said.type is aiohttp.WSMsgType.CLOSE
        await viewers[0].until(viewers=web_server.MOST_VIEWERS)

    run(look)


def test_everywhere_is_by_both_kinds_of_address() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this computer has no IPv6")
    with (
        WebWindow("::", 0, Controls(), lambda line: None) as web,
        socket.create_connection(("127.0.0.1", int(web.address.split(":")[2].split("/")[0]))),
        socket.create_connection(("::1", int(web.address.split(":")[2].split("/")[0]))),
    ):
        pass


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "8.8.8.8"])
def test_a_name_that_can_not_be_listened_on_is_one_line(host: str) -> None:
    with (
        pytest.raises(BadInputError, match=r"--web can't listen on port 0 of") as refused,
        WebWindow(host, 0, Controls(), lambda line: None),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert str(refused.value).count("(") == 1


def test_a_page_is_watched_as_long_as_it_is_open() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        assert not web.watched
        viewer = await join()
        await viewer.until(viewers=1)
        assert web.watched
        await viewer.link.close()
        until_s = time.monotonic() + PATIENCE_S
        while web.watched:
            assert time.monotonic() < until_s
            await asyncio.sleep(0.01)

    run(look)


def test_a_page_of_somebody_else_gets_nothing() -> None:
    async def look(web: WebWindow, join: Join) -> None:
        live = f"{web.address}live"
        host = web.address.split("/")[2]
        assert (await get(web.address, host="evil.example"))[0] == 403
        assert (await get(live, origin="http://evil.example"))[0] == 403
        assert (await get(live, origin="null"))[0] == 403
        assert (await get(live, origin=f"http://{host}"))[0] == 400, "no web socket, but let in"

    run(look)


@pytest.mark.parametrize(
    ("host", "is_let_in"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:9000", True),  # the near end of a tunnel
        ("[::1]:8080", True),
        ("192.168.1.20:8080", True),
        ("box.lab:8080", True),
        (f"{socket.gethostname()}:8080", True),
        ("evil.example", False),
        ("box.lab.evil.example:8080", False),
        ("[::1", False),
        ("", False),
        (None, False),
    ],
)
def test_only_names_of_this_computer_are_answered(host: str | None, is_let_in: bool) -> None:
    why = web_guard.refusal("/token/live", (host, None), "token", "box.lab")
    assert why == ("" if is_let_in else web_guard.WRONG_HOST)


def test_a_taken_port_and_an_unknown_name_are_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=rf"port {port} of 127\.0\.0\.1 .*in use.*--web"):
            WebWindow("127.0.0.1", port, Controls(), print).__enter__()
    with pytest.raises(BadInputError, match=r"port 0 of no\.such\.name"):
        WebWindow("no.such.name.invalid", 0, Controls(), print).__enter__()


def test_any_address_of_this_computer_can_be_listened_on() -> None:
    lines: list[str] = []
    with WebWindow("0.0.0.0", 0, Controls(), lines.append) as web:
        assert f"http://{socket.gethostname()}:" in web.address
    with WebWindow("::1", 0, Controls(), lines.append) as web:
        assert web.address.startswith("http://[::1]:")


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"do":"key","key":"e","down":true,"text":"E","shift":true}',
            web_messages.Key("e", True, "E", True, False),
        ),
        ('{"do":"point","kind":"move","x":1,"y":2.5}', web_messages.Point(1.0, 2.5, "move")),
        ('{"do":"give"}', web_messages.Answer(True)),
        ('{"do":"key","key":"' + "e" * 33 + '","down":true}', None),
        ('{"do":"key","key":["e"],"down":true}', None),
        ('{"do":"point","kind":"hover","x":1,"y":2}', None),
        ('{"do":"point","kind":["move"],"x":1,"y":2}', None),
        ('{"do":"point","kind":"move","x":NaN,"y":2}', None),
        ('{"do":"point","kind":"move","x":1e300,"y":2}', None),
        ('{"do":"point","kind":"move","x":true,"y":2}', None),
        ('{"do":"fly"}', None),
        ("7", None),
    ],
)
def test_a_message_is_read_or_left_out(text: str, message: web_messages.Message | None) -> None:
    assert web_messages.read(text) == message
