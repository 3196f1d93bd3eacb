"""What somebody who inspects one frame may ask of a network; nothing here disturbs the drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from carla_saliency.core import Array, Explanation, Frame, Inputs, LayerInfo, Query, Seen
from carla_saliency.factory.every_layer import STEERING, every_layer
from carla_saliency.factory.explainers import Explainers, require_method
from carla_saliency.factory.steering import Steering
from carla_saliency.saliency import ChangeExplainer, Method, Options, change

CHANGE = ChangeExplainer.name
MOST_CELLS = 9
MOST_FILTERS = 256  # of a layer: one question with each of them silenced
FILTER_BATCH = 32


class Questions:
    """Asks one network about one frame at a time, from any one thread.

    A network that remembers is shown the frames before, so that its memory is what it was; that of
    the drive stays as it is.

    Args:
        steering: The network.
        options: Of its saliency methods.
    """

    def __init__(self, steering: Steering, options: Options) -> None:
        feed = steering.feed.anew()
        self.steering = replace(steering, feed=feed)
        self.frames = feed.frames
        self._options = options
        self._explainers: dict[str, Explainers] = {}
        self.layers = {layer.name: layer for layer in steering.network.layers}
        self.cells = _spread(every_layer(steering.network.layers), MOST_CELLS)

    def apart(self) -> Questions:
        """Return the same with a memory of its own, for another thread."""
        return Questions(self.steering, self._options)

    def look(self, frames: Sequence[Frame]) -> Seen:
        """Return what the network is given for the last of these frames.

        Args:
            frames: In order; as many as the network remembers, or all that there are.
        """
        if self.frames > 1:
            self.steering.feed.forget()
        for frame in frames[:-1]:
            self.steering.feed.look(frame)
        return self.steering.feed.look(frames[-1])

    def steer(self, frames: Sequence[Frame]) -> float:
        """Return the steering for the last of these frames."""
        return float(self.steering.network.steer(self.look(frames).inputs)[0])

    def explain(self, method: str, layer: str | None, seen: Seen) -> Explanation:
        """Return the map of a frame that was looked at.

        Raises:
            BadInputError: If the network can't be explained so.
        """
        return self._method(method, layer).explain_seen(seen)

    def explain_change(self, before: Seen, seen: Seen) -> Explanation:
        """Return the map of what turned the steering from one frame to another.

        Raises:
            BadInputError: If the network can't be explained so.
        """
        return change(self.steering.network, before, seen, self._options.steps)

    def cell(self, method: str, name: str, seen: Seen) -> Explanation:
        """Return the map of one cell of the grid of layers.

        At a layer that has rows and columns it is the signed LayerCAM there: what its cells do for
        the steering. Of units, and of the steering, it is the method's.

        Raises:
            BadInputError: If the network can't be explained so.
        """
        if name == STEERING:
            return self._method(method, None).explain_seen(seen)
        if len(self.layers[name].shape) == 3:
            return self._method("layercam", name).explain_seen(seen)
        return self._method(method, name).explain_seen(seen)

    def activations(self, name: str, seen: Seen) -> Array:
        """Return the output of a layer, without the batch."""
        query = Query(targets=(), keep=(name,))
        return np.asarray(self.steering.network.run(query, seen.inputs).outputs[name][0])

    def filter_changes(self, name: str, seen: Seen) -> Array | None:
        """Return by how much the steering changes when each filter alone is silenced, (filters,).

        None for a layer with more filters than are worth the time.
        """
        count = self.layers[name].shape[-1]
        if count > MOST_FILTERS:
            return None
        gates = np.vstack([np.ones((1, count)), 1 - np.eye(count)]).astype(np.float32)
        query = Query(targets=(), gate=name)
        answers = []
        for first in range(0, count + 1, FILTER_BATCH):
            part = gates[first : first + FILTER_BATCH]
            inputs = _repeated(seen.inputs, len(part))
            answers.append(self.steering.network.run(query, inputs, part).steering)
        steering = np.concatenate(answers)
        return np.asarray(steering[1:] - steering[0], np.float32)

    def first_picture_layer(self) -> LayerInfo | None:
        """Return the first convolution, or whatever has filters; None if nothing has."""
        for name in self.cells:
            if name != STEERING and len(self.layers[name].shape) == 3:
                return self.layers[name]
        return None

    def _method(self, name: str, layer: str | None) -> Method:
        require_method(name)
        if name not in self._explainers:
            options = self._options
            if name == "layercam":
                options = replace(options, towards="both")
            self._explainers[name] = Explainers(self.steering, options, name)
        return self._explainers[name].at(name, layer)


def _spread(names: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return at most so many names, evenly chosen, the first and the last among them."""
    if len(names) <= most:
        return names
    return tuple(names[round(i * (len(names) - 1) / (most - 1))] for i in range(most))


def _repeated(inputs: Inputs, count: int) -> Inputs:
    speed = inputs.speed
    return Inputs(
        np.repeat(inputs.image, count, axis=0),
        None if speed is None else np.repeat(speed, count, axis=0),
    )
