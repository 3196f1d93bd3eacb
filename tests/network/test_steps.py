"""The user's steps take the place of code in a file, or go in front of the first layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import functional, input_layer, layer, random, sequential, write_h5
from numpy.typing import NDArray

from carla_saliency.core import Inputs
from carla_saliency.errors import BadInputError
from carla_saliency.network import files, steps
from carla_saliency.network.layers import LayerGraph
from carla_saliency.network.runtime import OnnxNetwork

IMAGE = (np.random.default_rng(0).random((6, 8, 3)) * 255).astype(np.float32)
BIAS = np.array([0.25], np.float32)
CODE = {"function": ["4wEAAA==", None, None], "function_type": "lambda"}


def code(name: str = "code", *sources: str, **config: Any) -> dict[str, Any]:
    return layer("Lambda", name, *sources, **CODE, **config)


def model(tmp_path: Path, size: int, *before: dict[str, Any], image: Any = (6, 8, 3)) -> Path:
    """A model that sums up what flows into it with known weights."""
    config = sequential(
        input_layer("image", *image),
        *before,
        layer("Flatten", "flat"),
        layer("Dense", "steer", units=1),
    )
    weights = {"steer": {"k": random(1, size, 1), "b": BIAS}}
    return write_h5(tmp_path / "m.h5", config, weights)


def summed(values: NDArray[Any]) -> float:
    return float(values.ravel().astype(np.float64) @ random(1, values.size, 1)[:, 0] + BIAS[0])


def steer(graph: LayerGraph, image: NDArray[Any] = IMAGE) -> float:
    return float(OnnxNetwork(graph).steer(Inputs(image[None].astype(np.float32)))[0])


@pytest.mark.parametrize(
    ("text", "scale", "offset"),
    [
        ("x/127.5-1", 1 / 127.5, -1),
        ("x / 255 - 0.5", 1 / 255, -0.5),
        ("x/255", 1 / 255, 0),
        ("x*2+1", 2, 1),
        ("x*1e-2", 0.01, 0),
        ("X-128", 1, -128),
        ("x*-1+.5", -1, 0.5),
    ],
)
def test_a_scale_is_read_as_it_is_written(text: str, scale: float, offset: float) -> None:
    (step,) = steps.parse(text)
    assert step.kind == "Rescaling"
    assert step.config == pytest.approx({"scale": scale, "offset": offset})


def test_a_chain_is_read_in_its_order() -> None:
    chain = steps.parse(" crop(1,2,3,4) | resize(66,200)|gray | x/255 ")
    assert [step.kind for step in chain] == ["Cropping2D", "Resizing", "Colour", "Rescaling"]
    assert chain[0].config == {"cropping": [[1, 2], [3, 4]]}
    assert chain[1].config == {"height": 66, "width": 200, "interpolation": "bilinear"}
    assert chain[2].config == {"space": "grey"}


@pytest.mark.parametrize(
    "text",
    ["x", "", "|", "x/0", "x/1e999", "y/255", "x//2", "resize(66)", "resize(0,200)", "crop(1,2,3)",
     "crop(-1,0,0,0)", "resize(99999,99999)", "lab", "__import__('os')", "x/255;"],
)  # fmt: skip
def test_what_is_no_step_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadInputError, match=r"--preprocess.*expected"):
        steps.parse(text)


def test_a_chain_takes_the_place_of_the_code(tmp_path: Path) -> None:
    path = model(tmp_path, 6 * 8 * 3, code())
    graph = files.load(path, preprocess="bgr | x/127.5-1")
    assert [one.name for one in graph.layers] == ["code/step1", "code", "flat", "steer"]
    assert steer(graph) == pytest.approx(summed(IMAGE[..., ::-1] / 127.5 - 1), rel=1e-5)


def test_a_resize_is_bilinear_between_centres_of_pixels(tmp_path: Path) -> None:
    graph = files.load(model(tmp_path, 3 * 4 * 3, code()), preprocess="resize(3,4)")
    halved = IMAGE.reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    assert steer(graph) == pytest.approx(summed(halved), rel=1e-5)


def test_neighbouring_pieces_of_code_are_one_place(tmp_path: Path) -> None:
    path = model(tmp_path, 6 * 8 * 3, code("one"), code("two"))
    graph = files.load(path, preprocess="x/255")
    assert [one.name for one in graph.layers] == ["two", "flat", "steer"]
    assert steer(graph) == pytest.approx(summed(IMAGE / 255), rel=1e-5)


def test_pieces_of_code_apart_from_each_other_have_a_chain_each(tmp_path: Path) -> None:
    crop = layer("Cropping2D", "crop", cropping=[[2, 0], [0, 0]])
    path = model(tmp_path, 4 * 8 * 3, code("one"), crop, code("two"))
    graph = files.load(path, preprocess="x/255 ; x*2-1")
    assert steer(graph) == pytest.approx(summed(IMAGE[2:] / 255 * 2 - 1), rel=1e-5)
    with pytest.raises(BadInputError, match=r"expected 2 chains .*\(one; two\), received 1"):
        files.load(path, preprocess="x/255")
    with pytest.raises(BadInputError, match=r"layer one is a Lambda.* first of 2 places"):
        files.load(path)


def test_a_layer_of_the_authors_own_class_is_code_too(tmp_path: Path) -> None:
    path = model(tmp_path, 6 * 8 * 3, layer("Custom>Normalize", "norm", depth=3))
    with pytest.raises(BadInputError, match=r"layer norm is a Custom>Normalize"):
        files.load(path)
    assert steer(files.load(path, preprocess="x/255")) == pytest.approx(
        summed(IMAGE / 255), rel=1e-5
    )


def test_code_that_joins_two_values_can_not_be_replaced(tmp_path: Path) -> None:
    config = functional(
        input_layer("image", 6, 8, 3),
        layer("Flatten", "a", "image"),
        layer("Flatten", "b", "image"),
        code("both", "a", "b"),
        outputs=["both"],
    )
    with pytest.raises(BadInputError, match=r"layer both .* joins 2 values"):
        files.load(write_h5(tmp_path / "m.h5", config, {}), preprocess="x/255")


def test_an_activation_of_the_authors_own_is_refused(tmp_path: Path) -> None:
    config = sequential(
        input_layer("image", 6, 8, 3),
        layer("Flatten", "flat"),
        layer("Dense", "steer", units=1, activation="atan_layer"),
    )
    weights = {"steer": {"k": random(1, 144, 1), "b": BIAS}}
    with pytest.raises(BadInputError, match=r"layer steer: expected an activation .*'atan_layer'"):
        files.load(write_h5(tmp_path / "m.h5", config, weights))


# ------------------------------------------------------------------ in front


def test_without_code_a_chain_goes_in_front(tmp_path: Path) -> None:
    graph = files.load(model(tmp_path, 6 * 8 * 3), preprocess="x/127.5-1")
    assert graph.layers[0].name == "preprocess"
    assert graph.layers[1].inputs == ("preprocess",)
    assert steer(graph) == pytest.approx(summed(IMAGE / 127.5 - 1), rel=1e-5)


def test_a_crop_in_front_makes_the_input_larger(tmp_path: Path) -> None:
    path = model(tmp_path, 3 * 5 * 3, image=(3, 5, 3))
    graph = files.load(path, preprocess="crop(2,1,3,0)|x/255")
    assert graph.input_shape == (6, 8, 3)
    assert steer(graph) == pytest.approx(summed(IMAGE[2:5, 3:] / 255), rel=1e-5)


def test_grey_in_front_makes_the_input_coloured(tmp_path: Path) -> None:
    graph = files.load(model(tmp_path, 6 * 8, image=(6, 8, 1)), preprocess="gray")
    assert graph.input_shape == (6, 8, 3)
    grey = IMAGE @ np.array([0.299, 0.587, 0.114])
    assert steer(graph) == pytest.approx(summed(grey), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resize(66,200)", "hide the size that it starts from"),
        ("x/255;x/255", "expected one chain"),
        ("gray", "leave gray out"),
        ("gray|bgr", "expected a picture of 3 channels at this place, received 1"),
    ],
)
def test_what_can_not_stand_in_front_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        files.load(model(tmp_path, 6 * 8 * 3), preprocess=text)


def test_a_colour_step_needs_a_coloured_picture(tmp_path: Path) -> None:
    path = model(tmp_path, 6 * 8, code(), image=(6, 8, 1))
    with pytest.raises(BadInputError, match=r"yuv: expected a picture of 3 channels"):
        files.load(path, preprocess="yuv")


# ------------------------------------------------------------------ frames and channels first


def test_steps_act_on_each_of_several_frames(tmp_path: Path) -> None:
    each = layer("TimeDistributed", "code", layer=code("inner"))
    config = sequential(
        input_layer("image", 3, 6, 8, 3), each, layer("Flatten", "flat"),
        layer("Dense", "steer", units=1),
    )  # fmt: skip
    weights = {"steer": {"k": random(1, 3 * 4 * 8 * 3, 1), "b": BIAS}}
    path = write_h5(tmp_path / "m.h5", config, weights)
    graph = files.load(path, preprocess="crop(2,0,0,0)|bgr|x/255")
    kinds = [one.kind for one in graph.layers]
    assert kinds == ["TimeDistributed", "Colour", "Rescaling", "Flatten", "Dense"]
    assert graph.layers[0].config["layer"]["class_name"] == "Cropping2D"


def test_steps_act_on_pictures_whose_channels_come_first(tmp_path: Path) -> None:
    flatten = layer("Flatten", "flat", data_format="channels_first")
    pool = {"pool_size": [1, 1], "strides": [1, 1], "data_format": "channels_first"}
    config = sequential(
        input_layer("image", 3, 6, 8), code(), layer("MaxPooling2D", "pool", **pool), flatten,
        layer("Dense", "steer", units=1),
    )  # fmt: skip
    weights = {"steer": {"k": random(1, 4 * 8 * 3, 1), "b": BIAS}}
    path = write_h5(tmp_path / "m.h5", config, weights)
    graph = files.load(path, preprocess="crop(2,0,0,0)|bgr|x/255")
    assert graph.channels_first
    assert graph.input_shape == (6, 8, 3)
    assert "Permute" not in [one.kind for one in graph.layers]
    assert steer(graph) == pytest.approx(summed(IMAGE[2:, :, ::-1] / 255), rel=1e-5)
