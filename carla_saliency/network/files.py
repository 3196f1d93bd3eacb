"""Any Keras model file to layers and weights, without TensorFlow; nothing in it is executed.

A `.keras` file is a zip of `config.json` and `model.weights.h5`; an `.h5` file is HDF5 with the
same configuration as an attribute. Both are read as plain JSON and arrays: no pickle, no bytecode.
What a file is, is decided by its first bytes, not by its name.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError
from carla_saliency.network.chain import chain_of, input_shape_of
from carla_saliency.network.kinds import KINDS
from carla_saliency.network.layers import Layer, LayerGraph

ZIP, HDF5, LFS = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"version https://git-lfs"
MAX_MEMBER_BYTES = 2**31  # of one part of a zip file, unpacked

# Layer name and place in the file's own list of layers -> weights.
Weights = Callable[[str, str], tuple[Array, ...]]


def load(path: str | Path) -> LayerGraph:
    """Read a model file.

    Args:
        path: A whole Keras model, `.keras` or `.h5`: Sequential, or Functional in one chain from
            one image to one output.

    Raises:
        BadInputError: If there is no such file, it is not such a model, or it has a layer of a kind
            that is not known here.
    """
    path = Path(path)
    head = _first_bytes(path)
    if head.startswith(ZIP):
        return _load_keras(path)
    if head.startswith(HDF5):
        return _load_h5(path)
    if head.startswith(LFS):
        raise BadInputError(
            f"{path} is a Git LFS pointer, not the model: run `git lfs pull` where it is from"
        )
    raise BadInputError(
        f"{path} is not a Keras model: expected a .keras (zip) or .h5 (HDF5) file, "
        f"received a file that starts with {head[:8]!r}"
    )


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError:
        raise BadInputError(f"there is no model file {path}") from None
    except IsADirectoryError:
        raise BadInputError(
            f"{path} is a folder: expected a .keras or .h5 file; load a SavedModel in Keras and "
            "save it as .keras"
        ) from None
    except OSError as error:
        raise BadInputError(f"can't read {path}: {error.strerror}") from None
    if not head:
        raise BadInputError(f"{path} is empty: expected a .keras or .h5 file")
    return head


# ------------------------------------------------------------------ .keras


def _load_keras(path: Path) -> LayerGraph:
    config = _json_object(path, _member(path, "config.json"))
    weights_file = io.BytesIO(_member(path, "model.weights.h5"))
    try:
        with h5py.File(weights_file, "r") as file:
            groups = file.get("layers")
            if not isinstance(groups, h5py.Group):
                raise BadInputError(
                    f"{path} has no group `layers` among its weights: save the model again with "
                    "Keras 3"
                )
            stored = _stored_names(groups)
            return _to_graph(
                path, config, lambda name, place: _keras3_weights(groups, stored.get(name, place))
            )
    except (OSError, RuntimeError) as error:  # h5py raises both for broken files
        raise _damaged(path, error) from None


def _member(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(name).file_size
            if size > MAX_MEMBER_BYTES:
                raise BadInputError(f"{path}: {name} must be under 2 GiB, received {size} bytes")
            return archive.read(name)
    except KeyError:
        raise BadInputError(
            f"{path} is a zip file but not a Keras model: it has no {name}"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise _damaged(path, error) from None


def _stored_names(groups: h5py.Group) -> dict[str, str]:
    """Return layer name -> group, as newer versions of Keras note it beside the weights."""
    names = {}
    for group, content in groups.items():
        own = content.get("vars") if isinstance(content, h5py.Group) else None
        if own is not None and "name" in own.attrs:
            names[_text(own.attrs["name"])] = group
    return names


def _keras3_weights(groups: h5py.Group, group: str) -> tuple[Array, ...]:
    own = groups.get(f"{group}/vars")
    if not isinstance(own, h5py.Group):
        return ()
    return tuple(_array(own[key]) for key in sorted(own, key=int))


def _places(layers: list[dict[str, Any]]) -> dict[str, str]:
    """Return layer name -> group of its weights by Keras's rule: class and running number."""
    counts: Counter[str] = Counter()
    places = {}
    for layer in layers:
        words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", layer["class_name"])
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
        number = counts[snake]
        places[layer["config"]["name"]] = f"{snake}_{number}" if number else snake
        counts[snake] += 1
    return places


# ------------------------------------------------------------------ .h5


def _load_h5(path: Path) -> LayerGraph:
    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise BadInputError(
                    f"{path} is HDF5 without a `model_config`: expected a whole Keras model; if "
                    "these are weights only, load them into the model in Keras and save that"
                )
            config = _json_object(path, _text(file.attrs["model_config"]).encode())
            groups = file.get("model_weights")
            if not isinstance(groups, h5py.Group):
                raise BadInputError(f"{path} has no group `model_weights`: save the model again")
            return _to_graph(path, config, lambda name, _: _h5_weights(groups, name))
    except (OSError, RuntimeError) as error:  # h5py raises both for broken files
        raise _damaged(path, error) from None


def _h5_weights(groups: h5py.Group, name: str) -> tuple[Array, ...]:
    group = groups.get(name)
    if not isinstance(group, h5py.Group):
        return ()
    return tuple(_array(group[_text(key)]) for key in group.attrs.get("weight_names", ()))


# ------------------------------------------------------------------ both


def _to_graph(path: Path, config: dict[str, Any], weights: Weights) -> LayerGraph:
    try:
        all_layers, chain, name = chain_of(path, config)
        for layer in chain:
            _refuse_unknown(path, layer)
        shape = input_shape_of(path, chain)
        places = _places(all_layers)
        layers = []
        for layer in chain:
            if layer["class_name"] != "InputLayer":
                own_name = layer["config"]["name"]
                values = weights(own_name, places[own_name])
                layers.append(Layer(layer["class_name"], own_name, layer["config"], values))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadInputError(
            f"{path} is not a Keras model that can be read: {type(error).__name__} "
            f"{str(error)[:80]!r} in its configuration or weights"
        ) from None
    return LayerGraph(shape, tuple(layers), name)


def _refuse_unknown(path: Path, layer: Mapping[str, Any]) -> None:
    kind, name = layer["class_name"], layer["config"].get("name", "?")
    if kind == "Lambda":
        raise BadInputError(
            f"{path}: layer {name} is a Lambda, a piece of Python in the file, and nothing in a "
            "file is executed: replace it by layers such as Rescaling or Cropping2D and save again"
        )
    if kind not in KINDS and kind != "InputLayer":
        raise BadInputError(
            f"{path}: layer {name} is of the kind {kind}, which is not known here; known are "
            f"{', '.join(sorted(KINDS))}"
        )


def _json_object(path: Path, text: bytes) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise BadInputError(f"{path} is not a Keras model: its configuration is not a JSON object")
    return config


def _array(dataset: Any) -> Array:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise ValueError(f"{getattr(dataset, 'name', dataset)} is not an array of numbers")
    return np.asarray(dataset[()], np.float32)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode()  # h5py lets broken UTF-8 through


def _damaged(path: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"{path} is damaged or cut short ({' '.join(str(error).split())[:100]}): copy it again"
    )
