"""Reads OpenDRIVE 1.4 to 1.6 text into plain dataclasses; what the standard means, nothing of ours.

Axes are OpenDRIVE's in this module: x east, y north, t to the left of the reference line, radians.
Superelevation and lane heights are left out, as CARLA does.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET  # ours is safe: a file with a DTD is refused before it is parsed
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.errors import BadInputError
from carla_saliency.server.roads.planview import Geometry, PlanView

Values = NDArray[np.float64]

LONGEST_M = 1e6  # of one road; more is a broken file, and sampling it would take all memory


@dataclass(frozen=True, slots=True)
class Cubics:
    """A piecewise cubic of the distance from the start of the piece; 0 without pieces.

    Attributes:
        starts: (K,), rising.
        coefficients: (K, 4), in the order a, b, c, d.
    """

    starts: Values
    coefficients: Values

    def at(self, s: Values) -> Values:
        """Return the value at each position, (N,)."""
        if not len(self.starts):
            return np.zeros_like(s)
        a, b, c, d, along = self._pieces(s)
        return a + along * (b + along * (c + along * d))

    def bend(self, s: Values) -> Values:
        """Return the absolute second derivative at each position, (N,)."""
        if not len(self.starts):
            return np.zeros_like(s)
        _, _, c, d, along = self._pieces(s)
        return np.abs(2 * c + 6 * d * along)

    def _pieces(self, s: Values) -> tuple[Values, ...]:
        index = np.maximum(np.searchsorted(self.starts, s, side="right") - 1, 0)
        return (*self.coefficients[index].T, s - self.starts[index])


@dataclass(frozen=True, slots=True)
class RoadMark:
    """What is painted along the outer edge of a lane from some position on.

    Attributes:
        s_offset: From the start of the lane section.
        kind: "solid", "broken", "solid solid", "broken solid", "curb", "none", ...
        colour: "white" where the file says "standard".
        width_m: Of one line.
        lane_change: "increase", "decrease", "both", "none".
    """

    s_offset: float
    kind: str
    colour: str
    width_m: float
    lane_change: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a section; lane 0 has no width.

    Attributes:
        lane_id: Negative right of the reference line, positive left of it.
        kind: "driving", "shoulder", "sidewalk", ...
        width: By distance from the start of the section; empty if `border` is given instead.
        border: Distance of the outer edge from the lane reference line, likewise.
        marks: In the order of s_offset.
        predecessor: Lane at the start of the section, if linked.
        successor: Lane at its end, if linked.
    """

    lane_id: int
    kind: str
    width: Cubics
    border: Cubics
    marks: tuple[RoadMark, ...]
    predecessor: int | None
    successor: int | None


@dataclass(frozen=True, slots=True)
class LaneSection:
    """A stretch of road with a fixed number of lanes.

    Attributes:
        start: Position along the road.
        end: Position along the road.
        lanes: By lane id, from left to right.
    """

    start: float
    end: float
    lanes: dict[int, Lane]


@dataclass(frozen=True, slots=True)
class Link:
    """What a road's end touches.

    Attributes:
        kind: "road" or "junction".
        element_id: Of it.
        contact: "start" or "end" of a road, "" for a junction.
    """

    kind: str
    element_id: int
    contact: str


@dataclass(frozen=True, slots=True)
class Signal:
    """A sign or a light beside a road.

    Attributes:
        signal_id: As in the file.
        name: As in the file.
        kind: The `type`, for example "1000001" for a traffic light.
        s: Along the road.
        t: To the left of the reference line.
        z_offset: Above the road.
        orientation: "+": for traffic along s, "-": against it, "none": both.
        dynamic: It changes (a light).
    """

    signal_id: str
    name: str
    kind: str
    s: float
    t: float
    z_offset: float
    orientation: str
    dynamic: bool


@dataclass(frozen=True, slots=True)
class Road:
    """One road.

    Attributes:
        road_id: Unique in the file.
        name: As in the file, may be empty.
        kind: `type` at its start: "town", "rural", "motorway" or "".
        length: Metres.
        junction: The junction that it is a path of, -1 outside junctions.
        right_hand: Traffic keeps to the right.
        plan: The reference line.
        elevation: z by s.
        offset: The lane reference line's t by s.
        sections: In the order of s.
        predecessor: At its start.
        successor: At its end.
        signals: Beside it.
    """

    road_id: int
    name: str
    kind: str
    length: float
    junction: int
    right_hand: bool
    plan: PlanView
    elevation: Cubics
    offset: Cubics
    sections: tuple[LaneSection, ...]
    predecessor: Link | None
    successor: Link | None
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """One way through a junction.

    Attributes:
        incoming: Road that leads to it.
        connecting: Road inside the junction.
        contact: The end of the connecting road that touches the incoming one.
        lanes: (from, to) lane ids.
    """

    incoming: int
    connecting: int
    contact: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class OpenDrive:
    """A whole file.

    Attributes:
        roads: By id, in the file's order; at least one.
        junctions: By id.
    """

    roads: dict[int, Road]
    junctions: dict[int, tuple[Connection, ...]]


def parse(xodr: str) -> OpenDrive:
    """Read OpenDRIVE text.

    Args:
        xodr: The whole file.

    Returns:
        Its roads and junctions.

    Raises:
        BadInputError: If it is not XML, declares a DTD, has no road, or a number in it is bad.
    """
    if "<!DOCTYPE" in xodr or "<!ENTITY" in xodr:
        raise BadInputError(
            "OpenDRIVE must have no DTD and no entities (<!DOCTYPE ...>); remove it"
        )
    try:
        root = ET.fromstring(xodr)
    except (ET.ParseError, ValueError) as error:  # ValueError: half a surrogate pair
        raise BadInputError(f"OpenDRIVE must be XML, received text with {error}") from None
    for element in root.iter():  # some writers put OpenDRIVE 1.6 into a namespace
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "OpenDRIVE":
        raise BadInputError(f"expected an <OpenDRIVE> file, received <{root.tag}>")
    roads = [_road(element) for element in root.iterfind("road")]
    if not roads:
        raise BadInputError("expected at least one <road> in the OpenDRIVE file, received none")
    junctions = {
        _integer(element, "id", "junction"): _connections(element)
        for element in root.iterfind("junction")
    }
    return OpenDrive({road.road_id: road for road in roads}, junctions)


def _road(element: ET.Element) -> Road:
    road_id = _integer(element, "id", "road")
    where = f"road {road_id}"
    plan = _plan(element, where)
    last = plan.pieces[-1]
    length = _number(element, "length", where, last.s + last.length)
    if not 0 < length <= LONGEST_M:
        raise BadInputError(f"length of {where} must be in (0, {LONGEST_M:g}], received {length:g}")
    kind = element.find("type")
    return Road(
        road_id=road_id,
        name=element.get("name", ""),
        kind="" if kind is None else kind.get("type", ""),
        length=length,
        junction=_integer(element, "junction", where, -1),
        right_hand=element.get("rule", "RHT") != "LHT",
        plan=plan,
        elevation=_cubics(element.iterfind("elevationProfile/elevation"), "s", where),
        offset=_cubics(element.iterfind("lanes/laneOffset"), "s", where),
        sections=_sections(element, length, where),
        predecessor=_link(element.find("link/predecessor"), where),
        successor=_link(element.find("link/successor"), where),
        signals=tuple(_signal(signal, where) for signal in element.iterfind("signals/signal")),
    )


def _plan(element: ET.Element, where: str) -> PlanView:
    pieces = [_geometry(piece, where) for piece in element.iterfind("planView/geometry")]
    pieces = [piece for piece in pieces if piece.length > 0]
    if not pieces:
        raise BadInputError(f"{where} must have a <geometry> with a length in its <planView>")
    return PlanView(tuple(sorted(pieces, key=lambda piece: piece.s)))


def _geometry(element: ET.Element, where: str) -> Geometry:
    where = f"<geometry> of {where}"
    s, x, y, heading, length = (
        _number(element, name, where) for name in ("s", "x", "y", "hdg", "length")
    )
    if not 0 <= length <= LONGEST_M:
        raise BadInputError(f"length of {where} must be in [0, {LONGEST_M:g}], received {length:g}")
    for shape in element:
        match shape.tag:
            case "line":
                return Geometry(s, x, y, heading, length, "line")
            case "arc":
                curvature = _number(shape, "curvature", where)
                return Geometry(s, x, y, heading, length, "arc", (curvature,))
            case "spiral":
                ends = _number(shape, "curvStart", where), _number(shape, "curvEnd", where)
                return Geometry(s, x, y, heading, length, "spiral", ends)
            case "poly3":
                v = tuple(_number(shape, name, where) for name in "abcd")
                # v is a function of u; u can't exceed the length of the curve.
                return Geometry(s, x, y, heading, length, "poly", (0.0, 1.0, 0.0, 0.0, *v, length))
            case "paramPoly3":
                names = ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV")
                uv = tuple(_number(shape, name, where) for name in names)
                end = length if shape.get("pRange") == "arcLength" else 1.0
                return Geometry(s, x, y, heading, length, "poly", (*uv, end))
    raise BadInputError(
        f"{where} must hold a line, arc, spiral, poly3 or paramPoly3, "
        f"received {[shape.tag for shape in element]}"
    )


def _sections(element: ET.Element, length: float, where: str) -> tuple[LaneSection, ...]:
    found = sorted(
        (_number(section, "s", f"<laneSection> of {where}"), i, section)
        for i, section in enumerate(element.iterfind("lanes/laneSection"))
    )
    ends = [start for start, _, _ in found[1:]] + [length]
    return tuple(
        LaneSection(start, end, _lanes(section, where))
        for (start, _, section), end in zip(found, ends, strict=True)
    )


def _lanes(section: ET.Element, where: str) -> dict[int, Lane]:
    lanes = [_lane(lane, where) for side in section for lane in side.iterfind("lane")]
    return {lane.lane_id: lane for lane in sorted(lanes, key=lambda lane: -lane.lane_id)}


def _lane(element: ET.Element, where: str) -> Lane:
    lane_id = _integer(element, "id", f"<lane> of {where}")
    where = f"lane {lane_id} of {where}"
    marks = [_mark(mark, where) for mark in element.iterfind("roadMark")]
    ends = (element.find(f"link/{end}") for end in ("predecessor", "successor"))
    predecessor, successor = (None if end is None else _integer(end, "id", where) for end in ends)
    return Lane(
        lane_id=lane_id,
        kind=element.get("type", "none"),
        width=_cubics(element.iterfind("width"), "sOffset", where),
        border=_cubics(element.iterfind("border"), "sOffset", where),
        marks=tuple(sorted(marks, key=lambda mark: mark.s_offset)),
        predecessor=predecessor,
        successor=successor,
    )


def _mark(element: ET.Element, where: str) -> RoadMark:
    where = f"<roadMark> of {where}"
    usual_width_m = 0.25 if element.get("weight") == "bold" else 0.12
    colour = element.get("color", "standard")
    return RoadMark(
        s_offset=_number(element, "sOffset", where, 0.0),
        kind=element.get("type", "none"),
        colour="white" if colour == "standard" else colour,
        width_m=_number(element, "width", where, usual_width_m),
        lane_change=element.get("laneChange", "both"),
    )


def _cubics(elements: Iterable[ET.Element], start: str, where: str) -> Cubics:
    rows = sorted(
        tuple(
            _number(element, name, f"<{element.tag}> of {where}", 0.0) for name in (start, *"abcd")
        )
        for element in elements
    )
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Cubics(table[:, 0], table[:, 1:])


def _link(element: ET.Element | None, where: str) -> Link | None:
    if element is None:
        return None
    element_id = _integer(element, "elementId", f"link of {where}")
    return Link(element.get("elementType", "road"), element_id, element.get("contactPoint", ""))


def _signal(element: ET.Element, where: str) -> Signal:
    where = f"<signal> of {where}"
    return Signal(
        signal_id=element.get("id", ""),
        name=element.get("name", ""),
        kind=element.get("type", ""),
        s=_number(element, "s", where),
        t=_number(element, "t", where),
        z_offset=_number(element, "zOffset", where, 0.0),
        orientation=element.get("orientation", "none"),
        dynamic=element.get("dynamic") == "yes",
    )


def _connections(element: ET.Element) -> tuple[Connection, ...]:
    where = f"<connection> of junction {element.get('id')}"
    return tuple(
        Connection(
            _integer(connection, "incomingRoad", where),
            _integer(connection, "connectingRoad", where),
            connection.get("contactPoint", "start"),
            tuple(
                (_integer(link, "from", where), _integer(link, "to", where))
                for link in connection.iterfind("laneLink")
            ),
        )
        for connection in element.iterfind("connection")
        # A direct junction names a linked road instead: there is no road inside it to follow.
        if connection.get("connectingRoad") is not None
    )


def _number(element: ET.Element, name: str, where: str, default: float | None = None) -> float:
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadInputError(f"{name} of {where} must be a finite number, received {text!r}")
    return value


def _integer(element: ET.Element, name: str, where: str, default: int | None = None) -> int:
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise BadInputError(f"{name} of {where} must be an integer, received {text!r}") from None
