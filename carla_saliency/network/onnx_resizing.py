"""What ONNX's Resize becomes, where it places pixels as TensorFlow does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from carla_saliency.network.onnx_flow import PICTURE, Flow, NoLayerError
from carla_saliency.network.onnx_layers import Operator, Translator, name_of, require_size
from carla_saliency.network.onnx_nodes import Node

Arguments = Sequence[Any]


def resize(t: Translator, node: Node, arguments: Arguments) -> Flow:
    """A whole number of times as large, or bilinear to any size, as TensorFlow places pixels."""
    if node.kind == "Upsample" or t.model.opset < 11:
        old_rules = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        node = replace(node, attributes={**node.attributes, **old_rules})
    x = t.picture(arguments[0])
    old, (new, scales) = x.shape[:2], _new_size(t, node, arguments, x)
    shape = (*new, x.shape[2])
    require_size(name_of(node), shape)
    mode = str(node.attributes.get("mode", "nearest"))
    config: dict[str, Any]
    if mode == "nearest" and all(_repeats(node, n, o) for n, o in zip(new, old, strict=True)):
        kind = "UpSampling2D"
        config = {"size": [n // o for n, o in zip(new, old, strict=True)], "interpolation": mode}
    elif mode == "linear" and _is_half_pixel(node, new, old, scales):
        kind = "Resizing"
        config = {"height": new[0], "width": new[1], "interpolation": "bilinear"}
    else:
        raise NoLayerError(f"{mode[:20]}, {_transformation(node)[:30]}")
    layer = t.emit(name_of(node), kind, config, x, shape)
    if x.layer in t.nonnegative:
        t.nonnegative.add(layer)
    return Flow(layer, shape, PICTURE, (shape[2], *new))


def _new_size(
    t: Translator, node: Node, arguments: Arguments, x: Flow
) -> tuple[tuple[int, int], list[float]]:
    """Return rows and columns, and how many times as large they are."""
    present = [each for each in arguments[1:] if isinstance(each, np.ndarray) and each.size == 4]
    policy = node.attributes.get("keep_aspect_ratio_policy", "stretch")
    if (
        "axes" in node.attributes
        or policy != "stretch"
        or (not present and "scales" not in node.attributes)
    ):
        raise NoLayerError("to a size that can't be told")
    values = node.attributes.get("scales", present[-1] if present else None)
    batch, channels, *ends = (float(v) for v in np.asarray(values).reshape(-1))
    if np.asarray(values).dtype.kind == "i":
        if channels != x.shape[2] or batch not in (1, t.batch):
            raise NoLayerError("of channels")
        new = int(ends[0]), int(ends[1])
        return new, [n / o for n, o in zip(new, x.shape, strict=False)]
    if (batch, channels) != (1, 1):
        raise NoLayerError("of channels")
    rows, columns = (math.floor(o * scale) for o, scale in zip(x.shape, ends, strict=False))
    return (rows, columns), ends


def _transformation(node: Node) -> str:
    return str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))


def _repeats(node: Node, new: int, old: int) -> bool:
    """Say whether the nearest pixels are just each one several times."""
    times, rest = divmod(new, old)
    if rest or times < 1:
        return False
    at = np.arange(new)
    if _transformation(node) == "asymmetric":
        places = at / times
    elif _transformation(node) in ("half_pixel", "pytorch_half_pixel"):
        places = (at + 0.5) / times - 0.5
    else:
        return False
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
    if rounding == "floor":
        chosen = np.floor(places)
    elif rounding == "round_prefer_floor":
        chosen = np.ceil(places - 0.5)
    elif rounding == "round_prefer_ceil":
        chosen = np.floor(places + 0.5)
    else:
        chosen = np.ceil(places)
    return bool((np.clip(chosen, 0, old - 1) == at // times).all())


def _is_half_pixel(
    node: Node, new: Sequence[int], old: Sequence[int], scales: Sequence[float]
) -> bool:
    """Say whether pixels are placed as in `tf.image.resize`."""
    exact = all(
        math.isclose(n / o, scale, rel_tol=1e-6)
        for n, o, scale in zip(new, old, scales, strict=True)
    )
    places = _transformation(node) == "half_pixel" or (
        _transformation(node) == "pytorch_half_pixel" and min(new) > 1
    )
    return exact and places and not node.attributes.get("antialias")


OPERATORS: dict[str, Operator] = dict.fromkeys(("Resize", "Upsample"), resize)
