"""Bad model files: each is one line that says what to do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network import files
from carla_saliency.network.contract import DEFAULT_CONTRACT, contract_path, save_contract
from carla_saliency.network.runtime import OnnxNetwork, load_network

INPUT = {"class_name": "InputLayer", "config": {"name": "image", "batch_shape": [None, 2, 3, 3]}}
FLATTEN = {"class_name": "Flatten", "config": {"name": "flatten"}}
DENSE = {"class_name": "Dense", "config": {"name": "steer", "units": 1, "activation": "linear"}}
KERNEL = np.arange(18, dtype=np.float32)[:, None] / 10
BIAS = np.array([0.5], np.float32)


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "tiny", "layers": list(layers)}}


def functional(*layers: dict[str, Any], outputs: Any) -> dict[str, Any]:
    config = {"name": "tiny", "layers": list(layers), "output_layers": outputs}
    return {"class_name": "Functional", "config": {**config, "input_layers": [["image", 0, 0]]}}


def node(layer: dict[str, Any], *sources: str) -> dict[str, Any]:
    return {**layer, "inbound_nodes": [[[name, 0, 0, {}] for name in sources]]}


def write_h5(path: Path, config: Any, with_weights: bool = True) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights/steer")
        group.attrs["weight_names"] = [b"steer/kernel:0", b"steer/bias:0"]
        if with_weights:
            group["steer/kernel:0"], group["steer/bias:0"] = KERNEL, BIAS
    return path


def write_keras(path: Path, config: Any, leave_out: str = "") -> Path:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = KERNEL, BIAS
    parts = {"config.json": json.dumps(config).encode(), "model.weights.h5": weights.getvalue()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name != leave_out:
                archive.writestr(name, content)
    return path


TINY = sequential(INPUT, FLATTEN, DENSE)
OLD = {"class_name": "Sequential", "config": [  # up to Keras 2.1, and without an input layer
    {"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 2, 3, 3]}},
    DENSE,
]}  # fmt: skip
CHAIN = functional(INPUT, node(FLATTEN, "image"), node(DENSE, "flatten"), outputs=[["steer", 0, 0]])


@pytest.mark.parametrize("config", [TINY, OLD, CHAIN])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_linear_network_is_read_with_exactly_its_weights(
    tmp_path: Path, suffix: str, config: Any
) -> None:
    write = write_keras if suffix == "keras" else write_h5
    network = load_network(write(tmp_path / f"tiny.{suffix}", config))
    image = np.random.default_rng(0).random((1, 2, 3, 3), np.float32)
    answer = network.run(Query(), Inputs(image))
    assert network.input_shape == (2, 3, 3)
    assert answer.steering[0] == pytest.approx(float(image.ravel() @ KERNEL[:, 0]) + 0.5, rel=1e-6)
    assert answer.gradients[0, 0].ravel() == pytest.approx(KERNEL[:, 0])


def test_what_a_file_is_is_decided_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "really_hdf5.keras", TINY)
    assert files.load(path).parameters == 19


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def with_bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


LAMBDA = {"class_name": "Lambda", "config": {"name": "crop", "function": ["4wEAAA==", None, None]}}
LSTM = {"class_name": "LSTM", "config": {"name": "memory"}}
SEQUENCE = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 3, 2, 3, 3]}}
FORK = functional(INPUT, node(DENSE, "image", "image"), outputs=[["steer", 0, 0]])
LOOP = functional(INPUT, node(DENSE, "steer"), outputs=[["steer", 0, 0]])
HEADS = functional(INPUT, node(DENSE, "image"), outputs=[["steer", 0, 0], ["image", 0, 0]])
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

BAD_FILES: dict[str, tuple[Any, str]] = {
    "missing": (lambda d: d / "none.keras", "there is no model file"),
    "a folder": (lambda d: d, "is a folder"),
    "empty": (lambda d: with_bytes(d / "m.keras", b""), "is empty"),
    "a text": (lambda d: with_bytes(d / "m.h5", b"hello"), "not a Keras model"),
    "a Git LFS pointer": (lambda d: with_bytes(d / "m.h5", LFS), "git lfs pull"),
    "a cut zip": (lambda d: cut(write_keras(d / "m.keras", TINY), 0.6), "damaged or cut short"),
    "a cut HDF5": (lambda d: cut(write_h5(d / "m.h5", TINY), 0.6), "damaged or cut short"),
    "a zip without a configuration": (
        lambda d: write_keras(d / "m.keras", TINY, "config.json"),
        "no config.json",
    ),
    "a zip without weights": (
        lambda d: write_keras(d / "m.keras", TINY, "model.weights.h5"),
        "no model.weights.h5",
    ),
    "a configuration that is a list": (lambda d: write_keras(d / "m.keras", [1]), "JSON object"),
    "an empty configuration": (lambda d: write_keras(d / "m.keras", {}), "Sequential or Func"),
    "a class of its own": (
        lambda d: write_h5(d / "m.h5", {"class_name": "PilotNet", "config": {}}),
        "'PilotNet'",
    ),
    "layers without settings": (
        lambda d: write_h5(d / "m.h5", sequential({"class_name": "Dense"})),
        "can be read",
    ),
    "no layers": (lambda d: write_h5(d / "m.h5", sequential()), "no layers"),
    "HDF5 without weights": (lambda d: write_h5(d / "m.h5", TINY, False), "can be read"),
    "a Lambda": (
        lambda d: write_h5(d / "m.h5", sequential(INPUT, LAMBDA, DENSE)),
        "layer crop is a Lambda.*nothing in a file is executed",
    ),
    "an unknown kind": (
        lambda d: write_keras(d / "m.keras", sequential(INPUT, LSTM)),
        "layer memory is of the kind LSTM.*known are Activation, .*Conv2D",
    ),
    "a sequence of images": (
        lambda d: write_h5(d / "m.h5", sequential(SEQUENCE, FLATTEN, DENSE)),
        "no sequence of images",
    ),
    "two ways": (lambda d: write_h5(d / "m.h5", FORK), "joined to 2 others"),
    "a loop": (lambda d: write_h5(d / "m.h5", LOOP), "one chain of layers"),
    "two heads": (lambda d: write_h5(d / "m.h5", HEADS), "received 2 outputs: steer, image"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, case: str) -> None:
    make, message = BAD_FILES[case]
    path = make(tmp_path)
    with pytest.raises(BadInputError, match=message) as caught:
        files.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_weights_without_a_model_are_one_clear_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["dense/kernel"] = KERNEL
    with pytest.raises(BadInputError, match="without a `model_config`"):
        files.load(tmp_path / "w.h5")


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("write", [write_keras, write_h5])
def test_a_file_cut_anywhere_is_never_read(tmp_path: Path, write: Any, share: float) -> None:
    with pytest.raises(BadInputError):
        files.load(cut(write(tmp_path / "m", TINY), share))


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    wide = {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, 2, 4, 3]}}
    graph = files.load(write_h5(tmp_path / "m.h5", sequential(wide, FLATTEN, DENSE)))
    with pytest.raises(BadInputError, match=r"layer steer .*shape \(24, 1\), received \(18, 1\)"):
        OnnxNetwork(graph)


def test_a_contract_of_another_network_beside_the_model_is_refused(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "tiny.keras", TINY)
    save_contract(contract_path(path), DEFAULT_CONTRACT)
    with pytest.raises(BadInputError, match="don't belong together"):
        load_network(path)


def test_no_tensorflow_is_imported_to_run_a_network(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "tiny.keras", TINY)
    code = (
        "import sys; from carla_saliency.network.runtime import load_network; "
        "import carla_saliency.saliency, carla_saliency.network.preprocess; "
        f"load_network({str(path)!r}); "
        "print(*({'tensorflow', 'keras', 'carla', 'pygame'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
