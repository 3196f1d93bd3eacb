"""What a person may wish of a session while it drives: weather, places, views, the autopilot."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import carla
import numpy as np
import pytest
from carla_worlds import CONTRACT, ROLL, STAND, Server, drive, look, serving

from carla_saliency.core import Control, Decision, EventKind, Pose
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.session import CarlaSession, Waiting
from carla_saliency.sim.views import VIEWS, pose_of
from carla_saliency.sim.world import name_of, weather_after, weather_presets

pytestmark = pytest.mark.slow

AUTOPILOT = Decision(Control(brake=1.0), "autopilot", None)
ASTRAY = Decision(Control(steering=-0.5, throttle=0.5), "network", None)
CHILD = Path(__file__).with_name("autopilot_process.py")


# ------------------------------------------------------------------ weather


def test_the_presets_are_in_a_fixed_order_and_begin_again() -> None:
    names = list(weather_presets())
    assert names == sorted(names)
    assert len(names) == 22
    assert weather_after("ClearNight", 1) == "ClearNoon"
    assert weather_after(names[-1], 1) == names[0]
    assert weather_after(names[0], -1) == names[-1]
    assert (weather_after("", 1), weather_after("", -1)) == (names[0], names[-1])


@pytest.mark.parametrize("name", ["ClearNoon", "WetCloudySunset"])
def test_a_weather_is_recognised(name: str) -> None:
    assert name_of(getattr(carla.WeatherParameters, name)) == name
    assert name_of(carla.WeatherParameters(cloudiness=12.5)) == ""


def test_the_next_weather_is_there_in_the_next_tick_and_the_found_one_at_the_end(
    server: Server,
) -> None:
    watcher = server.client().get_world()
    found = str(watcher.get_weather())
    with CarlaSession(server.settings(weather="ClearNoon"), CONTRACT) as session:
        assert session.next_weather() == "ClearSunset"
        assert session.next_weather() == "CloudyNight"
        bright = session.start().frame.image.mean()
        dark = drive(session, 1)[-1].frame.image.mean()
        assert name_of(watcher.get_weather()) == "CloudyNight"
        assert session.next_weather(-1) == "ClearSunset"
    assert dark < 0.7 * bright
    assert str(watcher.get_weather()) == found


def test_the_first_weather_follows_the_one_that_was_found(server: Server) -> None:
    world = server.client().get_world()
    found = world.get_weather()
    world.set_weather(carla.WeatherParameters.WetNoon)
    try:
        with CarlaSession(server.settings(), CONTRACT) as session:
            assert session.next_weather() == "WetSunset"
        with CarlaSession(server.settings(), CONTRACT) as session:
            assert session.next_weather(-1) == "WetNight"
    finally:
        world.set_weather(found)


# ------------------------------------------------------------------ places


def test_the_next_spawn_point_is_taken_standing_and_its_lane_is_known(server: Server) -> None:
    points = server.client().get_world().get_map().get_spawn_points()
    with CarlaSession(server.settings(spawn=1), CONTRACT) as session:
        drive(session, 20)
        assert session.next_spawn_point() == 2
        session.send(STAND)
        seen = session.receive()
        assert session.next_spawn_point() == 3
    at = points[2].location
    assert np.hypot(seen.pose.x_m - at.x, seen.pose.y_m - at.y) < 0.1
    assert abs(seen.pose.z_m - (at.z - 0.5)) < 0.3  # on the road, not half a metre above
    assert seen.speed_mps == pytest.approx(0.0, abs=0.2)
    assert seen.events == ()
    assert seen.lane is not None
    assert abs(seen.lane.offset_m) < 0.2


def test_a_taken_spawn_point_is_left_out_and_after_the_last_comes_the_first(
    server: Server,
) -> None:
    client = server.client()
    world = client.get_world()
    points = world.get_map().get_spawn_points()
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    other = world.spawn_actor(blueprint, points[2])
    world.wait_for_tick(20.0)
    try:
        with CarlaSession(server.settings(spawn=1), CONTRACT) as session:
            assert session.next_spawn_point() == 3
        with CarlaSession(server.settings(spawn=len(points) - 1), CONTRACT) as session:
            assert session.next_spawn_point() == 0
    finally:
        other.destroy()
        world.wait_for_tick(20.0)


# ------------------------------------------------------------------ views


def test_views_go_round_and_their_pictures_are_of_the_same_tick(server: Server) -> None:
    seen = {}
    with CarlaSession(server.settings(spawn=0), CONTRACT) as session:
        own = drive(session, 10)[-1]
        for name in [*VIEWS[1:], VIEWS[0]]:
            assert session.next_view() == name
            observations = drive(session, 4)[1:]
            seen[name] = observations[-1]
            views = [observation.view for observation in observations]
            assert [view and view.name for view in views] == [None if name == "front" else name] * 4
        assert session.next_view(-1) == VIEWS[-1]
    chase, bird = seen["chase"].view, seen["bird"].view
    assert chase is not None
    assert bird is not None
    assert chase.image.shape == own.frame.image.shape
    assert red_part(chase.image) > 0.02  # the car itself
    assert red_part(own.frame.image) < 0.005
    assert red_part(bird.image) > 0.01


def red_part(image: np.ndarray) -> float:
    red, green, blue = (image[..., i].astype(int) for i in range(3))
    return float(((red > 120) & (red > 2 * green) & (red > 2 * blue)).mean())


def test_the_camera_of_a_view_is_there_only_while_it_is_wanted(server: Server) -> None:
    world = server.client().get_world()

    def cameras() -> int:
        return len(world.get_actors().filter("sensor.camera.rgb"))

    with CarlaSession(server.settings(), CONTRACT) as session:
        drive(session, 2)
        counts = []
        for _ in VIEWS:
            counts.append(cameras())
            session.next_view()
            drive(session, 2)
        assert counts == [1, 2, 2, 2]
        assert cameras() == 1
        session.next_view()
        drive(session, 2)  # and one is left for the end to destroy


def test_the_side_view_never_is_the_networks_picture(server: Server) -> None:
    with CarlaSession(server.settings(spawn=0, seed=3), CONTRACT) as session:
        plain = [observation.frame.image for observation in drive(session, 12, ROLL)]
    with CarlaSession(server.settings(spawn=0, seed=3), CONTRACT) as session:
        session.next_view()
        beside = [observation.frame.image for observation in drive(session, 12, ROLL)]
    assert all(np.array_equal(a, b) for a, b in zip(plain, beside, strict=True))


def test_a_larger_car_is_looked_at_from_further_away() -> None:
    small, large = (pose_of("chase", size) for size in ((2.4, 1.05, 0.75), (4.0, 1.4, 1.9)))
    assert small.x_m == pytest.approx(-5.5, abs=0.05)
    assert small.z_m == pytest.approx(2.8, abs=0.05)
    assert large.x_m < small.x_m
    assert large.z_m > small.z_m


def test_a_side_view_that_somebody_destroys_fails_no_tick(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = server.client().get_world()
    with CarlaSession(server.settings(timeout_s=1.0), CONTRACT) as session:
        own = {actor.id for actor in world.get_actors().filter("sensor.camera.rgb")}
        session.next_view()
        assert drive(session, 2)[-1].view is not None
        cameras = {actor.id: actor for actor in world.get_actors().filter("sensor.camera.rgb")}
        next(actor for number, actor in cameras.items() if number not in own).destroy()
        assert [one.view for one in drive(session, 3)[2:]] == [None, None]
        session.next_view(-1)
        drive(session, 2)
    assert "side view of frame" in caplog.text


# ------------------------------------------------------------------ autopilot


def test_the_autopilot_keeps_the_lane_of_the_town_and_gives_the_car_back() -> None:
    """In a process of its own: the client library ends one that leaves its threads running."""
    with serving("town") as server:
        before = look(server.client())
        ended = run_autopilot(server, "drive")
        after = look(server.client())
        assert ended.returncode == 0, ended.stderr
        assert "terminate" not in ended.stderr
        assert after == before
    numbers = dict(line.split() for line in ended.stdout.splitlines())
    assert float(numbers["speed_kmh"]) > 20.0
    assert float(numbers["worst_m"]) < 1.0
    assert int(numbers["applied"]) >= 199
    assert int(numbers["interventions"]) == 0
    assert numbers["back"] == "None"  # from the first tick on the control is ours


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_dies_under_the_autopilot_is_an_error_and_no_crash(how: str) -> None:
    with serving() as server:
        with subprocess.Popen(
            [sys.executable, str(CHILD), str(server.port), "wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "driving\n"
            time.sleep(1.0)  # amid a step of the autopilot the client library would end the process
            number = signal.SIGSTOP if how == "stop" else signal.SIGKILL
            os.kill(server.process.pid, number)
            out, err = child.communicate("go on\n", timeout=60)
        assert child.returncode == 0, err
        assert out.startswith("The CARLA server stopped answering"), out
        assert "terminate" not in err


def run_autopilot(server: Server, how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHILD), str(server.port), how]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_without_a_traffic_manager_the_driver_stays_and_one_line_says_why() -> None:
    calls = [f"{what}_traffic_manager_running" for what in ("is", "get", "add")]
    with serving(without=calls) as server, CarlaSession(server.settings(), CONTRACT) as session:
        assert session.autopilot_trouble == ""
        seen = drive(session, 30, Decision(Control(throttle=0.4), "autopilot", None))
        assert session.autopilot_trouble.startswith("CARLA's autopilot can't drive on this server")
        assert "\n" not in session.autopilot_trouble
    assert seen[-1].speed_mps > 1.0  # with the control of the decision
    assert seen[-1].applied is None


# ------------------------------------------------------------------ after an intervention


@pytest.mark.parametrize("on_failure", ["pause", "stop"])
def test_an_intervention_leaves_the_car_where_it_is_until_somebody_wants_it_back(
    server: Server, on_failure: str
) -> None:
    with CarlaSession(server.settings(spawn=0, on_failure=on_failure), CONTRACT) as session:
        seen = drive(session, 1)
        while not any(event.kind is EventKind.INTERVENTION for event in seen[-1].events):
            session.send(ASTRAY)
            seen.append(session.receive())
            assert len(seen) < 200
        failed = seen[-1]
        drive(session, 5, Decision(Control(brake=1.0), "network", None))
        stayed = drive(session, 30, STAND)[-1]
        session.put_back_now()
        back = drive(session, 1, STAND)[-1]
        session.put_back_now()  # once is enough
        then = drive(session, 2, STAND)[-1]
    assert failed.lane is not None
    assert abs(failed.lane.offset_m) > 1.0
    assert stayed.lane is not None
    assert abs(stayed.lane.offset_m) > 1.0
    assert back.lane is not None
    assert abs(back.lane.offset_m) < 0.3
    assert distance_m(then.pose, back.pose) < 2.0
    kinds = [event.kind for one in seen for event in one.events]
    assert kinds.count(EventKind.INTERVENTION) == 1


def test_the_expert_is_put_back_at_once_even_then(server: Server) -> None:
    astray = Decision(Control(steering=-0.5, throttle=0.5), "expert", None)
    with CarlaSession(server.settings(spawn=0, on_failure="stop"), CONTRACT) as session:
        seen = drive(session, 60, astray)
    offsets = [abs(one.lane.offset_m) for one in seen if one.lane is not None]
    assert any(before > 1.0 and after < 0.3 for before, after in pairwise(offsets))


def distance_m(a: Pose, b: Pose) -> float:
    return float(np.hypot(a.x_m - b.x_m, a.y_m - b.y_m))


# ------------------------------------------------------------------ what a server lacks


def test_without_a_semantic_camera_on_the_server_there_are_no_tags_and_a_reason() -> None:
    lacking = "sensor.camera.semantic_segmentation"
    with (
        serving(without=[lacking]) as server,
        CarlaSession(server.settings(), CONTRACT) as session,
    ):
        seen = drive(session, 3)[-1]
    assert seen.frame.tags is None
    assert session.info.semantic_trouble.startswith("this server has no semantic camera")


def test_with_a_semantic_camera_there_is_no_trouble(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        assert session.info.semantic_trouble == ""
        assert session.info.guest_text == session.not_ours == session.guest == ""


# ------------------------------------------------------------------ leaving


def test_a_window_is_woken_while_a_session_leaves_a_server_that_hangs() -> None:
    woken: list[Waiting] = []
    with (
        serving() as server,
        CarlaSession(server.settings(timeout_s=2.0), CONTRACT, woken.append) as session,
    ):
        drive(session, 3)
        os.kill(server.process.pid, signal.SIGSTOP)
        session.send(ROLL)
        woken.clear()
    assert len(woken) >= 20  # every 100 ms for 2 s
    assert woken[-1].what == "putting the server back"
    assert session.restored.endswith("it does not answer any more.")


def test_what_a_window_raises_meanwhile_does_not_break_the_leaving_off() -> None:
    with serving() as server:
        leaving = threading.Event()

        def on_wait(_waiting: Waiting) -> None:
            if leaving.is_set():
                raise KeyError("closed")

        def leave() -> None:
            with CarlaSession(server.settings(timeout_s=2.0), CONTRACT, on_wait) as session:
                sessions.append(session)
                drive(session, 3)
                os.kill(server.process.pid, signal.SIGSTOP)
                session.send(ROLL)
                leaving.set()

        sessions: list[CarlaSession] = []
        with pytest.raises(KeyError, match="closed"):
            leave()
        assert sessions[0].restored.endswith("it does not answer any more.")
        assert threading.active_count() == 1


def test_signals_during_the_leaving_wait_for_its_end() -> None:
    with serving() as server:
        sessions: list[CarlaSession] = []
        sent: list[float] = []

        def on_wait(waiting: Waiting) -> None:
            if waiting.what == "putting the server back" and not sent:
                sent.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)

        def leave() -> None:
            with CarlaSession(server.settings(timeout_s=1.0), CONTRACT, on_wait) as session:
                sessions.append(session)
                drive(session, 3)
                os.kill(server.process.pid, signal.SIGSTOP)

        with pytest.raises(KeyboardInterrupt):
            leave()
        assert sent
        assert sessions[0].restored.endswith("it does not answer any more.")


def test_a_frame_that_is_asked_for_after_the_end_is_refused(server: Server) -> None:
    with CarlaSession(server.settings(), CONTRACT) as session:
        drive(session, 1)
    with pytest.raises(SimulatorError, match="not open"):
        session.send(ROLL)
