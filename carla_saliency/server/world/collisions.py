"""Who touches whom: oriented boxes in the plane, pushed apart along the shallowest axis.

The narrow phase is the separating axis theorem (Gottschalk, Lin, Manocha, "OBBTree", 1996) for all
candidate pairs at once; the broad phase is a grid for scenery and a distance table for vehicles.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Obstacle, ParkedCar
from carla_saliency.server.world.vehicle import VEHICLES, VehicleBody
from carla_saliency.server.world.vehicle_specs import VehicleSpec

Boxes = NDArray[np.float64]  # (N, 6): x, y, cos yaw, sin yaw, half length, half width
Impulse = tuple[float, float, float]

CELL_M = 8.0
STOREY_M = 3.0  # vehicles further apart in height pass over each other
SLOP_M = 0.01  # left overlapping after a push, so that a resting contact is found again next tick
BOUNCE = 0.1  # cars crumple
SCRAPE = 0.3  # friction of metal along what it slides on


@dataclass(frozen=True, slots=True)
class Contact:
    """One vehicle touched something in one step.

    Attributes:
        actor_id: The vehicle.
        other_id: The other vehicle; None for scenery.
        tag: Semantic tag of what was touched.
        impulse: What the vehicle received, N s in the world; zero for a resting contact.
    """

    actor_id: int
    other_id: int | None
    tag: int
    impulse: Impulse


class CollisionWorld:
    """The scenery's boxes, and the vehicles of the last step.

    Args:
        obstacles: Scenery.
        parked: Cars of the scenery; an unknown blueprint has the first vehicle's size.
    """

    def __init__(self, obstacles: Sequence[Obstacle], parked: Sequence[ParkedCar]) -> None:
        rows = [(o.x, o.y, o.yaw, o.half_length, o.half_width) for o in obstacles]
        specs = [VEHICLES.get(car.blueprint, next(iter(VEHICLES.values()))) for car in parked]
        for car, spec in zip(parked, specs, strict=True):
            rows.append((car.pose.x, car.pose.y, car.pose.yaw, *spec.extent[:2]))
        self._boxes = _as_boxes(rows)
        self._tags = [o.tag for o in obstacles] + [spec.tag for spec in specs]
        self._grid = _grid(self._boxes)
        self._bodies: Mapping[int, VehicleBody] = {}

    def overlaps(
        self,
        x: float,
        y: float,
        yaw: float,
        half_length: float,
        half_width: float,
        ignore: Collection[int] = (),
    ) -> bool:
        """Whether a box there would touch anything.

        Vehicles count where they are now, if `step` was handed a mapping that is kept up to date.

        Args:
            x: Of its centre.
            y: Of its centre.
            yaw: Degrees.
            half_length: Along its yaw.
            half_width: Across.
            ignore: Ids of vehicles that don't count.
        """
        box = _as_boxes([(x, y, yaw, half_length, half_width)])
        near = [self._boxes[self._near(box[0])]]
        bodies = [body for actor_id, body in self._bodies.items() if actor_id not in ignore]
        near.append(_boxes_of(bodies))
        others = np.concatenate(near)
        depth, _ = _separate(np.broadcast_to(box, others.shape), others)
        return bool((depth > 0).any())

    def watch(self, bodies: Mapping[int, VehicleBody]) -> None:
        """Let `overlaps` see these vehicles before the first step; the mapping may change later."""
        self._bodies = bodies

    def step(self, bodies: Mapping[int, VehicleBody]) -> list[Contact]:
        """Push apart what overlaps and take away the speed at which it meets.

        Args:
            bodies: Vehicles by actor id, already moved.

        Returns:
            The contacts of this step, two for each pair of vehicles; a resting contact comes again
            in every step.
        """
        self._bodies = bodies
        ids, moving = list(bodies), list(bodies.values())
        boxes = _boxes_of(moving)
        return self._hit_scenery(ids, moving, boxes) + _hit_each_other(ids, moving)

    def _near(self, box: NDArray[np.float64]) -> list[int]:
        found: set[int] = set()
        for cell in _cells(box):
            found.update(self._grid.get(cell, ()))
        return sorted(found)

    def _hit_scenery(
        self, ids: list[int], bodies: list[VehicleBody], boxes: Boxes
    ) -> list[Contact]:
        pairs = [(i, j) for i, box in enumerate(boxes) for j in self._near(box)]
        if not pairs:
            return []
        first, second = np.array(pairs).T
        depths, normals = _separate(boxes[first], self._boxes[second])
        contacts = []
        pushed = np.zeros((len(bodies), 2))
        for k in np.flatnonzero(depths > 0):
            i, normal = int(first[k]), normals[k]
            body = bodies[i]
            # Two pieces of one wall must not push twice.
            rest = float(depths[k]) - SLOP_M - float(pushed[i] @ normal)
            shift = normal * max(rest, 0.0)
            pushed[i] += shift
            change = _velocity_change(body.velocity, normal)
            body.push(*shift.tolist(), *change.tolist())
            impulse = change * body.mass
            contacts.append(Contact(ids[i], None, self._tags[second[k]], _impulse(impulse)))
        return contacts


def _hit_each_other(ids: list[int], bodies: list[VehicleBody]) -> list[Contact]:
    if len(bodies) < 2:
        return []
    boxes = _boxes_of(bodies)
    first, second = _near_pairs(boxes, np.array([body.transform.z for body in bodies]))
    depths, normals = _separate(boxes[first], boxes[second])
    contacts = []
    for k in np.flatnonzero(depths > 0):
        i, j, normal = int(first[k]), int(second[k]), normals[k]
        a, b = bodies[i], bodies[j]
        mass_a, mass_b = a.mass, b.mass
        share = mass_b / (mass_a + mass_b)  # the lighter one moves more
        shift = normal * max(float(depths[k]) - SLOP_M, 0.0)
        meeting = np.subtract(a.velocity, b.velocity)
        change = _velocity_change((float(meeting[0]), float(meeting[1]), 0.0), normal)
        impulse = change * share * mass_a
        a.push(*(shift * share).tolist(), *(impulse / mass_a).tolist())
        b.push(*(-shift * (1 - share)).tolist(), *(-impulse / mass_b).tolist())
        contacts.append(Contact(ids[i], ids[j], b.spec.tag, _impulse(impulse)))
        contacts.append(Contact(ids[j], ids[i], a.spec.tag, _impulse(-impulse)))
    return contacts


def _near_pairs(
    boxes: Boxes, heights: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    reach = np.hypot(boxes[:, 4], boxes[:, 5])
    gap = np.hypot(boxes[:, 0, None] - boxes[None, :, 0], boxes[:, 1, None] - boxes[None, :, 1])
    near = gap < reach[:, None] + reach[None, :]
    near &= abs(heights[:, None] - heights[None, :]) < STOREY_M
    first, second = np.nonzero(np.triu(near, 1))
    return first, second


def _velocity_change(velocity: Impulse, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change (2,) of a velocity that meets something with this normal (pointing to the mover)."""
    across = float(np.dot(velocity[:2], normal))
    if across >= 0:  # already leaving
        return np.zeros(2)
    stop = -across * (1 + BOUNCE)
    along = np.asarray(velocity[:2]) - across * normal
    speed = math.hypot(*along)
    scrape = min(SCRAPE * stop, speed) / speed if speed > 1e-9 else 0.0
    return stop * normal - scrape * along


def _separate(a: Boxes, b: Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much boxes overlap and which way a must go, pair by pair.

    Args:
        a: (N, 6).
        b: (N, 6).

    Returns:
        Depth (N,), negative for a gap, and unit normal (N, 2) from b to a.
    """
    offset = a[:, :2] - b[:, :2]
    forward_a, forward_b = a[:, 2:4], b[:, 2:4]
    left_a, left_b = forward_a[:, ::-1] * (-1, 1), forward_b[:, ::-1] * (-1, 1)
    axes = np.stack([forward_a, left_a, forward_b, left_b], axis=1)  # (N, 4, 2)
    reach = np.zeros(axes.shape[:2])
    for direction, half in ((forward_a, a[:, 4]), (left_a, a[:, 5])):
        reach += abs(np.einsum("nkd,nd->nk", axes, direction)) * half[:, None]
    for direction, half in ((forward_b, b[:, 4]), (left_b, b[:, 5])):
        reach += abs(np.einsum("nkd,nd->nk", axes, direction)) * half[:, None]
    apart = np.einsum("nkd,nd->nk", axes, offset)
    depth = reach - abs(apart)
    best = depth.argmin(axis=1)
    rows = np.arange(len(a))
    sign = np.where(apart[rows, best] < 0, -1.0, 1.0)
    return depth[rows, best], axes[rows, best] * sign[:, None]


def _as_boxes(rows: Sequence[tuple[float, float, float, float, float]]) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 5)
    yaw = np.radians(table[:, 2])
    return np.column_stack([table[:, :2], np.cos(yaw), np.sin(yaw), table[:, 3:]])


def _boxes_of(bodies: Collection[VehicleBody]) -> Boxes:
    return _as_boxes([(*_place(body), *_size(body.spec)) for body in bodies])


def _place(body: VehicleBody) -> tuple[float, float, float]:
    return body.transform.x, body.transform.y, body.transform.yaw


def _size(spec: VehicleSpec) -> tuple[float, float]:
    return spec.extent[0], spec.extent[1]


def _grid(boxes: Boxes) -> dict[tuple[int, int], list[int]]:
    grid: dict[tuple[int, int], list[int]] = {}
    for index, box in enumerate(boxes):
        for cell in _cells(box):
            grid.setdefault(cell, []).append(index)
    return grid


def _cells(box: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Every cell of the grid that the box's upright rectangle touches."""
    x, y, cos, sin, half_length, half_width = box.tolist()
    dx = abs(cos) * half_length + abs(sin) * half_width
    dy = abs(sin) * half_length + abs(cos) * half_width
    columns = range(math.floor((x - dx) / CELL_M), math.floor((x + dx) / CELL_M) + 1)
    rows = range(math.floor((y - dy) / CELL_M), math.floor((y + dy) / CELL_M) + 1)
    return [(column, row) for column in columns for row in rows]


def _impulse(impulse: NDArray[np.float64]) -> Impulse:
    return float(impulse[0]), float(impulse[1]), 0.0
