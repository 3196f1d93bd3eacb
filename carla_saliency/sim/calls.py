"""One thread that makes every call to the simulator, and what the others see while it does."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any

WAKE_S = 0.05  # a window that is pumped this often stays alive
IDLE_S = 0.2  # how soon the thread notices that its creator has died

Job = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the main thread is waiting for; for a window that must not freeze meanwhile.

    Attributes:
        what: For example "connecting" or "the next frame".
        server: "host:port".
        waited_s: Since the request.
        limit_s: When the server counts as lost.
    """

    what: str
    server: str
    waited_s: float
    limit_s: float


class CallThread:
    """Runs one job at a time, in order, in a thread of its own.

    The client library blocks inside C++ for up to its time-out. A caller of `wait` doesn't: it
    wakes every 50 ms. There is room for one job and one result.

    The thread isn't a daemon, and runs `last` when its creator has ended without `leave`: whatever
    ends the main thread, the server is put back.

    Args:
        last: Runs in the thread after the last job.
    """

    def __init__(self, last: Callable[[], None]) -> None:
        self._last = last
        self._requests: Queue[tuple[Job, Future[Any]] | None] = Queue(maxsize=1)
        self._result: Future[Any] | None = None
        self._leaving = threading.Event()
        self._left: Future[None] = Future()
        self._creator = threading.current_thread()
        self._thread = threading.Thread(target=self._run, name="carla calls")
        self._thread.start()

    def post(self, job: Job) -> None:
        """Hand over a job and return at once.

        Raises:
            RuntimeError: If the result of the job before was not waited for.
        """
        if self._result is not None:
            raise RuntimeError("the result of the last request must be received first")
        self._result = Future()
        self._requests.put((job, self._result))

    def wait(self, on_wake: Callable[[float], None]) -> Any:
        """Return the result of the job that was posted last, or raise what it raised.

        Args:
            on_wake: Called every 50 ms with the seconds waited so far.

        Raises:
            RuntimeError: If no job was posted.
        """
        if self._result is None:
            raise RuntimeError("nothing was requested")
        start_s = time.monotonic()
        while not wait([self._result], timeout=WAKE_S).done:
            on_wake(time.monotonic() - start_s)
        result, self._result = self._result, None
        return result.result()

    def leave(self) -> BaseException | None:
        """Let the job in hand finish, run `last`, end the thread; return what `last` raised."""
        self._leaving.set()
        with suppress(Full):  # full: the thread is awake anyway
            self._requests.put_nowait(None)
        self._thread.join()
        return self._left.exception()

    def _run(self) -> None:
        while (request := self._next()) is not None:
            _fulfil(*request)
            del request  # while idle nothing of the simulator may hang on this frame
        _fulfil(self._last, self._left)

    def _next(self) -> tuple[Job, Future[Any]] | None:
        while self._creator.is_alive():
            with suppress(Empty):
                request = self._requests.get(timeout=IDLE_S)
                return None if self._leaving.is_set() else request
        return None


def _fulfil(job: Job, future: Future[Any]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 - carried to the thread that waits for it
        _forget_locals(error)
        future.set_exception(error)


def _forget_locals(error: BaseException) -> None:
    """The frames of a traceback hold the simulator's objects, which must die in this thread."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


@contextmanager
def held_signals() -> Iterator[list[int]]:
    """Until the end of the block SIGINT and SIGTERM are only noted down, in the list given.

    Outside the main thread, which alone gets signals, this does nothing.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    before = {
        number: signal.signal(number, lambda received, _frame: held.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
