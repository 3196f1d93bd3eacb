"""Cross-sections as OpenDRIVE lanes, their widths and their marks."""

from __future__ import annotations

from scenariogeneration import xodr

from mapmaker.style import Mark, Strip, Style

TAPER_M = 25.0  # over which widths change where two styles meet
PARKING_HOLD_M = 3.0  # no parking this near to the end of a street
PARKING_TAPER_M = 8.0  # over which the kerb then swings out


def cross_section(
    style: Style, length: float, before: Style | None, after: Style | None
) -> xodr.LaneSection:
    """Return the lanes of a whole road.

    Args:
        style: Of the road.
        length: Of the road.
        before: Style of the road that it follows; None for a junction.
        after: Style of the road that follows; None for a junction.
    """
    centre = xodr.Lane(lane_type=xodr.LaneType.none)
    centre.add_roadmark(road_mark(style.centre))
    section = xodr.LaneSection(0, centre)
    for strip in style.strips:
        for add in (section.add_left_lane, section.add_right_lane):
            add(_tapered(strip, style, length, before, after))
    return section


def _tapered(
    strip: Strip, style: Style, length: float, before: Style | None, after: Style | None
) -> xodr.Lane:
    """Return a lane that has its width but near the ends, where it meets its neighbours'."""
    first, last = (_shared_width(strip.role, style, neighbour) for neighbour in (before, after))
    lane = xodr.Lane(lane_type(strip))
    lane.widths.clear()  # the library starts every lane with a width of 0
    hold, taper = 0.0, min(TAPER_M, length / 3)
    if strip.role == "parking":
        hold, taper = PARKING_HOLD_M, PARKING_TAPER_M
    if first != strip.width:
        if hold:
            lane.add_lane_width(first)
        lane.add_lane_width(*smooth(first, strip.width, taper), hold)
    lane.add_lane_width(strip.width, soffset=hold + taper if first != strip.width else 0)
    if last != strip.width:
        start = length - hold - taper
        lane.add_lane_width(*smooth(strip.width, last, taper), start)
        if hold:
            lane.add_lane_width(last, soffset=length - hold)
    lane.add_roadmark(road_mark(strip.mark))
    return lane


def _shared_width(role: str, style: Style, neighbour: Style | None) -> float:
    if neighbour is None:
        return style.width_at_junction(role)
    widths = style.width(role), neighbour.width(role)
    return min(widths) if 0 in widths else sum(widths) / 2


def smooth(first: float, last: float, length: float) -> tuple[float, float, float, float]:
    """Return the cubic that leads from one value to another and is level at both ends."""
    rise = last - first
    return first, 0.0, 3 * rise / length**2, -2 * rise / length**3


def road_mark(mark: Mark) -> xodr.RoadMark:
    """Return it as OpenDRIVE's."""
    return xodr.RoadMark(
        xodr.RoadMarkType[mark.kind.replace(" ", "_")],
        width=None if mark.kind == "none" else mark.width,
        color=xodr.RoadMarkColor[mark.colour],
        laneChange=xodr.LaneChange[mark.lane_change],
    )


def lane_type(strip: Strip) -> xodr.LaneType:
    """Return OpenDRIVE's lane type."""
    return xodr.LaneType[strip.kind]
