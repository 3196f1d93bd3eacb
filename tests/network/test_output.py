from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from carla_saliency.core import Array, Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.layers import Layer, LayerGraph, ModelInput, Shape
from carla_saliency.network.output import (
    explain_output,
    guess_output,
    steering_head,
    throttle_head,
)
from carla_saliency.network.runtime import OnnxNetwork

UNITS = 4  # of the vector that feeds the heads
DONKEY = {"angle_out": (15, "softmax"), "throttle_out": (20, "softmax")}


def meaning(output: str = "steering", **changes: Any) -> Any:
    return dataclasses.replace(DEFAULT_CONTRACT, output=output, **changes)


def model(heads: Mapping[str, tuple[int, str]]) -> LayerGraph:
    """Return a model of one shared layer and a dense head for each name: (units, activation)."""
    rng = np.random.default_rng(0)

    def dense(name: str, source: str, size: int, units: int, activation: str) -> Layer:
        config = {"units": units, "use_bias": True, "activation": activation}
        weights = rng.normal(size=(size, units)), rng.normal(size=units)
        matrix, bias = (weight.astype(np.float32) for weight in weights)
        return Layer("Dense", name, config, (matrix, bias), (source,))

    layers = [dense("shared", "image", 6, UNITS, "tanh")]
    for name, (units, activation) in heads.items():
        layers.append(dense(name, "shared", UNITS, units, activation))
    return LayerGraph((ModelInput("image", (1, 2, 3)),), tuple(layers), tuple(heads))


def shapes_of(graph: LayerGraph) -> dict[str, Shape]:
    return {layer.name: (layer.config["units"],) for layer in graph.layers}


def activate(name: str, x: np.ndarray) -> np.ndarray:
    if name == "softmax":
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    return {"linear": x, "tanh": np.tanh(x), "sigmoid": 1 / (1 + np.exp(-x))}[name]


def forward(graph: LayerGraph, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return every layer's output, in float64, for vectors (N, 6) or pictures."""
    values: dict[str, np.ndarray] = {"image": x.astype(np.float64)}
    for layer in graph.layers:
        (value,) = (values[name] for name in layer.inputs)
        if layer.kind == "Dense":
            matrix, bias = layer.weights
            value = activate(layer.config["activation"], value @ matrix + bias)
        elif layer.kind == "Rescaling":
            value = value * layer.config["scale"] + layer.config["offset"]
        elif layer.kind in ("Softmax", "Activation"):
            value = activate(layer.config.get("activation", "softmax"), value)
        else:
            assert layer.kind == "Flatten"
            value = value.reshape(len(value), -1)
        assert layer.name not in values
        values[layer.name] = value
    return values


def questions() -> Array:
    return np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)


def steering_of(graph: LayerGraph, contract: Any) -> np.ndarray:
    ended = steering_head(graph, shapes_of(graph), contract)
    assert ended.outputs == ("steering",)
    steering = forward(ended, questions())["steering"]
    assert steering.shape == (5, 1)
    return steering[:, 0]


def raw(graph: LayerGraph, head: str) -> np.ndarray:
    return forward(graph, questions())[head]


def test_one_number_is_the_steering_as_it_is() -> None:
    graph = model({"out": (1, "tanh")})
    assert steering_of(graph, meaning()) == pytest.approx(raw(graph, "out")[:, 0])


def test_a_model_that_ends_in_its_steering_stays_as_it_is() -> None:
    graph = model({"steering": (1, "linear")})
    assert steering_head(graph, shapes_of(graph), meaning()) == graph


@pytest.mark.parametrize(
    ("output", "changes", "centre", "full"),
    [
        ("steering", {"output_centre": 0.5, "output_range": 0.5}, 0.5, 0.5),
        ("steering", {"output_range": -1.0}, 0.0, -1.0),
        ("degrees", {}, 0.0, 70.0),
        ("degrees", {"max_steer_deg": 25.0}, 0.0, 25.0),
        ("degrees", {"output_centre": 90.0, "output_range": 45.0}, 90.0, 45.0),
        ("radians", {}, 0.0, math.radians(70)),
        ("radians", {"output_range": 0.5}, 0.0, 0.5),
    ],
)
@pytest.mark.parametrize("name", ["out", "steering"])
def test_one_number_is_centred_and_scaled(
    name: str, output: str, changes: dict[str, float], centre: float, full: float
) -> None:
    graph = model({name: (1, "linear")})
    expected = (raw(graph, name)[:, 0] - centre) / full
    assert steering_of(graph, meaning(output, **changes)) == pytest.approx(expected)


def test_an_answer_at_the_range_is_full_right_and_at_the_centre_straight() -> None:
    contract = meaning("degrees", output_centre=90.0, output_range=45.0)
    graph = model({"out": (1, "linear")})
    ended = steering_head(graph, shapes_of(graph), contract)
    (scaling,) = ended.layers[len(graph.layers) :]
    for degrees, steering in ((45, -1), (90, 0), (135, 1)):
        answer = degrees * scaling.config["scale"] + scaling.config["offset"]
        assert answer == pytest.approx(steering)


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_bins_are_read_by_their_expected_angle(activation: str) -> None:
    graph = model({"out": (15, activation)})
    probabilities = raw(graph, "out")
    if activation == "linear":
        probabilities = activate("softmax", probabilities)
    angles = np.arange(15) * 2 / 14 - 1
    got = steering_of(graph, meaning("bins"))
    assert got == pytest.approx(probabilities @ angles, abs=1e-6)
    half = steering_of(graph, meaning("bins", output_centre=0.1, output_range=-0.5))
    assert half == pytest.approx((got - 0.1) / -0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("heads", "contract"),
    [
        ({"out": (15, "softmax")}, meaning("bins")),
        ({"out": (15, "linear")}, meaning("bins", output_centre=0.1, output_range=-0.5)),
        (DONKEY, meaning("two-heads")),
        ({"out": (3, "tanh")}, meaning("vector:1")),
        ({"steering": (1, "tanh")}, meaning("degrees")),
        ({"out": (1, "tanh")}, meaning()),
    ],
)
def test_what_is_appended_runs_and_has_its_gradient(
    heads: dict[str, tuple[int, str]], contract: Any
) -> None:
    graph = model(heads)
    first, *rest = graph.layers
    flat = Layer("Flatten", "flat", {}, (), ("image",))
    fed = (flat, dataclasses.replace(first, inputs=("flat",)), *rest)
    whole = dataclasses.replace(graph, layers=fed)
    network = OnnxNetwork(steering_head(whole, shapes_of(graph) | {"flat": (6,)}, contract))
    x = questions()
    answer = network.run(Query(), Inputs(x.reshape(5, 1, 2, 3)))
    assert answer.steering == pytest.approx(steering_of(graph, contract), abs=1e-6)
    ended = steering_head(graph, shapes_of(graph), contract)
    for number, step in enumerate(np.eye(6) * 1e-3):
        ends = [forward(ended, x + sign * step)["steering"][:, 0] for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-3
        assert answer.gradients.reshape(5, 6)[:, number] == pytest.approx(slope, abs=1e-5)


def test_a_softmax_that_is_a_layer_is_seen() -> None:
    logits = model({"logits": (7, "linear")})
    softmax = Layer("Activation", "out", {"activation": "softmax"}, (), ("logits",))
    passing = Layer("Flatten", "flat", {}, (), ("out",))
    graph = dataclasses.replace(
        logits, layers=(*logits.layers, softmax, passing), outputs=("flat",)
    )
    shapes = shapes_of(logits) | {"out": (7,), "flat": (7,)}
    assert guess_output(graph, shapes)[0] == "bins"
    ended = steering_head(graph, shapes, meaning("bins"))
    assert [layer.kind for layer in ended.layers[-3:]] == ["Activation", "Flatten", "Dense"]


def test_one_element_of_a_vector_is_taken() -> None:
    graph = model({"out": (3, "tanh")})
    for element in range(3):
        got = steering_of(graph, meaning(f"vector:{element}", output_range=2.0))
        assert got == pytest.approx(raw(graph, "out")[:, element] / 2)


def test_of_several_heads_only_the_steering_is_kept() -> None:
    graph = model({"throttle": (1, "sigmoid"), "Steer_cmd": (1, "tanh"), "brake": (1, "sigmoid")})
    assert steering_of(graph, meaning("two-heads")) == pytest.approx(raw(graph, "Steer_cmd")[:, 0])
    ended = steering_head(graph, shapes_of(graph), meaning("two-heads"))
    assert [layer.name for layer in ended.layers] == ["shared", "Steer_cmd", "steering"]


def test_of_heads_without_telling_names_the_first_steers() -> None:
    graph = model({"n_outputs0": (1, "linear"), "n_outputs1": (1, "linear")})
    got = steering_of(graph, meaning("two-heads", output_range=-2.0))
    assert got == pytest.approx(raw(graph, "n_outputs0")[:, 0] / -2)


def test_a_head_of_bins_is_read_by_its_expected_angle() -> None:
    graph = model(DONKEY)
    expected = raw(graph, "angle_out") @ np.linspace(-1, 1, 15)
    assert steering_of(graph, meaning("two-heads")) == pytest.approx(expected, abs=1e-6)


def test_a_hidden_layer_that_is_called_steering_gives_the_name_up() -> None:
    graph = model({"out": (1, "linear")})
    layers = tuple(
        dataclasses.replace(
            layer,
            name=layer.name.replace("shared", "steering"),
            inputs=tuple(name.replace("shared", "steering") for name in layer.inputs),
        )
        for layer in graph.layers
    )
    renamed = dataclasses.replace(graph, layers=layers)
    assert steering_of(renamed, meaning()) == pytest.approx(raw(graph, "out")[:, 0])


def test_an_output_that_is_a_picture_of_one_cell_is_flattened() -> None:
    graph = model({"out": (2, "linear")})
    shapes = shapes_of(graph) | {"out": (1, 1, 2)}
    ended = steering_head(graph, shapes, meaning("vector:1"))
    assert [layer.kind for layer in ended.layers[-2:]] == ["Flatten", "Dense"]
    got = forward(ended, questions())["steering"]
    assert got[:, 0] == pytest.approx(raw(graph, "out")[:, 1])


@pytest.mark.parametrize(
    ("heads", "output", "message"),
    [
        (
            {"out": (2, "linear")},
            "vector:5",
            r"vector of more than 5 numbers, received out .*\(2,\)",
        ),
        ({"out": (1, "linear")}, "bins", "a vector of bins, received out"),
        ({"out": (2, "linear")}, "steering", "one number, received out of shape"),
        ({"out": (2, "linear")}, "degrees", "one number"),
        ({"out": (1, "linear")}, "two-heads", "expected several outputs, received one, out"),
        (DONKEY, "steering", "received 2, angle_out, throttle_out: pass --output two-heads"),
        (DONKEY, "vector:0", "pass --output two-heads"),
        ({"angle": (2, "tanh"), "speed": (1, "linear")}, "two-heads", "one number, received angle"),
    ],
)
def test_an_output_that_is_not_as_said_is_one_clear_line(
    heads: dict[str, tuple[int, str]], output: str, message: str
) -> None:
    graph = model(heads)
    with pytest.raises(BadInputError, match=message) as caught:
        steering_head(graph, shapes_of(graph), meaning(output))
    assert "\n" not in str(caught.value)
    assert f"output {output}" in str(caught.value)


@pytest.mark.parametrize(
    ("heads", "output", "reason"),
    [
        ({"out": (1, "tanh")}, "steering", "one number"),
        ({"out": (2, "linear")}, "vector:0", "a vector of 2 numbers"),
        ({"out": (3, "linear")}, "vector:0", "a vector of 3 numbers"),
        ({"out": (3, "softmax")}, "bins", "3 probabilities"),
        ({"out": (15, "softmax")}, "bins", "15 probabilities"),
        (DONKEY, "two-heads", "the steering is that of angle_out"),
        ({"a": (1, "linear"), "b": (1, "linear")}, "two-heads", "the steering is that of a"),
        ({"out": (12, "linear")}, "steering", "can't be guessed: pass --output"),
    ],
)
def test_the_output_is_guessed_from_the_file(
    heads: dict[str, tuple[int, str]], output: str, reason: str
) -> None:
    graph = model(heads)
    kind, why = guess_output(graph, shapes_of(graph))
    assert kind == output
    assert reason in why


@pytest.mark.parametrize(
    ("heads", "contract", "line"),
    [
        (DONKEY, meaning("two-heads"), "expected angle of 15 bins of head angle_out, −1 to 1"),
        ({"out": (1, "tanh")}, meaning(), "steering from out, −1 to 1"),
        (
            {"out": (1, "tanh")},
            meaning("degrees", output_centre=90.0, output_range=45.0),
            "degrees at the front wheels, from out, full left at 45, full right at 135",
        ),
        (
            {"out": (1, "tanh")},
            meaning("radians", output_range=-0.5),
            "radians at the front wheels, from out, full left at 0.5, full right at −0.5",
        ),
        ({"out": (2, "tanh")}, meaning("vector:1"), "number 1 (from 0) of the vector out, −1 to 1"),
        (
            {"steer": (1, "tanh"), "throttle": (1, "tanh")},
            meaning("two-heads"),
            "steering from head steer, −1 to 1",
        ),
    ],
)
def test_the_output_is_said_in_one_line(
    heads: dict[str, tuple[int, str]], contract: Any, line: str
) -> None:
    graph = model(heads)
    assert explain_output(contract, graph) == f"output: {line}"
    assert explain_output(contract, graph, shapes_of(graph)) == f"output: {line}"


def throttle_of(graph: LayerGraph, contract: Any) -> np.ndarray | None:
    ended = throttle_head(graph, shapes_of(graph), contract)
    if ended is None:
        return None
    assert ended.outputs == ("throttle",)
    return forward(ended, questions())["throttle"][:, 0]


@pytest.mark.parametrize(
    ("heads", "head"),
    [
        ({"angle": (1, "tanh"), "the_throttle": (1, "sigmoid")}, "the_throttle"),
        ({"throttle": (1, "linear"), "steering": (1, "tanh")}, "throttle"),
        ({"n_outputs0": (1, "linear"), "n_outputs1": (1, "linear")}, "n_outputs1"),
    ],
)
def test_the_head_of_the_throttle_is_used_as_it_is(
    heads: dict[str, tuple[int, str]], head: str
) -> None:
    graph = model(heads)
    contract = meaning("two-heads", output_range=0.5)  # of the steering, not of the throttle
    assert throttle_of(graph, contract) == pytest.approx(raw(graph, head)[:, 0])


def test_of_steering_and_throttle_in_one_vector_the_second_is_the_throttle() -> None:
    graph = model({"out": (2, "tanh")})
    assert throttle_of(graph, meaning("vector:0")) == pytest.approx(raw(graph, "out")[:, 1])


def test_a_throttle_in_bins_is_the_expected_one() -> None:
    graph = model(DONKEY)
    expected = raw(graph, "throttle_out") @ np.linspace(0, 1, 20)
    assert throttle_of(graph, meaning("two-heads")) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("heads", "output"),
    [
        ({"out": (1, "tanh")}, "steering"),
        ({"out": (2, "tanh")}, "vector:1"),
        ({"out": (3, "tanh")}, "vector:0"),
        ({"out": (15, "softmax")}, "bins"),
        ({"steer": (1, "tanh"), "speed": (1, "linear")}, "two-heads"),
    ],
)
def test_a_network_without_a_throttle_has_none(
    heads: dict[str, tuple[int, str]], output: str
) -> None:
    assert throttle_of(model(heads), meaning(output)) is None
