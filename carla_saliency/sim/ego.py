"""The ego vehicle: which one, where it starts, what it is."""

from __future__ import annotations

import difflib
import logging
import random
from typing import Any

import numpy as np

from carla_saliency.core import Car
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.connect import server_calls

logger = logging.getLogger(__name__)

_LEAST_WHEELBASE_M = 0.5


def choose_blueprint(world: Any, pattern: str, rolename: str) -> Any:
    """Return the first vehicle, by name, that matches CARLA's wildcard pattern.

    Raises:
        BadInputError: If none does; the line lists close ones.
    """
    with server_calls("asking for its vehicles"):
        library = world.get_blueprint_library()
    vehicles = sorted(library.filter("vehicle.*"), key=lambda blueprint: blueprint.id)
    wanted = {blueprint.id for blueprint in library.filter(pattern)}
    matches = [blueprint for blueprint in vehicles if blueprint.id in wanted]
    if not matches:
        names = [blueprint.id for blueprint in vehicles]
        close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4) or names[:3]
        raise BadInputError(
            f"No vehicle matches --filter {pattern!r}. Close ones: {', '.join(close) or 'none'}."
        )
    if len(matches) > 1:
        logger.info("%d vehicles match %s: taking %s.", len(matches), pattern, matches[0].id)
    blueprint = matches[0]
    if blueprint.has_attribute("role_name"):
        blueprint.set_attribute("role_name", rolename)
    return blueprint


def spawn(world: Any, blueprint: Any, index: int | None, seed: int | None) -> tuple[Any, int]:
    """Return the new vehicle and the index of its spawn point.

    Args:
        world: Where.
        blueprint: What.
        index: Of the spawn point; None takes a free one.
        seed: Of the order in which they're tried; None draws one.

    Raises:
        BadInputError: If there's no such spawn point.
        SimulatorError: If it's taken, or all are.
    """
    with server_calls("asking for the spawn points"):
        points = world.get_map().get_spawn_points()
    if not points:
        raise SimulatorError("The map has no spawn points: use one with a driving lane.")
    if index is not None and not 0 <= index < len(points):
        raise BadInputError(f"--spawn must be in 0..{len(points) - 1}, received {index}")
    order = list(range(len(points))) if index is None else [index]
    if index is None:
        random.Random(seed).shuffle(order)
    for candidate in order:
        with server_calls("spawning the car"):
            vehicle = world.try_spawn_actor(blueprint, points[candidate])
            if vehicle is None:  # taken; or no answer, which this call doesn't tell from it
                world.get_settings()
        if vehicle is not None:
            return vehicle, candidate
    if index is not None:
        raise BadInputError(
            f"Spawn point {index} is taken: give another --spawn, or none for a free one."
        )
    raise SimulatorError(
        f"All {len(points)} spawn points are taken: destroy some vehicles, or load a larger map."
    )


def read_car(vehicle: Any) -> Car:
    """Return what a vehicle is, from its physics control; it must have been in a tick.

    Raises:
        SimulatorError: If its wheels make no sense.
    """
    with server_calls("reading the car's physics"):
        physics = vehicle.get_physics_control()
        extent = vehicle.bounding_box.extent
        to_vehicle = np.array(vehicle.get_transform().get_inverse_matrix())
    # Wheel positions are centimetres in the world.
    positions_m = [
        [w.position.x / 100, w.position.y / 100, w.position.z / 100] for w in physics.wheels
    ]
    axle_m = np.array([(to_vehicle @ [*position, 1.0])[0] for position in positions_m])
    locks_deg = np.array([wheel.max_steer_angle for wheel in physics.wheels])
    wheelbase_m, rear_m, lock_deg = _axles(axle_m, locks_deg)
    if wheelbase_m < _LEAST_WHEELBASE_M or lock_deg <= 0.0:
        raise SimulatorError(
            f"{vehicle.type_id} must have two axles, one of them steered; the server says "
            f"wheelbase {wheelbase_m:.2f} m, steering {lock_deg:.1f} deg. Take another --filter."
        )
    # The wire has 32 bit floats at the car's place in the world: the same car must read the same.
    points = sorted((round(p.x, 3), round(p.y, 4)) for p in physics.steering_curve)
    return Car(
        blueprint=vehicle.type_id,
        max_steer_deg=round(lock_deg, 3),
        wheelbase_m=round(wheelbase_m, 2),
        rear_axle_m=round(rear_m, 2),
        steering_curve=tuple(points) or ((0.0, 1.0),),
        length_m=round(2.0 * extent.x, 3),
        width_m=round(2.0 * extent.y, 3),
    )


def _axles(axle_m: np.ndarray, locks_deg: np.ndarray) -> tuple[float, float, float]:
    """Return wheelbase, x of the rear axle, steering angle of the front wheels."""
    if axle_m.size < 2:
        return 0.0, 0.0, 0.0
    front = axle_m > axle_m.mean()
    if not front.any():
        return 0.0, 0.0, 0.0
    rear_m = float(axle_m[~front].mean())
    return float(axle_m[front].mean()) - rear_m, rear_m, float(locks_deg[front].max())
