"""What layers a network has, and where their cells lie on its grid.

A cell of a feature map sees a part of the input, its receptive field. Its centre moves by the
product of all strides from one cell to the next, so a map is drawn as rectangles of that size
around those centres, not stretched over the whole input: without padding it is smaller than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from carla_saliency.core import LayerInfo, Place
from carla_saliency.network.activations import activates
from carla_saliency.network.convolutions import pooling_window, window
from carla_saliency.network.folding import readable
from carla_saliency.network.geometry import edges
from carla_saliency.network.layers import Layer, LayerGraph, Shape
from carla_saliency.network.onnx_builder import Value

CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2D", "SeparableConv2D"})
POOLINGS = frozenset({"MaxPooling2D", "AveragePooling2D"})
RESIZINGS = frozenset({"Resizing", "UpSampling2D"})
MOVING = CONVOLUTIONS | POOLINGS | RESIZINGS | {"Cropping2D", "ZeroPadding2D"}
MIXING = frozenset({"Flatten", "Reshape", "Permute"})  # cells are no places any more


@dataclass(frozen=True)
class _Cells:
    """Where the first cell's centre is in pixels of the grid, and how far it is to the next."""

    start: tuple[float, float]
    step: tuple[float, float]

    def place(self, shape: Shape) -> Place:
        (top, bottom), (left, right) = (
            (start - step / 2, start + (count - 0.5) * step)
            for start, step, count in zip(self.start, self.step, shape[:2], strict=True)
        )
        return top, bottom, left, right


def inventory(graph: LayerGraph, shapes: Mapping[str, Shape]) -> tuple[LayerInfo, ...]:
    """Return what is to be known of each layer, in the order of computation.

    Args:
        graph: A model.
        shapes: Of each layer's output, without the batch.

    Raises:
        BadInputError: If a layer's settings can't be read.
    """
    cells: dict[str, _Cells | None] = {graph.inputs[0].name: _Cells((0.5, 0.5), (1.0, 1.0))}
    known = {each.name: each.shape for each in graph.inputs} | dict(shapes)
    infos = []
    for layer in graph.layers:
        source, shape = layer.inputs[0], tuple(known[layer.name])
        with readable(layer):
            kernel, strides, pads = _movement(layer, tuple(known[source]))
        before = next((cells[name] for name in layer.inputs if cells.get(name)), None)
        own = _moved(before, layer, tuple(known[source]), shape, kernel, strides, pads)
        cells[layer.name] = own
        infos.append(
            LayerInfo(
                name=layer.name,
                kind=layer.kind,
                shape=shape,
                kernel=kernel,
                strides=strides,
                pads=pads,
                source=source,
                activates=activates(layer),
                place=own.place(shape) if own is not None and len(shape) == 3 else None,
                parameters=int(sum(np.size(weight) for weight in layer.weights)),
            )
        )
    return tuple(infos)


def _movement(
    layer: Layer, source: Shape
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Return kernel (with its gaps), strides and pads (top, bottom, left, right) of a layer."""
    if len(source) != 3:
        return (1, 1), (1, 1), (0, 0, 0, 0)
    if layer.kind in CONVOLUTIONS | POOLINGS:
        x = Value("", source)
        if layer.kind in POOLINGS:
            place = pooling_window(layer, x)
        else:
            place = window(layer, x, layer.pair("kernel_size", 1), layer.pair("strides", 1))
        top, left, bottom, right = place.pads
        reach = [(k - 1) * d + 1 for k, d in zip(place.kernel, place.dilation, strict=True)]
        return (reach[0], reach[1]), place.strides, (top, bottom, left, right)
    if layer.kind == "ZeroPadding2D":
        return (1, 1), (1, 1), edges(layer, "padding")
    if layer.kind == "Cropping2D":
        top, bottom, left, right = edges(layer, "cropping")
        return (1, 1), (1, 1), (-top, -bottom, -left, -right)
    return (1, 1), (1, 1), (0, 0, 0, 0)


def _moved(
    before: _Cells | None,
    layer: Layer,
    source: Shape,
    shape: Shape,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> _Cells | None:
    if before is None or len(shape) != 3 or len(source) != 3 or layer.kind in MIXING:
        return None
    start, step = [], []
    for axis in (0, 1):
        first, gap = before.start[axis], before.step[axis]
        if layer.kind in MOVING and layer.kind not in RESIZINGS:
            start.append(first + ((kernel[axis] - 1) / 2 - pads[2 * axis]) * gap)
            step.append(gap * strides[axis])
        else:  # also a global pooling that keeps its axes: one cell for all
            ratio = source[axis] / shape[axis]
            start.append(first + (ratio - 1) / 2 * gap)
            step.append(gap * ratio)
    return _Cells((start[0], start[1]), (step[0], step[1]))
