"""Any model file to layers and weights, without TensorFlow; nothing in it is executed.

A `.keras` file is a zip of `config.json` and `model.weights.h5`; an `.h5` file is HDF5 with the
same configuration as an attribute. Both are read as plain JSON and arrays: no pickle, no bytecode.
What a file is, is decided by its first bytes, not by its name.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import h5py

from carla_saliency.errors import BadInputError
from carla_saliency.network import architectures, steps
from carla_saliency.network.architectures import is_model, parsed_json
from carla_saliency.network.keras_config import listing
from carla_saliency.network.keras_model import assemble
from carla_saliency.network.keras_weights import (
    MAX_BYTES,
    NewWeights,
    OldWeights,
    Reader,
    attribute_bytes,
    text,
)
from carla_saliency.network.layers import LayerGraph
from carla_saliency.network.legacy import Origin

if TYPE_CHECKING:
    from carla_saliency.network.black_box import BlackBox

ZIP, HDF5, LFS = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"version https://git-lfs"
HEAD_BYTES = 256
IN_MEMORY_BYTES = 2**26
EXPORT = "load it in Keras and save it with model.save('model.keras')"

# What malformed settings or broken files raise while they are read.
MALFORMED = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
DAMAGED = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)


def load(
    path: str | Path, *, preprocess: str = "", arch: str | None = None
) -> LayerGraph | BlackBox:
    """Read a model file.

    Args:
        path: A whole Keras model (`.keras`, HDF5 of any version, a SavedModel folder with Keras
            metadata), the weights of one (HDF5, with `arch`), or ONNX.
        preprocess: Steps that take the place of code in the file, or go in front; see
            `network.steps`.
        arch: For weights: "dave2", or the path of a Keras model.json.

    Returns:
        Its layers; for ONNX with operators that become no layer here, what runs it as it is.

    Raises:
        BadInputError: If there is no such file, it is no such model, or has code of its author
            that `preprocess` doesn't replace.
    """
    path = Path(path)
    try:
        return _load(path, preprocess, arch)
    except BadInputError as error:
        # names in a file may hold anything, line ends too
        line = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
        raise BadInputError(line if str(path) in line else f"{path}: {line}") from None
    except MALFORMED as error:
        raise BadInputError(
            f"{path}: not a Keras model that can be read: {type(error).__name__} "
            f"{str(error)[:80]!a} in its configuration or weights; save it again in Keras"
        ) from None
    except DAMAGED as error:
        line = " ".join(str(error).split())[:100]
        raise BadInputError(f"{path}: damaged or cut short ({line!a}): copy it again") from None


def _load(path: Path, preprocess: str, arch: str | None) -> LayerGraph | BlackBox:
    if path.is_dir():
        from carla_saliency.network import saved_model

        return saved_model.load(path, preprocess)
    head = _first_bytes(path)
    if head.startswith(HDF5):
        return _load_h5(path, preprocess, arch)
    if arch is not None:
        raise BadInputError(
            "expected the weights of a model in HDF5 with --arch, received another kind of file: "
            "leave --arch out"
        )
    if head.startswith(ZIP):
        return _load_keras(path, preprocess)
    if is_onnx(path, head):
        from carla_saliency.network import onnx_file

        model = onnx_file.load(path)
        if not preprocess.strip():
            return model
        if not isinstance(model, LayerGraph):
            raise BadInputError(
                "expected --preprocess for a model of known layers, received an ONNX file that is "
                "run as it is: leave --preprocess out, and say what it needs in its contract"
            )
        return steps.in_front(model, preprocess)
    raise BadInputError(_what_it_is(path, head))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise BadInputError("there is no such model file: look at --model") from None
    except OSError as error:
        raise BadInputError(f"can't be read: {error.strerror}") from None
    if not head:
        raise BadInputError("empty: expected a .keras, .h5 or .onnx file; copy it again")
    return head


def is_onnx(path: Path, head: bytes) -> bool:
    """Say whether a file is ONNX: by name, or by the protobuf fields that it begins with."""
    if path.suffix.lower() == ".onnx" and not head.startswith((LFS, b"{", b"\x80")):
        return True
    # version of the format (3 and up), then producer, domain, graph or operator sets
    return (
        len(head) > 2 and head[0] == 8 and 3 <= head[1] < 32 and head[2] in b"\x12\x1a\x22\x3a\x42"
    )


def _what_it_is(path: Path, head: bytes) -> str:
    expected = "expected a Keras model (.keras, .h5, a SavedModel folder) or .onnx"
    if head.startswith(LFS):
        return "a Git LFS pointer, not the model: run `git lfs pull` where it is from"
    if head[4:8] == b"TFL3":
        return (
            f"a TFLite model, which has no layers to differentiate: {expected} of the same network"
        )
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1:
        return f"pickled Python, which would have to be executed: {expected}; {EXPORT}"
    if head.startswith(b"\x93NUMPY"):
        return f"a NumPy array, not a model: {expected}"
    if head.lstrip()[:1] == b"{":
        return _what_json_is(path)
    if head[:1] in b"\x08\x0a":
        return f"a TensorFlow graph without layers: {expected}; {EXPORT}"
    return f"not a model that is known here: {expected}, received a file that starts {head[:8]!r}"


def _what_json_is(path: Path) -> str:
    with path.open("rb") as file:
        config = parsed_json(file.read(architectures.MAX_JSON_BYTES + 1), "the file")
    if is_model(config):
        return (
            "the layers of a Keras model without their weights: pass the weights as --model and "
            "this file as --arch"
        )
    return "JSON that isn't a Keras model: expected a .keras, .h5 or .onnx file"


# ------------------------------------------------------------------ .keras


def _load_keras(path: Path, preprocess: str) -> LayerGraph:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "config.json" not in names:
            raise BadInputError(_what_zip_is(names))
        if "model.weights.h5" not in names:
            raise BadInputError(f"it has no model.weights.h5: weights are missing; {EXPORT}")
        config = parsed_json(_member(archive, "config.json"), "its config.json")
        origin = _origin_of_zip(archive, config)
        with _unpacked(archive, "model.weights.h5") as unpacked, h5py.File(unpacked, "r") as file:
            weights = NewWeights(file, listing(config), Reader(file))
            return assemble(config, origin, weights, ".keras", preprocess)


def _what_zip_is(names: set[str]) -> str:
    if any(name.endswith("data.pkl") for name in names):
        return (
            "a PyTorch file, which is pickled Python and would have to be executed: export it with "
            "torch.onnx.export and pass the .onnx"
        )
    if any(name.endswith(".npy") for name in names):
        return f"NumPy arrays without layers: expected a .keras, .h5 or .onnx file; {EXPORT}"
    return (
        "a zip file but not a Keras model, since it has no config.json: expected a .keras, .h5 or "
        ".onnx file"
    )


def _origin_of_zip(archive: zipfile.ZipFile, config: dict[str, Any]) -> Origin:
    version = "3"
    with suppress(KeyError):
        metadata = parsed_json(_member(archive, "metadata.json"), "its metadata.json")
        version = str(metadata.get("keras_version") or version)[:20]
    return Origin(version, str(config.get("backend") or ""))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > architectures.MAX_JSON_BYTES:
        raise BadInputError(
            f"its {name} must be under {architectures.MAX_JSON_BYTES >> 20} MiB, received {size} "
            "bytes: this is not a steering network"
        )
    return archive.read(name)


def _unpacked(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """Return a part of a zip file, checked as a whole, in memory or in a nameless file."""
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise BadInputError(
            f"its {name} must be under {MAX_BYTES >> 20} MiB, received {size} bytes: this is not a "
            "steering network"
        )
    content: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
    with archive.open(name) as packed:
        while part := packed.read(2**20):
            content.write(part)
    content.seek(0)
    return content


# ------------------------------------------------------------------ HDF5


def _load_h5(path: Path, preprocess: str, arch: str | None) -> LayerGraph:
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            return _load_weights(file, preprocess, arch)
        if arch is not None:
            raise BadInputError("the file is a whole model with its layers: leave --arch out")
        config = parsed_json(_attribute(file, "model_config"), "its model_config")
        groups = file.get("model_weights")
        if not isinstance(groups, h5py.Group):
            raise BadInputError(f"it has no group `model_weights`: weights are missing; {EXPORT}")
        weights = OldWeights(groups, listing(config), Reader(file))
        return assemble(config, _origin_of(file, groups), weights, "HDF5", preprocess)


def _load_weights(file: h5py.File, preprocess: str, arch: str | None) -> LayerGraph:
    is_keras = "layer_names" in file.attrs or "layer_names0" in file.attrs or "layers" in file
    if not is_keras:
        raise BadInputError(
            "HDF5 without a `model_config`, and not the weights of one: expected a whole Keras "
            f"model; {EXPORT}"
        )
    if arch is None:
        raise BadInputError(
            "HDF5 without a `model_config`, so weights only: pass their layers with --arch dave2 "
            f"or --arch model.json, or {EXPORT}"
        )
    if arch == "dave2":
        config, weights = architectures.dave2_for(file)
        return assemble(config, Origin("3"), weights, "weights of DAVE-2 in HDF5", preprocess)
    config, origin = architectures.read_architecture(Path(arch))
    weights = architectures.weights_for(config, origin, file)
    written = _origin_of(file, file)
    origin = Origin(origin.version or written.version, origin.backend or written.backend)
    return assemble(config, origin, weights, "JSON and weights in HDF5", preprocess)


def _origin_of(*groups: h5py.Group) -> Origin:
    found = {"keras_version": "", "backend": ""}
    for key in found:
        for group in groups:
            if not found[key] and key in group.attrs:
                found[key] = _attribute(group, key).decode("utf-8", "replace")[:20]
    return Origin(found["keras_version"], found["backend"])


def _attribute(group: h5py.Group, key: str) -> bytes:
    """Return a text attribute, after a look at its size."""
    size = attribute_bytes(group, key)
    if size > architectures.MAX_JSON_BYTES:
        raise BadInputError(
            f"its {key} must be under {architectures.MAX_JSON_BYTES >> 20} MiB, received {size} "
            "bytes: this is not a steering network"
        )
    return text(group.attrs[key]).encode("utf-8", "replace")
