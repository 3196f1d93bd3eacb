"""The classes that travel in RPC calls, as dataclasses in the wire's order (see `codec`).

Locations are (x, y, z) in metres, rotations (pitch, yaw, roll) in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.server.nouns import Transform

Vector = tuple[float, float, float]


class AttributeType:
    """Types of a blueprint's attribute; counted from 1."""

    BOOL, INT, FLOAT, STRING, COLOUR = range(1, 6)


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """An attribute as a client chose it; values are always text."""

    id: str
    type: int
    value: str


@dataclass(frozen=True, slots=True)
class ActorDescription:
    """What to spawn, and what an actor was spawned from."""

    uid: int
    id: str
    attributes: tuple[AttributeValue, ...]


@dataclass(frozen=True, slots=True)
class AttributeDefinition:
    """An attribute of a blueprint, with its default."""

    id: str
    type: int
    value: str
    recommended: tuple[str, ...]
    is_modifiable: bool
    restrict_to_recommended: bool


@dataclass(frozen=True, slots=True)
class ActorDefinition:
    """A blueprint; tags are separated by commas."""

    uid: int
    id: str
    tags: str
    attributes: tuple[AttributeDefinition, ...]


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A box; for actors relative to the actor's origin. Extents are half sizes."""

    location: Vector
    extent: Vector
    rotation: Vector = (0.0, 0.0, 0.0)
    actor_id: int = 0


@dataclass(frozen=True, slots=True)
class ActorInfo:
    """An actor as clients know it; a stream token of 24 bytes makes it a sensor there."""

    id: int
    parent_id: int
    description: ActorDescription
    box: BoundingBox
    semantic_tags: bytes
    stream_token: bytes = b""


@dataclass(frozen=True, slots=True)
class Token:
    """Where a stream is (see `stream.token`)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class EpisodeInfo:
    """The running episode, and the stream of its snapshots."""

    id: int
    token: Token


@dataclass(frozen=True, slots=True)
class MapInfo:
    """The loaded map."""

    name: str
    spawn_points: tuple[Transform, ...]


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    """CARLA's WorldSettings with its defaults; only the first three mean something here."""

    synchronous_mode: bool = False
    no_rendering_mode: bool = False
    fixed_delta_s: float | None = None
    substepping: bool = True
    max_substep_delta_time: float = 0.01
    max_substeps: int = 10
    max_culling_distance: float = 0.0
    deterministic_ragdolls: bool = False
    tile_stream_distance: float = 3000.0
    actor_active_distance: float = 2000.0
    spectator_as_ego: bool = True


@dataclass(frozen=True, slots=True)
class OpendriveGenerationParameters:
    """How CARLA would make meshes of an OpenDRIVE text; ours are made in one way only."""

    vertex_distance: float
    max_road_length: float
    wall_height: float
    additional_width: float
    smooth_junctions: bool
    enable_mesh_visibility: bool
    enable_pedestrian_navigation: bool


@dataclass(frozen=True, slots=True)
class AckermannControl:
    """A wanted steering angle (rad), speed (m/s) and acceleration (m/s²)."""

    steer: float
    steer_speed: float
    speed: float
    acceleration: float
    jerk: float


@dataclass(frozen=True, slots=True)
class AckermannSettings:
    """Gains of the controllers behind an AckermannControl; CARLA's defaults."""

    speed_kp: float = 0.15
    speed_ki: float = 0.0
    speed_kd: float = 0.25
    accel_kp: float = 0.01
    accel_ki: float = 0.0
    accel_kd: float = 0.01


@dataclass(frozen=True, slots=True)
class WheelTelemetry:
    """What one wheel does."""

    tire_friction: float = 0.0
    lat_slip: float = 0.0
    long_slip: float = 0.0
    omega: float = 0.0
    tire_load: float = 0.0
    normalized_tire_load: float = 0.0
    torque: float = 0.0
    long_force: float = 0.0
    lat_force: float = 0.0
    normalized_long_force: float = 0.0
    normalized_lat_force: float = 0.0


@dataclass(frozen=True, slots=True)
class VehicleTelemetry:
    """What a vehicle does; speed in m/s."""

    speed: float
    steer: float
    throttle: float
    brake: float
    engine_rpm: float
    gear: int
    drag: float
    wheels: tuple[WheelTelemetry, ...]


@dataclass(frozen=True, slots=True)
class LightState:
    """Lights of a vehicle, as bit flags."""

    flags: int = 0


@dataclass(frozen=True, slots=True)
class LabelledPoint:
    """Where a ray hit, and the semantic tag of what it hit."""

    location: Vector
    label: int
