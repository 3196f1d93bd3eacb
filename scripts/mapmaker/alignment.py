"""Reference lines from corner points: straight lines joined by curves of a given radius.

Every piece is a clothoid (a line and an arc are special cases), so that cutting one is exact, and a
closed line closes by construction. Axes are OpenDRIVE's: x east, y north, radians, anticlockwise.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

STRAIGHT = 1e-9  # curvatures (1/m) and turns (rad) below this are none
SHORTEST_M = 1e-6
TRANSITION_SHARE = 0.35  # of a curve's length as an arc: each of its two clothoids
FILLED_SHARE = 0.92  # of an edge that is curve, not straight
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class Pose:
    """A place and a direction."""

    x: float
    y: float
    heading: float

    def turned_round(self) -> Pose:
        """Return the same place, facing back."""
        return Pose(self.x, self.y, self.heading + math.pi)


@dataclass(frozen=True)
class Piece:
    """A clothoid: curvature goes linearly from `first` to `last`."""

    length: float
    first: float = 0.0
    last: float = 0.0

    def end(self, start: Pose) -> Pose:
        """Return where it leads to."""
        along = self.length * (NODES + 1) / 2
        rate = (self.last - self.first) / self.length
        heading = start.heading + self.first * along + rate / 2 * along**2
        x, y = (self.length / 2 * float(WEIGHTS @ f(heading)) for f in (np.cos, np.sin))
        turn = (self.first + self.last) / 2 * self.length
        return Pose(start.x + x, start.y + y, start.heading + turn)

    def cut(self, at: float) -> tuple[Piece, Piece]:
        """Return the parts before and after a distance."""
        middle = self.first + (self.last - self.first) * at / self.length
        return Piece(at, self.first, middle), Piece(self.length - at, middle, self.last)


@dataclass(frozen=True)
class Corner:
    """A point of a polygon, and how the road goes round it.

    Attributes:
        x: East.
        y: North.
        radius: Of the tightest part of the curve.
        transition: Length of the clothoids before and after it; shortened where the turn is small.
    """

    x: float
    y: float
    radius: float = 10.0
    transition: float = 0.0


@dataclass(frozen=True)
class Alignment:
    """A start and the pieces that follow each other."""

    start: Pose
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> float:
        """Return the sum of its pieces."""
        return sum(piece.length for piece in self.pieces)

    @property
    def end(self) -> Pose:
        """Return where it leads to."""
        pose = self.start
        for piece in self.pieces:
            pose = piece.end(pose)
        return pose

    def cut(self, shares: Sequence[float]) -> list[Alignment]:
        """Cut it into parts whose lengths are in these proportions."""
        goals = list(np.cumsum(shares)[:-1] / sum(shares) * self.length)
        parts: list[Alignment] = []
        taken: list[Piece] = []
        start = pose = self.start
        travelled = 0.0
        queue = list(self.pieces)
        while queue:
            piece = queue.pop(0)
            part_ends = bool(goals) and travelled + piece.length > goals[0] - SHORTEST_M
            if part_ends:
                piece, rest = piece.cut(min(goals.pop(0) - travelled, piece.length))
                if rest.length > SHORTEST_M:
                    queue.insert(0, rest)
            taken.append(piece)
            pose = piece.end(pose)
            travelled += piece.length
            if part_ends:
                parts.append(Alignment(start, tuple(taken)))
                start, taken = pose, []
        return [*parts, Alignment(start, tuple(taken))]


def closed(corners: Sequence[Corner]) -> Alignment:
    """Return a ring through the edges of a polygon; it starts in the middle of the first edge."""
    first, second = corners[0], corners[1]
    middle = Corner((first.x + second.x) / 2, (first.y + second.y) / 2)
    return opened([middle, *corners[1:], first, middle])


def opened(corners: Sequence[Corner], trim: tuple[float, float] = (0.0, 0.0)) -> Alignment:
    """Return a line from the first corner to the last, round those between.

    Args:
        corners: At least two; radius and transition of the first and the last don't matter.
        trim: Left out at the two ends.

    Raises:
        ValueError: If two curves need more room than there is between their corners.
    """
    bends = [_bend(*corners[i - 1 : i + 2]) for i in range(1, len(corners) - 1)]
    tangents = [trim[0], *(tangent for _, tangent in bends), trim[1]]
    pieces: list[Piece] = []
    for i, (a, b) in enumerate(pairwise(corners)):
        straight = math.hypot(b.x - a.x, b.y - a.y) - tangents[i] - tangents[i + 1]
        if straight < -SHORTEST_M:
            raise ValueError(
                f"from ({a.x:g}, {a.y:g}) to ({b.x:g}, {b.y:g}) "
                f"the curves need {-straight:.1f} m more"
            )
        if straight > SHORTEST_M:
            pieces.append(Piece(straight))
        if i < len(bends):
            pieces += bends[i][0]
    heading = math.atan2(corners[1].y - corners[0].y, corners[1].x - corners[0].x)
    x = corners[0].x + trim[0] * math.cos(heading)
    y = corners[0].y + trim[0] * math.sin(heading)
    return Alignment(Pose(x, y, heading), tuple(pieces))


def winding(
    seed: int,
    corners: int,
    mean: float,
    swing: float,
    radii: tuple[float, float],
    lobes: tuple[int, float] = (2, 0.0),
) -> list[Corner]:
    """Return the corners of a ring that winds to and fro, with curves as wide as there is room for.

    Args:
        seed: Decides the shape.
        corners: How many.
        mean: Distance of the corners from the middle.
        swing: By how much it differs at most, in and out in turn.
        radii: The tightest and the widest curve.
        lobes: How many bulges the whole ring has, and how high they are in shares of the mean.

    Raises:
        ValueError: If a curve would be tighter.
    """
    rng = random.Random(seed)
    points = []
    for i in range(corners):
        angle = 2 * math.pi * (i + rng.uniform(-0.25, 0.25)) / corners
        bulge = 1 + lobes[1] * math.cos(lobes[0] * angle)
        distance = mean * bulge + swing * rng.uniform(0.1, 1) * (-1) ** i
        points.append(Corner(distance * math.cos(angle), distance * math.sin(angle)))
    return [
        _snug(points[i - 1], points[i], points[(i + 1) % corners], radii) for i in range(corners)
    ]


def _snug(before: Corner, corner: Corner, after: Corner, radii: tuple[float, float]) -> Corner:
    """Give a corner the widest curve whose ends stay within its halves of the two edges."""
    first = math.atan2(corner.y - before.y, corner.x - before.x)
    turn = abs(_wrap(math.atan2(after.y - corner.y, after.x - corner.x) - first))
    unit = replace(corner, radius=1.0, transition=TRANSITION_SHARE * turn)
    _, tangent = _bend(before, unit, after)
    edges = (math.hypot(corner.x - c.x, corner.y - c.y) for c in (before, after))
    radius = FILLED_SHARE * min(edges) / 2 / tangent  # a curve and its tangents scale alike
    if radius < radii[0]:
        raise ValueError(f"the curve at {corner} must be tighter: {radius:.1f} m")
    radius = min(radius, radii[1])
    return replace(unit, radius=radius, transition=TRANSITION_SHARE * turn * radius)


def turn_between(start: Pose, end: Pose) -> Alignment:
    """Return a line, an arc as wide as possible and a line, from one pose to another.

    Raises:
        ValueError: If the two tangents don't meet ahead of the start and behind the end.
    """
    turn = _wrap(end.heading - start.heading)
    dx, dy = end.x - start.x, end.y - start.y
    ahead = math.cos(start.heading) * dx + math.sin(start.heading) * dy
    left = -math.sin(start.heading) * dx + math.cos(start.heading) * dy
    if abs(turn) < 1e-6:
        if abs(left) > 1e-6:
            raise ValueError(f"parallel lines {left:.3f} m apart can't be joined by one arc")
        return Alignment(start, (Piece(ahead),))
    after = left / math.sin(turn)
    before = ahead - after * math.cos(turn)
    tangent = min(before, after)
    if tangent <= 0:
        raise ValueError(f"no arc turns by {math.degrees(turn):.0f} deg from {start} to {end}")
    curvature = math.tan(turn / 2) / tangent
    pieces = [Piece(before - tangent), Piece(turn / curvature, curvature, curvature)]
    pieces.append(Piece(after - tangent))
    return Alignment(start, tuple(piece for piece in pieces if piece.length > SHORTEST_M))


def _bend(before: Corner, corner: Corner, after: Corner) -> tuple[list[Piece], float]:
    """Return the curve at a corner, and the distance from the corner to its two ends."""
    first = math.atan2(corner.y - before.y, corner.x - before.x)
    turn = _wrap(math.atan2(after.y - corner.y, after.x - corner.x) - first)
    if abs(turn) < STRAIGHT:
        return [], 0.0
    curvature = math.copysign(1 / corner.radius, turn)
    transition = min(corner.transition, 0.9 * turn / curvature)
    pieces = [Piece(turn / curvature - transition, curvature, curvature)]
    if transition > SHORTEST_M:
        pieces = [Piece(transition, 0, curvature), *pieces, Piece(transition, curvature, 0)]
    end = Alignment(Pose(0, 0, 0), tuple(pieces)).end
    return pieces, end.x - end.y / math.tan(turn)


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
