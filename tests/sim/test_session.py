"""Sessions through the real client, against the embedded server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest
from carla_worlds import CONTRACT, ROLL, STAND, Server, drive, look, serving, settings_of

from carla_saliency.core import Control, Decision, EventKind, Pose
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.poses import to_pose
from carla_saliency.sim.session import CarlaSession, Waiting

pytestmark = pytest.mark.slow

CHILD = """
import signal, sys
from carla_saliency.core import Contract, Control, Decision, Pose
from carla_saliency.sim.poses import to_pose
from carla_saliency.sim.session import CarlaSession, SessionSettings

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
contract = Contract("test", Pose(1.0, 0.0, 1.6), 160, 90, 90.0, (30, 90, 0, 160), 66, 200)
settings = SessionSettings(port=int(sys.argv[1]), weather="WetSunset", timeout_s=20.0)
try:
    with CarlaSession(settings, contract) as session:
        print("driving", flush=True)
        while True:
            session.send(Decision(Control(throttle=0.4), "network", None))
            session.receive()
finally:
    print(session.restored, flush=True)
"""


@contextmanager
def lived_in(server: Server) -> Iterator[dict[str, Any]]:
    """A world with settings of its own, a weather of its own, and somebody else's car."""
    client = server.client()
    world = client.get_world()
    found, weather = world.get_settings(), world.get_weather()
    settings = world.get_settings()
    settings.max_substeps = 7
    settings.max_culling_distance = 321.0
    settings.actor_active_distance = 1234.0
    settings.no_rendering_mode = True
    world.apply_settings(settings)
    world.set_weather(carla.WeatherParameters(cloudiness=42.0, fog_density=3.0))
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    blueprint.set_attribute("role_name", "hero")
    other = world.spawn_actor(blueprint, world.get_map().get_spawn_points()[0])
    for _ in range(40):
        world.wait_for_tick(20.0)
    try:
        yield look(client)
    finally:
        other.destroy()
        world.apply_settings(found)
        world.set_weather(weather)
        world.wait_for_tick(20.0)


def test_two_hundred_ticks_have_every_frame_number_right(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        seen = drive(session, 200)
        assert session.start() is seen[-1]
    frames = [observation.frame for observation in seen]
    assert [frame.frame_id - frames[0].frame_id for frame in frames] == list(range(201))
    assert all(frame.image.shape == (90, 160, 3) for frame in frames)
    assert all(frame.tags is not None and frame.tags.shape == (90, 160) for frame in frames)
    assert all(b.sim_s - a.sim_s == pytest.approx(0.05) for a, b in pairwise(frames))
    assert len({frame.image.tobytes() for frame in frames}) > 100  # the car moves
    assert seen[0].speed_mps == pytest.approx(0.0, abs=0.1)
    assert seen[-1].speed_mps > 3.0
    assert threading.active_count() == 1


def test_the_pictures_show_a_road_and_a_sky_in_red_green_blue(server: Server) -> None:
    with CarlaSession(server.settings(spawn=0, weather="ClearNoon"), CONTRACT) as session:
        frame = session.start().frame
    assert frame.tags is not None
    assert {1, 11} <= set(np.unique(frame.tags))  # road and sky of CARLA 0.9.14 on
    red, _, blue = frame.image[frame.tags == 11].mean(axis=0)
    assert blue > red


def test_the_car_is_read_from_its_physics(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        car = session.car
    assert car.blueprint == "vehicle.tesla.model3"
    assert 30.0 < car.max_steer_deg <= 90.0
    assert 2.5 < car.wheelbase_m < 3.3
    assert -2.0 < car.rear_axle_m < -1.0
    assert 4.0 < car.length_m < 5.5
    assert 1.6 < car.width_m < 2.3
    assert car.steering_factor(0.0) == pytest.approx(1.0)


def test_the_session_says_what_it_became(server: Server) -> None:
    with CarlaSession(server.settings(spawn=3, fps=10.0), CONTRACT) as session:
        info = session.info
    assert (info.server_version, info.client_version) == ("0.9.16", "0.9.16")
    assert (info.map_name, info.spawn_index) == (server.map_name, 3)
    assert (info.delta_s, info.seed, info.weather) == (0.1, 1, None)


def test_the_same_seed_starts_at_the_same_place(server: Server) -> None:
    with CarlaSession(server.settings(seed=5), CONTRACT) as session:
        first = session.info.spawn_index
    with CarlaSession(server.settings(seed=5), CONTRACT) as session:
        assert session.info.spawn_index == first


def test_without_a_semantic_camera_there_are_no_tags(server: Server) -> None:
    with CarlaSession(server.settings(semantic=False, camera=(64, 36)), CONTRACT) as session:
        frame = drive(session, 3)[-1].frame
    assert frame.tags is None
    assert frame.image.shape == (36, 64, 3)


def test_a_placed_car_is_there_in_the_next_frame(server: Server) -> None:
    with CarlaSession(server.settings(spawn=0), CONTRACT) as session:
        point = server.client().get_world().get_map().get_spawn_points()[2]
        at, turn = point.location, point.rotation
        session.place(Pose(at.x, at.y, 0.0, 0.0, turn.yaw), speed_mps=6.0)
        session.send(ROLL)
        seen = session.receive()
    assert np.hypot(seen.pose.x_m - at.x, seen.pose.y_m - at.y) < 0.6
    assert seen.pose.yaw_deg == pytest.approx(turn.yaw, abs=2.0)
    assert seen.speed_mps == pytest.approx(6.0, abs=0.8)


def test_the_lane_is_seen(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        lane = session.start().lane
    assert lane is not None
    assert abs(lane.offset_m) < 0.5
    assert abs(lane.heading_error_deg) < 10.0


@contextmanager
def parked(server: Server) -> Iterator[Callable[[float], Pose]]:
    """Somebody else's standing car; gives the pose so many metres behind it in its lane."""
    client = server.client()
    world = client.get_world()
    carla_map = world.get_map()
    point = carla_map.get_spawn_points()[0]
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    car = world.spawn_actor(blueprint, point)
    world.wait_for_tick(20.0)

    def behind(distance_m: float) -> Pose:
        waypoint = carla_map.get_waypoint(point.location).previous(distance_m)[0]
        return to_pose(waypoint.transform)

    try:
        yield behind
    finally:
        car.destroy()
        world.wait_for_tick(20.0)


def test_a_car_ahead_in_the_lane_is_seen(server: Server) -> None:
    with parked(server) as behind, CarlaSession(server.settings(), CONTRACT) as session:
        session.place(behind(15.0))
        lanes = [observation.lane for observation in drive(session, 5, STAND)[1:]]
    for lane in lanes:
        assert lane is not None
        assert lane.gap_m == pytest.approx(15.0 - 4.8, abs=0.8)
        assert lane.ahead_speed_mps == pytest.approx(0.0, abs=0.1)


def test_a_collision_is_an_event_and_the_car_is_put_back(server: Server) -> None:
    with parked(server) as behind, CarlaSession(server.settings(), CONTRACT) as session:
        session.place(behind(16.0), speed_mps=8.0)
        seen = drive(session, 1)
        while not seen[-1].events:
            lane = seen[-1].lane
            assert lane is not None
            bend = session.car.wheelbase_m * float(lane.path_curvature[0])
            steering = bend - 0.3 * lane.offset_m - 0.03 * lane.heading_error_deg
            session.send(Decision(Control(steering, throttle=0.4), "network", None))
            seen.append(session.receive())
        seen += drive(session, 2, STAND)[1:]
    hit, after = seen[-3], seen[-2]
    assert [event.kind for event in hit.events] == [EventKind.COLLISION, EventKind.INTERVENTION]
    assert np.hypot(after.pose.x_m - hit.pose.x_m, after.pose.y_m - hit.pose.y_m) > 8.0
    assert after.frame.frame_id == hit.frame.frame_id + 1
    assert seen[-1].events == ()


def test_a_normal_exit_puts_everything_back(server: Server) -> None:
    with lived_in(server) as before:
        with CarlaSession(server.settings(weather="WetSunset"), CONTRACT) as session:
            drive(session, 20)
            inside = settings_of(server.client().get_world())
        assert look(server.client()) == before
    assert inside["synchronous_mode"]
    assert inside["fixed_delta_seconds"] == pytest.approx(0.05)
    assert session.restored == (
        "Server settings put back: sync off, delta none, the weather as it was."
    )


def test_a_fixed_delta_that_was_there_is_put_back(server: Server) -> None:
    world = server.client().get_world()
    found = world.get_settings()
    changed = world.get_settings()
    changed.fixed_delta_seconds = 0.02
    world.apply_settings(changed)
    with CarlaSession(server.settings(), CONTRACT) as session:
        drive(session, 3)
    assert world.get_settings().fixed_delta_seconds == pytest.approx(0.02)
    assert session.restored == "Server settings put back: sync off, delta 0.02 s."
    world.apply_settings(found)


def test_an_exception_puts_everything_back_and_is_not_hidden(server: Server) -> None:
    with lived_in(server) as before:
        session = CarlaSession(server.settings(weather="WetSunset"), CONTRACT)

        def fail() -> None:
            with session:
                session.send(ROLL)  # and never received
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert look(server.client()) == before
    assert threading.active_count() == 1


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGTERM, signal.SIGINT]]
)
def test_a_signal_puts_everything_back(server: Server, signals: list[signal.Signals]) -> None:
    with lived_in(server) as before:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(server.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "driving\n"
            for number in signals:
                child.send_signal(number)
            out, err = child.communicate(timeout=60)
        assert out.startswith("Server settings put back: sync off"), err
        assert child.returncode == (143 if signals == [signal.SIGTERM] else -signal.SIGINT), err
        assert look(server.client()) == before


def test_a_synchronous_world_belongs_to_somebody_else(server: Server) -> None:
    world = server.client().get_world()
    found = settings_of(world)
    taken = world.get_settings()
    taken.synchronous_mode, taken.fixed_delta_seconds = True, 0.05
    world.apply_settings(taken)
    with (
        pytest.raises(SimulatorError, match="already synchronous: another client is ticking it"),
        CarlaSession(server.settings(), CONTRACT),
    ):
        pass
    assert world.get_settings().synchronous_mode
    with CarlaSession(server.settings(take_over=True), CONTRACT) as session:
        drive(session, 5)
    assert settings_of(world) == found


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"map_name": "Town99"}, r"has no map 'Town99'\. It has: .*curvy"),
        ({"map_name": "gone.xodr"}, "gone.xodr"),
        ({"weather": "Sunny"}, "no weather 'Sunny'"),
        ({"filter": "vehicle.tesla.modell3"}, "Close ones: vehicle.tesla.model3"),
        ({"spawn": 99999}, r"--spawn must be in 0\.\."),
        ({"spawn": -1}, r"--spawn must be in 0\.\."),
    ],
)
def test_what_the_server_does_not_have_is_said_in_one_line(
    server: Server, changes: dict[str, Any], complaint: str
) -> None:
    with (
        pytest.raises(BadInputError, match=complaint) as refused,
        CarlaSession(server.settings(**changes), CONTRACT),
    ):
        pass
    assert "\n" not in str(refused.value)
    assert threading.active_count() == 1


def test_a_taken_spawn_point_is_said_and_another_one_is_found(server: Server) -> None:
    with lived_in(server):
        with (
            pytest.raises(BadInputError, match="Spawn point 0 is taken"),
            CarlaSession(server.settings(spawn=0), CONTRACT),
        ):
            pass
        with CarlaSession(server.settings(), CONTRACT) as session:
            assert session.info.spawn_index != 0


def test_naming_the_loaded_map_does_not_load_it_again(server: Server) -> None:
    episode = server.client().get_world().id
    with CarlaSession(server.settings(map_name=server.map_name.upper()), CONTRACT):
        assert server.client().get_world().id == episode


def test_a_car_that_somebody_destroys_is_noticed(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        drive(session, 3)
        server.client().get_world().get_actor(session.info.ego_id).destroy()
        with pytest.raises(SimulatorError, match="another client destroyed it"):
            drive(session, 3)


def test_a_window_is_woken_while_the_server_hangs_and_the_time_out_is_one_line() -> None:
    woken: list[tuple[float, Waiting]] = []

    def on_wait(waiting: Waiting) -> None:
        woken.append((time.monotonic(), waiting))

    with (
        serving() as server,
        CarlaSession(server.settings(timeout_s=2.0), CONTRACT, on_wait) as session,
    ):
        drive(session, 3)
        woken.clear()
        os.kill(server.process.pid, signal.SIGSTOP)
        session.send(ROLL)
        with pytest.raises(SimulatorError, match="stopped answering while waiting for the next"):
            session.receive()
    waits = [waiting for _, waiting in woken if waiting.what == "waiting for the next frame"]
    assert len(waits) >= 20  # every 100 ms for 2 s
    assert waits[-1].limit_s == 2.0
    assert waits[-1].server == f"127.0.0.1:{server.port}"
    assert session.restored == (
        "The server could not be put back as it was: it does not answer any more."
    )
    assert threading.active_count() == 1


def test_a_killed_server_does_not_hide_the_error_that_came_first() -> None:
    with serving() as server:
        session = CarlaSession(server.settings(timeout_s=5.0), CONTRACT)

        def fail() -> None:
            with session:
                drive(session, 3)
                server.process.kill()
                server.process.wait()
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
    assert session.restored.endswith("it does not answer any more.")


def test_another_map_is_loaded_by_name_and_from_a_file(tmp_path: Path) -> None:
    with serving() as server:
        names = [name.rsplit("/", 1)[-1] for name in server.client().get_available_maps()]
        other = next(name for name in names if name != server.map_name)
        with CarlaSession(server.settings(map_name=other), CONTRACT) as session:
            assert session.info.map_name == other
            drive(session, 5)
        path = tmp_path / "own.xodr"
        path.write_text(server.client().get_world().get_map().to_opendrive())
        with CarlaSession(server.settings(map_name=str(path)), CONTRACT) as session:
            drive(session, 5)
        assert not server.client().get_world().get_settings().synchronous_mode
