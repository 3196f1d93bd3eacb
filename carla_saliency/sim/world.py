"""The world as it was found: its map, its settings, its weather, and how they are put back."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import carla

from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.connect import server_calls

logger = logging.getLogger(__name__)

_MOST_SUBSTEPS = 16  # CARLA's own limit
LOADING_S = 120.0  # Unreal takes this long for a large town on a slow disk


def read_opendrive(path: Path) -> str:
    """Return the text of an OpenDRIVE file after a first look at it.

    Raises:
        BadInputError: If it's missing, not XML, not OpenDRIVE, or without a road.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text.encode())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"--map must be a readable OpenDRIVE file: {path}: {error}") from None
    except ElementTree.ParseError as error:
        raise BadInputError(
            f"--map must be an OpenDRIVE file, {path} is not XML: {error}"
        ) from None
    if root.tag != "OpenDRIVE":
        raise BadInputError(f"--map must be OpenDRIVE, {path} is XML of the kind <{root.tag}>")
    if root.find("road") is None:
        raise BadInputError(f"--map must have a road, {path} has none")
    return text


def last_part(map_name: str) -> str:
    """Return "Town01" for "/Game/Carla/Maps/Town01"."""
    return map_name.replace("\\", "/").rsplit("/", 1)[-1]


def opendrive_of(map_name: str | None) -> str | None:
    """Return the text of the file, if the map is given as a file and not as a name.

    Raises:
        BadInputError: If the file isn't a map.
    """
    if map_name is None or not map_name.lower().endswith(".xodr"):
        return None
    return read_opendrive(Path(map_name))


def choose_map(
    client: Any, world: Any, map_name: str | None, opendrive: str | None, timeout_s: float
) -> Any:
    """Return a world with the wanted map; loads one only where it must.

    Args:
        client: Of the server.
        world: As it is now, asynchronous.
        map_name: A map's name, or None for the map that is there.
        opendrive: The text of a map of our own, instead.
        timeout_s: Is set again after the loading, which may take longer.

    Raises:
        BadInputError: If the server has no such map.
        SimulatorError: If the server can't load it.
    """
    if map_name is None:
        return world
    if opendrive is not None:
        with _patience(client, timeout_s), server_calls(f"building the map {map_name}"):
            # Settings are not reset: they're put back at the end as they were found.
            parameters = carla.OpendriveGenerationParameters()
            return client.generate_opendrive_world(opendrive, parameters, False)
    with server_calls("asking for the map"):
        loaded = last_part(world.get_map().name)
    if loaded.casefold() == last_part(map_name).casefold():
        return world
    with server_calls("asking for the list of maps"):
        maps = {last_part(name): name for name in client.get_available_maps()}
    by_lower = {name.casefold(): full for name, full in maps.items()}
    if (full_name := by_lower.get(last_part(map_name).casefold())) is None:
        raise BadInputError(
            f"The server has no map {map_name!r}. It has: {', '.join(sorted(maps)) or 'none'}."
        )
    logger.info("Loading the map %s (was %s).", last_part(full_name), loaded)
    with _patience(client, timeout_s), server_calls(f"loading the map {map_name}"):
        return client.load_world(full_name, False)


@contextmanager
def _patience(client: Any, timeout_s: float) -> Iterator[None]:
    client.set_timeout(max(timeout_s, LOADING_S))
    yield
    client.set_timeout(timeout_s)


def weather_presets() -> dict[str, carla.WeatherParameters]:
    """Return CARLA's weather presets by name, in the order of the alphabet as CARLA's example."""
    presets = {
        preset: value
        for preset, value in vars(carla.WeatherParameters).items()
        if isinstance(value, carla.WeatherParameters) and preset != "Default"
    }
    return dict(sorted(presets.items()))


def weather_after(name: str, by: int) -> str:
    """Return the name of the preset so many places after another; begins again after the last.

    Args:
        name: Of a preset. After any other weather comes the first, and before it the last.
        by: At least 1, or at most -1.
    """
    names = list(weather_presets())
    at = names.index(name) if name in names else (-1 if by > 0 else 0)
    return names[(at + by) % len(names)]


def name_of(weather: carla.WeatherParameters) -> str:
    """Return the name of the preset that a weather is; "" if it is none."""
    return next((name for name, preset in weather_presets().items() if preset == weather), "")


def weather_named(name: str) -> carla.WeatherParameters:
    """Return one of CARLA's weather presets, for example "ClearNoon".

    Raises:
        BadInputError: If there's none of this name.
    """
    presets = weather_presets()
    by_lower = {preset.casefold(): value for preset, value in presets.items()}
    if (weather := by_lower.get(name.casefold())) is None:
        close = difflib.get_close_matches(name, presets, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise BadInputError(
            f"There is no weather {name!r}.{hint} There are: {', '.join(sorted(presets))}."
        )
    return weather


def weather_of(values: Mapping[str, float]) -> carla.WeatherParameters:
    """Return ClearNoon with some of its parameters changed, by CARLA's names.

    Raises:
        ValueError: If there's no such parameter.
    """
    weather = carla.WeatherParameters()  # the presets are shared objects: never change one
    for name in dir(preset := weather_named("ClearNoon")):
        if isinstance(value := getattr(preset, name), float):
            setattr(weather, name, value)
    for name, value in values.items():
        if not hasattr(weather, name):
            raise ValueError(f"there is no weather parameter {name!r}")
        setattr(weather, name, value)
    return weather


class FoundWorld:
    """What a world was like on arrival.

    Args:
        world: As it is found; nothing is changed here.
        take_over: Whether a world that is synchronous already may be used.

    Attributes:
        taken_over: It was synchronous.

    Raises:
        SimulatorError: If it's synchronous and mustn't be used.
    """

    def __init__(self, world: Any, take_over: bool) -> None:
        with server_calls("reading the world's settings"):
            self._settings = world.get_settings()
        self.taken_over = bool(self._settings.synchronous_mode)
        if self.taken_over:
            if not take_over:
                raise SimulatorError(
                    "The world is already synchronous: another client is ticking it. Stop that "
                    "client, or pass --take-over if it is gone (the world is then left "
                    "asynchronous)."
                )
            self._settings.synchronous_mode = False
            self._settings.fixed_delta_seconds = None
        self._weather: Any = None

    def release(self, world: Any) -> None:
        """Make a world that was taken over asynchronous, so that a map can be loaded."""
        with server_calls("making the world asynchronous"):
            world.apply_settings(self._settings)

    def synchronise(self, world: Any, delta_s: float) -> None:
        """Let the world wait for our ticks, each of `delta_s` simulated seconds."""
        with server_calls("making the world synchronous"):
            settings = world.get_settings()
            settings.synchronous_mode = True
            settings.no_rendering_mode = False  # a camera would stay black
            settings.fixed_delta_seconds = delta_s
            fit_substeps(settings, delta_s)
            world.apply_settings(settings)

    def change_weather(self, world: Any, weather: carla.WeatherParameters) -> None:
        """Set a weather, and remember the one that was found."""
        with server_calls("changing the weather"):
            if self._weather is None:
                self._weather = world.get_weather()
            world.set_weather(weather)

    def put_back(self, world: Any) -> str:
        """Set everything as it was; return one line that says so."""
        with server_calls("putting its settings back"):
            if self._weather is not None:
                world.set_weather(self._weather)
            world.apply_settings(self._settings)
        delta_s = self._settings.fixed_delta_seconds
        delta = "none" if not delta_s else f"{delta_s:g} s"
        weather = "" if self._weather is None else ", the weather as it was"
        return f"Server settings put back: sync off, delta {delta}{weather}."


def fit_substeps(settings: Any, delta_s: float) -> None:
    """Allow more physics steps where a tick is longer than all of them: CARLA goes wrong there."""
    longest_s, most = settings.max_substep_delta_time, settings.max_substeps
    if not settings.substepping or delta_s <= longest_s * most + 1e-9:
        return
    settings.max_substeps = min(_MOST_SUBSTEPS, math.ceil(delta_s / longest_s - 1e-9))
    settings.max_substep_delta_time = max(longest_s, delta_s / settings.max_substeps)
    logger.info(
        "A tick of %g s is longer than %d physics steps of %g s: for now there are %d of %g s.",
        delta_s,
        most,
        longest_s,
        settings.max_substeps,
        settings.max_substep_delta_time,
    )
