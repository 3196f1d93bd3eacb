from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest
from stand_in_server import stand_in_parts

from carla_saliency.server.nouns import Transform
from carla_saliency.server.service import IGNORED, REFUSED, Service
from carla_saliency.server.traffic_managers import Caller, TrafficManagers
from carla_saliency.server.wire.codec import encode
from carla_saliency.server.wire.msgpack_rpc import Request
from carla_saliency.server.wire.structs import ActorDescription, EpisodeSettings
from carla_saliency.server.world.vehicle import VehicleControl
from carla_saliency.server.world.world import World

ME, OTHER = Caller(1, "10.0.0.1"), Caller(2, "10.0.0.2")
CAR = encode(ActorDescription(1, "vehicle.tesla.model3", ()))


class Desk:
    """A service, what it asked for, and short words to call it."""

    def __init__(self) -> None:
        self.world = World(stand_in_parts(), "straight", seed=0, episode_id=1, stream_port=2001)
        self.ticks = 0
        self.expected: list[tuple[Caller, int]] = []
        self.service = Service(self.world, self._tick, self._expect)
        self.place = encode(self.world.map_info().spawn_points[0])

    def _tick(self) -> int:
        self.ticks += 1
        self.world.tick(0.05, 0.0, ())
        return self.world.frame

    def _expect(self, caller: Caller, stream_id: int) -> None:
        self.expected.append((caller, stream_id))

    def response(self, method: str, *args: object, caller: Caller = ME) -> list[Any]:
        # Through msgpack, as arguments come.
        plain = msgpack.unpackb(msgpack.packb(args, use_bin_type=True))
        answer = msgpack.unpackb(self.service.answer(caller, Request(5, method, tuple(plain))))
        assert answer[:2] == [1, 5]
        return [answer[2], answer[3]]

    def value(self, method: str, *args: object, caller: Caller = ME) -> Any:
        error, result = self.response(method, *args, caller=caller)
        assert error is None
        assert result[0][0] == 1, result
        return result[0][1]

    def spawn(self) -> int:
        return int(self.value("spawn_actor", CAR, self.place)[0])


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.world.close()


def test_a_call_with_a_value_is_wrapped_with_it(desk: Desk) -> None:
    assert desk.response("version") == [None, [[1, "0.9.16"]]]


def test_a_call_without_a_value_is_wrapped_without_an_error(desk: Desk) -> None:
    assert desk.response("draw_debug_shape", 1, 2, 3) == [None, [[False]]]


def test_an_error_is_wrapped_as_the_method_wants_it(desk: Desk) -> None:
    text = "unable to find actor 99: it was destroyed or never lived"
    assert desk.response("destroy_actor", 99) == [None, [[0, [text]]]]
    control = encode(VehicleControl())
    assert desk.response("apply_control_to_vehicle", 99, control) == [None, [[True, [text]]]]


def test_an_unknown_method_is_an_rpc_error_and_logged_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        error, result = desk.response("make_coffee")
        assert "make_coffee" in error
        assert result is None
    assert caplog.text.count("make_coffee") == 1


def test_an_unforeseen_exception_is_a_response_and_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(desk.service, "_methods", {"tick_cue": desk.service._methods["tick_cue"]})
    object.__setattr__(desk.service._methods["tick_cue"], "call", fail)
    with caplog.at_level(logging.ERROR):
        _, result = desk.response("tick_cue")
    assert result[0][0] == 0
    assert "planted" in result[0][1][0]
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    "args",
    [
        (),
        (1,),
        ("x",),
        (None, None),
        (-1, []),
        ([], {}),
        (1 << 63,),
        (1.5, "y", [[]]),
        (b"\x00",) * 9,
    ],
)
def test_every_method_answers_whatever_it_is_sent(desk: Desk, args: tuple[object, ...]) -> None:
    desk.spawn()
    for method in desk.service._methods:
        error, result = desk.response(method, *args)
        assert error is not None or isinstance(result, list), method
    assert desk.world.tick(0.05, 0.0, ())


def test_what_is_ignored_and_what_is_refused(desk: Desk) -> None:
    for method in IGNORED:
        assert desk.response(method, 1, 2)[1] == [[False]]
    for method in REFUSED:
        assert "needs CARLA's own" in desk.response(method, "x")[1][0][1][0]


def test_settings_are_answered_with_a_frame_that_was(desk: Desk) -> None:
    desk.value("tick_cue")
    settings = EpisodeSettings(synchronous_mode=True, fixed_delta_s=0.05)
    assert desk.value("set_episode_settings", encode(settings)) == 1
    assert desk.value("get_episode_settings") == encode(settings)


def test_asking_for_a_token_announces_a_subscription(desk: Desk) -> None:
    (token,) = desk.value("get_sensor_token", 7, caller=OTHER)
    assert len(token) == 24
    assert desk.expected == [(OTHER, 7)]


def test_the_settings_that_a_spawned_car_has_are_those_of_its_blueprint(desk: Desk) -> None:
    number = desk.spawn()
    physics = desk.value("get_physics_control", number)
    assert desk.response("apply_physics_control", number, physics) == [None, [[False]]]
    assert desk.value("get_physics_control", number) == physics
    assert desk.value("get_actor_bounding_box", number)[3] == number


# ------------------------------------------------------------------ batches


def batch(desk: Desk, *commands: object, tick: bool = False) -> list[Any]:
    error, result = desk.response("apply_batch", list(commands), tick)
    assert error is None
    return list(result)


def spawn_command(desk: Desk, *then: object) -> list[Any]:
    garbage = 248  # the attachment is not initialised in most clients
    return [[0, [CAR, desk.place, [False], garbage, "", list(then)]]]


def test_a_batch_answers_every_command_even_when_one_fails(desk: Desk) -> None:
    control = encode(VehicleControl(throttle=1.0))
    results = batch(
        desk,
        spawn_command(desk, [[2, [0, control]]], [[18, [0, 3]]]),
        spawn_command(desk),
        [[2, [99, control]]],
        [[99, [1]]],
        [[2, [1]]],
        "nonsense",
    )
    assert [result[0][0] for result in results] == [1, 0, 0, 0, 0, 0]
    assert results[1] == [[0, ["Spawn failed because of collision at spawn position"]]]
    vehicle = desk.world.actors.vehicle(results[0][0][1])
    assert vehicle.body.control.throttle == 1.0
    assert vehicle.lights == 3


def test_every_command_of_a_batch_does_what_its_call_does(desk: Desk) -> None:
    number = desk.spawn()
    vector = [1.0, 2.0, 0.0]
    commands = {
        3: [number, [0.1, 0.0, 5.0, 0.0, 0.0]],
        5: [number, desk.value("get_physics_control", number)],
        6: [number, encode(Transform(60.0, 1.75))],
        8: [number, vector],
        9: [number, vector],
        10: [number, vector],
        11: [number, vector],
        12: [number, vector],
        13: [number, vector],
        14: [number, False],
        15: [number, True],
        16: [number, True],
        17: [number, True],
        18: [number, 8],
        1: [number],
    }
    results = batch(desk, *([[index, payload]] for index, payload in commands.items()))
    assert results == [[[1, number]]] * len(commands)
    assert desk.world.actors.find(number) is None


def test_a_batch_ticks_if_asked(desk: Desk) -> None:
    batch(desk, tick=True)
    assert desk.ticks == 1


def test_a_batch_that_is_none_is_an_rpc_error(desk: Desk) -> None:
    error, _ = desk.response("apply_batch", 5, False)
    assert "expected" in error


# ------------------------------------------------------------------ traffic managers


def test_a_traffic_manager_is_found_at_its_clients_real_address(desk: Desk) -> None:
    assert desk.value("get_traffic_manager_running", 8000) == ["", 0]
    assert desk.value("add_traffic_manager_running", ["192.0.2.2", 8000]) is True
    assert desk.value("add_traffic_manager_running", ["192.0.2.2", 8000], caller=OTHER) is False
    assert desk.value("is_traffic_manager_running", 8000) is True
    assert desk.value("get_traffic_manager_running", 8000, caller=OTHER) == ["10.0.0.1", 8000]


def test_a_traffic_manager_is_forgotten_with_its_client(desk: Desk) -> None:
    desk.value("add_traffic_manager_running", ["x", 8000])
    desk.value("add_traffic_manager_running", ["x", 8001], caller=OTHER)
    desk.service.forget(ME)
    assert desk.value("is_traffic_manager_running", 8000) is False
    assert desk.value("is_traffic_manager_running", 8001) is True


def test_the_registry_does_not_grow_without_limit() -> None:
    managers = TrafficManagers()
    assert [managers.add(ME, ("", port)) for port in range(300)].count(True) == 256
