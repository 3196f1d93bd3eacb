"""What Keras 3 has not, by its operations: colour spaces and two functions of older versions.

They act on TensorFlow's tensors and on Keras's symbolic ones. Keras is imported when one is called.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from carla_saliency.network.layers import Layer
from carla_saliency.network.preprocess import (
    COLOURLESS,
    LUMA,
    RGB_TO_YUV,
    YUV_HIGH,
    YUV_LOW,
    YUV_OFFSET,
)

SPACES = ("bgr", "grey", "yuv", "hsv")


def hard_sigmoid_keras2(x: Any) -> Any:
    """X / 5 + 0.5, cut at 0 and 1: what was called hard_sigmoid before Keras 3."""
    from keras import ops

    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def thresholded_relu(layer: Layer, x: Any) -> Any:
    """X above the layer's theta, else 0."""
    from keras import ops

    return ops.where(x > float(layer.config.get("theta", 1.0)), x, 0.0)


def colour(layer: Layer, x: Any) -> Any:
    """Another colour space from RGB of 0..255, as OpenCV has it for 8 bits, but not rounded.

    Args:
        layer: Of the kind "Colour".
        x: (..., rows, columns, 3)

    Raises:
        BadInputError: If the space is not known, or there are not three channels.
    """
    from keras import ops

    space = layer.config.get("space")
    if space not in SPACES:
        raise layer.refuse(f"space {', '.join(SPACES)}", space)
    if x.shape[-1] != 3:
        raise layer.refuse("a picture of red, green and blue", tuple(x.shape[1:]))
    if space == "bgr":
        return ops.flip(x, axis=-1)
    if space == "grey":
        return ops.matmul(x, LUMA.astype(np.float32)[:, None])
    if space == "hsv":
        return _hsv(x)
    yuv = ops.matmul(x, RGB_TO_YUV.T) + YUV_OFFSET
    inside = ops.logical_and(yuv > YUV_LOW, yuv < YUV_HIGH)
    return ops.where(inside, yuv, ops.stop_gradient(ops.clip(yuv, 0.0, 255.0)))


def _hsv(x: Any) -> Any:
    """Hue 0..180, saturation and value 0..255; the hue of grey and the saturation of black are 0.

    Where channels are equal, the first is taken as the largest and as the smallest.
    """
    from keras import ops

    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    largest, smallest = ops.argmax(x, axis=-1), ops.argmin(x, axis=-1)

    def chosen(number: Any, of_red: Any, of_green: Any, of_blue: Any) -> Any:
        return ops.where(number == 0, of_red, ops.where(number == 1, of_green, of_blue))

    high, low = chosen(largest, red, green, blue), chosen(smallest, red, green, blue)
    spread = high - low
    coloured, bright = spread > COLOURLESS, high > COLOURLESS
    turned = chosen(largest, green - blue, blue - red, red - green)
    hue = 30.0 * (turned / ops.where(coloured, spread, 1.0) + chosen(largest, 0.0, 2.0, 4.0))
    hue = ops.where(hue < -0.5, hue + 180.0, hue)  # OpenCV rounds first: -0.4 becomes 0, not 180
    saturation = 255.0 * spread / ops.where(bright, high, 1.0)
    return ops.stack(
        [
            ops.where(coloured, hue, 0.0),
            ops.where(ops.logical_and(coloured, bright), saturation, 0.0),
            high,
        ],
        axis=-1,
    )
