"""Low-polygon models of vehicles, people and props, built for the size that is asked for.

Local axes are CARLA's: x forward, y right, z up from the ground below the middle of the box;
metres.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Tag
from carla_saliency.server.scene.textures import Colour

Extent = tuple[float, float, float]
Floats = NDArray[np.float64]

# What a face is made of.
FIXED, PAINT, GLASS, TAIL_LIGHT, HEAD_LIGHT = range(5)

MODEL_VERTEX = np.dtype(
    [("position", "<f4", 3), ("colour", "u1", 4), ("normal", "u1", 4)]  # colour's alpha: material
)

RUBBER, HUB, DARK, CHROME = (
    (0.06, 0.06, 0.065),
    (0.55, 0.56, 0.58),
    (0.05, 0.05, 0.055),
    (0.7, 0.7, 0.72),
)
PANE: Colour = (0.10, 0.13, 0.16)
SKIN: Colour = (0.78, 0.60, 0.48)

TRUCKS = ("carlacola", "firetruck", "european_hgv", "cybertruck", "ambulance", "sprinter")
BUSES = ("fusorosa",)
MOTORCYCLES = ("harley", "kawasaki", "vespa", "yamaha")
BICYCLES = ("crossbike", "century", "omafiets")
VANS = ("t2", "ambulance", "sprinter", "fusorosa")
BOXES = ("carlacola", "firetruck", "european_hgv")
TALL = ("patrol", "jeep", "etron", "cybertruck", "micra", "mini", "c3", "crown", "wrangler")

# Half sizes of cars that may be parked along a road, as CARLA reports them.
PARKED_EXTENTS: dict[str, Extent] = {
    "vehicle.audi.a2": (1.853, 0.894, 0.775),
    "vehicle.audi.tt": (2.091, 0.997, 0.693),
    "vehicle.citroen.c3": (1.994, 0.927, 0.808),
    "vehicle.mercedes.coupe": (2.514, 1.076, 0.819),
    "vehicle.mini.cooper_s": (1.903, 0.986, 0.738),
    "vehicle.nissan.micra": (1.817, 0.923, 0.767),
    "vehicle.nissan.patrol": (2.302, 0.965, 0.927),
    "vehicle.seat.leon": (2.096, 0.908, 0.737),
    "vehicle.tesla.model3": (2.396, 1.082, 0.744),
    "vehicle.toyota.prius": (2.257, 1.003, 0.762),
    "vehicle.volkswagen.t2": (2.240, 1.035, 1.019),
}


@dataclass(frozen=True, slots=True)
class Model:
    """Triangles of one thing.

    Attributes:
        vertices: `MODEL_VERTEX`, three per triangle, (3 T,).
        tag: Semantic tag.
    """

    vertices: NDArray[np.void]
    tag: int


def tag_of(blueprint: str) -> int:
    """Return the semantic tag of a blueprint."""
    if blueprint.startswith("walker."):
        return Tag.PEDESTRIANS
    if not blueprint.startswith("vehicle."):
        return Tag.DYNAMIC
    for names, tag in (
        (TRUCKS, Tag.TRUCK),
        (BUSES, Tag.BUS),
        (MOTORCYCLES, Tag.MOTORCYCLE),
        (BICYCLES, Tag.BICYCLE),
    ):
        if any(name in blueprint for name in names):
            return tag
    return Tag.CAR


@lru_cache(maxsize=256)
def model_of(blueprint: str, extent: Extent, *, fine: bool = True) -> Model:
    """Return the model of a blueprint.

    Args:
        blueprint: For example "vehicle.tesla.model3".
        extent: Half sizes of its box in metres.
        fine: With plates, mirrors and round wheels; without, a third of the triangles.
    """
    parts = _Parts(fine=fine)
    tag = tag_of(blueprint)
    if tag == Tag.PEDESTRIANS:
        _person(parts, 0.0, 0.0, 2 * extent[2])
    elif tag == Tag.DYNAMIC:
        _prop(parts, blueprint, extent)
    elif tag in (Tag.MOTORCYCLE, Tag.BICYCLE):
        _two_wheels(parts, extent, motor=tag == Tag.MOTORCYCLE)
    elif any(name in blueprint for name in BOXES):
        _lorry(parts, extent)
    elif any(name in blueprint for name in VANS):
        _van(parts, extent)
    else:
        _car(parts, extent, tall=any(name in blueprint for name in TALL))
    return Model(parts.vertices(), tag)


class _Parts:
    """Collects flat faces; their normals look away from the middle of the part they belong to."""

    def __init__(self, *, fine: bool) -> None:
        self.fine = fine
        self.circle = np.linspace(0, 2 * np.pi, 14 if fine else 8, endpoint=False)
        self._corners: list[Floats] = []
        self._colours: list[tuple[float, float, float, float]] = []
        self._middles: list[Floats] = []

    def face(
        self, corners: Floats, colour: Colour, material: int, middle: Floats | tuple[float, ...]
    ) -> None:
        for i in range(1, len(corners) - 1):
            self._corners.append(np.array([corners[0], corners[i], corners[i + 1]]))
            self._colours.append((*colour, material / 255))
            self._middles.append(np.asarray(middle, np.float64))

    def loft(
        self, rings: Floats, colours: list[tuple[Colour, int]], ends: tuple[Colour, int] | None
    ) -> None:
        """Join rings (R, P, 3) of equal size; face p lies between ring points p and p + 1."""
        middle = rings.mean(axis=(0, 1))
        for low, high in itertools.pairwise(rings):
            axis = 0.5 * (low.mean(axis=0) + high.mean(axis=0))
            for p in range(low.shape[0]):
                q = (p + 1) % low.shape[0]
                colour, material = colours[p % len(colours)]
                self.face(np.array([low[p], low[q], high[q], high[p]]), colour, material, axis)
        if ends is not None:
            self.face(rings[0], *ends, middle)
            self.face(rings[-1], *ends, middle)

    def box(self, low: Extent, high: Extent, colour: Colour, material: int = FIXED) -> None:
        (x0, y0, z0), (x1, y1, z1) = low, high
        ring = np.array([[0, y0, z0], [0, y1, z0], [0, y1, z1], [0, y0, z1]], np.float64)
        rings = np.stack([_moved(ring, x0), _moved(ring, x1)])
        self.loft(rings, [(colour, material)], (colour, material))

    def wheel(self, x: float, y: float, radius: float, width: float) -> None:
        """Add a tyre standing on the ground, with a hub on its outer side (both on a bicycle)."""
        angle = self.circle
        disc = np.column_stack([np.cos(angle), np.zeros(len(angle)), np.sin(angle)])
        centre = np.array([x, y, radius])
        rings = np.stack([centre + radius * disc + [0, side * width / 2, 0] for side in (-1, 1)])
        self.loft(rings, [(RUBBER, FIXED)], None)
        for side in (-1, 1):
            if y * side < 0:
                continue
            self.face(rings[(side + 1) // 2], RUBBER, FIXED, centre)
            hub = centre + 0.6 * radius * disc + [0, side * (width / 2 + 0.006), 0]
            self.face(hub, HUB, FIXED, centre)

    def vertices(self) -> NDArray[np.void]:
        corners = np.array(self._corners, np.float64)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        outward = corners.mean(axis=1) - np.array(self._middles)
        back = (normal * outward).sum(axis=1) < 0
        normal[back] *= -1
        corners[back] = corners[back][:, ::-1]
        result = np.zeros((len(corners), 3), MODEL_VERTEX)
        result["position"] = corners
        result["colour"] = np.clip(np.array(self._colours)[:, None] * 255, 0, 255).round()
        result["normal"][..., :3] = np.clip(normal[:, None] * 127.5 + 127.5, 0, 255).round()
        return result.reshape(-1)


def _shell(parts: _Parts, stations: Floats, extent: Extent) -> None:
    """Add a car's lower body from stations (x, half width, bottom, top) as parts of its box."""
    ex, ey, ez = extent
    rings = []
    for x, width, bottom, top in stations:
        w, low, high = width * ey, bottom * 2 * ez, top * 2 * ez
        waist = low + 0.55 * (high - low)
        rings.append(
            [
                (x * ex, -0.93 * w, low), (x * ex, -w, waist), (x * ex, -0.9 * w, high),
                (x * ex, 0.9 * w, high), (x * ex, w, waist), (x * ex, 0.93 * w, low),
            ]
        )  # fmt: skip
    grey: Colour = (1.0, 1.0, 1.0)
    sides: list[tuple[Colour, int]] = [(grey, PAINT)] * 5 + [(DARK, FIXED)]
    parts.loft(np.array(rings), sides, (grey, PAINT))


def _cabin(parts: _Parts, extent: Extent, base: Extent, roof: Extent, belt: float) -> None:
    """Add the greenhouse: (rear, front, half width) at belt and roof, as parts of the box."""
    ex, ey, ez = extent
    low = belt * 2 * ez

    def level(ends: Extent, z: float) -> Floats:
        rear, front, width = ends[0] * ex, ends[1] * ex, ends[2] * ey
        return np.array(
            [[rear, -width, z], [front, -width, z], [front, width, z], [rear, width, z]]
        )

    white: Colour = (1.0, 1.0, 1.0)
    feet, top = level(base, low), level(roof, 2 * ez)
    parts.loft(np.stack([feet, top]), [(white, PAINT)], (white, PAINT))
    middle = 0.5 * (feet.mean(axis=0) + top.mean(axis=0))
    for side in range(4):
        a, b = feet[side], feet[(side + 1) % 4]
        c, d = top[(side + 1) % 4], top[side]
        out = np.array([a, b, c, d]).mean(axis=0) - middle
        lift = 0.008 * out / np.linalg.norm(out)
        panes = ((0.07, 0.93),) if side % 2 else ((0.09, 0.49), (0.54, 0.93))
        for start, end in panes:
            quad = np.array(
                [
                    _between(a, b, c, d, start, 0.06), _between(a, b, c, d, end, 0.06),
                    _between(a, b, c, d, end, 0.88), _between(a, b, c, d, start, 0.88),
                ]
            )  # fmt: skip
            parts.face(quad + lift, PANE, GLASS, middle)


def _moved(points: Floats, x: float, y: float = 0.0, z: float = 0.0) -> Floats:
    return np.asarray(points + np.array([x, y, z]), np.float64)


def _between(a: Floats, b: Floats, c: Floats, d: Floats, u: float, v: float) -> Floats:
    low, high = a + u * (b - a), d + u * (c - d)
    return np.asarray(low + v * (high - low), np.float64)


def _lights(parts: _Parts, extent: Extent, front_z: float, rear_z: float, width: float) -> None:
    ex, ey, ez = extent
    for side in (-1, 1):
        y = side * 0.70 * width * ey
        for end, z, half, colour, kind in (
            (1, front_z, 0.055, (0.93, 0.94, 0.90), HEAD_LIGHT),
            (-1, rear_z, 0.075, (0.45, 0.03, 0.03), TAIL_LIGHT),
        ):
            _plate(parts, end, ex, (y, 0.25 * width * ey), (z * 2 * ez, half), colour, kind)
    if parts.fine:
        low = 2 * ez
        _plate(parts, -1, ex, (0.0, 0.26), (0.42 * low, 0.06), (0.85, 0.85, 0.80), FIXED)
        _plate(parts, 1, ex, (0.0, 0.45 * ey), (0.30 * low, 0.05), DARK, FIXED)
        _plate(parts, -1, ex, (0.0, 0.70 * ey), (0.23 * low, 0.04), DARK, FIXED)


def _plate(
    parts: _Parts,
    end: int,
    ex: float,
    across: tuple[float, float],
    up: tuple[float, float],
    colour: Colour,
    material: int,
) -> None:
    """Add a shallow box to front (end 1) or rear (-1): (middle, half size) across and up."""
    inner, outer = end * 0.90 * ex, end * 1.004 * ex
    y0, y1, z0, z1 = across[0] - across[1], across[0] + across[1], up[0] - up[1], up[0] + up[1]
    ring = np.array([[0, y0, z0], [0, y1, z0], [0, y1, z1], [0, y0, z1]])
    rings = np.stack([_moved(ring, inner), _moved(ring, outer)])
    if parts.fine:
        parts.loft(rings, [(colour, material)], None)
    parts.face(rings[1], colour, material, (0.0, across[0], up[0]))


def _wheels(parts: _Parts, extent: Extent, radius: float, places: tuple[float, ...]) -> None:
    ex, ey, _ = extent
    angle = parts.circle
    arch = np.column_stack([np.cos(angle), np.zeros(len(angle)), np.sin(angle)]) * radius * 1.16
    arch[:, 2] = np.maximum(arch[:, 2], 0.05 - radius)  # not into the ground
    for x in places:
        for side in (-1, 1):
            place = (x * ex, side * 0.992 * ey, radius)
            parts.face(_moved(arch, *place), DARK, FIXED, (x * ex, 0, radius))
            parts.wheel(x * ex, side * (ey - 0.095), radius, 0.21)


def _car(parts: _Parts, extent: Extent, *, tall: bool) -> None:
    belt = 0.60 if tall else 0.62
    stations = np.array(
        [
            [-1.00, 0.78, 0.28, 0.54], [-0.95, 0.92, 0.20, belt + 0.03],
            [-0.62, 0.97, 0.15, belt + 0.03], [0.00, 1.00, 0.14, belt + 0.01],
            [0.42, 0.98, 0.15, belt - 0.01], [0.86, 0.93, 0.18, 0.51], [1.00, 0.76, 0.26, 0.42],
        ]
    )  # fmt: skip
    _shell(parts, stations, extent)
    if tall:
        _cabin(parts, extent, (-0.97, 0.46, 0.87), (-0.80, 0.10, 0.72), belt)
    else:
        _cabin(parts, extent, (-0.80, 0.48, 0.87), (-0.46, 0.08, 0.68), belt)
    _lights(parts, extent, 0.44, belt - 0.06, 0.86)
    _wheels(parts, extent, min(0.36, 0.46 * extent[2]), (-0.62, 0.60))
    ex, ey, ez = extent
    for side in (-1, 1) if parts.fine else ():  # mirrors
        y = side * ey
        low = (0.36 * ex, min(0.88 * y, y), belt * 2 * ez)
        high = (0.41 * ex, max(0.88 * y, y), belt * 2 * ez + 0.14)
        parts.box(low, high, (1.0, 1.0, 1.0), PAINT)


def _van(parts: _Parts, extent: Extent) -> None:
    stations = np.array(
        [
            [-1.00, 0.92, 0.18, 0.52], [-0.96, 0.98, 0.14, 0.55], [0.5, 1.0, 0.13, 0.55],
            [0.90, 0.96, 0.15, 0.50], [1.00, 0.86, 0.20, 0.40],
        ]
    )  # fmt: skip
    _shell(parts, stations, extent)
    _cabin(parts, extent, (-0.98, 0.90, 0.89), (-0.95, 0.62, 0.80), 0.54)
    _lights(parts, extent, 0.36, 0.42, 0.92)
    _wheels(parts, extent, min(0.38, 0.36 * extent[2]), (-0.58, 0.62))


def _lorry(parts: _Parts, extent: Extent) -> None:
    ex, ey, ez = extent
    white: Colour = (1.0, 1.0, 1.0)
    parts.box((-ex, -0.9 * ey, 0.25 * ez), (0.95 * ex, 0.9 * ey, 0.45 * ez), DARK)
    parts.box((-ex, -ey, 0.45 * ez), (0.50 * ex, ey, 2 * ez), (0.86, 0.86, 0.85))
    parts.box((0.53 * ex, -0.96 * ey, 0.28 * ez), (0.985 * ex, 0.96 * ey, 1.04 * ez), white, PAINT)
    y = 0.96 * ey
    rings = [
        [(0.55 * ex, -y, z), (front * ex, -y, z), (front * ex, y, z), (0.55 * ex, y, z)]
        for front, z in ((0.985, 1.04 * ez), (0.94, 1.68 * ez))
    ]
    parts.loft(np.array(rings), [(white, PAINT)], (white, PAINT))
    window = np.array(
        [
            [0.99 * ex, -0.85 * ey, 1.05 * ez], [0.99 * ex, 0.85 * ey, 1.05 * ez],
            [0.95 * ex, 0.80 * ey, 1.62 * ez], [0.95 * ex, -0.80 * ey, 1.62 * ez],
        ]
    )  # fmt: skip
    parts.face(_moved(window, 0.012), PANE, GLASS, (0.7 * ex, 0, ez))
    for side in (-1, 1):
        pane = np.array([[0.66, 1.08], [0.94, 1.08], [0.91, 1.58], [0.66, 1.58]]) * [ex, ez]
        face = np.column_stack([pane[:, 0], np.full(4, side * (0.965 * ey)), pane[:, 1]])
        parts.face(face, PANE, GLASS, (0.7 * ex, 0, ez))
    _lights(parts, extent, 0.20, 0.20, 0.95)
    _wheels(parts, extent, min(0.48, 0.3 * ez), (-0.72, -0.5, 0.70))


def _person(parts: _Parts, x: float, z: float, height: float) -> None:
    """Add a simple figure: legs, body in its own colour, arms, head."""
    h = height
    for side in (-1, 1):
        y = side * 0.055 * h
        parts.box(
            (x - 0.045 * h, y - 0.042 * h, z),
            (x + 0.05 * h, y + 0.042 * h, z + 0.48 * h),
            (0.16, 0.18, 0.25),
        )
        arm = side * 0.15 * h
        parts.box(
            (x - 0.035 * h, arm - 0.03 * h, z + 0.45 * h),
            (x + 0.035 * h, arm + 0.03 * h, z + 0.80 * h),
            (0.9, 0.9, 0.9),
            PAINT,
        )
    angle = parts.circle
    circle = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(angle))])

    def rings(levels: list[tuple[float, float, float]]) -> Floats:
        return np.array(
            [circle * [rx * h, ry * h, 0] + [x, 0, z + level * h] for level, rx, ry in levels]
        )

    body = rings(
        [(0.46, 0.07, 0.095), (0.62, 0.07, 0.10), (0.80, 0.075, 0.125), (0.84, 0.04, 0.06)]
    )
    parts.loft(body, [((1.0, 1.0, 1.0), PAINT)], ((1.0, 1.0, 1.0), PAINT))
    head = rings([(0.84, 0.03, 0.03), (0.88, 0.06, 0.05), (0.94, 0.065, 0.055), (1.0, 0.035, 0.03)])
    parts.loft(head, [(SKIN, FIXED)], ((0.2, 0.14, 0.1), FIXED))


def _two_wheels(parts: _Parts, extent: Extent, *, motor: bool) -> None:
    ex, _, ez = extent
    radius = min(0.34, 0.42 * ez) if motor else min(0.36, 0.45 * ez)
    for x in (-ex + radius, ex - radius):
        parts.wheel(x, 0.0, radius, 0.14 if motor else 0.05)
    thick = 0.13 if motor else 0.035
    reach = ex - radius
    parts.box(
        (-reach, -thick, radius),
        (reach * 0.7, thick, radius + (0.35 if motor else 0.06)),
        (1.0, 1.0, 1.0),
        PAINT,
    )
    parts.box(
        (-0.6 * reach, -thick * 1.2, radius + 0.3), (-0.1 * reach, thick * 1.2, radius + 0.45), DARK
    )
    parts.box((reach * 0.62, -0.3, radius + 0.55), (reach * 0.70, 0.3, radius + 0.60), CHROME)
    parts.box((reach * 0.70, -0.03, radius), (reach * 0.80, 0.03, radius + 0.6), CHROME)
    parts.box(
        (-ex, -0.06, radius + 0.2), (-ex + 0.05, 0.06, radius + 0.3), (0.45, 0.03, 0.03), TAIL_LIGHT
    )
    _person(parts, -0.25 * reach, radius * 0.9, max(1.05, 2 * ez - radius * 0.9) * 0.98)


def _prop(parts: _Parts, blueprint: str, extent: Extent) -> None:
    ex, ey, ez = extent
    if "cone" in blueprint:
        angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        circle = np.column_stack([np.cos(angle) * ex, np.sin(angle) * ey, np.zeros(10)])
        levels = ((0.06, 0.72), (0.4, 0.5), (0.62, 0.35), (1.0, 0.1))
        orange, white = (0.95, 0.35, 0.08), (0.95, 0.95, 0.93)
        for number, ((z0, r0), (z1, r1)) in enumerate(itertools.pairwise(levels)):
            colour = white if number == 1 else orange
            rings = np.stack([circle * r0 + [0, 0, z0 * 2 * ez], circle * r1 + [0, 0, z1 * 2 * ez]])
            parts.loft(rings, [(colour, FIXED)], (colour, FIXED))
        parts.box((-ex, -ey, 0), (ex, ey, 0.06 * 2 * ez), orange)
        return
    parts.box((-ex, -ey, 0), (ex, ey, 2 * ez), (1.0, 1.0, 1.0), PAINT)
