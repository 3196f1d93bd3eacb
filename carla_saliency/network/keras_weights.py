"""Where Keras keeps a layer's weights in HDF5, old and new, and how they are read with care.

A file may claim anything: sizes are looked at before memory is taken, and nothing outside of the
file is followed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import h5py
import numpy as np

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError
from carla_saliency.network.keras_config import Listed, Path
from carla_saliency.network.keras_kinds import weight_counts

MAX_BYTES = 2**29  # of all weights of a model, as float32: 128 million of them
MAX_NAMES = 100_000
# Parts of a layer that have weights of their own, in Keras's order.
PARTS = (
    "cell",
    "layer",
    "forward_layer",
    "backward_layer",
    "query_dense",
    "key_dense",
    "value_dense",
    "output_dense",
)
NOT_WEIGHTS = frozenset({"seed_generator", "random_generator"})

Arrays = tuple[Array, ...]


class Weights(Protocol):
    """What a file stores for its layers."""

    def of(self, path: Path) -> Arrays:
        """Return a layer's weights as the file has them; () if it has none."""


class Reader:
    """Reads arrays until they are too many.

    Args:
        file: All of them must be in.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._left_bytes = MAX_BYTES

    def read(self, dataset: Any) -> Array:
        """Return one array as float32.

        Raises:
            BadInputError: If it is too large, or not in this file.
            ValueError: If it is not an array of numbers.
        """
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
            raise ValueError(f"{str(dataset)[:60]} is not an array of numbers")
        if dataset.file.id != self._file.id or dataset.external or dataset.is_virtual:
            raise BadInputError(
                f"the weights {dataset.name} are in another file, which is not opened: save the "
                "model again as one file"
            )
        size_bytes = 4 * math.prod(dataset.shape)
        chunk_bytes = math.prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
        self._left_bytes -= size_bytes
        if self._left_bytes < 0 or chunk_bytes > MAX_BYTES:
            raise BadInputError(
                f"expected at most {MAX_BYTES >> 20} MiB of weights, received {dataset.name} of "
                f"shape {dataset.shape} in chunks of {chunk_bytes} bytes: this is not a steering "
                "network, or the file is damaged"
            )
        return np.asarray(dataset.astype(np.float32)[()], np.float32)


def text(value: Any) -> str:
    """Return an attribute as text; HDF5 lets broken UTF-8 through."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value).encode("utf-8", "replace").decode()


def attribute_bytes(group: h5py.Group, key: str) -> int:
    """Return what an attribute says of its size, before memory is taken for it."""
    attribute = group.attrs.get_id(key)
    return int(math.prod(attribute.shape) * attribute.dtype.itemsize)


def names(group: h5py.Group, key: str) -> list[str]:
    """Return a list of names; Keras cuts long ones into `key0`, `key1`, ...

    Raises:
        ValueError: If it is too long.
    """
    found: list[str] = []
    keys = [key] if key in group.attrs else []
    keys = keys or list(iter_numbered(group.attrs, key))
    for one in keys:
        if attribute_bytes(group, one) > 256 * MAX_NAMES:
            raise ValueError(f"{one} has too many names")
        found += [text(name) for name in np.atleast_1d(group.attrs[one])]
    return found


def iter_numbered(attributes: Any, key: str) -> Iterator[str]:
    """Yield key0, key1, ... while they exist."""
    number = 0
    while f"{key}{number}" in attributes:
        yield f"{key}{number}"
        number += 1


# ------------------------------------------------------------------ HDF5 up to Keras 3's .h5


class OldWeights:
    """One group for each layer of the outer model, with a list of names.

    Args:
        group: `model_weights`, or the whole file if there are only weights.
        listed: The model's layers.
        reader: Of the same file.
        group_names: The name of a layer's group, where it isn't the layer's.
    """

    def __init__(
        self,
        group: h5py.Group,
        listed: Sequence[Listed],
        reader: Reader,
        group_names: dict[str, str] | None = None,
    ) -> None:
        self._group, self._reader = group, reader
        self._listed = {layer.name: layer for layer in listed}
        self._group_names = group_names or {}
        self._inside: dict[str, dict[Path, list[str]]] = {}

    def of(self, path: Path) -> Arrays:
        """Return a layer's weights; those of models inside are in the outer layer's group."""
        group = self._group.get(self._group_names.get(path[0], path[0]))
        if not isinstance(group, h5py.Group):
            return ()
        stored = names(group, "weight_names")
        if len(path) > 1:
            if path[0] not in self._inside:
                leaves = dict(_leaves(self._listed[path[0]].inside, ()))
                self._inside[path[0]] = _shared_out(path[0], stored, leaves)
            stored = self._inside[path[0]][path[1:]]
        return tuple(self._reader.read(group[name]) for name in stored)


def _leaves(listed: Sequence[Listed], path: Path) -> Iterator[tuple[Path, Listed]]:
    for layer in listed:
        if layer.inside:
            yield from _leaves(layer.inside, (*path, layer.name))
        elif layer.kind != "InputLayer":
            yield (*path, layer.name), layer


def _shared_out(outer: str, stored: list[str], leaves: dict[Path, Listed]) -> dict[Path, list[str]]:
    """Return which names belong to which layer of a model inside a model."""
    by_name = {path[-1]: path for path in leaves}
    shared: dict[Path, list[str]] = {path: [] for path in leaves}
    if len(by_name) == len(leaves):
        owners = [_owner(name, by_name) for name in stored]
        if None not in owners:
            for name, owner in zip(stored, owners, strict=True):
                shared[by_name[owner or ""]].append(name)
            return shared
    counts = {path: weight_counts(layer.kind, layer.config) for path, layer in leaves.items()}
    if None in counts.values() or len(stored) != sum(sum(c) for c in counts.values() if c):
        raise BadInputError(
            f"the weights of the model {outer} inside the model can't be told apart: load it in "
            "Keras and save it as .keras"
        )
    left = iter(stored)
    for kept_for in (0, 1):  # what training changes comes first, of all layers
        for path, count in counts.items():
            shared[path] += [next(left) for _ in range(count[kept_for] if count else 0)]
    return shared


def _owner(name: str, layers: dict[str, Path]) -> str | None:
    """Return the layer in a weight's name: "outer/conv/kernel:0", or "conv_W" in Keras 1."""
    *parts, last = name.split("/")
    for part in reversed(parts):
        if part in layers:
            return part
    fitting = [layer for layer in layers if last.startswith(f"{layer}_")]
    return max(fitting, key=len, default=None)


# ------------------------------------------------------------------ .keras and .weights.h5


class NewWeights:
    """Groups inside groups, as the layers are.

    Args:
        group: The whole file.
        listed: The model's layers.
        reader: Of the same file.
    """

    def __init__(self, group: h5py.Group, listed: Sequence[Listed], reader: Reader) -> None:
        self._root, self._listed, self._reader = group, listed, reader

    def of(self, path: Path) -> Arrays:
        """Return a layer's weights, with those of its parts."""
        group: Any = self._root
        listed = self._listed
        for name in path:
            layer = next(one for one in listed if one.name == name)
            group = _group_of(_container(group), listed, layer)
            if group is None:
                return ()
            listed = layer.inside
        return tuple(self._reader.read(dataset) for dataset in _own_and_parts(group))


def _container(group: h5py.Group) -> Any:
    inner = group.get("layer")
    for model in (group, inner if isinstance(inner, h5py.Group) else group):
        for name in ("layers", "_layer_checkpoint_dependencies"):
            if isinstance(model.get(name), h5py.Group):
                return model[name]
    return None


def _group_of(container: Any, listed: Sequence[Listed], layer: Listed) -> h5py.Group | None:
    """Return a layer's group: by the name noted in it, else by class and running number."""
    if container is None:
        return None
    snake = snake_case(layer.kind)
    numbered: dict[int, h5py.Group] = {}
    for name, group in container.items():
        if not isinstance(group, h5py.Group):
            continue
        own = group.get("vars")
        if own is not None and "name" in own.attrs and text(own.attrs["name"]) == layer.name:
            return group
        match = re.fullmatch(rf"{re.escape(snake)}(?:_(\d{{1,6}}))?", name)
        if match:
            numbered[int(match[1] or 0)] = group
    alike = [one for one in listed if one.kind == layer.kind]
    place = alike.index(layer)
    if len(numbered) == len(alike):  # some versions leave numbers out
        return numbered[sorted(numbered)[place]]
    return numbered.get(place)


def snake_case(kind: str) -> str:
    """Return a class's name as Keras writes it in paths, for example "conv2d"."""
    words = re.sub(r"\W+", "", kind)
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", words)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def _own_and_parts(group: h5py.Group, depth: int = 0) -> Iterator[Any]:
    own = group.get("vars")
    if isinstance(own, h5py.Group):
        yield from (own[key] for key in sorted(own, key=int))
    others = sorted(key for key in group if key not in (*PARTS, "vars") and depth < 4)
    for part in (*PARTS, *others):
        inner = group.get(part)
        if isinstance(inner, h5py.Group) and part not in NOT_WEIGHTS and depth < 4:
            yield from _own_and_parts(inner, depth + 1)


# ------------------------------------------------------------------ weights alone


def stored_in_order(file: h5py.File, reader: Reader) -> list[tuple[str, Arrays]]:
    """Return group name and weights of each layer that has some, of weights without a model.

    Args:
        file: Written by `save_weights`, old or new.
        reader: Of the same file.
    """
    found: dict[str, list[Any]] = {}
    for name in groups_with_weights(file):
        found[name] = [file[name][one] for one in names(file[name], "weight_names")]
    if not found:
        for name, group in (_container(file) or {}).items():
            if isinstance(group, h5py.Group):
                found[name] = list(_own_and_parts(group))
    return [(name, tuple(map(reader.read, own))) for name, own in found.items() if own]


def groups_with_weights(file: h5py.File) -> list[str]:
    """Return the groups of older `save_weights` that hold arrays, in the layers' order."""
    found = names(file, "layer_names")
    return [
        name
        for name in found
        if isinstance(file.get(name), h5py.Group) and names(file[name], "weight_names")
    ]
