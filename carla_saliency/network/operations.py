"""Arithmetic that a functional model does between its layers, as layers.

`x / 127.5 - 1` on a tensor is saved as two operations: `TrueDivide` and `Subtract` of keras.ops in
Keras 3, `TFOpLambda` before.
"""

from __future__ import annotations

import math
from typing import Any

from carla_saliency.network.keras_config import Call

Config = dict[str, Any]

_NAMES = {
    "__operators__.add": "Add",
    "add": "Add",
    "divide": "TrueDivide",
    "math.add": "Add",
    "math.divide": "TrueDivide",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
    "math.truediv": "TrueDivide",
    "multiply": "Multiply",
    "subtract": "Subtract",
    "Divide": "TrueDivide",
}


def as_layer(call: Call) -> tuple[str, Config]:
    """Return the kind and settings of the layer that does what an operation does.

    Args:
        call: With operands.

    Returns:
        The call's own kind, which is no layer of Keras, if there is none.
    """
    kind = call.kind.removeprefix("Operation ")
    if kind == "TFOpLambda":
        kind = str(call.config.get("function"))
    name = _NAMES.get(kind, kind)
    operands = [value for value in call.operands or () if value is None or is_number(value)]
    if len(operands) == 2 and operands == [None, None] and name in ("Add", "Subtract", "Multiply"):
        return name, {}
    if operands.count(None) != 1 or len(operands) != 2:
        return f"operation {kind}", {}
    is_second = operands[0] is not None
    number = float(next(value for value in operands if value is not None))
    if name == "Add":
        return "Rescaling", {"scale": 1.0, "offset": number}
    if name == "Subtract":
        sign = -1.0 if is_second else 1.0
        return "Rescaling", {"scale": sign, "offset": -sign * number}
    if name == "Multiply":
        return "Rescaling", {"scale": number, "offset": 0.0}
    if name == "TrueDivide" and not is_second and number:
        return "Rescaling", {"scale": 1 / number, "offset": 0.0}
    return f"operation {kind}", {}


def is_number(value: Any) -> bool:
    """Say whether it is a finite number."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
