"""The last seconds of a drive, to be looked at again while the world stands still."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import dropwhile
from types import TracebackType
from weakref import WeakValueDictionary

import numpy as np

from carla_saliency.core import DriveStep, Explanation, Frame
from carla_saliency.output.lossless import Packed, Packer, Pixels

PAST_S = 20.0
PAST_BYTES = 220_000_000  # with the 30 MB of the recorder's pieces: 250 MB

_NO_PIXELS: Pixels = np.zeros((0, 0, 3), np.uint8)
_REST_BYTES = 4_000  # of a step, without its arrays
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """The pixels of one frame.

    Attributes:
        image: RGB, uint8, (H, W, 3).
        tags: uint8, (H, W); None if the frame has none.
    """

    image: Packed
    tags: Packed | None

    def onto(self, frame: Frame) -> Frame:
        """Return a frame with these pixels."""
        tags = None if self.tags is None else self.tags.pixels()
        return replace(frame, image=self.image.pixels(), tags=tags)


@dataclass(frozen=True, slots=True, eq=False)
class KeptStep:
    """One step of the past; may be kept, and unpacked, by any thread.

    Attributes:
        bare: The step without its pixels (images of 0 x 0, no tags) and without its side view.
        frame: Pixels of the observation's frame.
        explained: Of the decision's explained frame.
        masked: Of the decision's masked frame.
    """

    bare: DriveStep
    frame: KeptFrame
    explained: KeptFrame | None
    masked: KeptFrame | None

    @property
    def frame_id(self) -> int:
        """Return the number of its frame."""
        return self.bare.observation.frame.frame_id

    @property
    def sim_s(self) -> float:
        """Return its simulated seconds."""
        return self.bare.observation.frame.sim_s

    @property
    def packed(self) -> list[Packed]:
        """Return all its pixels; one may be there twice."""
        frames = (self.frame, self.explained, self.masked)
        both = [part for one in frames if one is not None for part in (one.image, one.tags)]
        return [one for one in both if one is not None]

    @property
    def size_bytes(self) -> int:
        """Return what it takes just now, its pixels included."""
        return sum(one.size_bytes for one in set(self.packed)) + _bytes_of_maps(self.bare)

    def restored(self) -> DriveStep:
        """Return the step as it was, but for its side view."""
        observation, decision = self.bare.observation, self.bare.decision
        if self.explained is not None and decision.explained is not None:
            decision = replace(decision, explained=self.explained.onto(decision.explained))
        if self.masked is not None and decision.masked is not None:
            decision = replace(decision, masked=self.masked.onto(decision.masked))
        observation = replace(observation, frame=self.frame.onto(observation.frame))
        return replace(self.bare, observation=observation, decision=decision)


class Past:
    """Keeps the newest steps, packed without loss; use it as a context manager.

    Each picture is packed once, however many steps show it, by a thread of its own. What is not
    packed yet counts with its full size, so nobody ever waits and the limit always holds.

    Args:
        seconds: Of simulated time that are kept.
        limit_bytes: Fewer seconds are kept where they would take more; the newest step always is.
    """

    def __init__(self, seconds: float = PAST_S, limit_bytes: int = PAST_BYTES) -> None:
        self._seconds, self._limit_bytes = seconds, limit_bytes
        self._steps: deque[KeptStep] = deque()
        self._known: WeakValueDictionary[int, Packed] = WeakValueDictionary()
        self._uses: Counter[Packed] = Counter()
        self._counted: dict[Packed, int] = {}
        self._bytes = 0
        self._packer = Packer()

    def __enter__(self) -> Past:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many steps there are."""
        return len(self._steps)

    @property
    def size_bytes(self) -> int:
        """Return what all of it takes."""
        self._recount()
        return self._bytes

    @property
    def span_s(self) -> float:
        """Return how far the past reaches back from the newest step."""
        return self.back_s(0) if self._steps else 0.0

    @property
    def newest(self) -> KeptStep | None:
        """Return the newest step; None if there is none."""
        return self._steps[-1] if self._steps else None

    def add(self, step: DriveStep) -> None:
        """Keep one step.

        The frame that was added last replaces it; a step from before that one begins a new past.

        Args:
            step: Newest; its pictures must not be changed afterwards.
        """
        kept = self._keep(step)
        last = self.newest
        if last is not None:
            if kept.frame_id == last.frame_id:
                self._forget(self._steps.pop())
            elif kept.frame_id < last.frame_id or kept.sim_s < last.sim_s:
                self.clear()
        self._steps.append(kept)
        self._recount()
        oldest_s = kept.sim_s - self._seconds - _ROUNDING_S
        while len(self._steps) > 1 and (
            self._steps[0].sim_s < oldest_s or self._bytes > self._limit_bytes
        ):
            self._forget(self._steps.popleft())

    def at(self, index: int) -> DriveStep:
        """Return one step with the same arrays bit for bit, but without its side view.

        Args:
            index: 0 is the oldest, -1 the newest.

        Raises:
            IndexError: If there are not so many.
        """
        return self._steps[index].restored()

    def find(self, frame_id: int) -> int | None:
        """Return the index of a frame; None if it is not there."""
        ids = (one.frame_id for one in self._steps)
        return next((index for index, one in enumerate(ids) if one == frame_id), None)

    def back_s(self, index: int) -> float:
        """Return how far a step is behind the newest one.

        Raises:
            IndexError: If there are not so many.
        """
        return self._steps[-1].sim_s - self._steps[index].sim_s

    def since(self, sim_s: float) -> tuple[KeptStep, ...]:
        """Return the steps from that simulated time on, oldest first."""
        return tuple(dropwhile(lambda one: one.sim_s < sim_s - _ROUNDING_S, self._steps))

    def clear(self) -> None:
        """Forget everything."""
        while self._steps:
            self._forget(self._steps.popleft())

    def close(self) -> None:
        """Forget everything, and end the thread."""
        self.clear()
        self._packer.close()

    # -------------------------------------------------------------- inside

    def _keep(self, step: DriveStep) -> KeptStep:
        observation, decision = step.observation, step.decision
        explained = None if decision.explained is None else self._pixels(decision.explained)
        masked = None if decision.masked is None else self._pixels(decision.masked)
        if explained is not None or masked is not None:
            decision = replace(
                decision, explained=_bare(decision.explained), masked=_bare(decision.masked)
            )
        frame = self._pixels(observation.frame)
        bare_frame = replace(observation.frame, image=_NO_PIXELS, tags=None)
        observation = replace(observation, frame=bare_frame, view=None)
        bare = replace(step, observation=observation, decision=decision)
        kept = KeptStep(bare, frame, explained, masked)
        self._count(kept.packed)
        self._bytes += _bytes_of_maps(bare)
        return kept

    def _pixels(self, frame: Frame) -> KeptFrame:
        tags = None if frame.tags is None else self._packed(frame.tags)
        return KeptFrame(self._packed(frame.image), tags)

    def _packed(self, pixels: Pixels) -> Packed:
        """Return what holds these very pixels already, or a new one that is packed soon."""
        known = self._known.get(id(pixels))
        if known is not None and known.source() is pixels:
            return known
        packed = self._known[id(pixels)] = Packed(pixels)
        self._packer.put(packed)
        return packed

    def _count(self, all_packed: Iterable[Packed]) -> None:
        for packed in all_packed:
            self._uses[packed] += 1
            if packed not in self._counted:
                self._counted[packed] = packed.size_bytes
                self._bytes += self._counted[packed]

    def _recount(self) -> None:
        """Take off what the packer has saved meanwhile."""
        while not self._packer.done.empty():
            packed = self._packer.done.get()()
            if packed is not None and packed in self._counted:
                self._bytes += packed.size_bytes - self._counted[packed]
                self._counted[packed] = packed.size_bytes

    def _forget(self, kept: KeptStep) -> None:
        for packed in kept.packed:
            self._uses[packed] -= 1
            if not self._uses[packed]:
                del self._uses[packed]
                self._bytes -= self._counted.pop(packed)
        self._bytes -= _bytes_of_maps(kept.bare)


def _bare(frame: Frame | None) -> Frame | None:
    return None if frame is None else replace(frame, image=_NO_PIXELS, tags=None)


def _bytes_of_maps(step: DriveStep) -> int:
    """Return what a step takes beside its pixels."""
    decision, lane, novelty = step.decision, step.observation.lane, step.findings.novelty
    shadow = None if decision.shadow is None else decision.shadow.explanation
    total = _REST_BYTES + _bytes_of(decision.explanation) + _bytes_of(shadow)
    if lane is not None:
        total += lane.path.nbytes + lane.path_curvature.nbytes
    return total + (0 if novelty is None else novelty.nearest.nbytes)


def _bytes_of(explanation: Explanation | None) -> int:
    return 0 if explanation is None else explanation.attribution.nbytes
