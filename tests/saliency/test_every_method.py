"""What each method must answer, on networks whose right answer is known."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from carla_saliency.core import Contract, Explainer, Frame, Inputs
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.layers import Layer, LayerGraph
from carla_saliency.network.preprocess import RGB_TO_YUV, ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork
from carla_saliency.saliency import METHODS

GRID = (66, 200)


def contract(**changes: object) -> Contract:
    return dataclasses.replace(DEFAULT_CONTRACT, **changes)  # type: ignore[arg-type]


def linear_network(weights: np.ndarray) -> OnnxNetwork:
    """Return the network whose steering is the sum of weights times input, plus 0.25."""
    layers = (
        Layer("Flatten", "flatten", {}),
        Layer(
            "Dense",
            "steering",
            {"units": 1},
            (weights.reshape(-1, 1).astype(np.float32), np.array([0.25], np.float32)),
        ),
    )
    return OnnxNetwork(LayerGraph(weights.shape, layers))


def curved_network() -> OnnxNetwork:
    rng = np.random.default_rng(3)
    layers = (
        Layer("Rescaling", "r", {"scale": 1 / 127.5, "offset": -1.0}),
        Layer(
            "Conv2D",
            "c",
            {"filters": 4, "kernel_size": [5, 5], "strides": [2, 2], "activation": "elu"},
            (rng.normal(0, 0.2, (5, 5, 3, 4)).astype(np.float32), np.zeros(4, np.float32)),
        ),
        Layer("Flatten", "f", {}),
        Layer(
            "Dense",
            "d",
            {"units": 1, "activation": "tanh"},
            (
                rng.normal(0, 0.01, (31 * 98 * 4, 1)).astype(np.float32),
                np.zeros(1, np.float32),
            ),
        ),
    )
    return OnnxNetwork(LayerGraph((*GRID, 3), layers))


def random_picture(height: int = 360, width: int = 640, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def explainer_of(method: str, network: OnnxNetwork, of: Contract = DEFAULT_CONTRACT) -> Explainer:
    return METHODS[method](network, ContractPreprocess(of))


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_table_has_the_default_first() -> None:
    assert list(METHODS) == ["contrast", "gradient", "gradient-x-input", "abs-gradient"]
    assert all(explainer.name == name for name, explainer in METHODS.items())


def test_the_map_is_of_the_frame_and_on_the_networks_grid(method: str) -> None:
    frame = Frame(17, 0.85, random_picture())
    before = frame.image.copy()
    explanation = explainer_of(method, curved_network()).explain(frame)
    assert explanation.frame_id == 17
    assert explanation.method == method
    assert explanation.attribution.shape == GRID
    assert np.array_equal(frame.image, before)


def test_the_steering_is_that_of_the_network_asked_alone(method: str) -> None:
    network, preprocess = curved_network(), ContractPreprocess(DEFAULT_CONTRACT)
    explainer = METHODS[method](network, preprocess)
    for seed in range(5):
        picture = random_picture(seed=seed)
        alone = network.steer(Inputs(preprocess.encode(preprocess.crop(picture))[None]))
        assert explainer.explain(Frame(0, 0.0, picture)).steering == pytest.approx(
            float(alone[0]), abs=1e-5
        )


COLOURS = {"rgb": np.eye(3), "bgr": np.eye(3)[::-1], "yuv": RGB_TO_YUV.astype(float)}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1 / 127.5, -1.0)])
def test_a_linear_network_gives_exactly_its_weights(
    method: str, colour: str, scale: float, offset: float
) -> None:
    weights = np.random.default_rng(1).normal(0, 1e-3, (*GRID, 3))
    of = contract(colour=colour, scale=scale, offset=offset)
    picture = random_picture() // 4 + 100  # muted, so that no U or V is cut at its end
    explanation = explainer_of(method, linear_network(weights), of).explain(Frame(0, 0.0, picture))

    rgb = ContractPreprocess(of).crop(picture).astype(np.float32)
    per_level = scale * (weights @ COLOURS[colour])  # of R, G, B
    expected = {
        "contrast": (per_level * (rgb - cv2.GaussianBlur(rgb, (0, 0), 6))).sum(axis=2),
        "gradient": per_level.sum(axis=2),
        "gradient-x-input": (per_level * rgb).sum(axis=2),
        "abs-gradient": np.abs(per_level).max(axis=2),
    }[method]
    largest = np.abs(expected).max()
    assert np.abs(explanation.attribution - expected).max() < 1e-5 * largest


def test_positive_means_right_and_brighter() -> None:
    weights = np.zeros((*GRID, 3))
    weights[30, 100] = 0.001  # brighter here steers to the right
    picture = np.full((360, 640, 3), 50, np.uint8)
    picture[140 + 95 : 140 + 108, 314:328] = 200  # and it is brighter than what is around
    frame = Frame(0, 0.0, picture)
    gradient = explainer_of("gradient", linear_network(weights)).explain(frame).attribution
    contrast = explainer_of("contrast", linear_network(weights)).explain(frame).attribution
    assert gradient[30, 100] == pytest.approx(0.003)
    assert 0.003 * 75 < contrast[30, 100] < 0.003 * 150
    darker = explainer_of("contrast", linear_network(-weights)).explain(frame).attribution
    assert darker[30, 100] == pytest.approx(-contrast[30, 100])


def test_a_plain_picture_has_no_contrast_to_push() -> None:
    weights = np.random.default_rng(2).normal(0, 1, (*GRID, 3))
    plain = Frame(0, 0.0, np.full((360, 640, 3), 93, np.uint8))
    attribution = explainer_of("contrast", linear_network(weights)).explain(plain).attribution
    assert np.abs(attribution).max() < 1e-3


def test_gradient_x_input_of_a_linear_network_adds_up_to_its_steering() -> None:
    weights = np.random.default_rng(4).normal(0, 1e-4, (*GRID, 3))
    explainer = explainer_of("gradient-x-input", linear_network(weights))
    explanation = explainer.explain(Frame(0, 0.0, random_picture()))
    pushed = float(explanation.attribution.astype(np.float64).sum())
    assert pushed == pytest.approx(explanation.steering - 0.25, abs=1e-4)  # 0.25 is its bias


def test_a_black_picture_pushes_nothing_against_black() -> None:
    weights = np.random.default_rng(5).normal(0, 1, (*GRID, 3))
    black = Frame(0, 0.0, np.zeros((360, 640, 3), np.uint8))
    attribution = explainer_of("gradient-x-input", linear_network(weights)).explain(black)
    assert not attribution.attribution.any()


def test_abs_gradient_takes_the_strongest_colour_whatever_its_sign() -> None:
    weights = np.zeros((*GRID, 3))
    weights[10, 20] = [0.001, -0.004, 0.002]
    frame = Frame(0, 0.0, random_picture())
    attribution = explainer_of("abs-gradient", linear_network(weights)).explain(frame).attribution
    assert attribution[10, 20] == pytest.approx(0.004)
    assert np.count_nonzero(attribution) == 1


@pytest.mark.parametrize("rows", [33, 66, 132])
def test_the_blur_of_contrast_grows_with_the_grid(rows: int) -> None:
    weights = np.zeros((rows, 200, 3))
    weights[rows // 2, 100] = 1
    of = contract(input_height_px=rows)
    picture = random_picture()
    rgb = ContractPreprocess(of).crop(picture).astype(np.float32)
    blurred = cv2.GaussianBlur(rgb, (0, 0), 6 * rows / 66)
    got = explainer_of("contrast", linear_network(weights), of).explain(Frame(0, 0.0, picture))
    expected = (rgb - blurred)[rows // 2, 100].sum()
    assert got.attribution[rows // 2, 100] == pytest.approx(expected, rel=1e-4)


def test_the_words_of_a_method_are_short(method: str) -> None:
    explainer = METHODS[method]
    assert explainer.title
    assert explainer.unit.startswith("deg / ")
    assert 0 < len(explainer.hint) <= 2
    if explainer.signed:
        assert "left" in explainer.left
        assert "right" in explainer.right
    else:
        assert (explainer.left, explainer.right) == ("little", "much")


def test_a_network_that_answers_nan_is_one_clear_line(method: str) -> None:
    weights = np.full((*GRID, 3), np.nan)
    explainer = METHODS[method](linear_network(weights), ContractPreprocess(DEFAULT_CONTRACT))
    with pytest.raises(BadInputError, match="NaN or infinity for frame 7"):
        explainer.explain(Frame(7, 0.0, random_picture()))
