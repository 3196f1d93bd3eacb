from __future__ import annotations

import carla
import pytest

from carla_saliency.server.nouns import Transform
from carla_saliency.server.world.poses import attached, rotation, turned, turned_back

PARENTS = [
    Transform(),
    Transform(10, 20, 3, yaw=90),
    Transform(-5, 2, 1, pitch=10, yaw=-130, roll=20),
    Transform(1, 1, 1, pitch=-35, yaw=179, roll=-60),
]
RELATIVES = [
    Transform(1.5, 0, 2.4),
    Transform(1.5, -0.5, 2.4, pitch=-15),
    Transform(-6, 1, 3, pitch=8, yaw=170, roll=5),
]


@pytest.mark.parametrize("parent", PARENTS)
@pytest.mark.parametrize("relative", RELATIVES)
def test_what_is_attached_is_where_carla_says(parent: Transform, relative: Transform) -> None:
    outer = carla.Transform(
        carla.Location(parent.x, parent.y, parent.z),
        carla.Rotation(parent.pitch, parent.yaw, parent.roll),
    )
    inner = carla.Transform(
        carla.Location(relative.x, relative.y, relative.z),
        carla.Rotation(relative.pitch, relative.yaw, relative.roll),
    )
    pose = attached(parent, relative)
    # carla's transform() changes the point that it is handed
    expected = outer.transform(carla.Location(relative.x, relative.y, relative.z))
    assert (pose.x, pose.y, pose.z) == pytest.approx((expected.x, expected.y, expected.z), abs=1e-4)
    for axis in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        tip = outer.transform(inner.transform(carla.Location(*axis)))
        ours = turned(rotation(pose), axis)
        assert (tip.x - pose.x, tip.y - pose.y, tip.z - pose.z) == pytest.approx(ours, abs=1e-4)


@pytest.mark.parametrize("pose", PARENTS)
def test_turning_back_undoes_turning(pose: Transform) -> None:
    matrix = rotation(pose)
    assert turned_back(matrix, turned(matrix, (1.0, 2.0, 3.0))) == pytest.approx((1.0, 2.0, 3.0))


def test_a_camera_that_looks_ahead_has_its_cars_rotation() -> None:
    pose = attached(Transform(yaw=45.0), Transform(x=2.0))
    assert (pose.pitch, pose.yaw, pose.roll) == pytest.approx((0.0, 45.0, 0.0))
