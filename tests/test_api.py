from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import carla_saliency
from carla_saliency.core import Explanation
from carla_saliency.errors import BadInputError
from carla_saliency.factory import SHIPPED_NETWORK
from carla_saliency.network.contract import DEFAULT_CONTRACT, contract_path, save_contract
from carla_saliency.saliency import METHODS

GRID = (4, 6, 3)
WEIGHTS = np.linspace(-0.01, 0.02, 72, dtype=np.float32).reshape(GRID)
BIAS = 0.5


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return an .h5 file of a network whose steering is the sum of weights times input plus 0.5."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "image", "batch_shape": [None, *GRID]}},
        {"class_name": "Flatten", "config": {"name": "flatten"}},
        {"class_name": "Dense", "config": {"name": "steer", "units": 1, "activation": "linear"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "tiny", "layers": layers}}
    with h5py.File(tmp_path / "tiny.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights/steer")
        group.attrs["weight_names"] = [b"steer/kernel:0", b"steer/bias:0"]
        group["steer/kernel:0"] = WEIGHTS.reshape(-1, 1)
        group["steer/bias:0"] = np.array([BIAS], np.float32)
    return tmp_path / "tiny.h5"


def random_batch(count: int, shape: tuple[int, ...] = GRID) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("count", [1, 5])
def test_a_linear_network_answers_its_sum_and_its_weights(model, kind, count) -> None:
    network = carla_saliency.load_network(model)
    inputs = random_batch(count).astype(kind)
    expected = (inputs.astype(float) * WEIGHTS).sum(axis=(1, 2, 3)) + BIAS
    steering, gradient = network.steer_and_gradient(inputs)
    assert network.input_shape == GRID
    assert steering.shape == (count,)
    assert steering == pytest.approx(expected, abs=1e-4)
    assert network.steer(inputs) == pytest.approx(expected, abs=1e-4)
    assert gradient.shape == inputs.shape
    assert gradient.dtype == np.float32
    assert np.allclose(gradient, WEIGHTS)


def test_an_input_need_not_be_contiguous(model) -> None:
    network = carla_saliency.load_network(str(model))
    inputs = random_batch(2)
    turned = inputs[..., ::-1].copy()[..., ::-1]
    assert np.array_equal(network.steer(turned), network.steer(inputs))


def test_a_network_without_a_contract_is_given_the_whole_picture(model) -> None:
    picture = np.repeat(np.repeat(random_batch(1)[0], 30, axis=0), 30, axis=1)  # 120 rows, 180
    network = carla_saliency.load_network(model)
    explanation = carla_saliency.explain(network, picture, "gradient")
    assert isinstance(explanation, Explanation)
    assert explanation.method == "gradient"
    assert np.allclose(explanation.attribution, WEIGHTS.sum(axis=2))
    assert explanation.steering == pytest.approx(float(network.steer(random_batch(1))[0]), abs=1e-5)


def test_a_contract_says_which_part_how_large_and_what_scale(model) -> None:
    contract = dataclasses.replace(
        DEFAULT_CONTRACT,
        width_px=12,
        height_px=10,
        crop=(2, 10, 0, 12),
        input_height_px=4,
        input_width_px=6,
        colour="bgr",
        scale=0.5,
    )
    save_contract(contract_path(model), contract)
    picture = random_batch(1, (10, 12, 3))[0]  # its first two rows are not looked at
    seen = random_batch(2)[1]
    picture[2:] = np.repeat(np.repeat(seen, 2, axis=0), 2, axis=1)
    explanation = carla_saliency.explain(carla_saliency.load_network(model), picture, "gradient")
    steering = float((seen[..., ::-1] * 0.5 * WEIGHTS).sum()) + BIAS
    assert explanation.steering == pytest.approx(steering, abs=1e-4)
    assert np.allclose(explanation.attribution, 0.5 * WEIGHTS.sum(axis=2))


@pytest.mark.parametrize("method", METHODS)
def test_the_shipped_network_explains_a_camera_picture_with_each_method(method) -> None:
    network = carla_saliency.load_network(SHIPPED_NETWORK)
    picture = random_batch(1, (360, 640, 3))[0]
    explanation = carla_saliency.explain(network, picture, method)
    preprocess = network.steering.preprocess
    inputs = preprocess.encode(preprocess.crop(picture))[None]
    steering, gradient = network.steer_and_gradient(inputs)
    cells = {info.name: info.shape[:2] for info in network.layers}
    grids = {network.input_shape[:2], *cells.values()}
    assert explanation.attribution.shape in grids
    assert (explanation.attribution.shape == gradient.shape[1:3]) == (explanation.place is None)
    assert explanation.steering == pytest.approx(float(steering[0]), abs=1e-5)


def test_a_layer_can_be_explained_and_attributed_at() -> None:
    network = carla_saliency.load_network(SHIPPED_NETWORK)
    picture = random_batch(1, (360, 640, 3))[0]
    output = carla_saliency.explain(network, picture, "gradient", layer="conv3")
    assert output.meaning.of == "conv3"
    assert output.meaning.unit == "conv3 / grey level"
    cells = carla_saliency.explain(network, picture, "layercam", layer="conv3")
    assert cells.attribution.shape == (5, 22)
    assert output.steering == pytest.approx(cells.steering, abs=1e-5)
    with pytest.raises(BadInputError, match="no layer conv9: use one of"):
        carla_saliency.explain(network, picture, layer="conv9")


def test_a_contract_can_be_given_as_a_name_a_file_or_parts(model, tmp_path) -> None:
    picture = random_batch(1, (160, 320, 3))[0]
    by_parts = carla_saliency.load_network(
        model,
        contract={"width_px": 320, "height_px": 160, "crop": (60, 135, 0, 320), "colour": "yuv"},
    )
    assert by_parts.steering.has_contract
    assert by_parts.steering.contract.crop == (60, 135, 0, 320)
    path = tmp_path / "own.json"
    save_contract(path, by_parts.steering.contract)
    by_file = carla_saliency.load_network(model, contract=path)
    one, other = (carla_saliency.explain(each, picture) for each in (by_parts, by_file))
    assert np.array_equal(one.attribution, other.attribution)
    named = carla_saliency.load_network(model, contract="udacity")
    assert named.steering.contract.max_steer_deg == 25


def test_what_is_not_said_of_the_camera_is_taken_from_the_picture(model) -> None:
    picture = random_batch(1, (160, 320, 3))[0]
    whole = carla_saliency.load_network(model, contract={"colour": "yuv"})
    size = {"size": "320x160", "crop": (0, 160, 0, 320), "colour": "yuv"}
    part = carla_saliency.load_network(model, contract={"crop": (60, 135, 0, 320)})
    said = {"size": "320x160", "crop": (60, 135, 0, 320)}
    for guessed, contract in ((whole, size), (part, said)):
        known = carla_saliency.load_network(model, contract=contract)
        one, other = (carla_saliency.explain(each, picture) for each in (guessed, known))
        assert np.array_equal(one.attribution, other.attribution)
        assert any("nobody said how large" in line for line in guessed.steering.lines())
    small = random_batch(1, (100, 320, 3))[0]
    with pytest.raises(BadInputError, match="320x100 does not have the crop 60,135,0,320"):
        carla_saliency.explain(part, small)


def test_the_meaning_of_the_output_can_be_given(model) -> None:
    inputs = random_batch(2, GRID).astype(np.float32)
    plain = carla_saliency.load_network(model)
    degrees = carla_saliency.load_network(model, output="degrees", contract={"output_range": 25})
    one, gradient = plain.steer_and_gradient(inputs)
    other, smaller = degrees.steer_and_gradient(inputs)
    assert other == pytest.approx(one / 25, rel=1e-5)
    assert np.allclose(smaller, gradient / 25)


def test_contrast_is_the_method_if_none_is_named() -> None:
    network = carla_saliency.load_network(SHIPPED_NETWORK)
    assert carla_saliency.explain(network, random_batch(1, (360, 640, 3))[0]).method == "contrast"


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, *GRID)),
        np.zeros(GRID, np.float32),
        np.zeros((1, 6, 4, 3), np.float32),
        np.zeros((1, *GRID), np.int64),
        [[0.0]],
    ],
    ids=["float64", "one picture", "turned", "int64", "list"],
)
def test_another_batch_is_refused_with_what_was_expected_and_received(model, inputs) -> None:
    network = carla_saliency.load_network(model)
    for ask in (network.steer, network.steer_and_gradient):
        with pytest.raises(BadInputError, match=r"float32 or uint8 of shape \(N, 4, 6, 3\), rec"):
            ask(inputs)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((120, 180, 3), np.float32),
        np.zeros((120, 180), np.uint8),
        np.zeros((120, 180, 4), np.uint8),
        np.zeros((0, 180, 3), np.uint8),
        "frame.png",
    ],
    ids=["float", "grey", "with alpha", "empty", "name"],
)
def test_another_picture_is_refused(model, image) -> None:
    network = carla_saliency.load_network(model)
    with pytest.raises(BadInputError, match=r"image must be RGB, uint8 \(H, W, 3\), received"):
        carla_saliency.explain(network, image)


def test_a_method_that_is_not_there_and_a_missing_file_are_refused(model) -> None:
    network = carla_saliency.load_network(model)
    with pytest.raises(BadInputError, match=r"^method must be one of contrast, .* 'guess'$"):
        carla_saliency.explain(network, random_batch(1, (20, 30, 3))[0], "guess")
    with pytest.raises(BadInputError, match="there is no such model file"):
        carla_saliency.load_network("no-such.keras")


def test_the_package_is_light_until_it_is_used() -> None:
    code = (
        "import sys, carla_saliency\n"
        "assert {'explain', 'load_network', 'Network'} <= set(dir(carla_saliency))\n"
        "assert not {'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)\n"
        "from carla_saliency import explain, load_network\n"
        "assert not {'carla', 'tensorflow', 'pygame'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_the_package_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'carla_saliency' has no attribute 'explian'"):
        _ = carla_saliency.explian
