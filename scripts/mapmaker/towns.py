"""The maps with junctions: crossings by name, and the streets between them."""

from __future__ import annotations

from collections.abc import Iterable

from mapmaker.alignment import Corner
from mapmaker.builder import MapBuilder
from mapmaker.style import NO_MARK, Mark, Style, country, street

WHITE, WIDE = Mark("solid", "white", 0.12), Mark("solid", "white", 0.2)
EDGE, THIN = Mark("solid", "white", 0.15), Mark("solid", "white", 0.1)
DASHES = Mark("broken", "white", 0.12)

Crossings = dict[str, tuple[float, float, float]]  # name -> (x, y, distance to where streets end)
Street = tuple[str, str, list[Corner], list[Style]]


def town() -> MapBuilder:
    """Return three by three blocks with T-junctions, crossings, sidewalks and parking."""
    crossings: Crossings = {
        "south-west": (92, 0, 12),
        "south-east": (187, 4, 12),
        "west-south": (0, 84, 12),
        "centre-sw": (96, 88, 13),
        "centre-se": (184, 82, 13),
        "east-south": (288, 80, 12),
        "west-north": (-4, 176, 12),
        "centre-nw": (90, 180, 13),
        "centre-ne": (190, 184, 14),
        "east-north": (292, 178, 12),
        "north-west": (98, 268, 12),
        "north-east": (186, 264, 12),
    }
    yellow = street(Mark("broken", "yellow", 0.12))
    white = street(Mark("broken", "white", 0.15), 3.4, EDGE)
    solid = street(Mark("solid", "yellow", 0.15), 3.5)
    lined = street(Mark("solid", "white", 0.12), 3.3, WHITE, sidewalk=2.0)
    double = street(Mark("solid solid", "yellow", 0.12), 3.6, THIN, sidewalk=3.0, kerb=0.3)
    parking = street(Mark("broken", "white", 0.12), 3.3, DASHES, parking=2.2)
    parking_bare = street(Mark("broken", "yellow", 0.15), 3.2, parking=2.0, sidewalk=2.0)
    narrow = street(Mark("broken", "white", 0.1), 3.2, sidewalk=2.2)
    bare = street(NO_MARK, 3.2, sidewalk=2.0)
    gutter = street(Mark("broken", "yellow", 0.1), 3.4, Mark("solid", "yellow", 0.1))
    streets: list[Street] = [
        # Round the outside, anticlockwise from the south-west.
        ("south-west", "south-east", [], [yellow]),
        ("south-east", "east-south", [Corner(284, 0, 22)], [white, solid]),
        ("east-south", "east-north", [Corner(300, 128, 110)], [parking]),
        ("east-north", "north-east", [Corner(288, 268, 28)], [double, gutter]),
        ("north-east", "north-west", [Corner(142, 276, 90)], [white]),
        ("north-west", "west-north", [Corner(2, 264, 20)], [lined, yellow]),
        ("west-north", "west-south", [], [parking_bare]),
        ("west-south", "south-west", [Corner(2, -2, 16)], [narrow, bare]),
        # Inside.
        ("south-west", "centre-sw", [], [parking_bare]),
        ("south-east", "centre-se", [], [lined]),
        ("west-south", "centre-sw", [Corner(48, 78, 60)], [solid]),
        ("centre-se", "east-south", [Corner(236, 85, 90)], [gutter]),
        ("centre-sw", "centre-nw", [], [white]),
        ("centre-se", "centre-ne", [Corner(194, 132, 90)], [yellow]),
        ("west-north", "centre-nw", [], [bare]),
        ("centre-nw", "centre-ne", [Corner(140, 172, 75)], [double]),
        ("centre-ne", "east-north", [], [parking]),
        ("centre-nw", "north-west", [], [narrow]),
        ("centre-ne", "north-east", [], [white]),
    ]
    return _build("town", crossings, streets)


def village() -> MapBuilder:
    """Return a few narrow streets with crossings; sidewalks on some of them, marks on most."""
    crossings: Crossings = {
        "church": (0, 0, 14),
        "market": (78, 6, 12),
        "bridge": (4, -70, 11),
        "mill": (74, -64, 11),
        "school": (-6, 72, 11),
        "inn": (82, 78, 11),
        "gate": (-74, 4, 11),
        "pond": (152, -2, 11),
    }
    lane = Style("lane", "lowSpeed", NO_MARK, street(NO_MARK, 3.0, sidewalk=0).strips, 30)
    walled = street(Mark("broken", "white", 0.1), 3.0, sidewalk=0, name="walled street")
    main = street(Mark("broken", "white", 0.12), 3.1, WHITE, sidewalk=1.8)
    yellow = street(Mark("broken", "yellow", 0.12), 3.0, sidewalk=1.5, kerb=0.2)
    solid = street(Mark("solid", "white", 0.12), 3.0, THIN, sidewalk=0, name="walled street")
    edges = street(NO_MARK, 3.0, DASHES, sidewalk=0)
    kerbed = street(Mark("solid", "yellow", 0.1), 3.0, sidewalk=1.5)
    streets: list[Street] = [
        ("church", "market", [], [main]),
        ("gate", "church", [], [main]),
        ("market", "pond", [Corner(116, 12, 60)], [kerbed]),
        ("church", "bridge", [], [walled]),
        ("church", "school", [Corner(-10, 36, 60)], [yellow]),
        ("market", "mill", [], [edges]),
        ("market", "inn", [], [solid]),
        ("bridge", "mill", [Corner(40, -78, 45)], [lane]),
        ("school", "inn", [Corner(36, 84, 50)], [walled]),
        # Round the outside.
        ("mill", "pond", [Corner(146, -72, 24)], [kerbed, lane]),
        ("pond", "inn", [Corner(164, 40, 40), Corner(146, 88, 18)], [yellow, solid]),
        ("school", "gate", [Corner(-62, 84, 22), Corner(-84, 44, 30)], [edges, walled]),
        ("gate", "bridge", [Corner(-80, -40, 30), Corner(-50, -78, 25)], [lane, main]),
    ]
    return _build("village", crossings, streets)


def unseen() -> MapBuilder:
    """Return what no training map has: lanes of 2.75 and 4.2 m, bends of 12 m, coloured lines."""
    crossings: Crossings = {"west": (-120, 0, 10), "east": (150, 10, 10)}
    blue = country(Mark("solid", "white", 0.12), 2.75, Mark("solid", "blue", 0.15))
    red = country(Mark("solid", "white", 0.15), 4.2, Mark("solid", "red", 0.12), 1.0)
    orange = country(Mark("broken", "orange", 0.15), 2.75, Mark("broken", "orange", 0.12))
    green = country(Mark("solid", "white", 0.1), 4.2, Mark("solid", "green", 0.15), 0.5)
    plain = country(Mark("solid", "green", 0.2), 2.75)
    wide = country(Mark("broken", "blue", 0.12), 4.2, Mark("solid", "orange", 0.15), 1.5)
    streets: list[Street] = [
        (
            "east",
            "west",
            [
                Corner(153, 58, 45, 12),
                Corner(198, 112, 18, 6),
                Corner(165, 165, 20, 6),
                Corner(110, 180, 13, 4),
                Corner(85, 120, 18, 6),
                Corner(20, 140, 60, 15),
                Corner(-40, 190, 16, 5),
                Corner(-75, 130, 15, 5),
                Corner(-140, 140, 12, 4),
                Corner(-122, 52, 80, 15),
            ],
            [blue, red, orange, green],
        ),
        (
            "west",
            "east",
            [
                Corner(-117, -45, 30, 10),
                Corner(-150, -92, 13, 5),
                Corner(-100, -110, 12, 4),
                Corner(-88, -55, 12, 4),
                Corner(-40, -60, 25, 8),
                Corner(-30, -125, 14, 5),
                Corner(40, -130, 16, 6),
                Corner(50, -80, 14, 4),
                Corner(110, -70, 40, 12),
                Corner(190, -90, 13, 4),
                Corner(185, -50, 22, 8),
                Corner(148, -35, 20, 6),
            ],
            [wide, plain, red, blue],
        ),
        (
            "west",
            "east",
            [Corner(-50, 10, 45, 15), Corner(10, -20, 35, 12), Corner(80, 20, 50, 15)],
            [orange, wide],
        ),
    ]
    return _build("unseen", crossings, streets)


def _build(name: str, crossings: Crossings, streets: Iterable[Street]) -> MapBuilder:
    builder = MapBuilder(name)
    for first, last, bends, styles in streets:
        ends = [Corner(*crossings[crossing][:2]) for crossing in (first, last)]
        setbacks = crossings[first][2], crossings[last][2]
        builder.street((first, last), [ends[0], *bends, ends[1]], styles, setbacks)
    return builder
