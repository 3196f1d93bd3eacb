"""The world: a map, what lives on it, and `tick`. It knows no sockets, no threads, no clock.

Everything that can be done to it by a client is a method here; `service` calls them by their RPC
names, `tick` returns the messages that subscribers get.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import Camera, Pixels, RoadNetwork, Transform, Weather
from carla_saliency.server.wire import stream
from carla_saliency.server.wire.structs import (
    ActorDefinition,
    ActorDescription,
    ActorInfo,
    EpisodeInfo,
    EpisodeSettings,
    LabelledPoint,
    MapInfo,
    Token,
    Vector,
)
from carla_saliency.server.world import motion, sensors
from carla_saliency.server.world.actors import Actor, Actors, Vehicle
from carla_saliency.server.world.blueprints import UNAVAILABLE, attribute_values, library
from carla_saliency.server.world.collisions import CollisionWorld, Contact
from carla_saliency.server.world.maps import Maps, Parts
from carla_saliency.server.world.rays import ground_hit, projected
from carla_saliency.server.world.vehicle import VEHICLES, VehicleBody

MAX_DELTA_S = 10.0
MAX_COORDINATE_M = 1e6
_MAP_CHANGE_FRAMES = 3
"""How long snapshots say that the map changed: a new subscriber may miss the first."""


class World:
    """A simulated world. All calls must come from the thread that made it.

    Args:
        parts: Makes map, scenery and renderer.
        map_name: What to start with: a shipped map's name, or a file.
        seed: Of the scenery; same seed and same calls give the same pictures, bit for bit.
        episode_id: Of the first episode; must differ from server to server.
        stream_port: Told to clients.

    Attributes:
        settings: Of the episode.
        weather: As drawn.
        actors: All that live.
        frame: Number of the last tick.

    Raises:
        BadInputError: If the map can't be used.
    """

    def __init__(
        self, parts: Parts, map_name: str, seed: int, episode_id: int, stream_port: int
    ) -> None:
        self._parts = parts
        self._maps = Maps(parts, map_name)
        self._seed = seed
        self._port = stream_port
        self._definitions = {definition.id: definition for definition in library()}
        self.actors = Actors()
        self.settings = EpisodeSettings()
        self.frame = 0
        self._episode_id = episode_id - 1
        self._bodies: dict[int, VehicleBody] = {}
        self._renderer = parts.make_renderer()
        self._shown: RoadNetwork | None = None
        self._start_episode(self._maps.current)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    # -------------------------------------------------------------- episode, map, settings

    def _start_episode(self, network: RoadNetwork) -> None:
        if network is not self._shown:  # building takes seconds, and gives the same again
            scene = self._parts.build_scene(network, self._seed)
            self._ground = self._parts.make_ground(network)
            self._collisions = CollisionWorld(scene.obstacles, scene.parked)
            self._collisions.watch(self._bodies)
            self._renderer.load(scene)
            self._maps.current = self._shown = network
        self.actors.clear()
        self._bodies.clear()
        self._episode_id += 1
        self._elapsed_s = 0.0
        self._episode_frame = self.frame
        self.weather = Weather()
        self._geo_reference = sensors.geo_reference(network.xodr)
        start = network.spawn_points[0] if network.spawn_points else Transform()
        self._spectator = Actor(
            self.actors.next_id(),
            ActorDescription(0, "spectator", ()),
            replace(start, z=start.z + 10.0, pitch=-15.0),
        )
        self.actors.add(self._spectator)

    @property
    def map_name(self) -> str:
        """Short name of the loaded map."""
        return self._maps.current.name

    def map_info(self) -> MapInfo:
        """Return name and spawn points of the loaded map."""
        return MapInfo(f"Carla/Maps/{self.map_name}", self._maps.current.spawn_points)

    def map_data(self) -> str:
        """Return the OpenDRIVE text of the loaded map."""
        return self._maps.current.xodr

    def available_maps(self) -> tuple[str, ...]:
        """Return the names of all maps."""
        return self._maps.names()

    def keep_sent_map(self, xodr: str) -> None:
        """Check and remember a map that a client sent."""
        self._maps.keep_sent(xodr)

    def load_map(self, name: str, reset_settings: bool) -> None:
        """Start a new episode; all actors die.

        Args:
            name: As clients name maps; "" is the loaded one.
            reset_settings: Go back to the default settings (asynchronous).

        Raises:
            BadInputError: If there is no such map; then nothing changes.
        """
        self._start_episode(self._maps.find(name))
        if reset_settings:
            self.settings = EpisodeSettings()

    def episode_info(self) -> EpisodeInfo:
        """Return the episode's id, and where its snapshots are sent."""
        return EpisodeInfo(self._episode_id, self.stream_token(stream.WORLD_STREAM))

    def stream_token(self, stream_id: int) -> Token:
        """Return where a stream can be subscribed to."""
        if not 0 <= stream_id < 1 << 32:
            raise BadInputError(
                f"stream id must be an unsigned 32-bit number, received {stream_id}"
            )
        return Token(stream.token(stream_id, self._port))

    def apply_settings(self, settings: EpisodeSettings) -> int:
        """Take over settings; return the number of the last tick.

        Raises:
            BadInputError: If the fixed time step can't be used.
        """
        delta_s = settings.fixed_delta_s
        if delta_s is not None and not 0 <= delta_s <= MAX_DELTA_S:
            raise BadInputError(
                f"fixed_delta_seconds must be in [0, {MAX_DELTA_S:g}], received {delta_s:g}"
            )
        self.settings = replace(settings, fixed_delta_s=delta_s or None)  # 0 means "not fixed"
        return self.frame

    def set_weather(self, weather: Weather) -> None:
        """Draw with another weather from now on."""
        self.weather = weather

    # -------------------------------------------------------------- actors

    def definitions(self) -> tuple[ActorDefinition, ...]:
        """Return the blueprint library."""
        return tuple(self._definitions.values())

    def info(self, actor: Actor) -> ActorInfo:
        """Return what clients are told of an actor."""
        token = self.stream_token(actor.stream_id).data if actor.stream_id else b""
        return actor.info(token)

    def infos(self, actor_ids: tuple[int, ...]) -> list[ActorInfo]:
        """Return what clients are told of those of these actors that live."""
        found = [self.actors.find(actor_id) for actor_id in actor_ids]
        return [self.info(actor) for actor in found if actor is not None]

    def spectator(self) -> ActorInfo:
        """Return the spectator."""
        return self.info(self._spectator)

    def spawn(
        self, description: ActorDescription, place: Transform, parent_id: int = 0
    ) -> ActorInfo:
        """Let an actor live; snapshots have it from the next tick on.

        Args:
            description: Blueprint and attributes.
            place: In the world, or in the parent's axes.
            parent_id: What it is fixed to; 0 for nothing.

        Raises:
            BadInputError: If the blueprint can't be spawned, an attribute is wrong, the parent does
                not live, or something stands there.
        """
        definition = self._definitions.get(description.id)
        if definition is None:
            raise BadInputError(
                f"Spawn failed because of unknown blueprint {description.id[:80]!r}"
            )
        if description.id in UNAVAILABLE:
            raise BadInputError(f"{description.id} can't be spawned: this server has no such actor")
        values = attribute_values(definition, description)
        parent = self.actors.get(parent_id) if parent_id else None
        _within_reach(place)
        actor_id = self.actors.next_id()
        actor: Actor
        if description.id in VEHICLES:
            actor = self._new_vehicle(actor_id, description, place, values["color"])
        else:
            actor = sensors.Sensor(actor_id, description, place, parent, values)
        self.actors.add(actor)
        return self.info(actor)

    def _new_vehicle(
        self, actor_id: int, description: ActorDescription, place: Transform, colour: str
    ) -> Vehicle:
        spec = VEHICLES[description.id]
        half_length, half_width, _ = spec.extent
        if self._collisions.overlaps(place.x, place.y, place.yaw, half_length, half_width):
            raise BadInputError("Spawn failed because of collision at spawn position")
        red, green, blue = (min(int(part), 255) for part in colour.split(","))
        vehicle = Vehicle(actor_id, description, place, spec, (red, green, blue))
        self._bodies[actor_id] = vehicle.body
        return vehicle

    def destroy(self, actor_id: int) -> bool:
        """Let an actor die; it is in no snapshot from the next tick on.

        Raises:
            BadInputError: If there is no such actor, or it is the spectator.
        """
        if actor_id == self._spectator.id:
            raise BadInputError("the spectator can't be destroyed")
        self.actors.remove(actor_id)
        self._bodies.pop(actor_id, None)
        return True

    def set_location(self, actor_id: int, location: Vector) -> None:
        """Put an actor somewhere, with the rotation that it has."""
        x, y, z = location
        self.set_transform(actor_id, replace(self.actors.get(actor_id).placed, x=x, y=y, z=z))

    def set_transform(self, actor_id: int, transform: Transform) -> None:
        """Put an actor somewhere: in the world, or (attached) in its parent's axes."""
        self.actors.get(actor_id).place(_within_reach(transform))

    def set_collisions(self, actor_id: int, collide: bool) -> None:
        """Let a vehicle touch things, or pass through them."""
        vehicle = self.actors.vehicle(actor_id)
        if collide:
            self._bodies[actor_id] = vehicle.body
        else:
            self._bodies.pop(actor_id, None)

    def project(
        self, start: Vector, direction: Vector, distance_m: float
    ) -> tuple[bool, LabelledPoint]:
        """Return whether a ray meets the ground within a distance, and where."""
        return projected(self._ground, start, direction, distance_m)

    def cast(self, start: Vector, end: Vector) -> list[LabelledPoint]:
        """Return where a line meets the ground: one point or none."""
        hit = ground_hit(self._ground, start, end)
        return [] if hit is None else [hit]

    # -------------------------------------------------------------- time

    def tick(
        self, delta_s: float, platform_s: float, listening: Collection[int]
    ) -> list[tuple[int, bytes]]:
        """Move everything on by one tick.

        Args:
            delta_s: Simulated seconds.
            platform_s: Seconds on the server's clock, told in the snapshot.
            listening: Streams that somebody subscribed to.

        Returns:
            (stream id, message) of the sensors, then of the snapshot.
        """
        self.frame += 1
        self._elapsed_s += delta_s
        vehicles = self.actors.vehicles()
        contacts = motion.move(vehicles, self._bodies, self._collisions, self._ground, delta_s)
        for actor in self.actors:
            actor.follow()
        stamp = stream.Stamp(self.frame, self._elapsed_s)
        sent = self._sensor_messages(stamp, contacts, listening)
        changed = self.frame - self._episode_frame <= _MAP_CHANGE_FRAMES
        flags = stream.SnapshotFlag.MAP_CHANGED if changed else 0
        episode = stream.Episode(self._episode_id, platform_s, delta_s, flags)
        states = (actor.state() for actor in self.actors)
        sent.append((stream.WORLD_STREAM, stream.snapshot(stamp, episode, states)))
        return sent

    def _sensor_messages(
        self, stamp: stream.Stamp, contacts: list[Contact], listening: Collection[int]
    ) -> list[tuple[int, bytes]]:
        drawn = [vehicle.drawn() for vehicle in self.actors.vehicles().values()]
        pictures: dict[Camera, Pixels] = {}

        def render(camera: Camera) -> Pixels:
            if camera not in pictures:  # colour, tag and depth cameras at one place share a render
                pictures[camera] = self._renderer.render(camera, drawn, self.weather)
            return pictures[camera]

        look = sensors.Look(
            stamp,
            contacts,
            self._geo_reference,
            lambda actor_id: self.info(self.actors.get(actor_id)),
            render,
        )
        sent = []
        for actor in self.actors:
            if not isinstance(actor, sensors.Sensor) or actor.stream_id not in listening:
                continue
            if self.settings.no_rendering_mode and actor.camera is not None:
                continue
            if actor.takes_its_turn(stamp.elapsed_s):
                sent += [(actor.stream_id, message) for message in sensors.messages(actor, look)]
        return sent


def _within_reach(place: Transform) -> Transform:
    if max(abs(place.x), abs(place.y), abs(place.z)) > MAX_COORDINATE_M:
        raise BadInputError(f"a place must be within {MAX_COORDINATE_M:g} m, received {place}")
    return place
