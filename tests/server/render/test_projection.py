from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.server.nouns import Camera, Transform
from carla_saliency.server.render.projection import (
    FAR_M,
    NEAR_M,
    clip_matrix,
    metres_of,
    rotation_of,
)


@pytest.mark.parametrize(
    ("pose", "forward", "right"),
    [
        (Transform(), (1, 0, 0), (0, 1, 0)),
        (Transform(yaw=90), (0, 1, 0), (-1, 0, 0)),  # clockwise: from east to south
        (Transform(pitch=90), (0, 0, 1), (0, 1, 0)),  # nose up
        (Transform(roll=90), (1, 0, 0), (0, 0, -1)),  # right side down
    ],
)
def test_rotations_are_carlas(
    pose: Transform, forward: tuple[float, ...], right: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(rotation_of(pose)[:, 0], forward, atol=1e-12)
    np.testing.assert_allclose(rotation_of(pose)[:, 1], right, atol=1e-12)


def test_a_point_to_the_right_and_above_is_right_of_and_above_the_middle() -> None:
    matrix = clip_matrix(Camera(Transform(), 640, 360, 90.0))
    x, y, _, w = matrix @ [10.0, 2.0, 1.0, 1.0]
    assert x / w == pytest.approx(0.2)
    assert y / w == pytest.approx(-0.1 * 640 / 360)  # OpenGL's first row is the picture's top
    assert w == pytest.approx(10.0)


def test_depth_values_become_metres_again() -> None:
    metres = np.array([NEAR_M, 1.0, 5.0, 60.0, 400.0, FAR_M])
    matrix = clip_matrix(Camera(Transform(), 640, 360, 90.0))
    clip = np.column_stack([metres, 0 * metres, 0 * metres, np.ones(6)]) @ matrix.T
    window = (clip[:, 2] / clip[:, 3] * 0.5 + 0.5).astype(np.float32)
    np.testing.assert_allclose(metres_of(window), metres, rtol=2e-3)
