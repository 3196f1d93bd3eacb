"""Pin-hole camera in CARLA's axes: x forward, y right, z up, left-handed, rows from the top."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Camera, Transform

Matrix = NDArray[np.float64]

NEAR_M, FAR_M = 0.1, 1000.0


def rotation_of(pose: Transform) -> Matrix:
    """Return the 3 x 3 matrix whose columns are the pose's forward, right and up in the world.

    The same as CARLA's `Transform.get_matrix`: yaw clockwise seen from above, pitch nose up,
    roll right side down.
    """
    pitch, yaw, roll = np.radians([pose.pitch, pose.yaw, pose.roll])
    cp, sp, cy, sy, cr, sr = (
        np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll),
    )  # fmt: skip
    return np.array(
        [
            [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr],
            [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr],
            [sp, -cp * sr, cp * cr],
        ]
    )


def model_matrix(pose: Transform) -> Matrix:
    """Return the 4 x 4 matrix from a thing's own axes to the world."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_of(pose)
    matrix[:3, 3] = pose.x, pose.y, pose.z
    return matrix


def clip_matrix(camera: Camera) -> Matrix:
    """Return the 4 x 4 matrix from the world to OpenGL's clip space.

    Clip y points *down*: OpenGL's first row is its lowest, so the picture comes out of
    glReadPixels with rows from the top, and needs no flip.
    """
    axes = rotation_of(camera.pose)
    eye = np.array([camera.pose.x, camera.pose.y, camera.pose.z])
    forward, right, up = axes[:, 0], axes[:, 1], axes[:, 2]
    focal = 1 / np.tan(np.radians(camera.fov) / 2)
    aspect = camera.width / camera.height
    a = (FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    b = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    rows = np.zeros((4, 4))
    for row, (axis, scale, shift) in enumerate(
        ((right, focal, 0.0), (-up, focal * aspect, 0.0), (forward, a, b), (forward, 1.0, 0.0))
    ):
        rows[row, :3] = scale * axis
        rows[row, 3] = -scale * float(axis @ eye) + shift
    return rows


def metres_of(window_depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the distance along the forward axis of depth buffer values, in place.

    Args:
        window_depth: In [0, 1]; 1 becomes `FAR_M`.
    """
    # FAR / (1 + (1 - z) (FAR / NEAR - 1)): exact at 1, where 1 / z forms lose half a metre.
    np.subtract(np.float32(1), window_depth, out=window_depth)
    window_depth *= np.float32(FAR_M / NEAR_M - 1)
    window_depth += np.float32(1)
    np.divide(np.float32(FAR_M), window_depth, out=window_depth)
    return window_depth
