"""A process of its own that tries an ONNX model: sizes first, then one run on black pictures.

The model comes by standard input, the limits as arguments; the last line of the output is JSON: {}
if all is well, {"value": name, "size": n or null} for a value that is too large or of unknown size.
What the libraries raise ends it with a traceback; if they abort, it is the only process that ends.
It imports nothing of this package, so that it can be started by its path.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, shape_inference

LONGEST_S = 4  # of processor time
MOST_BYTES = 2**30  # of addresses, beside six times the model


def main() -> None:
    """Try the model on standard input."""
    content = sys.stdin.buffer.read()
    _limit(MOST_BYTES + 6 * len(content))
    largest, all_together = (int(text) for text in sys.argv[1:])
    report = _sizes(onnx.ModelProto.FromString(content), largest, all_together)
    if not report:
        _run(content)
    sys.stdout.write(f"\n{json.dumps(report)}\n")


def _limit(most_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # not a Unix: then the time-out of the other process has to do
        return
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_S, LONGEST_S))
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _sizes(model: onnx.ModelProto, largest: int, all_together: int) -> dict[str, Any]:
    """Return what is wrong with the size of a value for one example; {} if nothing is."""
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    known = {
        value.name: _size(value)
        for values in (inferred.graph.value_info, inferred.graph.output)
        for value in values
    }
    total = 0
    for node in model.graph.node:
        for name in node.output:
            size = known.get(name) if name else 0
            total += size or 0
            if size is None or not 0 <= size <= largest or total > all_together:
                return {"value": name, "size": size}
    return {}


def _size(value: onnx.ValueInfoProto) -> int | None:
    kind = value.type.tensor_type
    dims = kind.shape.dim
    if not kind.HasField("shape") or not all(dim.HasField("dim_value") for dim in dims):
        return None
    return math.prod(int(dim.dim_value) for dim in dims)


def _run(content: bytes) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    feed = {}
    for each in onnx.ModelProto.FromString(content).graph.input:
        kind = each.type.tensor_type
        dims = [dim.dim_value or 1 for dim in kind.shape.dim]
        feed[each.name] = np.zeros(dims, helper.tensor_dtype_to_np_dtype(kind.elem_type))
    session.run(None, feed)


if __name__ == "__main__":
    main()
