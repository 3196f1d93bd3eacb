"""Chains of transforms, in CARLA's left-handed axes (yaw clockwise from above, pitch nose up)."""

from __future__ import annotations

import math

from carla_saliency.server.nouns import Transform

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
Vector = tuple[float, float, float]


def rotation(pose: Transform) -> Matrix:
    """Return the matrix whose columns are the pose's forward, right and up in the world."""
    cp, sp = math.cos(math.radians(pose.pitch)), math.sin(math.radians(pose.pitch))
    cy, sy = math.cos(math.radians(pose.yaw)), math.sin(math.radians(pose.yaw))
    cr, sr = math.cos(math.radians(pose.roll)), math.sin(math.radians(pose.roll))
    return (
        (cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr),
        (cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr),
        (sp, -cp * sr, cp * cr),
    )


def turned(matrix: Matrix, vector: Vector) -> Vector:
    """Return a vector of the local axes in the world's."""
    x, y, z = (sum(m * v for m, v in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def turned_back(matrix: Matrix, vector: Vector) -> Vector:
    """Return a vector of the world's axes in the local ones."""
    x, y, z = (
        sum(row[column] * v for row, v in zip(matrix, vector, strict=True)) for column in range(3)
    )
    return x, y, z


def attached(parent: Transform, relative: Transform) -> Transform:
    """Return where in the world something is that is fixed to a parent.

    Args:
        parent: Of the parent, in the world.
        relative: Of the thing, in the parent's axes.
    """
    outer, inner = rotation(parent), rotation(relative)
    dx, dy, dz = turned(outer, (relative.x, relative.y, relative.z))
    forward, right, up = (
        turned(outer, (row[0], row[1], row[2])) for row in zip(*inner, strict=True)
    )
    return Transform(
        parent.x + dx,
        parent.y + dy,
        parent.z + dz,
        pitch=math.degrees(math.atan2(forward[2], math.hypot(forward[0], forward[1]))),
        yaw=math.degrees(math.atan2(forward[1], forward[0])),
        roll=math.degrees(math.atan2(-right[2], up[2])) + 0.0,  # no minus zero
    )
