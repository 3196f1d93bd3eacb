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
    loaded = factory.load_shadow(settings, steering)
    assert loaded is not None
    explainer = factory.drive_explainers(steering, settings, loaded)["contrast"]
    assert factory.compared(settings) is None  # the expert is not what it is compared with
    frame = Frame(1, 0.0, np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8))
    alone = factory.make_explainers(steering, "contrast")["contrast"].explain(frame)
    half = explainer.explain(frame)  # the same network, whose steering is half as many degrees
    assert np.allclose(half.attribution, 0.5 * alone.attribution, atol=1e-9)


def test_a_shadow_needs_a_contract_with_the_same_camera(shadow: Path) -> None:
    steering = factory.load_steering()
    settings = DriveSettings(shadow=str(shadow))
    with pytest.raises(BadInputError, match="it has no camera contract"):
        factory.load_shadow(settings, steering)
    higher = replace(steering.contract.camera, z_m=2.0)
    save_contract(contract_path(shadow), replace(steering.contract, camera=higher))
    with pytest.raises(BadInputError, match="must have the same pose and field of view"):
        factory.load_shadow(settings, steering)


def test_a_shadow_may_look_at_another_part_of_the_picture_but_has_no_difference_then(
    shadow: Path,
) -> None:
    steering = factory.load_steering()
    save_contract(contract_path(shadow), replace(steering.contract, crop=(130, 360, 0, 640)))
    settings = DriveSettings(shadow=str(shadow))
    riders = factory.make_riders(steering, settings)
    assert riders["B"].steering.contract.crop == (130, 360, 0, 640)
    with pytest.raises(BadInputError, match="received crop"):
        factory.make_riders(steering, replace(settings, target="difference"))


def test_the_expert_as_a_shadow_is_no_second_network() -> None:
    settings = DriveSettings(shadow="expert", target="difference")
    settings.check()
    riders = factory.make_riders(factory.load_steering(), settings)
    assert list(riders) == ["A"]
    assert factory.compared(settings) is not None
