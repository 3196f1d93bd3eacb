"""The thread that writes clips."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread

from carla_saliency.output.clip_folder import ClipFolder, Written
from carla_saliency.output.past import KeptStep
from carla_saliency.output.video import Excerpt

_Job = tuple[Callable[[], None], Callable[[], None]]  # in the thread; afterwards, by `hear`


class ClipWriter:
    """Writes clips in the order in which it is told to, and leaves word for the one who drives.

    Whatever is given as `then` is called by `hear`, in the caller's thread, when it is done.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._written = Written()
        self._thread: Thread | None = None  # begins with the first job
        self._hurry = False

    def add(self, folder: ClipFolder, kept: KeptStep, then: Callable[[], None]) -> None:
        """Write the frame of one step."""
        self._begin((partial(self._add, folder, kept), then))

    def finish(self, folder: ClipFolder, excerpt: Excerpt | None, then: Callable[[], None]) -> None:
        """Write what completes a clip."""
        self._begin((partial(folder.finish, excerpt), then))

    def remove(self, folder: ClipFolder) -> None:
        """Delete a clip that was given up."""
        self._begin((folder.remove, lambda: None))

    def hear(self) -> None:
        """Call what was to be called after all that is done by now."""
        while not self._done.empty():
            self._done.get()()

    def close(self) -> None:
        """Do what is left, wait for it, and `hear`."""
        self._hurry = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        self.hear()

    # -------------------------------------------------------------- inside

    def _begin(self, job: _Job) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._work, name="clips", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            do, then = job
            do()
            self._done.put(then)

    def _add(self, folder: ClipFolder, kept: KeptStep) -> None:
        began_s = time.perf_counter()
        folder.add(kept, self._written)
        if not self._hurry:  # the drive may need both cores: take at most half of one
            time.sleep(time.perf_counter() - began_s)
