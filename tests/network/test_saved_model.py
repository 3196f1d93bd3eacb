"""SavedModel folders: layers from Keras's metadata, variables from the checkpoint, no graph run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras_files import correlate, input_layer, layer, random, relu, sequential

from carla_saliency.core import Inputs
from carla_saliency.errors import BadInputError
from carla_saliency.network import files
from carla_saliency.network.runtime import OnnxNetwork

IMAGE = random(0, 5, 6, 3)
KERNEL, BIAS, MATRIX, LAST = random(1, 3, 3, 3, 2), random(2, 2), random(3, 24, 1), random(4, 1)


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def metadata(nodes: dict[str, Any]) -> bytes:
    """keras_metadata.pb, with the number and the version that Keras writes for each node too."""
    return b"".join(
        field(1, b"\x10\x05" + field(3, path.encode()) + field(4, b"_tf_keras_layer")
              + field(5, json.dumps(content).encode()) + field(6, b"\x08\x01"))
        for path, content in nodes.items()
    )  # fmt: skip


def holder(**values: Any) -> Any:
    made = tf.Module()
    for name, value in values.items():
        is_array = isinstance(value, np.ndarray)
        setattr(made, name, tf.Variable(value) if is_array else value)
    return made


def write(folder: Path, root: dict[str, Any], nodes: dict[str, Any], model: Any) -> Path:
    tf.saved_model.save(model, str(folder))
    content = {"root": {**root, "keras_version": "2.9.0", "backend": "tensorflow"}, **nodes}
    (folder / "keras_metadata.pb").write_bytes(metadata(content))
    return folder


def write_small(folder: Path) -> Path:
    conv = {"filters": 2, "kernel_size": [3, 3], "activation": "relu"}
    config = sequential(
        input_layer("image", 5, 6, 3),
        layer("Conv2D", "conv", **conv),
        layer("Flatten", "flat"),
        layer("Dense", "steer", units=1),
    )
    model = tf.Module()
    setattr(model, "layer_with_weights-0", holder(kernel=KERNEL, bias=BIAS))
    setattr(model, "layer-1", holder())
    setattr(model, "layer_with_weights-1", holder(kernel=MATRIX, bias=LAST))
    places = (
        ("layer_with_weights-0", "conv"),
        ("layer-1", "flat"),
        ("layer_with_weights-1", "steer"),
    )
    return write(folder, config, {f"root.{p}": {"name": n} for p, n in places}, model)


def test_a_saved_model_is_read_with_its_weights(tmp_path: Path) -> None:
    graph = files.load(write_small(tmp_path / "m"))
    expected = relu(correlate(IMAGE, KERNEL, BIAS)).ravel() @ MATRIX + LAST
    assert graph.source == "Keras 2.9.0, SavedModel"
    steering = OnnxNetwork(graph).steer(Inputs(IMAGE[None]))[0]
    assert steering == pytest.approx(expected[0], rel=1e-5)


def test_models_inside_and_the_parts_of_a_memory_are_found(tmp_path: Path) -> None:
    inner = sequential(layer("Conv2D", "conv", filters=2, kernel_size=[3, 3]), name="cnn")
    config = sequential(
        layer("TimeDistributed", "each", layer=inner, batch_input_shape=[None, 3, 5, 6, 3]),
        layer("TimeDistributed", "flat", layer=layer("Flatten", "f")),
        layer("LSTM", "lstm", units=2, activation="tanh", recurrent_activation="sigmoid"),
    )
    gates = {"kernel": random(5, 24, 8), "recurrent_kernel": random(6, 2, 8), "bias": random(7, 8)}
    model, cnn = tf.Module(), tf.Module()
    setattr(cnn, "layer_with_weights-0", holder(kernel=KERNEL, bias=BIAS))
    setattr(model, "layer_with_weights-0", holder(layer=cnn))
    setattr(model, "layer_with_weights-1", holder(cell=holder(**gates)))
    nodes = {
        "root.layer_with_weights-0": {"name": "each"},
        "root.layer_with_weights-0.layer": {"name": "cnn"},
        "root.layer_with_weights-0.layer.layer_with_weights-0": {"name": "conv"},
        "root.layer_with_weights-1": {"name": "lstm"},
        "root.layer_with_weights-1.cell": {"name": "lstm_cell"},
    }
    graph = files.load(write(tmp_path / "m", config, nodes, model))
    assert np.array_equal(graph.layers[0].weights[0], KERNEL)
    for read, stored in zip(graph.layers[2].weights, gates.values(), strict=True):
        assert np.array_equal(read, stored)


def test_without_metadata_it_says_what_to_export_instead(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "m")
    (folder / "keras_metadata.pb").unlink()
    with pytest.raises(BadInputError, match=r"without Keras metadata.*save\('model.keras'\)"):
        files.load(folder)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_cut_metadata_is_one_clear_line(tmp_path: Path, share: float) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    whole = metadata({"root": sequential(input_layer("image", 5, 6, 3))})
    (tmp_path / "keras_metadata.pb").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadInputError, match=r"keras_metadata.pb") as caught:
        files.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_variables_are_one_clear_line(tmp_path: Path) -> None:
    folder = write_small(tmp_path / "m")
    for part in (folder / "variables").iterdir():
        part.unlink()
    with pytest.raises(BadInputError, match="variables can't be read") as caught:
        files.load(folder)
    assert "\n" not in str(caught.value)
