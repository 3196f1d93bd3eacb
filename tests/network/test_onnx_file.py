"""ONNX files become layers that answer what onnxruntime makes of the file itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from carla_saliency.core import Inputs, Query
from carla_saliency.errors import BadInputError
from carla_saliency.network.black_box import BlackBox
from carla_saliency.network.layers import LayerGraph
from carla_saliency.network.onnx_allowed import FORWARD_ONLY, OF_CONSTANTS, WITH_LAYERS
from carla_saliency.network.onnx_file import ALLOWED, load
from carla_saliency.network.onnx_operators import OPERATORS
from carla_saliency.network.runtime import OnnxNetwork

RNG = np.random.default_rng(5)
Dims = Sequence[int | str | None]


class Writer:
    """Writes an ONNX file node by node."""

    def __init__(self, *dims: int | str, opset: int = 17) -> None:
        self.dims: Dims = dims
        self.opset = opset
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, dims)]
        self.count = 0

    def weight(self, values: Any, name: str = "", dtype: Any = np.float32) -> str:
        name = name or f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def random(self, *shape: int, name: str = "") -> str:
        return self.weight(RNG.normal(0, 1 / np.sqrt(np.prod(shape[1:] or shape)), shape), name)

    def numbers(self, *values: int) -> str:
        return self.weight(values, dtype=np.int64)

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        name = attributes.pop("name", f"/{kind}_{self.count}")
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def proto(self, *outputs: str) -> Any:
        # the sizes of outputs are only words
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", "m"]) for n in outputs]
        graph = helper.make_graph(self.nodes, "main", self.inputs, ends, self.weights)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=8,
            producer_name="pytorch",
            producer_version="2.4",
        )

    def save(self, path: Path, *outputs: str) -> Path:
        path.write_bytes(self.proto(*outputs).SerializeToString())
        return path


def size_of(writer: Writer, name: str) -> int:
    """Return how many numbers a value has, by running the file so far."""
    proto = writer.proto(name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the size of this output is not what the file says
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    image = np.zeros([n if isinstance(n, int) else 1 for n in writer.dims], np.float32)
    (value,) = session.run(None, {"input": image})
    return int(value.size)


def ended(writer: Writer, name: str) -> str:
    """Finish a network: all numbers of a value, in ONNX's order, count differently."""
    flat = writer.op("Flatten", name)
    matrix = writer.random(1, size_of(writer, name), name="end.weight")
    return str(writer.op("Gemm", flat, matrix, writer.weight([0.1]), transB=1, name="/end/Gemm"))


def loaded(path: Path) -> LayerGraph:
    graph = load(path)
    assert isinstance(graph, LayerGraph), getattr(graph, "reason", "")
    return graph


def images_for(graph: LayerGraph | BlackBox, count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (count, *graph.input_shape)).astype(np.float32)


def answers_of(path: Path, images: np.ndarray, channels_first: bool) -> np.ndarray:
    """Return what onnxruntime makes of the file itself, (N,)."""
    session = onnxruntime.InferenceSession(path)
    feed = np.ascontiguousarray(np.moveaxis(images, -1, 1) if channels_first else images)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: each[None]})[0].reshape(1) for each in feed])


def assert_same(path: Path) -> LayerGraph:
    """Load a file as layers, and compare with the file itself."""
    graph = loaded(path)
    images = images_for(graph)
    steering = OnnxNetwork(graph).steer(Inputs(images))
    expected = answers_of(path, images, graph.channels_first)
    assert np.abs(steering - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert np.ptp(expected) > 1e-4, "the test must see a difference between pictures"
    return graph


# ------------------------------------------------------------------ whole networks


def pilotnet(writer: Writer) -> str:
    """PilotNet's layers as PyTorch exports them, in small."""
    x = "input"
    channels = [3, 6, 8, 8]
    for i, (kernel, stride) in enumerate(((5, 2), (5, 2), (3, 1))):
        shape = (channels[i + 1], channels[i], kernel, kernel)
        weight = writer.random(*shape, name=f"conv{i + 1}.weight")
        bias = writer.random(channels[i + 1], name=f"conv{i + 1}.bias")
        x = writer.op(
            "Conv", x, weight, bias, strides=[stride, stride], kernel_shape=[kernel, kernel],
            pads=[0] * 4, dilations=[1, 1], group=1, name=f"/conv{i + 1}/Conv",
        )  # fmt: skip
        x = writer.op("Relu", x, name=f"/relu{i + 1}/Relu")
    x = writer.op("Flatten", x, axis=1)
    for i, (units, size) in enumerate(((10, 8 * 4 * 20), (1, 10))):
        weight = writer.random(units, size, name=f"fc{i + 1}.weight")
        bias = writer.random(units, name=f"fc{i + 1}.bias")
        x = writer.op("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1, name=f"/fc{i}/Gemm")
        x = x if i else writer.op("Elu", x, alpha=1.0)
    return x


def test_a_network_of_pytorch_answers_as_in_onnxruntime(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 33, 97)
    path = writer.save(tmp_path / "pilot.onnx", pilotnet(writer))
    graph = assert_same(path)
    assert graph.channels_first
    assert (graph.input_shape, graph.frames, graph.takes_speed) == ((33, 97, 3), 1, False)
    assert (graph.name, graph.source) == ("pilot", "ONNX opset 17, pytorch 2.4")
    kinds = [layer.kind for layer in graph.layers]
    assert kinds == ["Conv2D", "Activation"] * 3 + ["Flatten", "Dense", "ELU", "Dense"]
    names = [layer.name for layer in graph.layers]
    assert names[:3] == ["conv1", "relu1.Relu", "conv2"]
    assert len(set(names)) == len(names)
    assert graph.parameters == sum(int(np.prod(w.dims)) for w in writer.weights)


def test_its_gradient_is_that_of_the_file(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 33, 97)
    path = writer.save(tmp_path / "pilot.onnx", pilotnet(writer))
    graph = loaded(path)
    image = images_for(graph, 1)
    gradient = OnnxNetwork(graph).run(Query(), Inputs(image)).gradients[0, 0]
    direction = np.sign(gradient)
    moved = np.concatenate([image + 1e-3 * direction, image - 1e-3 * direction])
    more, less = answers_of(path, moved.astype(np.float32), channels_first=True)
    assert (more - less) / 2e-3 == pytest.approx(np.abs(gradient).sum(), rel=1e-2)


def test_a_network_of_tf2onnx_answers_as_in_onnxruntime(tmp_path: Path) -> None:
    writer = Writer("unk__1", 20, 30, 3)
    x = writer.op("Sub", writer.op("Mul", "input", writer.weight(1 / 127.5)), writer.weight(1))
    x = writer.op("Transpose", x, perm=[0, 3, 1, 2])
    x = writer.op("Conv", x, writer.random(8, 3, 5, 5), strides=[2, 2], auto_pad="VALID")
    x = writer.op("Add", x, writer.weight(RNG.normal(size=(1, 8, 1, 1))))
    x = writer.op("Relu", x)
    x = writer.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = writer.op("Transpose", x, perm=[0, 2, 3, 1])
    x = writer.op("Reshape", x, writer.numbers(-1, 8 * 4 * 6))
    x = writer.op("Add", writer.op("MatMul", x, writer.random(8 * 4 * 6, 5)), writer.random(5))
    x = writer.op("MatMul", writer.op("Tanh", x), writer.random(5, 1))
    graph = assert_same(writer.save(tmp_path / "m.onnx", x))
    assert not graph.channels_first
    assert "Permute" not in [layer.kind for layer in graph.layers]
    assert [layer.kind for layer in graph.layers].count("Dense") == 2
    dense = next(layer for layer in graph.layers if layer.kind == "Dense")
    assert len(dense.weights) == 2, "the sum after a matrix is its bias"


def test_a_view_whose_sizes_the_file_computes_is_a_flatten(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Conv", "input", writer.random(4, 3, 3, 3))
    batch = writer.op("Gather", writer.op("Shape", x), writer.weight(0, dtype=np.int64), axis=0)
    batch = writer.op("Unsqueeze", batch, writer.numbers(0))
    constant = writer.op("Constant", value=numpy_helper.from_array(np.array([-1], np.int64)))
    x = writer.op("Reshape", x, writer.op("Concat", batch, constant, axis=0))
    x = writer.op("Gemm", x, writer.random(1, 4 * 7 * 9), transB=1)
    graph = assert_same(writer.save(tmp_path / "m.onnx", x))
    assert [layer.kind for layer in graph.layers] == ["Conv2D", "Flatten", "Dense"]


@pytest.mark.parametrize("target", [(1, -1), (-1, 4 * 7 * 9), (0, -1)])
def test_a_batch_that_the_file_fixes_is_free_here(tmp_path: Path, target: tuple[int, int]) -> None:
    writer = Writer(1, 3, 9, 11)
    x = writer.op("Conv", "input", writer.random(4, 3, 3, 3))
    x = writer.op("Reshape", x, writer.numbers(*target))
    x = writer.op("Gemm", x, writer.random(1, 4 * 7 * 9), transB=1)
    assert_same(writer.save(tmp_path / "m.onnx", x))


def test_the_steering_may_lose_its_last_axis(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Squeeze", ended(writer, "input"), writer.numbers(1))
    assert_same(writer.save(tmp_path / "m.onnx", writer.op("Tanh", x)))


def test_a_network_that_is_told_the_speed_joins_it(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    writer.inputs.append(helper.make_tensor_value_info("v", TensorProto.FLOAT, ["batch", 1]))
    x = writer.op("Flatten", writer.op("Conv", "input", writer.random(4, 3, 3, 3)))
    x = writer.op("Concat", x, writer.op("Div", "v", writer.weight(10)), axis=1)
    path = writer.save(
        tmp_path / "m.onnx", writer.op("Gemm", x, writer.random(1, 4 * 7 * 9 + 1), transB=1)
    )
    graph = loaded(path)
    assert graph.takes_speed
    images, speeds = images_for(graph), np.array([[3.0], [-7.0]], np.float32)
    feed = {"input": np.ascontiguousarray(np.moveaxis(images, -1, 1)), "v": speeds}
    (expected,) = onnxruntime.InferenceSession(path).run(None, feed)
    steering = OnnxNetwork(graph).steer(Inputs(images, speeds))
    assert steering == pytest.approx(expected[:, 0], abs=1e-5)


def test_several_heads_have_the_names_of_the_outputs(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Flatten", writer.op("Relu", "input"))
    heads = [writer.op("Gemm", x, writer.random(297, 1)) for _ in range(2)]
    writer.nodes += [
        helper.make_node("Identity", [head], [name])
        for head, name in zip(heads, ("throttle", "steering"), strict=True)
    ]
    graph = loaded(writer.save(tmp_path / "m.onnx", "throttle", "steering"))
    assert graph.outputs == ("throttle", "steering")


def test_weights_that_are_also_inputs_are_weights(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    end = ended(writer, "input")
    writer.inputs.append(helper.make_tensor_value_info("end.weight", TensorProto.FLOAT, [1, 297]))
    assert_same(writer.save(tmp_path / "m.onnx", end))


def test_one_channel_first_is_told_from_one_channel_last(tmp_path: Path) -> None:
    for dims, shape in (((1, 1, 9, 11), (9, 11, 1)), ((1, 9, 11, 1), (9, 11, 1))):
        writer = Writer(*dims)
        assert loaded(writer.save(tmp_path / "m.onnx", ended(writer, "input"))).input_shape == shape


def test_half_precision_weights_become_single(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    half = writer.weight(RNG.normal(0, 0.1, (297, 1)), dtype=np.float16)
    matrix = writer.op("Cast", half, to=TensorProto.FLOAT)
    assert_same(
        writer.save(tmp_path / "m.onnx", writer.op("Gemm", writer.op("Flatten", "input"), matrix))
    )


# ------------------------------------------------------------------ operators

Body = Any  # (writer, name of a picture (4, 9, 11)) -> name


def conv(filters: int, depth: int, rows: int = 3, columns: int = 3, **attributes: Any) -> Body:
    return lambda w, x: w.op("Conv", x, w.random(filters, depth, rows, columns), **attributes)


def plain(kind: str, **attributes: Any) -> Body:
    return lambda w, x: w.op(kind, x, **attributes)


def after_relu(kind: str, **attributes: Any) -> Body:
    return lambda w, x: w.op(kind, w.op("Relu", x), **attributes)


def with_constant(kind: str, values: Any, first: bool = False) -> Body:
    def body(w: Writer, x: str) -> Any:
        constant = w.weight(values)
        return w.op(kind, *((constant, x) if first else (x, constant)))

    return body


def normalised(kind: str, *sizes: Sequence[int], **attributes: Any) -> Body:
    def body(w: Writer, x: str) -> Any:
        return w.op(kind, x, *(w.weight(RNG.uniform(0.5, 2, s)) for s in sizes), **attributes)

    return body


def resized(scales: Sequence[float], **attributes: Any) -> Body:
    return lambda w, x: w.op("Resize", x, "", w.weight([1, 1, *scales]), **attributes)


def gelu_of_pytorch(w: Writer, x: str) -> str:
    y = w.op("Erf", w.op("Div", x, w.weight(np.sqrt(2))))
    y = w.op("Mul", x, w.op("Add", y, w.weight(1)))
    return str(w.op("Mul", y, w.weight(0.5)))


def gelu_of_tensorflow(w: Writer, x: str) -> str:
    y = w.op("Add", w.op("Erf", w.op("Mul", x, w.weight(np.sqrt(0.5)))), w.weight(1))
    return str(w.op("Mul", w.op("Mul", w.weight(0.5), x), y))


def squeeze_and_excite(w: Writer, x: str) -> str:
    y = w.op("Sigmoid", w.op("Conv", w.op("GlobalAveragePool", x), w.random(4, 4, 1, 1)))
    return str(w.op("Mul", x, y))


def squeeze_and_excite_dense(w: Writer, x: str) -> str:
    y = w.op("ReduceMean", x, axes=[2, 3], keepdims=0)
    y = w.op("Sigmoid", w.op("Gemm", y, w.random(4, 4)))
    return str(w.op("Mul", x, w.op("Unsqueeze", y, w.numbers(2, 3))))


def parts_joined(w: Writer, x: str) -> str:
    one, other = w.op("Split", x, w.numbers(1, 3), outputs=2, axis=1)
    return str(w.op("Concat", other, w.op("Neg", one), axis=1))


def normalised_flat(w: Writer, x: str) -> str:
    sizes = [4 * 9 * 11] * 4
    weights = [w.weight(RNG.uniform(0.5, 2, size)) for size in sizes]
    return str(w.op("BatchNormalization", w.op("Relu", w.op("Flatten", x)), *weights))


def there_and_back(w: Writer, x: str) -> str:
    flat = w.op("Reshape", x, w.numbers(0, -1))
    return str(w.op("Conv", w.op("Reshape", flat, w.numbers(-1, 4, 9, 11)), w.random(2, 4, 3, 3)))


def other_picture(w: Writer, x: str) -> str:
    return str(w.op("Conv", w.op("Reshape", x, w.numbers(-1, 6, 6, 11)), w.random(2, 6, 3, 3)))


def rows_as_channels(w: Writer, x: str) -> str:
    y = w.op("Transpose", x, perm=[0, 2, 1, 3])
    return str(w.op("Conv", y, w.random(2, 9, 3, 3)))


def sum_of_two_orders(w: Writer, x: str) -> str:
    y = w.op("Transpose", w.op("Tanh", x), perm=[0, 1, 3, 2])
    return str(w.op("Add", y, w.op("Reshape", x, w.numbers(-1, 4, 11, 9))))


def vector_parts(w: Writer, x: str) -> str:
    y = w.op("GlobalMaxPool", x)
    y = w.op("Squeeze", w.op("Squeeze", y, w.numbers(3)), w.numbers(2))
    y = w.op("Concat", y, w.op("Gather", y, w.numbers(2, 0), axis=1), axis=-1)
    return str(w.op("Softmax", w.op("Slice", y, w.numbers(1), w.numbers(6), w.numbers(1)), axis=1))


def row_of_matrices(w: Writer, x: str) -> str:
    y = w.op("Transpose", x, perm=[0, 2, 3, 1])
    y = w.op("Add", w.op("MatMul", y, w.random(4, 3)), w.random(3))
    return str(w.op("Transpose", y, perm=[0, 3, 1, 2]))


def dense_on_rows_of_one(w: Writer, x: str) -> str:
    y = w.op("Reshape", x, w.numbers(-1, 1, 4 * 9 * 11))
    return str(w.op("MatMul", y, w.random(4 * 9 * 11, 3)))


def scaled_gemm(w: Writer, x: str) -> str:
    y = w.op("Gemm", w.op("Flatten", x), w.random(396, 3), w.random(1, 3), alpha=0.5, beta=2.0)
    return str(y)


def padded(pads: Sequence[int], **attributes: Any) -> Body:
    return lambda w, x: w.op("Pad", x, w.numbers(*pads), w.weight(0), **attributes)


def cropped(w: Writer, x: str) -> str:
    bounds = (w.numbers(1, -9), w.numbers(2**62, 9), w.numbers(2, 3), w.numbers(1, 1))
    return str(w.op("Slice", x, *bounds))


def channels_turned(w: Writer, x: str) -> str:
    bounds = (w.numbers(-1), w.numbers(-(2**63)), w.numbers(1), w.numbers(-1))
    return str(w.op("Slice", x, *bounds))


BODIES: dict[str, Body] = {
    "conv with a stride": conv(5, 4, strides=[2, 1]),
    "conv with gaps": conv(5, 4, dilations=[2, 3]),
    "conv in groups": conv(6, 2, group=2),
    "conv of each channel": conv(4, 1, group=4),
    "conv of each channel, twice": conv(8, 1, group=4),
    "conv with pads as same": conv(5, 4, pads=[1, 1, 1, 1]),
    "conv with pads and stride": conv(5, 4, 5, 5, pads=[2, 2, 2, 2], strides=[2, 2]),
    "conv with uneven pads": conv(5, 4, pads=[2, 0, 1, 3]),
    "conv same upper": conv(5, 4, 4, 2, auto_pad="SAME_UPPER", strides=[2, 3]),
    "conv same lower": conv(5, 4, 4, 2, auto_pad="SAME_LOWER", strides=[2, 3]),
    "relu": plain("Relu"),
    "leaky relu": plain("LeakyRelu", alpha=0.2),
    "leaky relu without alpha": plain("LeakyRelu"),
    "elu": plain("Elu", alpha=0.7),
    "selu": plain("Selu"),
    "celu": plain("Celu"),
    "sigmoid": plain("Sigmoid"),
    "tanh": plain("Tanh"),
    "softplus": plain("Softplus"),
    "softsign": plain("Softsign"),
    "thresholded relu": plain("ThresholdedRelu", alpha=0.3),
    "hard sigmoid": plain("HardSigmoid"),
    "hard sigmoid of pytorch": plain("HardSigmoid", alpha=0.1666666716337204),
    "hard swish": plain("HardSwish"),
    "swish": lambda w, x: w.op("Mul", x, w.op("Sigmoid", x)),
    "mish": lambda w, x: w.op("Mul", x, w.op("Tanh", w.op("Softplus", x))),
    "gelu of pytorch": gelu_of_pytorch,
    "gelu of tensorflow": gelu_of_tensorflow,
    "softmax over channels": plain("Softmax", axis=1),
    "softmax over columns": plain("Softmax"),
    "relu6": lambda w, x: w.op("Clip", x, w.weight(0), w.weight(0.6)),
    "clip": lambda w, x: w.op("Clip", x, w.weight(-0.3), w.weight(0.4)),
    "clip at 1": lambda w, x: w.op("Clip", x, w.weight(-1), w.weight(1)),
    "clip from above": lambda w, x: w.op("Clip", x, "", w.weight(0.2)),
    "clip from below": lambda w, x: w.op("Clip", x, w.weight(-0.2)),
    "maximum with a number": with_constant("Max", 0.1),
    "prelu per channel": lambda w, x: w.op("PRelu", x, w.weight(RNG.random((4, 1, 1)))),
    "prelu for all": lambda w, x: w.op("PRelu", x, w.weight([0.25])),
    "add a number": with_constant("Add", 0.5),
    "subtract from a number": with_constant("Sub", 0.5, first=True),
    "divide by channels": with_constant("Div", RNG.uniform(1, 2, (1, 4, 1, 1))),
    "multiply channels": with_constant("Mul", RNG.normal(size=(4, 1, 1))),
    "subtract a picture": with_constant("Sub", RNG.normal(size=(4, 9, 11))),
    "multiply columns": with_constant("Mul", RNG.uniform(1, 2, 11)),
    "sum of three": lambda w, x: w.op("Sum", x, w.op("Tanh", x), w.op("Relu", x)),
    "maximum of two": lambda w, x: w.op("Max", x, w.op("Neg", x)),
    "mean of two": lambda w, x: w.op("Mean", x, w.op("Relu", x)),
    "difference": lambda w, x: w.op("Sub", w.op("Tanh", x), x),
    "batch normalisation": normalised("BatchNormalization", [4], [4], [4], [4]),
    "batch normalisation of a vector": normalised_flat,
    "layer normalisation": normalised("LayerNormalization", [4, 9, 11], [4, 9, 11], axis=1),
    "layer normalisation of columns": normalised("LayerNormalization", [11]),
    "instance normalisation": normalised("InstanceNormalization", [4], [4]),
    "max pool": plain("MaxPool", kernel_shape=[2, 3], strides=[2, 3]),
    "max pool with pads": after_relu("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    "max pool, uneven": after_relu("MaxPool", kernel_shape=[3, 2], pads=[1, 1, 0, 0]),
    "max pool, rounded up": plain("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "max pool same": plain("MaxPool", kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    "mean pool": plain("AveragePool", kernel_shape=[2, 3], strides=[1, 2]),
    "mean pool with pads": plain("AveragePool", kernel_shape=[3, 3], pads=[2, 1, 0, 1]),
    "mean pool that counts pads": plain(
        "AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1, strides=[2, 2]
    ),
    "mean pool, rounded up": plain(
        "AveragePool", kernel_shape=[4, 4], strides=[3, 3], ceil_mode=1
    ),
    "global mean": plain("GlobalAveragePool"),
    "global maximum": plain("GlobalMaxPool"),
    "mean over rows and columns": plain("ReduceMean", axes=[-1, -2], keepdims=1),
    "maximum over rows and columns": plain("ReduceMax", axes=[2, 3], keepdims=0),
    "squeeze and excite": squeeze_and_excite,
    "squeeze and excite, dense": squeeze_and_excite_dense,
    "parts joined": parts_joined,
    "a view and back": there_and_back,
    "another picture": other_picture,
    "rows as channels": rows_as_channels,
    "the sum of two orders": sum_of_two_orders,
    "parts of a vector": vector_parts,
    "a matrix on channels": row_of_matrices,
    "a matrix on a row of one": dense_on_rows_of_one,
    "a scaled gemm": scaled_gemm,
    "zeros around": padded([0, 0, 1, 2, 0, 0, 0, 3]),
    "cropped": cropped,
    "channels the other way round": channels_turned,
    "twice as large": resized([2, 2], coordinate_transformation_mode="asymmetric",
                              nearest_mode="floor"),
    "twice as large, half pixel": resized([2, 3], mode="nearest"),
    "bilinear": resized([2, 2], mode="linear"),
    "bilinear of pytorch": resized([2, 3], mode="linear",
                                   coordinate_transformation_mode="pytorch_half_pixel"),
    "dropout": plain("Dropout"),
    "identity": plain("Identity"),
    "cast": plain("Cast", to=TensorProto.FLOAT),
}  # fmt: skip


@pytest.mark.parametrize("first", [True, False], ids=["channels first", "channels last"])
@pytest.mark.parametrize("name", BODIES)
def test_an_operator_answers_as_in_onnxruntime(tmp_path: Path, name: str, first: bool) -> None:
    if first:
        writer = Writer("batch", 3, 9, 11)
        x = writer.op("Conv", "input", writer.random(4, 3, 1, 1))
    else:
        writer = Writer("batch", 9, 11, 3)
        x = writer.op("Transpose", "input", perm=[0, 3, 1, 2])
        x = writer.op("Conv", x, writer.random(4, 3, 1, 1))
    body = BODIES[name](writer, x)
    graph = assert_same(writer.save(tmp_path / "m.onnx", ended(writer, body)))
    assert graph.channels_first == first


@pytest.mark.parametrize(
    ("opset", "body"),
    [
        (9, lambda w, x: w.op("Upsample", x, w.weight([1, 1, 2, 2]), mode="nearest")),
        (7, lambda w, x: w.op("Upsample", x, scales=[1.0, 1, 2, 2], mode="nearest")),
        (10, lambda w, x: w.op("Resize", x, w.weight([1, 1, 3, 3]), mode="nearest")),
        (9, lambda w, x: w.op("Slice", x, axes=[2, 3], starts=[1, 2], ends=[8, 1000])),
        (9, lambda w, x: w.op("Pad", x, pads=[0, 0, 1, 1, 0, 0, 2, 2])),
        (9, lambda w, x: w.op("Clip", x, min=0.0, max=6.0)),
        (11, lambda w, x: w.op("Squeeze", w.op("GlobalAveragePool", x), axes=[2, 3])),
        (11, lambda w, x: w.op("Softmax", w.op("Flatten", x))),
        (11, lambda w, x: w.op("Split", x, outputs=2, axis=1, split=[1, 3])[1]),
        (18, lambda w, x: w.op("ReduceMean", x, w.numbers(2, 3), keepdims=0)),
        (20, lambda w, x: w.op("Gelu", x)),
    ],
)
def test_older_and_newer_operators_are_known(tmp_path: Path, opset: int, body: Body) -> None:
    writer = Writer("batch", 3, 9, 11, opset=opset)
    x = writer.op("Conv", "input", writer.random(4, 3, 1, 1))
    assert_same(writer.save(tmp_path / "m.onnx", ended(writer, body(writer, x))))


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("align corners", resized([2, 2], mode="linear",
                                  coordinate_transformation_mode="align_corners"), "align_corners"),
        ("pads of what is below 0", plain("MaxPool", kernel_shape=[3, 3], strides=[2, 2],
                                          pads=[2, 2, 1, 1]), "MaxPool"),
        ("reflect", padded([0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"), "reflect"),
        ("a mean of columns", plain("ReduceMean", axes=[3]), "ReduceMean"),
        ("absolute", plain("Abs"), "Abs"),
        ("divided by another", lambda w, x: w.op("Div", x, w.op("Softplus", x)), "Div"),
    ],
)  # fmt: skip
def test_what_has_no_layer_runs_as_it_is(tmp_path: Path, name: str, body: Body, said: str) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Conv", "input", writer.random(4, 3, 1, 1))
    path = writer.save(tmp_path / "m.onnx", ended(writer, body(writer, x)))
    network = load(path)
    assert isinstance(network, BlackBox), name
    assert said in network.reason
    assert network.reason.endswith("has no gradient here: occlusion and rise work")
    images = images_for(network)
    expected = answers_of(path, images, channels_first=True)
    assert network.steer(Inputs(images)) == pytest.approx(expected, abs=1e-5)


def test_every_operator_with_a_layer_is_allowed() -> None:
    assert set(OPERATORS) == WITH_LAYERS
    assert len(ALLOWED) == len(WITH_LAYERS) + len(OF_CONSTANTS) + len(FORWARD_ONLY)
    assert not ALLOWED & {"If", "Loop", "Scan", "SequenceMap", "RandomNormal", "NonZero"}


# ------------------------------------------------------------------ refused files


def small(*dims: int | str) -> Any:
    writer = Writer(*(dims or ("batch", 3, 9, 11)))
    return writer.proto(writer.op("Relu", "input"))


def refused(tmp_path: Path, proto: Any) -> str:
    path = tmp_path / "bad.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    with pytest.raises(BadInputError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert message.count(str(path)) == 1
    return message


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    proto = small()
    tensor = proto.graph.initializer.add(name="w", data_type=1, dims=[3], data_location=1)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    assert "in another file, which is not opened" in refused(tmp_path, proto)


def test_an_external_constant_is_refused(tmp_path: Path) -> None:
    proto = small()
    tensor = TensorProto(name="w", data_type=1, dims=[3], data_location=1)
    tensor.external_data.add(key="location", value="x")
    proto.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    assert "in another file" in refused(tmp_path, proto)


def test_a_custom_domain_is_refused(tmp_path: Path) -> None:
    proto = small()
    proto.graph.node[0].domain = "com.example"
    assert "'com.example'" in refused(tmp_path, proto)


@pytest.mark.parametrize("kind", ["If", "Loop", "Scan", "NonZero", "RandomNormal", "Zap\nZap"])
def test_an_operator_that_is_not_allowed_is_refused_with_those_that_are(
    tmp_path: Path, kind: str
) -> None:
    proto = small()
    proto.graph.node[0].op_type = kind
    message = refused(tmp_path, proto)
    assert repr(kind) in message
    assert "Conv, " in message


def test_a_loop_inside_an_attribute_is_refused(tmp_path: Path) -> None:
    proto = small()
    proto.graph.node[0].attribute.append(helper.make_attribute("body", proto.graph))
    assert "graphs inside operators" in refused(tmp_path, proto)


def test_functions_are_refused(tmp_path: Path) -> None:
    proto = small()
    proto.functions.add(name="Relu", domain="")
    assert "functions" in refused(tmp_path, proto)


@pytest.mark.parametrize("tenth", range(10))
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, tenth: int) -> None:
    writer = Writer("batch", 3, 9, 11)
    whole = writer.proto(ended(writer, "input")).SerializeToString()
    refused(tmp_path, whole[: len(whole) * tenth // 10])


@pytest.mark.parametrize("seed", range(30))
def test_a_file_with_swapped_bytes_is_refused_or_read(tmp_path: Path, seed: int) -> None:
    writer = Writer("batch", 3, 9, 11)
    whole = bytearray(writer.proto(gelu_of_pytorch(writer, "input")).SerializeToString())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(whole), 4):
        whole[at] = rng.integers(0, 256)
    path = tmp_path / "m.onnx"
    path.write_bytes(whole)
    said = ""
    try:
        load(path)
    except BadInputError as error:
        said = str(error)
    assert "\n" not in said


def test_what_is_no_protobuf_is_refused(tmp_path: Path) -> None:
    assert "not an ONNX model" in refused(tmp_path, b"version https://git-lfs.github.com/spec/v1")
    assert "without operators" in refused(tmp_path, b"")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        load(tmp_path / "none.onnx")


def test_a_tensor_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    proto = small()
    proto.graph.initializer.add(name="w", data_type=1, dims=[10**6, 10**6], raw_data=b"abcd" * 10)
    assert "must have 1000000000000 numbers, the file has 10" in refused(tmp_path, proto)


@pytest.mark.parametrize("dims", [[-1, 3], [2**62, 2**62], [1] * 40])
def test_impossible_shapes_are_refused(tmp_path: Path, dims: list[int]) -> None:
    proto = small()
    proto.graph.initializer.add(name="w", data_type=1, dims=dims, raw_data=b"abcd" * 3)
    refused(tmp_path, proto)


def test_a_constant_that_is_too_large_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    large = writer.op("ConstantOfShape", writer.numbers(10**6, 10**6))
    message = refused(tmp_path, writer.proto(writer.op("Add", "input", large)))
    assert "makes a constant of 1000000000000 numbers" in message


def test_a_value_that_is_too_large_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Expand", "input", writer.numbers(10**6, 3, 9, 11))
    assert "has 297000000 numbers" in refused(tmp_path, writer.proto(x))


def test_doubling_constants_are_refused_before_they_are_large(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.weight(np.ones(1000))
    for _ in range(60):
        x = writer.op("Concat", x, x, axis=0)
    assert "makes a constant of" in refused(tmp_path, writer.proto(writer.op("Add", "input", x)))


def test_a_value_whose_size_depends_on_the_picture_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    sizes = writer.op("Cast", writer.op("ReduceSum", "input"), to=TensorProto.INT64)
    sizes = writer.op("Reshape", sizes, writer.numbers(1))
    message = refused(tmp_path, writer.proto(writer.op("ConstantOfShape", sizes)))
    assert "can't be told before it runs" in message


def test_a_file_that_makes_a_library_abort_is_one_line(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = writer.op("Pad", writer.op("Abs", "input"), writer.numbers(0, 0, -30, 0, 0, 0, 0, 0))
    x = writer.op("Slice", x, writer.numbers(1), writer.numbers(5), writer.numbers(2))
    assert "onnxruntime ends" in refused(tmp_path, writer.proto(x))


def test_a_picture_made_too_large_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    x = resized([1e5, 1e5], mode="nearest")(writer, "input")
    assert "a value must have 1 to" in refused(tmp_path, writer.proto(x))


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    broken = small().SerializeToString().replace(b"input", b"in\xffut")
    assert "is no text" in refused(tmp_path, broken)


def test_a_picture_that_grows_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 900, 1100)
    x = writer.op("Pad", "input", writer.numbers(0, 0, 10**6, 0, 0, 0, 0, 0))
    assert "numbers" in refused(tmp_path, writer.proto(x))


@pytest.mark.parametrize(
    "dims",
    [
        ("batch", 3, "rows", 100),
        ("batch", 4, 66, 200),
        (4, 3, 66, 200),
        ("batch", 3, 10**6, 10**6),
        ("batch", 66),
        ("batch", 297, 3),
    ],
)
def test_an_input_that_is_no_image_is_refused_with_what_to_export(
    tmp_path: Path, dims: tuple[int | str, ...]
) -> None:
    message = refused(tmp_path, small(*dims))
    assert "export it with one input" in message or "at most" in message


def test_two_images_are_refused(tmp_path: Path) -> None:
    proto = small()
    proto.graph.input.append(helper.make_tensor_value_info("b", 1, ["batch", 3, 9, 11]))
    assert "'input' (free, 3, 9, 11), 'b' (free, 3, 9, 11)" in refused(tmp_path, proto)


@pytest.mark.parametrize("opset", [1, 6, 999])
def test_an_opset_that_is_not_known_is_refused(tmp_path: Path, opset: int) -> None:
    proto = small()
    proto.opset_import[0].version = opset
    assert f"received {opset}" in refused(tmp_path, proto)


def test_values_used_before_they_are_computed_are_refused(tmp_path: Path) -> None:
    proto = small()
    proto.graph.node[0].input[0] = "later"
    assert "before it is computed" in refused(tmp_path, proto)


def test_an_output_that_is_a_constant_is_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    assert "does not depend" in refused(tmp_path, writer.proto(writer.op("Neg", writer.random(3))))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 9, 11)
    refused(tmp_path, writer.proto(writer.op("Conv", "input", writer.random(4, 5, 3, 3))))


def test_onnx_itself_finds_the_written_files_right(tmp_path: Path) -> None:
    writer = Writer("batch", 3, 33, 97)
    onnx.checker.check_model(onnx.load(writer.save(tmp_path / "m.onnx", pilotnet(writer))))
