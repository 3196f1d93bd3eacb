"""The table RPC name -> what is done, and the one place where a call becomes a response."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from carla_saliency.errors import BadInputError, CarlaSaliencyError, ProtocolError
from carla_saliency.server.batch import Batch
from carla_saliency.server.nouns import Transform, Weather
from carla_saliency.server.traffic_managers import Caller, TrafficManagers
from carla_saliency.server.wire import msgpack_rpc
from carla_saliency.server.wire.codec import decode, encode
from carla_saliency.server.wire.msgpack_rpc import Request
from carla_saliency.server.wire.structs import (
    AckermannControl,
    AckermannSettings,
    ActorDescription,
    EpisodeSettings,
    LightState,
    OpendriveGenerationParameters,
    Token,
    Vector,
)
from carla_saliency.server.world.handling import Handling
from carla_saliency.server.world.vehicle import PhysicsControl, VehicleControl
from carla_saliency.server.world.world import World

VERSION = "0.9.16"
"""Of CARLA, whose protocol this is; the client warns about any other."""

IGNORED = (
    *("draw_debug_shape", "clear_debug_shape", "clear_debug_string"),
    *("set_annotations_traverse_translucency", "show_vehicle_debug_telemetry"),
    *("update_lights_state", "update_day_night_cycle", "enable_environment_objects"),
    *("load_map_layer", "unload_map_layer"),
    *("set_traffic_light_state", "freeze_all_traffic_lights", "reset_traffic_light_group"),
    *("set_traffic_light_green_time", "set_traffic_light_yellow_time"),
    *("set_traffic_light_red_time", "reset_all_traffic_lights"),
    *("set_actor_enable_gravity", "set_actor_autopilot", "add_actor_torque"),
    *("add_actor_angular_impulse", "set_wheel_steer_direction", "set_wheel_pitch_angle"),
    *("open_vehicle_door", "close_vehicle_door", "set_ignored_vehicles"),
    *("enable_sensor_for_ros", "disable_sensor_for_ros"),
    *("stop_recorder", "stop_replayer", "set_replayer_time_factor"),
    *("set_replayer_ignore_hero", "set_replayer_ignore_spectator"),
)
"""Calls that change nothing here: there are no traffic lights, doors, debug shapes, layers."""

REFUSED = (
    *("start_recorder", "replay_file", "show_recorder_file_info", "show_recorder_collisions"),
    *("show_recorder_actors_blocked", "request_file"),
    *("apply_color_texture_to_objects", "apply_float_color_texture_to_objects"),
)
"""Calls whose result can't be made up."""

_MAX_LOGGED_NAMES = 100
_ANY_ARGUMENTS = None
_logger = logging.getLogger(__name__)


class _Wrap(Enum):
    VALUE = auto()
    VOID = auto()
    BARE = auto()  # of all methods only apply_batch


@dataclass(frozen=True, slots=True)
class _Method:
    call: Callable[..., object]
    args: tuple[Any, ...] | None
    wrap: _Wrap = _Wrap.VALUE
    wants_caller: bool = False


def _value(call: Callable[..., object], *args: Any) -> _Method:
    return _Method(call, args)


def _void(call: Callable[..., object], *args: Any) -> _Method:
    return _Method(call, args, _Wrap.VOID)


class Service:
    """Answers calls.

    Args:
        world: What they are about.
        tick: Makes one tick, sends its messages, returns its frame number.
        expect: Told that a client is about to subscribe to a stream.
    """

    def __init__(
        self, world: World, tick: Callable[[], int], expect: Callable[[Caller, int], None]
    ) -> None:
        self._world = world
        self._tick = tick
        self._expect = expect
        self._handling = Handling(world.actors)
        self._batch = Batch(world, self._handling)
        self._managers = TrafficManagers()
        self._methods = {
            **self._session_methods(),
            **self._actor_methods(),
            **self._vehicle_methods(),
            **{name: _Method(_nothing, _ANY_ARGUMENTS, _Wrap.VOID) for name in IGNORED},
            **{name: _Method(_refuse(name), _ANY_ARGUMENTS) for name in REFUSED},
        }
        self._unknown: set[str] = set()

    def answer(self, caller: Caller, request: Request) -> bytes:
        """Do what a call asks for; return the bytes of its response, whatever happens."""
        method = self._methods.get(request.method)
        if method is None:
            self._log_unknown(request.method)
            text = f"this server has no method {request.method[:80]!r}"
            return msgpack_rpc.error_response(request.id, text)
        try:
            result = encode(self._call(method, caller, request))
            wrapped = {
                _Wrap.VALUE: msgpack_rpc.ok(result),
                _Wrap.VOID: msgpack_rpc.done(),
                _Wrap.BARE: result,
            }[method.wrap]
            return msgpack_rpc.response(request.id, wrapped)
        except CarlaSaliencyError as error:
            return _error(method, request, str(error))
        except Exception as error:
            _logger.exception("%s failed", request.method)
            return _error(method, request, f"{request.method} failed in the server: {error!r}")

    def forget(self, caller: Caller) -> None:
        """Forget what a client that has gone registered."""
        self._managers.forget(caller)

    def _call(self, method: _Method, caller: Caller, request: Request) -> object:
        first = (caller,) if method.wants_caller else ()
        if method.args is None:
            return method.call(*first, *request.args)
        if len(request.args) != len(method.args):
            raise ProtocolError(
                f"{request.method} must have {len(method.args)} arguments, "
                f"received {len(request.args)}"
            )
        pairs = zip(method.args, request.args, strict=True)
        return method.call(*first, *[decode(kind, raw) for kind, raw in pairs])

    def _log_unknown(self, name: str) -> None:
        if name not in self._unknown and len(self._unknown) < _MAX_LOGGED_NAMES:
            self._unknown.add(name)
            _logger.warning("a client called %r, which this server does not have", name[:80])

    # -------------------------------------------------------------- the table

    def _session_methods(self) -> dict[str, _Method]:
        world, managers = self._world, self._managers
        return {
            "version": _value(lambda: VERSION),
            "get_available_maps": _value(world.available_maps),
            "get_episode_info": _value(world.episode_info),
            "get_episode_settings": _value(lambda: world.settings),
            "set_episode_settings": _value(world.apply_settings, EpisodeSettings),
            "get_map_info": _value(world.map_info),
            "get_map_data": _value(world.map_data),
            "get_required_files": _value(lambda _: [], str),
            "get_navigation_mesh": _value(lambda: b""),
            "tick_cue": _value(self._tick),
            "load_new_episode": _void(
                lambda name, reset, _: world.load_map(name, reset), str, bool, int
            ),
            "copy_opendrive_to_file": _void(
                lambda xodr, _: world.keep_sent_map(xodr), str, OpendriveGenerationParameters
            ),
            "get_actor_definitions": _value(world.definitions),
            "get_spectator": _value(world.spectator),
            "get_weather_parameters": _value(lambda: world.weather),
            "set_weather_parameters": _void(world.set_weather, Weather),
            "query_lights_state": _value(lambda _: [], str),
            "get_all_level_BBs": _value(lambda _: [], int),
            "get_environment_objects": _value(lambda _: [], int),
            "get_names_of_all_objects": _value(list),
            "project_point": _value(world.project, Vector, Vector, float),
            "cast_ray": _value(world.cast, Vector, Vector),
            "get_sensor_token": _Method(self._sensor_token, (int,), wants_caller=True),
            "is_sensor_enabled_for_ros": _value(lambda _: False, int),
            "is_traffic_manager_running": _value(managers.is_running, int),
            "get_traffic_manager_running": _value(managers.address, int),
            "add_traffic_manager_running": _Method(
                managers.add, (tuple[str, int],), wants_caller=True
            ),
            "destroy_traffic_manager": _void(managers.remove, int),
            "apply_batch": _Method(self._apply_batch, (tuple[object, ...], bool), _Wrap.BARE),
        }

    def _actor_methods(self) -> dict[str, _Method]:
        world = self._world

        def spawn_with_parent(
            description: ActorDescription, place: Transform, parent_id: int, *_: object
        ) -> object:
            return world.spawn(description, place, parent_id)

        return {
            "get_actors_by_id": _value(world.infos, tuple[int, ...]),
            "spawn_actor": _value(world.spawn, ActorDescription, Transform),
            "spawn_actor_with_parent": _value(
                spawn_with_parent, ActorDescription, Transform, int, object, str
            ),
            "destroy_actor": _value(world.destroy, int),
            "get_actor_bounding_box": _value(world.actors.box, int),
            "set_actor_location": _void(world.set_location, int, Vector),
            "set_actor_transform": _void(world.set_transform, int, Transform),
            "set_actor_collisions": _void(world.set_collisions, int, bool),
            "set_actor_simulate_physics": _void(self._handling.set_simulated, int, bool),
            "set_actor_dead": _void(lambda _: None, int),
            "get_group_traffic_lights": _value(lambda _: [], int),
            "get_light_boxes": _value(lambda _: [], int),
        }

    def _vehicle_methods(self) -> dict[str, _Method]:
        do = self._handling
        return {
            "apply_control_to_vehicle": _void(do.apply_control, int, VehicleControl),
            "apply_ackermann_control_to_vehicle": _void(do.apply_ackermann, int, AckermannControl),
            "get_ackermann_controller_settings": _value(do.ackermann_settings, int),
            "apply_ackermann_controller_settings": _void(
                do.set_ackermann_settings, int, AckermannSettings
            ),
            "set_actor_target_velocity": _void(do.set_velocity, int, Vector),
            "set_actor_target_angular_velocity": _void(do.set_angular_velocity, int, Vector),
            "enable_actor_constant_velocity": _void(do.hold_velocity, int, Vector),
            "disable_actor_constant_velocity": _void(do.release_velocity, int),
            "add_actor_impulse": _void(do.add_impulse, int, Vector),
            "add_actor_force": _void(do.add_force, int, Vector),
            "add_actor_impulse_at_location": _void(
                lambda actor_id, impulse, _: do.add_impulse(actor_id, impulse), int, Vector, Vector
            ),
            "add_actor_force_at_location": _void(
                lambda actor_id, force, _: do.add_force(actor_id, force), int, Vector, Vector
            ),
            "get_physics_control": _value(do.physics, int),
            "apply_physics_control": _void(do.set_physics, int, PhysicsControl),
            "get_telemetry_data": _value(do.telemetry, int),
            "get_vehicle_light_state": _value(do.lights, int),
            "set_vehicle_light_state": _void(do.set_lights, int, LightState),
            "get_vehicle_light_states": _value(do.all_lights),
            "get_wheel_steer_angle": _value(do.wheel_angle, int, int),
            "get_wheel_pitch_angle": _value(lambda *_: 0.0, int, int),
        }

    def _sensor_token(self, caller: Caller, stream_id: int) -> Token:
        token = self._world.stream_token(stream_id)
        self._expect(caller, stream_id)
        return token

    def _apply_batch(self, commands: tuple[object, ...], do_tick: bool) -> object:
        results = self._batch.run(commands)
        if do_tick:
            self._tick()
        return results


def _error(method: _Method, request: Request, text: str) -> bytes:
    if method.wrap is _Wrap.VOID:
        return msgpack_rpc.response(request.id, msgpack_rpc.not_done(text))
    if method.wrap is _Wrap.VALUE:
        return msgpack_rpc.response(request.id, msgpack_rpc.failed(text))
    return msgpack_rpc.error_response(request.id, text)


def _nothing(*_: object) -> None:
    pass


def _refuse(name: str) -> Callable[..., object]:
    def refuse(*_: object) -> object:
        raise BadInputError(f"{name} is not possible with this server; it needs CARLA's own")

    return refuse
