"""`carla-saliency explain`: pictures of a camera become pictures of what moved the steering."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from carla_saliency import factory, stopping
from carla_saliency.commands.screen import method_view
from carla_saliency.core import Explanation, Frame, Image
from carla_saliency.draw.heatmap import ScaleKeeper
from carla_saliency.draw.hud import Degrees
from carla_saliency.draw.sheet import SheetPainter
from carla_saliency.errors import BadInputError
from carla_saliency.factory import Steering
from carla_saliency.output.recorder import free_name
from carla_saliency.settings import ExplainSettings


def run(settings: ExplainSettings) -> int:
    """Explain all pictures, then draw each with the scale of all; return the exit code.

    Nothing is written if one of the pictures can't be used.

    Raises:
        BadInputError: If a setting or a picture can't be used, or the folder can't be written.
    """
    factory.require_method(settings.method)
    steering = factory.load_steering(settings.model)
    paths = [Path(name) for name in settings.images]
    explanations = [_explain(path, steering, settings.method) for path in paths]
    contract = steering.contract
    degrees = Degrees(
        contract.max_steer_deg if steering.has_contract else None, contract.max_steer_deg
    )
    keeper = ScaleKeeper(degrees.of_network(1.0))
    for explanation in explanations:
        keeper.add(explanation.attribution, 0.0)
    if not steering.has_contract:
        sys.stderr.write(
            f"{steering.path.name} has no camera contract ({steering.path.stem}.contract.json): "
            "it is given the whole picture and RGB of 0..255, which is a guess\n"
        )
    painter = SheetPainter(method_view(settings.method), steering.path.name, keeper.scale, degrees)
    for path, explanation in zip(paths, explanations, strict=True):
        stopping.check()
        picture = read_picture(path)
        fitted = factory.for_picture(steering, picture).contract
        sheet = painter.paint(picture, path.name, fitted, explanation)
        out = free_name(str(Path(settings.out) / f"{path.stem}.{settings.method}.png"))
        write_picture(out, sheet)
        shown = degrees.text(degrees.of_network(explanation.steering))
        sys.stdout.write(f"{out}: steering {shown}\n")
    return 0


def _explain(path: Path, steering: Steering, method: str) -> Explanation:
    stopping.check()
    picture = read_picture(path)
    explainer = factory.make_explainers(factory.for_picture(steering, picture), method)[method]
    try:
        return explainer.explain(Frame(0, 0.0, picture))
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def read_picture(path: Path) -> Image:
    """Return a picture file as RGB, uint8, (H, W, 3).

    Raises:
        BadInputError: If it can't be read, or is no picture.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise BadInputError(f"can't read the picture {path}: {error.strerror}") from None
    try:
        with _silent_decoders():
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    except cv2.error:  # for example more pixels than OpenCV takes
        picture = None
    if picture is None:
        raise BadInputError(
            f"{path} is not a whole picture that can be read: give a PNG or JPEG file"
        )
    return picture.astype(np.uint8, copy=False)


@contextmanager
def _silent_decoders() -> Iterator[None]:
    """Keep libpng and OpenCV from writing to stderr past Python: what is wrong is said by us."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def write_picture(path: Path, picture: Image) -> None:
    """Write an RGB picture as PNG.

    Raises:
        BadInputError: If the file can't be written.
    """
    data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise BadInputError(f"{path} can't be written: {error.strerror}") from None
