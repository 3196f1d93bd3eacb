"""What of an ONNX file is handed to onnxruntime where it runs as it is, tried in a process apart.

The graph is written anew: with names of our own and without metadata, training information and
words on sizes, so nothing of the file but operators, settings and numbers gets there. It is tried
in a child process first, because damaged graphs make libraries abort (onnx's shape inference does),
and that would end the drive without a word.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from carla_saliency.errors import BadInputError
from carla_saliency.network.onnx_nodes import LARGEST, OnnxModel, shown

IR_VERSION = 8
ALL_TOGETHER = 2 * LARGEST
"""Numbers in all values of one example."""

LONGEST_S = 60.0
TRIAL = Path(__file__).with_name("onnx_trial.py")


def runnable(model: OnnxModel) -> tuple[bytes, dict[str, str]]:
    """Return a serialised model with the file's graph and nothing else, which was tried.

    Returns:
        The model, and name of a value in the file -> its name there.

    Raises:
        BadInputError: If it can't be run, or the size of a value can't be told or is too large.
    """
    names = _new_names(model)
    content = bytes(_written_anew(model, names).SerializeToString())
    _try_out(model, content, names)
    return content, names


def _new_names(model: OnnxModel) -> dict[str, str]:
    old = [port.name for port in model.inputs]
    old += [*model.constants, *(name for node in model.nodes for name in node.outputs if name)]
    return {name: f"value_{i}" for i, name in enumerate(old)} | {"": ""}


def _written_anew(model: OnnxModel, names: dict[str, str]) -> onnx.ModelProto:
    source = model.proto.graph
    nodes = []
    for node in source.node:
        inputs, outputs = ([names[each] for each in ends] for ends in (node.input, node.output))
        copy = helper.make_node(node.op_type, inputs, outputs)
        copy.attribute.extend(_plain(attribute) for attribute in node.attribute)
        nodes.append(copy)
    types = {each.name: each.type.tensor_type.elem_type for each in source.output}
    graph = helper.make_graph(
        nodes,
        "steering",
        [
            helper.make_tensor_value_info(
                names[port.name],
                helper.np_dtype_to_tensor_dtype(np.dtype(port.dtype)),
                ["N", *port.dims[1:]] if port.dims[0] is None else list(port.dims),
            )
            for port in model.inputs
        ],
        [helper.make_tensor_value_info(names[each], types[each], None) for each in model.outputs],
        [numpy_helper.from_array(array, names[each]) for each, array in model.constants.items()],
    )
    opset = helper.make_opsetid("", model.opset)
    return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)


def _plain(attribute: onnx.AttributeProto) -> onnx.AttributeProto:
    """Return a setting as it is, if its texts are plain."""
    texts = [attribute.name.encode("utf-8", "replace"), attribute.s, *attribute.strings]
    if not all(text.isascii() for text in texts):
        raise BadInputError(f"setting {shown(attribute.name)} is no plain text: damaged file")
    copy = AttributeProto()
    copy.CopyFrom(attribute)
    copy.ClearField("doc_string")
    return copy


def _try_out(model: OnnxModel, content: bytes, names: dict[str, str]) -> None:
    """Let a child process find the sizes of all values, then run the model on black pictures."""
    limits = [str(LARGEST), str(ALL_TOGETHER)]
    try:
        child = subprocess.run(
            [sys.executable, "-P", str(TRIAL), *limits],
            input=content,
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadInputError(f"it takes more than {LONGEST_S:g} s for one picture") from None
    if child.returncode == 1:  # an error that the libraries raised
        last = child.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise BadInputError(f"onnxruntime can't run it: {last.strip()[:160]}")
    if child.returncode != 0:
        raise BadInputError(
            f"onnxruntime ends (code {child.returncode}) when it runs it: the file is damaged, or "
            "takes more than 4 s or 1 GB for one picture"
        )
    report = json.loads(child.stdout.splitlines()[-1])
    if not report:
        return
    name = next(old for old, new in names.items() if new == report["value"])
    kind = next(node.kind for node in model.nodes if name in node.outputs)
    if report["size"] is None:
        raise BadInputError(
            f"the size of {shown(name)} ({kind}) can't be told before it runs: export with fixed "
            "sizes, no dynamic axes but the batch"
        )
    raise BadInputError(
        f"{shown(name)} ({kind}) has {report['size']} numbers; a value may have {LARGEST}, all "
        f"together {ALL_TOGETHER}"
    )
