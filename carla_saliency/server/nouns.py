"""The nouns that the server's parts hand to each other; imports NumPy only.

    roads (OpenDRIVE text -> RoadNetwork) -> scene (triangles with tags) -> render (Pixels)
    world (actors, weather; moved by tick()) -> service (RPC name -> method) -> serve (sockets)

Axes are CARLA's everywhere but inside `roads/opendrive.py`: x forward/east, y right/south, z up,
metres, degrees, yaw clockwise seen from above. Arrays of points are float64 (N, 3) unless a
docstring says else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


class Tag:
    """Semantic tags of CARLA 0.9.14 to 0.9.16: the R channel of a semantic picture."""

    NONE, ROADS, SIDEWALKS, BUILDINGS, WALLS, FENCES, POLES, TRAFFIC_LIGHT, TRAFFIC_SIGNS = range(9)
    VEGETATION, TERRAIN, SKY, PEDESTRIANS, RIDER, CAR, TRUCK, BUS, TRAIN = range(9, 18)
    MOTORCYCLE, BICYCLE, STATIC, DYNAMIC, OTHER, WATER, ROAD_LINES, GROUND = range(18, 26)
    BRIDGE, RAIL_TRACK, GUARD_RAIL = range(26, 29)


@dataclass(frozen=True, slots=True)
class Transform:
    """Where something is; location in metres, rotation in degrees."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0


# ------------------------------------------------------------------ roads


@dataclass(frozen=True, slots=True)
class LaneStrip:
    """One lane of one lane section, sampled along s (at most 2 m apart, less in curves).

    Attributes:
        road_id: OpenDRIVE road.
        section: Index of the lane section.
        lane_id: OpenDRIVE lane; negative runs along s, positive against it.
        kind: OpenDRIVE lane type: "driving", "shoulder", "sidewalk", "border", "parking", ...
        junction_id: -1 outside junctions.
        s: Positions along the road, (N,), rising.
        inner: Edge nearer to the reference line, (N, 3).
        outer: The other edge, (N, 3).
    """

    road_id: int
    section: int
    lane_id: int
    kind: str
    junction_id: int
    s: NDArray[np.float64]
    inner: Points
    outer: Points


@dataclass(frozen=True, slots=True)
class MarkLine:
    """One painted line along a lane's outer edge (lane 0: the centre line); a double is two.

    Attributes:
        road_id: OpenDRIVE road.
        lane_id: The lane whose outer edge it lies on.
        kind: "solid" or "broken"; botts dots and grass are left out.
        colour: "white", "yellow", "blue", "green", "red", ...
        width_m: Of the paint.
        points: Its middle, (N, 3).
        s: Arc length along the line, (N,), for dashes.
    """

    road_id: int
    lane_id: int
    kind: Literal["solid", "broken"]
    colour: str
    width_m: float
    points: Points
    s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RoadNetwork:
    """A map as everything else needs it.

    Attributes:
        name: For example "curvy".
        xodr: The OpenDRIVE text, as the client will get it.
        lanes: Every lane but the width-less lane 0.
        marks: Every painted line.
        spawn_points: On driving lanes outside junctions, z 0.5 m above the road, some 20 m apart.
        bounds: (x_min, y_min, x_max, y_max).
    """

    name: str
    xodr: str
    lanes: tuple[LaneStrip, ...]
    marks: tuple[MarkLine, ...]
    spawn_points: tuple[Transform, ...]
    bounds: tuple[float, float, float, float]


# ------------------------------------------------------------------ what a camera is asked for


@dataclass(frozen=True, slots=True)
class Weather:
    """CARLA's WeatherParameters, in the wire's order; the defaults are ClearNoon's."""

    cloudiness: float = 5.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 10.0
    sun_azimuth_angle: float = -1.0
    sun_altitude_angle: float = 45.0
    fog_density: float = 2.0
    fog_distance: float = 0.75
    fog_falloff: float = 0.1
    wetness: float = 0.0
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0


@dataclass(frozen=True, slots=True)
class Camera:
    """One view: pose in the world, size in pixels, horizontal field of view in degrees."""

    pose: Transform
    width: int
    height: int
    fov: float


@dataclass(frozen=True, slots=True)
class DrawnActor:
    """A vehicle, prop or walker to be drawn.

    Attributes:
        blueprint: For example "vehicle.tesla.model3"; decides model and tag.
        pose: Of its origin (vehicles: on the ground below the middle of the box).
        extent: Half sizes of its box (x, y, z).
        colour: RGB 0..255.
        brake_lights: Whether they are lit.
    """

    blueprint: str
    pose: Transform
    extent: tuple[float, float, float]
    colour: tuple[int, int, int]
    brake_lights: bool = False


@dataclass(frozen=True, slots=True)
class Pixels:
    """What one render gives; rows from the top.

    Attributes:
        bgra: uint8 (H, W, 4), alpha 255.
        tag: uint8 (H, W).
        depth: float32 (H, W), metres along the camera's forward axis, 1000 for the sky.
    """

    bgra: NDArray[np.uint8]
    tag: NDArray[np.uint8]
    depth: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Scenery that a vehicle can hit: a box on the ground plane.

    Attributes:
        x: Centre.
        y: Centre.
        yaw: Degrees.
        half_length: Along its yaw.
        half_width: Across.
        tag: What it is.
    """

    x: float
    y: float
    yaw: float
    half_length: float
    half_width: float
    tag: int


@dataclass(frozen=True, slots=True)
class ParkedCar:
    """A car of the scenery (not an actor): drawn, and hit like an obstacle."""

    blueprint: str
    pose: Transform
    colour: tuple[int, int, int] = field(default=(120, 120, 120))
