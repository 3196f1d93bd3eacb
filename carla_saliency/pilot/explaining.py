"""Explains the frames of a drive: each one in its tick, or every n-th in a thread of its own.

Steering never waits for a map. A method that does not fit into a tick is computed by one worker,
one frame at a time; meanwhile the map that is shown is of an older frame, and says so. In a drive
that nobody watches, every n-th frame is waited for, so that the same drive gives the same maps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from carla_saliency.core import Explainer, Explanation, Frame
from carla_saliency.errors import BadInputError

ENDINGS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Beside:
    """What a second network says to the same frame.

    Attributes:
        steering: Its own output for this frame.
        explanation: Of the same frame as the first one's; None without one.
    """

    steering: float
    explanation: Explanation | None


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of the network after one frame.

    Attributes:
        steering: The network's own output for this frame.
        explanation: The newest one; None if none is finished yet.
        explained: The frame that it is of, if that is an older one.
        every: How many frames it is from one explained frame to the next.
        beside: What the second network says; None without one.
    """

    steering: float
    explanation: Explanation | None
    explained: Frame | None = None
    every: int = 1
    beside: Beside | None = None


@dataclass(frozen=True, slots=True)
class _Maps:
    """Of one frame, of both networks."""

    frame: Frame
    explanation: Explanation
    beside: Explanation | None


@dataclass(frozen=True, slots=True)
class _Job:
    turn: int  # how often the method had been changed when it began
    future: Future[_Maps]


class Explaining:
    """Asks the chosen saliency method about every frame, or about as many as it can do.

    Args:
        explainers: The methods by name.
        every: Slow methods explain every n-th frame; None = as many as fit, measured.
        waits: An explanation is waited for before the next is begun, so that which frame shows
            which map does not depend on the machine; n is then fixed after the first one.
        tick_s: How long a tick should take.
        say: Is told one line when n was measured.
        clock: Seconds.
        beside: The methods of a second network that looks on. Its map is made together with the
            first one's, so that both are always of one frame.
        measured: n of methods for which it is known already.
    """

    def __init__(
        self,
        explainers: Mapping[str, Explainer],
        every: int | None = None,
        waits: bool = False,
        tick_s: float = 0.05,
        say: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
        beside: Mapping[str, Explainer] | None = None,
        measured: Mapping[str, int] | None = None,
    ) -> None:
        self._explainers, self._others = explainers, beside
        self._wanted_every, self._waits = every, waits
        self._tick_s, self._say, self._clock = tick_s, say, clock
        self._measured = dict(measured or {})
        self._pool: ThreadPoolExecutor | None = None
        self._job: _Job | None = None
        self._newest: _Maps | None = None
        self._asked: tuple[Explainer | None, Explainer | None] = (None, None)
        self._turn = 0
        self._since = 0  # frames since the last job began
        self._spacing = 1

    def look(self, method: str, frame: Frame) -> Look:
        """Return the steering for this frame, and the newest map.

        Args:
            method: Name of the saliency method; after a change, older maps of another are dropped.
            frame: The newest one.

        Raises:
            BadInputError: If the network answers NaN or infinity, or can't be explained so.
        """
        explainer, other = self._explainers[method], self._other(method)
        if (explainer, other) != self._asked:
            self._asked, self._newest, self._since = (explainer, other), None, 0
            self._turn += 1
        if not explainer.slow and (self._wanted_every or 1) == 1:
            explanation = explainer.explain(frame)
            seen_by_other = None if other is None else other.explain(frame)
            return Look(
                explanation.steering,
                explanation,
                beside=self._beside(method, frame, seen_by_other),
            )
        return self._look_slowly(method, frame, explainer, other)

    def swap(self) -> None:
        """Let the second network be the first one; does nothing without one."""
        if self._others is not None:
            self._explainers, self._others = self._others, self._explainers

    def forget(self) -> None:
        """Begin anew: the next frame follows no other, and older maps are of another moment."""
        self._asked = None, None

    def _look_slowly(
        self, method: str, frame: Frame, explainer: Explainer, other: Explainer | None
    ) -> Look:
        seen = explainer.look(frame)
        steering = explainer.steer(seen)
        if not math.isfinite(steering):
            raise BadInputError(
                f"the network answers NaN or infinity for frame {frame.frame_id}: its weights or "
                "its contract's scale are wrong: give another --model"
            )
        every = self._every(explainer, method, frame)
        self._collect(method)
        due = self._since == 0 or self._since >= every
        if self._job is None and due:
            by_other = None if other is None else other.look(frame)

            def explain() -> _Maps:
                beside = None
                if other is not None and by_other is not None:
                    beside = other.explain_seen(by_other)
                return _Maps(frame, explainer.explain_seen(seen), beside)

            self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="explaining")
            self._job = _Job(self._turn, self._pool.submit(explain))
            self._spacing, self._since = max(self._since, 1), 0
        self._since += 1
        every = max(every, self._spacing)
        newest = self._newest
        beside = self._beside(method, frame, None if newest is None else newest.beside)
        if newest is None:
            return Look(steering, None, every=every, beside=beside)
        return Look(steering, newest.explanation, newest.frame, every, beside)

    def _other(self, method: str) -> Explainer | None:
        """Return the second network's method, if there is one that can explain it."""
        if self._others is None:
            return None
        with suppress(BadInputError):  # it needs layers or a gradient that are not there
            return self._others[method]
        return None

    def _beside(self, method: str, frame: Frame, explanation: Explanation | None) -> Beside | None:
        if self._others is None:
            return None
        if explanation is not None and explanation.frame_id == frame.frame_id:
            return Beside(explanation.steering, explanation)
        asked = self._who_answers(self._others, method)
        return Beside(asked.steer(asked.look(frame)), explanation)

    @staticmethod
    def _who_answers(others: Mapping[str, Explainer], method: str) -> Explainer:
        """Return the method, or any other that a network has: all know its steering."""
        for name in (method, *others):
            with suppress(BadInputError):
                return others[name]
        return others[method]

    def close(self) -> None:
        """End the worker, after what it is doing."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._job = None

    def _every(self, explainer: Explainer, method: str, frame: Frame) -> int:
        """Return n; where maps are waited for, it is measured once, on a frame that is not kept."""
        if self._wanted_every is not None:
            return self._wanted_every
        if not self._waits:
            return 1  # as soon as the worker is free
        if method not in self._measured:
            seen = explainer.look(frame)
            explainer.explain_seen(seen)  # the first compiles
            begin_s = self._clock()
            explainer.explain_seen(seen)
            took_s = self._clock() - begin_s
            every = max(1, math.ceil(took_s / self._tick_s))
            self._measured[method] = every
            self._say(
                f"{method} takes {took_s * 1000:.0f} ms: a map of every {ordinal(every)} frame "
                f"(--every {every} does the same again)"
            )
        return self._measured[method]

    def _collect(self, method: str) -> None:
        """Take the finished explanation; wait for it where the next one is due."""
        if self._job is None:
            return
        job = self._job
        every = self._wanted_every or self._measured.get(method, 1)
        must_wait = self._waits and self._since >= every
        if job.turn != self._turn:  # of no use any more, but steering does not wait for its end
            self._job = None if job.future.done() or job.future.cancel() else job
        elif must_wait or (job.future.done() and not self._waits):
            self._newest = job.future.result()
            self._job = None


def ordinal(number: int) -> str:
    """Return "2nd" for 2."""
    if number % 100 not in (11, 12, 13):
        return f"{number}{ENDINGS.get(number % 10, 'th')}"
    return f"{number}th"
