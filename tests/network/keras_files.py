"""Model files as several versions of Keras write them, made with h5py; and what they compute."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]
Named = Mapping[str, NDArray[Any]]


def layer(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    """A layer as in a configuration; with sources, as in a functional one before Keras 3."""
    made: dict[str, Any] = {"class_name": kind, "config": {"name": name, **config}}
    if sources:
        made.update(name=name, inbound_nodes=[[[source, 0, 0, {}] for source in sources]])
    return made


def input_layer(name: str, *shape: int | None) -> dict[str, Any]:
    made = layer("InputLayer", name, batch_input_shape=[None, *shape], dtype="float32")
    return {**made, "name": name, "inbound_nodes": []}


def sequential(*layers: dict[str, Any], name: str = "tiny") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def functional(
    *layers: dict[str, Any], outputs: Sequence[str], inputs: Sequence[str] = ("image",)
) -> dict[str, Any]:
    config = {
        "name": "tiny",
        "layers": list(layers),
        "input_layers": [[name, 0, 0] for name in inputs],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    return {"class_name": "Model", "config": config}


def write_h5(
    path: Path,
    config: Any,
    weights: Mapping[str, Named],
    version: str = "2.2.4",
    backend: str = "tensorflow",
    **attributes: Any,
) -> Path:
    """A whole model; `weights` is the layer's name -> the weight's name -> its values."""
    with h5py.File(path, "w") as file:
        for key, value in {"keras_version": version, "backend": backend, **attributes}.items():
            if value:
                file.attrs[key] = value.encode()
        file.attrs["model_config"] = json.dumps(config).encode()
        write_weights(file.create_group("model_weights"), weights)
    return path


def write_weights(group: h5py.Group, weights: Mapping[str, Named]) -> None:
    """As `save_weights` did before Keras 3."""
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for name, own in weights.items():
        inner = group.create_group(name)
        inner.attrs["weight_names"] = [one.encode() for one in own]
        for one, values in own.items():
            inner[one] = values


def write_keras(
    path: Path, config: Any, weights: Mapping[str, Arrays], version: str = "3.5.0"
) -> Path:
    """A `.keras` file; `weights` is the path of a group -> its arrays."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("layers")
        for name, arrays in weights.items():
            own = file.create_group(f"layers/{name}/vars")
            for number, values in enumerate(arrays):
                own[str(number)] = values
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return path


def random(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


# ------------------------------------------------------------------ what the layers compute


def correlate(
    image: NDArray[Any], kernel: NDArray[Any], bias: Any = 0.0, stride: int = 1
) -> NDArray[np.float64]:
    """A convolution layer without padding, (rows, columns, channels), in double precision."""
    height, width = kernel.shape[:2]
    rows, columns = ((n - k) // stride + 1 for n, k in zip(image.shape, (height, width)))  # noqa: B905
    out = np.zeros((rows, columns, kernel.shape[3]))
    for y in range(rows):
        for x in range(columns):
            part = image[y * stride : y * stride + height, x * stride : x * stride + width]
            out[y, x] = np.tensordot(part.astype(np.float64), kernel.astype(np.float64), 3)
    return out + bias


def relu(values: NDArray[Any]) -> NDArray[Any]:
    return np.maximum(values, 0)


def elu(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0)))
