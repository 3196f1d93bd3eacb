"""OpenDRIVE text -> `RoadNetwork`: the lanes, the paint and the spawn points of a map."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import RoadNetwork
from carla_saliency.server.roads import opendrive
from carla_saliency.server.roads.ground import Ground
from carla_saliency.server.roads.spawn import spawn_points
from carla_saliency.server.roads.strips import sample_road

__all__ = ["DEFAULT_MAP", "Ground", "load_map", "map_names", "network_from_xodr"]

DEFAULT_MAP = "town"


def map_names() -> tuple[str, ...]:
    """Return the names of the shipped maps; the first is the default."""
    found = sorted(
        file.name.removesuffix(".xodr")
        for file in files("carla_saliency.server").joinpath("maps").iterdir()
        if file.name.endswith(".xodr")
    )
    return tuple(sorted(found, key=lambda name: name != DEFAULT_MAP))


def load_map(name_or_path: str) -> RoadNetwork:
    """Read a shipped map, or an OpenDRIVE file.

    Args:
        name_or_path: One of `map_names()`, or the path of a .xodr file.

    Returns:
        The map; a file's stem is its name.

    Raises:
        BadInputError: If there is no such map or file, or it is not OpenDRIVE with a road in it.
    """
    if name_or_path in map_names():
        shipped = files("carla_saliency.server").joinpath("maps", f"{name_or_path}.xodr")
        return network_from_xodr(name_or_path, shipped.read_text(encoding="utf-8"))
    path = Path(name_or_path)
    try:
        if not path.is_file() and path.suffix == ".xodr":
            raise BadInputError(f"no such OpenDRIVE file: {path}")
        if not path.is_file():
            raise BadInputError(
                f"no map {name_or_path!r}: expected one of {', '.join(map_names())}, "
                "or the path of an OpenDRIVE file (.xodr)"
            )
        xodr = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadInputError(f"{path} must be an OpenDRIVE file in UTF-8") from None
    except OSError as error:
        raise BadInputError(f"{path} can't be read: {error.strerror}") from None
    try:
        return network_from_xodr(path.stem, xodr)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def network_from_xodr(name: str, xodr: str) -> RoadNetwork:
    """Sample a map that is given as text.

    Args:
        name: Of the map.
        xodr: OpenDRIVE 1.4 to 1.6.

    Returns:
        The map, its points in CARLA's axes.

    Raises:
        BadInputError: If it is not XML, has no road or no lane, or a number in it can't be used.
    """
    drive = opendrive.parse(xodr)
    sampled = [sample_road(road) for road in drive.roads.values()]
    lanes = tuple(strip for strips, _ in sampled for strip in strips)
    marks = tuple(line for _, lines in sampled for line in lines)
    if not lanes:
        raise BadInputError("expected a lane with a width in the OpenDRIVE file, received none")
    edges = np.concatenate([edge for lane in lanes for edge in (lane.inner, lane.outer)])
    low, high = edges.min(axis=0), edges.max(axis=0)
    left_hand = frozenset(road.road_id for road in drive.roads.values() if not road.right_hand)
    return RoadNetwork(
        name=name,
        xodr=xodr,
        lanes=lanes,
        marks=marks,
        spawn_points=spawn_points(lanes, left_hand),
        bounds=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
    )
