"""A drive as it goes on, in Rerun's viewer."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from carla_saliency.core import DriveStep, Image
from carla_saliency.errors import BadInputError
from carla_saliency.live.newest import Newest
from carla_saliency.record.extras import NO_EXTRAS, Extras

MapPicture = Callable[[DriveStep, Extras], Image | None]
LOCAL = "127.0.0.1"
DATA_PORT, PAGE_PORT = 9876, 9090  # Rerun's own habits
MEMORY = "2GB"  # what the viewer keeps; then it forgets the oldest steps
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
PATIENCE_S = 2.0  # for a viewer that does not take the last step


class RerunStream:
    """Shows a drive in a viewer that it starts: in a window, else on a page of this computer.

    The viewer is given steps through a pipe, in a thread of its own: always the newest one, so that
    it never slows the drive. Its window stays when the drive is over; its page does not.

    Args:
        title: Of the drive.
        display: Whether there is one; without, a page is served.
        map_picture: Draws the map in colours over what the network was given, RGB, uint8 (h, w, 3);
            is asked in the stream's thread.
        say: Is told where to look.
        fail: Is told one line if the viewer has gone; the drive goes on.

    Attributes:
        page: Its address; None with a window.

    Raises:
        BadInputError: If Rerun is not installed.
    """

    def __init__(
        self,
        title: str,
        display: bool,
        map_picture: MapPicture,
        say: Callable[[str], None],
        fail: Callable[[str], None],
    ) -> None:
        from carla_saliency import rerun_log  # an extra, as is what follows

        import rerun as rr  # isort: skip

        self._rerun_log, self._map_picture, self._fail = rerun_log, map_picture, fail
        self._gone = False
        self._recording = rerun_log.open_recording(title)
        self._bytes = rr.binary_stream(self._recording)
        self._recording.send_blueprint(rerun_log.blueprint())
        self.page: str | None = None
        command = _window()
        if not display:
            self.page, command = _page()
        self._viewer = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C ends the drive, not the viewer
            preexec_fn=None if self.page is None else _end_with_us(),
        )
        self._newest: Newest | None = Newest("Rerun", self._send, fail)
        say("Rerun: its viewer opens" if self.page is None else f"Rerun: open {self.page}")

    def add(self, step: DriveStep, extras: Extras = NO_EXTRAS) -> None:
        """Show one step, unless a newer one comes first; returns at once.

        Args:
            step: Its pictures must not be changed afterwards.
            extras: What is known of the tick beside it.
        """
        if self._newest is not None and not self._gone:
            self._newest.add(step, extras)

    def close(self) -> None:
        """Hand over the last step; end the page, leave the window open."""
        if self._newest is None:
            return
        ended = self._newest.close(PATIENCE_S)
        if self.page is not None:
            self._gone = True  # by us: that is not worth a word
            self._viewer.kill()
            self._viewer.wait()
            ended = self._newest.close()  # a write that hung has failed now
        if ended and self._viewer.stdin is not None:
            with suppress(BrokenPipeError):
                self._viewer.stdin.close()
        self._newest = None
        self._recording.disconnect()

    # -------------------------------------------------------------- inside

    def _send(self, step: DriveStep, extras: Extras) -> None:
        pipe = self._viewer.stdin
        if self._gone or pipe is None:
            return
        picture = self._map_picture(step, extras)
        self._rerun_log.log_step(self._recording, step, picture)
        try:
            pipe.write(self._bytes.read() or b"")
            pipe.flush()
        except BrokenPipeError:
            self._gone = True
            if self._newest is not None:
                self._fail("--rerun: Rerun's viewer has gone; the drive goes on without it")


def _end_with_us() -> Callable[[], object] | None:
    """Return what makes a new process end with this one, also by a kill; None if nothing does."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: little may be done between fork and exec
    return partial(prctl, _DEATH_SIGNAL, signal.SIGKILL)


def _window() -> list[str]:
    return [*_program(), "--port", "auto", "--memory-limit", MEMORY, "--hide-welcome-screen"]


def _page() -> tuple[str, list[str]]:
    data, page = _free_port(DATA_PORT), _free_port(PAGE_PORT)
    source = quote(f"rerun+http://{LOCAL}:{data}/proxy", safe="")
    ports = ["--port", str(data), "--web-viewer-port", str(page)]
    command = [*_program(), "--serve-web", *ports, "--server-memory-limit", MEMORY]
    return f"http://{LOCAL}:{page}/?url={source}", command


def _program() -> list[str]:
    """Return Rerun's own program, which reads from a pipe and listens on this computer only."""
    package = find_spec("rerun_cli")  # comes with the extra
    if package is None or package.origin is None:
        raise BadInputError('Rerun has no viewer here: pip install "carla-saliency[rerun]"')
    name = "rerun.exe" if os.name == "nt" else "rerun"
    return [str(Path(package.origin).with_name(name)), "-", "--bind", LOCAL]


def _free_port(wanted: int) -> int:
    """Return this port, or any other if it is taken."""
    for port in (wanted, 0):
        with socket.socket() as taken, suppress(OSError):
            taken.bind((LOCAL, port))
            return int(taken.getsockname()[1])
    raise AssertionError("no free TCP port")
