"""The page's server: sends pictures, takes keys; in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType, web

from carla_saliency.core import Image
from carla_saliency.output.keys import ASK, LOOK, REVERSE, STEER
from carla_saliency.output.web_guard import refusal
from carla_saliency.output.web_jpeg import NewestJpeg
from carla_saliency.output.web_messages import (
    Answer,
    Ask,
    Awake,
    Drawn,
    Key,
    LetGo,
    Message,
    Point,
    read,
)
from carla_saliency.output.web_turns import ANSWER_S, Turns

PAGE = Path(__file__).with_name("web_page")
FILES = {"": "index.html", "page.js": "page.js", "page.css": "page.css"}
SOCKET = "live"
SILENT = logging.getLogger(f"{__name__}.aiohttp")
SILENT.setLevel(logging.CRITICAL + 1)
KEYS = sorted({*STEER, *ASK, *LOOK, REVERSE})
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address has the token
    "X-Content-Type-Options": "nosniff",
}
MOST_VIEWERS = 16
LONGEST_MESSAGE = 1024  # bytes
MOST_WAITING = 1000  # messages; with more, nobody knows any longer what is held down
HEARTBEAT_S = 5.0  # a viewer who does not answer half of it later is gone
LOOK_S, IDLE_S = 0.008, 0.05  # between two looks for a new picture; with nobody there
END_S = 1.0  # for the viewers to be told that the drive has ended

Told = Key | Point | LetGo


@dataclass(eq=False)
class _Viewer:
    """One open page.

    Attributes:
        socket: To it.
        number: Of the viewer.
        bell: Something is to be sent.
        ready: It has drawn the last picture.
        picture: Number of the last picture that it was sent.
        told: What it was told last.
    """

    socket: web.WebSocketResponse
    number: int
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    ready: bool = True
    picture: int = 0
    told: str = ""


class WebServer:
    """Serves the page to some viewers, one of them in control.

    Args:
        listening: Sockets that listen; closed by `stop`.
        token: First part of every path.
        name: By which it was told to listen.
        fail: Is told once if something in here goes wrong, from its thread.
        heartbeat_s: How often a silent viewer is asked whether it is there.

    Attributes:
        inbox: What the viewer in control did, oldest first; taken by the main thread.
        heard_s: When it was heard last, by `time.monotonic`.
    """

    def __init__(
        self,
        listening: list[socket.socket],
        token: str,
        name: str,
        fail: Callable[[str], None],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._listening = listening
        self._token, self._name, self._fail = token, name, fail
        self._heartbeat_s = heartbeat_s
        self._turns = Turns()
        self._viewers: set[_Viewer] = set()
        self._newest = NewestJpeg()
        self._ended = False
        self._failed = False
        self._loop = asyncio.new_event_loop()
        self.inbox: deque[Told] = deque()
        self.heard_s = 0.0
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def show(self, picture: Image) -> None:
        """Let everybody see this picture, unless a newer one comes first; returns at once."""
        self._newest.put(picture)

    @property
    def has_viewers(self) -> bool:
        """Whether somebody looks."""
        return bool(self._viewers)

    def stop(self) -> None:
        """Tell the viewers that the drive has ended, and end the thread."""
        self._ended = True
        self._thread.join(4 * END_S)

    # -------------------------------------------------------------- the thread

    def _run(self) -> None:
        try:
            self._loop.set_exception_handler(self._on_error)
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"/{self._token}/{SOCKET}", self._join)
        app.router.add_get(f"/{self._token}/{{file:.*}}", self._file)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=SILENT,  # it has a traceback for each request that is no HTTP
            handle_signals=False,
            shutdown_timeout=END_S,
        )
        await runner.setup()
        for listening in self._listening:
            await web.SockSite(runner, listening).start()
        try:
            await self._look_for_pictures()
            self._ring()
            deadline_s = self._loop.time() + END_S
            while self._viewers and self._loop.time() < deadline_s:
                await asyncio.sleep(LOOK_S)
        finally:
            await runner.cleanup()
            await self._loop.shutdown_default_executor()

    async def _look_for_pictures(self) -> None:
        """Ring at each new picture, until the end.

        The main thread rings no bell itself: waking this one would make it wait for this one's
        turn to end, half a millisecond at each picture.
        """
        seen = 0
        while not self._ended:
            await asyncio.sleep(LOOK_S if self._viewers else IDLE_S)
            if seen != self._newest.number:
                seen = self._newest.number
                self._ring()

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self._tell(context.get("exception") or context.get("message"))

    def _tell(self, what: object) -> None:
        if not self._failed:
            self._failed = True
            self._fail(f"--web: something went wrong there ({what!r}); the drive goes on")

    # -------------------------------------------------------------- requests

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], object],
    ) -> web.StreamResponse:
        headers = request.headers.get("Host"), request.headers.get("Origin")
        if why := refusal(request.path, headers, self._token, self._name):
            return web.Response(status=403, text=f"{why}\n", headers=HEADERS)
        return await handler(request)  # type: ignore[misc, no-any-return]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = FILES.get(request.match_info["file"])
        if name is None:
            return web.Response(status=404, text="There is no such page.\n", headers=HEADERS)
        return web.FileResponse(PAGE / name, headers=HEADERS)

    async def _join(self, request: web.Request) -> web.StreamResponse:
        link = web.WebSocketResponse(
            timeout=END_S,
            heartbeat=self._heartbeat_s,
            max_msg_size=LONGEST_MESSAGE,
            compress=False,  # a JPEG is as small as it gets
        )
        await link.prepare(request)
        if len(self._viewers) >= MOST_VIEWERS:
            await link.send_json({"full": MOST_VIEWERS})
            await link.close(code=1013)  # try again later
            return link
        viewer = _Viewer(link, self._turns.join())
        self._viewers.add(viewer)
        self._ring()
        tasks = [self._loop.create_task(work(viewer)) for work in (self._send, self._receive)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._leave(viewer)
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception) and not isinstance(end, ConnectionError):
                self._tell(end)
        await link.close(code=1001)
        return link

    def _leave(self, viewer: _Viewer) -> None:
        self._viewers.discard(viewer)
        if viewer.number == self._turns.holder:
            self.inbox.append(LetGo())
        self._turns.leave(viewer.number)
        self._ring()

    # -------------------------------------------------------------- one viewer

    def _ring(self) -> None:
        for viewer in self._viewers:
            viewer.bell.set()

    async def _send(self, viewer: _Viewer) -> None:
        """Send what is new; a viewer that takes nothing holds up nobody but itself."""
        while True:
            await viewer.bell.wait()
            viewer.bell.clear()
            ended = self._ended  # looked at once: it may change while this is sent
            if (status := self._status(viewer, ended)) != viewer.told:
                viewer.told = status
                await viewer.socket.send_str(status)
            if ended:
                return
            if viewer.ready and viewer.picture != self._newest.number:
                viewer.ready = False
                viewer.picture, data = self._newest.encoded()
                await viewer.socket.send_bytes(data)

    async def _receive(self, viewer: _Viewer) -> None:
        async for said in viewer.socket:
            message = read(said.data) if said.type is WSMsgType.TEXT else None
            if message is not None:
                self._take(viewer, message)

    def _take(self, viewer: _Viewer, message: Message) -> None:
        turns, before = self._turns, self._turns.holder
        if viewer.number == before:
            self.heard_s = time.monotonic()
        match message:
            case Drawn():
                viewer.ready = True
                viewer.bell.set()
            case Ask():
                turns.ask(viewer.number)
                self._loop.call_later(ANSWER_S, self._pass_time)
            case Answer(give):
                turns.answer(viewer.number, give=give)
            case Key() | Point() | LetGo() if viewer.number == before:
                self._put(message)
            case Awake() | Key() | Point() | LetGo():
                return
        if turns.holder != before:
            self.inbox.append(LetGo())
        if isinstance(message, Ask | Answer):
            self._ring()

    def _put(self, message: Told) -> None:
        """Hand it to the main thread; where that has not looked for long, nothing is held."""
        if len(self.inbox) >= MOST_WAITING:
            self.inbox.clear()
            message = LetGo()
        self.inbox.append(message)

    def _pass_time(self) -> None:
        before = self._turns.holder
        self._turns.pass_time()
        if self._turns.holder != before:
            self.inbox.append(LetGo())
            self._ring()

    def _status(self, viewer: _Viewer, ended: bool) -> str:
        turns = self._turns
        status = {
            "you": viewer.number,
            "holder": turns.holder,
            "asker": turns.asker,
            "viewers": len(turns),
            "keys": KEYS,
            "ended": ended,
        }
        return json.dumps(status)
