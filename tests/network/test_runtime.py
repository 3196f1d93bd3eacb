from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.network.layers import Layer, chain
from carla_saliency.network.runtime import OnnxNetwork

SHAPE = (4, 6, 3)
WEIGHTS = np.linspace(-1, 1, 72, dtype=np.float32)


@pytest.fixture
def network() -> OnnxNetwork:
    weights = (WEIGHTS[:, None], np.zeros(1, np.float32))
    return OnnxNetwork(
        chain(SHAPE, [Layer("Flatten", "f", {}), Layer("Dense", "d", {"units": 1}, weights)])
    )


def test_each_picture_of_a_batch_has_its_own_answer(network: OnnxNetwork) -> None:
    images = np.random.default_rng(0).random((5, *SHAPE), np.float32)
    answer = network.run(Query(), Inputs(images))
    assert answer.steering == pytest.approx(images.reshape(5, -1) @ WEIGHTS, abs=1e-5)
    assert answer.gradients.shape == (5, 1, *SHAPE)
    assert np.allclose(answer.gradients.reshape(5, -1), WEIGHTS)


def test_a_query_without_targets_answers_the_steering_alone(network: OnnxNetwork) -> None:
    images = np.ones((2, *SHAPE), np.float32)
    answer = network.run(Query(targets=()), Inputs(images))
    assert answer.gradients.shape == (2, 0, *SHAPE)
    assert answer.steering == pytest.approx(network.steer(Inputs(images)))


def test_a_graph_is_compiled_once_for_each_query(network: OnnxNetwork) -> None:
    inputs = Inputs(np.ones((1, *SHAPE), np.float32))
    network.run(Query(), inputs)
    compiled = dict(network._sessions)
    network.run(Query(), inputs)
    network.steer(inputs)
    assert network._sessions == compiled


def test_a_target_that_is_not_known_is_an_error(network: OnnxNetwork) -> None:
    query = Query(targets=(("conv1", 3),))
    with pytest.raises(ValueError, match="conv1"):
        network.run(query, Inputs(np.ones((1, *SHAPE), np.float32)))


@pytest.mark.parametrize(
    "image",
    [
        np.ones((1, *SHAPE), np.uint8),
        np.ones((1, *SHAPE), np.float64),
        np.ones(SHAPE, np.float32),
        np.ones((1, 6, 4, 3), np.float32),
    ],
)
def test_an_image_that_does_not_fit_is_an_error(network: OnnxNetwork, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be float32 of shape \(N, 4, 6, 3\)"):
        network.steer(Inputs(image))
