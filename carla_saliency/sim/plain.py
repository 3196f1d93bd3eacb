"""What the library's objects hold, as plain numbers that a file can keep."""

from __future__ import annotations

from typing import Any

from carla_saliency.sim.connect import server_calls


def plain(value: Any) -> Any:
    """Return a number, text, list or dict (by attribute name) of the library's value."""
    if isinstance(value, bool | int | float | str):
        return value
    if value is None:
        return None
    if hasattr(value, "__iter__"):
        return [plain(one) for one in value]
    names = [name for name in dir(value) if not name.startswith("_")]
    return {name: plain(got) for name in names if not callable(got := getattr(value, name))}


def physics_of(vehicle: Any) -> dict[str, Any]:
    """Return a vehicle's physics control by the names that CARLA gives its values.

    Raises:
        SimulatorError: If the server fails.
    """
    with server_calls("reading the car's physics"):
        return dict(plain(vehicle.get_physics_control()))


def weather_now(world: Any) -> dict[str, float]:
    """Return the weather's values by name, for example {"cloudiness": 10.0}.

    Raises:
        SimulatorError: If the server fails.
    """
    with server_calls("reading the weather"):
        weather = world.get_weather()
    names = [name for name in dir(weather) if not name.startswith("_")]
    values = {name: getattr(weather, name) for name in names}  # the presets are among them
    return {name: value for name, value in values.items() if isinstance(value, int | float)}
