"""What the user says in place of code in a model file: a chain of steps joined by `|`.

`x/127.5-1`, `x/255-0.5`, `x/255`, `x*2+1`, `x-128` · `resize(H,W)`, bilinear with half-pixel
centres as `tf.image.resize` · `crop(top,bottom,left,right)`, rows and columns cut off · `bgr`,
`yuv`, `gray` or `grey`, `hsv`, from RGB of 0..255 as OpenCV has them. Chains for several places in
a file are joined by `;`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from carla_saliency.errors import BadInputError
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, Shape

NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
SCALE = re.compile(rf"x(?:([*/]){NUMBER})?(?:([-+]){NUMBER})?", re.IGNORECASE)
CALL = re.compile(r"(crop|resize)\(([\d,]*)\)")
COLOURS = {"bgr": "bgr", "yuv": "yuv", "hsv": "hsv", "gray": "grey", "grey": "grey"}
EXAMPLES = "x/127.5-1, x/255-0.5, x/255, resize(66,200), crop(70,25,0,0), bgr, yuv, gray or hsv"
MAX_SIZE_PX = 8192


@dataclass(frozen=True)
class Step:
    """One step, as a layer.

    Attributes:
        text: As the user wrote it.
        kind: "Rescaling", "Resizing", "Cropping2D" or "Colour".
        config: Of that layer.
    """

    text: str
    kind: str
    config: dict[str, Any]

    def channels(self, before: int) -> int:
        """Return the number of channels after the step.

        Raises:
            BadInputError: If it can't act on as many as there are.
        """
        if self.kind != "Colour":
            return before
        if before != 3:
            raise BadInputError(
                f"--preprocess {self.text}: expected a picture of 3 channels at this place, "
                f"received {before}: leave this step out"
            )
        return 1 if self.config["space"] == "grey" else 3


def parse(text: str) -> tuple[Step, ...]:
    """Return the steps of one chain.

    Raises:
        BadInputError: If one can't be read.
    """
    return tuple(_step(part) for part in text.split("|"))


def parse_all(text: str) -> list[tuple[Step, ...]]:
    """Return the chains that are joined by `;`; none for an empty text."""
    return [parse(part) for part in text.split(";")] if text.strip() else []


def _step(text: str) -> Step:
    bare = re.sub(r"\s+", "", text).lower()
    if bare in COLOURS:
        return Step(bare, "Colour", {"space": COLOURS[bare]})
    call, scaling = CALL.fullmatch(bare), SCALE.fullmatch(bare)
    if scaling and bare != "x":
        return Step(bare, "Rescaling", _scaling(bare, *scaling.groups()))
    numbers = [int(n) for n in call[2].split(",") if n] if call else []
    if call and call[1] == "resize" and len(numbers) == 2 and min(numbers) > 0:
        rows, columns = numbers
        if max(numbers) <= MAX_SIZE_PX:
            config = {"height": rows, "width": columns, "interpolation": "bilinear"}
            return Step(bare, "Resizing", config)
    if call and call[1] == "crop" and len(numbers) == 4 and max(numbers) <= MAX_SIZE_PX:
        top, bottom, left, right = numbers
        return Step(bare, "Cropping2D", {"cropping": [[top, bottom], [left, right]]})
    raise BadInputError(
        f"--preprocess: expected steps joined by | such as {EXAMPLES}, received {text.strip()!r}"
    )


def _scaling(
    text: str, sign: str | None, factor: str | None, add: str | None, offset: str | None
) -> dict[str, Any]:
    scale = float(factor or 1)
    if sign == "/":
        scale = 1 / scale if scale else math.inf
    shift = float(offset or 0) * (-1 if add == "-" else 1)
    if not math.isfinite(scale) or not math.isfinite(shift) or scale == 0:
        raise BadInputError(
            f"--preprocess {text}: expected a finite scale that is not 0, received {scale:g}"
        )
    return {"scale": scale, "offset": shift}


def as_layers(
    steps: tuple[Step, ...],
    name: str,
    source: str,
    *,
    frames: bool = False,
    channels_first: bool = False,
) -> list[Layer]:
    """Return a chain as layers; the last has the name.

    Args:
        steps: At least one.
        name: Of what they take the place of.
        source: What feeds the first.
        frames: Several pictures in a row flow here.
        channels_first: Channels, rows, columns flow here.
    """
    layers = []
    for number, step in enumerate(steps, start=1):
        own = name if number == len(steps) else f"{name}/step{number}"
        kind, config = step.kind, dict(step.config)
        if channels_first and kind != "Rescaling":
            config["data_format"] = "channels_first"
        if frames and kind in ("Cropping2D", "Resizing"):
            inner = {"module": "keras.layers", "class_name": kind, "config": config}
            kind, config = "TimeDistributed", {"layer": {**inner, "registered_name": None}}
        layers.append(Layer(kind, own, config, (), (source,)))
        source = own
    return layers


def in_front(graph: LayerGraph, text: str) -> LayerGraph:
    """Return the model with a chain before its first layer.

    A crop makes the model's input larger by what is cut off.

    Args:
        graph: Without code of the file's author.
        text: One chain.

    Raises:
        BadInputError: If there are several chains, or a resize.
    """
    chains = parse_all(text)
    if len(chains) != 1:
        raise BadInputError(
            f"--preprocess: expected one chain for the front, since the model file has no Lambda, "
            f"received {len(chains)} joined by ;"
        )
    (steps,) = chains
    shape = _input_before(steps, graph.image_shape)
    image = graph.inputs[0]
    first = as_layers(steps, "preprocess", image.name, frames=len(graph.image_shape) == 4)
    last = first[-1].name
    rest = [
        replace(layer, inputs=tuple(last if n == image.name else n for n in layer.inputs))
        for layer in graph.layers
    ]
    inputs = (ModelInput(image.name, shape), *graph.inputs[1:])
    return replace(graph, inputs=inputs, layers=(*first, *rest))


def _input_before(steps: tuple[Step, ...], shape: Shape) -> Shape:
    """Return the shape of an image that the steps turn into one of this shape."""
    *frames, rows, columns, channels = shape
    makes_grey = any(step.config.get("space") == "grey" for step in steps)
    before = now = 3 if makes_grey and channels == 1 else channels
    for step in steps:
        now = step.channels(now)
        if step.kind == "Resizing":
            raise BadInputError(
                f"--preprocess {step.text}: a resize in front of the first layer would hide the "
                "size that it starts from, which this model file doesn't say: leave it out, the "
                f"camera's picture is resized to {rows}x{columns} anyway"
            )
        if step.kind == "Cropping2D":
            (top, bottom), (left, right) = step.config["cropping"]
            rows, columns = rows + top + bottom, columns + left + right
    if now != channels:
        raise BadInputError(
            f"--preprocess: expected a chain that ends with the model's {channels} channels, "
            f"received one that ends with {now}: leave gray out"
        )
    return *frames, rows, columns, before
