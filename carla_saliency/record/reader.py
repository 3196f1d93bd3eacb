"""Gives the steps of a recorded drive back."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from google.protobuf.message import DecodeError

from carla_saliency.core import DriveStep, Event, Frame
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.record.decode import (
    Parts,
    event_from,
    extras_from,
    frame_from,
    numbers_from,
    step_from,
)
from carla_saliency.record.extras import Extras
from carla_saliency.record.facts import Facts
from carla_saliency.record.format import FILE_NAME
from carla_saliency.record.stored import ChunkPlace, DamagedError, Stored

_T = TypeVar("_T")
DECODERS, AHEAD = 2, 4  # decoding pictures takes most of the time, and leaves Python alone
KEPT_FRAMES = 8  # decoded; a slow method's map is of the same older frame for many steps


def is_record(path: Path) -> bool:
    """Return whether there is a record in a folder, finished or not."""
    return (path / FILE_NAME).is_file()


class Record:
    """A finished record; to be used as a context manager, or closed. Threads may share it.

    What comes back is what was written, but for these: maps have 16 bits; `view` is None; with
    `facts.frames` "network" pictures are on the network's grid and there are no tags; `explained`
    is the camera's frame of that number, without masks, and has no tags where it is from before
    the record.

    Args:
        folder: That a drive was kept in.

    Attributes:
        folder: The same.
        facts: Of the drive as a whole.
        times_s: Simulated seconds of each step, float64 (N,).
        frame_ids: Of each step, int64 (N,).
        events: (index of the step in which it was told, event), in order.

    Raises:
        BadInputError: If there is no record, or it was not finished.
    """

    def __init__(self, folder: Path) -> None:
        if not is_record(folder):
            raise BadInputError(
                f"no record in {folder}: expected {FILE_NAME} there; "
                "a drive is kept with drive --record DIR"
            )
        self.folder = folder
        self._stored = Stored(folder)
        self.facts: Facts = self._stored.facts
        self._chunks: list[ChunkPlace] = self._stored.chunks
        contents = [chunk.contents for chunk in self._chunks]
        self.frame_ids = np.array([n for one in contents for n in one.frame_ids], np.int64)
        self.times_s = np.array([s for one in contents for s in one.sim_s], np.float64)
        counts = [len(one.frame_ids) for one in contents]
        self._ends = np.cumsum(counts, dtype=np.int64)
        self.events: tuple[tuple[int, Event], ...] = tuple(
            (int(end) - count + event.step, event_from(event))
            for one, end, count in zip(contents, self._ends, counts, strict=True)
            for event in one.events
        )
        self._lock = threading.RLock()
        self._open: tuple[int, Sequence[Parts]] = (-1, [])  # the chunk that was read last
        self._frames: OrderedDict[int, Frame] = OrderedDict()

    def __len__(self) -> int:
        return len(self.frame_ids)

    def at(self, index: int) -> DriveStep:
        """Return one step; negative indexes count from the end.

        Raises:
            IndexError: If there is none.
            CarlaSaliencyError: If the file is damaged there.
        """
        index = self._checked(index)
        with self._lock:
            return self._step(index, self._parts(index), self._frame(index))

    def steps(self, start: int = 0, stop: int | None = None) -> Iterator[DriveStep]:
        """Yield the steps from `start` to before `stop` (None = the end), in order.

        Raises:
            CarlaSaliencyError: If the file is damaged there.
        """
        ahead: deque[Future[tuple[int, Parts, Frame]]] = deque()
        with ThreadPoolExecutor(DECODERS, "pictures") as pool:
            for index in range(*slice(start, stop).indices(len(self))):
                ahead.append(pool.submit(self._look_ahead, index))
                if len(ahead) > AHEAD:
                    yield self._with(*ahead.popleft().result())
            while ahead:
                yield self._with(*ahead.popleft().result())

    def extras(self, index: int) -> Extras:
        """Return what was known of a tick beside its step.

        Raises:
            IndexError: If there is none.
            CarlaSaliencyError: If the file is damaged there.
        """
        index = self._checked(index)
        with self._lock:
            parts = self._parts(index)
            return self._decoded(index, lambda: extras_from(parts))

    def without_pictures(self, index: int) -> DriveStep:
        """Return a step without pictures and maps: much faster than `at`.

        Its frame is 0 x 0 without tags, `explained`, `masked` and the explanations are None.

        Raises:
            IndexError: If there is none.
            CarlaSaliencyError: If the file is damaged there.
        """
        index = self._checked(index)
        with self._lock:
            parts = self._parts(index)
            return self._decoded(index, lambda: numbers_from(parts))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._stored.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -------------------------------------------------------------- inside

    def _checked(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"the record has {len(self)} steps, received index {index}")
        return index % len(self)

    def _parts(self, index: int) -> Parts:
        """Return the messages of a step."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        if self._open[0] != number:
            try:
                self._open = number, self._stored.read(self._chunks[number])
            except DamagedError as error:
                raise self._damaged(index, error) from error
        first = int(self._ends[number - 1]) if number else 0
        return self._open[1][index - first]

    def _look_ahead(self, index: int) -> tuple[int, Parts, Frame]:
        with self._lock:
            parts, frame = self._parts(index), self._frames.get(index)
        return index, parts, frame or self._decoded(index, lambda: frame_from(parts))

    def _with(self, index: int, parts: Parts, frame: Frame) -> DriveStep:
        with self._lock:
            return self._step(index, parts, self._frames.get(index) or self._keep(index, frame))

    def _step(self, index: int, parts: Parts, frame: Frame) -> DriveStep:
        def frame_of(number: int) -> Frame:
            return self._frame_of(number, index)

        return self._decoded(index, lambda: step_from(parts, frame, frame_of))

    def _decoded(self, index: int, decode: Callable[[], _T]) -> _T:
        try:
            return decode()
        except (DecodeError, ValueError, KeyError, AttributeError) as error:
            raise self._damaged(index, error) from error

    def _frame(self, index: int) -> Frame:
        if index not in self._frames:
            parts = self._parts(index)
            return self._keep(index, self._decoded(index, lambda: frame_from(parts)))
        self._frames.move_to_end(index)
        return self._frames[index]

    def _keep(self, index: int, frame: Frame) -> Frame:
        self._frames[index] = frame
        if len(self._frames) > KEPT_FRAMES:
            self._frames.popitem(last=False)
        return frame

    def _frame_of(self, frame_id: int, before: int) -> Frame:
        """Return the newest frame of a number up to an index."""
        found = np.flatnonzero(self.frame_ids[: before + 1] == frame_id)
        if not len(found):
            raise LookupError(f"frame {frame_id} is not there")
        return self._frame(int(found[-1]))

    def _damaged(self, index: int, error: Exception) -> CarlaSaliencyError:
        return CarlaSaliencyError(
            f"{self.folder / FILE_NAME} is damaged at step {index}, frame "
            f"{self.frame_ids[index]} ({error}); the steps before and after may be whole"
        )
