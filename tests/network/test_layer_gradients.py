"""Each kind of layer, forward and backward, against NumPy in double precision."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from layer_harness import emit
from numpy_layers import FUNCTIONS, backward, forward

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.activations import ACTIVATIONS, activates, without_activation
from carla_saliency.network.folding import fold
from carla_saliency.network.kinds import KINDS, VANISHING
from carla_saliency.network.layers import Layer, Shape, chain
from carla_saliency.network.merges import MERGES
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


def separable(**config: Any) -> Layer:
    own = {"kernel_size": [3, 3], "strides": [1, 1], "filters": 5, "activation": "tanh", **config}
    return Layer("SeparableConv2D", "s", own, (random(3, 3, 3, 1), random(1, 1, 3, 5), random(5)))


CASES: dict[str, list[Layer]] = {
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
    "group normalization": [
        conv(filters=6),
        Layer("GroupNormalization", "n", {"groups": 2, "epsilon": 1e-3}, (random(6), random(6))),
    ],
    "group normalization of each channel": [
        plain("GroupNormalization", groups=-1, epsilon=1e-3, scale=False, center=False)
    ],
    "conv valid": [conv()],
    "conv strided": [conv((5, 5), strides=[2, 2])],
    "conv same": [conv(padding="same", use_bias=False)],
    "conv same strided": [conv((5, 4), strides=[2, 3], padding="same")],
    "conv with steps wider than its kernel": [conv((1, 2), strides=[3, 3], padding="same")],
    "conv dilated": [conv(dilation_rate=[2, 2])],
    "conv in groups": [conv(groups=3, filters=6)],
    "conv with relu": [conv(activation="relu")],
    "conv with softmax": [conv(activation="softmax")],
    "depthwise": [
        Layer(
            "DepthwiseConv2D",
            "d",
            {"kernel_size": [3, 2], "strides": [2, 2], "depth_multiplier": 2, "padding": "same"},
            (random(3, 2, 3, 2), random(6)),
        )
    ],
    "separable": [separable()],
    "separable strided": [separable(strides=[2, 2], padding="same")],
    "batch normalization": [batch_norm(3)],
    "batch normalization of rows": [batch_norm(9, axis=1)],
    "batch normalization of columns": [batch_norm(12, axis=[2], scale=False, center=False)],
    "batch normalization of a vector": [
        plain("GlobalAveragePooling2D"),
        batch_norm(3, axis=1, scale=False),
    ],
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
    "global maximum": [conv(), plain("GlobalMaxPooling2D")],
    "global maximum kept": [conv(), plain("GlobalMaxPooling2D", keepdims=True)],
    "cropping": [plain("Cropping2D", cropping=[[2, 1], [0, 3]])],
    "zero padding": [plain("ZeroPadding2D", padding=[[2, 1], [0, 3]]), conv()],
    "upsampling": [plain("UpSampling2D", size=[2, 3])],
    "upsampling bilinear": [plain("UpSampling2D", size=2, interpolation="bilinear")],
    "resizing smaller": [plain("Resizing", height=5, width=7)],
    "resizing larger": [plain("Resizing", height=13, width=12, interpolation="bilinear")],
    "resizing rows first": [plain("Resizing", height=3, width=30, interpolation="bilinear")],
    "resizing to the nearest": [plain("Resizing", height=7, width=17, interpolation="nearest")],
    "reshape": [plain("Reshape", target_shape=[12, -1, 3]), conv()],
    "reshape of a vector": [plain("Flatten"), plain("Reshape", target_shape=[4, 9, 9])],
    "flatten twice": [plain("Flatten"), plain("Flatten")],
    "permute": [plain("Permute", dims=[3, 1, 2])],
    "permute back": [plain("Permute", dims=[2, 3, 1])],
    "permute rows and columns": [plain("Permute", dims=[2, 1, 3]), conv()],
    "prelu": [Layer("PReLU", "p", {"shared_axes": [1, 2]}, (random(1, 1, 3),))],
    "prelu not shared": [Layer("PReLU", "p", {"shared_axes": None}, (random(*SHAPE),))],
    "dense on pictures": [
        Layer("Dense", "d", {"units": 4, "activation": "tanh"}, (random(3, 4), random(4)))
    ],
    "dense": [
        plain("Flatten"),
        Layer("Dense", "d", {"units": 5, "activation": "elu"}, (random(324, 5), random(5))),
        Layer("Dense", "e", {"units": 4, "use_bias": False}, (random(5, 4),)),
    ],
    "relu layer": [plain("ReLU", max_value=None, negative_slope=0.0, threshold=0.0)],
    "relu layer with a top": [plain("ReLU", max_value=0.7)],
    "relu layer with a slope": [plain("ReLU", negative_slope=0.3)],
    "relu layer with all": [plain("ReLU", max_value=0.7, negative_slope=0.3, threshold=0.2)],
    "relu layer with a threshold": [plain("ReLU", threshold=0.2)],
    "thresholded relu": [plain("ThresholdedReLU", theta=0.4)],
    "leaky relu": [plain("LeakyReLU", negative_slope=0.1)],
    "leaky relu of keras 2": [plain("LeakyReLU", alpha=0.1)],
    "elu layer": [plain("ELU")],
    "elu with alpha": [plain("ELU", alpha=0.5)],
    "softmax layer": [plain("Softmax")],
    "softmax layer along rows": [plain("Softmax", axis=1)],
    "softmax of a vector": [plain("GlobalAveragePooling2D"), plain("Softmax", axis=[-1])],
    "activation inside": [conv(activation={"class_name": "ELU", "config": {"alpha": 0.3}})],
    "colour bgr": [plain("Colour", space="bgr")],
    "colour grey": [plain("Colour", space="grey")],
    "colour yuv": [plain("Colour", space="yuv")],
    "colour hsv": [plain("Colour", space="hsv")],
}
CASES |= {
    f"activation {name}": [plain("Activation", activation=name)] for name in sorted(ACTIVATIONS)
}

BESIDE: dict[str, tuple[Layer, list[Shape]]] = {
    "add": (plain("Add"), [SHAPE, SHAPE, SHAPE]),
    "add a vector": (plain("Add"), [SHAPE, (3,)]),
    "average": (plain("Average"), [SHAPE, SHAPE, (9, 1, 3)]),
    "subtract": (plain("Subtract"), [SHAPE, SHAPE]),
    "subtract from one channel": (plain("Subtract"), [(9, 12, 1), SHAPE]),
    "multiply": (plain("Multiply"), [SHAPE, SHAPE]),
    "multiply three": (plain("Multiply"), [(5,), (5,), (5,)]),
    "multiply by channel": (plain("Multiply"), [SHAPE, (1, 1, 3)]),
    "multiply by a vector": (plain("Multiply"), [(3,), SHAPE]),
    "multiply by place": (plain("Multiply"), [SHAPE, (9, 12, 1)]),
    "maximum": (plain("Maximum"), [SHAPE, SHAPE, SHAPE]),
    "minimum": (plain("Minimum"), [SHAPE, (1, 1, 3)]),
    "concatenate": (plain("Concatenate"), [SHAPE, (9, 12, 2)]),
    "concatenate rows": (plain("Concatenate", axis=1), [SHAPE, (2, 12, 3), SHAPE]),
    "concatenate columns": (plain("Concatenate", axis=-2), [SHAPE, (9, 4, 3)]),
    "concatenate vectors": (plain("Concatenate", axis=-1), [(3,), (1,), (5,)]),
}
ALL = {name: (layers, [SHAPE]) for name, layers in CASES.items()} | {
    name: ([layer], shapes) for name, (layer, shapes) in BESIDE.items()
}


def inputs_of(name: str, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    low, high = (0, 255) if name.startswith("colour") else (-1, 1)
    # single precision, so that both sides see the same
    return [
        rng.uniform(low, high, (count, *s)).astype(np.float32).astype(np.float64)
        for s in ALL[name][1]
    ]


def targets_of(shape: Shape, count: int) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 1, (count, *shape))


@pytest.mark.parametrize("name", ALL)
def test_the_output_is_what_numpy_computes(name: str) -> None:
    layers, shapes = ALL[name]
    xs = inputs_of(name, 3)
    expected = forward(layers, xs)
    y = emit(layers, shapes).forward(*xs)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() < 1e-5 * max(np.abs(expected).max(), 1)


@pytest.mark.parametrize("name", ALL)
def test_the_gradient_is_that_of_differences_in_numpy(name: str) -> None:
    layers, shapes = ALL[name]
    emitted, xs = emit(layers, shapes), inputs_of(name, 1)
    g = targets_of(emitted.shape, 1)
    step = 1e-3 if name.startswith("colour") else 1e-5
    for gradient, expected in zip(
        emitted.backward(xs, g), backward(layers, xs, g, step), strict=True
    ):
        largest = np.abs(expected).max()
        assert largest > 0
        assert np.abs(gradient - expected).max() < 1e-4 * largest


@pytest.mark.parametrize("name", ALL)
def test_gradients_of_three_targets_stacked_are_those_of_each(name: str) -> None:
    emitted, xs = emit(*ALL[name]), inputs_of(name, 1)
    targets = targets_of(emitted.shape, 3)
    single = [emitted.backward(xs, targets[i : i + 1]) for i in range(3)]
    for stacked, *each in zip(emitted.backward(xs, targets), *single, strict=True):
        assert stacked.shape == (3, *each[0].shape[1:])
        assert np.abs(stacked - np.concatenate(each)).max() <= 1e-5 * np.abs(stacked).max()


@pytest.mark.parametrize("name", ALL)
def test_gradients_of_three_examples_are_those_of_each(name: str) -> None:
    emitted, xs = emit(*ALL[name]), inputs_of(name, 3)
    targets = targets_of(emitted.shape, 3)
    single = [emitted.backward([x[i : i + 1] for x in xs], targets[i : i + 1]) for i in range(3)]
    for whole, *each in zip(emitted.backward(xs, targets), *single, strict=True):
        assert np.abs(whole - np.concatenate(each)).max() <= 1e-5 * np.abs(whole).max()


def test_every_kind_of_layer_is_among_the_cases() -> None:
    tried = {layer.kind for layers, _ in ALL.values() for layer in layers}
    assert (set(KINDS) - VANISHING) | set(MERGES) <= tried
    assert set(FUNCTIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("kind", sorted(VANISHING))
def test_what_acts_in_training_only_is_not_there(kind: str) -> None:
    x = inputs_of("rescaling", 2)[0]
    emitted = emit([plain(kind, rate=0.9)], [SHAPE])
    assert emitted.forward(x) == pytest.approx(x)
    assert emitted.backward([x], x)[0] == pytest.approx(x)


ACTIVE = {
    name: layers[-1] for name, layers in CASES.items() if len(layers) == 1 and activates(layers[-1])
}


@pytest.mark.parametrize("name", ACTIVE)
def test_rules_change_the_way_back_through_an_activation(name: str) -> None:
    layer = ACTIVE[name]
    bare = without_activation(layer)
    assert not activates(bare)
    assert (bare.name, bare.inputs) == (layer.name, layer.inputs)
    x = inputs_of(name, 1)[0]
    before = emit([bare], [SHAPE])
    z = before.forward(x)
    g = targets_of(z.shape[1:], 2)
    for rule, passed in (("guided", (g > 0) & (z > 0)), ("relu", g > 0)):
        emitted = emit([layer], [SHAPE], rule)
        assert emitted.forward(x) == pytest.approx(emit([layer], [SHAPE]).forward(x))
        (expected,) = before.backward([x], np.where(passed, g, 0))
        assert emitted.backward([x], g)[0] == pytest.approx(expected, abs=1e-6)


def test_rules_leave_what_is_linear_alone() -> None:
    x = inputs_of("conv valid", 1)[0]
    for name in ("conv valid", "activation linear", "max pooling"):
        g = targets_of(emit(CASES[name], [SHAPE]).shape, 1)
        ways = [emit(CASES[name], [SHAPE], rule).backward([x], g)[0] for rule in ("true", "guided")]
        assert ways[0] == pytest.approx(ways[1])


@pytest.mark.parametrize(
    ("setting", "active"),
    [
        (None, False),
        ("linear", False),
        ({"class_name": "function", "config": "linear"}, False),
        ("relu", True),
        ({"class_name": "function", "config": "relu"}, True),
        ({"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}, True),
    ],
)
def test_a_layer_activates_if_its_setting_is_not_linear(setting: Any, active: bool) -> None:
    assert activates(conv(activation=setting)) is active


def test_of_equals_the_first_has_the_gradient_and_a_global_maximum_shares_it() -> None:
    x = np.ones((1, 2, 2, 1))
    pooling, both = plain("MaxPooling2D"), plain("GlobalMaxPooling2D")
    (first,) = emit([pooling], [(2, 2, 1)]).backward([x], np.ones((1, 1, 1, 1)))
    (shared,) = emit([both], [(2, 2, 1)]).backward([x], np.ones((1, 1)))
    assert first.ravel().tolist() == [1, 0, 0, 0]
    assert shared.ravel().tolist() == [0.25] * 4


@pytest.mark.parametrize(("kind", "winner"), [("Maximum", 1), ("Minimum", 0)])
def test_of_equal_inputs_the_first_has_the_gradient(kind: str, winner: int) -> None:
    xs = [np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]])]
    ways = emit([plain(kind)], [(2,), (2,)]).backward(xs, np.ones((1, 2)))
    assert [way[0, 0] for way in ways] == [1, 0]
    assert [way[0, 1] for way in ways] == [1 - winner, winner]


@pytest.mark.parametrize("name", ["colour yuv", "colour hsv", "conv with relu", "max pooling"])
def test_both_graphs_answer_the_same_steering(name: str) -> None:
    layers = [*CASES[name], plain("Flatten")]
    size = emit(layers, [SHAPE]).shape[0]
    head = Layer("Dense", "head", {"units": 1}, (random(size, 1), random(1)))
    network = OnnxNetwork(chain(SHAPE, [*layers, head]))
    inputs = Inputs(np.random.default_rng(6).uniform(0, 1, (3, *SHAPE)).astype(np.float32))
    answer = network.run(Query(), inputs)
    assert answer.gradients.shape == (3, 1, *SHAPE)
    assert answer.steering == pytest.approx(network.steer(inputs), rel=1e-5)


def test_a_batch_normalization_behind_a_linear_layer_costs_nothing() -> None:
    layers = [conv(use_bias=False), plain("Dropout"), batch_norm(4), plain("ELU")]
    folded, stands_for = fold(chain(SHAPE, layers))
    assert [layer.kind for layer in folded.layers] == ["Conv2D", "ELU"]
    assert stands_for["dropout"] == "conv"
    x = inputs_of("rescaling", 2)
    merged = emit([folded.layers[0]], [SHAPE]).forward(*x)
    assert merged == pytest.approx(forward(layers[:1] + layers[2:3], x), abs=1e-5)


def test_a_batch_normalization_behind_an_activation_stays() -> None:
    folded, _ = fold(chain(SHAPE, [conv(activation="relu"), batch_norm(4)]))
    assert [layer.kind for layer in folded.layers] == ["Conv2D", "BatchNormalization"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (conv(activation="snake"), "activation 'snake' is not known here"),
        (conv(activation={"class_name": "function", "config": {}}), "is not known here"),
        (conv(activation={"class_name": "PReLU", "config": {}}), "is not known here"),
        (conv(padding="causal"), 'padding "valid" or "same"'),
        (conv(data_format="channels_first"), "channels_last"),
        (conv((20, 20)), "at least 20 rows"),
        (Layer("Conv2D", "conv", {"filters": 4, "kernel_size": 3}), "weight 0 of shape"),
        (plain("Cropping2D", cropping=[[5, 5], [0, 0]]), "smaller than the picture"),
        (plain("Cropping2D", cropping="all"), "cropping as"),
        (plain("Reshape", target_shape=[5, 7]), "a shape with 324 values"),
        (plain("Permute", dims=[1, 2]), "dims that are 1 to 3"),
        (plain("ReLU", threshold=-1.0), "threshold as a finite number of at least 0"),
        (plain("ELU", alpha="much"), "alpha as a finite number, received 'much'"),
        (plain("Softmax", axis=[1, 2]), "one axis"),
        (plain("BatchNormalization", axis=0), "one axis, not the batch"),
        (plain("BatchNormalization", axis=[1, 2]), "one axis, not the batch"),
        (plain("LayerNormalization", rms_scaling=True), "rms_scaling"),
        (plain("LayerNormalization", axis=[]), "at least one axis"),
        (plain("GroupNormalization", groups=2), "groups that divide 3 channels"),
        (plain("GroupNormalization", axis=1), "axis -1"),
        (plain("Rescaling", scale="much"), "number"),
        (plain("Resizing", height=4, width=5, crop_to_aspect_ratio=True), "crop_to_aspect_ratio"),
        (plain("Resizing", height=4, width=5, pad_to_aspect_ratio=True), "pad_to_aspect_ratio"),
        (plain("Resizing", height=4, width=5, antialias=True), "antialias"),
        (plain("Resizing", height=4, width=5, interpolation="lanczos3"), "nearest or bilinear"),
        (plain("Resizing", height=4), "height and width"),
        (plain("Resizing", height=4, width=10**9), "at most 8192 rows"),
        (plain("UpSampling2D", size=10**6), "at most 8192 rows"),
        (plain("ZeroPadding2D", padding=10**9), "whole numbers from 0 to 8192"),
        (plain("Colour", space="lab"), "space bgr, grey, yuv, hsv"),
    ],
)
def test_a_setting_that_is_not_known_is_one_line(layer: Layer, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        emit([layer], [SHAPE])
    assert "\n" not in str(caught.value)
    assert layer.name in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (plain("Conv2D", kernel_size=3), "can't be read: KeyError"),
        (plain("Conv2D", kernel_size=3, filters="many"), "can't be read: ValueError"),
        (plain("LayerNormalization", axis="all"), "can't be read"),
        (plain("Softmax", axis=7), "can't be read"),
    ],
)
def test_settings_that_are_nonsense_are_one_line(layer: Layer, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        OnnxNetwork(chain(SHAPE, [layer]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (plain("Add"), [SHAPE, (9, 11, 3)], "the same shape"),
        (plain("Add"), [SHAPE, (9, 12)], "pictures and vectors"),
        (plain("Subtract"), [SHAPE], "2 inputs"),
        (plain("Concatenate"), [SHAPE, (8, 12, 3)], "differ on axis -1 only"),
        (plain("Concatenate", axis=0), [SHAPE, SHAPE], "not the batch"),
        (plain("Concatenate"), [SHAPE, (3,)], "differ on axis"),
    ],
)
def test_inputs_that_do_not_fit_are_one_line(
    layer: Layer, shapes: list[Shape], message: str
) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        emit([layer], shapes)
    assert "\n" not in str(caught.value)


def test_two_outputs_are_refused() -> None:
    head = Layer("Dense", "head", {"units": 2}, (random(324, 2), random(2)))
    with pytest.raises(BadInputError, match="one output"):
        OnnxNetwork(chain(SHAPE, [plain("Flatten"), head]))
