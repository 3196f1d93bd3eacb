"""Roads, joints and junctions, written with `scenariogeneration`."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field

from scenariogeneration import xodr

from mapmaker.alignment import Alignment, Corner, Piece, Pose, closed, opened, turn_between
from mapmaker.lanes import cross_section, lane_type, road_mark, smooth
from mapmaker.style import KERB_MARK, NO_MARK, Strip, Style

DECIMALS = 9  # nanometres: more would differ from one maths library to the next
FIRST_JUNCTION = 1000
GEO_REFERENCE = "+proj=tmerc +lat_0=49 +lon_0=8 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m"
NARROWEST_CORNER_M = 1.0  # radius of what is outermost in a right turn


@dataclass(frozen=True)
class Arm:
    """The end of a road at a junction.

    Attributes:
        road: Its id.
        at_end: The junction is at the end of the road, not at its start.
        pose: Of the reference line there, into the junction.
        style: Of the road.
    """

    road: int
    at_end: bool
    pose: Pose
    style: Style

    @property
    def contact(self) -> xodr.ContactPoint:
        """Return which end of the road is here."""
        return xodr.ContactPoint.end if self.at_end else xodr.ContactPoint.start

    def lane(self, role: str, inwards: bool) -> int | None:
        """Return the lane id of a role on the side that leads into the junction, or out of it."""
        roles = [strip.role for strip in self.style.strips]
        if role not in roles:
            return None
        right = self.at_end == inwards  # lanes with negative ids run along s
        return (-1 if right else 1) * (roles.index(role) + 1)


@dataclass
class MapBuilder:
    """Collects the roads of one map.

    Attributes:
        name: Of the map.
    """

    name: str
    _roads: list[xodr.Road] = field(default_factory=list)
    _arms: dict[str, list[Arm]] = field(default_factory=dict)

    def ring(
        self, corners: Sequence[Corner], styles: Sequence[Style], shares: Sequence[float] = ()
    ) -> None:
        """Add a closed road; it is cut into one part per style."""
        parts = closed(corners).cut(shares or [1.0] * len(styles))
        roads = self._chain(parts, styles, styles[-1], styles[0])
        self._join(roads[-1], styles[-1], roads[0], styles[0])

    def street(
        self,
        ends: tuple[str, str],
        corners: Sequence[Corner],
        styles: Sequence[Style],
        setbacks: tuple[float, float],
    ) -> None:
        """Add a street between two junctions.

        Args:
            ends: Names of the junctions.
            corners: From the middle of one junction to the middle of the other.
            styles: The street is cut into one part per style.
            setbacks: How far from the middle of the junctions it ends.
        """
        line = opened(corners, setbacks)
        parts = line.cut([1.0] * len(styles))
        roads = self._chain(parts, styles, None, None)
        self._arms.setdefault(ends[0], []).append(
            Arm(roads[0].id, False, line.start.turned_round(), styles[0])
        )
        self._arms.setdefault(ends[1], []).append(Arm(roads[-1].id, True, line.end, styles[-1]))
        ids = list(dict.fromkeys(self._arms))  # in the order of first use
        roads[0].add_predecessor(xodr.ElementType.junction, FIRST_JUNCTION + ids.index(ends[0]))
        roads[-1].add_successor(xodr.ElementType.junction, FIRST_JUNCTION + ids.index(ends[1]))

    def write(self) -> str:
        """Return the map as OpenDRIVE text; the same text every time."""
        drive = xodr.OpenDrive(self.name, geo_reference=GEO_REFERENCE)
        junctions = [
            self._junction(name, FIRST_JUNCTION + i, arms)
            for i, (name, arms) in enumerate(self._arms.items())
        ]
        for road in self._roads:
            drive.add_road(road)
        for junction in junctions:
            drive.add_junction(junction)
        root = drive.get_element()
        del root.find("header").attrib["date"]  # the library writes the time of day
        for element in root.iter():
            for key, value in element.attrib.items():
                element.set(key, _rounded(key, value))
        ET.indent(root, " ")
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"

    def _chain(
        self,
        parts: Sequence[Alignment],
        styles: Sequence[Style],
        before: Style | None,
        after: Style | None,
    ) -> list[xodr.Road]:
        """Add roads that follow each other; None stands for a junction."""
        around = [before, *styles, after]
        roads = []
        for i, (part, style) in enumerate(zip(parts, styles, strict=True)):
            lanes = cross_section(style, part.length, around[i], around[i + 2])
            roads.append(self._add_road(part, lanes, style.name, style))
        for i in range(len(roads) - 1):
            self._join(roads[i], styles[i], roads[i + 1], styles[i + 1])
        return roads

    def _add_road(
        self,
        line: Alignment,
        section: xodr.LaneSection,
        name: str,
        style: Style,
        junction: int = -1,
    ) -> xodr.Road:
        lanes = xodr.Lanes()
        lanes.add_lanesection(section)
        road = xodr.Road(len(self._roads), _plan(line), lanes, junction, name)
        road.add_type(xodr.RoadType[style.kind], 0, speed=style.speed_kmh, speed_unit="km/h")
        road.add_elevation(0, 0, 0, 0, 0)
        self._roads.append(road)
        return road

    def _join(self, first: xodr.Road, style: Style, second: xodr.Road, following: Style) -> None:
        first.add_successor(xodr.ElementType.road, second.id, xodr.ContactPoint.start)
        second.add_predecessor(xodr.ElementType.road, first.id, xodr.ContactPoint.end)
        roles = [strip.role for strip in following.strips]
        for i, strip in enumerate(style.strips):
            if strip.role not in roles:
                continue
            j = roles.index(strip.role)
            for side in (-1, 1):
                _lane(first, side * (i + 1)).add_link("successor", str(side * (j + 1)))
                _lane(second, side * (j + 1)).add_link("predecessor", str(side * (i + 1)))

    def _junction(self, name: str, junction_id: int, arms: list[Arm]) -> xodr.Junction:
        junction = xodr.Junction(name, junction_id)
        for arm in arms:
            others = [other for other in arms if other is not arm]
            # The rightmost way goes along the corner, so the kerb and the sidewalk belong to it.
            rightmost = min(others, key=lambda other: _turn(arm, other))
            for other in others:
                self._connect(junction, arm, other, along_kerb=other is rightmost)
        return junction

    def _connect(self, junction: xodr.Junction, arm: Arm, other: Arm, along_kerb: bool) -> None:
        line = turn_between(arm.pose, other.pose.turned_round())
        roles = ["driving"]
        if along_kerb:
            present = {strip.role for strip in (*arm.style.strips, *other.style.strips)}
            roles += [role for role in ("shoulder", "kerb", "sidewalk") if role in present]
        section = xodr.LaneSection(0, xodr.Lane(lane_type=xodr.LaneType.none))
        used = 0.0
        for role in roles:
            widths = arm.style.width_at_junction(role), other.style.width_at_junction(role)
            used += max(widths)
            lane = xodr.Lane(lane_type(Strip(role, 1.0)), *smooth(*widths, line.length))
            lane.add_roadmark(road_mark(KERB_MARK if role == "kerb" else NO_MARK))
            section.add_right_lane(lane)
            for end, at, inwards in (("predecessor", arm, True), ("successor", other, False)):
                linked = at.lane(role, inwards)
                if linked is not None:
                    lane.add_link(end, str(linked))
        _check_room(line, used, junction.name)
        section.centerlane.add_roadmark(road_mark(NO_MARK))
        road = self._add_road(line, section, f"{junction.name} junction", arm.style, junction.id)
        road.add_predecessor(xodr.ElementType.road, arm.road, arm.contact)
        road.add_successor(xodr.ElementType.road, other.road, other.contact)
        connection = xodr.Connection(arm.road, road.id, xodr.ContactPoint.start)
        for i, role in enumerate(roles):
            incoming = arm.lane(role, inwards=True)
            if incoming is not None:
                connection.add_lanelink(incoming, -(i + 1))
        junction.add_connection(connection)


def _plan(line: Alignment) -> xodr.PlanView:
    plan = xodr.PlanView()
    pose = line.start
    for piece in line.pieces:
        plan.add_fixed_geometry(_shape(piece), pose.x, pose.y, pose.heading)
        pose = piece.end(pose)
    return plan


def _shape(piece: Piece) -> xodr.Line | xodr.Arc | xodr.Spiral:
    if piece.first != piece.last:
        return xodr.Spiral(piece.first, piece.last, length=piece.length)
    if piece.first == 0:
        return xodr.Line(piece.length)
    return xodr.Arc(piece.first, length=piece.length)


def _lane(road: xodr.Road, lane_id: int) -> xodr.Lane:
    section = road.lanes.lanesections[0]
    side = section.rightlanes if lane_id < 0 else section.leftlanes
    return side[abs(lane_id) - 1]


def _turn(arm: Arm, other: Arm) -> float:
    """Return how far to the left a way turns, in (-pi, pi)."""
    return math.remainder(other.pose.heading + math.pi - arm.pose.heading, 2 * math.pi)


def _check_room(line: Alignment, width: float, name: str) -> None:
    tightest = min((piece.first for piece in line.pieces), default=0.0)
    if tightest < 0 and -1 / tightest - width < NARROWEST_CORNER_M:
        raise ValueError(f"junction {name}: no room for {width:.1f} m in a right turn of {line}")


def _rounded(key: str, value: str) -> str:
    try:
        number = round(float(value), DECIMALS) + 0.0
    except ValueError:
        return value
    if key in {"id", "junction", "elementId", "incomingRoad", "connectingRoad", "from", "to"}:
        return value
    if key in {"revMajor", "revMinor", "name"}:
        return value
    return f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")
