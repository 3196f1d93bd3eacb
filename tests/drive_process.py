"""`carla-saliency drive` as a person runs it, and model files whose steering is known."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from carla_saliency.core import Contract
from carla_saliency.network.contract import DEFAULT_CONTRACT

ALONE = ("--embedded", "always")


def start(*arguments: str, cwd: Path, command: str = "drive") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "carla_saliency", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=dict(os.environ),
    )


def drive(*arguments: str, cwd: Path, command: str = "drive") -> tuple[int, str, str]:
    """Run it to its end; return the exit code and what it said."""
    with start(*arguments, cwd=cwd, command=command) as process:
        out, err = process.communicate(timeout=250)
    return process.returncode, out, err


def table_of(clip: Path) -> list[dict[str, str]]:
    with (clip / "telemetry.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_model(path: Path, kernel: NDArray[Any], bias: float, contract: Contract) -> Path:
    """A network of one dense layer, with its contract beside it; the kernel is (H, W, 3)."""
    shape = [None, *kernel.shape]
    layers = [
        ("InputLayer", {"name": "image", "batch_input_shape": shape, "dtype": "float32"}),
        ("Flatten", {"name": "flatten"}),
        ("Dense", {"name": "steering", "units": 1, "activation": "linear", "use_bias": True}),
    ]
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "planted",
            "layers": [{"class_name": kind, "config": values} for kind, values in layers],
        },
    }
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [b"flatten", b"steering"]
        weights.create_group("flatten").attrs["weight_names"] = np.array([], "S1")
        dense = weights.create_group("steering")
        dense.attrs["weight_names"] = [b"kernel", b"bias"]
        dense["kernel"] = kernel.reshape(-1, 1).astype(np.float32)
        dense["bias"] = np.array([bias], np.float32)
    return _with_contract(path, contract)


def remembers(path: Path, frames: int = 3) -> Path:
    """A network for which what it saw some frames ago is worth as much as what it sees now."""
    contract = replace(DEFAULT_CONTRACT, name=path.stem, input_height_px=22, input_width_px=66)
    shape = frames, 3, 22, 66
    kernel = np.random.default_rng(1).normal(0, 5e-5, (int(np.prod(shape)), 1))
    nodes = [
        helper.make_node("Abs", ["image"], ["same"]),  # which no layer does: it runs as it is
        helper.make_node("Flatten", ["same"], ["row"]),
        helper.make_node("Gemm", ["row", "kernel"], ["steering"]),
    ]
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("image", real, ["n", *shape])],
        [helper.make_tensor_value_info("steering", real, ["n", 1])],
        [numpy_helper.from_array(kernel.astype(np.float32), "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return _with_contract(path, contract)


def _with_contract(path: Path, contract: Contract) -> Path:
    path.with_suffix(".contract.json").write_text(json.dumps(asdict(contract)), encoding="utf-8")
    return path


def steers_always(path: Path, steering: float) -> Path:
    """A network that gives the same whatever it sees."""
    contract = replace(DEFAULT_CONTRACT, name=path.stem)
    grid = contract.input_height_px, contract.input_width_px
    return write_model(path, np.zeros((*grid, 3)), steering, contract)
