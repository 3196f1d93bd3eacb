"""How `explain` asks a network about pictures of any camera, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from carla_saliency import factory, stopping
from carla_saliency.core import Array, Explanation, Frame, Image, LayerInfo, Query
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.factory.every_layer import every_layer
from carla_saliency.saliency import ChangeExplainer, Method
from carla_saliency.settings import ExplainSettings
from carla_saliency.sources import Picture, Source


class Asking:
    """The network and the method of one run.

    Args:
        settings: Of the command.
        steering: The network.

    Attributes:
        steering: The network as it is asked about pictures of the size of the newest.
        names: Of the layers that are all explained; none if one map is wanted.

    Raises:
        BadInputError: If there is no such layer, or the network can't be explained so.
    """

    def __init__(self, settings: ExplainSettings, steering: Steering) -> None:
        self._settings, self._loaded = settings, steering
        self.steering = steering
        self._explainer = self._make_explainer()
        self.names = every_layer(steering.network.layers) if settings.layer == "all" else ()
        for name in (*self.names[:1], *filter(None, [settings.activations])):
            self.layer(name)  # refused before anything is done
        self._new, self._frames = True, 0

    def begin(self) -> None:
        """The next picture follows no other."""
        self._new = True

    def frame(self, picture: Picture, source: Source) -> Frame:
        """Return a picture as a frame, and make ready to be asked about it.

        Raises:
            BadInputError: If a picture of such a size can't be used; it begins with the path.
        """
        stopping.check()
        if self._new:
            self._new = False
            with _named(source.path):
                self._look_for(picture.image)
            self.steering.feed.forget()
            if source.moving:
                self._explainer = self._make_explainer()
        sim_s = picture.number / source.rate  # a log's own clock may have been set back
        speed_mps = self._settings.speed / 3.6
        self._frames += 1  # a number of its own: two maps of one number count once for the scale
        return Frame(self._frames, sim_s, picture.image, speed_mps=speed_mps)

    def look(self, path: Path, frame: Frame) -> None:
        """Show a frame that need not be explained.

        Raises:
            BadInputError: If it can't be used; the message begins with its path.
        """
        with _named(path):
            self._explainer.look(frame)

    def explain(self, path: Path, frame: Frame) -> list[Explanation]:
        """Return one explanation, or one for each layer that is asked for and has a map.

        Raises:
            BadInputError: If the picture can't be used; the message begins with its path.
        """
        with _named(path):
            if self.names and isinstance(self._explainer, Method):
                return self._explainer.explain_layers(frame, self.names)
            return [self._explainer.explain(frame)]

    def output(self, frame: Frame, layer: str) -> Array:
        """Return what a layer answers to a frame, without the batch."""
        seen = self.steering.feed.look(frame)
        answer = self.steering.network.run(Query(targets=(), keep=(layer,)), seen.inputs)
        return np.asarray(answer.outputs[layer][0], np.float32)

    def layer(self, name: str) -> LayerInfo:
        """Return what is known of a layer.

        Raises:
            BadInputError: If the network has no such layer.
        """
        layers: dict[str, LayerInfo] = {one.name: one for one in self.steering.network.layers}
        if name not in layers:
            raise BadInputError(f"the network has no layer {name}: use one of {', '.join(layers)}")
        return layers[name]

    def _look_for(self, picture: Image) -> None:
        """Ask the network as pictures of this size need it."""
        asked = factory.for_picture(self._loaded, picture)
        if asked.contract != self.steering.contract:
            self.steering = asked
            self._explainer = self._make_explainer()

    def _make_explainer(self) -> Method | ChangeExplainer:
        settings, asked = self._settings, self.steering
        if settings.target == "change":
            return ChangeExplainer(asked.network, asked.feed, settings.steps)
        options = factory.method_options(settings)
        return factory.make_explainers(asked, settings.method, options)[settings.method]


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let the message of what can't be used begin with its path."""
    try:
        yield
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None
