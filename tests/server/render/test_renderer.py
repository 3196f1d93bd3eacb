from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import moderngl
import numpy as np
import pytest
import shapely
from straight_roads import LANE_M, straight

from carla_saliency.errors import SimulatorError
from carla_saliency.server.nouns import Camera, DrawnActor, Pixels, Tag, Transform, Weather
from carla_saliency.server.render.camera import Renderer
from carla_saliency.server.render.projection import rotation_of
from carla_saliency.server.roads.network import load_map
from carla_saliency.server.scene.builder import build_scene

NOON = Weather()
NIGHT = Weather(sun_altitude_angle=-30.0)
CAMERA = Camera(Transform(20.0, LANE_M / 2, 1.6, -10.0, 0.0, 0.0), 640, 360, 100.0)
KNOWN_TAGS = {value for name, value in vars(Tag).items() if name.isupper()}


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    renderer = Renderer()
    renderer.load(build_scene(straight(), seed=1))
    yield renderer
    renderer.close()


def project(camera: Camera, point: np.ndarray) -> tuple[float, float, float]:
    """Pin-hole formula: column, row, distance along the forward axis."""
    pose = camera.pose
    ahead, right, up = rotation_of(pose).T @ (point - [pose.x, pose.y, pose.z])
    focal = camera.width / (2 * np.tan(np.radians(camera.fov / 2)))
    return (
        camera.width / 2 + focal * right / ahead,
        camera.height / 2 - focal * up / ahead,
        float(ahead),
    )


def box_at(point: np.ndarray, half: float = 0.05) -> DrawnActor:
    pose = Transform(point[0], point[1], point[2] - half)
    return DrawnActor("static.prop.box01", pose, (half, half, half), (255, 0, 255))


def luma(pixels: Pixels, where: np.ndarray) -> float:
    return float((pixels.bgra[where][:, :3] @ [0.0722, 0.7152, 0.2126]).mean())


@pytest.mark.parametrize(
    "pose",
    [
        Transform(20, 1.75, 1.6, -10, 0, 0),
        Transform(20, 0, 4.0, 0, -10, 0),
        Transform(60, 1, 3.0, -5, 180, 0),
        Transform(40, -2, 4.5, -12, 25, 10),
        Transform(40, 2, 5.0, -20, -60, -25),
        Transform(40, 2, 5.0, 8, 130, 5),
    ],
)
@pytest.mark.parametrize("place", [(6, -1.5, 0), (6, 1.5, 0.7), (9, 2, 0.3)])
def test_a_box_lands_on_the_pixel_and_the_depth_of_the_pinhole_formula(
    renderer: Renderer, pose: Transform, place: tuple[float, float, float]
) -> None:
    camera = Camera(pose, 640, 360, 90.0)
    point = rotation_of(pose) @ np.array(place) + [pose.x, pose.y, pose.z]
    pixels = renderer.render(camera, [box_at(point)], NOON)
    rows, columns = np.nonzero(pixels.tag == Tag.DYNAMIC)
    assert len(rows) >= 6
    column, row, ahead = project(camera, point)
    # A pixel's middle is half a pixel from its corner.
    middle = (columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2
    assert middle[0] == pytest.approx(column, abs=1.0)
    assert middle[1] == pytest.approx(row, abs=1.0)
    # Its near side is some 4 cm before its middle.
    depth = float(np.median(pixels.depth[pixels.tag == Tag.DYNAMIC]))
    assert depth == pytest.approx(ahead - 0.04, rel=0.01)


def test_depth_is_the_distance_along_the_forward_axis(renderer: Renderer) -> None:
    pixels = renderer.render(CAMERA, [], NOON)
    road = pixels.tag == Tag.ROADS
    rows, columns = np.nonzero(road)
    focal = 320 / np.tan(np.radians(50))
    rays = np.column_stack(
        [np.ones(len(rows)), (columns + 0.5 - 320) / focal, (180 - rows - 0.5) / focal]
    )
    world = rays @ rotation_of(CAMERA.pose).T
    expected = -CAMERA.pose.z / world[:, 2]  # forward distance to the plane z = 0
    near = expected < 60
    assert near.sum() > 20_000
    assert np.abs(pixels.depth[road][near] / expected[near] - 1).max() < 0.01


def test_a_second_picture_of_the_same_view_has_the_same_bytes(renderer: Renderer) -> None:
    car = DrawnActor("vehicle.audi.tt", Transform(30, 0), (2.0, 1.0, 0.7), (9, 9, 200))
    first = renderer.render(CAMERA, [car], NOON)
    renderer.render(replace(CAMERA, width=320, height=180), [], NIGHT)
    again = renderer.render(CAMERA, [car], NOON)
    for name in ("bgra", "tag", "depth"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_pictures_are_new_arrays_of_the_promised_kind(renderer: Renderer) -> None:
    first, second = (renderer.render(CAMERA, [], NOON) for _ in range(2))
    assert not np.shares_memory(first.bgra, second.bgra)
    assert (first.bgra.shape, first.bgra.dtype) == ((360, 640, 4), np.uint8)
    assert (first.tag.shape, first.tag.dtype) == ((360, 640), np.uint8)
    assert (first.depth.shape, first.depth.dtype) == ((360, 640), np.float32)
    assert (first.bgra[..., 3] == 255).all()


def test_every_pixel_has_a_known_tag_and_the_sky_is_1000_m_away(renderer: Renderer) -> None:
    cars = [
        DrawnActor("vehicle.audi.tt", Transform(30, 0), (2.0, 1.0, 0.7), (9, 9, 200)),
        DrawnActor("walker.pedestrian.0001", Transform(28, 3), (0.2, 0.2, 0.9), (200, 9, 9)),
    ]
    pixels = renderer.render(CAMERA, cars, NOON)
    found = set(np.unique(pixels.tag).tolist())
    assert found <= KNOWN_TAGS
    assert {Tag.ROADS, Tag.ROAD_LINES, Tag.TERRAIN, Tag.SKY, Tag.CAR, Tag.PEDESTRIANS} <= found
    assert (pixels.depth[pixels.tag == Tag.SKY] == 1000).all()
    assert pixels.depth[pixels.tag != Tag.SKY].max() < 1000


@pytest.mark.parametrize(
    ("blueprint", "tag"),
    [
        ("vehicle.tesla.model3", Tag.CAR),
        ("vehicle.carlamotors.carlacola", Tag.TRUCK),
        ("vehicle.mitsubishi.fusorosa", Tag.BUS),
        ("vehicle.yamaha.yzf", Tag.MOTORCYCLE),
        ("vehicle.gazelle.omafiets", Tag.BICYCLE),
        ("walker.pedestrian.0012", Tag.PEDESTRIANS),
        ("static.prop.trafficcone01", Tag.DYNAMIC),
    ],
)
def test_an_actor_has_the_tag_of_its_blueprint(
    renderer: Renderer, blueprint: str, tag: int
) -> None:
    actor = DrawnActor(blueprint, Transform(27, 1.75, 0, 0, 200), (1.2, 0.6, 0.8), (200, 200, 9))
    pixels = renderer.render(CAMERA, [actor], NOON)
    column, row, _ = project(CAMERA, np.array([27, 1.75, 0.5]))
    near = pixels.tag[int(row) - 12 : int(row) + 12, int(column) - 12 : int(column) + 12]
    assert (near == tag).mean() > 0.1


def test_solid_lines_are_seen_without_a_break_to_70_m(renderer: Renderer) -> None:
    pixels = renderer.render(CAMERA, [], NOON)
    for edge in (-LANE_M, LANE_M):
        for ahead in np.arange(6.0, 70.0, 0.25):
            column, row, _ = project(CAMERA, np.array([20 + ahead, edge, 0.0]))
            if not (2 <= column < 637 and row < 359):
                continue
            window = pixels.tag[int(row), int(column) - 2 : int(column) + 3]
            assert Tag.ROAD_LINES in window, f"no line at y = {edge} m, {ahead} m ahead"


def test_broken_lines_have_gaps_near_by(renderer: Renderer) -> None:
    pixels = renderer.render(CAMERA, [], NOON)
    seen = []
    for ahead in np.arange(4.0, 30.0, 0.1):
        column, row, _ = project(CAMERA, np.array([20 + ahead, 0.0, 0.0]))
        seen.append(pixels.tag[int(row), int(column)] == Tag.ROAD_LINES)
    assert 0.15 < np.mean(seen) < 0.55
    assert (np.diff(np.array(seen, int)) != 0).sum() >= 2


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_paint_is_at_least_1_4_times_as_bright_as_the_asphalt(seed: int) -> None:
    renderer = Renderer()
    renderer.load(build_scene(straight(), seed))
    pixels = renderer.render(CAMERA, [], Weather(cloudiness=100.0))  # no shadows
    renderer.close()
    near = pixels.depth < 15
    paint = luma(pixels, near & (pixels.tag == Tag.ROAD_LINES))
    assert paint > 1.4 * luma(pixels, near & (pixels.tag == Tag.ROADS))


def test_the_seed_changes_the_picture_but_not_the_lines(renderer: Renderer) -> None:
    one = renderer.render(CAMERA, [], NOON)
    other = Renderer()
    other.load(build_scene(straight(), seed=2))
    two = other.render(CAMERA, [], NOON)
    other.close()
    assert (one.bgra != two.bgra).any(axis=2).mean() > 0.3
    right = np.s_[200:, 330:]  # the solid line on the right
    solid_one, solid_two = one.tag[right] == Tag.ROAD_LINES, two.tag[right] == Tag.ROAD_LINES
    np.testing.assert_array_equal(solid_one, solid_two)


def test_unseen_looks_like_no_other_map() -> None:
    pictures = []
    renderer = Renderer()
    for name in ("straight", "unseen"):
        renderer.load(build_scene(straight(name=name), seed=1))
        pixels = renderer.render(CAMERA, [], NOON)
        pictures.append(
            pixels.bgra[(pixels.tag == Tag.TERRAIN) & (pixels.depth > 40)][:, :3].mean(axis=0)
        )
    renderer.close()
    meadow, desert = pictures
    assert meadow[1] > meadow[2]  # green before red
    assert desert[2] > desert[1]


def test_night_is_darker_and_headlights_light_the_road_ahead(renderer: Renderer) -> None:
    ego = DrawnActor("vehicle.tesla.model3", Transform(18.5, 1.75), (2.4, 1.08, 0.74), (9, 9, 9))
    day = renderer.render(CAMERA, [], NOON)
    dark = renderer.render(CAMERA, [], NIGHT)
    lit = renderer.render(CAMERA, [ego], NIGHT)
    road = (day.tag == Tag.ROADS) & (day.depth > 8) & (day.depth < 20)
    assert luma(dark, road) < 0.5 * luma(day, road)
    assert luma(lit, road) > 1.5 * luma(dark, road)


def test_fog_takes_away_what_is_far(renderer: Renderer) -> None:
    clear = renderer.render(CAMERA, [], Weather(fog_density=0))
    foggy = renderer.render(CAMERA, [], Weather(fog_density=90))
    far = (clear.depth > 120) & (clear.depth < 400)
    assert foggy.bgra[far].astype(float).std(axis=0).max() < 4
    assert clear.bgra[far].astype(float).std(axis=0).max() > 10
    np.testing.assert_array_equal(clear.tag, foggy.tag)


def test_a_wet_road_is_darker(renderer: Renderer) -> None:
    dry, wet = (renderer.render(CAMERA, [], Weather(wetness=w)) for w in (0.0, 100.0))
    road = dry.tag == Tag.ROADS
    assert luma(wet, road) < 0.85 * luma(dry, road)


def test_shadows_fall_away_from_the_sun(renderer: Renderer) -> None:
    camera = Camera(Transform(50, 0, 12, -90, 0, 0), 400, 400, 60.0)  # up is +x, right is +y
    car = DrawnActor("vehicle.audi.tt", Transform(50, 0), (1.0, 1.0, 1.5), (99, 99, 99))
    plain = renderer.render(camera, [], Weather(sun_altitude_angle=45, sun_azimuth_angle=90))
    cast = renderer.render(camera, [car], Weather(sun_altitude_angle=45, sun_azimuth_angle=90))
    ground = cast.tag == plain.tag  # the shadow has no tag of its own
    darker = plain.bgra[..., 1].astype(float) - cast.bgra[..., 1]
    left, right = np.zeros_like(ground), np.zeros_like(ground)
    left[150:250, 60:150], right[150:250, 250:340] = True, True
    assert darker[ground & left].mean() > 5 > darker[ground & right].mean()


def test_a_car_standing_in_front_of_the_camera_hides_the_road(renderer: Renderer) -> None:
    car = DrawnActor("vehicle.mini.cooper_s", Transform(27, 1.75), (1.9, 0.98, 0.74), (9, 9, 9))
    pixels = renderer.render(CAMERA, [car], NOON)
    _, _, ahead = project(CAMERA, np.array([27 - 1.9, 1.75, 0.6]))
    depth = pixels.depth[pixels.tag == Tag.CAR]
    assert float(np.median(depth)) == pytest.approx(ahead, abs=0.5)


def test_brake_lights_are_red_when_lit(renderer: Renderer) -> None:
    car = DrawnActor("vehicle.audi.tt", Transform(27, 1.75), (2.0, 1.0, 0.7), (200, 200, 200))
    reds = []
    for lit in (False, True):
        pixels = renderer.render(CAMERA, [replace(car, brake_lights=lit)], NOON)
        blue, green, red = (pixels.bgra[..., k].astype(int) for k in range(3))
        reds.append(int(((red > 200) & (green < 80) & (blue < 80)).sum()))
    assert reds[0] == 0
    assert reds[1] > 20


def test_a_road_on_a_slope_is_not_covered_by_the_land() -> None:
    network = straight(slope=0.08)
    renderer = Renderer()
    renderer.load(build_scene(network, seed=3))
    for x in np.linspace(10, 290, 29):
        for y in (-3.0, -1.0, 1.0, 3.0):
            camera = Camera(Transform(x, y, 0.08 * x + 6, -90, 0, 0), 16, 16, 8.0)
            tags = renderer.render(camera, [], NOON).tag
            assert np.isin(tags, (Tag.ROADS, Tag.ROAD_LINES)).all()
    renderer.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["town", "village"])
def test_a_junction_has_no_gaps_between_its_lanes(name: str) -> None:
    network = load_map(name)
    renderer = Renderer()
    renderer.load(build_scene(network, seed=4))
    junctions = {lane.junction_id for lane in network.lanes} - {-1}
    assert junctions
    for junction in junctions:
        lanes = [
            shapely.Polygon(np.concatenate([lane.inner[:, :2], lane.outer[::-1, :2]])).buffer(0)
            for lane in network.lanes
            if lane.junction_id == junction and lane.kind == "driving"
        ]
        area = shapely.union_all(lanes).buffer(2.0).buffer(-2.3)
        shapely.prepare(area)
        x, y = shapely.get_coordinates(area.centroid)[0]
        camera = Camera(Transform(x, y, 60.0, -90, 0, 0), 600, 600, 60.0)
        tags = renderer.render(camera, [], NOON).tag
        rows, columns = np.mgrid[0:600, 0:600] + 0.5
        scale = 60.0 / (300 / np.tan(np.radians(30)))
        points = shapely.points(x + (300 - rows) * scale, y + (columns - 300) * scale)
        floor = tags[shapely.contains(area, points)]
        assert len(floor) > 1000
        # A tall house may lean into the picture; the land must not show.
        assert not np.isin(floor, (Tag.TERRAIN, Tag.SKY)).any()
    renderer.close()


def test_rendering_without_a_scene_is_an_error() -> None:
    renderer = Renderer()
    with pytest.raises(SimulatorError, match="load a scene"):
        renderer.render(CAMERA, [], NOON)
    renderer.close()


@pytest.mark.parametrize("trouble", [ImportError("libEGL.so.1"), Exception("no display")])
def test_without_egl_the_error_names_the_packages(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def refuse(**_: object) -> None:
        raise trouble

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(SimulatorError, match="apt-get install libegl1 libgl1-mesa-dri") as error:
        Renderer()
    assert str(trouble) in str(error.value)
    assert "\n" not in str(error.value)
