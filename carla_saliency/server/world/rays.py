"""Where a straight line meets the ground."""

from __future__ import annotations

import math

from carla_saliency.server.nouns import Tag
from carla_saliency.server.wire.structs import LabelledPoint, Vector
from carla_saliency.server.world.vehicle import Ground

_STEP_M = 0.5
_MAX_STEPS = 2000
_HALVINGS = 20


def ground_hit(ground: Ground, start: Vector, end: Vector) -> LabelledPoint | None:
    """Return the first point between two at which a line goes below the ground.

    Args:
        ground: Heights.
        start: Metres.
        end: Metres.

    Returns:
        The point, labelled as ground; None if the line stays above it.
    """
    across = math.dist(start[:2], end[:2])
    steps = min(max(1, math.ceil(across / _STEP_M)), _MAX_STEPS)
    if _height_above(ground, start, end, 0.0) < 0:
        return None
    for step in range(1, steps + 1):
        if _height_above(ground, start, end, step / steps) <= 0:
            share = _crossing(ground, start, end, (step - 1) / steps, step / steps)
            return LabelledPoint(_between(start, end, share), Tag.GROUND)
    return None


def projected(
    ground: Ground, start: Vector, direction: Vector, distance_m: float
) -> tuple[bool, LabelledPoint]:
    """Return whether a ray meets the ground within a distance, and where.

    Args:
        ground: Heights.
        start: Metres.
        direction: Of any length but zero.
        distance_m: How far the ray goes.
    """
    length = math.hypot(*direction) or 1.0
    x, y, z = (
        origin + part / length * distance_m for origin, part in zip(start, direction, strict=True)
    )
    hit = ground_hit(ground, start, (x, y, z))
    return hit is not None, hit or LabelledPoint((0.0, 0.0, 0.0), Tag.NONE)


def _crossing(ground: Ground, start: Vector, end: Vector, above: float, below: float) -> float:
    for _ in range(_HALVINGS):
        middle = (above + below) / 2
        if _height_above(ground, start, end, middle) > 0:
            above = middle
        else:
            below = middle
    return below


def _height_above(ground: Ground, start: Vector, end: Vector, share: float) -> float:
    x, y, z = _between(start, end, share)
    return z - ground.height(x, y, z)


def _between(start: Vector, end: Vector, share: float) -> Vector:
    x, y, z = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    return x, y, z
