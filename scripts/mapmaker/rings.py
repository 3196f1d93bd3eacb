"""The maps that are one closed road without a junction."""

from __future__ import annotations

from mapmaker.alignment import winding
from mapmaker.builder import MapBuilder
from mapmaker.style import Mark, country, highway

WHITE, WIDE = Mark("solid", "white", 0.12), Mark("solid", "white", 0.2)
EDGE, THIN = Mark("solid", "white", 0.15), Mark("solid", "white", 0.1)


def curvy() -> MapBuilder:
    """Return a country road with curves of 25 to 190 m, both ways; edge lines on most of it."""
    styles = [
        country(Mark("broken", "white", 0.12), 3.5, EDGE, 0.75),
        country(Mark("solid", "yellow", 0.15), 3.25, WHITE),
        country(Mark("broken", "yellow", 0.12), 3.0, THIN),
        country(Mark("solid solid", "yellow", 0.12), 3.6, WIDE, 1.5),
        country(Mark("broken", "white", 0.15), 3.75),
        country(Mark("broken solid", "yellow", 0.1), 3.5, EDGE, 1.0),
        country(Mark("solid", "white", 0.1), 3.2, Mark("broken", "white", 0.12), 0.5),
        country(Mark("solid broken", "white", 0.12), 3.4, EDGE),
        country(Mark("broken", "yellow", 0.2), 3.3, Mark("solid", "yellow", 0.12), 0.75),
        country(Mark("broken", "white", 0.1), 3.1, WHITE),
    ]
    builder = MapBuilder("curvy")
    builder.ring(winding(7, 28, 340, 42, (25, 250)), styles)
    return builder


def country_road() -> MapBuilder:
    """Return a narrow road with bends of 15 to 60 m; few edge lines, and none at all in places."""
    none = Mark("none")
    styles = [
        country(Mark("solid", "yellow", 0.15), 3.3),
        country(none, 3.0, name="lane"),
        country(Mark("broken", "yellow", 0.12), 3.2, Mark("none"), 0.5),
        country(Mark("solid solid", "yellow", 0.1), 3.4, THIN, 0.75),
        country(Mark("broken", "yellow", 0.15), 3.1),
        country(none, 3.0, WHITE, name="lane"),
        country(Mark("solid broken", "yellow", 0.12), 3.25),
        country(none, 3.0, name="lane"),
        country(Mark("broken", "white", 0.12), 3.0, none, 0.5),
        country(Mark("broken", "yellow", 0.1), 3.5, Mark("broken", "white", 0.1)),
    ]
    builder = MapBuilder("country")
    builder.ring(winding(0, 36, 280, 30, (15, 60), lobes=(3, 0.2)), styles)
    return builder


def motorway() -> MapBuilder:
    """Return two lanes per direction in gentle curves of 150 to 600 m."""
    double = Mark("solid solid", "yellow", 0.15)
    styles = [
        highway(double, 3.6, Mark("broken", "white", 0.15, "both"), EDGE, 2.5),
        highway(double, 3.5, Mark("broken", "white", 0.12, "both"), WHITE, 2.0),
        highway(
            Mark("solid solid", "yellow", 0.12),
            3.75,
            Mark("broken", "white", 0.2, "both"),
            WIDE,
            2.5,
        ),
        highway(double, 3.5, Mark("broken", "white", 0.15, "both"), EDGE, 1.5),
        highway(
            Mark("solid solid", "yellow", 0.1), 3.4, Mark("broken", "white", 0.1, "both"), THIN, 1.0
        ),
        highway(
            double, 3.6, Mark("broken", "white", 0.15, "both"), Mark("solid", "yellow", 0.15), 2.0
        ),
        highway(double, 3.7, Mark("solid", "white", 0.12), EDGE, 2.0),
        highway(
            Mark("solid solid", "white", 0.15),
            3.5,
            Mark("broken", "white", 0.15, "both"),
            WHITE,
            2.5,
        ),
    ]
    builder = MapBuilder("highway")
    builder.ring(winding(4, 14, 520, 35, (150, 600), lobes=(2, 0.25)), styles)
    return builder
