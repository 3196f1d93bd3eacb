"""The methods on the product's own runtime and feed give what they give on the reference."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from numpy_network import NumpyNetwork, PlainFeed, Step

from carla_saliency.core import Contract, Frame
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.feed import ContractFeed
from carla_saliency.network.layers import Layer, chain
from carla_saliency.network.preprocess import RGB_TO_YUV, ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork
from carla_saliency.saliency import METHODS, Method, Options, change

ROWS, COLUMNS = 30, 44
SHAPE = (ROWS, COLUMNS, 3)
QUICK = Options(steps=8, samples=6, masks=60)


def reference() -> NumpyNetwork:
    rng = np.random.default_rng(3)
    return NumpyNetwork(
        SHAPE,
        Step("conv1", rng.normal(0, 0.2, (5, 5, 3, 4)), rng.normal(0, 0.1, 4), (2, 2), "elu"),
        Step("conv2", rng.normal(0, 0.2, (3, 3, 4, 5)), rng.normal(0, 0.1, 5), (2, 2), "relu"),
        Step("dense1", rng.normal(0, 0.1, (6 * 9 * 5, 6)), rng.normal(0, 0.1, 6), (1, 1), "elu"),
        Step("steering", rng.normal(0, 0.5, (6, 1)), np.array([0.1]), (1, 1), "tanh"),
    )


def on_onnx(network: NumpyNetwork) -> OnnxNetwork:
    layers: list[Layer] = []
    for step in network.steps:
        weights = (step.kernel.astype(np.float32), step.bias.astype(np.float32))
        config: dict[str, object] = {"activation": step.activation}
        if step.convolves:
            config |= {
                "filters": step.kernel.shape[-1],
                "kernel_size": list(step.kernel.shape[:2]),
                "strides": list(step.strides),
            }
            layers.append(Layer("Conv2D", step.name, config, weights))
            continue
        if not layers or layers[-1].kind == "Conv2D":
            layers.append(Layer("Flatten", "flatten", {}))
        config["units"] = step.kernel.shape[1]
        layers.append(Layer("Dense", step.name, config, weights))
    return OnnxNetwork(chain(network.shape, layers))


def contract(**changes: object) -> Contract:
    grid = {"input_height_px": ROWS, "input_width_px": COLUMNS}
    return dataclasses.replace(DEFAULT_CONTRACT, **(grid | changes))  # type: ignore[arg-type]


def camera_picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (360, 640, 3), np.uint8)


PLAIN = ContractPreprocess(contract(colour="rgb", scale=1 / 127.5, offset=-1.0))


def both(method: str, options: Options) -> tuple[Method, Method]:
    """Return the method on the product's parts, and on those of the tests."""
    ours = METHODS[method](on_onnx(reference()), ContractFeed(PLAIN), options)
    return ours, METHODS[method](reference(), PlainFeed(1 / 127.5, -1.0), options)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("linear", [False, True])
def test_each_method_gives_the_map_of_the_reference(method: str, linear: bool) -> None:
    ours, expected = both(method, dataclasses.replace(QUICK, linear=linear))
    picture = camera_picture()
    got = ours.explain(Frame(0, 0.0, picture))
    want = expected.explain(Frame(0, 0.0, PLAIN.crop(picture)))
    assert got.steering == pytest.approx(want.steering, abs=1e-5)
    assert np.abs(got.attribution - want.attribution).max() < 1e-4 * np.abs(want.attribution).max()
    assert got.meaning == want.meaning


def test_each_layers_map_is_that_of_the_reference(method: str) -> None:
    ours, expected = both(method, QUICK)
    picture, names = camera_picture(1), ["conv1", "conv2", "dense1", "steering"]
    got = ours.explain_layers(Frame(0, 0.0, picture), names)
    want = expected.explain_layers(Frame(0, 0.0, PLAIN.crop(picture)), names)
    assert len(got) == len(want) >= 2
    for one, other in zip(got, want, strict=True):
        largest = np.abs(other.attribution).max()
        assert np.abs(one.attribution - other.attribution).max() < 1e-4 * largest
        assert one.meaning == other.meaning


def test_the_cells_of_a_layer_lie_within_the_grid() -> None:
    ours, _ = both("layercam", QUICK)
    explanation = ours.explain(Frame(0, 0.0, camera_picture()))
    assert explanation.place is not None
    top, bottom, left, right = explanation.place
    assert 0 < top < bottom < ROWS
    assert 0 < left < right < COLUMNS


def test_the_change_adds_up_on_the_products_runtime() -> None:
    network, feed = on_onnx(reference()), ContractFeed(PLAIN)
    before, now = (feed.look(Frame(i, i / 20, camera_picture(i))) for i in range(2))
    turned = float(network.steer(now.inputs)[0] - network.steer(before.inputs)[0])
    got = change(network, before, now, steps=256)
    assert float(got.attribution.sum()) == pytest.approx(turned, abs=0.01 * abs(turned))


COLOURS = {"rgb": np.eye(3), "bgr": np.eye(3)[::-1], "yuv": RGB_TO_YUV.astype(float)}


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1 / 127.5, -1.0)])
def test_a_linear_network_gives_its_weights_in_any_colour_space(
    colour: str, scale: float, offset: float
) -> None:
    weights = np.random.default_rng(1).normal(0, 1e-3, SHAPE)
    network = on_onnx(
        NumpyNetwork(SHAPE, Step("steering", weights.reshape(-1, 1), np.array([0.25])))
    )
    feed = ContractFeed(ContractPreprocess(contract(colour=colour, scale=scale, offset=offset)))
    frame = Frame(0, 0.0, camera_picture() // 4 + 100)  # muted, so that no U or V is cut
    rgb = feed.look(frame).rgb.astype(np.float32)
    blurred = cv2.GaussianBlur(rgb, (0, 0), 6 * ROWS / 66)
    per_level = scale * (weights @ COLOURS[colour])  # of R, G, B
    cells = np.add.reduceat(
        np.add.reduceat((per_level * (rgb - blurred)).sum(axis=2), range(0, ROWS, 5), axis=0),
        range(0, COLUMNS, 5),
        axis=1,
    )
    expected = {
        "contrast": (per_level * (rgb - blurred)).sum(axis=2),
        "gradient": per_level.sum(axis=2),
        "gradient-x-input": (per_level * rgb).sum(axis=2),
        "abs-gradient": np.abs(per_level).max(axis=2),
        "integrated-gradients": (per_level * (rgb - blurred)).sum(axis=2),
        "occlusion": np.kron(cells, np.ones((5, 5)))[:, :COLUMNS],
    }
    for method, values in expected.items():
        got = METHODS[method](network, feed, Options(steps=4)).explain(frame).attribution
        tolerance = 1e-3 if method == "occlusion" else 2e-5  # differences of float32 outputs
        assert np.abs(got - values).max() < tolerance * np.abs(values).max()


def test_a_map_is_the_same_alone_and_among_others() -> None:
    network, feed = on_onnx(reference()), ContractFeed(PLAIN)
    seen = feed.look(Frame(0, 0.0, camera_picture()))
    pictures = np.stack([PLAIN.crop(camera_picture(seed)) for seed in range(7)]).astype(np.float32)
    explainer = METHODS["smoothgrad"](network, feed, QUICK)
    together = explainer.gradients(seen, pictures, "steering")  # type: ignore[attr-defined]
    for i, one in enumerate(pictures):
        alone = explainer.gradients(seen, one[None], "steering")[0]  # type: ignore[attr-defined]
        assert np.abs(together[i] - alone).max() < 1e-5 * np.abs(alone).max()
