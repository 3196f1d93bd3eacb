"""Houses along a road: a box with a facade, and a flat or a gabled roof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carla_saliency.server.nouns import Tag
from carla_saliency.server.scene import style
from carla_saliency.server.scene.ground import Edge, walk
from carla_saliency.server.scene.mesh import Floats, MeshBuilder, add_box
from carla_saliency.server.scene.site import Site, box_corners

if TYPE_CHECKING:
    from carla_saliency.server.scene.dressing import Dressing

BAY_M, STOREY_M = 3.2, 3.1
GAP_TO_LANES_M = 2.2


def add_houses(
    made: Dressing,
    side: style.SideLook,
    edge: Edge,
    site: Site,
    palette: style.Palette,
    rng: np.random.Generator,
) -> None:
    """Build along one side of a stretch, wherever a house fits."""
    if not np.isfinite(side.house_gap_m):
        return
    at = float(rng.uniform(0, min(side.house_gap_m, 30)))
    back = float(rng.uniform(4.5, 9.0) if edge.town else rng.uniform(9.0, 22.0))
    while (here := walk(edge, at)) is not None:
        point, outward, yaw = here
        bays = int(rng.integers(3, 7 if edge.town else 5))
        deep = int(rng.integers(3, 5))
        half = (bays * BAY_M / 2, deep * BAY_M / 2)
        xy = point[:2] + outward * (back + float(rng.uniform(0, 2)) + half[1])
        at += 2 * half[0] + side.house_gap_m * float(rng.uniform(0.5, 1.5))
        if not site.take(box_corners(xy, yaw, half[0] + 0.6, half[1] + 0.6), gap_m=GAP_TO_LANES_M):
            continue
        low, high = palette.storeys
        storeys = int(rng.integers(low, high + 1)) if edge.town else int(rng.integers(1, 3))
        z = float(site.height(xy[None], below_m=0.5)[0]) - 0.1
        _build(made, xy, z, yaw, half, storeys, palette, rng)


def _build(
    made: Dressing,
    xy: Floats,
    z: float,
    yaw: float,
    half: tuple[float, float],
    storeys: int,
    palette: style.Palette,
    rng: np.random.Generator,
) -> None:
    tint = np.array(palette.house_tints[int(rng.integers(len(palette.house_tints)))])
    tint = tint * rng.uniform(0.88, 1.08)
    height = storeys * STOREY_M + 0.4
    flat = storeys > 2 or rng.random() < palette.flat_roofs
    add_box(
        made.solid,
        (float(xy[0]), float(xy[1]), z),
        yaw,
        (*half, height),
        tag=Tag.BUILDINGS,
        layer=style.FACADE + int(rng.integers(style.FACADES)),
        tint=tint,
        metres_per_texture=(4 * BAY_M, 4 * STOREY_M),
        top_layer=style.CONCRETE,
        top_tint=(0.8, 0.8, 0.8),
    )
    if flat:
        add_box(
            made.solid,
            (float(xy[0]), float(xy[1]), z + height),
            yaw,
            (*half, 0.5),  # no wider than the walls: a box has no floor
            tag=Tag.BUILDINGS,
            layer=style.CONCRETE,
            tint=tint * 1.05,
        )
    else:
        _add_gable(made.solid, xy, z + height, yaw, half, tint)
    corners = box_corners(xy, yaw, *half)
    made.add_box_shadow(corners, height + (0.5 if flat else 1.2))
    made.add_obstacle((float(xy[0]), float(xy[1]), yaw, *half), Tag.BUILDINGS)


def _add_gable(
    builder: MeshBuilder, xy: Floats, z: float, yaw: float, half: tuple[float, float], tint: Floats
) -> None:
    cos, sin = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    length, width = half[0] + 0.4, half[1] + 0.5
    rise = 0.55 * half[1]
    eaves = -0.15
    for side in (-1, 1):
        local = np.array(
            [
                [-length, side * width, eaves], [length, side * width, eaves],
                [length, 0, rise], [-length, 0, rise],
            ]
        )  # fmt: skip
        normal = np.array([0, side * rise, width]) / np.hypot(rise, width)
        for face in (1, -1):  # from below, too: the eaves stand out
            builder.add(
                local @ turn + [*xy, z],
                [(0, 1, 2), (0, 2, 3)],
                uv=[(0, 0), (2 * length / 6, 0), (2 * length / 6, 1), (0, 1)],
                normals=face * normal @ turn,
                tag=Tag.BUILDINGS,
                layer=style.ROOF,
            )
        end = np.array(
            [[side * half[0], -half[1], 0], [side * half[0], half[1], 0], [side * half[0], 0, rise]]
        )
        builder.add(
            end @ turn + [*xy, z],
            [(0, 1, 2)],
            uv=[(0, 0), (1, 0), (0.5, 0.5)],
            normals=np.array([side, 0, 0]) @ turn,
            tag=Tag.BUILDINGS,
            layer=style.CONCRETE,
            tint=tint * 1.4,
        )
