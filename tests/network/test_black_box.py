"""ONNX files with operators that have no gradient here run as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from carla_saliency.core import Contract, Inputs, Pose, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.black_box import BlackBox
from carla_saliency.network.onnx_file import load

RNG = np.random.default_rng(3)
FRAMES, ROWS, COLUMNS, HIDDEN = 3, 9, 11, 5
CONTRACT = Contract(
    "test", Pose(), 320, 160, 90.0, (0, 160, 0, 320), ROWS, COLUMNS, max_steer_deg=30.0
)


def tensor(name: str, *shape: int) -> Any:
    values = RNG.normal(0, 1 / np.sqrt(np.prod(shape[1:] or shape)), shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def whole(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def write(path: Path, nodes: list[Any], weights: list[Any], inputs: dict[str, Any], *ends: str,
          dtype: int = TensorProto.FLOAT) -> Path:  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info(name, dtype, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in ends],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def lstm(path: Path) -> Path:
    """A convolution, then an LSTM over three pictures, with sizes as PyTorch computes them."""
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Reshape", ["x", "pictures"], ["flat_frames"]),
        node("Conv", ["flat_frames", "conv.weight"], ["c"], strides=[2, 2]),
        node("Relu", ["c"], ["r"]),
        node("Concat", ["batch", "frames_all"], ["sequence"], axis=0),
        node("Reshape", ["r", "sequence"], ["s"]),
        node("Transpose", ["s"], ["t"], perm=[1, 0, 2]),
        node("Concat", ["one", "batch", "hidden"], ["state"], axis=0),
        node("ConstantOfShape", ["state"], ["h"]),
        node("LSTM", ["t", "W", "R", "B", "", "h", "h"], ["y"], hidden_size=HIDDEN, name="lstm"),
        node("Squeeze", ["y", "one"], ["q"]),
        node("Gather", ["q", "last"], ["g"], axis=0),
        node("Squeeze", ["g", "zero"], ["last_state"]),
        node("Gemm", ["last_state", "fc"], ["steer"]),
    ]
    size = 4 * 4 * 5
    weights = [
        *(whole("zero", 0), whole("one", 1), whole("last", -1), whole("hidden", HIDDEN)),
        *(whole("pictures", -1, 3, ROWS, COLUMNS), whole("frames_all", FRAMES, size)),
        *(tensor("conv.weight", 4, 3, 3, 3), tensor("W", 1, 4 * HIDDEN, size)),
        *(tensor("R", 1, 4 * HIDDEN, HIDDEN), tensor("B", 1, 8 * HIDDEN), tensor("fc", HIDDEN, 1)),
    ]
    return write(path, nodes, weights, {"x": ["n", FRAMES, 3, ROWS, COLUMNS]}, "steer")


def powers(path: Path, units: int, end: str = "Identity", **more: Any) -> Path:
    """A network with an operator that has no layer, Abs."""
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["g"]),
        helper.make_node(end, ["g"], ["out"]),
    ]
    weights = [tensor("w", 3 * ROWS * COLUMNS, units)]
    return write(path, nodes, weights, {"x": ["n", 3, ROWS, COLUMNS]}, "out", **more)


def boxed(path: Path) -> BlackBox:
    network = load(path)
    assert isinstance(network, BlackBox)
    return network


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (count, *shape)).astype(np.float32)


def numbers_of(path: Path, pictures: np.ndarray) -> np.ndarray:
    """Return the file's own answer to pictures of ours, (N, numbers)."""
    feed = {"x": np.ascontiguousarray(np.moveaxis(pictures, -1, -3))}
    (values,) = onnxruntime.InferenceSession(path).run(None, feed)
    return np.asarray(values)


def test_a_network_with_memory_runs_as_the_file_says(tmp_path: Path) -> None:
    path = lstm(tmp_path / "lstm.onnx")
    network = boxed(path)
    pictures = images(4, FRAMES, ROWS, COLUMNS, 3)
    steering = network.steer(Inputs(pictures))
    assert steering.dtype == np.float32
    assert steering == pytest.approx(numbers_of(path, pictures)[:, 0], abs=1e-6)
    assert (network.input_shape, network.frames) == ((ROWS, COLUMNS, 3), FRAMES)
    assert network.graph.image_shape == (FRAMES, ROWS, COLUMNS, 3)
    assert network.channels_first
    assert not network.takes_speed
    assert not network.has_gradient
    assert network.layers == ()
    assert network.parameters == 108 + 20 * 80 + 20 * 5 + 40 + 5


def test_it_says_why_in_one_line(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 1))
    assert network.reason == "operator Abs has no gradient here: occlusion and rise work"


def test_a_query_for_the_steering_alone_is_answered(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 1))
    inputs = Inputs(images(3, ROWS, COLUMNS, 3))
    answer = network.run(Query(targets=()), inputs)
    assert answer.steering == pytest.approx(network.steer(inputs))
    assert answer.gradients.shape == (3, 0, ROWS, COLUMNS, 3)


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(targets=(), keep=("a",)),
        Query(targets=(), gate="a"),
        Query(targets=(), linear=True),
    ],
)
def test_a_query_for_more_names_the_methods_that_work(tmp_path: Path, query: Query) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 1))
    with pytest.raises(BadInputError, match="occlusion and rise work"):
        network.run(query, Inputs(images(1, ROWS, COLUMNS, 3)))


def test_new_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="new weights"):
        boxed(powers(tmp_path / "m.onnx", 1)).randomised(0)


def test_each_picture_has_its_own_answer_whatever_the_batch(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 1))
    pictures = images(5, ROWS, COLUMNS, 3)
    alone = [network.steer(Inputs(each[None]))[0] for each in pictures]
    assert network.steer(Inputs(pictures)) == pytest.approx(alone, abs=1e-6)
    assert network.steer(Inputs(pictures[:0])).shape == (0,)


def test_a_file_for_one_picture_answers_several(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Reshape", ["a", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["out"]),
    ]
    weights = [whole("shape", 1, 3 * ROWS * COLUMNS), tensor("w", 3 * ROWS * COLUMNS, 1)]
    for batch in ("n", 1):
        path = write(
            tmp_path / f"{batch}.onnx", nodes, weights, {"x": [batch, 3, ROWS, COLUMNS]}, "out"
        )
        pictures = images(3, ROWS, COLUMNS, 3)
        expected = [numbers_of(path, each[None])[0, 0] for each in pictures]
        assert boxed(path).steer(Inputs(pictures)) == pytest.approx(expected, abs=1e-6)


def test_whole_numbers_are_rounded_for_a_file_that_wants_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.INT32),
        helper.make_node("Abs", ["c"], ["a"]),
        helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["b", "axes"], ["out"], keepdims=0),
    ]
    inputs = {"x": ["n", 3, ROWS, COLUMNS]}
    path = write(tmp_path / "m.onnx", nodes, [whole("axes", 1, 2, 3)], inputs, "out", dtype=2)
    pictures = np.full((2, ROWS, COLUMNS, 3), 7.6, np.float32)
    assert boxed(path).steer(Inputs(pictures)) == pytest.approx([8 * 3 * ROWS * COLUMNS] * 2)


def test_the_speed_is_handed_on(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("ReduceMean", ["a"], ["m"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["m", "one"], ["u"]),
        helper.make_node("Add", ["u", "v"], ["out"]),
    ]
    inputs = {"v": ["n", 1], "x": ["n", 3, ROWS, COLUMNS]}
    network = boxed(write(tmp_path / "m.onnx", nodes, [whole("one", 1)], inputs, "out"))
    assert network.takes_speed
    pictures = np.full((2, ROWS, COLUMNS, 3), -0.5, np.float32)
    speeds = np.array([[1.0], [2.0]], np.float32)
    assert network.steer(Inputs(pictures, speeds)) == pytest.approx([1.5, 2.5])
    with pytest.raises(ValueError, match=r"speed must be of shape \(2, 1\)"):
        network.steer(Inputs(pictures))


def test_an_image_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 1))
    with pytest.raises(ValueError, match=r"must be float32 of shape \(N, 9, 11, 3\)"):
        network.steer(Inputs(images(1, 3, ROWS, COLUMNS)))


# ------------------------------------------------------------------ what the answer means


def test_an_answer_of_one_number_is_the_steering(tmp_path: Path) -> None:
    path = powers(tmp_path / "m.onnx", 1)
    network = boxed(path).with_meaning(CONTRACT)
    pictures = images(2, ROWS, COLUMNS, 3)
    assert network.steer(Inputs(pictures)) == pytest.approx(numbers_of(path, pictures)[:, 0])
    assert network.output == "output: steering from out, −1 to 1"


def test_degrees_become_a_share_of_the_largest_angle(tmp_path: Path) -> None:
    path = powers(tmp_path / "m.onnx", 1)
    network = boxed(path).with_meaning(replace(CONTRACT, output="degrees", output_centre=90.0))
    pictures = images(2, ROWS, COLUMNS, 3)
    expected = (numbers_of(path, pictures)[:, 0] - 90) / 30
    assert network.steer(Inputs(pictures)) == pytest.approx(expected, abs=1e-6)


def test_one_number_of_a_vector_is_the_steering(tmp_path: Path) -> None:
    path = powers(tmp_path / "m.onnx", 3)
    network = boxed(path).with_meaning(replace(CONTRACT, output="vector:1"))
    pictures = images(2, ROWS, COLUMNS, 3)
    expected = numbers_of(path, pictures)[:, 1]
    assert network.steer(Inputs(pictures)) == pytest.approx(expected, abs=1e-6)


def test_bins_are_read_by_their_expected_angle_also_as_a_guess(tmp_path: Path) -> None:
    path = powers(tmp_path / "m.onnx", 15, "Softmax")
    pictures = images(2, ROWS, COLUMNS, 3)
    expected = numbers_of(path, pictures) @ np.linspace(-1, 1, 15)
    said = boxed(path).with_meaning(replace(CONTRACT, output="bins"))
    guessed = boxed(path).with_meaning(CONTRACT)
    for network in (said, guessed):
        assert network.steer(Inputs(pictures)) == pytest.approx(expected, abs=1e-6)
    assert "15 bins" in said.output
    assert "guess" not in said.output
    assert "a guess: 15 probabilities" in guessed.output


def test_of_two_heads_the_steering_is_taken(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["throttle"]),
        helper.make_node("Neg", ["throttle"], ["steering"]),
    ]
    weights, inputs = [tensor("w", 297, 1)], {"x": ["n", 3, ROWS, COLUMNS]}
    path = write(tmp_path / "m.onnx", nodes, weights, inputs, "throttle", "steering")
    network = boxed(path).with_meaning(CONTRACT)
    (throttle, steering) = onnxruntime.InferenceSession(path).run(
        None, {"x": np.zeros((1, 3, ROWS, COLUMNS), np.float32) + 1}
    )
    assert steering[0, 0] == -throttle[0, 0] != 0
    ones = np.ones((1, ROWS, COLUMNS, 3), np.float32)
    assert network.steer(Inputs(ones)) == pytest.approx(steering[0], abs=1e-5)


def test_a_meaning_that_the_answer_can_not_have_is_refused(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 3))
    with pytest.raises(BadInputError, match="vector of more than 5 numbers"):
        network.with_meaning(replace(CONTRACT, output="vector:5"))


def test_a_vector_without_a_meaning_is_refused(tmp_path: Path) -> None:
    network = boxed(powers(tmp_path / "m.onnx", 3))
    with pytest.raises(BadInputError, match="must answer one number, received out of 3"):
        network.steer(Inputs(images(1, ROWS, COLUMNS, 3)))


def test_a_file_that_onnxruntime_refuses_is_one_line(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["out"]),
    ]
    inputs = {"x": ["n", 3, ROWS, COLUMNS]}
    path = write(tmp_path / "m.onnx", nodes, [tensor("w", 7, 2)], inputs, "out")
    with pytest.raises(BadInputError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
