from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.server.nouns import Tag
from carla_saliency.server.scene.models import PARKED_EXTENTS, model_of, tag_of

BLUEPRINTS = {
    **PARKED_EXTENTS,
    "vehicle.carlamotors.firetruck": (4.23, 1.45, 1.91),
    "vehicle.ford.ambulance": (3.18, 1.17, 1.22),
    "vehicle.harley-davidson.low_rider": (1.18, 0.38, 0.64),
    "vehicle.bh.crossbike": (0.74, 0.43, 0.54),
    "walker.pedestrian.0001": (0.19, 0.19, 0.93),
    "static.prop.trafficcone01": (0.2, 0.2, 0.35),
    "static.prop.box01": (0.5, 0.4, 0.3),
}


@pytest.mark.parametrize("blueprint", sorted(BLUEPRINTS))
@pytest.mark.parametrize("fine", [True, False])
def test_a_model_fills_its_box_and_stands_on_the_ground(blueprint: str, fine: bool) -> None:
    extent = BLUEPRINTS[blueprint]
    places = model_of(blueprint, extent, fine=fine).vertices["position"]
    low, high = places.min(axis=0), places.max(axis=0)
    assert -0.05 <= low[2] < 0.12
    assert high[0] <= 1.03 * extent[0] + 0.05
    assert low[0] >= -1.03 * extent[0] - 0.05
    if tag_of(blueprint) in (Tag.CAR, Tag.TRUCK):
        assert high[2] == pytest.approx(2 * extent[2], rel=0.02)
        assert high[0] - low[0] == pytest.approx(2 * extent[0], rel=0.02)
        assert high[1] == pytest.approx(extent[1], abs=0.06)


@pytest.mark.parametrize("blueprint", sorted(BLUEPRINTS))
def test_faces_are_wound_as_their_normals_point(blueprint: str) -> None:
    vertices = model_of(blueprint, BLUEPRINTS[blueprint]).vertices.reshape(-1, 3)
    a, b, c = (vertices["position"][:, k] for k in range(3))
    normals = vertices["normal"][:, 0, :3] - 127.5
    assert ((np.cross(b - a, c - a) * normals).sum(axis=1) >= -1e-4).all()


def test_a_coarse_car_has_far_fewer_triangles() -> None:
    extent = PARKED_EXTENTS["vehicle.audi.tt"]
    fine, coarse = (model_of("vehicle.audi.tt", extent, fine=f).vertices for f in (True, False))
    assert len(coarse) < 0.7 * len(fine)
