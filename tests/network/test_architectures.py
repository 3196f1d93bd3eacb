"""Weights alone: DAVE-2 as it was published or as it is built here, or what a model.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from keras_files import correlate, elu, layer, random, sequential, write_weights
from numpy.typing import NDArray

from carla_saliency.core import Inputs
from carla_saliency.errors import BadInputError
from carla_saliency.network import architectures, files
from carla_saliency.network.keras_weights import snake_case
from carla_saliency.network.runtime import OnnxNetwork

SHIPPED = Path(files.__file__).parent / "shipped"
IMAGE = (np.random.default_rng(0).random((66, 200, 3)) * 255).astype(np.float32)


def arrays_of(published: bool) -> dict[str, list[NDArray[np.float32]]]:
    """Weights of each layer that has some, by the name of the layer's kind and number."""
    config, shapes = architectures.dave2_model(published)
    weighted = ("Conv2D", "Dense", "BatchNormalization")
    kinds = [one["class_name"] for one in config["config"]["layers"]]
    names = [f"{snake_case(kind)}_{n}" for n, kind in enumerate(kinds) if kind in weighted]
    return {
        name: [abs(random(n, *shape)) / 9 for shape in own]
        for n, (name, own) in enumerate(zip(names, shapes, strict=True))
    }


def write_old(path: Path, arrays: dict[str, list[NDArray[Any]]]) -> Path:
    with h5py.File(path, "w") as file:
        named = {k: {f"{k}/w{n}:0": a for n, a in enumerate(v)} for k, v in arrays.items()}
        write_weights(file, {"flatten_1": {}, **named})
    return path


def write_new(path: Path, arrays: dict[str, list[NDArray[Any]]]) -> Path:
    numbers: dict[str, int] = {}
    with h5py.File(path, "w") as file:
        for name, own in arrays.items():
            snake = name.rsplit("_", 1)[0]
            number = numbers[snake] = numbers.get(snake, -1) + 1
            for n, values in enumerate(own):
                place = f"layers/{snake}_{number}" if number else f"layers/{snake}"
                file[f"{place}/vars/{n}"] = values
    return path


@pytest.mark.parametrize("write", [write_old, write_new])
def test_weights_of_the_published_dave2_find_their_layers(tmp_path: Path, write: Any) -> None:
    arrays = arrays_of(published=True)
    graph = files.load(write(tmp_path / "w.h5", arrays), arch="dave2", preprocess="x/255")
    values: Any = IMAGE / 255
    for number, (kernel, bias) in enumerate(arrays.values()):
        if kernel.ndim == 4:
            values = elu(correlate(values, kernel, bias, 2 if number < 3 else 1))
        else:
            values = values.ravel() @ kernel + bias
            values = values if len(values) == 1 else elu(values)
    steering = OnnxNetwork(graph).steer(Inputs(IMAGE[None]))[0]
    assert steering == pytest.approx(values[0], rel=1e-4)


@pytest.mark.parametrize("write", [write_old, write_new])
def test_weights_of_our_dave2_find_their_layers(tmp_path: Path, write: Any) -> None:
    arrays = arrays_of(published=False)
    graph = files.load(write(tmp_path / "w.h5", arrays), arch="dave2")
    read = [one.weights for one in graph.layers if one.weights]
    for own, stored in zip(read, arrays.values(), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(own, stored, strict=True))
    OnnxNetwork(graph)


def test_our_dave2_is_the_one_that_is_shipped(tmp_path: Path) -> None:
    (shipped,) = SHIPPED.glob("*.keras")
    expected = files.load(shipped)
    graph = files.load(write_old(tmp_path / "w.h5", arrays_of(published=False)), arch="dave2")
    assert graph.image_shape == expected.image_shape
    for ours, theirs in zip(graph.layers, expected.layers, strict=True):
        assert (ours.kind, ours.name, ours.inputs) == (theirs.kind, theirs.name, theirs.inputs)
        assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
        assert all(theirs.config[key] == value for key, value in ours.config.items())


def test_weights_of_another_network_are_not_dave2(tmp_path: Path) -> None:
    path = write_old(tmp_path / "w.h5", {"dense_1": [random(0, 18, 1), random(1, 1)]})
    with pytest.raises(BadInputError, match=r"the weights of DAVE-2 .*--arch FILE.json"):
        files.load(path, arch="dave2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "JSON but not a Keras model"),
        ("[1]", "not a JSON object"),
        ("hello", "not a JSON object"),
        (None, "expected dave2 or a Keras model.json"),
    ],
)
def test_an_architecture_that_is_none_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    arch = tmp_path / "model.json"
    if content is not None:
        arch.write_text(content)
    path = write_old(tmp_path / "w.h5", {"dense_1": [random(0, 18, 1)]})
    with pytest.raises(BadInputError, match=message):
        files.load(path, arch=str(arch))


def test_weights_alone_ask_for_their_layers(tmp_path: Path) -> None:
    for write in (write_old, write_new):
        path = write(tmp_path / "w.h5", {"dense_1": [random(0, 18, 1)]})
        with pytest.raises(BadInputError, match="weights only: pass their layers with --arch"):
            files.load(path)


def test_a_whole_model_needs_no_architecture(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(sequential(layer("Flatten", "f")))
    with pytest.raises(BadInputError, match="leave --arch out"):
        files.load(tmp_path / "m.h5", arch="dave2")
    (shipped,) = SHIPPED.glob("*.keras")
    with pytest.raises(BadInputError, match="leave --arch out"):
        files.load(shipped, arch="dave2")
