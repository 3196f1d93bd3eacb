"""Answers to questions that take a while: asked one at a time, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from carla_saliency.core import Explanation
from carla_saliency.errors import CarlaSaliencyError

REMEMBERED = 600  # answers: about 40 frames with everything
REMEMBERED_BYTES = 150_000_000  # fewer, where feature maps are large

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Wish:
    """A question: what its answer is remembered as, and how it is asked, in a thread."""

    key: Key
    ask: Callable[[], Any]


class Answers:
    """Asks in a thread of its own, so that nobody waits."""

    def __init__(self) -> None:
        self._answers: dict[Key, Any] = {}
        self._refused: dict[Key, str] = {}
        self._bytes = 0
        self._pool: ThreadPoolExecutor | None = None
        self._asked: tuple[Key, Future[Any]] | None = None

    def __contains__(self, key: Key) -> bool:
        """Return whether it was asked, and answered or refused."""
        return key in self._answers

    def get(self, key: Key) -> Any:
        """Return the answer; None if there is none, or none yet."""
        return self._answers.get(key)

    def trouble(self, key: Key) -> str:
        """Return why a question has no answer, one line; "" if it has one, or none yet."""
        return self._refused.get(key, "")

    @property
    def waits(self) -> bool:
        """Whether something is being asked."""
        return self._asked is not None

    def poll(self, wishes: Callable[[], Iterable[Wish]]) -> bool:
        """Take an answer, and ask for the first wish that has none; never waits.

        Args:
            wishes: Returns them, what matters most first.

        Returns:
            Whether there is a new answer.
        """
        is_new = False
        if self._asked is not None:
            key, future = self._asked
            if not future.done():
                return False
            self._asked, is_new = None, True
            try:
                self.remember(key, future.result())
            except CarlaSaliencyError as error:  # what can't be asked ends no drive
                self.remember(key, None)
                self._refused[key] = str(error)
        for wish in wishes():
            if wish.key not in self._answers:
                self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="inspecting")
                self._asked = wish.key, self._pool.submit(wish.ask)
                break
        return is_new

    def remember(self, key: Key, answer: Any) -> None:
        """Remember an answer, and no more of the oldest ones than there is room for."""
        self._answers[key] = answer
        self._bytes += _bytes_of(answer)
        while len(self._answers) > REMEMBERED or self._bytes > REMEMBERED_BYTES:
            oldest = next(iter(self._answers))
            if oldest == key:  # too large by itself, but it is looked at
                return
            self._bytes -= _bytes_of(self._answers.pop(oldest))
            self._refused.pop(oldest, None)

    def forget(self) -> None:
        """Remember nothing."""
        self._answers.clear()
        self._refused.clear()
        self._bytes = 0

    def close(self) -> None:
        """End the thread, after what it is doing."""
        self.forget()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._asked = None


def _bytes_of(answer: Any) -> int:
    """Return about what an answer takes."""
    array = answer.attribution if isinstance(answer, Explanation) else answer
    return array.nbytes if isinstance(array, np.ndarray) else 0
