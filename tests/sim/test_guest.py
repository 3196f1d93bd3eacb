"""Somebody else's car: driven, or looked at, while its owner ticks. All through the real client."""

from __future__ import annotations

import os
import signal
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from carla_worlds import CONTRACT, ROLL, Server, drive, owning, serving

from carla_saliency.core import Control, Decision, EventKind
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.session import CarlaSession, SessionOverError, Waiting

pytestmark = pytest.mark.slow

POSE = [1.0, 1.6, -5.0]
SIZE = {"image_size_x": "160", "image_size_y": "90", "fov": "90"}
FITTING = [
    ["sensor.camera.rgb", SIZE, POSE],
    ["sensor.camera.semantic_segmentation", SIZE, POSE],
]
BOTH = pytest.mark.parametrize("synchronous", [True, False], ids=["sync", "async"])
STRAIGHT = Decision(Control(steering=0.1, throttle=0.5), "network", None)


# ------------------------------------------------------------------ driving their car


@BOTH
def test_a_car_of_somebody_else_is_driven_and_left_there(server: Server, synchronous: bool) -> None:
    with owning(server, synchronous=synchronous) as owner:
        car = owner.ask("spawn 3")
        before = owner.ask("tell")
        with CarlaSession(server.settings(attach="hero"), CONTRACT) as session:
            seen = drive(session, 40, STRAIGHT)
            during = owner.ask("tell")
        after = owner.ask("tell")
    assert session.info.ego_id == car
    assert session.guest == "attach"
    assert seen[-1].speed_mps > 3.0
    assert seen[-1].applied is None
    assert during["control"] == pytest.approx([0.5, 0.1, 0.0])
    assert len(during["actors"]) == 1 + 4
    assert after["actors"] == before["actors"] == ["vehicle.tesla.model3"]
    assert (after["weather"], after["settings"]) == (before["weather"], before["settings"])
    assert after["frame"] > during["frame"]  # the owner goes on
    assert after["control"] == [0.0, 0.0, 1.0]
    assert (
        session.restored
        == "Destroyed the 4 sensors that were added; left 'hero' where it is, braked."
    )
    assert threading.active_count() == 1


def test_a_driver_who_is_not_at_home_changes_neither_weather_nor_place(server: Server) -> None:
    with owning(server) as owner:
        owner.ask("spawn 3")
        before = owner.ask("tell")["weather"]
        with CarlaSession(server.settings(attach="hero"), CONTRACT) as session:
            assert session.next_weather() is None
            assert session.next_spawn_point() is None
            assert "somebody else's" in session.not_ours
            assert session.autopilot_trouble == session.not_ours
            autopilot = Decision(Control(throttle=0.3), "autopilot", None)
            seen = drive(session, 10, autopilot)
            assert owner.ask("tell")["control"] == pytest.approx([0.3, 0.0, 0.0])
        assert owner.ask("tell")["weather"] == before
    assert seen[-1].applied is None


def test_nobody_puts_their_car_back_and_an_intervention_is_told_once(server: Server) -> None:
    left = Decision(Control(steering=-0.4, throttle=0.4), "network", None)
    with owning(server, pace_s=0.005) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(attach="hero"), CONTRACT) as session:
            seen = drive(session, 100, left)
    kinds = [event.kind for observation in seen for event in observation.events]
    assert kinds.count(EventKind.INTERVENTION) == 1
    assert kinds.count(EventKind.LANE_DEPARTURE) == 1
    steps = [np.hypot(b.pose.x_m - a.pose.x_m, b.pose.y_m - a.pose.y_m) for a, b in pairwise(seen)]
    assert max(steps) < 5.0  # never put anywhere


def test_a_car_that_is_not_there_yet_is_waited_for(server: Server) -> None:
    waits: list[Waiting] = []
    with owning(server) as owner:

        def spawn_late(waiting: Waiting) -> None:
            waits.append(waiting)
            if len(waits) == 30:
                owner.ask("spawn 3")

        settings = server.settings(attach="hero", timeout_s=20.0)
        with CarlaSession(settings, CONTRACT, spawn_late) as session:
            assert drive(session, 5)[-1].frame.image.shape == (90, 160, 3)
    assert any(wait.what == "waiting for a car with the role name 'hero'" for wait in waits)


@pytest.mark.parametrize("how", ["attach", "follow"])
def test_a_car_that_never_comes_is_said_with_the_role_names_there_are(
    server: Server, how: str
) -> None:
    with owning(server, role="other") as owner:
        owner.ask("spawn 3")
        with (
            pytest.raises(BadInputError, match=r"role name 'hero' after 1 s; there are: other\."),
            CarlaSession(server.settings(**{how: "hero"}, timeout_s=1.0), CONTRACT),
        ):
            pass
    assert threading.active_count() == 1


def test_an_owner_who_stops_ticking_is_waited_for_and_given_up_after_the_time_out(
    server: Server,
) -> None:
    waits: list[Waiting] = []
    with owning(server) as owner:
        owner.ask("spawn 3")
        with CarlaSession(
            server.settings(attach="hero", timeout_s=3.0), CONTRACT, waits.append
        ) as session:
            drive(session, 5)
            owner.ask("pause")
            time.sleep(0.2)
            drive(session, 1)  # whatever was still on its way
            waits.clear()
            session.send(ROLL)
            with pytest.raises(SimulatorError, match="did not tick for 3 s"):
                session.receive()
            waiting = [one for one in waits if one.what == "waiting for the owner's tick"]
            assert len(waiting) >= 20
            assert waiting[-1].limit_s == 3.0
        owner.ask("go")
        assert owner.ask("tell")["actors"] == ["vehicle.tesla.model3"]


# ------------------------------------------------------------------ looking at their car


@BOTH
def test_the_owners_cameras_are_used_where_they_fit(server: Server, synchronous: bool) -> None:
    options = {"synchronous": synchronous, "control": [0.4, 0.05], "cameras": FITTING}
    with owning(server, **options) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            seen = drive(session, 40)
            during = owner.ask("tell")
            time.sleep(0.3)
        after = owner.ask("tell")
    assert "through the owner's cameras: nothing is added" in session.info.guest_text
    cameras = [name for name in during["actors"] if "camera" in name]
    assert len(cameras) == 2
    assert [name for name in after["actors"] if "camera" in name] == cameras
    assert after["pictures"] > during["pictures"]  # theirs go on
    assert seen[-1].applied is not None
    assert seen[-1].applied.throttle == pytest.approx(0.4)
    assert seen[-1].applied.steering == pytest.approx(0.05)
    assert seen[-1].frame.tags is not None
    assert {1, 11} <= set(np.unique(seen[-1].frame.tags))


@pytest.mark.parametrize(
    ("blueprint", "changes", "pose"),
    [
        ("sensor.camera.rgb", {"image_size_x": "320"}, POSE),
        ("sensor.camera.rgb", {"fov": "100"}, POSE),
        ("sensor.camera.rgb", {"sensor_tick": "0.2"}, POSE),
        ("sensor.camera.rgb", {}, [1.0, 1.7, -5.0]),
        ("sensor.camera.rgb", {}, [1.0, 1.6, -6.0]),
        ("sensor.camera.depth", {}, POSE),
    ],
    ids=["size", "field of view", "every fourth", "place", "pitch", "kind"],
)
def test_a_camera_that_does_not_fit_is_not_used(
    server: Server, blueprint: str, changes: dict[str, str], pose: list[float]
) -> None:
    cameras = [[blueprint, SIZE | changes, pose], FITTING[1]]
    with owning(server, cameras=cameras, pace_s=0.005) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            seen = drive(session, 5)
            during = owner.ask("tell")
        after = owner.ask("tell")
    assert "adds a camera of 160x90 to the server: " in session.info.guest_text
    assert session.info.guest_text.endswith("measured.")
    assert seen[-1].frame.image.shape == (90, 160, 3)
    assert (
        during["actors"].count("sensor.camera.rgb")
        == after["actors"].count("sensor.camera.rgb") + 1
    )


def test_a_spectator_steers_nothing_and_ticks_nothing(server: Server) -> None:
    with owning(server, control=[0.2, 0.0], cameras=FITTING, pace_s=0.1) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            before = owner.ask("tell")
            start_s = time.monotonic()
            drive(session, 5, STRAIGHT)
            took_s = time.monotonic() - start_s
            after = owner.ask("tell")
    assert after["control"] == pytest.approx([0.2, 0.0, 0.0])
    assert after["frame"] - before["frame"] <= took_s / 0.1 + 3  # no tick but the owner's


@BOTH
def test_a_slow_spectator_misses_ticks_and_queues_none(server: Server, synchronous: bool) -> None:
    options = {"synchronous": synchronous, "cameras": FITTING, "control": [0.3, 0.0]}
    with owning(server, **options) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            seen = [session.start().frame.frame_id]
            for _ in range(5):
                session.send(ROLL)
                time.sleep(0.4)  # at least eight ticks, however busy the machine
                seen.append(session.receive().frame.frame_id)
    assert min(b - a for a, b in pairwise(seen)) >= 4


def test_what_a_slow_spectator_gets_is_the_newest_tick(server: Server) -> None:
    got, newest = [], []
    with owning(server, cameras=FITTING, control=[0.3, 0.0]) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            for _ in range(8):
                session.send(ROLL)
                time.sleep(0.2)
                owner.ask("pause")
                newest.append(owner.ask("tell")["frame"])
                time.sleep(0.1)  # its pictures are on their way
                got.append(session.receive().frame.frame_id)
                owner.ask("go")
    assert got == newest


def test_a_spectator_waits_for_a_paused_owner_for_ever(server: Server) -> None:
    waits: list[Waiting] = []
    with owning(server, cameras=FITTING) as owner:

        def wake(waiting: Waiting) -> None:
            waits.append(waiting)
            if waiting.what == "waiting for the owner's tick" and waiting.waited_s > 3.0:
                owner.ask("go")

        owner.ask("spawn 3")
        settings = server.settings(follow="hero", timeout_s=1.0)
        with CarlaSession(settings, CONTRACT, wake) as session:
            drive(session, 3)
            owner.ask("pause")
            time.sleep(0.2)
            last = drive(session, 1)[-1].frame.frame_id
            session.send(ROLL)
            assert session.receive().frame.frame_id > last
    assert any(wait.limit_s == float("inf") for wait in waits)
    assert len(waits) > 40


def test_a_car_that_vanishes_is_replaced_by_the_next_one_or_the_session_is_over(
    server: Server,
) -> None:
    with owning(server, cameras=FITTING) as owner:
        owner.ask("spawn 3")
        settings = server.settings(follow="hero", timeout_s=2.0)
        with CarlaSession(settings, CONTRACT) as session:
            first = drive(session, 3)[-1]
            owner.ask("destroy")
            owner.ask("spawn 9")
            second = drive(session, 3)[-1]
            owner.ask("destroy")
            with pytest.raises(SessionOverError, match=r"'hero' is gone, and no other one came"):
                drive(session, 50)
    gone_m = np.hypot(second.pose.x_m - first.pose.x_m, second.pose.y_m - first.pose.y_m)
    assert gone_m > 20.0
    assert threading.active_count() == 1


def test_a_camera_that_the_owner_destroys_is_replaced(server: Server) -> None:
    with owning(server, cameras=FITTING) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            drive(session, 3)
            world = server.client().get_world()
            next(iter(world.get_actors().filter("sensor.camera.rgb"))).destroy()
            seen = drive(session, 5)
            assert owner.ask("tell")["actors"].count("sensor.camera.rgb") == 1
    assert seen[-1].frame.frame_id > seen[1].frame.frame_id


def test_another_map_of_the_owner_is_followed_too() -> None:
    with serving() as server, owning(server, cameras=FITTING) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            drive(session, 3)
            owner.ask("load country")
            owner.ask("spawn 5")
            seen = drive(session, 5)
        assert owner.ask("tell")["actors"].count("vehicle.tesla.model3") == 1
    assert seen[-1].lane is not None
    assert abs(seen[-1].lane.offset_m) < 0.5


@pytest.mark.parametrize("how", ["attach", "follow"])
def test_a_server_that_goes_ends_the_session(how: str) -> None:
    with serving() as server, owning(server) as owner:
        owner.ask("spawn 3")
        session = CarlaSession(server.settings(**{how: "hero"}), CONTRACT)

        def drive_on() -> None:
            with session:
                drive(session, 3)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
                drive(session, 300)

        with pytest.raises(SimulatorError, match="is gone: nothing listens there"):
            drive_on()
        owner.process.kill()
        owner.process.wait()
    assert session.restored.endswith("it does not answer any more.")
    assert threading.active_count() == 1


def test_a_spectator_sees_the_side_view_of_the_very_tick(server: Server) -> None:
    with owning(server, cameras=FITTING, control=[0.3, 0.0]) as owner:
        owner.ask("spawn 3")
        with CarlaSession(server.settings(follow="hero"), CONTRACT) as session:
            assert session.next_view() == "chase"
            views = [observation.view for observation in drive(session, 10)[3:]]
            assert owner.ask("tell")["actors"].count("sensor.camera.rgb") == 2
            while session.next_view() != "front":
                pass
            assert drive(session, 2)[-1].view is None
            assert owner.ask("tell")["actors"].count("sensor.camera.rgb") == 1
    assert sum(view is not None for view in views) >= 6
    assert all(view.name == "chase" for view in views if view is not None)


def test_where_nothing_is_rendered_nothing_can_be_seen(server: Server) -> None:
    with owning(server) as owner:
        owner.ask("spawn 3")
        world = server.client().get_world()
        settings = world.get_settings()
        settings.no_rendering_mode = True
        world.apply_settings(settings)
        with (
            pytest.raises(SimulatorError, match="turned rendering off"),
            CarlaSession(server.settings(follow="hero"), CONTRACT),
        ):
            pass
