"""The line in the plane that an OpenDRIVE road follows (ASAM OpenDRIVE 1.6, chapter 9).

Axes are OpenDRIVE's here: x east, y north, headings in radians, anticlockwise positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Kind = Literal["line", "arc", "spiral", "poly"]

TABLE_STEP_M = 0.1  # of the arc length table of a polynomial; its error falls with the square
SPARE = 1.05  # how far that table goes, in shares of the polynomial
SMALLEST_TABLE = 64  # rows, for short polynomials


@dataclass(frozen=True, slots=True)
class Geometry:
    """One piece of a reference line.

    Attributes:
        s: Where it starts along the road.
        x: Of its start.
        y: Of its start.
        heading: Of its start, radians.
        length: Along the piece.
        kind: Its shape; poly3 and paramPoly3 are both "poly".
        shape: arc: (curvature,); spiral: (curvature at the start, at the end);
            poly: (aU, bU, cU, dU, aV, bV, cV, dV, largest parameter).
    """

    s: float
    x: float
    y: float
    heading: float
    length: float
    kind: Kind
    shape: tuple[float, ...] = ()

    def at(self, along: Values) -> tuple[Values, Values, Values]:
        """Return x, y and heading at distances from the start of this piece, each (N,)."""
        u, v, turn = _LOCAL[self.kind](self, along)
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return self.x + cos * u - sin * v, self.y + sin * u + cos * v, self.heading + turn

    def largest_curvature(self) -> float:
        """Return an upper bound of the absolute curvature, 1/m."""
        if self.kind == "poly":
            _, _, turn = self.at(np.linspace(0, self.length, 65))
            return float(np.abs(np.diff(turn)).max()) * 64 / self.length
        return max((abs(curvature) for curvature in self.shape), default=0.0)


@dataclass(frozen=True, slots=True)
class PlanView:
    """A whole reference line.

    Attributes:
        pieces: In the order of s, at least one.
    """

    pieces: tuple[Geometry, ...]

    @property
    def starts(self) -> Values:
        """Where each piece starts, (pieces,)."""
        return np.array([piece.s for piece in self.pieces])

    def at(self, s: Values) -> tuple[Values, Values, Values]:
        """Return x, y and heading (radians) at positions along the road, each (N,)."""
        x, y, heading = np.empty((3, len(s)))
        index = np.clip(np.searchsorted(self.starts, s, side="right") - 1, 0, None)
        for i in np.unique(index):
            here = index == i
            piece = self.pieces[i]
            x[here], y[here], heading[here] = piece.at(s[here] - piece.s)
        return x, y, heading

    def largest_curvature(self, s: Values) -> Values:
        """Return the bound of the piece at each position, 1/m, (N,)."""
        bounds = np.array([piece.largest_curvature() for piece in self.pieces])
        return bounds[np.clip(np.searchsorted(self.starts, s, side="right") - 1, 0, None)]


def _line(_: Geometry, along: Values) -> tuple[Values, Values, Values]:
    return along, np.zeros_like(along), np.zeros_like(along)


def _arc(piece: Geometry, along: Values) -> tuple[Values, Values, Values]:
    (curvature,) = piece.shape
    if abs(curvature) < 1e-12:  # a file may write a straight road as an arc
        return _line(piece, along)
    turn = curvature * along
    # 1 - cos loses every digit for a small turn, 2 sin^2 of its half does not.
    return np.sin(turn) / curvature, 2 * np.sin(turn / 2) ** 2 / curvature, turn


def _spiral(piece: Geometry, along: Values) -> tuple[Values, Values, Values]:
    """Integrate a clothoid with Gauss's rule.

    Unlike the Fresnel integrals this has no special case for a rate of curvature near zero; with
    these nodes it is exact to 1e-9 m for any turn that a road makes.
    """
    first, last = piece.shape
    rate = (last - first) / piece.length
    whole_turn = max(abs(first), abs(last)) * piece.length
    nodes, weights = np.polynomial.legendre.leggauss(16 + 4 * math.ceil(whole_turn))
    inside = along[:, None] * (nodes + 1) / 2
    turn = first * inside + rate / 2 * inside**2
    u = along / 2 * (np.cos(turn) @ weights)
    v = along / 2 * (np.sin(turn) @ weights)
    return u, v, first * along + rate / 2 * along**2


def _poly(piece: Geometry, along: Values) -> tuple[Values, Values, Values]:
    """Follow a pair of cubics by its arc length: that is what s means, whatever the parameter."""
    cubic_u, cubic_v, end = piece.shape[:4], piece.shape[4:8], piece.shape[8]
    rows = max(SMALLEST_TABLE, math.ceil(piece.length / TABLE_STEP_M))
    # Some more than the end, because the length that a file states is rounded, or a little wrong.
    table = np.linspace(0, SPARE * end, rows + 1)
    steps = np.hypot(np.diff(_cubic(cubic_u, table)), np.diff(_cubic(cubic_v, table)))
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    p = np.interp(along, travelled, table)
    turn = np.arctan2(_slope(cubic_v, p), _slope(cubic_u, p))
    return _cubic(cubic_u, p), _cubic(cubic_v, p), turn


def _cubic(c: tuple[float, ...], p: Values) -> Values:
    return c[0] + p * (c[1] + p * (c[2] + p * c[3]))


def _slope(c: tuple[float, ...], p: Values) -> Values:
    return c[1] + p * (2 * c[2] + p * 3 * c[3])


_LOCAL = {"line": _line, "arc": _arc, "spiral": _spiral, "poly": _poly}
