"""Procedural textures: tileable square pictures made with NumPy from a seed.

Every surface texture is float32 (SIZE_PX, SIZE_PX, 3) in [0, 1] and repeats without a seam. Row 0
is v = 0, the foot of a wall.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Colour = tuple[float, float, float]

SIZE_PX = 512


def noise(rng: np.random.Generator, cells: int, octaves: int = 4, decay: float = 0.55) -> Picture:
    """Return tileable value noise with mean 0 and standard deviation 1, (SIZE_PX, SIZE_PX).

    Args:
        rng: Source of randomness.
        cells: Of the coarsest octave along a side.
        octaves: Each has twice the cells of the one before.
        decay: Amplitude of an octave relative to the one before.
    """
    total = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        if cells > SIZE_PX:
            break
        grid = rng.standard_normal((cells, cells), np.float32)
        # Three cells around the tile make the interpolation wrap.
        padded = np.pad(grid, 3, mode="wrap")
        size, start = round((cells + 6) * SIZE_PX / cells), round(3 * SIZE_PX / cells)
        # Fine noise is soon filtered away: there the cheaper interpolation does.
        how = cv2.INTER_CUBIC if cells < 100 else cv2.INTER_LINEAR
        big = cv2.resize(padded, (size, size), interpolation=how) if size > cells + 6 else padded
        total += amplitude * big[start : start + SIZE_PX, start : start + SIZE_PX]
        cells, amplitude = cells * 2, amplitude * decay
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-6), np.float32)


def tinted(values: Picture, colour: Colour) -> Picture:
    """Return a grey picture, 1 = the colour itself, in that colour."""
    return np.asarray(values[..., None] * np.array(colour, np.float32), np.float32)


def _cracks(rng: np.random.Generator, count: int) -> Picture:
    """Return 1 where there is no crack, darker along random walks; tileable."""
    picture = np.ones((SIZE_PX * 3, SIZE_PX * 3), np.float32)
    for _ in range(count):
        point = rng.uniform(0, SIZE_PX, 2)
        heading = rng.uniform(0, 2 * np.pi)
        steps = [point]
        for _ in range(int(rng.integers(15, 45))):
            heading += rng.normal(0, 0.35)
            point = point + 7 * np.array([np.cos(heading), np.sin(heading)])
            steps.append(point)
        path = np.array(steps)
        for dx in range(3):
            for dy in range(3):
                shifted = (path + np.array([dx, dy]) * SIZE_PX).astype(np.int32)
                cv2.polylines(picture, [shifted], False, 0.62, 1, cv2.LINE_AA)
    return picture[SIZE_PX : 2 * SIZE_PX, SIZE_PX : 2 * SIZE_PX]


def asphalt(
    rng: np.random.Generator, colour: Colour, grain: float, patches: float, cracks: int
) -> Picture:
    """Return asphalt.

    Args:
        rng: Source of randomness.
        colour: Its mean.
        grain: Standard deviation of the stones, relative.
        patches: Of the blotches, relative.
        cracks: How many.
    """
    stones = noise(rng, 512, 1) + 0.7 * noise(rng, 256, 1) + 0.25 * noise(rng, 100, 1)
    values = 1 + grain * stones + patches * noise(rng, 4, 4)
    repaired = noise(rng, 3, 2) > 1.6  # tar patches with a soft edge
    values -= 0.13 * cv2.GaussianBlur(repaired.astype(np.float32), (0, 0), 2)
    values *= _cracks(rng, cracks)
    return tinted(values / values.mean(), colour)


def grass(rng: np.random.Generator, colour: Colour, second: Colour) -> Picture:
    """Return grass (or dirt, or sand: it is the colours that matter) of two mixed colours."""
    mix = np.clip(0.5 + 0.33 * noise(rng, 8, 5, 0.75), 0, 1)[..., None]
    blades = 1 + 0.13 * noise(rng, 200, 2, 1.1)
    base = np.array(colour, np.float32) * (1 - mix) + np.array(second, np.float32) * mix
    return np.asarray(base * blades[..., None], np.float32)


def gravel(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return loose stones."""
    return tinted(1 + 0.2 * noise(rng, 64, 3, 1.0) + 0.06 * noise(rng, 6, 3), colour)


def slabs(rng: np.random.Generator, colour: Colour, columns: int, rows: int) -> Picture:
    """Return paving slabs, each a little different, with dark joints; every other row shifted."""
    picture = 1 + 0.05 * noise(rng, 64, 3, 0.9) + 0.04 * noise(rng, 4, 3)
    height, width = SIZE_PX // rows, SIZE_PX // columns
    for row in range(rows):
        shift = (row % 2) * width // 2
        for column in range(columns):
            x = np.arange(column * width + shift, (column + 1) * width + shift) % SIZE_PX
            y = slice(row * height, (row + 1) * height)
            picture[y, x] *= rng.normal(1, 0.055)
            picture[y, x[:3]] *= 0.72
        picture[row * height : row * height + 3] *= 0.72
    return tinted(picture, colour)


def bricks(rng: np.random.Generator, colour: Colour, joint: Colour) -> Picture:
    """Return a brick wall, 16 courses of 8."""
    picture = slabs(rng, colour, 8, 16)
    dark = np.zeros((SIZE_PX, SIZE_PX), np.bool_)
    for row in range(16):
        dark[row * 32 : row * 32 + 4] = True
        for column in range(8):
            start = (column * 64 + (row % 2) * 32) % SIZE_PX
            dark[row * 32 : row * 32 + 32, start : start + 4] = True
    picture[dark] = np.array(joint, np.float32) * rng.normal(1, 0.04, (int(dark.sum()), 1))
    return np.asarray(picture, np.float32)


def plaster(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return a rendered or concrete wall: faint blotches, and dirt at its foot."""
    values = 1 + 0.035 * noise(rng, 64, 3, 0.9) + 0.05 * noise(rng, 4, 4)
    foot = np.linspace(0, 1, SIZE_PX, dtype=np.float32)[:, None]
    values *= 1 - 0.22 * np.exp(-foot * 14) - 0.05 * np.exp(-(1 - foot) * 14)
    return tinted(values, colour)


def hedge(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return clipped leaves with dark gaps."""
    leaves = noise(rng, 48, 3, 0.9)
    values = np.clip(0.85 + 0.30 * leaves + 0.08 * noise(rng, 6, 2), 0.25, 1.5)
    return tinted(values, colour)


def planks(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return a wooden fence of upright boards."""
    values = 1 + 0.05 * noise(rng, 32, 3)
    width = SIZE_PX // 16
    for board in range(16):
        values[:, board * width : (board + 1) * width] *= rng.normal(1, 0.08)
        values[:, board * width : board * width + 3] *= 0.45
    return tinted(values, colour)


def roof(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return rows of tiles."""
    rows = np.linspace(0, 24, SIZE_PX, endpoint=False, dtype=np.float32) % 1
    values = (0.8 + 0.28 * rows)[:, None] * (1 + 0.07 * noise(rng, 32, 3))
    return tinted(values, colour)


def facade(
    rng: np.random.Generator, wall: Colour, frame: Colour, window: tuple[float, float], arched: bool
) -> Picture:
    """Return four storeys of four bays each, near white so that a building's tint shows.

    Args:
        rng: Source of randomness.
        wall: Colour of the wall.
        frame: Of the window frames.
        window: Width and height of a window as parts of its bay.
        arched: Round tops.
    """
    picture = tinted(1 + 0.03 * noise(rng, 64, 3, 0.9) + 0.035 * noise(rng, 4, 4), wall)
    bay = SIZE_PX // 4
    half_w, half_h = int(bay * window[0] / 2), int(bay * window[1] / 2)
    for row in range(4):
        for column in range(4):
            x, y = column * bay + bay // 2, row * bay + bay // 2
            glass = rng.uniform(0.12, 0.30)
            top = y + half_h
            cv2.rectangle(
                picture, (x - half_w - 4, y - half_h - 4), (x + half_w + 4, top + 4), frame, -1
            )
            colour = (glass * 0.82, glass * 0.95, glass * 1.12)
            cv2.rectangle(picture, (x - half_w, y - half_h), (x + half_w, top), colour, -1)
            if arched:
                cv2.circle(picture, (x, top), half_w + 4, frame, -1)
                cv2.circle(picture, (x, top), half_w, colour, -1)
            sky = (colour[0] * 1.9, colour[1] * 1.9, colour[2] * 1.9)
            corner = np.array(
                [[x - half_w, top], [x + half_w // 3, top], [x - half_w, y]], np.int32
            )
            cv2.fillPoly(picture, [corner], sky, cv2.LINE_AA)
            cv2.line(picture, (x, y - half_h), (x, top), frame, 4)
            cv2.rectangle(
                picture,
                (x - half_w - 8, y - half_h - 9),
                (x + half_w + 8, y - half_h - 3),
                (0.5, 0.5, 0.5),
                -1,
            )
        picture[row * bay : row * bay + 3] *= 0.86
    return picture


def flat(colour: Colour) -> Picture:
    """Return one colour."""
    return tinted(np.ones((SIZE_PX, SIZE_PX), np.float32), colour)


def forest(rng: np.random.Generator, colour: Colour) -> Picture:
    """Return distant hills' wood: blurred crowns, lighter at the top."""
    crowns = noise(rng, 32, 3, 0.7)
    rise = np.linspace(0.75, 1.15, SIZE_PX, dtype=np.float32)[:, None]
    return tinted(rise * (1 + 0.13 * crowns), colour)


def clouds(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return cloud thickness, uint8 (SIZE_PX, SIZE_PX), tileable."""
    values = noise(rng, 5, 6, 0.55)
    return np.asarray(np.clip(128 + 48 * values, 0, 255), np.uint8)


def to_bytes(picture: Picture) -> NDArray[np.uint8]:
    """Return RGBA bytes of a surface texture."""
    rgba = np.full((SIZE_PX, SIZE_PX, 4), 255, np.uint8)
    rgba[..., :3] = np.clip(picture * 255 + 0.5, 0, 255)
    return rgba
