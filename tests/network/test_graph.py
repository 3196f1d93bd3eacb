"""What a query asks is what the graph answers, also where a model has branches."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.check import check_gradient
from carla_saliency.network.folding import fold, last_activation
from carla_saliency.network.graph import shapes_of, unknown_kinds
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, chain
from carla_saliency.network.runtime import OnnxNetwork

SHAPE = (12, 20, 3)
RNG = np.random.default_rng(0)


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    scale = 1 / np.sqrt(np.prod(shape[:-1]))
    return np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)


def conv(name: str, source: str, channels: int, filters: int, **config: Any) -> Layer:
    settings = {"filters": filters, "kernel_size": [3, 3], "activation": "elu", **config}
    values = (weights(3, 3, channels, filters, seed=len(name)), weights(filters, seed=1) * 0.1)
    return Layer("Conv2D", name, settings, values, (source,))


def dense(name: str, source: str, size: int, units: int, activation: str = "linear") -> Layer:
    settings = {"units": units, "activation": activation}
    values = (weights(size, units, seed=7), weights(units, seed=2) * 0.1)
    return Layer("Dense", name, settings, values, (source,))


def plain(kind: str, name: str, *sources: str, **config: Any) -> Layer:
    return Layer(kind, name, config, (), sources)


def branched(end: str = "tanh") -> LayerGraph:
    """Return a model with a skip, two kinds of merges and a second input."""
    layers = (
        plain("Rescaling", "scale", "image", scale=1 / 127.5, offset=-1.0),
        conv("a", "scale", 3, 4, padding="same"),
        conv("bb", "a", 4, 4, padding="same"),
        plain("Add", "sum", "a", "bb"),
        conv("ccc", "sum", 4, 5, strides=[2, 2]),
        plain("MaxPooling2D", "pool", "sum", pool_size=[3, 3], strides=[2, 2]),
        plain("Concatenate", "both", "ccc", "pool", axis=-1),
        plain("GlobalAveragePooling2D", "mean", "both"),
        plain("Flatten", "flat", "ccc"),
        plain("Concatenate", "all", "mean", "flat", "speed", axis=-1),
        dense("hidden", "all", 9 + 5 * 9 * 5 + 1, 6, "relu"),
        dense("steering", "hidden", 6, 1, end),
    )
    inputs = (ModelInput("image", SHAPE), ModelInput("speed", (1,)))
    return LayerGraph(inputs, layers, ("steering",), "branched")


@pytest.fixture
def network() -> OnnxNetwork:
    return OnnxNetwork(branched())


def some(count: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    return Inputs(
        rng.uniform(0, 255, (count, *SHAPE)).astype(np.float32),
        rng.uniform(0, 2, (count, 1)).astype(np.float32),
    )


NAMES = ("a", "bb", "sum", "ccc", "pool", "hidden", "steering")


def test_shapes_are_keras_s() -> None:
    shapes = shapes_of(branched())
    assert shapes["sum"] == (12, 20, 4)
    assert shapes["both"] == (5, 9, 9)
    assert shapes["all"] == (9 + 225 + 1,)


def test_the_gradient_of_a_branched_model_is_that_of_finite_differences(
    network: OnnxNetwork,
) -> None:
    check = check_gradient(network, SHAPE, [(0.0, 255.0)], speed=1.0)
    assert check.ratio == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("index", ["mean", 0])
def test_the_gradient_of_a_layer_is_that_of_finite_differences(
    network: OnnxNetwork, name: str, index: str | int
) -> None:
    inputs = some(1)
    query = Query(targets=((name, index),), keep=(name,))
    answer = network.run(query, inputs)

    def scalar(image: np.ndarray) -> np.ndarray:
        output = network.run(
            Query(targets=(), keep=(name,)), dataclasses.replace(inputs, image=image)
        ).outputs[name]
        means = output.astype(np.float64).mean(axis=tuple(range(1, output.ndim - 1)))
        return means.sum(axis=-1) if index == "mean" else means[..., 0]

    towards = RNG.standard_normal(SHAPE).astype(np.float32)
    step = np.float32(0.05)
    measured = (scalar(inputs.image + step * towards) - scalar(inputs.image - step * towards))[0]
    expected = float((answer.gradients[0, 0] * towards).sum()) * 2 * float(step)
    usual = float(np.linalg.norm(answer.gradients)) * 2 * float(step)
    assert measured == pytest.approx(expected, abs=0.02 * usual)


def test_many_targets_in_one_call_are_the_same_as_one_by_one(network: OnnxNetwork) -> None:
    inputs = some(1)
    targets = (*((name, "mean") for name in NAMES), ("ccc", 2), ("hidden", 3), ("a", 1))
    together = network.run(Query(targets=targets, keep=("sum", "pool")), inputs)
    assert together.gradients.shape == (1, len(targets), *SHAPE)
    for i, target in enumerate(targets):
        alone = network.run(Query(targets=(target,), keep=("sum", "pool")), inputs)
        largest = np.abs(alone.gradients).max()
        assert np.abs(together.gradients[0, i] - alone.gradients[0, 0]).max() <= 1e-5 * largest
        for kept in ("sum", "pool"):
            one, other = (x.output_gradients[kept] for x in (together, alone))
            assert np.allclose(one[0, i], other[0, 0], atol=1e-6), (target, kept)


def test_a_batch_answers_as_each_input_alone(network: OnnxNetwork) -> None:
    inputs = some(4)
    for targets in ((("steering", "mean"),), (("steering", "mean"), ("ccc", "mean"))):
        query = Query(targets=targets, keep=("pool",))
        together = network.run(query, inputs)
        assert together.gradients.shape == (4, len(targets), *SHAPE)
        for i in range(4):
            assert inputs.speed is not None
            one = Inputs(inputs.image[i : i + 1], inputs.speed[i : i + 1])
            alone = network.run(query, one)
            assert np.allclose(together.gradients[i], alone.gradients[0], atol=1e-7)
            assert np.allclose(together.outputs["pool"][i], alone.outputs["pool"][0], atol=1e-5)
            assert np.allclose(
                together.output_gradients["pool"][i], alone.output_gradients["pool"][0], atol=1e-6
            )


def test_no_input_at_all_is_an_answer_of_none(network: OnnxNetwork) -> None:
    answer = network.run(Query(targets=(("steering", "mean"), ("a", 0))), some(0))
    assert answer.gradients.shape == (0, 2, *SHAPE)


def test_gradients_to_a_kept_layer_are_zero_for_targets_before_it(network: OnnxNetwork) -> None:
    answer = network.run(Query(targets=(("a", "mean"), ("steering", 0)), keep=("ccc",)), some(1))
    assert not answer.output_gradients["ccc"][0, 0].any()
    assert answer.output_gradients["ccc"][0, 1].any()


def test_gates_multiply_channels_and_their_gradient(network: OnnxNetwork) -> None:
    inputs = some(2)
    gates = np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], np.float32)
    query = Query(keep=("ccc",), gate="ccc")
    answer = network.run(query, inputs, gates)
    plain_answer = network.run(Query(keep=("ccc",)), inputs)
    assert answer.steering[0] == pytest.approx(plain_answer.steering[0], abs=1e-6)
    assert np.allclose(answer.gradients[0], plain_answer.gradients[0], atol=1e-8)
    assert not answer.outputs["ccc"][1].any()
    assert answer.steering[1] != pytest.approx(plain_answer.steering[1], abs=1e-4)
    with pytest.raises(ValueError, match="gates of ccc are missing"):
        network.run(query, inputs)


def test_linear_takes_the_last_activation_off_and_nothing_else(network: OnnxNetwork) -> None:
    inputs = some(3)
    before = network.run(Query(linear=True, keep=("hidden",)), inputs)
    as_sent = network.run(Query(keep=("hidden",)), inputs)
    assert np.tanh(before.steering) == pytest.approx(as_sent.steering, abs=1e-6)
    assert np.array_equal(before.outputs["hidden"], as_sent.outputs["hidden"])
    slope = (1 - as_sent.steering.astype(np.float64) ** 2)[:, None, None, None, None]
    assert np.allclose(as_sent.gradients, before.gradients * slope, atol=1e-8)


@pytest.mark.parametrize("rule", ["guided", "relu"])
def test_rules_change_the_way_back_but_not_the_steering(network: OnnxNetwork, rule: Any) -> None:
    inputs = some(2)
    true, other = (network.run(Query(rule=each), inputs) for each in ("true", rule))
    assert np.array_equal(true.steering, other.steering)
    assert not np.allclose(true.gradients, other.gradients)


def test_guided_and_relu_by_hand() -> None:
    first = np.array([[1.0, -1.0, 0.5], [-2.0, 1.0, 1.0]], np.float32)  # (3 units, 2 inputs).T
    layers = [
        plain("Flatten", "flat"),
        Layer("Dense", "h", {"units": 3, "activation": "elu"}, (first, np.zeros(3, np.float32))),
        Layer(
            "Dense",
            "steering",
            {"units": 1, "activation": "tanh"},
            (np.array([[1.0], [2.0], [-3.0]], np.float32), np.zeros(1, np.float32)),
        ),
    ]
    network = OnnxNetwork(chain((1, 2, 1), layers))
    x = np.array([0.1, 0.2], np.float32)
    before = x @ first  # -0.3, 0.1, 0.25
    y = np.where(before > 0, before, np.expm1(before)) @ [1, 2, -3]
    g = (1 - np.tanh(y) ** 2) * np.array([1, 2, -3])  # at the outputs of the three units
    masks = {"guided": (before > 0) & (g > 0), "relu": g > 0}
    for rule, mask in masks.items():
        answer = network.run(Query(rule=rule), Inputs(x.reshape(1, 1, 2, 1)))  # type: ignore[arg-type]
        expected = first @ np.where(mask, g, 0)
        assert answer.gradients.ravel() == pytest.approx(expected, abs=1e-6), rule


def test_the_last_activation_is_that_of_the_output() -> None:
    assert last_activation(branched("tanh")) == "steering"
    assert last_activation(branched("linear")) is None
    scaled = chain(
        (1, 2, 1),
        [
            plain("Flatten", "flat"),
            dense("d", "flat", 2, 1),
            plain("Activation", "squash", activation="tanh"),
            plain("Rescaling", "degrees", scale=25.0),
            plain("Dropout", "drop"),
        ],
    )
    assert last_activation(scaled) == "squash"


def test_batch_normalization_is_merged_only_where_nobody_else_looks() -> None:
    norm = tuple(np.array(v, np.float32) for v in ([2, 3], [0.1, 0.2], [0.5, -0.5], [4.0, 0.25]))
    layers = (
        conv("c", "image", 3, 2, activation="linear"),
        Layer("BatchNormalization", "n", {"axis": [3]}, norm, ("c",)),
        plain("Dropout", "drop", "n"),
        plain("Activation", "e", "drop", activation="elu"),
        plain("GlobalAveragePooling2D", "g", "e"),
        dense("steering", "g", 2, 1),
    )
    graph = LayerGraph((ModelInput("image", SHAPE),), layers, ("steering",))
    folded, stands_for = fold(graph)
    assert [layer.name for layer in folded.layers] == ["n", "e", "g", "steering"]
    assert stands_for == {"drop": "n"}
    network = OnnxNetwork(graph)
    inputs = Inputs(some(2).image)
    plain_answer = network.run(Query(), inputs)
    answer = network.run(Query(keep=("c", "n", "drop")), inputs)  # c has to be there by itself
    assert np.allclose(answer.gradients, plain_answer.gradients, atol=1e-6)
    gamma, beta, mean, variance = norm
    expected = (answer.outputs["c"] - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    assert np.allclose(answer.outputs["n"], expected, atol=1e-3)
    assert np.array_equal(answer.outputs["n"], answer.outputs["drop"])


def test_cells_lie_around_the_centre_of_what_they_see() -> None:
    layers = [
        conv("one", "image", 3, 4, strides=[2, 2]),
        plain("MaxPooling2D", "two", pool_size=[2, 2]),
        plain("ZeroPadding2D", "three", padding=[[1, 0], [0, 1]]),
        conv("fourr", "image", 4, 4, padding="same"),
        plain("Cropping2D", "five", cropping=[[1, 0], [1, 1]]),
        plain("UpSampling2D", "six", size=[2, 2]),
        plain("GlobalAveragePooling2D", "mean"),
        dense("steering", "", 4, 1),
    ]
    infos = {info.name: info for info in OnnxNetwork(chain((32, 48, 3), layers)).layers}
    # a 3x3 kernel sees 0..3, its centre is 1.5, and the next one is 2 further
    assert infos["one"].place == (0.5, 30.5, 0.5, 46.5)
    assert infos["two"].place == (0.5, 28.5, 0.5, 44.5)
    assert infos["three"].place == (-3.5, 28.5, 0.5, 48.5)
    assert infos["fourr"].place == infos["three"].place
    assert infos["five"].place == (0.5, 28.5, 4.5, 44.5)
    assert infos["six"].place == infos["five"].place
    assert infos["mean"].place is None


def test_a_cells_place_is_where_a_planted_pixel_moves_it() -> None:
    layers = [
        conv("one", "image", 1, 2, strides=[2, 2], padding="same"),
        conv("twoo", "image", 2, 2, strides=[2, 2]),
        conv("three", "image", 2, 2, padding="same"),
        plain("GlobalAveragePooling2D", "mean"),
        dense("steering", "", 2, 1),
    ]
    network = OnnxNetwork(chain((31, 41, 1), layers))
    info = {each.name: each for each in network.layers}["three"]
    rows, columns = info.shape[:2]
    assert info.place is not None
    top, bottom, left, right = info.place
    dead = np.zeros((1, 31, 41, 1), np.float32)
    query = Query(targets=(), keep=("three",))
    still = network.run(query, Inputs(dead)).outputs["three"]
    for row, column in ((1, 2), (3, 5), (5, 7)):
        y = int(top + (row + 0.5) * (bottom - top) / rows)
        x = int(left + (column + 0.5) * (right - left) / columns)
        total = np.zeros((rows, columns))
        for dy in (-1, 0, 1):  # what one pixel moves is lopsided where strides are even
            for dx in (-1, 0, 1):
                planted = dead.copy()
                planted[0, y + dy, x + dx] = 1
                moved = network.run(query, Inputs(planted)).outputs["three"]
                total += np.abs(moved - still).sum(axis=(0, 3)) > 0
        ys, xs = np.nonzero(total == total.max())
        assert abs(ys.mean() - row) <= 0.5
        assert abs(xs.mean() - column) <= 0.5


def test_what_onnx_can_t_do_is_named() -> None:
    graph = chain((4, 4, 3), [plain("Flatten", "f"), plain("LSTM", "memory", units=3)])
    assert unknown_kinds(graph) == ["LSTM"]
    with pytest.raises(BadInputError, match="memory is of the kind LSTM"):
        OnnxNetwork(graph)


def test_a_layer_that_does_not_exist_is_an_error(network: OnnxNetwork) -> None:
    for query in (
        Query(targets=(("nowhere", "mean"),)),
        Query(keep=("nowhere",)),
        Query(gate="nowhere"),
    ):
        with pytest.raises(ValueError, match="no layer 'nowhere'"):
            network.run(query, some(1))
    with pytest.raises(ValueError, match="filters 0 to 4"):
        network.run(Query(targets=(("ccc", 5),)), some(1))


def test_the_speed_is_asked_for(network: OnnxNetwork) -> None:
    with pytest.raises(ValueError, match=r"speed must be float32 of shape \(1, 1\), received None"):
        network.steer(Inputs(some(1).image))


def test_new_weights_change_the_gradient_and_are_the_same_for_a_seed(network: OnnxNetwork) -> None:
    inputs = some(1)
    one, again, other = (network.randomised(seed).run(Query(), inputs) for seed in (1, 1, 2))
    assert np.array_equal(one.gradients, again.gradients)
    assert not np.allclose(one.gradients, other.gradients)
    assert not np.allclose(one.gradients, network.run(Query(), inputs).gradients)


def test_a_dead_network_has_a_gradient_of_exactly_zero() -> None:
    graph = branched()
    layers = tuple(
        dataclasses.replace(layer, weights=tuple(0 * w for w in layer.weights))
        if layer.name == "hidden"
        else layer
        for layer in graph.layers
    )
    network = OnnxNetwork(dataclasses.replace(graph, layers=layers))
    assert check_gradient(network, SHAPE, speed=1.0).dead
    assert not network.run(Query(), some(1)).gradients.any()
