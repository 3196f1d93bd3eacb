"""What lives in the world: vehicles, sensors, the spectator; and the list of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import DrawnActor, Transform
from carla_saliency.server.wire import stream
from carla_saliency.server.wire.structs import (
    AckermannControl,
    AckermannSettings,
    ActorDescription,
    ActorInfo,
    BoundingBox,
    Vector,
)
from carla_saliency.server.world.poses import attached
from carla_saliency.server.world.vehicle import VehicleBody, VehicleSpec

MAX_ACTORS = 2000
TOMBSTONES = 10_000
SPEED_LIMIT_KMH = 50.0
"""Of every vehicle: our maps have no signs. The Traffic Manager drives at 70 % of it."""

BRAKE_LIGHT = 8
"""Bit of the light flags."""

_LIT_ABOVE_BRAKE = 0.01
_AT_REST: Vector = (0.0, 0.0, 0.0)


class Actor:
    """Anything with an id and a place.

    Args:
        actor_id: Unique in this server.
        description: What it was spawned from.
        place: In the world, or in the parent's axes.
        parent: What it is fixed to.

    Attributes:
        pose: In the world; of attached actors as of the last `follow`.
        stream_id: Of its sensor data; 0 for actors that send none.
        tags: Semantic tags.
    """

    stream_id = 0
    tags: tuple[int, ...] = ()

    def __init__(
        self,
        actor_id: int,
        description: ActorDescription,
        place: Transform,
        parent: Actor | None = None,
    ) -> None:
        self.id = actor_id
        self.description = description
        self.parent = parent
        self._relative = place
        self.pose = place
        self.follow()

    @property
    def box(self) -> BoundingBox:
        """Its box, relative to its origin."""
        return BoundingBox(_AT_REST, _AT_REST, actor_id=self.id)

    @property
    def placed(self) -> Transform:
        """Where it was put: in the world, or (attached) in the parent's axes."""
        return self.pose if self.parent is None else self._relative

    def place(self, transform: Transform) -> None:
        """Put it somewhere: in the world, or (attached) in the parent's axes."""
        if self.parent is None:
            self.pose = transform
        else:
            self._relative = transform
            self.follow()

    def follow(self) -> None:
        """Go where the parent is now."""
        if self.parent is not None:
            self.pose = attached(self.parent.pose, self._relative)

    def let_go(self) -> None:
        """Stay where it is, without the parent."""
        self.parent = None

    def state(self) -> stream.ActorState:
        """Return what a snapshot says of it."""
        return stream.ActorState(self.id, self.pose)

    def info(self, token: bytes) -> ActorInfo:
        """Return what clients are told of it.

        Args:
            token: Where its stream is; empty without one.
        """
        parent_id = 0 if self.parent is None else self.parent.id
        return ActorInfo(self.id, parent_id, self.description, self.box, bytes(self.tags), token)


class Vehicle(Actor):
    """A vehicle; its `body` is the truth about where it is.

    Args:
        actor_id: Unique in this server.
        description: What it was spawned from.
        place: In the world.
        spec: Its size and engine.
        colour: RGB 0..255.

    Attributes:
        body: Moves.
        lights: Bit flags, as the client set them.
        simulated: False: it stands where it is put.
        constant_velocity: Held in its own axes, m/s; None if it drives by its control.
        ackermann: Wanted motion; None if it drives by its control.
        ackermann_settings: Gains for that.
        impulse: N s of the next tick, in the world.
        force: N of the next tick, in the world.
    """

    def __init__(
        self,
        actor_id: int,
        description: ActorDescription,
        place: Transform,
        spec: VehicleSpec,
        colour: tuple[int, int, int],
    ) -> None:
        self.body = VehicleBody(spec, place)
        self.colour = colour
        self.tags = (spec.tag,)
        self.lights = 0
        self.simulated = True
        self.constant_velocity: Vector | None = None
        self.ackermann: AckermannControl | None = None
        self.ackermann_settings = AckermannSettings()
        self.impulse = self.force = _AT_REST
        super().__init__(actor_id, description, place)

    @property
    def pose(self) -> Transform:
        """Of the origin: on the ground, below the middle of the box."""
        return self.body.transform

    @pose.setter
    def pose(self, transform: Transform) -> None:
        # A client that puts a vehicle somewhere without stopping it goes on at its velocity.
        velocity = self.body.velocity
        self.body.set_transform(transform)
        self.body.set_velocity(*velocity)

    @property
    def box(self) -> BoundingBox:
        """Its box, relative to its origin."""
        spec = self.body.spec
        return BoundingBox((0.0, 0.0, spec.box_z), spec.extent, actor_id=self.id)

    def state(self) -> stream.ActorState:
        """Return what a snapshot says of it."""
        body, control = self.body, self.body.control
        return stream.ActorState(
            self.id,
            body.transform,
            body.velocity,
            body.angular_velocity,
            body.acceleration,
            stream.vehicle_state(
                control.throttle,
                control.steer,
                control.brake,
                hand_brake=control.hand_brake,
                reverse=control.reverse,
                manual_gear_shift=control.manual_gear_shift,
                gear=body.gear,
                speed_limit_kmh=SPEED_LIMIT_KMH,
            ),
        )

    def drawn(self) -> DrawnActor:
        """Return what the renderer must know of it."""
        spec, control = self.body.spec, self.body.control
        lit = control.brake > _LIT_ABOVE_BRAKE or bool(self.lights & BRAKE_LIGHT)
        return DrawnActor(spec.blueprint, self.pose, spec.extent, self.colour, lit)


class Actors:
    """All living actors, by id; remembers the boxes of dead ones.

    The client's Traffic Manager ends the client's process when it asks for the box of an actor that
    was destroyed a moment ago and gets an error, so the last box is kept.
    """

    def __init__(self) -> None:
        self._living: dict[int, Actor] = {}
        self._boxes: OrderedDict[int, BoundingBox] = OrderedDict()
        self._last_id = 0

    def __iter__(self) -> Iterator[Actor]:
        """In the order of their ids: parents before what is attached to them."""
        return iter(self._living.values())

    def next_id(self) -> int:
        """Return an id that no actor of this server ever had.

        Raises:
            BadInputError: If there are too many actors already.
        """
        if len(self._living) >= MAX_ACTORS:
            raise BadInputError(
                f"there must be at most {MAX_ACTORS} actors; destroy some before spawning more"
            )
        self._last_id += 1
        return self._last_id

    def add(self, actor: Actor) -> None:
        """Let an actor live."""
        self._living[actor.id] = actor

    def find(self, actor_id: int) -> Actor | None:
        """Return a living actor, or None."""
        return self._living.get(actor_id)

    def get(self, actor_id: int) -> Actor:
        """Return a living actor.

        Raises:
            BadInputError: If there is none with this id.
        """
        actor = self._living.get(actor_id)
        if actor is None:
            raise BadInputError(f"unable to find actor {actor_id}: it was destroyed or never lived")
        return actor

    def vehicle(self, actor_id: int) -> Vehicle:
        """Return a living vehicle.

        Raises:
            BadInputError: If the id is of nothing, or of something else.
        """
        actor = self.get(actor_id)
        if not isinstance(actor, Vehicle):
            raise BadInputError(f"actor {actor_id} must be a vehicle, it is {actor.description.id}")
        return actor

    def vehicles(self) -> Mapping[int, Vehicle]:
        """Return every vehicle by id."""
        return {actor.id: actor for actor in self if isinstance(actor, Vehicle)}

    def box(self, actor_id: int) -> BoundingBox:
        """Return an actor's box, also of one that died.

        Raises:
            BadInputError: If no such actor ever lived.
        """
        if actor_id in self._boxes:
            return self._boxes[actor_id]
        return self.get(actor_id).box

    def remove(self, actor_id: int) -> Actor:
        """Let an actor die; what is attached to it stays where it is.

        Raises:
            BadInputError: If there is none with this id.
        """
        actor = self.get(actor_id)
        del self._living[actor_id]
        self._boxes[actor_id] = actor.box
        while len(self._boxes) > TOMBSTONES:
            self._boxes.popitem(last=False)
        for child in self:
            if child.parent is actor:
                child.let_go()
        return actor

    def clear(self) -> None:
        """Let all die."""
        for actor_id in list(self._living):
            self.remove(actor_id)
