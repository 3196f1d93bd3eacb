"""Explains in a drive why the steering changed: the map of `change`, frame after frame."""

from __future__ import annotations

from collections import OrderedDict

from carla_saliency.core import Explanation, Feed, Frame, Meaning, Network, Seen
from carla_saliency.saliency.targets import CHANGE, change

REMEMBERED = 64  # frames; a worker may be some frames behind


class ChangeExplainer:
    """What turned the steering since the frame before; implements `core.Explainer`.

    Args:
        network: Whose steering it is.
        feed: From frames to what the network takes.
        steps: Of integrated gradients between the two frames.
    """

    name = "change"
    slow = True

    def __init__(self, network: Network, feed: Feed, steps: int = 32) -> None:
        self._network, self._feed, self._steps = network, feed, steps
        self._last: Seen | None = None
        self._before: OrderedDict[int, Seen] = OrderedDict()

    @property
    def meaning(self) -> Meaning:
        """Of its maps."""
        return CHANGE

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame, and remember which came before."""
        seen = self._feed.look(frame)
        if self._last is None or self._last.frame_id != seen.frame_id:
            self._before[seen.frame_id] = self._last or seen  # the first has changed nothing
            self._last = seen
            while len(self._before) > REMEMBERED:
                self._before.popitem(last=False)
        return seen

    def steer(self, seen: Seen) -> float:
        """Return the steering alone."""
        return float(self._network.steer(seen.inputs)[0])

    def explain_seen(self, seen: Seen) -> Explanation:
        """Return the map of the change up to a frame that was looked at.

        Raises:
            BadInputError: If the network has no gradient, or answers NaN or infinity.
        """
        before = self._before.get(seen.frame_id, seen)
        return change(self._network, before, seen, self._steps)

    def explain(self, frame: Frame) -> Explanation:
        """Return the map of the change up to this frame."""
        return self.explain_seen(self.look(frame))
