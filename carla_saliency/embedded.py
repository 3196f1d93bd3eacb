"""Starts the embedded CARLA server as a process of its own, and ends it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import threading
from types import TracebackType

from carla_saliency.errors import BadInputError, SimulatorError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
READY = re.compile(r"listening on ([\d.]+):(\d+), map (.+), seed \d+")


class EmbeddedServer:
    """A CARLA server that lives as long as its `with` block, and never longer than this process.

    The server ends when its standard input does, so a kill -9 of this process ends it too.

    Args:
        map_name: NAME of a shipped map or FILE.xodr; None = the server's default.
        seed: Look of the road.

    Raises:
        BadInputError: On entering, if the map can't be used.
        SimulatorError: On entering, if the server does not start.
    """

    host = "127.0.0.1"

    def __init__(self, map_name: str | None, seed: int) -> None:
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
        killer = threading.Timer(START_TIMEOUT_S, process.kill)
        killer.start()
        try:
            line = process.stdout.readline()
        finally:
            killer.cancel()
        match = READY.match(line)
        if match:
            self.port, self.map_name = int(match[2]), match[3]
            return
        code = process.wait(STOP_TIMEOUT_S)
        self._log.seek(0)
        said = self._log.read().strip().splitlines()
        reason = said[-1] if said else f"it ended with exit code {code} and said nothing"
        if code == 2:
            raise BadInputError(reason)
        raise SimulatorError(f"the embedded server did not start: {reason}")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._log.close()
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
