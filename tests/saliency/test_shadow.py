"""Two networks on one frame: the map of A - B."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy_network import NumpyNetwork, PlainFeed, Step

from carla_saliency import factory
from carla_saliency.core import Frame
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import contract_path, save_contract
from carla_saliency.saliency import METHODS, Method, ShadowExplainer
from carla_saliency.settings import DriveSettings

ROWS, COLUMNS = 6, 8
FRAME = Frame(3, 0.15, np.random.default_rng(0).integers(0, 256, (ROWS, COLUMNS, 3), np.uint8))


def linear(seed: int) -> NumpyNetwork:
    weights = np.random.default_rng(seed).normal(0, 1e-3, (ROWS * COLUMNS * 3, 1))
    return NumpyNetwork((ROWS, COLUMNS, 3), Step("steering", weights, np.array([0.1])))


def method(name: str, network: NumpyNetwork) -> Method:
    return METHODS[name](network, PlainFeed())


@pytest.mark.parametrize(
    "name", ["gradient", "contrast", "gradient-x-input", "integrated-gradients", "occlusion"]
)
def test_the_map_is_that_of_the_difference_of_the_networks(name: str) -> None:
    a, b = linear(1), linear(2)
    weights = a.steps[0].kernel - 0.5 * b.steps[0].kernel
    difference = NumpyNetwork((ROWS, COLUMNS, 3), replace(a.steps[0], kernel=weights))
    got = ShadowExplainer(method(name, a), method(name, b), 0.5).explain(FRAME)
    expected = method(name, difference).explain(FRAME).attribution
    assert np.abs(got.attribution - expected).max() < 1e-5 * np.abs(expected).max()
    assert got.steering == pytest.approx(method(name, a).explain(FRAME).steering)
    assert (got.meaning.left, got.meaning.right) == ("A further left", "A further right")


def test_a_network_against_itself_has_no_difference() -> None:
    a = linear(1)
    explanation = ShadowExplainer(method("contrast", a), method("contrast", a)).explain(FRAME)
    assert not explanation.attribution.any()


def test_a_map_without_a_sign_is_refused() -> None:
    a = linear(1)
    with pytest.raises(BadInputError, match="with a sign"):
        ShadowExplainer(method("abs-gradient", a), method("abs-gradient", a))


@pytest.fixture
def shadow(tmp_path: Path) -> Path:
    path = tmp_path / "shadow.keras"
    path.write_bytes(factory.SHIPPED_NETWORK.read_bytes())
    return path


def test_a_drive_can_be_given_a_shadow(shadow: Path) -> None:
    steering = factory.load_steering()
    save_contract(contract_path(shadow), replace(steering.contract, max_steer_deg=35.0))
    settings = DriveSettings(target="difference", shadow=str(shadow))
    explainer = factory.drive_explainers(steering, settings)["contrast"]
    assert factory.compared(settings) is None  # the expert is not what it is compared with
    frame = Frame(1, 0.0, np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8))
    alone = factory.make_explainers(steering, "contrast")["contrast"].explain(frame)
    half = explainer.explain(frame)  # the same network, whose steering is half as many degrees
    assert np.allclose(half.attribution, 0.5 * alone.attribution, atol=1e-9)


def test_a_shadow_with_another_view_is_refused(shadow: Path) -> None:
    steering = factory.load_steering()
    settings = DriveSettings(target="difference", shadow=str(shadow))
    with pytest.raises(BadInputError, match="its contract must have the same camera"):
        factory.drive_explainers(steering, settings)
    save_contract(contract_path(shadow), replace(steering.contract, crop=(130, 360, 0, 640)))
    with pytest.raises(BadInputError, match="received crop"):
        factory.drive_explainers(steering, settings)


def test_a_shadow_without_its_target_is_refused() -> None:
    with pytest.raises(BadInputError, match="by --target difference"):
        DriveSettings(shadow="b.keras").check()
