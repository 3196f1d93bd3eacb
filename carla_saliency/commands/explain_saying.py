"""What `explain` says on stderr while it works: how far it is, and what is skipped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(text: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal as long as the block takes; hand out what to call after each frame.

    Args:
        text: What is being done.
        total: How many frames there will be, about; None = nobody knows. One needs no bar.
    """
    if not sys.stderr.isatty() or total == 1:
        yield lambda: None
        return
    from carla_saliency.output.progress import progress  # 0.15 s that a pipe need not wait for

    with progress(text, total) as advance:
        yield advance


class Skipped:
    """What could not be used: each is named once, at once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    @property
    def count(self) -> int:
        """Return how many were named."""
        return len(self._said)

    @property
    def summary(self) -> str:
        """Return the line for the end."""
        return f"{self.count} broken input{'s were' if self.count > 1 else ' was'} skipped"

    def add(self, text: str) -> None:
        """Name what is skipped, with the reason; both passes come across it."""
        if text not in self._said:
            self._said.add(text)
            sys.stderr.write(f"carla-saliency: skipped: {text}\n")
