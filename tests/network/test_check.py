from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from carla_saliency.core import Answer, Array, Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.check import GradientCheck, check_gradient

SHAPE = (12, 20, 3)


class TwoLayers:
    """A small network of relu and tanh in NumPy, whose gradient is passed through `spoil`."""

    def __init__(self, spoil: Callable[[Array], Array] = lambda g: g, gain: float = 1.0) -> None:
        rng = np.random.default_rng(7)
        self.first = rng.normal(0, gain, (720, 30)) / 100
        self.second = rng.normal(0, 1, 30) / 30
        self.spoil = spoil

    def steer(self, inputs: Inputs) -> Array:
        hidden = inputs.image.reshape(-1, 720) @ self.first
        return np.tanh(np.maximum(hidden, 0) @ self.second).astype(np.float32)

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        hidden = inputs.image.reshape(-1, 720) @ self.first
        steering = np.tanh(np.maximum(hidden, 0) @ self.second)
        back = (1 - steering**2)[:, None] * self.second * (hidden > 0)
        gradient = (back @ self.first.T).reshape(-1, *SHAPE).astype(np.float32)
        return Answer(steering.astype(np.float32), self.spoil(gradient)[:, None])


def half_missing(gradient: Array) -> Array:
    gradient[:, :, :10] = 0
    return gradient


def test_a_right_gradient_passes() -> None:
    check_gradient(TwoLayers(), SHAPE, [(0.0, 255.0), (-1.0, 1.0)])


@pytest.mark.parametrize("seed", range(10))
def test_a_right_gradient_passes_with_any_seed(seed: int) -> None:
    check_gradient(TwoLayers(), SHAPE, [(0.0, 255.0)], seed=seed)


def test_a_dead_network_passes_and_is_called_dead() -> None:
    assert check_gradient(TwoLayers(gain=0.0), SHAPE, [(0.0, 255.0)]) == GradientCheck(None, True)
    assert not check_gradient(TwoLayers(), SHAPE, [(0.0, 255.0)]).dead


def test_a_right_gradient_has_a_ratio_of_one() -> None:
    ratio = check_gradient(TwoLayers(), SHAPE, [(0.0, 255.0)]).ratio
    assert ratio == pytest.approx(1, abs=0.01)


def test_a_saturated_network_passes() -> None:
    check_gradient(TwoLayers(gain=3.0), SHAPE, [(0.0, 255.0)])


WRONG: dict[str, Callable[[Array], Array]] = {
    "the other sign": lambda g: -g,
    "twice as much": lambda g: 2 * g,
    "a tenth more": lambda g: np.float32(1.1) * g,
    "a scale left out": lambda g: np.float32(127.5) * g,
    "nothing": lambda g: 0 * g,
    "half of it missing": half_missing,
    "channels in another order": lambda g: g[..., ::-1],
    "one pixel to the side": lambda g: np.roll(g, 1, axis=2),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_gradient_is_refused_in_one_line(what: str) -> None:
    with pytest.raises(BadInputError, match="must agree with finite differences") as caught:
        check_gradient(TwoLayers(WRONG[what]), SHAPE, [(0.0, 1.0)])
    assert "\n" not in str(caught.value)


def test_nan_is_refused() -> None:
    with pytest.raises(BadInputError, match="NaN"):
        check_gradient(TwoLayers(lambda g: np.float32(np.nan) * g), SHAPE)


class Rough(TwoLayers):
    """A network whose rounding is larger than what small steps change."""

    def steer(self, inputs: Inputs) -> Array:
        steering = super().steer(inputs)
        noise = np.random.default_rng(0).normal(0, 0.01, len(steering))
        return np.asarray(steering + noise, np.float32)


def test_differences_that_do_not_agree_with_each_other_prove_nothing() -> None:
    assert check_gradient(Rough(gain=0.05), SHAPE, [(-1.0, 1.0)]).ratio is None


class Overflowing(TwoLayers):
    """A network that is fine where it was trained, and infinite far from there."""

    def steer(self, inputs: Inputs) -> Array:
        steering = super().steer(inputs)
        steering[np.abs(inputs.image).max(axis=(1, 2, 3)) > 10] = np.inf
        return steering

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        answer = super().run(query, inputs)
        return Answer(self.steer(inputs), answer.gradients)


def test_a_network_may_overflow_in_one_range_if_it_answers_in_another() -> None:
    found = check_gradient(Overflowing(), SHAPE, [(0.0, 255.0), (-1.0, 1.0)])
    assert found.ratio == pytest.approx(1, abs=0.01)
    with pytest.raises(BadInputError, match="NaN"):
        check_gradient(Overflowing(), SHAPE, [(0.0, 255.0)])
