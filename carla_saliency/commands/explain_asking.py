"""How `explain` asks a network about pictures of any camera, in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carla_saliency import factory, stopping
from carla_saliency.commands.in_order import in_order
from carla_saliency.commands.recorded import RecordedDrive
from carla_saliency.core import (
    Array,
    ClassShares,
    Explanation,
    Frame,
    Image,
    LayerInfo,
    Query,
    Seen,
)
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.factory.every_layer import every_layer
from carla_saliency.insight.classes import cover, shares, tag_table
from carla_saliency.insight.grids import covered_by, on_grid
from carla_saliency.saliency import ChangeExplainer, Method
from carla_saliency.settings import ExplainSettings
from carla_saliency.sources import Broken, Picture, Source

THREADS = max(1, min(4, os.cpu_count() or 1))  # a map takes one core
AHEAD = 8  # frames of a video that are read, or explained, before they are needed


@dataclass(frozen=True, slots=True)
class Explained:
    """A frame of a video or a log that was asked about.

    Attributes:
        picture: As it was read.
        frame: As it was asked about.
        explanation: Of it.
        shares: Where its attention lies; None without semantic tags.
    """

    picture: Picture
    frame: Frame
    explanation: Explanation
    shares: ClassShares | None


_Item = tuple[Picture, Frame, Seen] | Broken


class Asking:
    """The network and the method of one run.

    Args:
        settings: Of the command.
        steering: The network.

    Attributes:
        steering: The network as it is asked about pictures of the size of the newest.
        names: Of the layers that are all explained; none if one map is wanted.
        remembers: What is found for a frame depends on those before it.

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
        self.remembers = settings.target == "change" or steering.network.graph.frames > 1
        # the mean of the frames so far depends on the order in which they are explained
        self._threads = 1 if settings.baseline == "mean" else THREADS

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
                self._look_for(picture.image, source)
            self.steering.feed.forget()
            if source.moving:
                self._explainer = self._make_explainer()
        sim_s = picture.number / source.rate
        if source.keeps_times and picture.time_s is not None:
            sim_s = picture.time_s
        speed_mps = self._settings.speed / 3.6 if picture.speed_mps is None else picture.speed_mps
        self._frames += 1  # a number of its own: two maps of one number count once for the scale
        return Frame(self._frames, sim_s, picture.image, picture.tags, speed_mps)

    def explained(
        self, source: Source, every: int = 1, wanted: Callable[[Picture], bool] = lambda _: True
    ) -> Generator[Explained | Broken, None, None]:
        """Yield the explained frames of a video or a log in order, and what is broken in its place.

        Pictures are read in a thread and explained in others, some frames ahead. To be closed, if
        not all of them are taken.

        Args:
            source: Of the pictures.
            every: Of so many the first one is read.
            wanted: Whether one that was read is to be explained, or only shown to the network.

        Raises:
            BadInputError: If the pictures can't be used; the message begins with their path.
        """
        table = tag_table(source.server_version) if isinstance(source, RecordedDrive) else None

        def explain(item: _Item) -> Explained | Broken:
            if isinstance(item, Broken):
                return item
            picture, frame, seen = item
            with _named(source.path):
                explanation = self._explainer.explain_seen(seen)
            where = None if table is None else self._shares(frame, explanation, table)
            return Explained(picture, frame, explanation, where)

        return in_order(self._looked(source, every, wanted), explain, self._threads, AHEAD)

    def _looked(
        self, source: Source, every: int, wanted: Callable[[Picture], bool]
    ) -> Generator[_Item, None, None]:
        """Yield what is broken, and what the network is given for each picture that is wanted."""
        self.begin()
        for picture in source.read(every):
            if isinstance(picture, Broken):
                yield picture
                continue
            frame = self.frame(picture, source)
            with _named(source.path):
                seen = self._explainer.look(frame)
            if wanted(picture):
                yield picture, frame, seen

    def _shares(
        self, frame: Frame, explanation: Explanation, table: NDArray[np.uint8]
    ) -> ClassShares | None:
        if frame.tags is None:
            return None
        top, bottom, left, right = self.steering.preprocess.grid_rect(frame.tags.shape)
        contract = self.steering.contract
        grid = contract.input_height_px, contract.input_width_px
        of_cells = cover(np.ascontiguousarray(frame.tags[top:bottom, left:right]), grid, table)
        on, covered = on_grid(explanation, grid), covered_by(explanation, grid)
        return shares(frame.frame_id, on, of_cells, covered)

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

    def _look_for(self, picture: Image, source: Source) -> None:
        """Ask the network as pictures of this size need it."""
        if isinstance(source, RecordedDrive) and source.on_grid:
            asked = factory.for_grid(self._loaded)
        else:
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
