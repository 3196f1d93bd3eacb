"""The newest tick of which everything has come, of a world that somebody else ticks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from carla_saliency.sim.sensors import Stamped

_KEPT = 8


class LatestTick:
    """Puts together what comes of each tick; what was missed is dropped, not queued.

    Args:
        parts: Names of what a tick must have to be complete.
    """

    def __init__(self, *parts: str) -> None:
        self._changed = threading.Condition()
        self._held: dict[str, OrderedDict[int, Any]] = {part: OrderedDict() for part in parts}
        self._newest = dict.fromkeys(parts, -1)

    def put(self, part: str, data: Stamped) -> None:
        """Add a part of a tick; the client library's threads call this."""
        with self._changed:
            held = self._held[part]
            held[data.frame] = data
            self._newest[part] = data.frame
            while len(held) > _KEPT:
                held.popitem(last=False)
            self._changed.notify_all()

    def take(self, after: int, timeout_s: float) -> dict[str, Any] | None:
        """Return the parts of the newest complete tick, and forget the ticks before it.

        Args:
            after: Number of the tick that was taken last; only later ones count.
            timeout_s: How long is waited for one.

        Returns:
            The parts by their names; None if none came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._complete(after) is not None, timeout_s):
                return None
            frame_id = self._complete(after)
            assert frame_id is not None
            parts = {part: held[frame_id] for part, held in self._held.items()}
            for held in self._held.values():
                for old in [one for one in held if one <= frame_id]:
                    del held[old]
            return parts

    def newest(self, part: str) -> int:
        """Return the number of the newest tick whose part came; -1 before the first."""
        return self._newest[part]

    def _complete(self, after: int) -> int | None:
        first, *others = self._held.values()
        frames = (one for one in reversed(first) if all(one in held for held in others))
        newest = next(frames, None)
        return newest if newest is not None and newest > after else None
