"""`carla-saliency explain`: pictures of a camera become pictures of what moved the steering."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carla_saliency import factory, stopping
from carla_saliency.core import Array, Explanation, Frame, Image, LayerInfo, Query
from carla_saliency.draw.scale import Scales
from carla_saliency.draw.words import Degrees
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.factory.every_layer import LARGE, every_layer
from carla_saliency.output.names import free_name
from carla_saliency.pictures import (
    VideoPicture,
    is_video,
    read_picture,
    read_video,
    write_picture,
)
from carla_saliency.saliency import ChangeExplainer, Method
from carla_saliency.settings import ExplainSettings

if TYPE_CHECKING:
    from carla_saliency.draw.layer_sheets import Cell
    from carla_saliency.draw.sheet import SheetPainter

SCALE_EVERY = 10  # of a video, so many frames make one that is looked at for the scale


def run(settings: ExplainSettings) -> int:
    """Explain all pictures, then draw each with the scale of all; return the exit code.

    Nothing is written if one of the pictures can't be used.

    Raises:
        BadInputError: If a setting or a picture can't be used, or the folder can't be written.
    """
    factory.require_method(settings.method)
    paths = [Path(name) for name in settings.images]
    _check(settings, paths)
    steering = factory.load_steering(settings)
    for line in steering.lines():
        sys.stderr.write(f"{line}\n")
    work = _Work(settings, steering)
    for path in paths:  # all of them first: the scale is of all, and one may be no picture
        work.survey(path)
    for path in paths:
        work.draw(path)
    return 0


def _check(settings: ExplainSettings, paths: Sequence[Path]) -> None:
    """Refuse questions that such files can't answer.

    Raises:
        BadInputError: With what to give instead.
    """
    if settings.target == "difference":
        raise BadInputError(
            "--target difference needs the expert, which only a drive has: carla-saliency drive "
            "--target difference"
        )
    if settings.target == "change" and settings.layer is not None:
        raise BadInputError("--target change explains the steering: leave out --layer")
    if settings.baseline == "mean" and len(paths) == 1 and not is_video(paths[0]):
        raise BadInputError(
            f"--baseline mean: {paths[0]} is one picture, which is its own mean: give several, or "
            "--baseline blurred"
        )
    for path in paths:
        if settings.target == "change" and not is_video(path):
            raise BadInputError(
                f"--target change: {path} is one picture, in which nothing changes: give a video"
            )
        if is_video(path) and (settings.layer == "all" or settings.activations is not None):
            flag = "--layer all" if settings.layer == "all" else "--activations"
            raise BadInputError(f"{flag} makes a sheet of a picture: {path} is a video")


class _Work:
    """One run of the command: what all its pictures share."""

    def __init__(self, settings: ExplainSettings, steering: Steering) -> None:
        self._settings, self._steering = settings, steering
        self._asked = steering
        self._explainer = self._make_explainer()
        self._sheet = settings.layer == "all"
        self._names = every_layer(steering.network.layers) if self._sheet else ()
        for name in (*self._names[:1], *filter(None, [settings.activations])):
            self._layer(name)  # refused before anything is done
        contract = steering.contract
        lock_deg = contract.max_steer_deg if steering.has_contract else None
        self._degrees = Degrees(lock_deg, contract.max_steer_deg)
        self._own = settings.scale == "frame"
        self._scales = Scales(self._degrees.of_map, self._own)
        self._found: dict[Path, list[Explanation]] = {}

    # -------------------------------------------------------------- asking

    def survey(self, path: Path) -> None:
        """Explain a picture, or some of a video, for the scale.

        Raises:
            BadInputError: If it can't be used.
        """
        if is_video(path):
            self._survey_video(path)
            return
        self._found[path] = self._explain(path, self._look_at(path))
        self._take(self._found[path])

    def _survey_video(self, path: Path) -> None:
        for picture in read_video(path):  # also where no scale is needed: it may be cut off
            frame = self._next(picture)
            self._explainer.look(frame)  # every frame, for networks and methods that remember
            if picture.number % SCALE_EVERY == 0 and not self._own:
                self._take(self._explain(path, frame))

    def _next(self, picture: VideoPicture) -> Frame:
        """Return a picture of a video as a frame; the first follows no other."""
        stopping.check()
        if picture.number == 0:
            self._look_for(picture.image)
            self._asked.feed.forget()
            self._explainer = self._make_explainer()
        return self._frame(picture.image, picture.number, picture.time_s)

    def _take(self, explanations: list[Explanation]) -> None:
        for explanation in explanations:
            self._scales.add(explanation, 0.0)

    def _look_at(self, path: Path) -> Frame:
        """Return a picture as a frame that follows no other."""
        stopping.check()
        picture = read_picture(path)
        self._look_for(picture)
        self._asked.feed.forget()
        return self._frame(picture, 0, 0.0)

    def _frame(self, picture: Image, number: int, time_s: float) -> Frame:
        return Frame(number, time_s, picture, speed_mps=self._settings.speed / 3.6)

    def _look_for(self, picture: Image) -> None:
        """Ask the network as pictures of this size need it."""
        asked = factory.for_picture(self._steering, picture)
        if asked.contract != self._asked.contract:
            self._asked = asked
            self._explainer = self._make_explainer()

    def _make_explainer(self) -> Method | ChangeExplainer:
        settings, asked = self._settings, self._asked
        if settings.target == "change":
            return ChangeExplainer(asked.network, asked.feed, settings.steps)
        options = factory.method_options(settings)
        return factory.make_explainers(asked, settings.method, options)[settings.method]

    def _explain(self, path: Path, frame: Frame) -> list[Explanation]:
        """Return one explanation, or one for each layer that is asked for and has a map.

        Raises:
            BadInputError: If the picture can't be used; the message begins with its path.
        """
        try:
            if self._sheet and isinstance(self._explainer, Method):
                return self._explainer.explain_layers(frame, self._names)
            return [self._explainer.explain(frame)]
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}") from None

    # -------------------------------------------------------------- drawing

    def draw(self, path: Path) -> None:
        """Write all that is wanted of a picture or a video.

        Raises:
            BadInputError: If it can't be written.
        """
        if is_video(path):
            self._draw_video(path)
            return
        explanations, frame = self._found[path], self._look_at(path)
        sheet = self._layers if self._sheet else self._map
        name = f"{path.stem}.{self._settings.method}{'.layers' if self._sheet else ''}.png"
        self._write(name, sheet(path.name, frame, explanations), explanations[0])
        layer = self._settings.activations
        if layer is not None:
            safe = re.sub(r"[^\w.-]", "_", layer)  # names of layers may have slashes
            sheet_of = self._activations(path.name, frame, layer)
            self._write(f"{path.stem}.{safe}.activations.png", sheet_of, explanations[0])

    def _write(self, name: str, sheet: Image, explanation: Explanation) -> None:
        out = self._free(name)
        write_picture(out, sheet)
        shown = self._degrees.text(self._degrees.of_network(explanation.steering))
        sys.stdout.write(f"{out}: steering {shown}\n")

    def _free(self, name: str) -> Path:
        return free_name(str(Path(self._settings.out) / name))

    def _scale_of(self, explanation: Explanation) -> float:
        if self._own:
            self._scales.add(explanation, 0.0)
        keeper = self._scales.of(explanation)
        return 0.0 if keeper is None else keeper.scale

    @cached_property
    def _painter(self) -> SheetPainter:
        # pygame, which the sheets' text needs, takes 0.2 s to import: the first map comes before it
        from carla_saliency.draw.sheet import SheetPainter

        return SheetPainter(self._steering.path.name, self._degrees, self._own)

    def _map(self, name: str, frame: Frame, explanations: list[Explanation]) -> Image:
        contract, scale = self._asked.contract, self._scale_of(explanations[0])
        return self._painter.paint(frame.image, name, contract, explanations[0], scale)

    def _layers(self, name: str, frame: Frame, explanations: list[Explanation]) -> Image:
        from carla_saliency.draw.layer_sheets import LayersSheet

        first = self._layer(self._names[0])
        painter = LayersSheet(self._steering.path.name, self._degrees, self._own)
        return painter.paint(
            frame.image,
            name,
            self._asked.contract,
            self._asked.feed.look(frame).rgb,
            (first, self._output(frame, first.name)),
            self._cells(explanations),
        )

    def _cells(self, explanations: list[Explanation]) -> list[Cell]:
        from carla_saliency.draw.layer_sheets import Cell

        layers = [self._layer(name) for name in self._names]
        output = layers[-1]
        if output.source and output.kind not in LARGE:  # ours, behind the file's own
            layers[-1] = replace(output, kind=f"output of {output.source}")
        if len(explanations) != len(layers):  # a method of cells leaves out layers that have none
            layers = [layer for layer in layers if len(layer.shape) == 3]
        return [
            Cell(layer, explanation, self._scale_of(explanation))
            for layer, explanation in zip(layers, explanations, strict=True)
        ]

    def _activations(self, name: str, frame: Frame, layer: str) -> Image:
        from carla_saliency.draw.layer_sheets import ActivationsSheet

        values = self._output(frame, layer)
        painter = ActivationsSheet(self._steering.path.name)
        return painter.paint(frame.image, name, self._asked.contract, self._layer(layer), values)

    def _output(self, frame: Frame, layer: str) -> Array:
        """Return what a layer answers to a frame, without the batch."""
        seen = self._asked.feed.look(frame)
        answer = self._asked.network.run(Query(targets=(), keep=(layer,)), seen.inputs)
        return np.asarray(answer.outputs[layer][0], np.float32)

    def _layer(self, name: str) -> LayerInfo:
        layers: dict[str, LayerInfo] = {one.name: one for one in self._steering.network.layers}
        if name not in layers:
            raise BadInputError(f"the network has no layer {name}: use one of {', '.join(layers)}")
        return layers[name]

    def _draw_video(self, path: Path) -> None:
        from carla_saliency.output.video import Video

        method = "change" if self._settings.target == "change" else self._settings.method
        out = self._free(f"{path.stem}.{method}.mp4")
        with ExitStack() as stack:
            video: Video | None = None
            for picture in read_video(path):
                frame = self._next(picture)
                name = f"{path.name} · {picture.time_s:.2f} s"
                sheet = self._map(name, frame, self._explain(path, frame))
                if video is None:  # its size is that of the first sheet
                    size = sheet.shape[1], sheet.shape[0]
                    video = stack.enter_context(Video(out, size, picture.rate))
                video.write(sheet)
        sys.stdout.write(f"{out}: {video.count if video else 0} frames\n")
