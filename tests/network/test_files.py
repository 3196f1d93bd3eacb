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
from carla_saliency.network.runtime import OnnxNetwork

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
    network = OnnxNetwork(files.load(write(tmp_path / f"tiny.{suffix}", config)))
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


def image(*shape: int | None) -> dict[str, Any]:
    return {"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, *shape]}}


LOOP = functional(INPUT, node(DENSE, "steer"), outputs=[["steer", 0, 0]])
SECOND = {"class_name": "InputLayer", "config": {"name": "two", "batch_shape": [None, 2, 3, 3]}}
TWO_IMAGES = {**functional(INPUT, SECOND, node(DENSE, "image", "two"), outputs=[["steer", 0, 0]])}
TWO_IMAGES["config"]["input_layers"].append(["two", 0, 0])
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


BAD_FILES: dict[str, tuple[Any, str]] = {
    "missing": (lambda d: d / "none.keras", "there is no such model file"),
    "a folder": (lambda d: d, "a folder but not a SavedModel"),
    "empty": (lambda d: with_bytes(d / "m.keras", b""), "empty"),
    "a text": (lambda d: with_bytes(d / "m.h5", b"hello"), "not a model that is known"),
    "a Git LFS pointer": (lambda d: with_bytes(d / "m.h5", LFS), "git lfs pull"),
    "a pointer named .onnx": (lambda d: with_bytes(d / "m.onnx", LFS), "git lfs pull"),
    "TFLite": (lambda d: with_bytes(d / "m.h5", b"\x1c\0\0\0TFL3\x14"), "a TFLite model"),
    "pickled": (lambda d: with_bytes(d / "m.h5", b"\x80\x04\x95."), "pickled Python"),
    "an array": (lambda d: with_bytes(d / "m.h5", b"\x93NUMPY\x01"), "a NumPy array"),
    "a graph": (lambda d: with_bytes(d / "m.pb", b"\x08\x01\x12\x99"), "TensorFlow graph"),
    "JSON": (lambda d: with_bytes(d / "m.json", b'{"a": 1}'), "JSON that isn't a Keras model"),
    "a model's JSON": (
        lambda d: with_bytes(d / "m.json", json.dumps(TINY).encode()),
        "without their weights: .* --arch",
    ),
    "PyTorch": (lambda d: zipped(d / "m.pt", m__data_dot_pkl="x"), "a PyTorch file.*torch.onnx"),
    "NumPy's zip": (lambda d: zipped(d / "m.npz", a_dot_npy="x"), "NumPy arrays without layers"),
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
    "missing weights": (
        lambda d: write_keras(d / "m.h5", sequential(INPUT, FLATTEN, DENSE, {**DENSE, "config": {
            "name": "second", "units": 1}})),
        "layer second .* expected 2 arrays of weights, received 0",
    ),
    "a Lambda": (
        lambda d: write_h5(d / "m.h5", sequential(INPUT, LAMBDA, DENSE)),
        "layer crop is a Lambda.*nothing in a file is executed",
    ),
    "a grey picture": (
        lambda d: write_h5(d / "m.h5", sequential(image(2, 3), FLATTEN, DENSE)),
        "without channels: add an axis",
    ),
    "no fixed size": (
        lambda d: write_h5(d / "m.h5", sequential(image(None, None, 3), FLATTEN, DENSE)),
        "expected an image of fixed",
    ),
    "a vector": (
        lambda d: write_h5(d / "m.h5", sequential(image(18), DENSE)),
        "not a network that steers by a camera's picture",
    ),
    "two images": (lambda d: write_h5(d / "m.h5", TWO_IMAGES), "received 2 images"),
    "a loop": (lambda d: write_h5(d / "m.h5", LOOP), "feeds itself"),
}  # fmt: skip


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
    with pytest.raises(BadInputError, match="without a `model_config`, and not the weights of one"):
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


def test_neither_tensorflow_nor_onnx_is_imported_to_read_a_file(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "tiny.keras", TINY)
    code = (
        "import sys; from carla_saliency.network.files import load; "
        f"load({str(path)!r}); "
        "print(*({'tensorflow', 'keras', 'onnx', 'cv2', 'carla'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
