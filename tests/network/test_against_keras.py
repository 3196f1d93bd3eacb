"""Layers that Keras makes, and models that it saved: values and gradients are TensorFlow's."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_harness import emit

from carla_saliency.core import Inputs, Query
from carla_saliency.network import dave2
from carla_saliency.network.activations import ACTIVATIONS
from carla_saliency.network.files import load
from carla_saliency.network.kinds import KINDS, VANISHING
from carla_saliency.network.layers import Layer
from carla_saliency.network.merges import MERGES
from carla_saliency.network.runtime import OnnxNetwork

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to import

SHAPE = (20, 30, 3)


@pytest.fixture(scope="module")
def keras() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own, on import
        import keras
    keras.utils.set_random_seed(0)
    return keras


def convolutional(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1 / 127.5, -1),
            layers.RandomFlip(),
            layers.Cropping2D(((4, 1), (0, 2))),
            layers.ZeroPadding2D(1),
            layers.SeparableConv2D(6, 3, depth_multiplier=2, activation="selu"),
            layers.DepthwiseConv2D(3, padding="same", activation="gelu"),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.SpatialDropout2D(0.3),
            layers.Conv2D(8, 3, dilation_rate=2, padding="same", use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.LeakyReLU(0.1),
            layers.LayerNormalization(),
            layers.PReLU(shared_axes=[1]),
            layers.AveragePooling2D(3, 1, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7, activation=keras.activations.softsign),
            layers.Dropout(0.5),
            layers.Dense(5, activation="leaky_relu"),
            layers.ELU(alpha=0.7),
            layers.Dense(1, activation="tanh"),
        ]
    )


def pooled(keras: Any) -> Any:
    layers = keras.layers
    standard = layers.Normalization(name="standard")
    standard.adapt(np.random.default_rng(1).uniform(0, 255, (4, *SHAPE)).astype(np.float32))
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            standard,
            layers.Conv2D(4, (3, 5), strides=(2, 1), activation="softplus"),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.Conv2D(6, 3, padding="same", groups=2, activation="silu"),
            layers.ReLU(negative_slope=0.2),
            layers.MaxPooling2D(),
            layers.Reshape((-1, 3, 2)),
            layers.Dense(3, activation="elu"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def functional(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input(SHAPE, name="camera")
    values = layers.Normalization(mean=[100, 110, 120], variance=[900, 800, 700])(image)
    # names against the order, so that weights can't be found by sorting
    for name in ("z", "a", "k"):
        values = layers.Conv2D(5, 3, strides=2, activation="elu", name=name)(values)
    values = layers.Flatten()(values)
    return keras.Model(image, layers.Dense(1, name="b")(values))


def branched(keras: Any) -> Any:
    """Residual, squeeze-and-excite and side by side, with a resize and a crop in front."""
    layers = keras.layers
    image = keras.Input(SHAPE)
    values = layers.Resizing(16, 24)(layers.Cropping2D(((6, 0), (0, 0)))(image))
    values = layers.Rescaling(1 / 255, -0.5)(values)
    first = layers.Conv2D(6, 3, padding="same", activation="elu")(values)
    second = layers.Conv2D(6, 3, padding="same")(first)
    values = layers.Activation("mish")(layers.Add()([first, second]))
    share = layers.GlobalAveragePooling2D(keepdims=True)(values)
    share = layers.Dense(6, activation="sigmoid")(share)
    values = layers.Multiply()([values, share])
    half = layers.UpSampling2D(2)(layers.MaxPooling2D(2)(values))
    values = layers.Concatenate()([values, half, layers.Maximum()([values, half])])
    values = layers.GroupNormalization(3)(values)
    values = layers.SeparableConv2D(4, 3, strides=2, activation="hard_sigmoid")(values)
    many = layers.Concatenate()(
        [layers.GlobalMaxPooling2D()(values), layers.Flatten()(layers.Permute((3, 1, 2))(values))]
    )
    many = layers.Average()([layers.Dense(8, activation="softmax")(many), layers.Dense(8)(many)])
    return keras.Model(image, layers.Dense(1, activation="tanh")(many))


def whole_dave2(keras: Any) -> Any:
    return dave2.build((66, 200, 3))


def disturb(model: Any) -> Any:
    """Give biases and moving means values of their own: fresh ones are all alike."""
    rng = np.random.default_rng(2)
    trained = [w for layer in model.layers for w in layer.weights if layer.name != "standard"]
    for weight in trained:
        if len(weight.shape) == 1:
            weight.assign(weight.numpy() + rng.uniform(-0.2, 0.2, weight.shape))
    return model


@pytest.mark.parametrize("make", [convolutional, pooled, functional, branched, whole_dave2])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_saved_model_answers_what_tensorflow_answers(
    keras: Any, tmp_path: Path, make: Callable[[Any], Any], suffix: str
) -> None:
    import tensorflow as tf

    model = disturb(make(keras))
    path = tmp_path / f"model.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls .h5 old
        model.save(path)
    network = OnnxNetwork(load(path))
    images = np.random.default_rng(3).uniform(0, 255, (2, *network.input_shape)).astype(np.float32)

    variable = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        steering = model(variable, training=False)
    gradient = tape.gradient(steering, variable).numpy()

    answer = network.run(Query(), Inputs(images))
    assert answer.steering == pytest.approx(steering.numpy()[:, 0], abs=1e-5)
    assert np.abs(gradient).max() > 0
    assert np.abs(answer.gradients[:, 0] - gradient).max() < 1e-5 * np.abs(gradient).max()


NEEDED: dict[str, dict[str, Any]] = {
    "AveragePooling2D": {"pool_size": 2},
    "Conv2D": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
    "Cropping2D": {"cropping": ((1, 2), (3, 0))},
    "Dense": {"units": 4, "activation": "tanh"},
    "DepthwiseConv2D": {"kernel_size": 3, "depth_multiplier": 2},
    "GroupNormalization": {"groups": 3},
    "Normalization": {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0]},
    "Permute": {"dims": (3, 1, 2)},
    "Rescaling": {"scale": 0.3, "offset": [1.0, 2.0, 3.0]},
    "Reshape": {"target_shape": (30, -1, 3)},
    "Resizing": {"height": 13, "width": 41},
    "SeparableConv2D": {"filters": 4, "kernel_size": 3, "activation": "selu"},
    "ZeroPadding2D": {"padding": ((1, 2), (3, 0))},
}
OURS = {"Activation", "Colour", "ThresholdedReLU"}  # or gone from Keras 3, or tried one by one
SINGLE: dict[str, tuple[str, dict[str, Any]]] = {
    **{kind: (kind, NEEDED.get(kind, {})) for kind in sorted(KINDS.keys() - VANISHING - OURS)},
    **{
        f"activation {name}": ("Activation", {"activation": name})
        for name in sorted(ACTIVATIONS.keys() - {"hard_sigmoid_keras2"})
    },
    "resized to the nearest": ("Resizing", {"height": 7, "width": 17, "interpolation": "nearest"}),
    "resized larger": ("Resizing", {"height": 33, "width": 70, "interpolation": "nearest"}),
    "upsampled, bilinear": ("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"}),
    "rows normalised": ("BatchNormalization", {"axis": 1}),
    "all normalised": ("LayerNormalization", {"axis": [1, 2, 3]}),
    "relu with all": ("ReLU", {"max_value": 0.7, "negative_slope": 0.3, "threshold": 0.2}),
    "softmax along rows": ("Softmax", {"axis": 1}),
    "shared prelu": ("PReLU", {"shared_axes": [1, 2]}),
    "dilated": ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2}),
    "in groups": ("Conv2D", {"filters": 6, "kernel_size": (5, 2), "strides": 3, "groups": 3}),
    "averages overlap": ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "maxima overlap": ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}),
    "maximum kept": ("GlobalMaxPooling2D", {"keepdims": True}),
    "mean kept": ("GlobalAveragePooling2D", {"keepdims": True}),
}
MERGED: dict[str, tuple[str, dict[str, Any], list[tuple[int, ...]]]] = {
    **{kind: (kind, {}, [SHAPE] * (2 if kind == "Subtract" else 3)) for kind in sorted(MERGES)},
    "multiplied by channel": ("Multiply", {}, [SHAPE, (1, 1, 3)]),
    "a vector added": ("Add", {}, [SHAPE, (3,)]),
    "subtracted from a vector": ("Subtract", {}, [(3,), SHAPE]),
    "maximum by place": ("Maximum", {}, [(20, 30, 1), SHAPE]),
    "rows joined": ("Concatenate", {"axis": 1}, [SHAPE, (4, 30, 3)]),
    "vectors joined": ("Concatenate", {}, [(3,), (5,)]),
}


def assert_alike(layer: Any, shapes: list[tuple[int, ...]]) -> None:
    """Compare a layer of Keras with what is written for its kind, settings and weights."""
    import tensorflow as tf

    rng = np.random.default_rng(5)
    xs = [rng.normal(0, 1, (2, *shape)).astype(np.float32) for shape in shapes]
    variables = [tf.constant(x) for x in xs]
    layer(variables if len(xs) > 1 else variables[0])  # builds it
    layer.set_weights([rng.uniform(0.3, 1, w.shape) for w in layer.get_weights()])
    with tf.GradientTape() as tape:
        for variable in variables:
            tape.watch(variable)
        y = layer(variables if len(xs) > 1 else variables[0], training=False)
        g = rng.normal(0, 1, y.shape).astype(np.float32)
        total = tf.reduce_sum(y * g)
    gradients = tape.gradient(total, variables)
    weights = tuple(np.asarray(w, np.float32) for w in layer.get_weights())
    own = Layer(type(layer).__name__, layer.name, layer.get_config(), weights)
    emitted = emit([own], shapes)
    assert emitted.forward(*xs) == pytest.approx(y.numpy(), abs=1e-5, rel=1e-5)
    for ours, theirs in zip(emitted.backward(xs, g), gradients, strict=True):
        assert np.abs(ours - theirs.numpy()).max() < 1e-5 * np.abs(theirs.numpy()).max()


@pytest.mark.parametrize("name", SINGLE)
def test_a_layer_does_what_kerass_does(keras: Any, name: str) -> None:
    kind, config = SINGLE[name]
    assert_alike(getattr(keras.layers, kind)(**config), [SHAPE])


@pytest.mark.parametrize("name", MERGED)
def test_a_layer_with_several_inputs_does_what_kerass_does(keras: Any, name: str) -> None:
    kind, config, shapes = MERGED[name]
    assert_alike(getattr(keras.layers, kind)(**config), shapes)


def test_a_camera_picture_is_resized_with_kerass_own_roundings(keras: Any) -> None:
    picture = np.random.default_rng(7).uniform(0, 255, (1, 480, 640, 3)).astype(np.float32)
    layer = keras.layers.Resizing(66, 200)
    emitted = emit([Layer("Resizing", "resizing", layer.get_config())], [(480, 640, 3)])
    assert np.abs(emitted.forward(picture) - layer(picture).numpy()).max() < 1e-4


def test_what_vanishes_does_nothing_in_keras_outside_training(keras: Any) -> None:
    image = np.random.default_rng(6).uniform(0, 255, (1, *SHAPE)).astype(np.float32)
    gone = {"RandomHeight", "RandomWidth", "SpatialDropout1D", "SpatialDropout3D"}
    for kind in sorted(VANISHING - gone):
        needed = {"factor", "rate", "stddev", "height_factor", "width_factor"}
        make = getattr(keras.layers, kind)
        known = needed & set(inspect.signature(make.__init__).parameters)
        layer = make(**dict.fromkeys(known, 1 if kind == "RandomPosterization" else 0.1))
        assert np.abs(layer(image, training=False) - image).max() < 1e-3, kind


def test_dave2_is_the_papers_network_in_size_and_shape(keras: Any) -> None:
    model = dave2.build()
    assert model.input_shape == (None, 66, 200, 3)
    assert model.output_shape == (None, 1)
    assert 0.24e6 < model.count_params() < 0.26e6
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in convolutions] == [
        (31, 98, 24),
        (14, 47, 36),
        (5, 22, 48),
        (3, 20, 64),
        (1, 18, 64),
    ]


def test_dave2_does_not_care_for_brightness_and_contrast(keras: Any) -> None:
    picture = np.random.default_rng(4).uniform(50, 150, (1, 66, 200, 3)).astype(np.float32)
    model = dave2.build()
    first, second = (model(p, training=False).numpy() for p in (picture, 1.5 * picture + 10))
    assert first == pytest.approx(second, abs=1e-4)
