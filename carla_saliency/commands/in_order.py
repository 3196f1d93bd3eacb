"""Work on one thing after the other in several threads; the results keep the order."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Simple queues only: unlike others they have no lock that a signal handler which raises in the main
# thread could leave locked.
Slot = SimpleQueue[tuple[Result | None, BaseException | None]]


def in_order(
    items: Generator[Item, None, None], work: Callable[[Item], Result], threads: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield the result for each item, in their order, while the next ones are worked on.

    The items come from a thread of their own, which never gets further than `ahead` results: there
    are no more in memory. What an item or its work raises is raised here in its place, and ends it.
    Whoever does not want all results must close this generator: that ends the threads.

    Args:
        items: Are made in one thread.
        work: Is called in the others.
        threads: How many.
        ahead: So many results may wait.
    """
    line = _Line(items, work, threads, ahead)
    try:
        line.start()
        while (slot := line.slots.get()) is not None:
            result, error = slot.get()
            if error is not None:
                raise error
            line.room.put(None)
            yield result  # type: ignore[misc]  # without an error there is one
    finally:
        line.end()


class _Line(Generic[Item, Result]):
    """The threads.

    Attributes:
        slots: For each item the place of its result; None behind the last.
        room: A token for each item that may be made.
    """

    def __init__(
        self,
        items: Generator[Item, None, None],
        work: Callable[[Item], Result],
        threads: int,
        ahead: int,
    ) -> None:
        self._items, self._work = items, work
        self._todo: SimpleQueue[tuple[Item, Slot[Result]] | None] = SimpleQueue()
        self.slots: SimpleQueue[Slot[Result] | None] = SimpleQueue()
        self.room: SimpleQueue[None] = SimpleQueue()
        for _ in range(ahead):
            self.room.put(None)
        self._ended = False
        self._reader = Thread(target=self._read, name="read", daemon=True)
        self._workers = [
            Thread(target=self._do, name=f"map {i}", daemon=True) for i in range(threads)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in (self._reader, *self._workers):
            thread.start()

    def end(self) -> None:
        """End the threads, and wait for them."""
        self._ended = True
        self.room.put(None)
        for thread in (self._reader, *self._workers):
            if thread.ident is not None:
                thread.join()

    def _read(self) -> None:
        try:
            with closing(self._items):  # a file that it reads is closed in this thread
                for item in self._items:
                    self.room.get()
                    if self._ended:
                        break
                    slot: Slot[Result] = SimpleQueue()
                    self.slots.put(slot)
                    self._todo.put((item, slot))
        except BaseException as error:  # noqa: BLE001 - carried to whoever wants the results
            failed: Slot[Result] = SimpleQueue()
            failed.put((None, error))
            self.slots.put(failed)
        finally:
            self.slots.put(None)
            for _ in self._workers:
                self._todo.put(None)

    def _do(self) -> None:
        while (job := self._todo.get()) is not None:
            item, slot = job
            if self._ended:
                continue
            try:
                slot.put((self._work(item), None))
            except BaseException as error:  # noqa: BLE001 - carried to whoever wants the results
                slot.put((None, error))
