"""Starts the embedded CARLA server as a process of its own, and ends it."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from carla_saliency.errors import BadInputError, SimulatorError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
WAKE_S = 0.05
READY = re.compile(r"listening on ([\d.]+):(\d+), map (.+), seed \d+")


class EmbeddedServer:
    """A CARLA server that lives as long as its `with` block, and never longer than this process.

    The server ends when its standard input does, so a kill -9 of this process ends it too.

    Args:
        map_name: NAME of a shipped map or FILE.xodr; None = the server's default.
        seed: Look of the road.
        on_wait: Called every 50 ms with the seconds waited while the server starts.

    Raises:
        BadInputError: On entering, if the map can't be used.
        SimulatorError: On entering, if the server does not start; on leaving because of one, if
            the server had ended by itself: with the reason that it gave.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        map_name: str | None,
        seed: int,
        on_wait: Callable[[float], None] = lambda waited_s: None,
    ) -> None:
        self._on_wait = on_wait
        self._arguments = ["--port", "0", "--seed", str(seed), "--end-with-stdin"]
        if map_name is not None:
            self._arguments += ["--map", map_name]
        self._process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by _stop
        self.port = 0
        self.map_name = ""

    def __enter__(self) -> EmbeddedServer:
        # A session of its own: Ctrl-C must reach the client first, which still needs the server.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "carla_saliency.server", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,  # a file, since a full pipe would block the server
            text=True,
            start_new_session=True,
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        code = None if self._process is None else self._process.poll()
        if code is not None and isinstance(error, SimulatorError):
            reason = self._last_words(code)
            self._stop()
            raise SimulatorError(f"the embedded server ended in mid-drive: {reason}") from error
        self._stop()

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise SimulatorError("the embedded server is not running: enter its `with` block first")
        return self._process.pid

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            raise SimulatorError("the embedded server has no output to read")
        start_s = time.monotonic()
        while not select.select([process.stdout], [], [], WAKE_S)[0]:
            waited_s = time.monotonic() - start_s
            if waited_s > START_TIMEOUT_S:
                raise SimulatorError(
                    f"the embedded server was not ready after {START_TIMEOUT_S:g} s: "
                    "look whether the machine is busy, and try again"
                )
            self._on_wait(waited_s)
        match = READY.match(process.stdout.readline())
        if match:
            self.port, self.map_name = int(match[2]), match[3]
            return
        code = process.wait(STOP_TIMEOUT_S)
        if code == 2:
            raise BadInputError(self._last_words(code))
        raise SimulatorError(f"the embedded server did not start: {self._last_words(code)}")

    def _last_words(self, code: int) -> str:
        self._log.seek(0)
        said = self._log.read().strip().splitlines()
        return (
            said[-1].removeprefix("carla-saliency: ")
            if said
            else f"it ended with exit code {code} and said nothing"
        )

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._log.close()
        if process.stdin is not None:
            process.stdin.close()
        try:
            self._wait_for_end(process)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _wait_for_end(self, process: subprocess.Popen[str]) -> None:
        """Wait for as long as a server may take to end; a window stays awake meanwhile."""
        start_s = time.monotonic()
        while (waited_s := time.monotonic() - start_s) < STOP_TIMEOUT_S:
            with suppress(subprocess.TimeoutExpired):
                process.wait(WAKE_S)
                return
            self._on_wait(waited_s)
