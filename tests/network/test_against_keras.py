"""Models that Keras saved: steering and gradient are TensorFlow's, without TensorFlow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.network import dave2
from carla_saliency.network.runtime import load_network

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


@pytest.mark.parametrize("make", [convolutional, pooled, functional, whole_dave2])
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
    network = load_network(path)
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
