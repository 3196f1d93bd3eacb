"""One thread that makes every call to the simulator, and what the others see while it does."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
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


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class CallThread:
    """Runs one job at a time, in order, in a thread of its own.

    The client library blocks inside C++ for up to its time-out. A caller of `wait` doesn't: it
    wakes every 50 ms. There is one job at a time, and its result is waited for before the next.

    The thread isn't a daemon, and runs `last` when its creator has ended without `leave`: whatever
    ends the main thread, the server is put back. Between the two threads there are only queues that
    work in C. A signal handler that raises in the middle of a `queue.Queue`, an `Event` or a
    `Future` leaves its lock locked for ever, and the other thread with it.

    Making and leaving it, during which no signal handler may raise, is up to the caller.

    Args:
        last: Runs in the thread after the last job.
    """

    def __init__(self, last: Callable[[], None]) -> None:
        self._last = last
        self._requests: SimpleQueue[Job | None] = SimpleQueue()
        self._outcomes: SimpleQueue[_Outcome] = SimpleQueue()
        self._asked = False
        self._leaving = False
        self._end = _Outcome()
        self._creator = threading.current_thread()
        self._thread = threading.Thread(target=self._run, name="carla calls")
        self._thread.start()

    def post(self, job: Job) -> None:
        """Hand over a job and return at once.

        Raises:
            RuntimeError: If the result of the job before was not waited for.
        """
        if self._asked:
            raise RuntimeError("the result of the last request must be received first")
        self._asked = True
        self._requests.put(job)

    def wait(self, on_wake: Callable[[float], None]) -> Any:
        """Return the result of the job that was posted last, or raise what it raised.

        Args:
            on_wake: Called every 50 ms with the seconds waited so far.

        Raises:
            RuntimeError: If no job was posted.
        """
        if not self._asked:
            raise RuntimeError("nothing was requested")
        start_s = time.monotonic()
        while True:
            try:
                outcome = self._outcomes.get(timeout=WAKE_S)
                break
            except Empty:
                on_wake(time.monotonic() - start_s)
        self._asked = False
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    def leave(
        self, on_wake: Callable[[float], None]
    ) -> tuple[BaseException | None, BaseException | None]:
        """Let the job in hand finish, run `last`, end the thread.

        Args:
            on_wake: Called every 50 ms with the seconds waited so far. What it raises doesn't end
                the leaving; it is not called again then.

        Returns:
            What `last` raised, and what `on_wake` raised.
        """
        self._leaving = True
        self._requests.put(None)
        start_s, woken = time.monotonic(), _Outcome()
        while self._thread.is_alive():
            self._thread.join(WAKE_S)
            waited_s = time.monotonic() - start_s
            if woken.error is None and self._thread.is_alive():
                woken = _outcome_of(partial(on_wake, waited_s))
        return self._end.error, woken.error

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._outcomes.put(_outcome_of(job))
            del job  # while idle nothing of the simulator may hang on this frame
        self._end = _outcome_of(self._last)

    def _next(self) -> Job | None:
        while self._creator.is_alive():
            with suppress(Empty):
                job = self._requests.get(timeout=IDLE_S)
                return None if self._leaving else job
        return None


def _outcome_of(job: Job) -> _Outcome:
    try:
        return _Outcome(value=job())
    except BaseException as error:  # noqa: BLE001 - carried to the thread that waits for it
        _forget_locals(error)
        return _Outcome(error=error)


def _forget_locals(error: BaseException) -> None:
    """The frames of a traceback hold the simulator's objects, which must die in this thread."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
