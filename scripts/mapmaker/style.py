"""What a road looks like across: lanes, their widths, and what is painted between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """A painted line; `kind` and `colour` are OpenDRIVE's words."""

    kind: str
    colour: str = "white"
    width: float = 0.12
    lane_change: str = "none"


NO_MARK = Mark("none")
KERB_MARK = Mark("curb", width=0.15)


@dataclass(frozen=True)
class Strip:
    """One lane.

    Attributes:
        role: Lanes of the same role are joined where roads meet: "driving", "fast", "sidewalk", ...
        width: Metres.
        mark: On its outer edge.
    """

    role: str
    width: float
    mark: Mark = NO_MARK

    @property
    def kind(self) -> str:
        """OpenDRIVE's lane type."""
        return {"fast": "driving", "kerb": "border"}.get(self.role, self.role)


@dataclass(frozen=True)
class Style:
    """A cross-section, the same on both sides.

    Attributes:
        name: Of the roads: its first word says what stands beside them ("street", "country", ...).
        kind: OpenDRIVE's road type: "town", "rural", "motorway", "lowSpeed".
        centre: The line in the middle.
        strips: From the middle outwards.
        speed_kmh: The limit.
    """

    name: str
    kind: str
    centre: Mark
    strips: tuple[Strip, ...]
    speed_kmh: float

    def width(self, role: str) -> float:
        """Return the width of the strip with this role, 0 without one."""
        return next((strip.width for strip in self.strips if strip.role == role), 0.0)

    def width_at_junction(self, role: str) -> float:
        """Return it at a junction, where there is no parking."""
        return 0.0 if role == "parking" else self.width(role)


def street(
    centre: Mark,
    lane: float = 3.5,
    edge: Mark = NO_MARK,
    sidewalk: float = 2.5,
    kerb: float = 0.25,
    parking: float = 0.0,
    name: str = "street",
) -> Style:
    """Return a two-lane street with a kerb and a sidewalk, where they have a width."""
    strips = [Strip("driving", lane, edge)]
    if parking:
        strips.append(Strip("parking", parking))
    if sidewalk:
        strips += [Strip("kerb", kerb, KERB_MARK), Strip("sidewalk", sidewalk)]
    return Style(name, "town", centre, tuple(strips), 50)


def country(
    centre: Mark, lane: float, edge: Mark = NO_MARK, shoulder: float = 0.0, name: str = "country"
) -> Style:
    """Return a two-lane country road."""
    strips = [Strip("driving", lane, edge)]
    if shoulder:
        strips.append(Strip("shoulder", shoulder))
    return Style(name, "rural", centre, tuple(strips), 80)


def highway(
    centre: Mark, lane: float, between: Mark, edge: Mark, shoulder: float, name: str = "highway"
) -> Style:
    """Return a road with two lanes per direction."""
    strips = (
        Strip("fast", lane, between),
        Strip("driving", lane, edge),
        Strip("shoulder", shoulder),
    )
    return Style(name, "motorway", centre, strips, 100)
