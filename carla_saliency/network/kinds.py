"""Kinds of Keras layers, forward and backward, as ONNX nodes: the table `KINDS`.

Each takes the layer, the builder and its input, and returns its output and the way back: a function
from the gradient to its output to that to its input. They are in the modules beside this one; kinds
with several inputs are in `merges.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from carla_saliency.network import colour, convolutions, geometry, normalizations, resizing
from carla_saliency.network.activations import ACTIVATION_LAYERS, activation, fused_activation
from carla_saliency.network.keras_kinds import TRAINING_ONLY
from carla_saliency.network.layers import Layer
from carla_saliency.network.normalizations import (
    batch_normalization_constants as batch_normalization_constants,
)
from carla_saliency.network.normalizations import is_over_channels as is_over_channels
from carla_saliency.network.onnx_builder import Backward, Emit, GraphBuilder, Value


def vanish(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """What acts in training only."""
    return x, lambda g: g


def dense(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """A matrix, on a vector; on a picture it acts on the channels, as a 1x1 convolution."""
    units, size = int(layer.config["units"]), x.shape[-1]
    if len(x.shape) == 3:
        return convolutions.conv2d(as_pointwise(layer, (size, units)), b, x)
    matrix = layer.weight(0, (size, units))
    name = b.op("MatMul", x.name, b.constant(matrix))
    if layer.config.get("use_bias", True):
        name = b.op("Add", name, b.constant(layer.weight(1, (units,))))
    y, through_activation = fused_activation(layer, b, Value(name, (units,)))
    # transposed here, not by the runtime in each call
    back = b.constant(np.ascontiguousarray(matrix.T))
    return y, lambda g: b.op("MatMul", through_activation(g), back)


def as_pointwise(layer: Layer, shape: tuple[int, int]) -> Layer:
    """Return a dense layer, whose matrix has this shape, as a convolution of 1x1."""
    config: dict[str, Any] = {"filters": shape[1], "kernel_size": 1, "strides": 1}
    for key in ("activation", "use_bias"):
        config[key] = layer.config.get(key, key == "use_bias")
    kernel = layer.weight(0, shape)[None, None]
    return Layer("Conv2D", layer.name, config, (kernel, *layer.weights[1:]))


KINDS: dict[str, Emit] = {
    "Colour": colour.colour,
    "Rescaling": normalizations.rescaling,
    "Normalization": normalizations.normalization,
    "LayerNormalization": normalizations.layer_normalization,
    "GroupNormalization": normalizations.group_normalization,
    "BatchNormalization": normalizations.batch_normalization,
    "Conv2D": convolutions.conv2d,
    "DepthwiseConv2D": convolutions.depthwise_conv2d,
    "SeparableConv2D": convolutions.separable_conv2d,
    "MaxPooling2D": convolutions.max_pooling2d,
    "AveragePooling2D": convolutions.average_pooling2d,
    "GlobalMaxPooling2D": convolutions.global_max_pooling2d,
    "GlobalAveragePooling2D": convolutions.global_average_pooling2d,
    "UpSampling2D": resizing.upsampling2d,
    "Resizing": resizing.resizing,
    "Cropping2D": geometry.cropping2d,
    "ZeroPadding2D": geometry.zero_padding2d,
    "Flatten": geometry.reshape,
    "Reshape": geometry.reshape,
    "Permute": geometry.permute,
    "Dense": dense,
    "Activation": activation,
    **dict.fromkeys(ACTIVATION_LAYERS, activation),
    "Identity": vanish,
    # a RandomCrop still resizes when it does not crop
    **dict.fromkeys(TRAINING_ONLY - {"RandomCrop"}, vanish),
}
VANISHING = frozenset(kind for kind, emit in KINDS.items() if emit is vanish)
