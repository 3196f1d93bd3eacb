"""Small OpenDRIVE texts with known contents, and broken ones."""

from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.errors import BadInputError
from carla_saliency.server.nouns import LaneStrip, RoadNetwork
from carla_saliency.server.roads import opendrive
from carla_saliency.server.roads.network import network_from_xodr

LINE = '<geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry>'
FLAT = '<elevation s="0" a="0" b="0" c="0" d="0"/>'
WIDTH = '<width sOffset="0" a="3" b="0" c="0" d="0"/>'
LANE = f'<lane id="-1" type="driving">{WIDTH}</lane>'


def xodr(
    plan: str = LINE,
    right: str = LANE,
    left: str = "",
    centre: str = "",
    offset: str = "",
    elevation: str = FLAT,
    attributes: str = 'id="7" junction="-1" length="100"',
) -> str:
    return f"""<OpenDRIVE><header revMajor="1" revMinor="4"/>
    <road name="Main" {attributes}><link/><type s="0" type="rural"/>
    <planView>{plan}</planView><elevationProfile>{elevation}</elevationProfile>
    <lanes>{offset}<laneSection s="0"><left>{left}</left>
    <center><lane id="0" type="none">{centre}</lane></center><right>{right}</right></laneSection>
    </lanes></road></OpenDRIVE>"""


def network(**parts: str) -> RoadNetwork:
    return network_from_xodr("test", xodr(**parts))


def lane(roads: RoadNetwork, lane_id: int) -> LaneStrip:
    (found,) = (strip for strip in roads.lanes if strip.lane_id == lane_id)
    return found


def test_a_lane_to_the_right_of_an_eastward_road_has_positive_y() -> None:
    strip = lane(network(), -1)
    assert strip.kind == "driving"
    assert strip.junction_id == -1
    assert np.allclose(strip.inner[:, 1], 0)
    assert np.allclose(strip.outer[:, 1], 3)
    assert strip.inner[[0, -1], 0] == pytest.approx([0, 100])
    assert np.diff(strip.s).max() <= 2


def test_a_northward_road_runs_towards_negative_y() -> None:
    strip = lane(network(plan=LINE.replace('hdg="0"', 'hdg="1.5707963267948966"')), -1)
    assert strip.inner[-1] == pytest.approx([0, -100, 0], abs=1e-9)
    assert strip.outer[-1] == pytest.approx([3, -100, 0], abs=1e-9)


def test_lanes_are_stacked_on_both_sides_and_shifted_by_the_lane_offset() -> None:
    side = '<lane id="{}" type="driving"><width sOffset="0" a="{}" b="0" c="0" d="0"/></lane>'
    roads = network(
        left=side.format(2, 1) + side.format(1, 4),
        right=side.format(-1, 3) + side.format(-2, 2),
        offset='<laneOffset s="0" a="0.5" b="0.01" c="0" d="0"/>',
    )
    assert [strip.lane_id for strip in roads.lanes] == [2, 1, -1, -2]
    starts = [edge[0, 1] for strip in roads.lanes for edge in (strip.inner, strip.outer)]
    assert starts == pytest.approx([-4.5, -5.5, -0.5, -4.5, -0.5, 2.5, 2.5, 4.5])
    assert lane(roads, -1).inner[-1, 1] == pytest.approx(-1.5)
    assert roads.bounds == pytest.approx((0, -6.5, 100, 4.5))


def test_widths_follow_their_cubics_and_change_where_they_say() -> None:
    widths = (
        '<width sOffset="0" a="3" b="0" c="0" d="0"/>'
        '<width sOffset="40" a="3" b="0" c="0.0075" d="-0.00025"/>'
        '<width sOffset="60" a="4" b="0" c="0" d="0"/>'
    )
    strip = lane(network(right=f'<lane id="-1" type="driving">{widths}</lane>'), -1)
    width = np.linalg.norm(strip.outer - strip.inner, axis=1)
    assert np.interp([20, 40, 50, 60, 80], strip.s, width) == pytest.approx(
        [3, 3, 3.5, 4, 4], abs=2e-3
    )


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_border_is_measured_from_the_middle_whatever_its_sign(sign: str) -> None:
    border = f'<border sOffset="0" a="{sign}3.5" b="0" c="0" d="0"/>'
    right = (
        f'<lane id="-1" type="driving">{WIDTH}</lane><lane id="-2" type="border">{border}</lane>'
    )
    strip = lane(network(right=right), -2)
    assert np.allclose(strip.inner[:, 1], 3)
    assert np.allclose(strip.outer[:, 1], 3.5)


def test_elevation_is_z() -> None:
    strip = lane(network(elevation='<elevation s="0" a="2" b="0.1" c="0" d="0"/>'), -1)
    assert strip.inner[[0, -1], 2] == pytest.approx([2, 12])


def test_a_curve_is_sampled_within_two_centimetres_of_its_edges() -> None:
    arc = '<geometry s="0" x="0" y="0" hdg="0" length="100"><arc curvature="0.05"/></geometry>'
    left = LANE.replace('"-1"', '"1"')
    roads = network(plan=arc, left=left)
    for lane_id, radius in ((-1, 23.0), (1, 17.0)):
        edge = lane(roads, lane_id).outer[:, :2]
        middles = (edge[1:] + edge[:-1]) / 2
        assert np.linalg.norm(edge - [0, -20], axis=1) == pytest.approx(radius)
        assert (radius - np.linalg.norm(middles - [0, -20], axis=1)).max() < 0.02


def test_the_centre_line_belongs_to_lane_0() -> None:
    (mark,) = network(
        centre='<roadMark sOffset="0" type="broken" color="yellow" width="0.15"/>'
    ).marks
    assert (mark.lane_id, mark.kind, mark.colour, mark.width_m) == (0, "broken", "yellow", 0.15)
    assert np.allclose(mark.points[:, 1], 0)
    assert mark.s == pytest.approx(mark.points[:, 0])


def test_a_mark_changes_at_its_offset() -> None:
    marks = (
        '<roadMark sOffset="0" type="solid" color="standard"/>'
        '<roadMark sOffset="33.3" type="none"/>'
        '<roadMark sOffset="50" type="broken" color="blue" weight="bold"/>'
    )
    first, second = network(right=LANE.replace("</lane>", marks + "</lane>")).marks
    assert (first.kind, first.colour, first.width_m) == ("solid", "white", 0.12)
    assert first.points[[0, -1], 0] == pytest.approx([0, 33.3])
    assert (second.kind, second.colour, second.width_m) == ("broken", "blue", 0.25)
    assert second.points[[0, -1], 0] == pytest.approx([50, 100])
    assert second.s[[0, -1]] == pytest.approx([0, 50])


def test_a_double_line_is_two_lines_from_left_to_right_or_from_inside_to_outside() -> None:
    mark = '<roadMark sOffset="0" type="solid broken" color="white" width="0.1"/>'
    marked = LANE.replace("</lane>", mark + "</lane>")
    roads = network(centre=mark, right=marked, left=marked.replace('"-1"', '"1"'))
    found = {(line.lane_id, line.kind): line.points[0, 1] for line in roads.marks}
    assert found == pytest.approx(
        {
            (0, "solid"): -0.1,
            (0, "broken"): 0.1,
            (-1, "solid"): 2.9,
            (-1, "broken"): 3.1,
            (1, "solid"): -2.9,
            (1, "broken"): -3.1,
        }
    )


@pytest.mark.parametrize("kind", ["none", "curb", "botts dots", "grass", "edge"])
def test_what_is_not_a_painted_line_is_left_out(kind: str) -> None:
    assert network(centre=f'<roadMark sOffset="0" type="{kind}" color="white"/>').marks == ()


def test_a_lane_without_width_is_left_out() -> None:
    assert [strip.lane_id for strip in network(left='<lane id="1" type="none"/>').lanes] == [-1]


def test_links_junctions_and_signals_are_read() -> None:
    text = xodr().replace(
        "<link/>",
        '<link><predecessor elementType="junction" elementId="9"/>'
        '<successor elementType="road" elementId="8" contactPoint="end"/></link>',
    )
    text = text.replace(WIDTH, '<link><successor id="1"/></link>' + WIDTH)
    text = text.replace(
        "</road>",
        '<signals><signal id="4" name="Light" s="90" t="-5" zOffset="1" type="1000001" '
        'orientation="+" dynamic="yes"/></signals></road>'
        '<junction id="9"><connection incomingRoad="7" connectingRoad="8" contactPoint="start">'
        '<laneLink from="-1" to="1"/></connection></junction>',
    )
    read = opendrive.parse(text)
    road = read.roads[7]
    assert (road.name, road.kind, road.junction, road.right_hand) == ("Main", "rural", -1, True)
    assert road.predecessor == opendrive.Link("junction", 9, "")
    assert road.successor == opendrive.Link("road", 8, "end")
    assert road.sections[0].lanes[-1].successor == 1
    assert road.sections[0].lanes[-1].predecessor is None
    assert road.signals == (opendrive.Signal("4", "Light", "1000001", 90, -5, 1, "+", True),)
    assert read.junctions == {9: (opendrive.Connection(7, 8, "start", ((-1, 1),)),)}


def test_a_namespace_does_not_matter() -> None:
    text = xodr().replace("<OpenDRIVE>", '<OpenDRIVE xmlns="http://code.asam.net/opendrive">')
    assert len(network_from_xodr("test", text).lanes) == 1


BROKEN = {
    "": "XML",
    "hello": "XML",
    "<OpenDRIVE name='\ud800'/>": "XML",
    "<html/>": "<html>",
    "<OpenDRIVE/>": "<road>",
    '<!DOCTYPE x [<!ENTITY a "b">]><OpenDRIVE/>': "DTD",
    xodr(plan=""): "road 7",
    xodr(plan=LINE.replace('x="0"', 'x="nan"')): "x of <geometry> of road 7",
    xodr(plan=LINE.replace('x="0"', 'x="left"')): "x of <geometry> of road 7",
    xodr(plan=LINE.replace('x="0"', "")): "x of <geometry> of road 7",
    xodr(plan=LINE.replace('length="100"', 'length="-1"')): "length of <geometry> of road 7",
    xodr(plan=LINE.replace('length="100"', 'length="1e300"')): "length of <geometry> of road 7",
    xodr(plan=LINE.replace("<line/>", "<bow/>")): "<geometry> of road 7",
    xodr(plan=LINE.replace('y="0"', 'y="1e300"')): "road 7",
    xodr(elevation='<elevation s="0" a="inf" b="0" c="0" d="0"/>'): "a of <elevation> of road 7",
    xodr(right=LANE.replace('a="3"', 'a="NaN"')): "a of <width> of lane -1 of road 7",
    xodr(right=LANE.replace('"-1"', '"one"')): "id of <lane> of road 7",
    xodr(right=LANE.replace('"-1"', '"-3"')): "lane ids of road 7",
    xodr(right=""): "lane",
    xodr(attributes='id="x" length="100"'): "id of road",
    xodr(attributes='id="7" length="0"'): "length of road 7",
    xodr(attributes='id="7" length="1e12"'): "length of road 7",
}


@pytest.mark.parametrize("text", BROKEN, ids=list(map(str, range(len(BROKEN)))))
def test_a_broken_file_is_refused_with_one_line_that_names_what_is_wrong(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        network_from_xodr("test", text)
    assert BROKEN[text] in str(caught.value)
    assert "\n" not in str(caught.value)
