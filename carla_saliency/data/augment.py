"""Changes a frame in ways that don't change where to steer, or change it in a known way."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from carla_saliency.core import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How often and how much; all spreads are standard deviations unless a line says else.

    Attributes:
        flip: Share of frames that are mirrored, steering with them.
        shift_px: Most rows that the picture moves up or down: the car pitches.
        roll_deg: Turn about the picture's middle: the car rolls.
        brightness: Of the factor on all channels, as a logarithm.
        contrast: Of the factor on the distance from the middle grey, as a logarithm.
        gamma: Of the exponent, as a logarithm.
        tint: Of each channel's own factor, as a logarithm.
        offset: Grey levels on all channels.
        shadow: Share of frames with half of the plane in shadow.
        blur: Share of frames blurred by a 3x3 box.
        noise: Share of frames with noise on each value.
        noise_levels: Largest spread of that noise in grey levels.
    """

    flip: float = 0.5
    shift_px: float = 2.0
    roll_deg: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.15
    gamma: float = 0.2
    tint: float = 0.05
    offset: float = 8.0
    shadow: float = 0.3
    blur: float = 0.2
    noise: float = 0.3
    noise_levels: float = 8.0


def augment(
    grid: Image, steering: float, how: Augmentation, rng: np.random.Generator
) -> tuple[Image, float]:
    """Return a changed frame and its steering.

    Args:
        grid: RGB on the network's grid, (H, W, 3); it is not written to.
        steering: Of the frame, left negative.
        how: How often and how much.
        rng: Decides.

    Returns:
        Of the same size, and the steering, with the other sign if the frame was mirrored.
    """
    if rng.random() < how.flip:
        grid, steering = mirror(grid), -steering
    grid = _move(grid, how, rng)
    grid = _recolour(grid, how, rng)
    if rng.random() < how.shadow:
        grid = _shadow(grid, rng)
    if rng.random() < how.blur:
        grid = cv2.blur(grid, (3, 3)).astype(np.uint8, copy=False)
    if rng.random() < how.noise:
        spread = np.float32(rng.uniform(0, how.noise_levels))
        values = grid + spread * rng.standard_normal(grid.shape, np.float32)
        grid = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grid, steering


def mirror(grid: Image) -> Image:
    """Return the frame with left and right exchanged."""
    return np.ascontiguousarray(grid[:, ::-1])


def _move(grid: Image, how: Augmentation, rng: np.random.Generator) -> Image:
    height, width = grid.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, rng.normal(0, 1) * how.roll_deg, 1.0)
    matrix[1, 2] += rng.uniform(-how.shift_px, how.shift_px)
    moved = cv2.warpAffine(
        grid, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.uint8, copy=False)


def _recolour(grid: Image, how: Augmentation, rng: np.random.Generator) -> Image:
    """All that maps a value to a value, as one table per channel."""
    brightness, contrast, gamma, offset = rng.normal(0, 1, 4)
    levels = np.linspace(0, 1, 256)[:, None] ** np.exp(how.gamma * gamma)
    levels = 0.5 + (levels - 0.5) * np.exp(how.contrast * contrast)
    levels = levels * np.exp(how.brightness * brightness + how.tint * rng.normal(0, 1, 3))
    table = np.clip(np.rint(levels * 255 + how.offset * offset), 0, 255).astype(np.uint8)
    return cv2.LUT(grid, table[None]).astype(np.uint8, copy=False)


def _shadow(grid: Image, rng: np.random.Generator) -> Image:
    """Darken what lies on one side of a line through the picture, with a soft edge."""
    height, width = grid.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    x0, y0 = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
    x = np.arange(width, dtype=np.float32) - np.float32(x0)
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(y0)
    side = np.clip(x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle)), 0, 1)
    depth = np.float32(rng.uniform(0.2, 0.6))
    factor = (1 - depth * side)[:, :, None]
    return (grid * factor).astype(np.uint8)
