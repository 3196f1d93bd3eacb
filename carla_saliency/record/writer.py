"""Keeps a drive in a folder, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from carla_saliency.core import DriveStep, Image
from carla_saliency.errors import BadInputError
from carla_saliency.record.chunks import CHUNK_S, Chunks, Disk
from carla_saliency.record.extras import NO_EXTRAS, Extras
from carla_saliency.record.facts import Facts
from carla_saliency.record.format import FILE_NAME

__all__ = ["Extras", "RecordWriter"]

QUEUE_BYTES, QUEUE_STEPS = 32_000_000, 40  # then `write` waits, so that no frame is lost
# Room in the queue is a second queue of tokens: unlike a `Queue`, a `SimpleQueue` has no lock that
# a signal handler which raises in the main thread could leave locked.
_Item = tuple[Callable[[], None], bool] | None  # a job and whether it took room; None = the end


class RecordWriter:
    """Writes `drive.mcap`; to be used as a context manager, or closed.

    A disk that is full or gone ends the record, not the drive: `fail` is told once, and what comes
    later is dropped.

    Args:
        folder: Is made if it is not there.
        facts: Of the drive.
        fail: Is told one line, in the writer's thread; must not raise.
        crop: To the network's grid; to be given if, and only if, `facts.frames` is "network".

    Attributes:
        trouble: What `fail` was told; "" as long as all is well.
        folder: Where it is.
        steps: That were handed in so far.

    Raises:
        BadInputError: If there is a record in the folder already, or nothing can be written there.
        ValueError: If `crop` and `facts.frames` do not agree.
    """

    def __init__(
        self,
        folder: Path,
        facts: Facts,
        fail: Callable[[str], None],
        crop: Callable[[Image], Image] | None = None,
    ) -> None:
        if (crop is not None) != (facts.frames == "network"):
            raise ValueError(f"crop goes with frames 'network', received {facts.frames!r}")
        self.trouble = ""
        self.folder, self.steps = folder, 0
        self._fail = fail
        self._made_folder = not folder.exists()
        self._disk = _new_file(folder)
        try:
            self._chunks = Chunks(self._disk, facts, crop)
        except OSError as error:
            (folder / FILE_NAME).unlink(missing_ok=True)
            raise _no_record(folder, error) from error
        self._items: SimpleQueue[_Item] = SimpleQueue()
        self._room: SimpleQueue[None] | None = None  # as many as fit, known with the first step
        self._closed = False
        self._done: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    def write(self, step: DriveStep, extras: Extras = NO_EXTRAS) -> None:
        """Keep one step; waits while the disk is behind.

        Args:
            step: Its pictures must not be changed afterwards.
            extras: What is known of the tick beside it.

        Raises:
            ValueError: If the record is closed.
        """
        if self._closed:
            raise ValueError("the record is closed: no more steps can be written to it")
        if self.trouble:
            return
        if self._room is None:
            self._room = _room_for(step)
        self._room.get()
        light = replace(step, observation=replace(step.observation, view=None))
        self._items.put((partial(self._chunks.add, light, extras), True))
        self.steps += 1

    def log(self, text: str, sim_s: float | None = None) -> None:
        """Keep one line for people, as of a simulated time (None: of the last step's)."""
        if not self._closed and not self.trouble:
            self._items.put((partial(self._chunks.log, text, sim_s), False))

    def close(self) -> None:
        """Write what is left, and wait for it; `fail` is told if it cannot be.

        A record without a step is removed, and its folder if that was made for it.
        """
        if self._closed:
            return
        self._closed = True
        self._items.put(None)
        try:
            self._done.get()  # a join that a signal breaks off can't be done again
        except BaseException:
            self._done.get()
            raise
        if not self.steps and not self.trouble:
            (self.folder / FILE_NAME).unlink(missing_ok=True)
            if self._made_folder:
                with suppress(OSError):  # something else is in it
                    self.folder.rmdir()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -------------------------------------------------------------- inside

    def _work(self) -> None:
        try:
            self._write_all()
        finally:
            self._done.put(None)

    def _write_all(self) -> None:
        running = True
        while running:
            try:
                item = self._items.get(timeout=CHUNK_S)
            except Empty:
                self._attempt(self._chunks.end_old_chunk)
                continue
            running = item is not None
            job, took_room = item or (self._chunks.finish, False)
            self._attempt(job)
            if took_room and self._room is not None:
                self._room.put(None)
        try:
            self._disk.close()
        except OSError as error:
            self._stop(error)

    def _attempt(self, job: Callable[[], None]) -> None:
        """Do it, unless there was trouble: then only the queue is emptied."""
        if self.trouble:
            return
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - whoever waits for room must go on
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        if not self.trouble:
            why = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
            self.trouble = (
                f"recording stopped: {self.folder / FILE_NAME} could not be written ({why}); "
                "the drive goes on, and what was kept until now can be read after "
                f"carla-saliency repair {self.folder}"
            )
            with suppress(OSError, ValueError):  # where it is told may be on the same full disk
                self._fail(self.trouble)


def _new_file(folder: Path) -> Disk:
    path = folder / FILE_NAME
    if path.exists():
        raise BadInputError(
            f"{path} is there already: a record is never overwritten; "
            "choose another folder, or remove it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Disk(path)
    except OSError as error:
        raise _no_record(folder, error) from error


def _no_record(folder: Path, error: OSError) -> BadInputError:
    return BadInputError(
        f"cannot write a record into {folder} ({error.strerror}); choose another folder"
    )


def _room_for(step: DriveStep) -> SimpleQueue[None]:
    frame = step.observation.frame
    size = frame.image.nbytes + (0 if frame.tags is None else frame.tags.nbytes)
    room: SimpleQueue[None] = SimpleQueue()
    for _ in range(max(2, min(QUEUE_STEPS, QUEUE_BYTES // size))):
        room.put(None)
    return room
