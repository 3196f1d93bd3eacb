"""The maps that a server can show: by name, from a file, or sent by a client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import (
    Camera,
    DrawnActor,
    Obstacle,
    ParkedCar,
    Pixels,
    RoadNetwork,
    Weather,
)
from carla_saliency.server.world.vehicle import Ground

SENT_MAP = "OpenDriveMap"
"""What clients call the map that they sent as text."""


class Scene(Protocol):
    """What the world must know of the scenery; the renderer knows more."""

    @property
    def obstacles(self) -> tuple[Obstacle, ...]:
        """What vehicles hit."""

    @property
    def parked(self) -> tuple[ParkedCar, ...]:
        """Cars that are no actors."""


class Renderer(Protocol):
    """Draws; must be made and used in one thread."""

    def load(self, scene: Any) -> None:
        """Show this scenery, made by the `build_scene` that belongs to it, from now on."""

    def render(self, camera: Camera, actors: Sequence[DrawnActor], weather: Weather) -> Pixels:
        """Return what a camera sees."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The makers of what a world is put together from.

    Attributes:
        map_names: Names of the shipped maps, the default first.
        load_map: A shipped map, or a file; BadInputError if it can't be used.
        network_from_xodr: A map from its name and OpenDRIVE text.
        make_ground: Heights of a map.
        build_scene: Scenery of a map, from a seed.
        make_renderer: Called once, in the world's thread.
    """

    map_names: Callable[[], tuple[str, ...]]
    load_map: Callable[[str], RoadNetwork]
    network_from_xodr: Callable[[str, str], RoadNetwork]
    make_ground: Callable[[RoadNetwork], Ground]
    build_scene: Callable[[RoadNetwork, int], Scene]
    make_renderer: Callable[[], Renderer]


def real_parts() -> Parts:
    """Return the makers that the server runs with; imports them (moderngl, scipy)."""
    from carla_saliency.server.render.camera import Renderer as CameraRenderer
    from carla_saliency.server.roads.network import (
        Ground,
        load_map,
        map_names,
        network_from_xodr,
    )
    from carla_saliency.server.scene.builder import build_scene

    return Parts(map_names, load_map, network_from_xodr, Ground, build_scene, CameraRenderer)


class Maps:
    """Finds maps by the names that clients use, and remembers those that were loaded.

    Args:
        parts: Reads them.
        first: The map that the server starts with: a shipped name, or a file.

    Raises:
        BadInputError: If the first one can't be used.
    """

    def __init__(self, parts: Parts, first: str) -> None:
        self._parts = parts
        self.current = parts.load_map(first)
        self._known = {self.current.name: self.current}

    def names(self) -> tuple[str, ...]:
        """Return all names, as clients see them."""
        own = [name for name in self._known if name not in self._parts.map_names()]
        return tuple(f"/Game/Carla/Maps/{name}" for name in (*self._parts.map_names(), *own))

    def keep_sent(self, xodr: str) -> None:
        """Remember a map that a client sent, under SENT_MAP.

        Raises:
            BadInputError: If it can't be used.
        """
        self._known[SENT_MAP] = self._parts.network_from_xodr(SENT_MAP, xodr)

    def find(self, name: str) -> RoadNetwork:
        """Return the map that a client asks for.

        Args:
            name: With or without "/Game/Carla/Maps/"; "" is the current one. Never a file: clients
                may be on other machines.

        Raises:
            BadInputError: If there is no such map.
        """
        short = name.rsplit("/", 1)[-1]
        if not short:
            return self.current
        if short not in self._known:
            if short not in self._parts.map_names():
                known = ", ".join(one.rsplit("/", 1)[-1] for one in self.names())
                raise BadInputError(f"map must be one of {known}; received {name[:80]!r}")
            self._known[short] = self._parts.load_map(short)
        return self._known[short]
