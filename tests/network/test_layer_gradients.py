"""Each layer's written-out gradient, against differences of the steering in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.activations import ACTIVATIONS
from carla_saliency.network.graph import fold, to_onnx
from carla_saliency.network.kinds import KINDS, VANISHING
from carla_saliency.network.layers import Layer, LayerGraph
from carla_saliency.network.onnx_builder import GraphBuilder
from carla_saliency.network.runtime import OnnxNetwork

SHAPE = (9, 12, 3)


def random(*shape: int) -> np.ndarray:
    # seeded by the shape: a layer has the same weights in each test
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return np.abs(random(*shape)) + np.float32(0.5)


def conv(kernel: tuple[int, int] = (3, 3), filters: int = 4, **config: Any) -> Layer:
    own = {"filters": filters, "kernel_size": list(kernel), "strides": [1, 1], **config}
    channels = SHAPE[2] // own.get("groups", 1)
    weights = (random(*kernel, channels, filters), random(filters))
    return Layer("Conv2D", "conv", own, weights[: 1 + own.get("use_bias", True)])


def batch_norm(channels: int, **config: Any) -> Layer:
    parts = [random(channels)] * (config.get("scale", True) + config.get("center", True))
    return Layer(
        "BatchNormalization",
        "norm",
        {"axis": -1, "epsilon": 1e-3, **config},
        (*parts, random(channels), positive(channels)),
    )


def plain(kind: str, **config: Any) -> Layer:
    return Layer(kind, kind.lower(), config)


CASES: dict[str, list[Layer]] = {
    "nothing": [],
    "rescaling": [plain("Rescaling", scale=1 / 127.5, offset=-1.0)],
    "rescaling per channel": [plain("Rescaling", scale=[0.5, 2, 3], offset=[1, 2, 3])],
    "normalization by config": [
        plain("Normalization", axis=[-1], mean=[1.0, 2, 3], variance=[1.0, 4, 9])
    ],
    "normalization by weights": [
        Layer("Normalization", "n", {"axis": [-1], "mean": None}, (random(3), positive(3)))
    ],
    "normalization of all": [plain("Normalization", axis=None, mean=1.0, variance=4.0)],
    "normalization inverted": [
        plain("Normalization", axis=-1, mean=[1.0, 2, 3], variance=[1.0, 4, 9], invert=True)
    ],
    "layer normalization of the picture": [
        plain("LayerNormalization", axis=[1, 2, 3], scale=False, center=False, epsilon=1e-3)
    ],
    "layer normalization of the channels": [
        Layer("LayerNormalization", "n", {"axis": -1, "epsilon": 1e-1}, (random(3), random(3)))
    ],
    "layer normalization of rows and channels": [
        Layer("LayerNormalization", "n", {"axis": [1, 3]}, (random(9, 3), random(9, 3)))
    ],
    "conv valid": [conv()],
    "conv strided": [conv((5, 5), strides=[2, 2])],
    "conv same": [conv(padding="same", use_bias=False)],
    "conv same strided": [conv((5, 4), strides=[2, 3], padding="same")],
    "conv with steps wider than its kernel": [conv((1, 2), strides=[3, 3], padding="same")],
    "conv dilated": [conv(dilation_rate=[2, 2])],
    "conv in groups": [conv(groups=3, filters=6)],
    "conv with relu": [conv(activation="relu")],
    "depthwise": [
        Layer(
            "DepthwiseConv2D",
            "d",
            {"kernel_size": [3, 2], "strides": [2, 2], "depth_multiplier": 2, "padding": "same"},
            (random(3, 2, 3, 2), random(6)),
        )
    ],
    "separable": [
        Layer(
            "SeparableConv2D",
            "s",
            {"kernel_size": [3, 3], "strides": [1, 1], "filters": 5, "activation": "tanh"},
            (random(3, 3, 3, 1), random(1, 1, 3, 5), random(5)),
        )
    ],
    "batch normalization": [batch_norm(3)],
    "batch normalization after a conv": [conv(use_bias=False), batch_norm(4), plain("ELU")],
    "batch normalization without scale": [conv(), batch_norm(4, scale=False)],
    "batch normalization after relu": [conv(activation="relu"), batch_norm(4, center=False)],
    "max pooling": [plain("MaxPooling2D", pool_size=[2, 2], strides=[2, 2])],
    "max pooling overlapping": [
        plain("MaxPooling2D", pool_size=[3, 3], strides=[2, 2], padding="same")
    ],
    "average pooling": [plain("AveragePooling2D", pool_size=[2, 3], strides=None)],
    "average pooling overlapping": [
        plain("AveragePooling2D", pool_size=[3, 3], strides=[2, 2], padding="same")
    ],
    "global average": [conv(), plain("GlobalAveragePooling2D")],
    "global average kept": [conv(), plain("GlobalAveragePooling2D", keepdims=True)],
    "cropping": [plain("Cropping2D", cropping=[[2, 1], [0, 3]])],
    "zero padding": [plain("ZeroPadding2D", padding=[[2, 1], [0, 3]]), conv()],
    "reshape": [plain("Reshape", target_shape=[12, -1, 3]), conv()],
    "prelu": [Layer("PReLU", "p", {"shared_axes": [1, 2]}, (random(1, 1, 3),))],
    "dense on pictures": [
        Layer("Dense", "d", {"units": 4, "activation": "tanh"}, (random(3, 4), random(4)))
    ],
    "dropout": [plain("Dropout", rate=0.9), conv(), plain("SpatialDropout2D", rate=0.5)],
    "relu layer": [plain("ReLU", max_value=None, negative_slope=0.0, threshold=0.0)],
    "relu layer with a top": [plain("ReLU", max_value=0.7)],
    "relu layer with a slope": [plain("ReLU", negative_slope=0.3)],
    "leaky relu of keras 2": [plain("LeakyReLU", alpha=0.1)],
    "elu with alpha": [plain("ELU", alpha=0.5)],
    "activation inside": [conv(activation={"class_name": "ELU", "config": {"alpha": 0.3}})],
}
CASES |= {
    f"activation {name}": [conv(), plain("Activation", activation=name)]
    for name in sorted(set(ACTIVATIONS) - {"gelu"})
}


def with_head(layers: list[Layer], shape: tuple[int, int, int] = SHAPE) -> LayerGraph:
    """Let a dense layer of random weights look at everything."""
    builder = GraphBuilder()
    value = builder.from_keras_layout("image", shape)
    for layer in fold(layers):
        value, _ = KINDS[layer.kind](layer, builder, value)
    size = math.prod(value.shape)
    head = Layer("Dense", "head", {"units": 1}, (random(size, 1), random(1)))
    return LayerGraph(shape, (*layers, plain("Flatten"), head))


def in_float64(graph: LayerGraph) -> Callable[[np.ndarray], np.ndarray]:
    """Return the steering as ONNX's own (slow) reference computes it in double precision."""
    model = onnx.load_from_string(to_onnx(graph, with_gradient=False))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for constant in model.graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype == np.float32:
            wide = onnx.numpy_helper.from_array(array.astype(np.float64), constant.name)
            constant.CopyFrom(wide)
    reference = onnx.reference.ReferenceEvaluator(model)
    return lambda images: reference.run(None, {"image": images.astype(np.float64)})[0]


def steering_differences(graph: LayerGraph, image: np.ndarray, step: float) -> np.ndarray:
    """Return d steering / d pixel by central differences, all pixels in one batch."""
    steer, steps = in_float64(graph), step * np.eye(image.size).reshape(-1, *image.shape)
    return ((steer(image + steps) - steer(image - steps)) / (2 * step)).reshape(image.shape)


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_agrees_with_differences_of_the_steering(name: str) -> None:
    graph = with_head(CASES[name])
    images = np.random.default_rng(5).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)
    answer = OnnxNetwork(graph).run(Query(), Inputs(images))
    assert answer.gradients.shape == (2, 1, *SHAPE)
    for image, gradient in zip(images, answer.gradients[:, 0], strict=True):
        expected = steering_differences(graph, image.astype(np.float64), 1e-5)
        largest = np.abs(expected).max()
        assert largest > 0
        assert np.abs(gradient - expected).max() < 1e-5 * largest


@pytest.mark.parametrize("x", [-3.0, -0.7, 0.0, 0.4, 2.5])
def test_gelu_is_x_times_the_normal_distribution(x: float) -> None:
    # by hand: the double precision reference has Erf in single precision only
    layers = (plain("Activation", activation="gelu"), plain("Flatten"))
    image = np.full((1, 1, 1, 1), x, np.float32)
    answer = OnnxNetwork(LayerGraph((1, 1, 1), layers)).run(Query(), Inputs(image))
    cumulative = (1 + math.erf(x / math.sqrt(2))) / 2
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    assert answer.steering[0] == pytest.approx(x * cumulative, abs=1e-6)
    assert answer.gradients.item() == pytest.approx(cumulative + x * density, abs=1e-6)


def test_every_kind_of_layer_is_among_the_cases() -> None:
    tried = {layer.kind for layers in CASES.values() for layer in layers} | {"Flatten"}
    assert set(KINDS) - VANISHING <= tried


@pytest.mark.parametrize("name", CASES)
def test_both_graphs_answer_the_same_steering(name: str) -> None:
    network = OnnxNetwork(with_head(CASES[name]))
    inputs = Inputs(np.random.default_rng(6).uniform(-1, 1, (3, *SHAPE)).astype(np.float32))
    assert network.run(Query(), inputs).steering == pytest.approx(network.steer(inputs), abs=1e-5)


def test_a_batch_normalization_behind_a_linear_layer_costs_nothing() -> None:
    layers = [conv(use_bias=False), plain("Dropout"), batch_norm(4), plain("ELU")]
    assert [layer.kind for layer in fold(layers)] == ["Conv2D", "ELU"]


def test_a_batch_normalization_behind_an_activation_stays() -> None:
    layers = [conv(activation="relu"), batch_norm(4)]
    assert [layer.kind for layer in fold(layers)] == ["Conv2D", "BatchNormalization"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (conv(activation="hard_sigmoid"), "activation 'hard_sigmoid' is not known here"),
        (conv(padding="causal"), 'padding "valid" or "same"'),
        (conv(data_format="channels_first"), "channels_last"),
        (conv((20, 20)), "at least 20 rows"),
        (Layer("Conv2D", "conv", {"filters": 4, "kernel_size": 3}), "weight 0 of shape"),
        (plain("Cropping2D", cropping=[[5, 5], [0, 0]]), "smaller than the picture"),
        (plain("Cropping2D", cropping="all"), "cropping as"),
        (plain("Reshape", target_shape=[5, 7]), "a shape of 1 or 3 sizes"),
        (plain("ReLU", threshold=1.0), "threshold 0"),
        (plain("BatchNormalization", axis=1), "axis -1"),
        (plain("LayerNormalization", rms_scaling=True), "rms_scaling"),
        (plain("Rescaling", scale="much"), "number"),
        (plain("Conv2D", kernel_size=3), "can't be read: KeyError"),
        (plain("Conv2D", kernel_size=3, filters="many"), "can't be read: ValueError"),
        (plain("LayerNormalization", axis={}), "can't be read"),
    ],
)
def test_a_setting_that_is_not_known_is_one_line(layer: Layer, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        OnnxNetwork(LayerGraph(SHAPE, (layer,)))
    assert "\n" not in str(caught.value)
    assert layer.name in str(caught.value)


def test_two_outputs_are_refused() -> None:
    head = Layer("Dense", "head", {"units": 2}, (random(324, 2), random(2)))
    with pytest.raises(BadInputError, match="one output"):
        OnnxNetwork(LayerGraph(SHAPE, (plain("Flatten"), head)))
