from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import msgpack
import pytest
from stand_in_server import PARKED_AHEAD_M, StandInRenderer, stand_in_parts

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import Tag, Transform, Weather
from carla_saliency.server.wire.structs import (
    ActorDescription,
    AttributeValue,
    EpisodeSettings,
    OpendriveGenerationParameters,
)
from carla_saliency.server.world import blueprints
from carla_saliency.server.world.handling import Handling
from carla_saliency.server.world.vehicle import VehicleControl
from carla_saliency.server.world.world import World

CAR = ActorDescription(1, "vehicle.tesla.model3", ())
COLLISION = ActorDescription(1, "sensor.other.collision", ())
DELTA_S = 0.05


def camera(kind: str = "rgb", **attributes: str) -> ActorDescription:
    values = {"image_size_x": "8", "image_size_y": "4", **attributes}
    chosen = tuple(AttributeValue(name, 2, value) for name, value in values.items())
    return ActorDescription(1, f"sensor.camera.{kind}", chosen)


@pytest.fixture
def world() -> Iterator[World]:
    world = World(stand_in_parts(), "straight", seed=0, episode_id=100, stream_port=2001)
    yield world
    world.close()


def renderer_of(world: World) -> StandInRenderer:
    assert isinstance(world._renderer, StandInRenderer)
    return world._renderer


def everything(world: World) -> range:
    return range(1000)


def start(world: World) -> Transform:
    return world.map_info().spawn_points[0]


def stream_of(token: bytes) -> int:
    return int.from_bytes(token[:4], "little")


def actor_ids(snapshot: bytes) -> list[int]:
    return [row[0] for row in struct.iter_unpack("<I115x", snapshot[4 + 84 :])]


# ------------------------------------------------------------------ time and episodes


def test_frames_count_up_and_time_adds_up(world: World) -> None:
    for expected in (1, 2, 3):
        ((stream_id, snapshot),) = world.tick(DELTA_S, 7.0, everything(world))
        _, frame, elapsed = struct.unpack_from("<QQd", snapshot, 4)
        assert (stream_id, frame) == (1, expected)
        assert elapsed == pytest.approx(DELTA_S * expected)


def test_the_snapshot_says_that_the_map_changed_only_at_first(world: World) -> None:
    flags = []
    for _ in range(5):
        ((_, snapshot),) = world.tick(DELTA_S, 0.0, ())
        flags.append(struct.unpack_from("<I", snapshot, 4 + 48 + 32)[0])
    assert flags == [1, 1, 1, 0, 0]


def test_a_new_episode_has_another_id_no_actors_and_later_frames(world: World) -> None:
    car = world.spawn(CAR, start(world))
    world.tick(DELTA_S, 0.0, ())
    world.apply_settings(EpisodeSettings(synchronous_mode=True, fixed_delta_s=0.1))
    world.set_weather(Weather(cloudiness=99.0))
    world.load_map("/Game/Carla/Maps/straight", reset_settings=False)
    assert world.episode_info().id == 101
    assert world.settings.fixed_delta_s == 0.1
    assert world.weather == Weather()
    ((_, snapshot),) = world.tick(DELTA_S, 0.0, ())
    assert actor_ids(snapshot) == [world.spectator().id]
    assert world.frame == 2
    assert world.actors.box(car.id) == car.box


def test_scenery_is_built_once_per_map(world: World) -> None:
    world.load_map("", reset_settings=False)
    assert renderer_of(world).scenes == 1
    world.keep_sent_map(world.map_data())
    world.load_map("OpenDriveMap", reset_settings=False)
    assert renderer_of(world).scenes == 2


def test_settings_are_reset_with_the_map_if_asked(world: World) -> None:
    world.apply_settings(EpisodeSettings(synchronous_mode=True))
    world.load_map("", reset_settings=True)
    assert world.settings == EpisodeSettings()


def test_a_map_that_cannot_be_used_changes_nothing(world: World) -> None:
    car = world.spawn(CAR, start(world))
    with pytest.raises(BadInputError, match="received 'nowhere'"):
        world.load_map("nowhere", reset_settings=True)
    with pytest.raises(BadInputError):
        world.load_map("/etc/passwd", reset_settings=True)
    assert world.episode_info().id == 100
    assert world.actors.find(car.id) is not None


def test_a_sent_map_has_the_clients_name_for_it(world: World) -> None:
    world.keep_sent_map(world.map_data())
    world.load_map("OpenDriveMap", reset_settings=True)
    assert world.map_info().name == "Carla/Maps/OpenDriveMap"
    assert "/Game/Carla/Maps/OpenDriveMap" in world.available_maps()


def test_what_a_client_sends_with_a_map_is_understood() -> None:
    assert OpendriveGenerationParameters(2.0, 50.0, 1.0, 0.6, True, True, False).wall_height == 1.0


@pytest.mark.parametrize("delta_s", [-0.1, 11.0])
def test_a_time_step_out_of_range_is_refused(world: World, delta_s: float) -> None:
    with pytest.raises(BadInputError, match="fixed_delta_seconds"):
        world.apply_settings(EpisodeSettings(fixed_delta_s=delta_s))


def test_a_time_step_of_zero_means_none(world: World) -> None:
    world.apply_settings(EpisodeSettings(fixed_delta_s=0.0))
    assert world.settings.fixed_delta_s is None


# ------------------------------------------------------------------ actors


def test_an_actor_is_in_the_next_snapshot_and_not_after_its_death(world: World) -> None:
    car = world.spawn(CAR, start(world))
    ((_, snapshot),) = world.tick(DELTA_S, 0.0, ())
    assert actor_ids(snapshot) == [world.spectator().id, car.id]
    assert world.destroy(car.id)
    ((_, snapshot),) = world.tick(DELTA_S, 0.0, ())
    assert actor_ids(snapshot) == [world.spectator().id]


def test_a_car_cannot_be_spawned_into_a_car_a_parked_car_or_a_wall(world: World) -> None:
    world.spawn(CAR, start(world))
    heading = math.radians(start(world).yaw)
    ahead = math.cos(heading) * PARKED_AHEAD_M, math.sin(heading) * PARKED_AHEAD_M
    parked = Transform(start(world).x + ahead[0], start(world).y + ahead[1])
    wall = Transform(parked.x, parked.y + 20.0)
    for place in (start(world), parked, wall):
        with pytest.raises(
            BadInputError, match="Spawn failed because of collision at spawn position"
        ):
            world.spawn(CAR, place)


def test_a_place_is_free_again_when_its_car_is_gone(world: World) -> None:
    for _ in range(3):
        car = world.spawn(CAR, start(world))
        world.destroy(car.id)


def test_what_cannot_be_spawned_is_refused(world: World) -> None:
    with pytest.raises(BadInputError, match="unknown blueprint 'nothing'"):
        world.spawn(ActorDescription(1, "nothing", ()), Transform())
    for name in blueprints.UNAVAILABLE:
        with pytest.raises(BadInputError, match="can't be spawned"):
            world.spawn(ActorDescription(1, name, ()), Transform())
    with pytest.raises(BadInputError, match="unable to find actor 77"):
        world.spawn(camera(), Transform(), parent_id=77)
    with pytest.raises(BadInputError, match="within 1e"):
        world.spawn(CAR, Transform(x=1e8))


def test_the_spectator_cannot_be_destroyed(world: World) -> None:
    with pytest.raises(BadInputError, match="spectator"):
        world.destroy(world.spectator().id)


def test_a_colour_and_brake_lights_reach_the_renderer(world: World) -> None:
    red = ActorDescription(1, "vehicle.audi.tt", (AttributeValue("color", 5, "200,10,300"),))
    car = world.spawn(red, start(world))
    vehicle = world.actors.vehicle(car.id)
    assert vehicle.drawn().colour == (200, 10, 255)
    assert not vehicle.drawn().brake_lights
    Handling(world.actors).apply_control(car.id, VehicleControl(brake=0.5))
    assert vehicle.drawn().brake_lights
    assert car.semantic_tags == bytes([Tag.CAR])


def test_an_attribute_of_another_type_is_refused(world: World) -> None:
    with pytest.raises(BadInputError, match="image_size_x must be like '800', received 'wide'"):
        world.spawn(camera(image_size_x="wide"), Transform())


@pytest.mark.parametrize(
    "attributes", [{"image_size_x": "0"}, {"image_size_y": "5000"}, {"fov": "0"}, {"fov": "180"}]
)
def test_a_picture_that_cannot_be_made_is_refused(world: World, attributes: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="must be"):
        world.spawn(camera(**attributes), Transform())


def test_a_camera_goes_with_its_car_and_stays_when_the_car_dies(world: World) -> None:
    car = world.spawn(CAR, start(world))
    eye = world.spawn(camera(), Transform(x=2.0, z=1.5), car.id)
    assert eye.parent_id == car.id
    world.set_transform(car.id, Transform(50.0, 1.75, yaw=90.0))
    world.tick(DELTA_S, 0.0, ())
    pose = world.actors.get(eye.id).pose
    assert (pose.x, pose.y, pose.z) == pytest.approx((50.0, 3.75, 1.5), abs=1e-6)
    world.destroy(car.id)
    world.tick(DELTA_S, 0.0, ())
    assert world.actors.get(eye.id).pose == pose
    assert world.infos((eye.id, car.id, 999)) == [world.info(world.actors.get(eye.id))]


def test_an_attached_actor_is_put_in_its_parents_axes(world: World) -> None:
    car = world.spawn(CAR, start(world))
    eye = world.spawn(camera(), Transform(x=2.0), car.id)
    world.set_location(eye.id, (0.0, 0.0, 3.0))
    assert world.actors.get(eye.id).pose.z == pytest.approx(start(world).z + 3.0)


# ------------------------------------------------------------------ sensors


def test_nobody_listening_means_nothing_is_rendered(world: World) -> None:
    world.spawn(camera(), Transform())
    assert len(world.tick(DELTA_S, 0.0, {1})) == 1
    assert renderer_of(world).cameras == []


def test_no_rendering_mode_means_no_pictures(world: World) -> None:
    world.spawn(camera(), Transform())
    world.apply_settings(EpisodeSettings(no_rendering_mode=True))
    assert len(world.tick(DELTA_S, 0.0, everything(world))) == 1
    assert renderer_of(world).cameras == []


def test_cameras_at_one_place_share_a_render(world: World) -> None:
    car = world.spawn(CAR, start(world))
    for kind in ("rgb", "semantic_segmentation", "depth"):
        world.spawn(camera(kind), Transform(x=1.0, z=2.0), car.id)
    for _ in range(3):
        assert len(world.tick(DELTA_S, 0.0, everything(world))) == 4
    assert len(renderer_of(world).cameras) == 3


def test_cameras_of_another_size_view_or_place_are_rendered_apart(world: World) -> None:
    for attributes in ({}, {"image_size_x": "16"}, {"fov": "70"}):
        world.spawn(camera(**attributes), Transform())
    world.spawn(camera(), Transform(x=1.0))
    world.tick(DELTA_S, 0.0, everything(world))
    assert len(renderer_of(world).cameras) == 4


def test_sensors_come_before_the_snapshot_with_its_frame(world: World) -> None:
    eye = world.spawn(camera(), Transform())
    (first, picture), (second, snapshot) = world.tick(DELTA_S, 0.0, everything(world))
    assert first == stream_of(eye.stream_token)
    assert second == 1
    assert struct.unpack_from("<QQ", picture, 4)[1] == struct.unpack_from("<QQ", snapshot, 4)[1]


def test_sensor_tick_is_kept_on_average_when_it_is_no_multiple_of_the_step(world: World) -> None:
    world.spawn(camera(sensor_tick="0.12"), Transform())
    sent = [len(world.tick(DELTA_S, 0.0, everything(world))) - 1 for _ in range(120)]
    assert sum(sent) == 50
    assert sent[0] == 1


def test_a_collision_is_reported_to_the_sensor_of_the_car_that_hit(world: World) -> None:
    car = world.spawn(CAR, start(world))
    other = world.spawn(CAR, world.map_info().spawn_points[1])
    hits = world.spawn(COLLISION, Transform(), car.id)
    calm = world.spawn(COLLISION, Transform(), other.id)
    Handling(world.actors).apply_control(car.id, VehicleControl(throttle=1.0))
    messages = [m for _ in range(120) for m in world.tick(DELTA_S, 0.0, everything(world))]
    assert stream_of(calm.stream_token) not in [stream_id for stream_id, _ in messages]
    events = [m for stream_id, m in messages if stream_id == stream_of(hits.stream_token)]
    myself, obstacle, impulse = msgpack.unpackb(events[0][4 + 48 :])
    assert myself[0] == car.id
    assert obstacle[0] == 0
    assert obstacle[2][1] == "static.car"
    assert obstacle[4] == bytes([Tag.CAR])
    assert math.hypot(*impulse) > 1000


def test_collisions_can_be_switched_off(world: World) -> None:
    car = world.spawn(CAR, start(world))
    world.spawn(COLLISION, Transform(), car.id)
    world.set_collisions(car.id, False)
    Handling(world.actors).apply_control(car.id, VehicleControl(throttle=1.0))
    sent = [len(world.tick(DELTA_S, 0.0, everything(world))) for _ in range(120)]
    assert set(sent) == {1}
    pose = world.actors.get(car.id).pose
    assert math.hypot(pose.x - start(world).x, pose.y - start(world).y) > PARKED_AHEAD_M


def test_lane_invasion_has_no_stream(world: World) -> None:
    car = world.spawn(CAR, start(world))
    info = world.spawn(ActorDescription(1, "sensor.other.lane_invasion", ()), Transform(), car.id)
    assert info.stream_token == b""
    assert info.parent_id == car.id


# ------------------------------------------------------------------ determinism, rays


def test_the_same_calls_give_the_same_messages() -> None:
    def drive() -> list[bytes]:
        world = World(stand_in_parts(), "straight", seed=3, episode_id=1, stream_port=1)
        car = world.spawn(CAR, start(world))
        world.spawn(camera(), Transform(x=1.0), car.id)
        Handling(world.actors).apply_control(car.id, VehicleControl(0.9, steer=0.02))
        return [m for _ in range(100) for _, m in world.tick(DELTA_S, 0.0, range(100))]

    assert drive() == drive()


def test_a_ray_meets_the_road_where_it_should(world: World) -> None:
    found, point = world.project((50.0, 1.75, 4.0), (1.0, 0.0, -1.0), 10.0)
    assert found
    assert point.location == pytest.approx((54.0, 1.75, 0.0), abs=1e-3)
    assert world.project((50.0, 1.75, 4.0), (0.0, 0.0, 1.0), 10.0)[0] is False
    assert world.cast((50.0, 1.75, 1.0), (60.0, 1.75, 0.5)) == []
