"""Steps for somebody who may be slower than the drive."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue

from carla_saliency.core import DriveStep
from carla_saliency.record.extras import Extras

_Item = tuple[DriveStep, Extras]


class Newest:
    """Hands steps over in a thread of its own: always the newest one, never a queue of them.

    A step that nobody had time for is left out; its events are told with the one that follows.

    Args:
        name: Of the thread.
        take: Is given a step, in the thread.
        fail: Is told one line the first time that this raises; the next steps are handed over.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[DriveStep, Extras], None],
        fail: Callable[[str], None],
    ) -> None:
        self._name, self._take, self._fail = name, take, fail
        self._failed = False
        self._box: deque[_Item] = deque(maxlen=1)
        # A `SimpleQueue` has no lock that a signal handler which raises could leave locked.
        self._bell: SimpleQueue[bool] = SimpleQueue()  # False: the end
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def add(self, step: DriveStep, extras: Extras) -> None:
        """Replace the step that waits; returns at once.

        Args:
            step: Its pictures must not be changed afterwards.
            extras: What is known of the tick beside it.
        """
        try:
            older, _ = self._box.pop()
        except IndexError:
            pass
        else:
            step = _with_events_of(older, step)
        self._box.append((step, extras))
        self._bell.put(True)

    def close(self, timeout_s: float | None = None) -> bool:
        """Hand over what waits and end the thread; return whether it ended in time."""
        self._bell.put(False)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while self._bell.get():
            try:
                step, extras = self._box.pop()
            except IndexError:  # was replaced by one that is gone already
                continue
            try:
                self._take(step, extras)
            except BaseException as error:  # noqa: BLE001 - told; a viewer must not freeze silently
                self._tell(step, error)

    def _tell(self, step: DriveStep, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            frame = step.observation.frame.frame_id
            with suppress(OSError, ValueError):  # there may be nobody to tell
                self._fail(f"the stream to {self._name} left out frame {frame}: {error!r}")


def _with_events_of(older: DriveStep, step: DriveStep) -> DriveStep:
    told, found = older.observation.events, older.findings.events
    if not told and not found:
        return step
    seen, findings = step.observation, step.findings
    return replace(
        step,
        observation=replace(seen, events=(*told, *seen.events)),
        findings=replace(findings, events=(*found, *findings.events)),
    )
