"""An ONNX file to layers where its operators are known here, else to a network without gradient.

Networks of PyTorch, and of whatever else writes ONNX, come this way. The file is parsed, and what
could do harm is refused, in `onnx_nodes`.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.network.black_box import BlackBox, FileInput
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, Shape
from carla_saliency.network.onnx_allowed import ALLOWED as ALLOWED
from carla_saliency.network.onnx_flow import ANY_BATCH, PICTURE, VECTOR, Flow, NoLayerError
from carla_saliency.network.onnx_layers import Translator
from carla_saliency.network.onnx_nodes import LARGEST, OnnxModel, Port, read, shown
from carla_saliency.network.onnx_operators import OPERATORS
from carla_saliency.network.onnx_running import runnable

logger = logging.getLogger(__name__)

IMAGE, SPEED = "image", "speed"
CHANNELS = (3, 1)
EXPORT = (
    "export it with one input (N, 3, rows, columns) or (N, rows, columns, 3) of fixed sizes, N free"
)


def load(path: str | Path) -> LayerGraph | BlackBox:
    """Read an ONNX file.

    Args:
        path: A model with one image in, channels first or last, perhaps the speed (N, 1), and the
            steering out.

    Returns:
        Its layers; or, where an operator becomes no layer here, a network that runs the file as it
        is and has no gradient.

    Raises:
        BadInputError: If it is not such a model, or holds what is refused: weights in other files,
            custom operators, functions, graphs inside operators, any operator not in `ALLOWED`.
    """
    path = Path(path)
    model = read(path)
    try:
        image, speed = _inputs(model)
        try:
            return _layer_graph(model, image, speed, path.stem)
        except NoLayerError as reason:
            why = f"{reason} has no gradient here: occlusion and rise work"
            logger.info("%s: %s", path, why)
            return _black_box(model, image, speed, path.stem, why)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


@dataclass(frozen=True)
class _Picture:
    """The image input.

    Attributes:
        port: In the file.
        shape: Ours: rows, columns, channels; with the frames in front.
        channels_first: Whether the file has channels, rows, columns.
    """

    port: Port
    shape: Shape
    channels_first: bool


def _inputs(model: OnnxModel) -> tuple[_Picture, Port | None]:
    pictures = [port for port in model.inputs if len(port.dims) in (4, 5)]
    speeds = [port for port in model.inputs if len(port.dims) == 2 and port.dims[1] == 1]
    if len(pictures) != 1 or len(speeds) > 1 or len(pictures + speeds) != len(model.inputs):
        received = ", ".join(f"{shown(port.name)} {_text(port.dims)}" for port in model.inputs[:6])
        raise BadInputError(
            "expected one image as input, and perhaps the speed (N, 1), received "
            f"{received or 'none'}: {EXPORT}"
        )
    return _picture(pictures[0]), speeds[0] if speeds else None


def _picture(port: Port) -> _Picture:
    batch, *sizes = port.dims
    *_, first, _, last = sizes
    if None in sizes or batch not in (None, 1) or not {first, last} & set(CHANNELS):
        raise BadInputError(
            f"the image {shown(port.name)} must have a free batch, fixed rows and columns and 3 "
            f"(or 1) channels, received {_text(port.dims)}: {EXPORT}"
        )
    shape = tuple(int(size or 0) for size in sizes)
    if math.prod(shape) > LARGEST:
        raise BadInputError(f"the image must have at most {LARGEST} numbers, received {shape}")
    if first not in CHANNELS:
        return _Picture(port, shape, channels_first=False)
    *frames, channels, rows, columns = shape
    return _Picture(port, (*frames, rows, columns, channels), channels_first=True)


def _text(dims: tuple[int | None, ...]) -> str:
    return f"({', '.join('free' if size is None else str(size) for size in dims)})"


# ------------------------------------------------------------------ layers


def _layer_graph(model: OnnxModel, image: _Picture, speed: Port | None, name: str) -> LayerGraph:
    if len(image.shape) != 3:
        raise NoLayerError("a sequence of pictures")
    order = PICTURE if image.channels_first else (0, 1, 2)
    logical = tuple(image.shape[axis] for axis in order)
    flows = {image.port.name: Flow(IMAGE, image.shape, order, logical)}
    inputs = [ModelInput(IMAGE, image.shape)]
    if speed is not None:
        flows[speed.name] = Flow(SPEED, (1,), VECTOR, (1,))
        inputs.append(ModelInput(SPEED, (1,)))
    batch = 1 if image.port.dims[0] == 1 else ANY_BATCH
    walk = Translator(model, flows, batch)
    walk.run(OPERATORS)
    outputs = tuple(_output(walk, each) for each in model.outputs)
    return LayerGraph(
        tuple(inputs),
        _needed(walk.layers, outputs),
        outputs,
        name,
        model.source,
        image.channels_first,
    )


def _output(walk: Translator, name: str) -> str:
    """Return the layer that gives an output; of several, one with the output's name."""
    flow = walk.values[name]
    if not isinstance(flow, Flow):
        raise BadInputError(f"output {shown(name)} does not depend on the image")
    flow = walk.vector(flow)
    several = len(walk.model.outputs) > 1
    if not several and any(layer.name == flow.layer for layer in walk.layers):
        return flow.layer
    plain = "".join(c if c.isprintable() else "_" for c in name)[:60] or "output"
    return walk.emit(plain, "Activation", {"activation": "linear"}, flow, flow.shape)


def _needed(layers: list[Layer], outputs: tuple[str, ...]) -> tuple[Layer, ...]:
    needed = set(outputs)
    for layer in reversed(layers):
        if layer.name in needed:
            needed.update(layer.inputs)
    return tuple(layer for layer in layers if layer.name in needed)


# ------------------------------------------------------------------ as it is


def _black_box(
    model: OnnxModel, image: _Picture, speed: Port | None, name: str, reason: str
) -> BlackBox:
    content, names = runnable(model)
    inputs = [ModelInput(IMAGE, image.shape)]
    ports = [FileInput(names[image.port.name], image.port.dtype)]
    if speed is not None:
        inputs.append(ModelInput(SPEED, (1,)))
        ports.append(FileInput(names[speed.name], speed.dtype))
    makers = {output: node for node in model.nodes for output in node.outputs}
    weights = tuple(
        np.asarray(each, np.float32) for each in model.constants.values() if each.dtype.kind == "f"
    )
    heads: list[Layer] = []
    for index, output in enumerate(model.outputs):
        maker = makers.get(output)
        function = "softmax" if maker and maker.kind == "Softmax" else "linear"
        own = () if heads else weights
        heads.append(Layer("ONNX", output, {"index": index, "activation": function}, own, (IMAGE,)))
    graph = LayerGraph(
        tuple(inputs), tuple(heads), model.outputs, name, model.source, image.channels_first
    )
    fixed = image.port.dims[0] == 1
    return BlackBox(content, graph, tuple(ports), reason, one_at_a_time=fixed)
