"""From layers to one ONNX graph that answers the steering, and its gradient to the input, at once.

The gradient is written out node by node, since no exporter does it: tf2onnx can't translate a
GradientTape. All agree with TensorFlow to 1e-5 of the largest value; the tests say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.network.activations import is_linear
from carla_saliency.network.kinds import (
    KINDS,
    VANISHING,
    batch_normalization_constants,
    is_over_channels,
)
from carla_saliency.network.layers import Layer, LayerGraph
from carla_saliency.network.onnx_builder import Backward, GraphBuilder


def to_onnx(graph: LayerGraph, with_gradient: bool) -> bytes:
    """Write the layers as ONNX.

    Args:
        graph: What a file held.
        with_gradient: Also answer the gradient of the steering to the image.

    Returns:
        A serialised model: input "image" (N, H, W, C), outputs "steering" (N,) and, if asked for,
        "gradient" (N, H, W, C).

    Raises:
        BadInputError: If a layer is of an unknown kind or has an unknown setting, its weights don't
            fit, or the output is not one number.
    """
    b = GraphBuilder()
    value = b.from_keras_layout("image", graph.input_shape)
    way_back: list[Backward] = []
    for layer in fold(graph.layers):
        with readable(layer):
            value, backward = KINDS[layer.kind](layer, b, value)
        way_back.append(backward)
    if value.shape != (1,):
        raise BadInputError(
            f"a steering network must have one output, received one of shape {value.shape}: "
            "use a model whose last layer gives the steering alone"
        )
    b.alias(b.op("Reshape", value.name, b.constant([-1], np.int64)), "steering")
    image: list[str | int] = ["N", *graph.input_shape]
    outputs: dict[str, list[str | int]] = {"steering": ["N"]}
    if with_gradient:
        gradient = b.ones_like(value.name)
        for backward in reversed(way_back):
            gradient = backward(gradient)
        b.alias(b.op("Transpose", gradient, perm=(0, 2, 3, 1)), "gradient")
        outputs["gradient"] = image
    return bytes(b.model({"image": image}, outputs).SerializeToString())


@contextmanager
def readable(layer: Layer) -> Iterator[None]:
    """Turn what malformed settings raise into one line; a file may hold anything.

    Args:
        layer: Whose settings are being read.

    Raises:
        BadInputError: If that fails.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused when the network is asked
            yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, MemoryError) as e:
        raise BadInputError(
            f"layer {layer.name} ({layer.kind}): its settings or weights can't be read: "
            f"{type(e).__name__} {str(e)[:80]!r}"
        ) from None


def fold(layers: Iterable[Layer]) -> list[Layer]:
    """Drop what acts in training only, and merge BatchNormalization into the layer before it.

    The merge is exact (both are linear per channel) where that layer has no activation; it saves
    two passes over each feature map, forward and backward.

    Args:
        layers: In the order of computation.
    """
    folded: list[Layer] = []
    for layer in layers:
        if layer.kind in VANISHING:
            continue
        before = folded[-1] if folded else None
        with readable(layer):
            if layer.kind == "BatchNormalization" and before and can_take(before, layer):
                folded[-1] = merged(before, layer)
            else:
                folded.append(layer)
    return folded


def can_take(layer: Layer, normalization: Layer) -> bool:
    """Say whether the layer can do the BatchNormalization's work too."""
    if layer.kind not in ("Conv2D", "Dense") or not is_linear(layer) or not layer.weights:
        return False
    # a Dense layer may stand on pictures: then only "last" is certain to be the channels
    if layer.kind == "Dense":
        return normalization.config.get("axis", -1) in (-1, [-1])
    return is_over_channels(normalization, rank=4)


def merged(layer: Layer, normalization: Layer) -> Layer:
    """Return the layer with the scale and the offset of the BatchNormalization behind it."""
    kernel = layer.weights[0].astype(np.float64)
    scale, offset = batch_normalization_constants(normalization, kernel.shape[-1])
    if layer.config.get("use_bias", True):
        offset = offset + layer.weight(1, (kernel.shape[-1],)) * scale
    return Layer(
        layer.kind,
        layer.name,
        {**layer.config, "use_bias": True},
        ((kernel * scale).astype(np.float32), offset.astype(np.float32)),
    )
