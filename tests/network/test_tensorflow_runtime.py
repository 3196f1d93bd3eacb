"""Networks that run in TensorFlow answer what Keras and GradientTape do."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from carla_saliency.core import Contract, Inputs, Pose, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.check import check_gradient
from carla_saliency.network.keras_kinds import ACTIVATIONS
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, chain
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.network.tensorflow_runtime import TensorFlowNetwork, shapes_of

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to import

FRAMES = (3, 36, 40, 3)
PICTURE = (36, 40, 3)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's own, on import
        import keras
    keras.utils.set_random_seed(0)
    return keras


def eyes(keras: Any, image: Any) -> Any:
    """A small convolution for each frame."""
    layers = keras.layers
    x = layers.Rescaling(1 / 127.5, -1, name="scaled")(image)
    x = layers.TimeDistributed(layers.Conv2D(4, 5, strides=3, activation="relu"), name="eyes")(x)
    x = layers.TimeDistributed(layers.BatchNormalization())(x)
    x = layers.TimeDistributed(layers.LeakyReLU(0.1))(x)
    return layers.TimeDistributed(layers.GlobalMaxPooling2D())(x)


def lstm(keras: Any) -> Any:
    image = keras.Input(FRAMES, name="image")
    x = keras.layers.LSTM(6, return_sequences=True, dropout=0.3)(eyes(keras, image))
    x = keras.layers.LSTM(5, go_backwards=True)(x)
    return keras.Model(image, keras.layers.Dense(1, activation="tanh")(x))


def gru(keras: Any) -> Any:
    image = keras.Input(FRAMES, name="image")
    x = keras.layers.GRU(6, return_sequences=True)(eyes(keras, image))
    x = keras.layers.GRU(5, reset_after=False, activation="softsign")(x)
    return keras.Model(image, keras.layers.Dense(1)(x))


def simple_rnn(keras: Any) -> Any:
    image = keras.Input((20, *PICTURE), name="image")  # longer than what is written out
    x = keras.layers.SimpleRNN(6)(eyes(keras, image))
    return keras.Model(image, keras.layers.Dense(1)(x))


def both_ways(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input(FRAMES, name="image")
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(eyes(keras, image))
    x = layers.Bidirectional(layers.GRU(3), merge_mode="ave")(x)
    return keras.Model(image, layers.Dense(1)(x))


def conv3d(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input(FRAMES, name="image")
    x = layers.Conv3D(4, (2, 5, 5), strides=(1, 3, 3), activation="elu")(image)
    x = layers.SpatialDropout3D(0.2)(layers.MaxPooling3D((1, 2, 2))(x))
    x = layers.PReLU(shared_axes=[1, 2, 3])(layers.Conv3D(3, 2, padding="same")(x))
    return keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling3D()(x)))


def conv_lstm(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input(FRAMES, name="image")
    x = layers.ConvLSTM2D(4, 3, strides=2, return_sequences=True)(image)
    x = layers.ConvLSTM2D(3, 3, recurrent_activation="hard_sigmoid")(x)
    return keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))


def told_the_speed(keras: Any) -> Any:
    layers = keras.layers
    image, speed = keras.Input(FRAMES, name="image"), keras.Input((1,), name="speed")
    fast = layers.Dense(3, activation="sigmoid", name="fast")(speed)
    x = layers.Concatenate()([layers.LSTM(4)(eyes(keras, image)), fast])
    x = layers.Dense(6, activation="relu", name="mixed")(x)
    return keras.Model([image, speed], layers.Dense(1, activation="tanh")(x))


def attentive(keras: Any) -> Any:
    layers = keras.layers
    image = keras.Input(PICTURE, name="image")
    known = layers.Normalization()
    known.adapt(RNG.uniform(0, 255, (3, *PICTURE)).astype(np.float32))
    x = layers.Conv2D(6, 5, strides=4, activation="gelu")(known(image))
    x = layers.GroupNormalization(3)(layers.Conv2DTranspose(6, 3, strides=2)(x))
    x = layers.Reshape((-1, 6))(layers.AveragePooling2D(3)(x))
    x = layers.Add()(
        [layers.MultiHeadAttention(2, 3)(x, x), layers.Conv1D(6, 3, padding="same")(x)]
    )
    x = layers.Attention(use_scale=True)([layers.LayerNormalization()(x), x])
    x = layers.Softmax()(layers.SeparableConv1D(5, 3, activation="swish")(x))
    return keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))


MODELS = [lstm, gru, simple_rnn, both_ways, conv3d, conv_lstm, told_the_speed, attentive]
Build = Callable[[Any], Any]


def graph_of(keras: Any, model: Any) -> LayerGraph:
    layers = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        config = keras.saving.serialize_keras_object(layer)
        feeds = layer._inbound_nodes[0].input_tensors
        names = tuple(tensor._keras_history.operation.name for tensor in feeds)
        weights = tuple(np.asarray(weight, np.float32) for weight in layer.get_weights())
        layers.append(Layer(config["class_name"], layer.name, config["config"], weights, names))
    inputs = tuple(ModelInput(each.name, tuple(each.shape[1:])) for each in model.inputs)
    return LayerGraph(inputs, tuple(layers), (layers[-1].name,))


def shaken(model: Any) -> Any:
    """Give it biases and statistics that aren't those it began with."""
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            weight + rng.uniform(0, 0.4, weight.shape).astype(weight.dtype) * (weight.ndim == 1)
            for weight in model.get_weights()
        ]
    )
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return model


def inputs_of(model: Any, count: int = 2) -> Inputs:
    image, *more = model.inputs
    rng = np.random.default_rng(2)
    pictures = rng.uniform(0, 255, (count, *image.shape[1:])).astype(np.float32)
    return Inputs(pictures, rng.uniform(0, 9, (count, 1)).astype(np.float32) if more else None)


def by_tape(keras: Any, model: Any, inputs: Inputs, name: str, index: str | int) -> Any:
    """Return the gradient of a target to the image, as Keras and TensorFlow have it."""
    import tensorflow as tf

    part = keras.Model(model.inputs, model.get_layer(name).output)
    image = tf.constant(inputs.image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        told = image if inputs.speed is None else [image, tf.constant(inputs.speed)]
        value = part(told, training=False)
        means = tf.reduce_mean(tf.reshape(value, [len(inputs.image), -1, value.shape[-1]]), axis=1)
        target = tf.reduce_sum(means if index == "mean" else means[:, index])
    return tape.gradient(target, image, unconnected_gradients="zero").numpy()


def close(received: Any, expected: Any) -> bool:
    assert received.shape == expected.shape
    return bool(np.abs(received - expected).max() <= 1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("build", MODELS)
def test_steering_and_gradients_are_those_of_keras(keras: Any, build: Build) -> None:
    model = shaken(build(keras))
    graph = graph_of(keras, model)
    network, inputs = TensorFlowNetwork(graph), inputs_of(model)
    first = graph.layers[1].name
    query = Query(targets=((graph.outputs[0], "mean"), (first, 2), (first, "mean")))
    answer = network.run(query, inputs)
    expected = model(inputs.image if inputs.speed is None else [inputs.image, inputs.speed])
    assert answer.steering == pytest.approx(np.ravel(expected), abs=1e-5)
    assert network.steer(inputs) == pytest.approx(answer.steering, abs=1e-6)
    assert answer.gradients.dtype == np.float32
    assert answer.gradients.shape == (2, 3, *graph.image_shape)
    for number, (name, index) in enumerate(query.targets):
        assert close(answer.gradients[:, number], by_tape(keras, model, inputs, name, index))


@pytest.mark.parametrize("build", [lstm, told_the_speed])
def test_the_gradient_passes_the_check_of_a_loaded_network(keras: Any, build: Build) -> None:
    graph = graph_of(keras, build(keras))
    speed = 5.0 if graph.takes_speed else None
    checked = check_gradient(TensorFlowNetwork(graph), graph.image_shape, speed=speed)
    assert checked.ratio == pytest.approx(1, abs=0.05)


def test_shapes_are_those_of_keras(keras: Any) -> None:
    model = attentive(keras)
    graph = graph_of(keras, model)
    shapes = shapes_of(graph)
    assert shapes == {
        layer.name: tuple(model.get_layer(layer.name).output.shape[1:]) for layer in graph.layers
    }
    infos = TensorFlowNetwork(graph).layers
    assert [info.name for info in infos] == [layer.name for layer in graph.layers]
    assert {info.name: info.shape for info in infos} == shapes
    assert {info.kind for info in infos if info.activates} == {
        "Conv2D",
        "SeparableConv1D",
        "Softmax",
    }


def test_a_picture_of_a_batch_has_the_answer_that_it_has_alone(keras: Any) -> None:
    network = TensorFlowNetwork(graph_of(keras, model := told_the_speed(keras)))
    inputs = inputs_of(model, 3)
    query = Query(targets=(("steering", "mean"), ("mixed", 1)), keep=("mixed",))
    answer = network.run(query, inputs)
    for i in range(3):
        alone = network.run(query, Inputs(inputs.image[i : i + 1], inputs.speed[i : i + 1]))
        assert alone.steering[0] == pytest.approx(answer.steering[i], abs=1e-6)
        assert close(alone.gradients[0], answer.gradients[i])
        assert close(alone.output_gradients["mixed"][0], answer.output_gradients["mixed"][i])
    none = network.run(query, Inputs(inputs.image[:0], inputs.speed[:0]))
    assert none.gradients.shape == (0, 2, *FRAMES)


def test_without_targets_there_is_the_steering_and_what_is_kept(keras: Any) -> None:
    model = lstm(keras)
    network, inputs = TensorFlowNetwork(graph_of(keras, model)), inputs_of(model)
    answer = network.run(Query(targets=(), keep=("scaled",)), inputs)
    assert answer.gradients.shape == (2, 0, *FRAMES)
    assert answer.output_gradients == {}
    assert np.allclose(answer.outputs["scaled"], inputs.image / 127.5 - 1, atol=1e-6)
    answer.outputs["scaled"][:] = 0  # it belongs to the caller


def test_kept_layers_come_with_the_gradient_of_each_target(keras: Any) -> None:
    import tensorflow as tf

    model = shaken(told_the_speed(keras))
    network, inputs = TensorFlowNetwork(graph_of(keras, model)), inputs_of(model)
    keep = ("eyes", "fast", "mixed")
    answer = network.run(Query(targets=(("steering", 0), ("fast", 1)), keep=keep), inputs)
    values = keras.Model(model.inputs, [model.get_layer(name).output for name in keep])(
        [inputs.image, inputs.speed]
    )
    for name, value in zip(keep, values, strict=True):
        assert np.allclose(answer.outputs[name], value, atol=1e-5)
        assert answer.output_gradients[name].shape == (2, 2, *value.shape[1:])
    with tf.GradientTape() as tape:
        tape.watch(values[2])
        steering = model.layers[-1](values[2])
    expected = tape.gradient(steering, values[2]).numpy()
    assert close(answer.output_gradients["mixed"][:, 0], expected)
    assert close(answer.output_gradients["fast"][:, 1], np.tile([[0.0, 1.0, 0.0]], (2, 1)))
    assert answer.output_gradients["fast"][:, 0].any()
    assert not answer.output_gradients["eyes"][:, 1].any()
    assert not answer.gradients[:, 1].any()  # the speed's part does not see the image


def test_gates_multiply_the_channels_of_a_layer(keras: Any) -> None:
    import tensorflow as tf

    model = shaken(lstm(keras))
    graph = graph_of(keras, model)
    inputs, gates = inputs_of(model), RNG.uniform(0, 1, (2, 4)).astype(np.float32)
    before = keras.Model(model.inputs, model.get_layer("eyes").output)
    after = keras.Model(model.get_layer("eyes").output, model.output)
    image = tf.constant(inputs.image)
    with tf.GradientTape() as tape:
        tape.watch(image)
        gated = before(image) * gates[:, None, None, None]
        steering = after(gated)
    answer = TensorFlowNetwork(graph).run(Query(gate="eyes", keep=("eyes",)), inputs, gates)
    assert answer.steering == pytest.approx(np.ravel(steering), abs=1e-5)
    assert np.allclose(answer.outputs["eyes"], gated, atol=1e-5)
    assert close(answer.gradients[:, 0], tape.gradient(steering, image).numpy())


# ------------------------------------------------------------------ rules


@pytest.fixture
def dense() -> tuple[LayerGraph, list[np.ndarray]]:
    rng = np.random.default_rng(3)
    sizes = (24, 7, 5, 1)
    weights = [
        rng.normal(0, 0.4, shape).astype(np.float32)
        for a, b in itertools.pairwise(sizes)
        for shape in ((a, b), (b,))
    ]
    inner = {"class_name": "Dense", "config": {"units": 7, "activation": "elu"}}
    layers = [
        Layer("TimeDistributed", "f", {"layer": {"class_name": "Flatten", "config": {}}}),
        Layer("TimeDistributed", "a", {"layer": inner}, tuple(weights[:2])),
        Layer("GlobalAveragePooling1D", "p", {}),
        Layer("Dense", "b", {"units": 5}, tuple(weights[2:4])),
        Layer("ReLU", "c", {}),
        Layer("Dense", "steering", {"units": 1, "activation": "tanh"}, tuple(weights[4:])),
    ]
    return chain((2, 2, 4, 3), layers), weights


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("rule", ["true", "guided", "relu"])
def test_rules_act_at_every_activation_but_the_last(
    dense: tuple[LayerGraph, list[np.ndarray]], rule: Any, linear: bool
) -> None:
    graph, (w1, b1, w2, b2, w3, b3) = dense
    image = RNG.normal(0, 1, (3, 2, 2, 4, 3)).astype(np.float32)
    a1 = image.reshape(3, 2, 24) @ w1 + b1
    a2 = np.where(a1 > 0, a1, np.expm1(a1)).mean(1) @ w2 + b2
    a3 = np.maximum(a2, 0) @ w3 + b3

    def back(g: np.ndarray, a: np.ndarray, slope: np.ndarray) -> np.ndarray:
        passes = {"true": slope, "relu": g > 0, "guided": (g > 0) & (a > 0)}[rule]
        return np.broadcast_to(g, a.shape) * passes

    g = (np.ones_like(a3) if linear else 1 - np.tanh(a3) ** 2) @ w3.T
    g = (back(g, a2, a2 > 0) @ w2.T)[:, None] / 2
    g = back(g, a1, np.where(a1 > 0, 1, np.exp(a1))) @ w1.T
    answer = TensorFlowNetwork(graph).run(Query(rule=rule, linear=linear), Inputs(image))
    assert answer.steering == pytest.approx((a3 if linear else np.tanh(a3))[:, 0], abs=1e-5)
    assert close(answer.gradients[:, 0], g.reshape(image.shape))


def test_a_rule_spares_the_inside_of_a_memory_and_acts_before_it(keras: Any) -> None:
    model = shaken(lstm(keras))
    network, inputs = TensorFlowNetwork(graph_of(keras, model)), inputs_of(model)
    true, guided = (
        network.run(Query(rule=rule, keep=("eyes", model.layers[-2].name)), inputs)
        for rule in ("true", "guided")
    )
    memory = model.layers[-2].name
    assert close(guided.output_gradients[memory], true.output_gradients[memory])
    assert not np.allclose(guided.gradients, true.gradients)
    assert (guided.output_gradients["eyes"] != true.output_gradients["eyes"]).any()


# ------------------------------------------------------------------ what Keras 3 has not


@pytest.mark.parametrize("space", ["bgr", "yuv", "grey", "hsv"])
def test_colours_are_those_of_a_contract(space: Any) -> None:
    rgb = RNG.integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    rgb[0, 0] = 77, 77, 77
    rgb[0, 1] = 0, 0, 255  # cut in V
    contract = Contract("n", Pose(), 6, 5, 90, (0, 5, 0, 6), 5, 6, colour=space)
    preprocess = ContractPreprocess(contract)
    channels = 1 if space == "grey" else 3
    weights = RNG.normal(0, 1e-3, (30 * channels, 1)).astype(np.float32)
    layers = [
        Layer("Colour", "colour", {"space": space}),
        Layer("Flatten", "flatten", {}),
        Layer("Dense", "steering", {"units": 1, "use_bias": False}, (weights,)),
    ]
    answer = TensorFlowNetwork(chain((5, 6, 3), layers)).run(
        Query(keep=("colour",)), Inputs(rgb.astype(np.float32))
    )
    assert np.allclose(answer.outputs["colour"], preprocess.encode(rgb), atol=1e-3)
    constant = np.broadcast_to(weights.reshape(5, 6, channels), (4, 5, 6, channels))
    expected = preprocess.pull_back(rgb, constant)
    # where channels are equal, which of them counts is a choice
    apart = np.ptp(np.sort(rgb.astype(int), axis=-1)[..., :2], axis=-1) > 0
    apart &= np.ptp(np.sort(rgb.astype(int), axis=-1)[..., 1:], axis=-1) > 0
    apart |= np.array(space != "hsv")
    assert np.allclose(answer.gradients[:, 0][apart], expected[apart], atol=1e-6)


def test_settings_of_older_versions_are_honoured() -> None:
    rng = np.random.default_rng(4)
    config = {
        "units": 3,
        "activation": "tanh",
        "recurrent_activation": "hard_sigmoid_keras2",
        "time_major": False,
        "implementation": 1,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"dtype": "float32"}},
    }
    shapes = ((12, 12), (3, 12), (12,))
    one, other = (
        tuple(rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes) for _ in range(2)
    )
    leaky = {"class_name": "LeakyReLU", "config": {"negative_slope": 0.5}}
    layers = [
        Layer("TimeDistributed", "f", {"layer": {"class_name": "Flatten", "config": {}}}),
        Layer(
            "Bidirectional", "m", {"layer": {"class_name": "LSTM", "config": config}}, one + other
        ),
        Layer("ThresholdedReLU", "t", {"theta": 0.05}),
        Layer(
            "Dense",
            "d",
            {"units": 6, "use_bias": False, "activation": leaky},
            (-np.eye(6, dtype=np.float32),),
        ),
        Layer(
            "Dense",
            "steering",
            {"units": 1},
            (np.ones((6, 1), np.float32), np.zeros(1, np.float32)),
        ),
    ]
    image = rng.normal(0, 1, (2, 3, 2, 2, 3)).astype(np.float32)

    def hard(x: np.ndarray) -> np.ndarray:
        return np.clip(0.2 * x + 0.5, 0, 1)

    def remembered(frames: list[np.ndarray], weights: tuple[np.ndarray, ...]) -> np.ndarray:
        h = c = np.zeros((2, 3), np.float32)
        for x in frames:
            i, f, n, o = np.split(x @ weights[0] + h @ weights[1] + weights[2], 4, axis=1)
            c = hard(f) * c + hard(i) * np.tanh(n)
            h = hard(o) * np.tanh(c)
        return h

    frames = list(image.reshape(2, 3, 12).swapaxes(0, 1))
    both = np.concatenate([remembered(frames, one), remembered(frames[::-1], other)], axis=1)
    through = -np.where(both > 0.05, both, 0)
    expected = np.where(through > 0, through, through / 2).sum(1)
    network = TensorFlowNetwork(chain(image.shape[1:], layers))
    assert network.steer(Inputs(image)) == pytest.approx(expected, abs=1e-5)


def test_every_activation_of_keras_is_computed(keras: Any) -> None:
    names = sorted(ACTIVATIONS - {"glu", "threshold"})  # these need settings
    image = keras.Input((5, 6, 3), name="image")
    x = keras.layers.Rescaling(1 / 64, -2)(image)
    own = [keras.layers.Dense(2, activation=name)(x) for name in names]
    layers = [keras.layers.Activation(name)(y) for name, y in zip(names, own, strict=True)]
    x = keras.layers.Flatten()(keras.layers.Concatenate()(own + layers))
    model = keras.Model(image, keras.layers.Dense(1, name="steering")(x))
    inputs = inputs_of(model)
    answer = TensorFlowNetwork(graph_of(keras, model)).run(Query(), inputs)
    assert close(answer.steering, np.asarray(model(inputs.image))[:, 0])
    assert close(answer.gradients[:, 0], by_tape(keras, model, inputs, "steering", "mean"))


def test_preprocessing_of_one_picture_is_done_to_each_frame() -> None:
    layers = [
        Layer("Cropping2D", "c", {"cropping": [[1, 0], [0, 2]]}),
        Layer("Resizing", "r", {"height": 2, "width": 3, "interpolation": "nearest"}),
        Layer("Flatten", "f", {}),
        Layer(
            "Dense", "steering", {"units": 1, "use_bias": False}, (np.ones((36, 1), np.float32),)
        ),
    ]
    graph = chain((2, 5, 8, 3), layers)
    assert shapes_of(graph)["r"] == (2, 2, 3, 3)
    image = np.ones((1, 2, 5, 8, 3), np.float32)
    assert TensorFlowNetwork(graph).steer(Inputs(image)) == pytest.approx([36])


# ------------------------------------------------------------------ other weights


def test_randomised_weights_are_others_and_the_same_for_a_seed(keras: Any) -> None:
    model = shaken(lstm(keras))
    network, inputs = TensorFlowNetwork(graph_of(keras, model)), inputs_of(model)
    one, again, other = (network.randomised(seed).run(Query(), inputs) for seed in (1, 1, 2))
    assert np.array_equal(one.gradients, again.gradients)
    assert not np.allclose(one.gradients, other.gradients)
    assert not np.allclose(one.gradients, network.run(Query(), inputs).gradients)
    assert one.gradients.any()  # the normalisation keeps what it knows


# ------------------------------------------------------------------ what is refused


def code(kind: str, config: dict[str, Any] | None = None) -> Layer:
    return Layer(kind, "bad", {"function": ["4wAAAA==", None, None]} if config is None else config)


BAD = {
    "Lambda": code("Lambda"),
    "TFSMLayer": code("TFSMLayer", {"filepath": "/tmp"}),
    "MyLayer": code("MyLayer"),
    "Lambda of frames": code(
        "TimeDistributed", {"layer": {"class_name": "Lambda", "config": {"function": "f"}}}
    ),
    "Lambda both ways": code(
        "Bidirectional", {"layer": {"class_name": "Lambda", "config": {"function": "f"}}}
    ),
    "function": code(
        "Activation", {"activation": {"class_name": "function", "config": "system", "module": "os"}}
    ),
    "lambda": code("Activation", {"activation": {"class_name": "__lambda__", "config": {}}}),
    "nested": code("Reshape", {"target_shape": {"class_name": "Popen", "module": "subprocess"}}),
    "Masking": code("Masking", {"mask_value": 0.0}),
    "RandomCrop": code("RandomCrop", {"height": 4, "width": 4}),
    "no settings": code("Conv3D", {}),
    "no layer": code("TimeDistributed", {}),
    "no weights": code("Dense", {"units": 4}),
    "too many weights": code("Dense", {"units": 10**12}),
    "too large": code("UpSampling2D", {"size": 10**6}),
    "state": code("LSTM", {"units": 1, "return_state": True}),
    "stateful": code("LSTM", {"units": 1, "stateful": True}),
    "not so deep": code("Conv3D", {"filters": 1, "kernel_size": 3}),
    "no such space": code("Colour", {"space": "lab"}),
}


@pytest.mark.parametrize("layer", BAD.values(), ids=BAD.keys())
def test_what_needs_code_or_does_not_fit_is_one_line(layer: Layer) -> None:
    end = Layer("Dense", "steering", {"units": 1}, (np.ones((3, 1), np.float32),))
    with pytest.raises(BadInputError) as caught:
        TensorFlowNetwork(chain(PICTURE, [layer, end]))
    assert "bad" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_one_line(dense: tuple[LayerGraph, list[np.ndarray]]) -> None:
    graph, _ = dense
    bent = [*graph.layers[:-1], Layer("Dense", "steering", {"units": 1}, (np.ones((5, 1)),) * 2)]
    with pytest.raises(BadInputError, match=r"layer steering .* \(5, 1\)") as caught:
        TensorFlowNetwork(chain(graph.image_shape, bent))
    assert "\n" not in str(caught.value)


def test_an_output_of_two_numbers_is_refused(dense: tuple[LayerGraph, list[np.ndarray]]) -> None:
    graph, _ = dense
    with pytest.raises(BadInputError, match=r"one output, received one of shape \(5,\)"):
        TensorFlowNetwork(chain(graph.image_shape, graph.layers[:-1]))


def test_a_query_that_does_not_fit_is_an_error(dense: tuple[LayerGraph, list[np.ndarray]]) -> None:
    network = TensorFlowNetwork(dense[0])
    image = np.zeros((1, 2, 2, 4, 3), np.float32)
    for query in (Query((("x", 0),)), Query(keep=("x",)), Query(gate="x")):
        with pytest.raises(ValueError, match="no layer 'x'; there are a, b"):
            network.run(query, Inputs(image), np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match="b has filters 0 to 4, received 5"):
        network.run(Query((("b", 5),)), Inputs(image))
    with pytest.raises(ValueError, match="gates of b are missing"):
        network.run(Query(gate="b"), Inputs(image))
    with pytest.raises(ValueError, match=r"float32 of shape \(N, 2, 2, 4, 3\), received"):
        network.steer(Inputs(image[0]))


def test_a_missing_speed_is_an_error(keras: Any) -> None:
    model = told_the_speed(keras)
    with pytest.raises(ValueError, match=r"speed must be float32 of shape \(2, 1\), received None"):
        TensorFlowNetwork(graph_of(keras, model)).steer(Inputs(inputs_of(model).image))


QUIET = """
import sys
import numpy as np
from carla_saliency.core import Inputs, Query
from carla_saliency.network.layers import Layer, chain
from carla_saliency.network.tensorflow_runtime import TensorFlowNetwork
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
weights = np.ones((6, 8), np.float32), np.ones((2, 8), np.float32), np.ones(8, np.float32)
layers = [Layer("Reshape", "r", {"target_shape": [3, 6]})]
layers += [Layer("LSTM", "m", {"units": 2}, weights)]
end = np.ones((2, 1), np.float32), np.ones(1, np.float32)
network = TensorFlowNetwork(chain((3, 2, 3), [*layers, Layer("Dense", "d", {"units": 1}, end)]))
network.run(Query(), Inputs(np.ones((1, 3, 2, 3), np.float32)))
"""


def test_nothing_is_printed_and_tensorflow_waits_for_a_network() -> None:
    done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
