"""SavedModel folders of tf.keras: layers from Keras's metadata, weights from the checkpoint.

The graph in `saved_model.pb` is neither read nor run. `keras_metadata.pb` is a short protobuf
message of JSON texts; the few lines that it takes to read it are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from carla_saliency.core import Array
from carla_saliency.errors import BadInputError
from carla_saliency.network import keras_weights
from carla_saliency.network.architectures import is_model, parsed_json
from carla_saliency.network.keras_config import Path as LayerPath
from carla_saliency.network.keras_model import assemble
from carla_saliency.network.layers import LayerGraph
from carla_saliency.network.legacy import Origin

EXPORT = "load it in the Keras that wrote it and save it with model.save('model.keras')"
MAX_METADATA_BYTES = 2**24

# What layers call their variables, in the order of Keras's weights.
VARIABLES = (
    "kernel",
    "depthwise_kernel",
    "pointwise_kernel",
    "recurrent_kernel",
    "bias",
    "alpha",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "mean",
    "variance",
    "count",
)
# The node numbers of a checkpoint's objects, by their names in the one that holds them.
Children = dict[str, int]


def load(folder: Path, preprocess: str = "") -> LayerGraph:
    """Read a SavedModel.

    Args:
        folder: With `saved_model.pb`, `keras_metadata.pb` and `variables`.
        preprocess: Steps that take the place of code in the model, or go in front.

    Raises:
        BadInputError: If it has no Keras metadata, or is no model of Keras's layers.
    """
    if not (folder / "saved_model.pb").is_file():
        raise BadInputError(
            "a folder but not a SavedModel, since it has no saved_model.pb: expected a model file "
            "or a SavedModel folder"
        )
    metadata = folder / "keras_metadata.pb"
    if not metadata.is_file():
        raise BadInputError(
            "a SavedModel without Keras metadata, so its layers are unknown and only its graph, "
            f"which is not run, could be used: {EXPORT}"
        )
    if metadata.stat().st_size > MAX_METADATA_BYTES:
        raise BadInputError(
            f"its keras_metadata.pb is over {MAX_METADATA_BYTES >> 20} MiB: {EXPORT}"
        )
    nodes = dict(_nodes(metadata.read_bytes()))
    if "root" not in nodes:
        raise BadInputError(f"its keras_metadata.pb has no model: {EXPORT}")
    root = parsed_json(nodes["root"], "its keras_metadata.pb")
    if not is_model(root):
        raise BadInputError(f"its keras_metadata.pb has no layers of a model: {EXPORT}")
    origin = Origin(str(root.get("keras_version") or "2")[:20], str(root.get("backend") or ""))
    places = {}
    for node_path, data in nodes.items():
        if node_path != "root" and "layer" in node_path.rsplit(".", 1)[-1]:
            layer = parsed_json(data, "its keras_metadata.pb")
            name = layer.get("name") or (layer.get("config") or {}).get("name")
            places[tuple(node_path.split(".")[1:])] = str(name)
    weights = CheckpointWeights(folder / "variables" / "variables", places)
    return assemble(root, origin, weights, "SavedModel", preprocess)


def _nodes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and JSON of each object in Keras's metadata.

    It is `message { repeated Node = 1 }` with the path as field 3 of a node and the text as 5.
    """
    for number, node in _fields(data):
        if number == 1:
            fields = dict(_fields(node))
            yield fields.get(3, b"").decode("utf-8", "replace"), fields.get(5, b"")


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of the fields of a protobuf message that have a length."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        wire = key & 7
        if wire == 0:
            _, place = _varint(data, place)
        elif wire in (1, 5):
            place += 8 if wire == 1 else 4
        elif wire == 2:
            size, place = _varint(data, place)
            if place + size > len(data):
                raise BadInputError("its keras_metadata.pb is cut short: copy the folder again")
            yield key >> 3, data[place : place + size]
            place += size
        else:
            raise BadInputError("its keras_metadata.pb is damaged: copy the folder again")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise BadInputError("its keras_metadata.pb is cut short: copy the folder again")


def unreadable(error: Exception) -> BadInputError:
    """Return the error for a checkpoint that TensorFlow refuses."""
    line = " ".join(str(error).split())[:80]
    return BadInputError(f"its variables can't be read ({line}): copy the folder again")


class CheckpointWeights:
    """The variables of a SavedModel, read without its graph.

    Args:
        prefix: Path of the checkpoint, without ".index".
        places: Where a layer is in the model, such as ("layer_with_weights-0",) -> its name.
    """

    def __init__(self, prefix: Path, places: dict[tuple[str, ...], str]) -> None:
        import tensorflow as tf
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        self._errors = (tf.errors.OpError, ValueError, RuntimeError)
        try:
            self._reader = tf.train.load_checkpoint(str(prefix))
            objects = self._reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
            graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(objects)
        except self._errors as error:
            raise unreadable(error) from None
        self._children: list[Children] = [
            {child.local_name: child.node_id for child in node.children} for node in graph.nodes
        ]
        self._keys = [
            next((attribute.checkpoint_key for attribute in node.attributes), "")
            for node in graph.nodes
        ]
        self._shapes = self._reader.get_variable_to_shape_map()
        self._places = places
        self._left = keras_weights.MAX_BYTES

    def of(self, path: LayerPath) -> tuple[Array, ...]:
        """Return a layer's weights, with those of its parts."""
        place: tuple[str, ...] = ()
        for name in path:
            found = self._place(place, name)
            if found is None:
                return ()
            place = found
        node = self._node(place)
        return () if node is None else tuple(self._read(key) for key in self._own_and_parts(node))

    def _place(self, outer: tuple[str, ...], name: str) -> tuple[str, ...] | None:
        """Return where a layer is in a model; "layer" is what TimeDistributed applies."""
        for place, own in sorted(self._places.items(), reverse=True):
            inner = place[len(outer) :]
            is_inside = place[: len(outer)] == outer and 0 < len(inner) <= 2
            if own == name and is_inside and (len(inner) == 1 or inner[0] == "layer"):
                return place
        return None

    def _node(self, place: Sequence[str]) -> int | None:
        node = 0
        for name in place:
            if name not in self._children[node]:
                return None
            node = self._children[node][name]
        return node

    def _own_and_parts(self, node: int, depth: int = 0) -> Iterator[str]:
        children = self._children[node]
        for name in VARIABLES:
            if name in children and self._keys[children[name]]:
                yield self._keys[children[name]]
        for part in keras_weights.PARTS:
            if part in children and depth < 4:
                yield from self._own_and_parts(children[part], depth + 1)

    def _read(self, key: str) -> Array:
        shape = self._shapes[key]
        self._left -= 4 * int(np.prod(shape, dtype=object)) if shape else 4
        if self._left < 0:
            raise BadInputError(
                f"expected at most {keras_weights.MAX_BYTES >> 20} MiB of weights, received more: "
                "this is not a steering network"
            )
        try:
            return np.asarray(self._reader.get_tensor(key), np.float32)
        except self._errors as error:
            raise unreadable(error) from None
