"""What an ONNX file says, as plain values, after everything that could do harm was refused.

Only the protobuf is parsed. Sizes are compared with what the file holds before memory is taken for
them, and files that name other files, bring functions, or use operators with graphs inside are not
used at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from carla_saliency.errors import BadInputError
from carla_saliency.network.onnx_allowed import ALLOWED

LARGEST_BYTES = 2**31 - 1  # protobuf can't hold more
LARGEST = 2**26
"""Numbers in one value, and in all constants that are computed from others."""

MOST_NODES = 20_000
MOST_AXES = 8
OLDEST_OPSET = 7  # before it, operators broadcast by rules of their own

# Type of a tensor -> of the array, and the field that holds it where it isn't bytes.
TYPES: dict[int, tuple[Any, str]] = {
    TensorProto.FLOAT: (np.float32, "float_data"),
    TensorProto.DOUBLE: (np.float64, "double_data"),
    TensorProto.FLOAT16: (np.float16, "int32_data"),
    TensorProto.INT64: (np.int64, "int64_data"),
    TensorProto.INT32: (np.int32, "int32_data"),
    TensorProto.INT8: (np.int8, "int32_data"),
    TensorProto.UINT8: (np.uint8, "int32_data"),
    TensorProto.BOOL: (np.bool_, "int32_data"),
}


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        kind: The operator, for example "Conv".
        name: In the file; may be empty.
        inputs: Names of values; "" = one that may be left out, and was.
        outputs: Names of values.
        attributes: Numbers, texts, lists of them, arrays.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Port:
    """What a file wants to be given.

    Attributes:
        name: In the file.
        dtype: Of the array.
        dims: With the batch; None = free.
    """

    name: str
    dtype: Any
    dims: tuple[int | None, ...]


@dataclass(frozen=True)
class OnnxModel:
    """A file's graph.

    Attributes:
        inputs: Without those that are weights.
        nodes: Each after what feeds it.
        constants: Name -> array, as stored.
        outputs: Names of values.
        opset: Version of the operators.
        source: What the file is, for example "ONNX opset 17, pytorch 2.4.0".
        proto: All that it is, for who runs it.
    """

    inputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    constants: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]
    opset: int
    source: str
    proto: onnx.ModelProto


def shown(text: str) -> str:
    """Return a name of the file as it may stand in a message: short and on one line."""
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def read(path: Path) -> OnnxModel:
    """Read an ONNX file.

    Raises:
        BadInputError: If it can't be read, or holds what is refused.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise BadInputError(f"{path} must be under 2 GiB, received {size} bytes")
        proto = onnx.ModelProto.FromString(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"can't read {path}: {error.strerror}") from None
    except (DecodeError, MemoryError):
        raise BadInputError(
            f"{path} is not an ONNX model, or is damaged or cut short: copy it again"
        ) from None
    try:
        with np.errstate(all="ignore"):
            return _model(proto)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None
    except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        reason = " ".join(str(error).split())[:80]
        raise BadInputError(
            f"{path}: its graph can't be read: {type(error).__name__} {reason!r}"
        ) from None


def _model(proto: onnx.ModelProto) -> OnnxModel:
    graph = proto.graph
    if not graph.node or not graph.output:
        raise BadInputError("expected an ONNX model, received one without operators or outputs")
    if len(graph.node) > MOST_NODES:
        raise BadInputError(f"expected at most {MOST_NODES} nodes, received {len(graph.node)}")
    if proto.functions:
        raise BadInputError("functions in the file are not used: export without them")
    if graph.sparse_initializer:
        raise BadInputError("sparse weights are not used: export them as plain tensors")
    opset = _opset(proto)
    _check_texts(graph)
    _refuse_operators(graph.node)
    for tensor in _tensors(graph):
        _check(tensor)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = tuple(_port(each) for each in graph.input if each.name not in constants)
    nodes = tuple(_node(node) for node in graph.node)
    _check_order(inputs, constants, nodes, tuple(output.name for output in graph.output))
    producer = f"{proto.producer_name} {proto.producer_version}".strip()
    made_by = "".join(c if c.isprintable() else "?" for c in producer)[:60]
    source = f"ONNX opset {opset}, {made_by}" if made_by else f"ONNX opset {opset}"
    outputs = tuple(output.name for output in graph.output)
    return OnnxModel(inputs, nodes, constants, outputs, opset, source, proto)


def _check_texts(graph: onnx.GraphProto) -> None:
    """Refuse names that are no text: what is not UTF-8 comes as bytes."""
    names = [each.name for values in (graph.input, graph.output) for each in values]
    names += [each.name for each in graph.initializer]
    for node in graph.node:
        names += [node.op_type, node.domain, node.name, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    broken = next((name for name in names if not isinstance(name, str)), None)
    if broken is not None:
        raise BadInputError(f"the name {broken[:40]!r} is no text: the file is damaged")


def _opset(proto: onnx.ModelProto) -> int:
    versions = [each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        received = ", ".join(map(str, versions)) or "none"
        raise BadInputError(
            f"expected operators of opset {OLDEST_OPSET} to {newest}, received {received}: "
            "export with opset_version=17"
        )
    return int(versions[0])


def _refuse_operators(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        if node.domain not in ("", "ai.onnx"):
            raise BadInputError(
                f"operator {shown(node.op_type)} is of the domain {shown(node.domain)}, expected "
                "one of ONNX itself: export without custom operators"
            )
        if node.op_type not in ALLOWED:
            raise BadInputError(
                f"operator {shown(node.op_type)} is not used here; used are "
                f"{', '.join(sorted(ALLOWED))}"
            )


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of the file; refuses attributes that hold more than numbers."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.TENSOR, AttributeProto.TENSORS):
                yield from [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
            elif attribute.ref_attr_name or attribute.type not in _PLAIN:
                raise BadInputError(
                    f"attribute {shown(attribute.name)} of {node.op_type} must be numbers or a "
                    "text: graphs inside operators are not used"
                )


_PLAIN = frozenset(
    {
        *(AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING),
        *(AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS),
    }
)


def _check(tensor: onnx.TensorProto) -> None:
    """Refuse a tensor that is elsewhere, or whose shape is not that of its numbers."""
    name = shown(tensor.name)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise BadInputError(
            f"tensor {name} is in another file, which is not opened: export with the weights "
            "inside (external_data=False, or onnx.save with save_as_external_data=False)"
        )
    if tensor.data_type not in TYPES:
        raise BadInputError(
            f"tensor {name} must be of one of the types {_type_names()}, received type "
            f"{tensor.data_type}"
        )
    dtype, field = TYPES[tensor.data_type]
    dims = tuple(tensor.dims)
    if len(dims) > MOST_AXES or any(size < 0 for size in dims):
        raise BadInputError(f"tensor {name} has an impossible shape of {len(dims)} axes")
    if tensor.HasField("raw_data"):
        received = len(tensor.raw_data) / np.dtype(dtype).itemsize
    else:
        received = len(getattr(tensor, field))
    if received != math.prod(dims):
        raise BadInputError(
            f"tensor {name} of shape {dims} must have {math.prod(dims)} numbers, the file has "
            f"{received:g}: it is damaged"
        )


def _type_names() -> str:
    return ", ".join(np.dtype(dtype).name for dtype, _ in TYPES.values())


def _port(value: onnx.ValueInfoProto) -> Port:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type not in TYPES:
        raise BadInputError(f"input {shown(value.name)} must be an array of numbers")
    dims = tuple(
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value > 0 else None
        for dim in kind.shape.dim
    )
    return Port(value.name, TYPES[kind.elem_type][0], dims)


def _node(node: onnx.NodeProto) -> Node:
    attributes = {each.name: _plain(helper.get_attribute_value(each)) for each in node.attribute}
    return Node(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value if isinstance(value, int | float) else [_plain(each) for each in value]


def _check_order(
    inputs: Iterable[Port],
    constants: Iterable[str],
    nodes: Iterable[Node],
    outputs: Iterable[str],
) -> None:
    """Refuse values that are used before they are there, or computed twice."""
    known = {port.name for port in inputs} | set(constants)
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise BadInputError(
                    f"operator {node.kind} uses {shown(name)} before it is computed: damaged file"
                )
        for name in node.outputs:
            if name and name in known:
                raise BadInputError(f"{shown(name)} is computed twice: damaged file")
            known.add(name)
    for name in outputs:
        if name not in known:
            raise BadInputError(f"output {shown(name)} is not computed: damaged file")
