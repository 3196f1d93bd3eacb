"""The layer kind "Colour": from RGB of 0..255 to what OpenCV's conversions give, as ONNX nodes.

Results are as OpenCV has them for 8-bit pictures, but not rounded to whole levels, so that there is
a derivative.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_saliency.network.layers import Layer
from carla_saliency.network.onnx_builder import FLOAT, Backward, GraphBuilder, Value
from carla_saliency.network.preprocess import (
    COLOURLESS,
    LUMA,
    RGB_TO_YUV,
    YUV_HIGH,
    YUV_LOW,
    YUV_OFFSET,
)

# Hue is a place on a circle of 180: 30 per step between neighbours of red, yellow, green, cyan,
# blue, magenta.
STEP = 30.0
# What the hue turns with where red, green or blue (the column) is the largest: +1 and -1 times.
TURNS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])


def mix(
    b: GraphBuilder, x: str, matrix: NDArray[np.floating], offset: NDArray[np.floating]
) -> tuple[str, Backward]:
    """Emit matrix @ channels + offset at each pixel; matrix is (new channels, old channels)."""
    kernel, back = (b.constant(m[:, :, None, None]) for m in (matrix, matrix.T))
    y = b.op("Conv", x, kernel, b.constant(offset))
    return y, lambda g: b.op("Conv", g, back)


def bgr(b: GraphBuilder, x: str) -> tuple[str, Backward]:
    """Blue first."""
    return mix(b, x, np.eye(3)[::-1], np.zeros(3))


def grey(b: GraphBuilder, x: str) -> tuple[str, Backward]:
    """One channel: BT.601 luma."""
    return mix(b, x, LUMA[None], np.zeros(1))


def yuv(b: GraphBuilder, x: str) -> tuple[str, Backward]:
    """BT.601 of full range, U and V around 128, cut at 0 and 255."""
    whole, through_mix = mix(b, x, RGB_TO_YUV, YUV_OFFSET)
    y = b.op("Clip", whole, b.constant(0.0), b.constant(255.0))

    def backward(g: str) -> str:
        above = b.op("Greater", whole, b.constant(YUV_LOW[:, None, None]))
        below = b.op("Less", whole, b.constant(YUV_HIGH[:, None, None]))
        inside = b.op("Cast", b.op("And", above, below), to=FLOAT)
        return through_mix(b.op("Mul", g, inside))

    return y, backward


def one_hot(b: GraphBuilder, x: str, kind: str, last: int) -> str:
    """Emit 1 at the channel that "ArgMax" or "ArgMin" chooses, else 0; of equals the last, or not.

    Args:
        b: The graph.
        x: A picture of three channels.
        kind: Of the operation.
        last: 1 for the last of equals, 0 for the first.
    """
    place = b.op(kind, x, axis=1, keepdims=1, select_last_index=last)
    return b.op("Cast", b.op("Equal", place, b.constant([[[0]], [[1]], [[2]]], np.int64)), to=FLOAT)


def hsv(b: GraphBuilder, x: str) -> tuple[str, Backward]:
    """Hue 0..180, saturation and value 0..255; the hue of grey and the saturation of black are 0.

    With M and m one at the largest and the smallest channel, else 0: value is max = M.x, saturation
    255 (max - min) / max, hue 30 (turn.x) / (max - min) + start, where turn and start follow from
    M. Where channels are equal, the first is the largest and the last the smallest; a grey pixel
    has no hue and no saturation to change.
    """
    largest, smallest = one_hot(b, x, "ArgMax", 0), one_hot(b, x, "ArgMin", 1)
    value = b.op("ReduceMax", x, axes=[1], keepdims=1)
    spread = b.op("Sub", value, b.op("ReduceMin", x, axes=[1], keepdims=1))
    coloured, least = b.mask(spread, COLOURLESS), b.constant(COLOURLESS)
    per_spread, per_value = (
        b.op("Mul", b.op("Reciprocal", b.op("Max", name, least)), coloured)
        for name in (spread, value)
    )
    turn, _ = mix(b, largest, STEP * TURNS, np.zeros(3))
    start, _ = mix(b, largest, STEP * np.array([[0.0, 2.0, 4.0]]), np.zeros(1))
    turned = b.op("Mul", b.sum(b.op("Mul", turn, x), (1,)), per_spread)
    hue = b.op("Add", turned, start)
    # OpenCV rounds first: -0.4 becomes 0, not 180
    round_again = b.op("Mul", b.mask(b.op("Neg", hue), 0.5), b.constant(6 * STEP))
    hue = b.op("Add", hue, round_again)
    full = b.constant(255.0)
    saturation = b.op("Mul", b.op("Mul", spread, per_value), full)

    def backward(g: str) -> str:
        g_hue, g_saturation, g_value = b.ops("Split", 3, g, axis=1)
        g_hue, g_saturation = b.op("Mul", g_hue, per_spread), b.op("Mul", g_saturation, per_value)
        g_spread = b.op("Sub", b.op("Mul", g_saturation, full), b.op("Mul", g_hue, turned))
        g_value = b.op("Sub", g_value, b.op("Mul", g_saturation, saturation))
        through_turn = b.op("Mul", g_hue, turn)
        through_spread = b.op("Mul", g_spread, b.op("Sub", largest, smallest))
        through_value = b.op("Mul", g_value, largest)
        return b.op("Add", b.op("Add", through_turn, through_spread), through_value)

    return b.op("Concat", hue, saturation, value, axis=1), backward


SPACES = {"bgr": bgr, "grey": grey, "yuv": yuv, "hsv": hsv}


def colour(layer: Layer, b: GraphBuilder, x: Value) -> tuple[Value, Backward]:
    """Another colour space, from RGB.

    Raises:
        BadInputError: If the space is not known, or the picture has not three channels.
    """
    space = layer.config.get("space")
    if space not in SPACES:
        raise layer.refuse(f"space {', '.join(SPACES)}", space)
    rows, columns, channels = layer.require_picture(x.shape)
    if channels != 3:
        raise layer.refuse("a picture of red, green and blue", x.shape)
    y, backward = SPACES[space](b, x.name)
    return Value(y, (rows, columns, 1 if space == "grey" else 3)), backward
