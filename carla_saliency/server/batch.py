"""Several commands in one call (`apply_batch`), each done by the method that does it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carla_saliency.errors import CarlaSaliencyError, ProtocolError
from carla_saliency.server.nouns import Transform
from carla_saliency.server.wire.codec import decode
from carla_saliency.server.wire.msgpack_rpc import failed, ok
from carla_saliency.server.wire.structs import (
    AckermannControl,
    ActorDescription,
    LightState,
    Vector,
)
from carla_saliency.server.world.handling import Handling
from carla_saliency.server.world.vehicle import PhysicsControl, VehicleControl
from carla_saliency.server.world.world import World

_SPAWN = 0
# Description, place, optional parent, attachment, socket, commands for the new actor. The
# attachment is uninitialised memory in most clients, so it must not be looked at.
_SPAWN_FIELDS = tuple[ActorDescription, Transform, int | None, object, str, tuple[object, ...]]

_Command = tuple[Callable[..., object], tuple[Any, ...]]


class Batch:
    """Executes commands.

    Args:
        world: Where.
        handling: Of its vehicles.
    """

    def __init__(self, world: World, handling: Handling) -> None:
        self._world = world
        self._commands = _table(world, handling)

    def run(self, commands: tuple[object, ...]) -> list[list[Any]]:
        """Execute commands in their order; one that fails does not stop the others.

        Args:
            commands: As they came, each `[[index, [actor id, ...]]]`.

        Returns:
            For each the id of its actor, wrapped for the wire, or its error.
        """
        return [self._response(command) for command in commands]

    def _response(self, command: object, new_id: int = 0) -> list[Any]:
        try:
            return ok(self._execute(command, new_id))
        except CarlaSaliencyError as error:
            return failed(str(error))

    def _execute(self, command: object, new_id: int) -> int:
        match command:
            case [[int(index), list(payload)]]:
                pass
            case _:
                raise ProtocolError(f"expected [[index, payload]], received {repr(command)[:60]}")
        if index == _SPAWN:
            return self._spawn(payload)
        if index not in self._commands or not payload or not isinstance(payload[0], int):
            raise ProtocolError(f"no command {index} with {len(payload)} fields is known")
        call, kinds = self._commands[index]
        if len(payload) != 1 + len(kinds):
            raise ProtocolError(
                f"command {index} must have {1 + len(kinds)} fields, received {len(payload)}"
            )
        actor_id = payload[0] or new_id  # 0 stands for the actor that was just spawned
        call(actor_id, *(decode(kind, raw) for kind, raw in zip(kinds, payload[1:], strict=True)))
        return actor_id

    def _spawn(self, payload: list[Any]) -> int:
        description, place, parent_id, _, _, then = decode(_SPAWN_FIELDS, payload)
        actor_id = self._world.spawn(description, place, parent_id or 0).id
        for command in then:
            self._response(command, actor_id)  # CARLA too answers with the spawn's result alone
        return actor_id


def _table(world: World, handling: Handling) -> dict[int, _Command]:
    """Return index -> (method, types of its arguments after the actor's id)."""

    def exists(actor_id: int, *_: object) -> None:
        world.actors.get(actor_id)

    return {
        1: (world.destroy, ()),
        2: (handling.apply_control, (VehicleControl,)),
        3: (handling.apply_ackermann, (AckermannControl,)),
        5: (handling.set_physics, (PhysicsControl,)),
        6: (world.set_transform, (Transform,)),
        8: (handling.set_velocity, (Vector,)),
        9: (handling.set_angular_velocity, (Vector,)),
        10: (handling.add_impulse, (Vector,)),
        11: (handling.add_force, (Vector,)),
        12: (exists, (Vector,)),  # angular impulse and torque: wheels decide how a vehicle turns
        13: (exists, (Vector,)),
        14: (handling.set_simulated, (bool,)),
        15: (exists, (bool,)),  # gravity
        16: (exists, (bool,)),  # autopilot: the client's Traffic Manager drives, not the server
        17: (exists, (bool,)),  # telemetry on Unreal's screen
        18: (lambda actor_id, flags: handling.set_lights(actor_id, LightState(flags)), (int,)),
    }
