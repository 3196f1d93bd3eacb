"""Answers that can be worked out by hand: linear networks, and one that reads a single patch."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from numpy_network import NumpyNetwork, PlainFeed, Step

from carla_saliency.core import Answer, Array, Frame, Inputs, LayerInfo, Query, Seen
from carla_saliency.errors import BadInputError
from carla_saliency.saliency import METHODS, Method, Options, change, towards_expert
from carla_saliency.saliency.baseline import Baseline
from carla_saliency.saliency.gradcam_plus_plus import one_sided
from carla_saliency.saliency.visualbackprop import undo

ROWS, COLUMNS = 24, 36
SCALE = 1 / 127.5


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)


def linear_network(weights: np.ndarray, activation: str = "linear") -> NumpyNetwork:
    step = Step("steering", weights.reshape(-1, 1), np.array([0.25]), activation=activation)
    return NumpyNetwork((ROWS, COLUMNS, 3), step)


def patch_network(top: int, left: int, size: int = 4) -> NumpyNetwork:
    """Return the network that reads the brightness of one square, squashed by tanh."""
    weights = np.zeros((ROWS, COLUMNS, 3))
    weights[top : top + size, left : left + size] = 0.02
    return linear_network(weights, "tanh")


def curved_network() -> NumpyNetwork:
    rng = np.random.default_rng(8)
    return NumpyNetwork(
        (ROWS, COLUMNS, 3),
        Step("conv", rng.normal(0, 0.2, (5, 5, 3, 4)), rng.normal(0, 0.1, 4), (2, 2), "elu"),
        Step("deep", rng.normal(0, 0.2, (3, 3, 4, 6)), rng.normal(0, 0.1, 6), (2, 2), "relu"),
        Step("steering", rng.normal(0, 0.1, (4 * 7 * 6, 1)), np.zeros(1), activation="tanh"),
    )


def explain(method: str, network: NumpyNetwork, rgb: np.ndarray, **options: object) -> Array:
    return explainer_of(method, network, **options).explain(Frame(0, 0.0, rgb)).attribution


def explainer_of(method: str, network: NumpyNetwork, **options: object) -> Method:
    return METHODS[method](network, PlainFeed(SCALE, -1.0), Options(**options))  # type: ignore[arg-type]


def steering(network: NumpyNetwork, rgb: np.ndarray) -> float:
    return float(network.steer(PlainFeed(SCALE, -1.0).look(Frame(0, 0.0, rgb)).inputs)[0])


def blur(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 6 * ROWS / 66))


def close(got: np.ndarray, expected: np.ndarray, of_largest: float = 1e-5) -> bool:
    return bool(np.abs(got - expected).max() <= of_largest * np.abs(expected).max())


# ------------------------------------------------------------------ linear networks


@pytest.mark.parametrize("baseline", ["black", "blurred"])
def test_gradient_methods_give_a_linear_networks_weights(baseline: str) -> None:
    weights = np.random.default_rng(1).normal(0, 1e-3, (ROWS, COLUMNS, 3))
    rgb = picture()
    per_level = weights * SCALE  # steering per grey level of R, G, B
    against = blur(rgb) if baseline == "blurred" else np.zeros(rgb.shape)
    expected = {
        "contrast": (per_level * (rgb - blur(rgb))).sum(axis=2),
        "gradient": per_level.sum(axis=2),
        "abs-gradient": np.abs(per_level).max(axis=2),
        "gradient-x-input": (per_level * rgb).sum(axis=2),
        "guided": per_level.sum(axis=2),
        "smoothgrad": per_level.sum(axis=2),
        "integrated-gradients": (per_level * (rgb - against)).sum(axis=2),
    }
    for method, values in expected.items():
        assert close(explain(method, linear_network(weights), rgb, baseline=baseline), values)


def test_the_gradient_of_a_linear_network_does_not_vary() -> None:
    weights = np.random.default_rng(1).normal(0, 1, (ROWS, COLUMNS, 3))
    varies = explain("vargrad", linear_network(weights), picture())
    assert varies.max() <= 1e-12 * (weights.max() * SCALE) ** 2


@pytest.mark.parametrize("baseline", ["black", "blurred"])
def test_occlusion_gives_the_push_of_each_cell_of_a_linear_network(baseline: str) -> None:
    weights = np.random.default_rng(2).normal(0, 1e-3, (ROWS, COLUMNS, 3))
    rgb = picture()
    against = blur(rgb) if baseline == "blurred" else np.zeros(rgb.shape)
    got = explain("occlusion", linear_network(weights), rgb, baseline=baseline)
    pushes = (weights * SCALE * (rgb - against)).sum(axis=2)
    cells = pushes.reshape(6, 4, 9, 4).sum(axis=(1, 3))  # 24 rows in six cells of 4 px
    assert close(got, np.kron(cells, np.ones((4, 4))), 1e-4)


def test_occlusion_hides_a_cell_that_is_cut_at_the_edge() -> None:
    weights = np.zeros((22, 34, 3))  # six rows of cells need 4 px each: the last has 2
    weights[21, 33] = 0.01
    network = NumpyNetwork((22, 34, 3), Step("steering", weights.reshape(-1, 1), np.zeros(1)))
    got = explain("occlusion", network, np.full((22, 34, 3), 255, np.uint8), baseline="black")
    assert np.count_nonzero(got) == 2 * 2
    assert got[20:, 32:] == pytest.approx(0.03 * 2)


def test_rise_comes_near_the_push_of_each_cell_of_a_linear_network() -> None:
    weights = np.zeros((ROWS, COLUMNS, 3))
    weights[9, 14], weights[17, 30] = 0.03, -0.02
    rgb = np.full((ROWS, COLUMNS, 3), 200, np.uint8)
    got = explain("rise", linear_network(weights), rgb, baseline="black", masks=2000)
    push = 0.03 * 3 * 200 * SCALE
    assert got.max() == pytest.approx(push, rel=0.15)
    assert np.hypot(*np.subtract(np.unravel_index(got.argmax(), got.shape), (9, 14))) <= 3
    assert np.hypot(*np.subtract(np.unravel_index(got.argmin(), got.shape), (17, 30))) <= 3
    assert got.min() == pytest.approx(-push * 2 / 3, rel=0.25)


@pytest.mark.parametrize("rows", [33, 66, 132])
def test_the_blur_grows_with_the_grid(rows: int) -> None:
    shape = (rows, 40, 3)
    rgb = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    network = NumpyNetwork(shape, Step("steering", np.ones((rows * 120, 1)), np.zeros(1)))
    expected = (rgb - cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 6 * rows / 66)).sum(axis=2)
    assert close(explain("contrast", network, rgb), expected * SCALE)


@pytest.mark.parametrize("method", ["contrast", "integrated-gradients", "occlusion", "rise"])
def test_a_plain_picture_stands_out_nowhere(method: str) -> None:
    weights = np.random.default_rng(2).normal(0, 1, (ROWS, COLUMNS, 3))
    plain = np.full((ROWS, COLUMNS, 3), 93, np.uint8)
    assert np.abs(explain(method, linear_network(weights), plain)).max() < 1e-4


def test_a_black_picture_pushes_nothing_against_black() -> None:
    black = np.zeros((ROWS, COLUMNS, 3), np.uint8)
    for method in ("gradient-x-input", "integrated-gradients", "occlusion", "rise"):
        assert not explain(method, curved_network(), black, baseline="black").any()


# ------------------------------------------------------------------ a network that reads one patch

ON_PIXELS = [m for m in METHODS if m not in ("gradcam", "gradcam++", "layercam", "visualbackprop")]


@pytest.mark.parametrize("method", ON_PIXELS)
def test_only_the_patch_that_the_network_reads_counts(method: str) -> None:
    rgb = np.full((ROWS, COLUMNS, 3), 40, np.uint8)
    rgb[8:12, 16:20] = 200
    got = explain(method, patch_network(8, 16), rgb)
    row, column = np.unravel_index(np.abs(got).argmax(), got.shape)
    assert 8 <= row < 12
    assert 16 <= column < 20
    assert got[row, column] > 0  # brighter than what is around, so pushed right
    if method != "rise":  # which finds it through noise
        outside = got.copy()
        outside[8:12, 16:20] = 0
        assert not outside.any()


def test_the_other_sign_of_the_weights_pushes_left() -> None:
    rgb = picture()
    right = patch_network(8, 16)
    step = right.steps[0]
    left = NumpyNetwork(
        right.shape, dataclasses.replace(step, kernel=-step.kernel, bias=-step.bias)
    )
    for method in METHODS:
        if (
            method in ON_PIXELS
            and explainer_of(method, right).meaning.signed
            and method != "guided"
        ):
            ours, mirrored = (explain(method, network, rgb) for network in (right, left))
            assert np.allclose(ours, -mirrored, atol=1e-6 * np.abs(ours).max())


# ------------------------------------------------------------------ methods of many pictures


@pytest.mark.parametrize("baseline", ["black", "blurred"])
def test_integrated_gradients_add_up_to_the_change_from_the_baseline(baseline: str) -> None:
    network, rgb = curved_network(), picture()
    got = explain("integrated-gradients", network, rgb, baseline=baseline, steps=256)
    against = blur(rgb) if baseline == "blurred" else np.zeros(rgb.shape)
    added = steering(network, rgb) - steering(network, against)
    assert abs(added) > 0.05
    assert got.sum() == pytest.approx(added, abs=0.01 * abs(added))


def test_the_mean_baseline_is_of_the_frames_so_far_each_counted_once() -> None:
    frames = [picture(seed) for seed in range(3)]
    baseline = Baseline("mean")
    for i, rgb in enumerate(frames):
        seen = Seen(i, rgb, Inputs(rgb[None].astype(np.float32)))
        for _ in range(2):
            mean = np.mean(frames[: i + 1], axis=0)
            assert np.allclose(baseline.picture(seen), mean, atol=1e-4)


def test_a_mean_baseline_is_shared_by_the_maps_of_all_layers() -> None:
    network = curved_network()
    explainer = explainer_of("integrated-gradients", network, baseline="mean", steps=4)
    assert "baseline: mean of the frames so far" in explainer.meaning.title
    assert not explainer.explain(Frame(0, 0.0, picture(0))).attribution.any()  # it is its own mean
    one, two = explainer.explain_layers(Frame(1, 0.0, picture(1)), ["steering", "steering"])
    assert one.attribution.any()
    assert np.array_equal(one.attribution, two.attribution)


def test_smoothgrad_without_noise_is_the_gradient_and_vargrad_is_zero() -> None:
    network, rgb = curved_network(), picture()
    assert close(explain("smoothgrad", network, rgb, noise=0), explain("gradient", network, rgb))
    assert explain("vargrad", network, rgb, noise=0).max() < 1e-15


def test_smoothgrad_is_the_mean_of_gradients_at_noisy_pictures_and_vargrad_their_variance() -> None:
    network, rgb = curved_network(), picture()
    noise = np.random.default_rng(7).standard_normal((6, *rgb.shape), np.float32) * 0.1 * 255
    encoded = ((rgb + noise) * SCALE - 1).astype(np.float32)
    each = np.stack(
        [network.run(Query(), Inputs(one[None])).gradients[0, 0] * SCALE for one in encoded]
    )
    options = {"samples": 6, "noise": 0.1, "seed": 7}
    assert close(explain("smoothgrad", network, rgb, **options), each.mean(0).sum(2))
    assert close(explain("vargrad", network, rgb, **options), each.var(0).max(2))


def test_the_seed_chooses_the_noise_and_the_masks() -> None:
    network, rgb = curved_network(), picture()
    for method in ("smoothgrad", "vargrad", "rise"):
        options = {"samples": 3, "masks": 20}
        one, two = (explain(method, network, rgb, seed=seed, **options) for seed in (0, 1))
        assert not close(one, two, 0.01)


def test_many_pictures_are_asked_in_small_batches() -> None:
    network = curved_network()
    explain("smoothgrad", network, picture(), samples=12)
    assert network.batches == [5, 5, 2]


# ------------------------------------------------------------------ class activation maps


def outputs_and_gradients(network: NumpyNetwork, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inputs = PlainFeed(SCALE, -1.0).look(Frame(0, 0.0, rgb)).inputs
    answer = network.run(Query(keep=("deep",)), inputs)
    return answer.outputs["deep"][0], answer.output_gradients["deep"][0, 0]


@pytest.mark.parametrize(("towards", "sign"), [("right", 1), ("left", -1)])
def test_one_sided_maps_are_those_of_the_papers(towards: str, sign: int) -> None:
    network, rgb = curved_network(), picture()
    a, g = outputs_and_gradients(network, rgb)
    g = sign * g
    plus_plus = np.zeros(a.shape[:2])
    for k in range(a.shape[2]):  # word for word, place by place
        weight = 0.0
        for i, j in np.ndindex(a.shape[:2]):
            below = 2 * g[i, j, k] ** 2 + a[..., k].sum() * g[i, j, k] ** 3
            alpha = g[i, j, k] ** 2 / below if below else 0.0
            weight += alpha * max(g[i, j, k], 0)
        plus_plus += weight * a[..., k]
    expected = {
        "gradcam": np.maximum((a * g.mean(axis=(0, 1))).sum(axis=2), 0),
        "gradcam++": np.maximum(plus_plus, 0),
        "layercam": np.maximum((np.maximum(g, 0) * a).sum(axis=2), 0),
    }
    for method, values in expected.items():
        explainer = explainer_of(method, network, towards=towards)
        assert close(explainer.explain(Frame(0, 0.0, rgb)).attribution, values)
        assert not explainer.meaning.signed
        assert f"layer deep · map 7×4 · towards {towards}" in explainer.meaning.title
        assert explainer.meaning.unit == ("deg / cell" if method == "layercam" else "relative")


def test_a_map_of_a_negative_sum_gets_no_endless_weight_in_grad_cam_plus_plus() -> None:
    weights = one_sided(np.full((2, 2, 1), -0.5), np.full((2, 2, 1), 1.0))  # 2 + 1 · -2 = 0
    assert weights == pytest.approx([4.0])


def test_maps_of_both_sides_have_a_sign() -> None:
    network, rgb = curved_network(), picture()
    a, g = outputs_and_gradients(network, rgb)
    expected = {
        "gradcam": (a * g.mean(axis=(0, 1))).sum(axis=2),
        "layercam": (a * g).sum(axis=2),
    }
    for method, values in expected.items():
        assert close(explain(method, network, rgb, towards="both"), values)
    for method in ("gradcam", "gradcam++", "layercam"):
        meaning = explainer_of(method, network, towards="both").meaning
        assert meaning.signed
        assert (meaning.left, meaning.right) == ("pushes left", "pushes right")
        got = explain(method, network, rgb, towards="both")
        assert got.min() < 0 < got.max()


def test_the_mirrored_network_swaps_the_sides() -> None:
    network, rgb = curved_network(), picture()
    *others, last = network.steps
    mirrored = NumpyNetwork(
        network.shape, *others, dataclasses.replace(last, kernel=-last.kernel, bias=-last.bias)
    )
    for method in ("gradcam", "gradcam++", "layercam"):
        right = explain(method, network, rgb, towards="right")
        assert close(explain(method, mirrored, rgb, towards="left"), right)
        both = explain(method, network, rgb, towards="both")
        assert close(explain(method, mirrored, rgb, towards="both"), -both)


def test_layercam_of_both_sides_adds_up_for_a_head_without_bias() -> None:
    network, rgb = curved_network(), picture()
    inputs = PlainFeed(SCALE, -1.0).look(Frame(0, 0.0, rgb)).inputs
    before_tanh = float(network.run(Query((), linear=True), inputs).steering[0])
    got = explain("layercam", network, rgb, towards="both", linear=True)
    assert got.sum() == pytest.approx(before_tanh, rel=1e-5)


def test_a_layer_without_cells_is_refused_by_class_activation_maps() -> None:
    with pytest.raises(BadInputError, match=r"steering has no rows .*: use one of conv, deep"):
        explainer_of("gradcam", curved_network(), layer="steering")


# ------------------------------------------------------------------ ways back


def test_guided_backpropagation_stops_at_each_activation_by_the_rule() -> None:
    network, rgb = curved_network(), picture()
    conv, deep, head = network.steps
    x = (rgb[None] * SCALE - 1).astype(np.float32)
    before_conv = conv.forward(x)
    a = np.where(before_conv > 0, before_conv, np.expm1(before_conv))
    before_deep = deep.forward(a)
    out = np.maximum(before_deep, 0)
    z = head.forward(out)
    g = head.backward(1 - np.tanh(z) ** 2, out.shape)  # the last activation truly
    g = deep.backward(np.where((before_deep > 0) & (g > 0), g, 0), a.shape)
    g = conv.backward(np.where((before_conv > 0) & (g > 0), g, 0), x.shape)
    assert close(explain("guided", network, rgb), g[0].sum(axis=2) * SCALE)


def test_visualbackprop_is_the_papers_product_of_enlarged_averages() -> None:
    network, rgb = curved_network(), picture()
    inputs = PlainFeed(SCALE, -1.0).look(Frame(0, 0.0, rgb)).inputs
    answer = network.run(Query((), keep=("conv", "deep")), inputs)
    shallow = np.maximum(answer.outputs["conv"][0], 0).mean(axis=2)
    deep = np.maximum(answer.outputs["deep"][0], 0).mean(axis=2)
    product = shallow * enlarged(deep, shallow.shape, 3, 2)
    assert close(explain("visualbackprop", network, rgb), enlarged(product, (ROWS, COLUMNS), 5, 2))
    of_conv = explain("visualbackprop", network, rgb, layer="conv")
    assert close(of_conv, enlarged(shallow, (ROWS, COLUMNS), 5, 2))


def enlarged(values: np.ndarray, shape: tuple[int, ...], kernel: int, stride: int) -> np.ndarray:
    """Return the transposed convolution with ones, added up one window after the other."""
    out = np.zeros(shape)
    for i, j in np.ndindex(values.shape):
        out[i * stride : i * stride + kernel, j * stride : j * stride + kernel] += values[i, j]
    return out


@pytest.mark.parametrize(
    ("info", "size", "expected"),
    [
        # 'same' padding: one zero above and to the left is cut off again
        (LayerInfo("c", "Conv2D", (2, 2, 1), (3, 3), (2, 2), (1, 0, 1, 0)), (4, 4), 9 / 4),
        # a pooling that leaves the last row and column out
        (LayerInfo("p", "MaxPooling2D", (2, 2, 1), (2, 2), (2, 2)), (5, 5), 0.0),
        (LayerInfo("z", "ZeroPadding2D", (2, 2, 1), pads=(1, 0, 0, 0)), (1, 2), 3.0),
        (LayerInfo("r", "Cropping2D", (2, 2, 1), pads=(-1, 0, 0, -2)), (3, 4), 0.0),
    ],
)
def test_layers_are_undone_to_the_size_of_what_fed_them(
    info: LayerInfo, size: tuple[int, int], expected: float
) -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    got = undo(values, info, size)
    assert got.shape == size
    corner = {"c": got[1:2, 1:2].sum() / 4 - 0.25, "z": got[0, 0]}.get(info.name, got[-1, -1])
    if info.name == "c":
        whole = enlarged(values, (5, 5), 3, 2)
        assert np.array_equal(got, whole[1:, 1:])
        return
    assert corner == expected
    if info.name == "r":
        assert np.array_equal(got[1:, :2], values)
        assert not got[0].any()
    if info.name == "p":
        assert np.array_equal(got[:4, :4], np.kron(values, np.ones((2, 2))))


KERAS_VIS = {
    "none": lambda g: g,
    "absolute": abs,
    "negate": lambda g: -g,
    "invert": lambda g: 1 / (g + 1e-7),
    "relu": lambda g: np.maximum(g, 0),
    "small_values": lambda g: abs(1 / (g + 1e-7)),
}


@pytest.mark.parametrize("grad", KERAS_VIS)
@pytest.mark.parametrize("layer", [None, "conv"])
def test_keras_vis_follows_its_definition(grad: str, layer: str | None) -> None:
    network, rgb = curved_network(), picture()
    inputs = PlainFeed(SCALE, -1.0).look(Frame(0, 0.0, rgb)).inputs
    query = Query(((layer or "steering", "mean"),))
    g = network.run(query, inputs).gradients[0, 0].astype(np.float64)
    values = KERAS_VIS[grad](g).max(axis=2)
    expected = (values - values.min()) / (values.max() - values.min())
    got = explain("keras-vis", network, rgb, grad=grad, layer=layer)
    assert np.allclose(got, expected, atol=1e-6)
    assert (got.min(), got.max()) == (0, 1)


def test_keras_vis_knows_guided_and_rectified_ways_back() -> None:
    network, rgb = curved_network(), picture()
    maps = {b: explain("keras-vis", network, rgb, backprop=b) for b in ("none", "guided", "relu")}
    assert not np.allclose(maps["none"], maps["guided"])
    assert not np.allclose(maps["guided"], maps["relu"])
    title = explainer_of("keras-vis", network, backprop="guided", grad="relu").meaning.title
    assert title == "keras-vis · backprop guided · grad relu"


def test_the_output_of_a_layer_is_the_sum_of_its_filters_means() -> None:
    network, rgb = curved_network(), picture()
    moved = rgb.astype(np.float32)
    moved[10, 12] += 1
    inputs = PlainFeed(SCALE, -1.0).vary(
        PlainFeed().look(Frame(0, 0.0, rgb)), np.stack([rgb, moved])
    )
    outputs = network.run(Query((), keep=("deep",)), inputs).outputs["deep"]
    before, after = outputs.astype(np.float64).mean(axis=(1, 2)).sum(axis=1)
    got = explain("gradient", network, rgb, layer="deep")[10, 12]
    assert got == pytest.approx(after - before, rel=1e-2)


# ------------------------------------------------------------------ other targets


def seen(frame_id: int, rgb: np.ndarray) -> Seen:
    return PlainFeed(SCALE, -1.0).look(Frame(frame_id, 0.0, rgb))


def test_the_change_adds_up_to_how_much_the_steering_turned() -> None:
    network, before, now = curved_network(), picture(0), picture(1)
    explanation = change(network, seen(3, before), seen(4, now), steps=256)
    turned = steering(network, now) - steering(network, before)
    assert explanation.frame_id == 4
    assert explanation.steering == pytest.approx(steering(network, now), abs=1e-7)
    assert explanation.attribution.sum() == pytest.approx(turned, abs=0.01 * abs(turned))
    assert explanation.meaning.signed


def test_what_did_not_change_has_no_part_in_it() -> None:
    network, before = curved_network(), picture(0)
    now = before.copy()
    now[5:9, 20:30] = 255 - now[5:9, 20:30]
    values = change(network, seen(0, before), seen(1, now)).attribution
    assert values[5:9, 20:30].any()
    values[5:9, 20:30] = 0
    assert not values.any()
    assert not change(network, seen(0, before), seen(1, before)).attribution.any()


class Remembers:
    """Steers by the mean of three frames and the speed; implements what `change` asks."""

    has_gradient = True
    layers = ()

    def steer(self, inputs: Inputs) -> Array:
        assert inputs.speed is not None
        return np.asarray(np.tanh(inputs.image.mean(axis=(1, 2, 3, 4)) + inputs.speed[:, 0]))

    def run(self, query: Query, inputs: Inputs, gates: Array | None = None) -> Answer:
        values = self.steer(inputs)
        each = (1 - values**2) / inputs.image[0].size
        gradient = np.broadcast_to(each.reshape(-1, 1, 1, 1, 1), inputs.image.shape)
        return Answer(values, gradient[:, None])


def test_the_change_of_a_network_that_remembers_is_of_all_its_frames() -> None:
    rng = np.random.default_rng(0)
    network = Remembers()
    one, two = (
        Seen(i, picture(i), Inputs(rng.normal(0, 1, (1, 3, 5, 6, 1)).astype(np.float32),
                                   np.full((1, 1), 0.3, np.float32)))
        for i in range(2)
    )  # fmt: skip
    explanation = change(network, one, two, steps=64)  # type: ignore[arg-type]
    turned = float(network.steer(two.inputs)[0] - network.steer(one.inputs)[0])
    assert explanation.attribution.shape == (5, 6)
    assert explanation.attribution.sum() == pytest.approx(turned, rel=1e-3)


def test_the_change_needs_a_gradient() -> None:
    alive = curved_network()
    network = NumpyNetwork(alive.shape, *alive.steps, gradient=False)
    with pytest.raises(BadInputError, match="needs the network's gradient"):
        change(network, seen(0, picture(0)), seen(1, picture(1)))


@pytest.mark.parametrize(("difference", "sign"), [(0.2, 1), (-0.1, -1), (0.0, 0)])
def test_colours_say_away_from_the_expert_or_towards_it(difference: float, sign: int) -> None:
    explanation = explainer_of("contrast", curved_network()).explain(Frame(0, 0.0, picture()))
    turned = towards_expert(explanation, difference)
    assert np.array_equal(turned.attribution, sign * explanation.attribution)
    assert turned.steering == explanation.steering
    assert (turned.meaning.left, turned.meaning.right) == (
        "towards the expert",
        "away from the expert",
    )


def test_the_difference_needs_a_map_of_the_steering_with_a_sign() -> None:
    network, frame = curved_network(), Frame(0, 0.0, picture())
    for explainer in (
        explainer_of("abs-gradient", network),
        explainer_of("gradient", network, layer="conv"),
    ):
        with pytest.raises(BadInputError, match="needs a map of the steering with a sign"):
            towards_expert(explainer.explain(frame), 0.1)
