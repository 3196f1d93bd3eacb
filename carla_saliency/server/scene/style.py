"""What roads and their surroundings look like: palettes, and the dice of every stretch of road.

Line types, colours and widths come from the map; everything here is dressing that a seed changes,
so that a network which learns on these roads sees many. **`DESERT` is the palette of the map
`unseen` alone**: its asphalts, soils, walls, plants and houses appear on no other map, which keeps
that map an honest test.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from carla_saliency.server.scene.textures import Colour

# ------------------------------------------------------------------ layers of the texture array

ASPHALT, ASPHALTS = 0, 4
VERGE, VERGES = 4, 7
SIDEWALK, KERB = 11, 12
BRICK, CONCRETE, STONE, HEDGE, PLANKS = 13, 14, 15, 16, 17
FACADE, FACADES = 18, 4
ROOF, PLAIN, FOREST = 22, 23, 24
LAYERS = 25

STRETCH_M = 180.0  # a road changes its look this often
MIN_CONTRAST = 1.45  # luminance of worn paint to asphalt; below 1.4 a road has no cue left

Barrier = Literal["none", "wall", "brick", "rail", "hedge", "fence", "jersey"]
Plant = Literal["broadleaf", "poplar", "conifer", "bush", "palm", "cactus"]


@dataclass(frozen=True, slots=True)
class AsphaltLook:
    """One kind of asphalt: mean colour, and how rough, blotchy and cracked it is."""

    colour: Colour
    grain: float
    patches: float
    cracks: int


@dataclass(frozen=True, slots=True)
class PlantLook:
    """One picture of a plant, and the heights in which it is drawn."""

    kind: Plant
    leaves: Colour
    bark: Colour
    height_m: tuple[float, float]
    crown: float = 0.36


@dataclass(frozen=True, slots=True)
class Palette:
    """Everything that two maps of one country share.

    Attributes:
        asphalts: `ASPHALTS` kinds.
        verges: `VERGES` soils as two mixed colours; equal colours give loose stones.
        paved_verge: Index of the verge that is paved.
        terrain: Index of the verge that covers the land.
        sidewalk: Colour of the slabs.
        kerb: Colour of the kerb stones.
        walls: Colours of brick, its joints, concrete, stone.
        hedge: Colour of the leaves.
        planks: Colour of a fence.
        windows: (width, height of a window in its bay, frame, arched) of each facade.
        house_tints: Colours of houses.
        roof: Colour of the tiles.
        flat_roofs: Part of the houses without a gable.
        storeys: Fewest and most of a town house.
        plants: Pictures of plants; the first `trees` of them are trees.
        trees: How many.
        barriers: What may stand along a road, drawn evenly.
        forest: Colour of the wood on the horizon.
        hills: Lowest and highest top of the horizon in metres.
        haze: Factor on the colour of the air.
    """

    asphalts: tuple[AsphaltLook, ...]
    verges: tuple[tuple[Colour, Colour], ...]
    paved_verge: int
    terrain: int
    sidewalk: Colour
    kerb: Colour
    walls: tuple[Colour, Colour, Colour, Colour]
    hedge: Colour
    planks: Colour
    windows: tuple[tuple[float, float, Colour, bool], ...]
    house_tints: tuple[Colour, ...]
    roof: Colour
    flat_roofs: float
    storeys: tuple[int, int]
    plants: tuple[PlantLook, ...]
    trees: int
    barriers: tuple[Barrier, ...]
    forest: Colour
    hills: tuple[float, float]
    haze: Colour = (1.0, 1.0, 1.0)


TEMPERATE = Palette(
    asphalts=(
        AsphaltLook((0.305, 0.305, 0.312), 0.12, 0.055, 5),
        AsphaltLook((0.37, 0.37, 0.365), 0.10, 0.04, 9),
        AsphaltLook((0.285, 0.297, 0.325), 0.15, 0.07, 2),
        AsphaltLook((0.35, 0.335, 0.31), 0.13, 0.06, 12),
    ),
    verges=(
        ((0.27, 0.38, 0.16), (0.37, 0.44, 0.21)),  # meadow
        ((0.20, 0.31, 0.14), (0.27, 0.36, 0.17)),  # dark grass
        ((0.52, 0.50, 0.26), (0.41, 0.46, 0.20)),  # dry grass
        ((0.50, 0.48, 0.45), (0.50, 0.48, 0.45)),  # gravel
        ((0.66, 0.58, 0.42), (0.60, 0.52, 0.37)),  # sand
        ((0.47, 0.46, 0.44), (0.47, 0.46, 0.44)),  # paved
        ((0.40, 0.31, 0.22), (0.33, 0.28, 0.19)),  # dirt
    ),
    paved_verge=5,
    terrain=0,
    sidewalk=(0.53, 0.52, 0.50),
    kerb=(0.55, 0.545, 0.53),
    walls=((0.53, 0.27, 0.20), (0.62, 0.58, 0.53), (0.58, 0.57, 0.55), (0.52, 0.49, 0.44)),
    hedge=(0.20, 0.34, 0.13),
    planks=(0.50, 0.37, 0.25),
    windows=(
        (0.44, 0.56, (0.92, 0.92, 0.90), False),
        (0.62, 0.48, (0.34, 0.33, 0.33), False),
        (0.36, 0.66, (0.80, 0.77, 0.70), False),
        (0.80, 0.60, (0.55, 0.57, 0.60), False),
    ),
    house_tints=(
        (0.83, 0.76, 0.55),
        (0.80, 0.58, 0.58),
        (0.87, 0.86, 0.83),
        (0.62, 0.67, 0.70),
        (0.78, 0.66, 0.52),
        (0.66, 0.40, 0.33),
        (0.70, 0.74, 0.62),
        (0.56, 0.55, 0.54),
    ),
    roof=(0.48, 0.25, 0.19),
    flat_roofs=0.6,
    storeys=(2, 6),
    plants=(
        PlantLook("broadleaf", (0.27, 0.47, 0.15), (0.36, 0.27, 0.19), (5.5, 9.5)),
        PlantLook("broadleaf", (0.38, 0.52, 0.17), (0.40, 0.33, 0.27), (4.5, 7.5), 0.31),
        PlantLook("broadleaf", (0.17, 0.36, 0.16), (0.29, 0.22, 0.17), (7.0, 12.0), 0.40),
        PlantLook("poplar", (0.24, 0.42, 0.16), (0.35, 0.29, 0.22), (8.0, 14.0)),
        PlantLook("conifer", (0.15, 0.32, 0.18), (0.31, 0.22, 0.15), (7.0, 13.0)),
        PlantLook("bush", (0.25, 0.41, 0.16), (0.3, 0.3, 0.3), (0.8, 1.7)),
    ),
    trees=5,
    barriers=("none", "none", "wall", "brick", "rail", "rail", "hedge", "fence", "jersey"),
    forest=(0.20, 0.32, 0.18),
    hills=(7.0, 34.0),
)

DESERT = Palette(
    asphalts=(
        AsphaltLook((0.43, 0.40, 0.37), 0.14, 0.09, 18),
        AsphaltLook((0.33, 0.31, 0.30), 0.16, 0.08, 14),
        AsphaltLook((0.46, 0.42, 0.385), 0.12, 0.06, 22),
        AsphaltLook((0.38, 0.35, 0.34), 0.18, 0.10, 8),
    ),
    verges=(
        ((0.72, 0.49, 0.32), (0.63, 0.42, 0.27)),  # red sand
        ((0.76, 0.62, 0.44), (0.70, 0.53, 0.36)),  # ochre
        ((0.58, 0.53, 0.34), (0.69, 0.55, 0.38)),  # scrub
        ((0.60, 0.49, 0.40), (0.60, 0.49, 0.40)),  # red gravel
        ((0.80, 0.73, 0.58), (0.74, 0.66, 0.50)),  # pale sand
        ((0.66, 0.57, 0.47), (0.66, 0.57, 0.47)),  # stone slabs
        ((0.52, 0.36, 0.26), (0.45, 0.32, 0.23)),  # clay
    ),
    paved_verge=5,
    terrain=1,
    sidewalk=(0.64, 0.55, 0.45),
    kerb=(0.62, 0.56, 0.48),
    walls=((0.69, 0.50, 0.34), (0.78, 0.66, 0.52), (0.80, 0.71, 0.57), (0.62, 0.46, 0.34)),
    hedge=(0.42, 0.42, 0.27),
    planks=(0.60, 0.50, 0.40),
    windows=(
        (0.26, 0.44, (0.42, 0.30, 0.20), True),
        (0.34, 0.34, (0.20, 0.38, 0.46), False),
        (0.22, 0.56, (0.50, 0.36, 0.26), True),
        (0.46, 0.50, (0.40, 0.27, 0.18), True),
    ),
    house_tints=(
        (0.86, 0.70, 0.52), (0.90, 0.83, 0.71), (0.78, 0.56, 0.40), (0.83, 0.63, 0.50),
        (0.93, 0.90, 0.84),
    ),
    roof=(0.74, 0.60, 0.46),
    flat_roofs=1.0,
    storeys=(1, 3),
    plants=(
        PlantLook("palm", (0.38, 0.46, 0.20), (0.50, 0.39, 0.28), (6.0, 10.0)),
        PlantLook("palm", (0.46, 0.48, 0.24), (0.45, 0.36, 0.27), (4.5, 7.0)),
        PlantLook("cactus", (0.33, 0.44, 0.27), (0.3, 0.3, 0.3), (2.2, 4.5)),
        PlantLook("bush", (0.50, 0.48, 0.29), (0.3, 0.3, 0.3), (0.6, 1.3)),
    ),
    trees=3,
    barriers=("none", "none", "none", "wall", "brick", "fence"),
    forest=(0.62, 0.42, 0.31),
    hills=(18.0, 80.0),
    haze=(1.05, 0.98, 0.90),
)  # fmt: skip


def palette_of(map_name: str) -> Palette:
    """Return the palette of a map; `unseen` alone has `DESERT`."""
    return DESERT if map_name == "unseen" else TEMPERATE


# ------------------------------------------------------------------ dice of one stretch of road


@dataclass(frozen=True, slots=True)
class SideLook:
    """What stands on one side of a stretch.

    Attributes:
        barrier: What runs along the road.
        barrier_m: Its distance from the road's edge.
        tree_gap_m: Mean distance between trees; infinite for none.
        tree_m: Nearest distance of a tree's trunk from the road's edge.
        plant: Index of the trees' picture.
        house_gap_m: Mean gap between houses; infinite for none.
    """

    barrier: Barrier
    barrier_m: float
    tree_gap_m: float
    tree_m: float
    plant: int
    house_gap_m: float


@dataclass(frozen=True, slots=True)
class StretchLook:
    """What one stretch of road looks like.

    Attributes:
        asphalt: Layer.
        asphalt_tint: Factor on that layer's colour.
        asphalt_luminance: Of both together, 0 to 1.
        paint: Brightness of white paint, 0 to 1, before wear.
        wear: Part of the paint that is gone.
        dash_m: Painted length and period of broken lines.
        verge: Layer.
        verge_tint: Factor on that layer's colour.
        verge_m: Width of the verge.
        sides: Left and right of the road's direction.
    """

    asphalt: int
    asphalt_tint: Colour
    asphalt_luminance: float
    paint: float
    wear: float
    dash_m: tuple[float, float]
    verge: int
    verge_tint: Colour
    verge_m: float
    sides: tuple[SideLook, SideLook]


MARK_COLOURS: dict[str, Colour] = {
    "white": (1.0, 1.0, 1.0),
    "standard": (1.0, 1.0, 1.0),
    "yellow": (1.0, 0.76, 0.14),
    "orange": (1.0, 0.55, 0.14),
    "blue": (0.35, 0.55, 1.0),
    "green": (0.35, 0.85, 0.45),
    "red": (1.0, 0.38, 0.32),
}
DASHES_M = ((3.0, 9.0), (3.0, 12.0), (4.0, 8.0), (1.5, 4.5), (2.0, 6.0))


def luminance(colour: Colour) -> float:
    """Return the Rec. 709 luma of a colour as displayed."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def paint_colour(name: str, look: StretchLook) -> tuple[Colour, float]:
    """Return the colour of a line's paint and its wear, kept visible on the asphalt.

    Args:
        name: Colour in the map; an unknown one is white.
        look: Of the stretch that it is painted on.

    Returns:
        The paint, and the part of it that is gone: together at least `MIN_CONTRAST` times as
        bright as the asphalt.
    """
    base = MARK_COLOURS.get(name, (1.0, 1.0, 1.0))
    road = look.asphalt_luminance
    red, green, blue = (look.paint * c for c in base)
    wear = look.wear
    for _ in range(40):
        colour = (min(red, 1.0), min(green, 1.0), min(blue, 1.0))
        if luminance(colour) * (1 - wear) + road * wear >= MIN_CONTRAST * road:
            break
        wear *= 0.85
        # Towards white: blue paint on light asphalt would vanish.
        red, green, blue = red + 0.02, green + 0.02, blue + 0.02
    return colour, wear


def dice(seed: int, *keys: int | str) -> np.random.Generator:
    """Return a random generator that depends on the seed and a place, and on nothing else."""
    numbers = [zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys]
    return np.random.default_rng([seed & 0xFFFFFFFF, *(n & 0xFFFFFFFF for n in numbers)])


def _side(rng: np.random.Generator, palette: Palette, town: bool) -> SideLook:
    barrier: Barrier = palette.barriers[int(rng.integers(len(palette.barriers)))]
    if town and barrier in ("rail", "jersey"):
        barrier = "none"
    wooded = rng.random() < (0.55 if town else 0.7)
    built = rng.random() < (0.85 if town else 0.22)
    return SideLook(
        barrier=barrier,
        barrier_m=float(rng.uniform(0.8, 3.5)),
        tree_gap_m=float(rng.uniform(7, 24)) if wooded else float("inf"),
        tree_m=float(rng.uniform(4.0, 7.0)),
        plant=int(rng.integers(palette.trees)),
        house_gap_m=float(rng.uniform(3, 22) if town else rng.uniform(50, 120))
        if built
        else float("inf"),
    )


def look_of(palette: Palette, rng: np.random.Generator, town: bool) -> StretchLook:
    """Return the look of one stretch.

    Args:
        palette: Of the map.
        rng: Of the stretch.
        town: The road has sidewalks.
    """
    kind = int(rng.integers(ASPHALTS))
    bright = float(rng.uniform(0.72, 1.35))
    cast = float(rng.normal(0, 0.018))
    tint = (bright * (1 + cast), bright, bright * (1 - cast))
    base = palette.asphalts[kind].colour
    mixed = (base[0] * tint[0], base[1] * tint[1], base[2] * tint[2])
    verge = int(rng.integers(VERGES))
    shade = float(rng.uniform(0.85, 1.12))
    return StretchLook(
        asphalt=ASPHALT + kind,
        asphalt_tint=tint,
        asphalt_luminance=luminance(mixed),
        paint=float(rng.uniform(0.72, 0.98)),
        wear=float(rng.uniform(0.0, 0.45) ** 1.5),
        dash_m=DASHES_M[int(rng.integers(len(DASHES_M)))],
        verge=VERGE + verge,
        verge_tint=(shade, shade, shade),
        verge_m=float(rng.uniform(1.2, 5.0)),
        sides=(_side(rng, palette, town), _side(rng, palette, town)),
    )
