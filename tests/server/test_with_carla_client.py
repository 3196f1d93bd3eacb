"""The unmodified `carla` client against our server, over TCP."""

from __future__ import annotations

import contextlib
import queue
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import carla
import numpy as np
import pytest
from server_process import ServerProcess
from stand_in_server import PARKED_AHEAD_M, STRAIGHT

TIMEOUT_S = 10.0
DELTA_S = 0.05


@pytest.fixture
def client(server: ServerProcess) -> carla.Client:
    """Connected to a world that nobody has touched."""
    client = connect(server)
    client.load_world("straight", reset_settings=True)
    return client


@pytest.fixture
def world(client: carla.Client) -> carla.World:
    """Synchronous."""
    world = client.get_world()
    make_synchronous(world)
    return world


def connect(server: ServerProcess) -> carla.Client:
    client = carla.Client("127.0.0.1", server.port)
    client.set_timeout(TIMEOUT_S)
    return client


def make_synchronous(world: carla.World) -> None:
    settings = world.get_settings()
    settings.synchronous_mode = True
    settings.fixed_delta_seconds = DELTA_S
    world.apply_settings(settings)


def spawn_car(world: carla.World, spawn_point: int = 0) -> carla.Vehicle:
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    return world.spawn_actor(blueprint, world.get_map().get_spawn_points()[spawn_point])


class Listener:
    """A sensor on a car, and the queue of what it sent."""

    def __init__(self, world: carla.World, car: carla.Actor, kind: str, **attributes: str) -> None:
        blueprint = world.get_blueprint_library().find(f"sensor.{kind}")
        for name, value in attributes.items():
            blueprint.set_attribute(name, value)
        place = carla.Transform(carla.Location(x=1.5, z=2.0))
        self.sensor = world.spawn_actor(blueprint, place, attach_to=car)
        self.queue: queue.Queue[carla.SensorData] = queue.Queue()
        self.sensor.listen(self.queue.put)

    def get(self) -> carla.SensorData:
        return self.queue.get(timeout=TIMEOUT_S)

    def pixels(self) -> np.ndarray:
        image = self.get()
        raw = np.frombuffer(image.raw_data, np.uint8)
        return raw.reshape(image.height, image.width, 4).copy()


@pytest.fixture
def listen(world: carla.World) -> Iterator[object]:
    made: list[Listener] = []

    def make(car: carla.Actor, kind: str, **attributes: str) -> Listener:
        made.append(Listener(world, car, kind, **attributes))
        return made[-1]

    yield make
    for listener in made:
        listener.sensor.stop()


# ------------------------------------------------------------------ session


def test_the_versions_agree(client) -> None:
    assert client.get_server_version() == client.get_client_version() == "0.9.16"


def test_the_map_arrives_with_its_roads_and_spawn_points(world) -> None:
    town = world.get_map()
    assert town.name == "Carla/Maps/straight"
    assert len(town.get_spawn_points()) > 4
    lane = town.get_waypoint(carla.Location(x=50.0, y=1.8))
    assert (lane.road_id, lane.lane_id, lane.lane_width) == (1, -1, 3.5)


def test_settings_come_back_as_they_were_set_and_restored(client) -> None:
    world = client.get_world()
    before = world.get_settings()
    make_synchronous(world)
    during = world.get_settings()
    assert (during.synchronous_mode, during.fixed_delta_seconds) == (True, DELTA_S)
    world.apply_settings(before)
    after = world.get_settings()
    assert after.synchronous_mode is False
    assert after.fixed_delta_seconds is None
    assert after.max_substeps == before.max_substeps


def test_an_asynchronous_world_ticks_by_itself(client) -> None:
    world = client.get_world()
    first = world.wait_for_tick(TIMEOUT_S)
    later = world.wait_for_tick(TIMEOUT_S)
    assert later.frame > first.frame
    assert later.timestamp.elapsed_seconds > first.timestamp.elapsed_seconds


def test_a_synchronous_world_ticks_only_when_told(world) -> None:
    frame = world.tick()
    assert world.get_snapshot().frame == frame
    assert [world.tick() for _ in range(3)] == [frame + 1, frame + 2, frame + 3]
    stamp = world.get_snapshot().timestamp
    assert stamp.delta_seconds == pytest.approx(DELTA_S, abs=1e-7)


def test_ticks_reach_callbacks(world) -> None:
    seen: queue.Queue[int] = queue.Queue()
    number = world.on_tick(lambda snapshot: seen.put(snapshot.frame))
    frame = world.tick()
    first = seen.get(timeout=TIMEOUT_S)
    # The call for the tick before may still be under way when the callback is added.
    assert first == frame or seen.get(timeout=TIMEOUT_S) == frame
    world.remove_on_tick(number)


def test_weather_is_kept(world) -> None:
    weather = carla.WeatherParameters(cloudiness=80.0, fog_density=30.0, sun_altitude_angle=12.0)
    world.set_weather(weather)
    world.tick()
    back = world.get_weather()
    assert (back.cloudiness, back.fog_density, back.sun_altitude_angle) == (80.0, 30.0, 12.0)


def test_the_spectator_goes_where_it_is_put(world) -> None:
    world.get_spectator().set_transform(carla.Transform(carla.Location(1, 2, 3)))
    world.tick()
    assert world.get_spectator().get_location() == carla.Location(1, 2, 3)


def test_debug_shapes_are_taken_and_ignored(world) -> None:
    world.debug.draw_point(carla.Location(), size=0.1)
    world.debug.draw_string(carla.Location(), "text")
    world.debug.draw_box(
        carla.BoundingBox(carla.Location(), carla.Vector3D(1, 1, 1)), carla.Rotation()
    )
    assert world.tick() > 0


def test_lights_and_level_boxes_are_empty_lists(world) -> None:
    assert len(world.get_actors().filter("traffic.traffic_light")) == 0
    assert world.get_lightmanager().get_all_lights() == []
    assert list(world.get_level_bbs(carla.CityObjectLabel.TrafficLight)) == []


def test_the_ground_is_found_below(world) -> None:
    point = world.ground_projection(carla.Location(50, 1.8, 5), 10.0)
    assert point.location.z == pytest.approx(0.0, abs=0.01)
    assert world.ground_projection(carla.Location(50, 1.8, 50), 10.0) is None


def test_the_recorder_is_refused_with_words(client) -> None:
    with pytest.raises(RuntimeError, match="start_recorder is not possible"):
        client.start_recorder("x.log")


# ------------------------------------------------------------------ maps


def test_another_map_is_loaded_in_synchronous_mode(client, world) -> None:
    car = spawn_car(world)
    world.tick()
    new = client.load_world("curvy", reset_settings=False)
    assert new.get_map().name == "Carla/Maps/curvy"
    assert new.get_settings().synchronous_mode
    new.tick()
    assert car.id not in [actor.id for actor in new.get_actors()]
    assert [actor.type_id for actor in new.get_actors()] == ["spectator"]


def test_reloading_resets_the_settings_if_asked(client, world) -> None:
    new = client.reload_world(reset_settings=True)
    assert not new.get_settings().synchronous_mode
    assert new.id != world.id


def test_an_unknown_map_is_refused_and_nothing_changes(client, world) -> None:
    with pytest.raises(RuntimeError, match="map must be one of straight, town"):
        client.load_world("Town99")
    assert client.get_world().id == world.id


def test_a_map_is_sent_as_opendrive(client, world) -> None:
    new = client.generate_opendrive_world(STRAIGHT, reset_settings=False)
    assert new.get_map().name == "Carla/Maps/OpenDriveMap"
    assert new.get_map().to_opendrive() == STRAIGHT


def test_a_broken_map_is_refused(client) -> None:
    with pytest.raises(RuntimeError):
        client.generate_opendrive_world("<OpenDRIVE/>")


# ------------------------------------------------------------------ actors


def test_blueprints_have_what_scripts_ask_for(world) -> None:
    library = world.get_blueprint_library()
    car = library.find("vehicle.tesla.model3")
    assert int(car.get_attribute("number_of_wheels")) == 4
    assert car.get_attribute("base_type") == "car"
    assert int(car.get_attribute("generation")) == 2
    car.set_attribute("color", car.get_attribute("color").recommended_values[1])
    car.set_attribute("role_name", "hero")
    for kind in ("rgb", "depth", "semantic_segmentation"):
        camera = library.find(f"sensor.camera.{kind}")
        for name in ("image_size_x", "image_size_y", "fov", "sensor_tick", "lens_k"):
            assert camera.has_attribute(name)
    assert library.find("sensor.camera.rgb").has_attribute("gamma")
    assert len(library.filter("vehicle.*")) > 10


def test_an_actor_is_in_snapshots_from_the_next_tick_until_it_dies(world) -> None:
    car = spawn_car(world)
    assert world.get_snapshot().find(car.id) is None
    world.tick()
    assert world.get_snapshot().find(car.id) is not None
    assert world.get_actors().find(car.id).type_id == "vehicle.tesla.model3"
    assert car.destroy()
    world.tick()
    assert world.get_snapshot().find(car.id) is None


def test_two_cars_dont_fit_in_one_place(world) -> None:
    car = spawn_car(world)
    world.tick()
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    assert world.try_spawn_actor(blueprint, car.get_transform()) is None
    place = world.get_map().get_spawn_points()[0]
    with pytest.raises(RuntimeError, match="Spawn failed because of collision at spawn position"):
        world.spawn_actor(blueprint, place)
    car.destroy()
    assert world.try_spawn_actor(blueprint, place) is not None


def test_a_sensor_of_another_kind_is_refused_with_words(world) -> None:
    lidar = world.get_blueprint_library().find("sensor.lidar.ray_cast")
    with pytest.raises(RuntimeError, match="can't be spawned"):
        world.spawn_actor(lidar, carla.Transform())


def test_a_picture_of_a_million_pixels_a_side_is_refused(world) -> None:
    camera = world.get_blueprint_library().find("sensor.camera.rgb")
    camera.set_attribute("image_size_x", "1000000")
    with pytest.raises(RuntimeError, match="1000000x600"):
        world.spawn_actor(camera, carla.Transform())


def test_a_car_stands_where_it_is_put(world) -> None:
    car = spawn_car(world)
    world.tick()
    car.set_transform(carla.Transform(carla.Location(100, 1.75, 0), carla.Rotation(yaw=90)))
    world.tick()
    where = car.get_transform()
    assert (where.location.x, where.location.y) == pytest.approx((100, 1.75), abs=1e-3)
    assert where.rotation.yaw == pytest.approx(90, abs=1e-3)


def test_throttle_moves_a_car_forward_and_steering_right_turns_it_right(world) -> None:
    car = spawn_car(world, 5)
    world.tick()
    start = car.get_transform()
    car.apply_control(carla.VehicleControl(throttle=0.6, steer=0.2))
    for _ in range(30):
        world.tick()
    moved = car.get_location() - start.location
    forward, right = start.get_forward_vector(), start.get_right_vector()
    assert moved.x * forward.x + moved.y * forward.y > 1.0
    assert moved.x * right.x + moved.y * right.y > 0.0
    assert car.get_control().throttle == pytest.approx(0.6)
    assert car.get_velocity().length() > 1.0
    assert car.get_angular_velocity().z > 0


def test_a_target_velocity_holds_at_once(world) -> None:
    car = spawn_car(world, 5)
    world.tick()
    ahead = car.get_transform().get_forward_vector()
    car.set_target_velocity(ahead * 10)
    world.tick()
    assert car.get_velocity().length() == pytest.approx(10, abs=0.5)


def test_physics_can_be_read_and_changed(world) -> None:
    car = spawn_car(world)
    world.tick()
    physics = car.get_physics_control()
    assert physics.wheels[0].max_steer_angle == pytest.approx(70)
    assert physics.steering_curve[0].y == 1.0
    physics.mass = 900.0
    wheels = physics.wheels
    for wheel in wheels[:2]:
        wheel.max_steer_angle = 35.0
    physics.wheels = wheels
    car.apply_physics_control(physics)
    changed = car.get_physics_control()
    assert changed.mass == 900.0
    assert changed.wheels[1].max_steer_angle == 35.0


def test_the_box_of_a_car_is_known_also_after_its_death(world) -> None:
    car = spawn_car(world)
    world.tick()
    assert car.bounding_box.extent.x == pytest.approx(2.3958, abs=1e-4)
    assert car.bounding_box.location.z == pytest.approx(0.7441, abs=1e-4)


def test_lights_come_back_as_they_were_set(world) -> None:
    car = spawn_car(world)
    car.set_light_state(carla.VehicleLightState(carla.VehicleLightState.LowBeam))
    world.tick()
    assert car.get_light_state() == carla.VehicleLightState.LowBeam
    assert len(world.get_vehicles_light_states()) == 1


def test_a_held_velocity_wins_over_brakes_until_it_is_released(world) -> None:
    car = spawn_car(world, 5)
    world.tick()
    car.enable_constant_velocity(carla.Vector3D(x=5))
    car.apply_control(carla.VehicleControl(brake=1.0))
    for _ in range(5):
        world.tick()
    assert car.get_velocity().length() == pytest.approx(5, abs=0.6)
    car.disable_constant_velocity()
    for _ in range(40):
        world.tick()
    assert car.get_velocity().length() == pytest.approx(0, abs=0.01)


def test_ackermann_control_reaches_its_speed(world) -> None:
    car = spawn_car(world, 10)
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=6.0))
    for _ in range(120):
        world.tick()
    assert car.get_velocity().length() == pytest.approx(6, abs=0.7)
    assert car.get_ackermann_controller_settings().speed_kp == pytest.approx(0.15)


def test_a_car_without_physics_stays(world) -> None:
    car = spawn_car(world, 5)
    world.tick()
    start = car.get_location()
    car.set_simulate_physics(False)
    car.apply_control(carla.VehicleControl(throttle=1.0))
    for _ in range(10):
        world.tick()
    assert car.get_location().distance(start) < 1e-3


def test_a_batch_spawns_drives_and_destroys(client, world) -> None:
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    points = world.get_map().get_spawn_points()
    drive = carla.command.ApplyVehicleControl(carla.command.FutureActor, carla.VehicleControl(1.0))
    spawns = [carla.command.SpawnActor(blueprint, points[i]).then(drive) for i in (5, 5, 9)]
    first, second, third = client.apply_batch_sync(spawns, True)
    assert second.error == "Spawn failed because of collision at spawn position"
    assert not first.error
    for _ in range(20):
        world.tick()
    cars = world.get_actors([first.actor_id, third.actor_id])
    assert all(car.get_velocity().length() > 1 for car in cars)
    ended = client.apply_batch_sync([carla.command.DestroyActor(car) for car in cars], True)
    assert [result.error for result in ended] == ["", ""]
    assert len(world.get_actors().filter("vehicle.*")) == 0


# ------------------------------------------------------------------ sensors


def test_two_hundred_ticks_of_two_cameras_have_the_right_frame_numbers(world, listen) -> None:
    car = spawn_car(world)
    size = {"image_size_x": "320", "image_size_y": "180"}
    colour = listen(car, "camera.rgb", **size)
    tags = listen(car, "camera.semantic_segmentation", **size)
    car.apply_control(carla.VehicleControl(throttle=0.3))
    for _ in range(200):
        frame = world.tick()
        assert colour.get().frame == frame
        assert tags.get().frame == frame
    assert colour.queue.empty()


def test_the_first_tick_after_listening_is_not_missed(world, listen) -> None:
    for _ in range(10):
        car = spawn_car(world)
        camera = listen(car, "camera.rgb", image_size_x="64", image_size_y="32")
        assert world.tick() == camera.get().frame
        camera.sensor.stop()
        camera.sensor.destroy()
        car.destroy()
        world.tick()


def test_cameras_send_colour_tags_and_metres(world, listen) -> None:
    car = spawn_car(world)
    size = {"image_size_x": "64", "image_size_y": "32", "fov": "70"}
    colour = listen(car, "camera.rgb", **size)
    tags = listen(car, "camera.semantic_segmentation", **size)
    depth = listen(car, "camera.depth", **size)
    world.set_weather(carla.WeatherParameters(cloudiness=33.0))
    world.tick()
    picture = colour.pixels()
    assert picture[0, 0, 2] == 33
    assert picture[0, 0, 1] == 1
    assert tags.pixels()[[0, -1], 0].tolist() == [[0, 0, 11, 255], [0, 0, 1, 255]]
    blue, green, red, _ = depth.pixels()[5, 5].astype(float)
    assert (red + green * 256 + blue * 65536) / (2**24 - 1) * 1000 == pytest.approx(25, abs=1e-3)


def test_a_picture_knows_its_camera(world, listen) -> None:
    car = spawn_car(world)
    camera = listen(car, "camera.rgb", image_size_x="64", image_size_y="32", fov="70")
    world.tick()
    image = camera.get()
    ahead = car.get_transform().transform(carla.Location(x=1.5, z=2.0))
    assert (image.width, image.height, image.fov) == (64, 32, 70.0)
    assert image.transform.location.distance(ahead) < 1e-3
    assert image.timestamp == pytest.approx(world.get_snapshot().timestamp.elapsed_seconds)
    assert camera.sensor.get_location().distance(ahead) < 1e-3


def test_a_sensor_tick_thins_the_pictures_out(world, listen) -> None:
    car = spawn_car(world)
    camera = listen(car, "camera.rgb", image_size_x="64", image_size_y="32", sensor_tick="0.15")
    first = world.tick()
    for _ in range(8):
        world.tick()
    frames = [camera.get().frame - first for _ in range(3)]
    assert frames == [0, 3, 6]
    assert camera.queue.empty()


def test_driving_into_a_parked_car_is_a_collision(world, listen) -> None:
    car = spawn_car(world)
    hits = listen(car, "other.collision")
    world.tick()
    start = car.get_location()
    car.apply_control(carla.VehicleControl(throttle=0.8))
    frames = [world.tick() for _ in range(120)]
    event = hits.get()
    assert event.actor.id == car.id
    assert (event.other_actor.id, event.other_actor.type_id) == (0, "static.car")
    assert event.normal_impulse.length() > 1000
    assert event.frame in frames
    assert start.distance(car.get_location()) < PARKED_AHEAD_M


def test_two_cars_that_meet_both_know(world, listen) -> None:
    behind = spawn_car(world, 5)
    place = world.get_map().get_spawn_points()[5]
    ahead = place.get_forward_vector()
    place.location += ahead * 12
    before = world.spawn_actor(world.get_blueprint_library().find("vehicle.audi.tt"), place)
    first, second = listen(behind, "other.collision"), listen(before, "other.collision")
    world.tick()
    behind.set_target_velocity(ahead * 20)
    for _ in range(20):
        world.tick()
    assert first.get().other_actor.id == before.id
    assert second.get().other_actor.id == behind.id


def test_lane_invasion_is_noticed_by_the_client(world, listen) -> None:
    car = spawn_car(world, 5)
    world.tick()
    invasions = listen(car, "other.lane_invasion")
    car.set_target_velocity(car.get_transform().get_right_vector() * -8)
    for _ in range(20):
        left = car.get_transform()
        left.location += left.get_right_vector() * -0.2
        car.set_transform(left)
        world.tick()
    markings = invasions.get().crossed_lane_markings
    assert {str(marking.type) for marking in markings} == {"Broken"}


def test_position_and_motion_sensors_report(world, listen) -> None:
    car = spawn_car(world)
    place, motion = listen(car, "other.gnss"), listen(car, "other.imu")
    world.tick()
    fix = place.get()
    assert (fix.latitude, fix.longitude) == pytest.approx((42.0, 2.0), abs=0.01)
    felt = motion.get()
    assert felt.accelerometer.z == pytest.approx(9.81, abs=0.01)


def test_a_stopped_sensor_can_listen_again(world, listen) -> None:
    car = spawn_car(world)
    camera = listen(car, "camera.rgb", image_size_x="64", image_size_y="32")
    world.tick()
    camera.get()
    camera.sensor.stop()
    world.tick()
    camera.sensor.listen(camera.queue.put)
    frame = world.tick()
    assert camera.get().frame == frame


def test_the_same_commands_give_the_same_pictures(client) -> None:
    def drive() -> list[bytes]:
        world = client.load_world("straight")
        make_synchronous(world)
        car = spawn_car(world, 5)
        camera = Listener(world, car, "camera.rgb", image_size_x="16", image_size_y="8")
        car.apply_control(carla.VehicleControl(throttle=0.7, steer=0.1))
        pictures = []
        for _ in range(30):
            world.tick()
            pictures.append(bytes(camera.get().raw_data))
        camera.sensor.stop()
        return pictures

    first = drive()
    assert len(set(first)) > 5
    assert first == drive()


# ------------------------------------------------------------------ several clients, and bad ones


def test_two_clients_see_one_world(server, world) -> None:
    other = connect(server).get_world()
    car = spawn_car(world)
    frame = other.tick()
    assert world.tick() == frame + 1
    assert other.get_actors().find(car.id).type_id == "vehicle.tesla.model3"
    other.get_actors().find(car.id).apply_control(carla.VehicleControl(throttle=1.0))
    for _ in range(20):
        world.tick()
    assert car.get_velocity().length() > 1


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 50, b"\xdd\xff\xff\xff\xff", b"\xc1", b""],
)
def test_garbage_on_the_rpc_port_leaves_the_server_running(server, client, garbage) -> None:
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as sender:
        sender.sendall(garbage)
        sender.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert sender.recv(100) == b""
    assert client.get_server_version() == "0.9.16"


def run_client(server: ServerProcess, script: str) -> subprocess.Popen[str]:
    head = f"""
        import carla, os, sys
        client = carla.Client("127.0.0.1", {server.port})
        client.set_timeout({TIMEOUT_S})
        world = client.get_world()
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, {DELTA_S}
    """
    code = textwrap.dedent(head) + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_client_that_is_killed_while_it_ticks_leaves_the_server_running(server, client) -> None:
    script = """
        world.apply_settings(settings)
        library = world.get_blueprint_library()
        place = world.get_map().get_spawn_points()[0]
        car = world.spawn_actor(library.find("vehicle.tesla.model3"), place)
        camera = world.spawn_actor(library.find("sensor.camera.rgb"), place, attach_to=car)
        camera.listen(lambda image: None)
        while True:
            print(world.tick(), flush=True)
    """
    with run_client(server, script) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.kill()
    world = connect(server).get_world()
    assert world.get_settings().synchronous_mode
    frame = world.tick()
    assert world.tick() == frame + 1
    assert len(world.get_actors().filter("vehicle.*")) == 1


@pytest.mark.slow
def test_a_traffic_manager_drives_a_car_along_its_lane(start_server) -> None:
    script = """
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        manager = client.get_trafficmanager(port)
        manager.set_synchronous_mode(True)
        world.apply_settings(settings)
        blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
        car = world.spawn_actor(blueprint, world.get_map().get_spawn_points()[3])
        world.tick()
        car.set_autopilot(True, port)
        town, worst = world.get_map(), 0.0
        for tick in range(400):
            world.tick()
            lane = town.get_waypoint(car.get_location()).transform.location
            worst = max(worst, lane.distance(car.get_location()))
        print("speed", car.get_velocity().length(), "worst", worst)
        car.set_autopilot(False, port)
        world.tick()
        car.destroy()
        world.tick()
        manager.set_synchronous_mode(False)
        sys.stdout.flush()
        os._exit(0)  # the wheel's own threads abort at a normal end
    """
    with start_server("curvy") as server, run_client(server, script) as process:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        speed, worst = re.findall(r"(?:speed|worst) ([0-9.]+)", output)
        assert float(speed) > 3.0, output
        assert float(worst) < 1.0, output


# ------------------------------------------------------------------ the process


@pytest.mark.slow
def test_it_ends_with_its_stdin_also_with_a_client_connected(start_server) -> None:
    with start_server("straight") as server:
        assert server.line == f"listening on 127.0.0.1:{server.port}, map straight, seed 0\n"
        world = connect(server).get_world()
        make_synchronous(world)
        world.tick()
        assert server.end() == 0
        assert server.process.stdout.read() == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(start_server, number) -> None:
    with start_server("straight") as server:
        server.process.send_signal(number)
        assert server.process.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "{taken}", "--map", "curvy"], "can't listen on 127.0.0.1:{taken}"),
        (["--port", "0", "--map", "no_such_map"], "no map 'no_such_map'"),
        (["--port", "99999", "--map", "curvy"], "99999"),
    ],
)
def test_what_it_cannot_serve_is_one_line_and_exit_code_2(server, arguments, message) -> None:
    words = [word.format(taken=server.port) for word in arguments]
    command = [sys.executable, "-m", "carla_saliency.server", *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 2
    assert message.format(taken=server.port) in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
