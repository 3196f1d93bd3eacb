"""One set of questions for every saliency method."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy_network import NumpyNetwork, PlainFeed, Step

from carla_saliency.core import Frame
from carla_saliency.errors import BadInputError
from carla_saliency.saliency import METHODS, Method, Options, default_layer

ROWS, COLUMNS = 24, 36
GRID = (ROWS, COLUMNS)
QUICK = Options(steps=4, samples=4, masks=40)
CAMS = ("gradcam", "gradcam++", "layercam")


def curved_network(seed: int = 3) -> NumpyNetwork:
    rng = np.random.default_rng(seed)
    return NumpyNetwork(
        (ROWS, COLUMNS, 3),
        Step("conv1", rng.normal(0, 0.2, (5, 5, 3, 4)), rng.normal(0, 0.1, 4), (2, 2), "elu"),
        Step("conv2", rng.normal(0, 0.2, (3, 3, 4, 5)), rng.normal(0, 0.1, 5), (2, 2), "relu"),
        Step("dense1", rng.normal(0, 0.1, (4 * 7 * 5, 6)), rng.normal(0, 0.1, 6), (1, 1), "elu"),
        Step("steering", rng.normal(0, 0.5, (6, 1)), np.array([0.1]), (1, 1), "tanh"),
    )


def dead_network() -> NumpyNetwork:
    alive = curved_network()
    *others, last = alive.steps
    return NumpyNetwork(
        alive.shape, *others, dataclasses.replace(last, kernel=np.zeros_like(last.kernel))
    )


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)


def feed() -> PlainFeed:
    return PlainFeed(1 / 127.5, -1.0)


def explainer_of(
    method: str, network: NumpyNetwork | None = None, options: Options = QUICK
) -> Method:
    return METHODS[method](network or curved_network(), feed(), options)


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_table_has_all_methods_and_the_default_first() -> None:
    names = (
        "contrast gradient abs-gradient gradient-x-input guided smoothgrad vargrad "
        "integrated-gradients gradcam gradcam++ layercam visualbackprop occlusion rise keras-vis"
    )
    assert list(METHODS) == names.split()


def test_the_map_is_of_the_frame_and_on_its_grid(method: str) -> None:
    frame = Frame(17, 0.85, picture())
    before = frame.image.copy()
    explanation = explainer_of(method).explain(frame)
    assert (explanation.frame_id, explanation.method) == (17, method)
    assert explanation.attribution.shape == ((4, 7) if method in CAMS else GRID)
    assert (explanation.place is not None) == (method in CAMS)
    assert np.abs(explanation.attribution).max() > 0
    assert np.array_equal(frame.image, before)


@pytest.mark.parametrize("linear", [False, True])
def test_the_steering_is_that_of_the_network_asked_alone(method: str, linear: bool) -> None:
    network = curved_network()
    explainer = explainer_of(method, network, dataclasses.replace(QUICK, linear=linear))
    for seed in range(3):
        frame = Frame(seed, 0.0, picture(seed))
        alone = float(network.steer(feed().look(frame).inputs)[0])
        assert explainer.explain(frame).steering == pytest.approx(alone, abs=1e-7)
        assert explainer.steer(explainer.look(frame)) == pytest.approx(alone, abs=1e-7)


def test_a_frame_has_the_same_map_each_time(method: str) -> None:
    explainer, frame = explainer_of(method), Frame(0, 0.0, picture())
    first = explainer.explain(frame).attribution
    explainer.explain(Frame(1, 0.05, picture(1)))
    assert np.array_equal(explainer.explain(frame).attribution, first)
    assert np.array_equal(explainer_of(method).explain(frame).attribution, first)


def test_what_was_seen_is_explained_without_looking_again(method: str) -> None:
    explainer, frame = explainer_of(method), Frame(0, 0.0, picture())
    seen = explainer.look(frame)
    looks = explainer.feed.looks  # type: ignore[attr-defined]
    later = explainer.explain_seen(seen).attribution
    assert explainer.feed.looks == looks  # type: ignore[attr-defined]
    assert np.array_equal(explainer.explain(frame).attribution, later)


def test_new_weights_give_another_map(method: str) -> None:
    network, frame = curved_network(), Frame(0, 0.0, picture())
    ours = explainer_of(method, network).explain(frame).attribution.ravel()
    other = explainer_of(method, network.randomised(5)).explain(frame).attribution.ravel()
    assert np.abs(ours - other).max() > 0.1 * np.abs(ours).max()
    if ours.std() > 0 and other.std() > 0:
        assert np.corrcoef(ours, other)[0, 1] < 0.9


def test_a_dead_network_has_a_map_of_zeros(method: str) -> None:
    explanation = explainer_of(method, dead_network()).explain(Frame(0, 0.0, picture()))
    if method == "visualbackprop":  # by definition it does not know what is behind convolutions
        assert explanation.attribution.any()
    else:
        assert not explanation.attribution.any()


@pytest.mark.parametrize("grad", ["none", "absolute", "negate", "invert", "relu", "small_values"])
def test_keras_vis_paints_no_dead_network_bright(grad: str) -> None:
    options = Options(grad=grad)  # type: ignore[arg-type]
    explainer = explainer_of("keras-vis", dead_network(), options)
    assert not explainer.explain(Frame(0, 0.0, picture())).attribution.any()


def test_nan_weights_are_one_clear_line(method: str) -> None:
    network = curved_network()
    first, *others = network.steps
    broken = dataclasses.replace(first, kernel=np.full_like(first.kernel, np.nan))
    explainer = explainer_of(method, NumpyNetwork(network.shape, broken, *others))
    with pytest.raises(BadInputError, match="NaN or infinity for frame 7"):
        explainer.explain(Frame(7, 0.0, picture()))


def test_an_unknown_layer_is_refused_with_the_names_of_the_layers(method: str) -> None:
    expected = "no layer conv9: use one of conv1, conv2, dense1, steering"
    with pytest.raises(BadInputError, match=expected):
        explainer_of(method, options=Options(layer="conv9"))
    with pytest.raises(BadInputError, match=expected):
        explainer_of(method).explain_layers(Frame(0, 0.0, picture()), ["conv1", "conv9"])


def test_every_layer_is_explained_as_if_it_were_asked_for_alone(method: str) -> None:
    frame, names = Frame(0, 0.0, picture()), ["conv2", "conv1", "dense1", "steering"]
    names_with_cells = names[:2] if method in CAMS else names
    explanations = explainer_of(method).explain_layers(frame, names)
    assert len(explanations) == len(names_with_cells)
    for name, together in zip(names_with_cells, explanations, strict=True):
        explainer = explainer_of(method, options=dataclasses.replace(QUICK, layer=name))
        alone = explainer.explain(frame)
        largest = np.abs(alone.attribution).max()
        assert np.abs(together.attribution - alone.attribution).max() <= 1e-5 * largest
        assert together.meaning == alone.meaning == explainer.meaning
        assert together.place == alone.place
        assert together.steering == pytest.approx(alone.steering, abs=1e-7)
        assert together.meaning.of == ("steering" if method in CAMS else name)


@pytest.mark.parametrize(
    "method", ["contrast", "gradient", "guided", "keras-vis", "gradcam", "visualbackprop"]
)
def test_all_layers_take_one_call_of_the_network(method: str) -> None:
    explainer = explainer_of(method)
    explainer.explain_layers(Frame(0, 0.0, picture()), ["conv1", "conv2", "dense1", "steering"])
    assert explainer.network.calls == 1  # type: ignore[attr-defined]
    assert explainer.explain_layers(Frame(0, 0.0, picture()), []) == []


def test_the_words_fit_the_numbers(method: str) -> None:
    meaning = explainer_of(method).meaning
    signed = "contrast gradient gradient-x-input guided smoothgrad integrated-gradients"
    assert meaning.signed == (method in [*signed.split(), "occlusion", "rise"])
    assert len(meaning.hint) == 2
    assert all(len(line) <= 36 for line in meaning.hint)
    if meaning.signed:
        assert "left" in meaning.left
        assert "right" in meaning.right
        assert meaning.unit.startswith("deg / ")
    else:
        assert (meaning.left, meaning.right) == ("little", "much")
    values = explainer_of(method).explain(Frame(0, 0.0, picture())).attribution
    assert (values.min() < 0) == meaning.signed


def test_only_the_steering_is_in_degrees(method: str) -> None:
    meaning = explainer_of(method, options=Options(layer="conv1")).meaning
    if method == "layercam":
        assert meaning.unit == "deg / cell"
        return
    assert not meaning.unit.startswith("deg")
    if method not in CAMS:
        assert "conv1" in meaning.title
        assert "left" not in meaning.left
        assert meaning.unit == "relative" or "conv1 / " in meaning.unit


def test_linear_is_said_and_changes_the_numbers_of_a_tanh_head(method: str) -> None:
    frame = Frame(0, 0.0, picture())
    usual = explainer_of(method).explain(frame)
    linear = explainer_of(method, options=dataclasses.replace(QUICK, linear=True)).explain(frame)
    assert "before the last activation: larger numbers" in linear.meaning.title
    if method in ("visualbackprop", "keras-vis"):  # not of the head; scaled to itself
        assert np.allclose(linear.attribution, usual.attribution, atol=1e-5)
    else:
        assert np.abs(linear.attribution).max() > np.abs(usual.attribution).max()


def test_a_network_that_only_steers_has_the_black_box_methods(method: str) -> None:
    alive = curved_network()
    network = NumpyNetwork(alive.shape, *alive.steps, gradient=False)
    if METHODS[method].needs_gradient:
        with pytest.raises(BadInputError, match=f"{method}.* needs .*: use one of occlusion, rise"):
            explainer_of(method, network)
        return
    frame = Frame(0, 0.0, picture())
    explanation = explainer_of(method, network).explain(frame)
    assert np.array_equal(explanation.attribution, explainer_of(method).explain(frame).attribution)
    assert network.calls == 0  # only `steer`
    for options in (Options(layer="conv1"), Options(linear=True)):
        with pytest.raises(BadInputError, match="only be asked for its steering"):
            explainer_of(method, network, options)


def test_slow_methods_are_those_of_many_pictures() -> None:
    slow = [name for name, method in METHODS.items() if method.slow]
    assert slow == ["smoothgrad", "vargrad", "integrated-gradients", "occlusion", "rise"]


def test_the_default_layer_is_the_deepest_that_has_a_height() -> None:
    assert default_layer(curved_network()) == "conv2"
    flat = NumpyNetwork(
        (6, 9, 3),
        Step("conv1", np.ones((3, 3, 3, 2)), np.zeros(2), (1, 1), "relu"),
        Step("conv2", np.ones((4, 1, 2, 2)), np.zeros(2), (1, 1), "relu"),  # one row is left
        Step("steering", np.ones((14, 1)), np.zeros(1)),
    )
    assert default_layer(flat) == "conv1"
    with pytest.raises(BadInputError, match="no convolution with more than one row"):
        default_layer(NumpyNetwork((2, 3, 3), Step("steering", np.ones((18, 1)), np.zeros(1))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"towards": "up"},
        {"baseline": "white"},
        {"grad": "square"},
        {"steps": 0},
        {"masks": 0},
        {"noise": float("nan")},
        {"noise": -0.1},
    ],
)
def test_wrong_options_are_one_clear_line(wrong: dict[str, object]) -> None:
    (name,) = wrong
    with pytest.raises(BadInputError, match=f"^{name} must be .*, received"):
        Options(**wrong)  # type: ignore[arg-type]
