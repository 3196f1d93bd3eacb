"""From the camera's picture to the network's input, and the way back for gradients."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Contract, Image
from carla_saliency.errors import BadInputError

# What OpenCV's COLOR_RGB2YUV does to 8-bit pictures: BT.601 luma of full range, U and V around 128.
# Its result is rounded to whole levels and cut at 0 and 255; ours is only cut, so the two differ by
# less than one level, and ours has a derivative.
LUMA = np.array([0.299, 0.587, 0.114])
RGB_TO_YUV = np.stack(
    [LUMA, 0.492 * (np.array([0, 0, 1]) - LUMA), 0.877 * (np.array([1, 0, 0]) - LUMA)]
).astype(np.float32)
YUV_OFFSET = np.array([0, 128, 128], np.float32)
GREY = LUMA.astype(np.float32)

# Between these a value of YUV changes with the colour. The luma of 0..255 only reaches the ends, so
# rounding must not cut it; that of a picture with noise is cut.
YUV_LOW = np.array([-1, 0, 0], np.float32)
YUV_HIGH = np.array([256, 255, 255], np.float32)

# A pixel whose channels differ by less has no hue: its derivative would grow without end.
COLOURLESS = 1e-6

INTERPOLATIONS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
    "cubic": cv2.INTER_CUBIC,
}

Rect = tuple[int, int, int, int]


class ContractPreprocess:
    """What a contract says happens to a picture; implements `core.Preprocess`.

    The field of view is horizontal: in a picture of another size or shape the crop is where the
    same rays fall.

    Args:
        contract: Crop, blur, grid, resize, colour, scale and offset.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._size = contract.input_width_px, contract.input_height_px
        self._interpolation = INTERPOLATIONS[contract.resize]

    def grid_rect(self, picture_size: tuple[int, int]) -> Rect:
        """Return the part of a picture that the network's grid covers.

        Args:
            picture_size: Rows, columns of the camera's picture.

        Returns:
            top, bottom, left, right in pixels; bottom and right are exclusive.

        Raises:
            BadInputError: If the crop is not in the picture, or too small.
        """
        rows, columns = picture_size
        contract = self.contract
        scale = columns / contract.width_px
        top, bottom = (
            round(rows / 2 + (v - contract.height_px / 2) * scale) for v in contract.crop[:2]
        )
        left, right = (round(v * scale) for v in contract.crop[2:])
        if top < 0 or bottom > rows:
            raise BadInputError(
                f"a camera picture of {columns}x{rows} does not show all that the network needs: "
                f"use at least {columns}x{math.ceil(contract.height_px * scale)}"
            )
        if bottom <= top or right <= left:
            raise BadInputError(
                f"a camera picture of {columns}x{rows} is too small for the crop {contract.crop} "
                f"of {contract.width_px}x{contract.height_px}: use a larger one"
            )
        return top, bottom, left, right

    def crop(self, picture: Image) -> Image:
        """Return the RGB picture on the network's grid, blurred if the contract says so.

        Args:
            picture: RGB, uint8, of any size that shows all of the contract's crop.

        Returns:
            uint8 (H, W, 3).
        """
        top, bottom, left, right = self.grid_rect(picture.shape[:2])
        part = np.ascontiguousarray(picture[top:bottom, left:right])  # OpenCV takes no [..., ::-1]
        if self.contract.blur_px > 1:
            kernel = self.contract.blur_px, self.contract.blur_px
            part = cv2.GaussianBlur(part, kernel, 0).astype(np.uint8, copy=False)
        return cv2.resize(part, self._size, interpolation=self._interpolation).astype(
            np.uint8, copy=False
        )

    def encode(self, rgb: NDArray[Any]) -> Array:
        """Return the network's input, float32 (..., H, W, C): C is 1 for grey, else 3.

        Args:
            rgb: On the network's grid, 0..255, uint8 or float, (..., H, W, 3).
        """
        contract = self.contract
        values = rgb.astype(np.float32)
        if contract.colour == "bgr":
            values = values[..., ::-1]
        elif contract.colour == "yuv":
            values = np.clip(values @ RGB_TO_YUV.T + YUV_OFFSET, 0, 255)
        elif contract.colour == "grey":
            values = values @ GREY[:, None]
        elif contract.colour == "hsv":
            values = hsv_from_rgb(values)
        if contract.scale != 1.0:
            values = values * np.float32(contract.scale)
        if contract.offset != 0.0:
            values = values + np.float32(contract.offset)
        return np.ascontiguousarray(values, np.float32)

    def pull_back(self, rgb: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of R, G, B: the exact transpose of `encode`.

        Args:
            rgb: Where the gradient was taken, on the network's grid, 0..255, (..., H, W, 3).
            gradient: To the encoded input, (..., H, W, C).

        Returns:
            float32 (..., H, W, 3).
        """
        contract = self.contract
        values = gradient if contract.scale == 1.0 else gradient * np.float32(contract.scale)
        if contract.colour == "bgr":
            values = values[..., ::-1]
        elif contract.colour == "yuv":
            yuv = rgb.astype(np.float32) @ RGB_TO_YUV.T + YUV_OFFSET
            inside = (yuv > YUV_LOW) & (yuv < YUV_HIGH)
            values = np.where(inside, values, np.float32(0)) @ RGB_TO_YUV
        elif contract.colour == "grey":
            values = values * GREY
        elif contract.colour == "hsv":
            values = hsv_pull_back(rgb.astype(np.float32), values)
        return np.ascontiguousarray(values, np.float32)


def hsv_from_rgb(rgb: Array) -> Array:
    """Return hue 0..180, saturation and value 0..255, as OpenCV has them but for the rounding.

    Args:
        rgb: 0..255, float32 (..., W, 3).
    """
    rows = np.ascontiguousarray(rgb).reshape(-1, *rgb.shape[-2:])
    # degrees, 0..1, value
    hsv: Array = cv2.cvtColor(rows, cv2.COLOR_RGB2HSV).reshape(rgb.shape).astype(np.float32)
    hue = hsv[..., 0] * np.float32(0.5)
    # its 8-bit form rounds before it wraps: -0.4 becomes 0, not 180
    hsv[..., 0] = np.where(hue >= 179.5, hue - np.float32(180), hue)
    hsv[..., 1] *= np.float32(255)
    return hsv


def hsv_pull_back(rgb: Array, gradient: Array) -> Array:
    """Return the gradient to R, G, B, float32 (..., 3), from that to `hsv_from_rgb`.

    Where channels tie for highest or lowest one of them is taken; a grey pixel has no hue and no
    saturation to change.

    Args:
        rgb: Where the gradient was taken, 0..255, float32 (..., 3).
        gradient: To hue, saturation, value, (..., 3).
    """
    red, green, blue = np.ascontiguousarray(np.moveaxis(rgb, -1, 0))  # strides cost 4 times as much
    hue, saturation, value = np.ascontiguousarray(np.moveaxis(gradient, -1, 0))
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    coloured = high - low > COLOURLESS
    spread, top = (np.maximum(v, np.float32(COLOURLESS)) for v in (high - low, high))
    # where red is highest, hue = 30 * (G - B) / spread, and so on round;
    # saturation = 255 * (high - low) / high
    is_red = red == high
    is_green = (green == high) & ~is_red
    is_blue = ~is_red & ~is_green
    blue_low = blue == low
    green_low = (green == low) & ~blue_low
    red_low = ~blue_low & ~green_low
    to_hue = coloured * (30 * hue / spread)
    to_saturation = coloured * (255 * saturation / top)
    numerator = np.where(is_red, green - blue, np.where(is_green, blue - red, red - green))
    through_spread = to_hue * numerator / spread
    to_high = value + to_saturation * low / top - through_spread
    to_low = through_spread - to_saturation
    result = np.empty(np.broadcast_shapes(rgb.shape, gradient.shape), np.float32)
    result[..., 0] = is_red * to_high + red_low * to_low + to_hue * is_blue - to_hue * is_green
    result[..., 1] = is_green * to_high + green_low * to_low + to_hue * is_red - to_hue * is_blue
    result[..., 2] = is_blue * to_high + blue_low * to_low + to_hue * is_green - to_hue * is_red
    return result
