"""What older versions of Keras wrote is read, and computes what it computed then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import (
    correlate,
    elu,
    functional,
    input_layer,
    layer,
    random,
    relu,
    sequential,
    write_h5,
    write_keras,
    write_weights,
)
from numpy.typing import NDArray

from carla_saliency.core import Inputs
from carla_saliency.errors import BadInputError
from carla_saliency.network import files
from carla_saliency.network.layers import LayerGraph
from carla_saliency.network.runtime import OnnxNetwork

IMAGE = random(7, 7, 9, 3) * 100 + 100
KERNEL, BIAS = random(1, 3, 3, 3, 4) / 50, random(2, 4)
MATRIX, LAST = random(3, 5 * 7 * 4, 1), random(4, 1)
WEIGHTS = {
    "conv": {"conv/kernel:0": KERNEL, "conv/bias:0": BIAS},
    "dense": {"dense/kernel:0": MATRIX, "dense/bias:0": LAST},
}
INITIALIZER = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}


def conv(**config: Any) -> dict[str, Any]:
    size = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "valid"}
    return layer("Conv2D", "conv", filters=4, activation="relu", use_bias=True, **size, **config)


def dense(*sources: str, **config: Any) -> dict[str, Any]:
    return layer("Dense", "dense", *sources, units=1, activation="linear", **config)


FLATTEN = layer("Flatten", "flatten")


def steering(image: NDArray[Any]) -> float:
    return float((relu(correlate(image, KERNEL, BIAS)).ravel() @ MATRIX + LAST)[0])


def steer(graph: LayerGraph, image: NDArray[Any], speed: float | None = None) -> float:
    if graph.channels_first:
        assert graph.input_shape == image.shape
    told = None if speed is None else np.full((1, 1), speed, np.float32)
    return float(OnnxNetwork(graph).steer(Inputs(image[None], told))[0])


# ------------------------------------------------------------------ what Keras 3 fails at


def test_a_sequential_model_whose_configuration_is_a_list_is_read(tmp_path: Path) -> None:
    first = conv(batch_input_shape=[None, 7, 9, 3])
    config = {"class_name": "Sequential", "config": [first, FLATTEN, dense()]}
    graph = files.load(write_h5(tmp_path / "m.h5", config, WEIGHTS, "2.1.6"))
    assert graph.source == "Keras 2.1.6, HDF5"
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def test_a_sequential_model_without_an_input_layer_is_read(tmp_path: Path) -> None:
    config = sequential(conv(batch_input_shape=[None, 7, 9, 3]), FLATTEN, dense())
    graph = files.load(write_h5(tmp_path / "m.h5", config, WEIGHTS, "2.2.4"))
    assert graph.image_shape == (7, 9, 3)
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def test_initializers_with_a_dtype_are_nothing_to_us(tmp_path: Path) -> None:
    first = conv(batch_input_shape=[None, 7, 9, 3], kernel_initializer=INITIALIZER)
    config = sequential(first, FLATTEN, dense(kernel_initializer=INITIALIZER))
    graph = files.load(write_h5(tmp_path / "m.h5", config, WEIGHTS, "2.2.4-tf"))
    assert "kernel_initializer" not in graph.layers[0].config
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def test_a_layer_for_each_frame_and_a_memory_are_read(tmp_path: Path) -> None:
    inner = {**conv(kernel_initializer=INITIALIZER)}
    lstm = {"units": 2, "activation": "tanh", "recurrent_activation": "hard_sigmoid"}
    config = sequential(
        layer("TimeDistributed", "each", layer=inner, batch_input_shape=[None, None, 7, 9, 3]),
        layer("TimeDistributed", "flat", layer=FLATTEN),
        layer("LSTM", "lstm", time_major=False, implementation=1, **lstm),
        dense(),
    )
    gates = {"kernel": random(5, 140, 8), "recurrent": random(6, 2, 8), "bias": random(7, 8)}
    weights = {
        "each": {"each/kernel:0": KERNEL, "each/bias:0": BIAS},
        "lstm": gates,
        "dense": {"k": random(8, 2, 1), "b": LAST},
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "2.3.1"))
    each, flat, memory, _ = graph.layers
    assert graph.image_shape == (3, 7, 9, 3)  # any number of frames is three
    assert (each.config["layer"]["class_name"], flat.kind) == ("Conv2D", "TimeDistributed")
    assert [w.shape for w in each.weights] == [(3, 3, 3, 4), (4,)]
    assert "time_major" not in memory.config
    assert memory.config["recurrent_activation"] == "hard_sigmoid_keras2"
    for read, stored in zip(memory.weights, gates.values(), strict=True):
        assert np.array_equal(read, stored)


def test_time_in_front_of_the_batch_is_refused(tmp_path: Path) -> None:
    config = sequential(input_layer("image", 3, 7, 9, 3), layer("LSTM", "lstm", time_major=True))
    with pytest.raises(BadInputError, match=r"lstm \(LSTM\): expected time_major false"):
        files.load(write_h5(tmp_path / "m.h5", config, {}))


def code_of_the_author(witness: Path) -> list[Any]:
    """A Lambda's function as Keras stores it: bytecode that writes a file when it is run."""
    import codecs
    import marshal

    code = compile(f"open({str(witness)!r}, 'w')", "lambda", "eval")
    return [codecs.encode(marshal.dumps(code), "base64").decode(), None, None]


def test_the_code_in_a_lambda_is_not_run_but_replaced(tmp_path: Path) -> None:
    witness = tmp_path / "it_ran"
    code = {"function": code_of_the_author(witness), "function_type": "lambda", "arguments": {}}
    lambda_layer = layer("Lambda", "scale", batch_input_shape=[None, 7, 9, 3], **code)
    config = sequential(lambda_layer, conv(), FLATTEN, dense())
    path = write_h5(tmp_path / "m.h5", config, WEIGHTS, "2.1.6")
    with pytest.raises(BadInputError, match=r"layer scale is a Lambda, right after the input") as e:
        files.load(path)
    assert "--preprocess" in str(e.value)
    graph = files.load(path, preprocess="x/127.5-1")
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE / 127.5 - 1), rel=1e-5)
    assert not witness.exists()


def test_a_compiled_model_with_an_unknown_metric_is_read(tmp_path: Path) -> None:
    config = sequential(conv(batch_input_shape=[None, 7, 9, 3]), FLATTEN, dense())
    training = json.dumps({"loss": "mse", "metrics": ["keras.metrics.mse", "my_own"]})
    path = write_h5(tmp_path / "m.h5", config, WEIGHTS, "2.4.0", training_config=training)
    assert steer(files.load(path), IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def write_architecture(path: Path) -> Path:
    config = sequential(conv(batch_input_shape=[None, 7, 9, 3]), FLATTEN, dense())
    path.write_text(json.dumps({**config, "keras_version": "2.2.4", "backend": "tensorflow"}))
    return path


@pytest.mark.parametrize("prefix", ["", "other_"])
def test_weights_are_given_to_layers_of_other_names_in_order(tmp_path: Path, prefix: str) -> None:
    arch = write_architecture(tmp_path / "model.json")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        empty: dict[str, Any] = {f"{prefix}flatten": {}}
        write_weights(file, {**{prefix + k: v for k, v in WEIGHTS.items()}, **empty})
    graph = files.load(tmp_path / "w.h5", arch=str(arch))
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def test_weights_of_another_number_of_layers_are_refused(tmp_path: Path) -> None:
    arch = write_architecture(tmp_path / "model.json")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        write_weights(file, {"other": WEIGHTS["conv"]})
    with pytest.raises(BadInputError, match=r"weights of 2 layers .* received those of 1"):
        files.load(tmp_path / "w.h5", arch=str(arch))


# ------------------------------------------------------------------ Keras 1


def convolution1(order: str, *sources: str, **config: Any) -> dict[str, Any]:
    size = {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "subsample": [1, 1], "border_mode": "valid"}
    made = {"activation": "linear", "bias": True, "W_regularizer": None, "init": "glorot_uniform"}
    return layer("Convolution2D", "conv", *sources, dim_ordering=order, **size, **made, **config)


def named1(name: str, kernel: NDArray[Any], bias: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {f"{name}_W:0": kernel, f"{name}_b:0": bias}


def test_a_functional_model_of_keras_1_with_batch_normalization_is_read(tmp_path: Path) -> None:
    config = functional(
        input_layer("image", 7, 9, 3),
        convolution1("tf", "image"),
        layer("BatchNormalization", "bn", "conv", mode=0, axis=-1, epsilon=1e-3, momentum=0.9),
        layer("ELU", "elu", "bn", alpha=1.0),
        layer("Dropout", "drop", "elu", p=0.1),
        layer("Flatten", "flat", "drop"),
        layer("Dense", "out", "flat", output_dim=1, activation="tanh", bias=True, input_dim=140),
        outputs=["out"],
    )
    gamma, beta, mean, variance = (random(n, 4) for n in (11, 12, 13, 14))
    variance = abs(variance)
    weights = {
        "conv": named1("conv", KERNEL, BIAS),
        "bn": {
            "bn_gamma:0": gamma,
            "bn_beta:0": beta,
            "bn_running_mean:0": mean,
            "bn_running_std:0": variance,
        },
        "out": named1("out", MATRIX / 9, LAST),
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "1.2.1", backend=""))
    assert [one.kind for one in graph.layers[:2]] == ["Conv2D", "BatchNormalization"]
    assert graph.layers[3].config["rate"] == 0.1
    values = (correlate(IMAGE, KERNEL, BIAS) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    expected = np.tanh(elu(values).ravel() @ MATRIX / 9 + LAST)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_channels_first_of_keras_1_is_turned_and_theano_is_mirrored(
    tmp_path: Path, backend: str
) -> None:
    stored = KERNEL.transpose(3, 2, 0, 1)  # filters, channels, rows, columns
    stored = stored[:, :, ::-1, ::-1] if backend == "theano" else stored
    config = {
        "class_name": "Sequential",
        "config": [
            convolution1("th", batch_input_shape=[None, 3, 7, 9]),
            layer("BatchNormalization", "bn", mode=0, axis=1, epsilon=1e-3),
            layer("Activation", "elu", activation="elu"),
            layer("MaxPooling2D", "pool", dim_ordering="th", pool_size=[2, 2], strides=[2, 2]),
            layer("Flatten", "flatten"),
            layer("Dense", "dense", output_dim=1, activation="linear"),
        ],
    }
    bn = {f"bn_{n}": abs(random(20 + n, 4)) for n in range(4)}
    matrix = random(30, 4 * 2 * 3, 1)
    weights = {
        "conv": named1("conv", np.ascontiguousarray(stored), BIAS),
        "bn": bn,
        "dense": named1("dense", matrix, LAST),
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "1.2.0", backend))
    gamma, beta, mean, variance = bn.values()
    values = elu((correlate(IMAGE, KERNEL, BIAS) - mean) / np.sqrt(variance + 1e-3) * gamma + beta)
    pooled = values[:4, :6].reshape(2, 2, 3, 2, 4).max(axis=(1, 3))
    expected = (pooled.transpose(2, 0, 1).ravel() @ matrix + LAST)[0]
    assert graph.channels_first
    assert [one.kind for one in graph.layers].count("Permute") == 1  # before the Flatten alone
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


def test_joined_and_shared_ways_of_channels_first_need_no_turning(tmp_path: Path) -> None:
    kernel = np.ascontiguousarray(KERNEL.transpose(3, 2, 0, 1))
    config = functional(
        input_layer("image", 3, 7, 9),
        {**convolution1("th", "image"), "inbound_nodes": [[["image", 0, 0]], [["image", 0, 0]]]},
        {
            **layer("Merge", "join", mode="concat", concat_axis=1),
            "name": "join",
            "inbound_nodes": [[["conv", 0, 0], ["conv", 1, 0]]],
        },
        layer("GlobalAveragePooling2D", "mean", "join", dim_ordering="th"),
        layer("Dense", "out", "mean", output_dim=1, activation="linear"),
        outputs=["out"],
    )
    matrix = random(1, 8, 1)
    weights = {"conv": named1("conv", kernel, BIAS), "out": named1("out", matrix, LAST)}
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "1.2.0"))
    names = [one.name for one in graph.layers]
    assert names == ["conv", "conv_call2", "join", "mean", "out"]
    mean = correlate(IMAGE, KERNEL, BIAS).mean(axis=(0, 1))
    expected = (np.concatenate([mean, mean]) @ matrix + LAST)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


def test_merges_of_keras_1_are_the_layers_of_today(tmp_path: Path) -> None:
    config = functional(
        input_layer("image", 7, 9, 3),
        layer("Flatten", "flat", "image"),
        layer("Dense", "a", "flat", output_dim=1, activation="linear"),
        layer("Dense", "b", "flat", output_dim=1, activation="linear"),
        layer("Merge", "sum", "a", "b", mode="sum", concat_axis=-1, dot_axes=-1),
        outputs=["sum"],
    )
    one, two = random(41, 189, 1), random(42, 189, 1)
    weights = {"a": named1("a", one, LAST), "b": named1("b", two, LAST)}
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "1.1.0"))
    assert graph.layers[-1].kind == "Add"
    expected = (IMAGE.ravel() @ (one + two) + 2 * LAST)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


def test_the_gates_of_keras_1_are_joined_in_the_order_of_today(tmp_path: Path) -> None:
    gate = {"output_dim": 2, "activation": "tanh", "inner_activation": "hard_sigmoid"}
    config = {
        "class_name": "Sequential",
        "config": [
            layer("TimeDistributed", "flat", layer=FLATTEN, batch_input_shape=[None, 3, 2, 2, 3]),
            layer("LSTM", "lstm", **gate),
            layer("Dense", "dense", output_dim=1),
        ],
    }
    parts = {
        f"{kind}_{gate}": np.full(shape, number, np.float32)
        for number, gate in enumerate("icfo")
        for kind, shape in (("W", (12, 2)), ("U", (2, 2)), ("b", (2,)))
    }
    weights = {"lstm": parts, "dense": named1("dense", random(1, 2, 1), LAST)}
    memory = files.load(write_h5(tmp_path / "m.h5", config, weights, "1.2.2")).layers[1]
    assert memory.config["units"] == 2
    assert [w.shape for w in memory.weights] == [(12, 8), (2, 8), (8,)]
    assert memory.weights[2].tolist() == [0, 0, 2, 2, 1, 1, 3, 3]  # input, forget, cell, output


@pytest.mark.parametrize("mode", [1, 2])
def test_a_batch_normalization_that_no_keras_has_any_more_is_refused(
    tmp_path: Path, mode: int
) -> None:
    config = sequential(input_layer("image", 7, 9, 3), layer("BatchNormalization", "b", mode=mode))
    with pytest.raises(BadInputError, match=r"expected mode 0"):
        files.load(write_h5(tmp_path / "m.h5", config, {}, "1.0.8"))


# ------------------------------------------------------------------ Keras 2


def test_channels_first_of_keras_2_is_turned_where_flatten_turns_it_back(tmp_path: Path) -> None:
    first = conv(batch_input_shape=[None, 3, 7, 9], data_format="channels_first")
    flatten = layer("Flatten", "flatten", data_format="channels_first")
    path = write_h5(tmp_path / "m.h5", sequential(first, flatten, dense()), WEIGHTS)
    graph = files.load(path)
    assert graph.channels_first
    assert "Permute" not in [one.kind for one in graph.layers]
    assert steer(graph, IMAGE) == pytest.approx(steering(IMAGE), rel=1e-5)


def test_the_weights_of_a_gpu_only_memory_become_those_of_the_usual_one(tmp_path: Path) -> None:
    config = sequential(
        layer("TimeDistributed", "flat", layer=FLATTEN, batch_input_shape=[None, 3, 2, 2, 3]),
        layer("CuDNNLSTM", "lstm", units=2),
        dense(),
    )
    kernel, recurrent, bias = random(1, 12, 8), random(2, 2, 8), random(3, 16)
    weights = {
        "lstm": {"k": kernel, "r": recurrent, "b": bias},
        "dense": {"k": random(1, 2, 1), "b": LAST},
    }
    memory = files.load(write_h5(tmp_path / "m.h5", config, weights)).layers[1]
    assert memory.kind == "LSTM"
    assert memory.config["recurrent_activation"] == "sigmoid"
    assert memory.weights[2] == pytest.approx(bias[:8] + bias[8:])
    assert np.array_equal(memory.weights[1][:, 2:4], recurrent[:, 2:4].T)
    assert np.array_equal(memory.weights[0][:, :2].ravel("F"), kernel[:, :2].ravel())


def test_both_directions_keep_their_weights_one_after_the_other(tmp_path: Path) -> None:
    inner = layer("GRU", "gru", units=2, activation="tanh", recurrent_activation="sigmoid")
    config = sequential(
        layer("TimeDistributed", "flat", layer=FLATTEN, batch_input_shape=[None, 3, 2, 2, 3]),
        layer("Bidirectional", "both", layer=inner, merge_mode="concat"),
        dense(),
    )
    arrays = {f"{d}{n}": random(n, *s) for d in "fb" for n, s in enumerate([(12, 6), (2, 6), (6,)])}
    weights = {"both": arrays, "dense": {"k": random(1, 4, 1), "b": LAST}}
    both = files.load(write_h5(tmp_path / "m.h5", config, weights)).layers[1]
    assert len(both.weights) == 6
    assert both.config["layer"]["config"]["reset_after"] is False  # the default before Keras 3


@pytest.mark.parametrize("version", ["2.2.4", "3.4.0"])
def test_hard_sigmoid_is_the_one_of_its_version(tmp_path: Path, version: str) -> None:
    config = sequential(
        input_layer("image", 7, 9, 3),
        FLATTEN,
        layer("Dense", "dense", units=1, activation="hard_sigmoid"),
    )
    matrix = np.full((189, 1), 0.005 / 189, np.float32)
    weights = {"dense": {"k": matrix, "b": np.zeros(1, np.float32)}}
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, version))
    slope = 0.2 if version < "3" else 1 / 6
    value = float(IMAGE.ravel() @ matrix[:, 0])
    assert steer(graph, IMAGE) == pytest.approx(slope * value + 0.5, rel=1e-5)


def test_names_of_layers_and_settings_that_changed_are_those_of_keras_3(tmp_path: Path) -> None:
    leaky = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.1, "dtype": "float32"}}
    config = sequential(
        input_layer("image", 7, 9, 3),
        layer("Rescaling", "r", scale=0.5, offset=0.0, dtype={"class_name": "Policy"}),
        layer("BatchNormalizationV2", "bn", axis=[3], scale=True, center=True, epsilon=1e-3),
        layer("LeakyReLU", "leaky", alpha=0.2),
        FLATTEN,
        layer("Dense", "dense", units=1, activation=leaky),
    )
    weights = {
        "bn": {str(n): abs(random(n, 3)) for n in range(4)},
        "dense": {"k": random(1, 189, 1), "b": LAST},
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "2.4.3"))
    by_name = {one.name: one for one in graph.layers}
    assert by_name["bn"].kind == "BatchNormalization"
    assert by_name["leaky"].config == {"negative_slope": 0.2}
    assert by_name["dense"].config["activation"]["config"] == {"negative_slope": 0.1}
    assert by_name["r"].config == {"scale": 0.5, "offset": 0.0}
    gamma, beta, mean, variance = (abs(random(n, 3)) for n in range(4))
    values = (IMAGE * 0.5 - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    values = np.where(values > 0, values, 0.2 * values).ravel() @ random(1, 189, 1) + LAST
    expected = np.where(values > 0, values, 0.1 * values)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------ graphs


@pytest.mark.parametrize("first_call", [0, 1])  # Keras 2 counts a model's own making as call 0
def test_a_model_inside_a_model_called_twice_is_flattened(tmp_path: Path, first_call: int) -> None:
    inner = functional(
        input_layer("in", 189), layer("Dense", "d", "in", units=189), outputs=["d"], inputs=["in"]
    )
    nodes = [[["flat", 0, 0, {}]], [["inner", first_call, 0, {}]]]
    config = functional(
        input_layer("image", 7, 9, 3),
        layer("Flatten", "flat", "image"),
        {**inner, "config": {**inner["config"], "name": "inner"}, "name": "inner"}
        | {"inbound_nodes": nodes},
        {
            **layer("Dense", "out", units=1),
            "name": "out",
            "inbound_nodes": [[["inner", first_call + 1, 0, {}]]],
        },
        outputs=["out"],
    )
    matrix, bias, last = random(1, 189, 189) / 50, random(2, 189), random(3, 189, 1)
    weights = {
        "inner": {"d_1/kernel:0": matrix, "d_1/bias:0": bias},  # a name that doesn't tell
        "out": {"out/kernel:0": last, "out/bias:0": LAST},
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights))
    assert [one.name for one in graph.layers] == ["flat", "inner/d", "inner/d_call2", "out"]
    assert graph.layers[1].weights[0] is graph.layers[2].weights[0]
    once = IMAGE.ravel() @ matrix + bias
    expected = ((once @ matrix + bias) @ last + LAST)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-4)


def test_a_model_applied_to_each_frame_is_flattened_too(tmp_path: Path) -> None:
    inner = sequential(conv(), FLATTEN, name="cnn")
    config = sequential(
        layer("TimeDistributed", "each", layer=inner, batch_input_shape=[None, 3, 7, 9, 3]),
        layer("GRU", "gru", units=2, activation="tanh", recurrent_activation="sigmoid"),
        dense(),
    )
    weights = {
        "each": {"conv/kernel:0": KERNEL, "conv/bias:0": BIAS},
        "gru": {"k": random(1, 140, 6), "r": random(2, 2, 6), "b": random(3, 6)},
        "dense": {"k": random(1, 2, 1), "b": LAST},
    }
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights))
    kinds = [(one.name, one.kind) for one in graph.layers[:2]]
    assert kinds == [("each/conv", "TimeDistributed"), ("each/flatten", "TimeDistributed")]
    assert np.array_equal(graph.layers[0].weights[0], KERNEL)


def test_a_model_inside_keeps_what_training_never_changed_behind_the_rest(tmp_path: Path) -> None:
    bn = layer("BatchNormalization", "bn", axis=-1, epsilon=1e-3)
    inner = sequential(conv(), bn, layer("ELU", "e", alpha=1.0), name="cnn")
    config = sequential(input_layer("image", 7, 9, 3), inner, FLATTEN, dense())
    arrays = [KERNEL, BIAS, *(abs(random(n, 4)) for n in range(4))]
    cnn = {f"w{n}": values for n, values in enumerate(arrays)}  # names that tell nothing
    graph = files.load(write_h5(tmp_path / "m.h5", config, {"cnn": cnn, "dense": WEIGHTS["dense"]}))
    assert [one.name for one in graph.layers[:3]] == ["cnn/conv", "cnn/bn", "cnn/e"]
    for read, stored in zip(graph.layers[1].weights, arrays[2:], strict=True):
        assert np.array_equal(read, stored)


def test_arithmetic_between_layers_is_read_as_layers(tmp_path: Path) -> None:
    def operation(name: str, function: str, source: str, value: float) -> dict[str, Any]:
        node = [[source, 0, 0, {"y": value, "name": None}]]
        made = {"class_name": "TFOpLambda", "config": {"name": name, "function": function}}
        return {**made, "name": name, "inbound_nodes": node}

    config = functional(
        input_layer("image", 7, 9, 3),
        operation("divide", "math.truediv", "image", 127.5),
        operation("subtract", "math.subtract", "divide", 1.0),
        layer("Flatten", "flat", "subtract"),
        dense("flat"),
        outputs=["dense"],
    )
    matrix = random(1, 189, 1)
    weights = {"dense": {"k": matrix, "b": LAST}}
    graph = files.load(write_h5(tmp_path / "m.h5", config, weights, "2.5.0"))
    expected = ((IMAGE / 127.5 - 1).ravel() @ matrix + LAST)[0]
    assert steer(graph, IMAGE) == pytest.approx(expected, rel=1e-5)


def keras_tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


@pytest.mark.parametrize("in_hdf5", [True, False])  # where Keras 3 leaves the module out
def test_arithmetic_of_keras_3_is_read_as_layers(tmp_path: Path, in_hdf5: bool) -> None:
    def node(made: dict[str, Any], *args: Any) -> dict[str, Any]:
        own = made["config"]["name"]
        is_layer = made["class_name"] in ("Flatten", "Dense") or isinstance(args[0], list)
        module = {} if is_layer or in_hdf5 else {"module": "keras.src.ops.numpy"}
        nodes = [{"args": list(args), "kwargs": {}}]
        return {**made, **module, "name": own, "inbound_nodes": nodes}

    image = {**layer("InputLayer", "image", batch_shape=[None, 7, 9, 3]), "inbound_nodes": []}
    half, back = keras_tensor("half"), keras_tensor("back")
    layers = [
        image,
        node(layer("Multiply", "half"), keras_tensor("image"), 0.5),
        node(layer("Subtract", "back"), 2.0, half),
        node(layer("Add", "both"), half, back),
        node(layer("Add", "layer"), [keras_tensor("both"), half]),
        node(layer("Flatten", "flat"), keras_tensor("layer")),
        node(layer("Dense", "dense", units=1), keras_tensor("flat")),
    ]
    ends = {"input_layers": ["image", 0, 0], "output_layers": ["dense", 0, 0]}
    config = {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}
    matrix = random(1, 189, 1)
    if in_hdf5:
        stored = {"dense": {"k": matrix, "b": LAST}}
        path = write_h5(tmp_path / "m", config, stored, "3.5.0")
    else:
        path = write_keras(tmp_path / "m", config, {"dense": (matrix, LAST)})
    expected = ((2 + IMAGE / 2).ravel() @ matrix + LAST)[0]
    assert steer(files.load(path), IMAGE) == pytest.approx(expected, rel=1e-5)


def test_keras_3_with_two_heads_the_speed_and_arithmetic_is_read(tmp_path: Path) -> None:
    def node(made: dict[str, Any], *args: Any) -> dict[str, Any]:
        own = made["config"]["name"]
        return {**made, "name": own, "inbound_nodes": [{"args": list(args), "kwargs": {}}]}

    ops = {"module": "keras.src.ops.numpy"}
    config = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [
                {**layer("InputLayer", "speed", batch_shape=[None, 1]), "inbound_nodes": []},
                {**layer("InputLayer", "image", batch_shape=[None, 7, 9, 3]), "inbound_nodes": []},
                {**node(layer("TrueDivide", "div"), keras_tensor("image"), 255.0), **ops},
                node(layer("Flatten", "flat"), keras_tensor("div")),
                node(
                    layer("Concatenate", "cat", axis=-1),
                    [keras_tensor("flat"), keras_tensor("speed")],
                ),
                node(layer("Dense", "steer", units=1), keras_tensor("cat")),
                node(layer("Dense", "throttle", units=1), keras_tensor("cat")),
                node(layer("Dense", "unused", units=1), keras_tensor("cat")),
            ],
            "input_layers": [["speed", 0, 0], ["image", 0, 0]],
            "output_layers": [["steer", 0, 0], ["throttle", 0, 0]],
        },
    }
    kernels = [random(n, 190, 1) for n in range(3)]
    names = ("dense", "dense_1", "dense_2")
    path = write_keras(
        tmp_path / "m", config, {n: (k, LAST) for n, k in zip(names, kernels, strict=True)}
    )
    graph = files.load(path)
    assert [(i.name, i.shape) for i in graph.inputs] == [("image", (7, 9, 3)), ("speed", (1,))]
    assert graph.outputs == ("steer", "throttle")
    assert graph.source == "Keras 3.5.0, .keras"
    assert "unused" not in [one.name for one in graph.layers]
    throttle = next(one for one in graph.layers if one.name == "throttle")
    assert np.array_equal(throttle.weights[0], kernels[1])
