"""The server as users start it, with its own maps, scenery and renderer, and the real client."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections.abc import Iterator

import carla
import numpy as np
import pytest
from server_process import ServerProcess

from carla_saliency.server.nouns import Tag

pytestmark = pytest.mark.slow

TIMEOUT_S = 60.0
SIZE = {"image_size_x": "160", "image_size_y": "90"}


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    command = [sys.executable, "-m", "carla_saliency.server", "--port", "0", "--map", "curvy"]
    command += ["--seed", "3", "--end-with-stdin"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield ServerProcess(process)
        finally:
            process.kill()


@pytest.fixture
def client(server: ServerProcess) -> carla.Client:
    client = carla.Client("127.0.0.1", server.port)
    client.set_timeout(TIMEOUT_S)
    return client


def drive(client: carla.Client, ticks: int) -> dict[str, list[np.ndarray]]:
    """Return the pictures of three cameras on a car that drives, in a fresh world."""
    world = client.load_world("curvy")
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    library = world.get_blueprint_library()
    place = world.get_map().get_spawn_points()[0]
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), place)
    cameras, arrived = {}, {}
    for kind in ("rgb", "semantic_segmentation", "depth"):
        blueprint = library.find(f"sensor.camera.{kind}")
        for name, value in SIZE.items():
            blueprint.set_attribute(name, value)
        spot = carla.Transform(carla.Location(x=1.5, z=2.0))
        cameras[kind] = world.spawn_actor(blueprint, spot, attach_to=car)
        arrived[kind] = queue.Queue()
        cameras[kind].listen(arrived[kind].put)
    car.apply_control(carla.VehicleControl(throttle=0.5))
    pictures: dict[str, list[np.ndarray]] = {kind: [] for kind in cameras}
    for _ in range(ticks):
        frame = world.tick()
        for kind, images in arrived.items():
            image = images.get(timeout=TIMEOUT_S)
            assert image.frame == frame
            raw = np.frombuffer(image.raw_data, np.uint8)
            pictures[kind].append(raw.reshape(image.height, image.width, 4).copy())
    for camera in cameras.values():
        camera.stop()
    return pictures


def test_a_car_sees_the_road_before_it_and_the_sky_above(client: carla.Client) -> None:
    pictures = drive(client, 2)
    colour, tags, depth = (pictures[kind][-1] for kind in pictures)
    assert colour[..., :3].std() > 10
    assert tags[-20:, 60:100, 2].tolist().count([Tag.ROADS] * 40) > 10
    assert (tags[0, :, 2] == Tag.SKY).mean() > 0.3
    blue, green, red, _ = depth.astype(np.float64).transpose(2, 0, 1)
    metres = (red + green * 256 + blue * 65536) / (2**24 - 1) * 1000
    assert metres[-1, 80] < metres[-20, 80] < metres[0, 80]
    # A flat road 2 m below a camera with a view of 90 degrees, at the bottom row's centre.
    assert metres[-1, 80] == pytest.approx(2.0 / (44.5 / 80), rel=0.05)


def test_the_same_drive_gives_the_same_pictures_bit_for_bit(client: carla.Client) -> None:
    first, second = drive(client, 10), drive(client, 10)
    for kind, pictures in first.items():
        assert all(np.array_equal(a, b) for a, b in zip(pictures, second[kind], strict=True))
        assert not np.array_equal(pictures[0], pictures[-1])


def test_every_shipped_map_can_be_loaded_and_driven_on(client: carla.Client) -> None:
    for name in client.get_available_maps():
        world = client.load_world(name)
        assert world.get_map().name == f"Carla/Maps/{name.rsplit('/', 1)[1]}"
        blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
        spawned = [
            world.try_spawn_actor(blueprint, point) for point in world.get_map().get_spawn_points()
        ]
        assert sum(car is not None for car in spawned) >= min(10, len(spawned))
        before = world.wait_for_tick(TIMEOUT_S).frame
        assert world.wait_for_tick(TIMEOUT_S).frame > before
