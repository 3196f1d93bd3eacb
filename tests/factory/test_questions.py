from __future__ import annotations

import time

import numpy as np
import pytest

from carla_saliency import factory
from carla_saliency.core import Explanation, Frame, Network, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.factory.probing import make_probe
from carla_saliency.factory.questions import Questions, _spread
from carla_saliency.factory.steering import Steering
from carla_saliency.network.loading import SteeringNetwork
from carla_saliency.saliency import METHODS, Options
from carla_saliency.saliency.gradient import Gradient


@pytest.fixture(scope="module")
def steering() -> Steering:
    return factory.load_steering()


def frame(seed: int = 0) -> Frame:
    image = np.random.default_rng(seed).integers(0, 256, (36, 64, 3), np.uint8)
    return Frame(seed, seed * 0.05, image.repeat(10, 0).repeat(10, 1))


def test_the_grid_has_each_convolution_each_dense_layer_and_the_steering(
    steering: Steering,
) -> None:
    names = ("conv1", "conv2", "conv3", "conv4", "conv5", "dense1", "dense2", "dense3", "steering")
    assert Questions(steering, Options()).cells == names


def test_a_cell_of_a_convolution_is_signed_layercam_and_the_rest_is_the_method(
    steering: Steering,
) -> None:
    questions = Questions(steering, Options())
    seen = questions.look([frame()])
    conv = questions.cell("gradient", "conv3", seen)
    assert (conv.method, conv.attribution.shape, conv.meaning.signed) == ("layercam", (5, 22), True)
    dense = questions.cell("gradient", "dense2", seen)
    assert (dense.method, dense.meaning.of) == ("gradient", "dense2")
    output = questions.cell("gradient", "steering", seen)
    direct = factory.make_explainers(steering, "gradient")["gradient"].explain(frame())
    assert np.array_equal(output.attribution, direct.attribution)


def test_a_silenced_filter_changes_the_steering_as_a_network_without_it_does(
    steering: Steering,
) -> None:
    questions = Questions(steering, Options())
    seen = questions.look([frame(3)])
    changes = questions.filter_changes("conv5", seen)
    assert changes is not None
    assert changes.shape == (64,)
    dead = np.flatnonzero(np.abs(questions.activations("conv5", seen)).max(axis=(0, 1)) == 0)
    assert np.allclose(changes[dead], 0, atol=1e-6)
    assert np.abs(changes).max() > 1e-4


def test_looking_at_older_frames_does_not_disturb_the_drive(steering: Steering) -> None:
    questions = Questions(steering, Options())
    drives = steering.feed.look(frame(5))
    questions.look([frame(1)])
    questions.look([frame(2)])
    assert steering.feed.look(frame(5)) is not None
    assert questions.steering.feed is not steering.feed
    assert np.array_equal(drives.rgb, steering.preprocess.crop(frame(5).image))


def test_many_layers_are_spread_over_nine_cells() -> None:
    names = tuple(f"l{i}" for i in range(53))
    chosen = _spread(names, 9)
    assert len(chosen) == 9
    assert (chosen[0], chosen[-1]) == ("l0", "l52")
    assert _spread(names[:4], 9) == names[:4]


def test_a_layer_that_the_method_cannot_be_asked_about_is_left_out(steering: Steering) -> None:
    explainers = factory.Explainers(steering, Options(), "layercam")
    visited = []
    for _ in range(6):
        explainers.change_layer("layercam", 1)
        visited.append(explainers.layer)
    assert visited == ["conv1", "conv2", "conv3", "conv4", "conv5", None]
    explainers.change_layer("layercam", -1)
    assert explainers.layer == "conv5"
    assert explainers["layercam"].meaning.title.startswith("LayerCAM · layer conv5")


def test_a_method_at_another_layer_is_another_explainer(steering: Steering) -> None:
    explainers = factory.Explainers(steering, Options(), "contrast")
    first = explainers["contrast"]
    explainers.change_layer("contrast", 1)
    assert explainers["contrast"] is not first
    assert explainers["contrast"].explain(frame()).meaning.of == "conv1"


def test_a_probe_asks_the_network_that_it_is_of(steering: Steering) -> None:
    probe = make_probe(steering, Options())
    seen = probe.look(frame(7))
    batch = np.stack([seen.rgb, seen.rgb[:, ::-1]])
    answers = probe.vary(seen, batch)
    assert answers[0] == pytest.approx(float(steering.network.steer(seen.inputs)[0]), abs=1e-6)
    assert answers[1] != pytest.approx(answers[0], abs=1e-3)
    assert probe.region((360, 640)) == steering.contract.crop
    features = probe.features(seen, "dense3")
    assert features is not None
    assert features.shape == (10,)
    assert probe.features(seen, "no such layer") is None


def test_a_random_map_comes_from_other_weights_once_it_is_ready(steering: Steering) -> None:
    probe = make_probe(steering, Options())
    explanation = factory.make_explainers(steering, "contrast")["contrast"].explain(frame(2))
    seen = probe.look(frame(2))
    random = probe.random_map(seen, explanation)
    for _ in range(200):
        if random is not None:
            break
        time.sleep(0.05)
        random = probe.random_map(seen, explanation)
    assert random is not None
    assert random.attribution.shape == explanation.attribution.shape
    alike = np.corrcoef(random.attribution.ravel(), explanation.attribution.ravel())[0, 1]
    assert abs(alike) < 0.9


def test_random_weights_that_answer_infinity_give_no_map_and_end_nothing(
    steering: Steering, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Fragile(Gradient):
        name = "fragile"

        def explain_seen(self, seen: Seen) -> Explanation:
            asked.append(seen.frame_id)
            if len(asked) > 1:
                raise BadInputError("the network answers NaN or infinity")
            return super().explain_seen(seen)

    monkeypatch.setitem(METHODS, "fragile", Fragile)
    probe = make_probe(steering, Options(), patient=True)
    seen = probe.look(frame(2))
    explanation = Explanation(2, "fragile", 0.0, np.zeros((66, 200), np.float32))
    assert probe.random_map(seen, explanation) is None
    assert asked == [2, 2], "the first was only to compile it"


def test_all_methods_share_one_network_with_random_weights(
    steering: Steering, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    original = type(steering.network).randomised

    def randomised(network: SteeringNetwork, seed: int) -> Network:
        made.append(seed)
        return original(network, seed)

    monkeypatch.setattr(type(steering.network), "randomised", randomised)
    probe = make_probe(steering, Options(), patient=True)
    seen = probe.look(frame(2))
    for method in ("gradient", "abs-gradient"):
        assert probe.random_map(seen, Questions(steering, Options()).explain(method, None, seen))
    assert len(made) == 1
