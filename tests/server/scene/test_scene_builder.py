from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely

from carla_saliency.server.nouns import RoadNetwork, Tag
from carla_saliency.server.roads.network import load_map, map_names
from carla_saliency.server.scene.builder import CHUNK_M, Scene, build_scene
from carla_saliency.server.scene.models import PARKED_EXTENTS
from carla_saliency.server.scene.site import DRIVE_KINDS, box_corners, lane_polygon

STANDING = (
    Tag.BUILDINGS, Tag.WALLS, Tag.FENCES, Tag.POLES, Tag.VEGETATION, Tag.GUARD_RAIL, Tag.CAR,
)  # fmt: skip
every_map = pytest.mark.parametrize("name", map_names())


@cache
def dressed(name: str, seed: int = 5) -> tuple[RoadNetwork, Scene]:
    network = load_map(name)
    return network, build_scene(network, seed)


def driving_tree(network: RoadNetwork, shrink_m: float = 0.0) -> shapely.STRtree:
    lanes = [lane for lane in network.lanes if lane.kind in DRIVE_KINDS]
    shapes = shapely.make_valid(
        shapely.polygons([shapely.linearrings(lane_polygon(lane)) for lane in lanes])
    )
    return shapely.STRtree(shapely.buffer(shapes, -shrink_m))


def on_a_lane(tree: shapely.STRtree, shapes: np.ndarray) -> np.ndarray:
    return np.unique(tree.query(shapes, predicate="intersects")[0])


@pytest.mark.slow
@every_map
def test_no_obstacle_and_no_parked_car_reaches_into_a_driving_lane(name: str) -> None:
    network, scene = dressed(name)
    tree = driving_tree(network)
    boxes = [box_corners((o.x, o.y), o.yaw, o.half_length, o.half_width) for o in scene.obstacles]
    for car in scene.parked:
        length, width, _ = PARKED_EXTENTS[car.blueprint]
        boxes.append(box_corners((car.pose.x, car.pose.y), car.pose.yaw, length, width))
    assert len(boxes) > 30
    shapes = shapely.polygons([shapely.linearrings(box) for box in boxes])
    assert len(on_a_lane(tree, shapes)) == 0


@pytest.mark.slow
@every_map
def test_nothing_that_stands_is_drawn_over_a_driving_lane(name: str) -> None:
    network, scene = dressed(name)
    tree = driving_tree(network)
    for chunk in scene.chunks:
        for mesh in (chunk.mesh, chunk.near):
            tags = mesh.vertices["normal"][mesh.indices[:, 0], 3]
            standing = mesh.indices[np.isin(tags, STANDING)]
            if len(standing) == 0:
                continue
            corners = mesh.vertices["position"][standing][..., :2].astype(np.float64)
            # An upright triangle is a line from above: give it a hair's width.
            shapes = shapely.buffer(shapely.linestrings(corners), 1e-4)
            assert len(on_a_lane(tree, shapes)) == 0, f"near {corners[0, 0]}"


@pytest.mark.slow
@every_map
def test_no_crown_hangs_over_a_driving_lane(name: str) -> None:
    network, scene = dressed(name)
    tree = driving_tree(network)
    opaque = scene.plants[..., 3].max(axis=1) > 127  # (plants, columns)
    columns = np.linspace(-1, 1, opaque.shape[1])
    reach = np.array([np.abs(columns[row]).max() for row in opaque])
    boards = np.concatenate([chunk.boards[::4] for chunk in scene.chunks])
    assert len(boards) > 20
    radius = reach[boards["layer"].astype(int)] * boards["size"][:, 0]
    circles = shapely.buffer(shapely.points(boards["foot"][:, :2].astype(np.float64)), radius)
    assert len(on_a_lane(tree, circles)) == 0


@pytest.mark.slow
@every_map
def test_kerbs_and_sidewalks_do_not_rise_from_a_driving_lane(name: str) -> None:
    network, scene = dressed(name)
    tree = driving_tree(network, shrink_m=0.15)
    for chunk in scene.chunks:
        tags = chunk.mesh.vertices["normal"][chunk.mesh.indices[:, 0], 3]
        walks = chunk.mesh.indices[tags == Tag.SIDEWALKS]
        middles = chunk.mesh.vertices["position"][walks].mean(axis=1).astype(np.float64)
        raised = middles[middles[:, 2] > scene.base_z + 0.05]
        if scene.base_z == pytest.approx(network.lanes[0].inner[:, 2].max(), abs=0.05):
            assert len(on_a_lane(tree, shapely.points(raised[:, :2]))) == 0


def test_the_same_seed_gives_the_same_scene_and_another_seed_another() -> None:
    network = load_map("unseen")
    one, same, other = (build_scene(network, seed) for seed in (7, 7, 8))
    for mine, yours in zip(one.chunks, same.chunks, strict=True):
        assert mine.mesh.vertices.tobytes() == yours.mesh.vertices.tobytes()
        assert mine.mesh.indices.tobytes() == yours.mesh.indices.tobytes()
        assert mine.marks.tobytes() == yours.marks.tobytes()
        assert mine.boards.tobytes() == yours.boards.tobytes()
    np.testing.assert_array_equal(one.surfaces, same.surfaces)
    assert one.obstacles == same.obstacles
    assert one.parked == same.parked
    assert one.obstacles != other.obstacles
    assert (one.surfaces != other.surfaces).any()


def test_the_seed_does_not_move_the_lines() -> None:
    network = load_map("unseen")
    one, other = (build_scene(network, seed) for seed in (1, 2))
    for field in ("position", "across", "side"):
        mine = np.concatenate([chunk.marks[field] for chunk in one.chunks])
        yours = np.concatenate([chunk.marks[field] for chunk in other.chunks])
        np.testing.assert_array_equal(np.sort(mine, axis=0), np.sort(yours, axis=0))


def test_a_chunks_sphere_holds_all_of_it() -> None:
    _, scene = dressed("town")
    for chunk in scene.chunks:
        for places in (chunk.mesh.vertices["position"], chunk.marks["position"]):
            if len(places):
                reach = np.linalg.norm(places - chunk.centre, axis=1).max()
                assert reach <= chunk.radius_m < 2.5 * CHUNK_M


def test_triangles_are_wound_as_their_normals_point() -> None:
    _, scene = dressed("town")
    for chunk in scene.chunks:
        a, b, c = (chunk.mesh.vertices["position"][chunk.mesh.indices[:, k]] for k in range(3))
        normals = chunk.mesh.vertices["normal"][chunk.mesh.indices[:, 0], :3] - 127.5
        assert ((np.cross(b - a, c - a) * normals).sum(axis=1) >= -1e-3).all()


def test_a_town_has_houses_lamps_and_parked_cars() -> None:
    _, scene = dressed("town")
    tags = {obstacle.tag for obstacle in scene.obstacles}
    assert {Tag.BUILDINGS, Tag.POLES, Tag.VEGETATION} <= tags
    assert len(scene.lamps) > 10
    assert len(scene.parked) > 3
    assert len({car.blueprint for car in scene.parked}) > 1
