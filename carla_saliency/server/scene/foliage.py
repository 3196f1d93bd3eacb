"""Pictures of plants for upright boards that turn towards the camera; alpha is a hard outline.

Each is uint8 (SIZE_PX, SIZE_PX, 4); row 0 is the ground, the plant stands in the middle.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.scene.textures import Colour

SIZE_PX = 256
Board = NDArray[np.uint8]


def _blobs(
    rng: np.random.Generator,
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    colour: Colour,
    rough: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return colour and mask of overlapping leafy balls, lit from above."""
    rows, columns = np.mgrid[0:SIZE_PX, 0:SIZE_PX].astype(np.float32)
    grain = cv2.resize(rng.standard_normal((90, 90)).astype(np.float32), (SIZE_PX, SIZE_PX))
    mask = np.zeros((SIZE_PX, SIZE_PX), np.bool_)
    shade = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    for (x, y), radius in zip(centres, radii, strict=True):
        distance = np.hypot(columns - x, rows - y) + rough * radius * grain
        inside = distance < radius
        height = np.clip((rows - y) / radius, -1, 1)
        ball = 0.74 + 0.26 * height - 0.22 * np.clip(distance / radius - 0.6, 0, 1)
        shade = np.where(inside, ball, shade)
        mask |= inside
    picture = np.maximum(shade + 0.09 * grain, 0.18)[..., None] * np.array(colour, np.float32)
    return np.asarray(picture, np.float32), mask


def _finish(picture: NDArray[np.float32], mask: NDArray[np.bool_]) -> Board:
    """Return bytes; the colour outside the outline is the mean inside, or mipmaps get dark rims."""
    board = np.zeros((SIZE_PX, SIZE_PX, 4), np.uint8)
    picture = np.where(mask[..., None], picture, picture[mask].mean(axis=0))
    board[..., :3] = np.clip(picture * 255, 0, 255)
    board[..., 3] = mask * 255
    return board


def _trunk(
    picture: NDArray[np.float32], mask: NDArray[np.bool_], colour: Colour, top: int, width: float
) -> None:
    """Paint a trunk from the ground up to a row, under nothing: call it before the leaves win."""
    for row in range(top):
        half = width * (1.25 - 0.5 * row / top)
        left, right = int(SIZE_PX / 2 - half), int(np.ceil(SIZE_PX / 2 + half))
        round_ = 0.7 + 0.45 * np.sin(np.linspace(0.2, 2.2, max(right - left, 1)))
        free = ~mask[row, left:right]
        paint = round_[:, None] * np.array(colour, np.float32)
        picture[row, left:right][free] = paint[free]
        mask[row, left:right] = True


def broadleaf(rng: np.random.Generator, leaves: Colour, bark: Colour, crown: float = 0.36) -> Board:
    """Return a round tree; `crown` is the radius of its crown as a part of the height."""
    count = 26
    angle = rng.uniform(0, 2 * np.pi, count)
    reach = np.sqrt(rng.uniform(0, 1, count)) * crown * 0.72 * SIZE_PX
    middle = SIZE_PX * (0.96 - crown)
    centres = np.column_stack(
        [SIZE_PX / 2 + reach * np.cos(angle), middle + 0.86 * reach * np.sin(angle)]
    )
    centres = centres[np.argsort(centres[:, 1])]  # upper balls over lower ones
    radii = rng.uniform(0.30, 0.46, count) * crown * SIZE_PX
    picture, mask = _blobs(rng, centres, radii, leaves, 0.10)
    _trunk(picture, mask, bark, int(middle), SIZE_PX * 0.028)
    return _finish(picture, mask)


def poplar(rng: np.random.Generator, leaves: Colour, bark: Colour) -> Board:
    """Return a slim upright tree."""
    height = np.linspace(0.17, 0.92, 16)
    width = 0.13 * np.sin(np.clip((height - 0.08) / 0.95, 0, 1) * np.pi) ** 0.7
    centres = np.column_stack([SIZE_PX * (0.5 + rng.normal(0, 0.012, 16)), SIZE_PX * height])
    picture, mask = _blobs(rng, centres, SIZE_PX * width, leaves, 0.14)
    _trunk(picture, mask, bark, int(SIZE_PX * 0.2), SIZE_PX * 0.022)
    return _finish(picture, mask)


def conifer(rng: np.random.Generator, leaves: Colour, bark: Colour) -> Board:
    """Return a spruce: tiers that narrow to a tip."""
    rows, columns = np.mgrid[0:SIZE_PX, 0:SIZE_PX].astype(np.float32)
    grain = cv2.resize(rng.standard_normal((90, 90)).astype(np.float32), (SIZE_PX, SIZE_PX))
    up = rows / SIZE_PX
    tier = (up * 9) % 1
    half = np.clip(0.98 - up, 0, 1) * 0.27 * (1.18 - 0.42 * tier) * SIZE_PX
    mask = (np.abs(columns - SIZE_PX / 2) < half * (1 + 0.10 * grain)) & (up > 0.09)
    shade = 0.62 + 0.3 * tier + 0.14 * grain
    picture = np.maximum(shade, 0.2)[..., None] * np.array(leaves, np.float32)
    picture = np.asarray(picture, np.float32)
    _trunk(picture, mask, bark, int(SIZE_PX * 0.1), SIZE_PX * 0.02)
    return _finish(picture, mask)


def bush(rng: np.random.Generator, leaves: Colour) -> Board:
    """Return a low bush as wide as it is high."""
    count = 16
    centres = np.column_stack(
        [SIZE_PX * rng.uniform(0.2, 0.8, count), SIZE_PX * rng.uniform(0.08, 0.62, count)]
    )
    centres = centres[np.argsort(centres[:, 1])]
    picture, mask = _blobs(rng, centres, SIZE_PX * rng.uniform(0.12, 0.2, count), leaves, 0.16)
    return _finish(picture, mask)


def palm(rng: np.random.Generator, leaves: Colour, bark: Colour) -> Board:
    """Return a palm: a bare trunk with hanging fronds."""
    picture = np.zeros((SIZE_PX, SIZE_PX, 3), np.float32)
    paint = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    top = SIZE_PX * 0.78
    for _ in range(22):
        angle = rng.uniform(-0.6, np.pi + 0.6)
        reach = rng.uniform(0.26, 0.36) * SIZE_PX
        t = np.linspace(0, 1, 10)
        x = SIZE_PX / 2 + np.cos(angle) * reach * t
        y = top + np.sin(angle) * reach * 0.6 * t - 0.34 * reach * t**2
        shade = rng.uniform(0.7, 1.15)
        colour = tuple(float(shade * c) for c in leaves)
        for i in range(9):
            ends = ((int(x[i]), int(y[i])), (int(x[i + 1]), int(y[i + 1])))
            thick = max(int((9 - i) * 1.3), 2)
            cv2.line(picture, *ends, colour, thick)
            cv2.line(paint, *ends, 1, thick)
    mask = paint.astype(np.bool_)
    _trunk(picture, mask, bark, int(top), SIZE_PX * 0.02)
    return _finish(picture, mask)


def cactus(rng: np.random.Generator, leaves: Colour) -> Board:
    """Return a saguaro with two arms."""
    paint = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    middle, width = SIZE_PX // 2, 26
    cv2.line(paint, (middle, 0), (middle, int(SIZE_PX * 0.9)), 1, width)
    for side in (-1, 1):
        low = int(SIZE_PX * rng.uniform(0.3, 0.5))
        x = middle + side * 46
        cv2.line(paint, (middle, low), (x, low), 1, width - 8)
        cv2.line(paint, (x, low), (x, low + int(SIZE_PX * rng.uniform(0.2, 0.3))), 1, width - 8)
    columns = np.arange(SIZE_PX, dtype=np.float32)
    ribs = (0.85 + 0.2 * np.sin(columns * 2 * np.pi / 7)) * np.ones((SIZE_PX, 1), np.float32)
    picture = np.asarray(ribs[..., None] * np.array(leaves, np.float32), np.float32)
    return _finish(picture, paint.astype(np.bool_))
