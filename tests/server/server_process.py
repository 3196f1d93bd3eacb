"""A server process with stand-in scenery and renderer, for tests that talk to it over TCP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAND_IN = Path(__file__).with_name("stand_in_server.py")


class ServerProcess:
    """A running server.

    Args:
        process: With pipes as stdin and stdout.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()
        self.port = int(self.line.split(",")[0].rsplit(":", 1)[1])

    def end(self) -> int:
        """Close its stdin; return its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)


@contextmanager
def running_server(map_name: str) -> Iterator[ServerProcess]:
    command = [sys.executable, str(STAND_IN), "0", map_name, "--end-with-stdin"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield ServerProcess(process)
        finally:
            process.kill()
