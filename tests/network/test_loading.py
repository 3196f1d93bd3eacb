"""From a file and what a person says about it to a network that can be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network import check
from carla_saliency.network.contract import contract_path, load_preset, save_contract
from carla_saliency.network.loading import Reading, load_network, throttle_network

SHAPE = (12, 20, 3)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(0, 0.01, shape).astype(np.float32)


def write(path: Path, layers: list[dict[str, Any]], arrays: dict[str, list[np.ndarray]]) -> Path:
    """Write an HDF5 model as Keras 2 does."""
    config = {"class_name": "Sequential", "config": {"name": "small", "layers": layers}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        for name, values in arrays.items():
            group = file.create_group(f"model_weights/{name}")
            names = [f"{name}/w{i}" for i in range(len(values))]
            group.attrs["weight_names"] = [each.encode() for each in names]
            for each, value in zip(names, values, strict=True):
                group[each] = value
    return path


def small(path: Path, units: int = 1, activation: str = "linear", scale: float = 1.0) -> Path:
    flatten = {
        "class_name": "Flatten",
        "config": {"name": "flat", "batch_input_shape": [None, *SHAPE]},
    }
    dense = {
        "class_name": "Dense",
        "config": {"name": "out", "units": units, "activation": activation},
    }
    values = [scale * weights(720, units), np.zeros(units, np.float32)]
    return write(path, [flatten, dense], {"out": values})


def pictures(count: int = 2) -> Inputs:
    return Inputs(np.random.default_rng(0).uniform(0, 255, (count, *SHAPE)).astype(np.float32))


def test_without_a_contract_everything_that_was_guessed_is_said(tmp_path: Path) -> None:
    loaded = load_network(small(tmp_path / "m.h5"))
    assert not loaded.has_contract
    (line,) = loaded.guesses
    assert line == (
        "camera: no contract, so the whole picture, rgb, resized to 20×12, values of 0 to 255"
    )
    assert loaded.contract.crop == (0, 360, 0, 640)
    assert loaded.check is not None
    assert loaded.check.ratio == pytest.approx(1, abs=0.01)


def test_the_contract_beside_the_model_is_taken(tmp_path: Path) -> None:
    path = small(tmp_path / "m.h5")
    reading = Reading(None, "udacity", {"colour": "bgr"})
    save_contract(contract_path(path), load_network(path, reading).contract)
    loaded = load_network(path)
    assert loaded.has_contract
    assert loaded.guesses == ()
    assert (loaded.contract.colour, loaded.contract.crop) == ("bgr", (60, 135, 0, 320))
    other = load_network(path, Reading(None, "donkey"))
    assert other.contract.width_px == load_preset("donkey").width_px


def test_a_part_of_the_camera_is_a_contract_but_the_meaning_of_the_output_is_none(
    tmp_path: Path,
) -> None:
    path = small(tmp_path / "m.h5")
    assert load_network(path, Reading(parts={"colour": "yuv"})).has_contract
    loaded = load_network(path, Reading(parts={"output": "degrees", "output_range": "25"}))
    assert not loaded.has_contract
    plain = load_network(path)
    assert loaded.network.steer(pictures()) == pytest.approx(
        plain.network.steer(pictures()) / 25, rel=1e-5
    )


@pytest.mark.parametrize(
    ("units", "activation", "output", "said"),
    [
        (2, "linear", "vector:0", "output: vector:0 (a vector of 2 numbers"),
        (15, "softmax", "bins", "output: bins (15 probabilities"),
    ],
)
def test_an_output_that_is_not_one_number_is_guessed_and_said(
    tmp_path: Path, units: int, activation: str, output: str, said: str
) -> None:
    loaded = load_network(small(tmp_path / "m.h5", units, activation))
    assert loaded.contract.output == output
    assert any(line.startswith(said) for line in loaded.guesses)
    logits = pictures().image.reshape(2, -1).astype(np.float64) @ weights(720, units)
    if output == "bins":
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = powers / powers.sum(axis=1, keepdims=True) @ np.linspace(-1, 1, units)
    else:
        expected = logits[:, 0]
    assert loaded.network.steer(pictures()) == pytest.approx(expected, abs=1e-4)


def test_a_vector_that_can_t_be_guessed_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="--output") as caught:
        load_network(small(tmp_path / "m.h5", units=7))
    assert "\n" not in str(caught.value)


def test_the_second_number_of_two_can_be_the_throttle(tmp_path: Path) -> None:
    path = small(tmp_path / "m.h5", units=2)
    loaded = load_network(path)
    network = throttle_network(loaded)
    assert network is not None
    expected = pictures().image.reshape(2, -1) @ weights(720, 2)
    assert network.steer(pictures()) == pytest.approx(expected[:, 1], abs=1e-4)
    assert throttle_network(load_network(small(tmp_path / "one.h5"))) is None


def test_a_dead_network_is_called_dead(tmp_path: Path) -> None:
    loaded = load_network(small(tmp_path / "m.h5", scale=0.0))
    assert loaded.check is not None
    assert loaded.check.dead
    assert any(line.startswith("dead: ") for line in loaded.notes)
    assert not loaded.network.run(Query(), pictures()).gradients.any()


def test_the_gradient_is_checked_once_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small(tmp_path / "once.h5", scale=0.5)
    first = load_network(path)

    def never(*_: object) -> None:
        raise AssertionError("checked again")

    monkeypatch.setattr(check, "_measure", never)
    assert load_network(path).check == first.check
    changed = small(tmp_path / "once.h5", scale=0.25)
    with pytest.raises(AssertionError, match="checked again"):
        load_network(changed)


def test_a_contract_that_belongs_to_another_network_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path / "m.h5")
    save_contract(contract_path(path), load_preset("dave2"))
    with pytest.raises(BadInputError, match="don't belong together"):
        load_network(path)


def test_steps_are_taken_from_a_contract_too(tmp_path: Path) -> None:
    flat = {"class_name": "Flatten", "config": {"name": "flat"}}
    code = {
        "class_name": "Lambda",
        "config": {
            "name": "normalise",
            "batch_input_shape": [None, *SHAPE],
            "function": ["4wEAAAABAAAAAgAAAEMAAABzDAAAAHwAZAEbAGQCGABTACkD", None, None],
        },
    }
    dense = {"class_name": "Dense", "config": {"name": "out", "units": 1}}
    values = {"out": [weights(720, 1), np.zeros(1, np.float32)]}
    path = write(tmp_path / "m.h5", [code, flat, dense], values)
    with pytest.raises(BadInputError, match=r"normalise.*--preprocess"):
        load_network(path)
    said = load_network(path, Reading(parts={"preprocess": "x/127.5-1"}))
    expected = (pictures().image / 127.5 - 1).reshape(2, -1) @ weights(720, 1)
    assert said.network.steer(pictures()) == pytest.approx(expected[:, 0], abs=1e-5)
    save_contract(contract_path(path), said.contract)
    assert np.array_equal(
        load_network(path).network.steer(pictures()), said.network.steer(pictures())
    )
    named = load_network(path, Reading(contract=str(contract_path(path))))
    assert named.has_contract
