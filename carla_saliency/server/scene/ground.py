"""What lies flat: asphalt, kerbs and sidewalks, verges, the land and the horizon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from carla_saliency.server.nouns import LaneStrip, RoadNetwork, Tag
from carla_saliency.server.scene import style
from carla_saliency.server.scene.mesh import QUAD, Floats, MeshBuilder
from carla_saliency.server.scene.site import ASPHALT_KINDS, WALK_KINDS, Site
from carla_saliency.server.scene.style import Palette, StretchLook

KERB_M = 0.13
KERB_STONE_M = 0.18
# Layers of the ground are really apart: at 60 m a grazing ray is 1 m longer per 3 cm, so that
# a depth buffer of 24 bits tells them apart far beyond the fog.
FILL_M, VERGE_DOWN_M, LAND_DOWN_M = -0.012, -0.03, -0.07
CHORD_M = 0.02
KERB_CHORD_M = 0.04  # kerbs have many faces
LONGEST_M = 15.0
ASPHALT_TEXTURE_M = 7.0
LAND_CELL_M = 20.0
SIGHT_M = 350.0


@dataclass(frozen=True, slots=True)
class Edge:
    """One side of a road section: where the asphalt or the sidewalk ends.

    Attributes:
        road_id: Of the road.
        side: 0 left, 1 right of the road's direction.
        s: Positions along the road, (N,).
        points: (N, 3).
        outward: Horizontal unit vectors away from the road, (N, 2).
        town: The road has sidewalks.
        junction_id: -1 outside junctions.
    """

    road_id: int
    side: int
    s: Floats
    points: Floats
    outward: Floats
    town: bool
    junction_id: int


class Looks:
    """Gives every stretch of road its look, the same for all that asks.

    Args:
        network: The map.
        palette: Its palette.
        seed: Of the scene.
    """

    def __init__(self, network: RoadNetwork, palette: Palette, seed: int) -> None:
        self._name, self._seed = network.name, seed
        self.palette = palette
        self._town = {lane.road_id for lane in network.lanes if lane.kind in ("sidewalk", "curb")}
        self._junction = {lane.road_id: lane.junction_id for lane in network.lanes}
        self._made: dict[tuple[int, int], StretchLook] = {}

    def is_town(self, road_id: int) -> bool:
        """Return whether a road has sidewalks."""
        return road_id in self._town

    def at(self, road_id: int, stretch: int) -> StretchLook:
        """Return the look of a stretch; all roads of a junction share one."""
        junction = self._junction.get(road_id, -1)
        key = (road_id, stretch) if junction < 0 else (-1 - junction, 0)
        if key not in self._made:
            rng = style.dice(self._seed, self._name, "look", *key)
            self._made[key] = style.look_of(self.palette, rng, road_id in self._town)
        return self._made[key]


def stretches(s: Floats) -> NDArray[np.int64]:
    """Return the number of the stretch at positions along a road."""
    return np.asarray(np.floor(s / style.STRETCH_M), np.int64)


def sections(network: RoadNetwork) -> Iterator[list[LaneStrip]]:
    """Yield the lanes that share their positions, from left to right."""
    groups: dict[tuple[int, int], list[LaneStrip]] = defaultdict(list)
    for lane in network.lanes:
        groups[(lane.road_id, lane.section)].append(lane)
    for lanes in groups.values():
        yield sorted(lanes, key=lambda lane: -lane.lane_id)


def thin(lanes: list[LaneStrip], chord_m: float = CHORD_M) -> NDArray[np.int64]:
    """Choose the samples that a section needs, so that chords stay within a distance of it."""
    s = lanes[0].s
    if len(s) < 3:
        return np.arange(len(s))
    edges = np.concatenate([np.concatenate([lane.inner, lane.outer], 1) for lane in lanes], 1)
    step = np.maximum(np.diff(s), 1e-6)[:, None]
    slope = np.diff(edges, axis=0) / step
    bend = np.abs(np.diff(slope, axis=0)) / (0.5 * (step[1:] + step[:-1]))
    curve = np.pad(bend.max(axis=1), 1, mode="edge")
    curve = np.maximum(curve[1:], curve[:-1])
    need = np.diff(s) / np.clip(np.sqrt(8 * chord_m / np.maximum(curve, 1e-9)), 0.1, LONGEST_M)
    total = np.concatenate([[0.0], np.cumsum(np.minimum(need, 1.0))])
    marks = np.linspace(0, total[-1], max(int(np.ceil(total[-1])), 1) + 1)
    return np.unique(np.searchsorted(total, marks - 1e-9).clip(0, len(s) - 1))


def outward_of(points: Floats, side: int) -> Floats:
    """Return horizontal unit vectors to the left (side 0) or right (side 1) of a polyline."""
    along = np.gradient(points[:, :2], axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    right = np.column_stack([-along[:, 1], along[:, 0]])
    return right if side == 1 else -right


def road_edges(network: RoadNetwork, looks: Looks) -> list[Edge]:
    """Return both sides of every road section, at full resolution."""
    edges = []
    for lanes in sections(network):
        used = [lane for lane in lanes if lane.kind in ASPHALT_KINDS | WALK_KINDS]
        if not used or len(used[0].s) < 2:
            continue
        left, right = used[0], used[-1]
        sides = (
            left.outer if left.lane_id > 0 else left.inner,
            right.outer if right.lane_id < 0 else right.inner,
        )
        for side, points in enumerate(sides):
            edges.append(
                Edge(
                    road_id=left.road_id,
                    side=side,
                    s=left.s,
                    points=points,
                    outward=outward_of(points, side),
                    town=looks.is_town(left.road_id),
                    junction_id=left.junction_id,
                )
            )
    return edges


def walk(edge: Edge, at_m: float) -> tuple[Floats, Floats, float] | None:
    """Return point, outward direction and yaw at a distance along an edge; None beyond its end."""
    steps = np.linalg.norm(np.diff(edge.points[:, :2], axis=0), axis=1)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    if at_m >= total[-1]:
        return None
    index = int(np.searchsorted(total, at_m, side="right")) - 1
    part = (at_m - total[index]) / max(steps[index], 1e-9)
    point = edge.points[index] + part * (edge.points[index + 1] - edge.points[index])
    along = edge.points[index + 1] - edge.points[index]
    return point, edge.outward[index], float(np.degrees(np.arctan2(along[1], along[0])))


def add_roads(builder: MeshBuilder, network: RoadNetwork, site: Site, looks: Looks) -> None:
    """Add every lane: asphalt flat, sidewalks raised between kerbs."""
    for lanes in sections(network):
        pick = thin(lanes)
        for lane in lanes:
            if lane.kind in ASPHALT_KINDS:
                _add_asphalt(builder, lane, pick, looks)
            elif lane.kind in WALK_KINDS:
                _add_sidewalk(builder, lane, thin([lane], KERB_CHORD_M), site, looks)


def _add_asphalt(
    builder: MeshBuilder, lane: LaneStrip, pick: NDArray[np.int64], looks: Looks
) -> None:
    inner, outer = lane.inner[pick], lane.outer[pick]
    number = stretches(0.5 * (lane.s[pick][1:] + lane.s[pick][:-1]))
    for stretch in np.unique(number):
        look = looks.at(lane.road_id, int(stretch))
        builder.add_strip(
            inner,
            outer,
            uv_left=inner[:, :2] / ASPHALT_TEXTURE_M,
            uv_right=outer[:, :2] / ASPHALT_TEXTURE_M,
            normals=(0, 0, 1),
            tag=Tag.ROADS,
            layer=look.asphalt,
            tint=np.array(look.asphalt_tint) * (0.96 if lane.kind == "shoulder" else 1.0),
            keep=number == stretch,
        )


def _add_sidewalk(
    builder: MeshBuilder,
    lane: LaneStrip,
    pick: NDArray[np.int64],
    site: Site,
    looks: Looks,
) -> None:
    inner, outer = lane.inner[pick].copy(), lane.outer[pick].copy()
    if len(pick) < 2:
        return
    quads = [
        np.concatenate([inner[i : i + 2, :2], outer[i : i + 2, :2][::-1]])
        for i in range(len(pick) - 1)
    ]
    keep = ~site.on_driving_lanes(quads, 0.1)
    across = outer[:, :2] - inner[:, :2]
    width = np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    stone = np.minimum(KERB_STONE_M / width, 0.5)
    edge = inner + stone * (outer - inner)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(inner, axis=0), axis=1))])
    v = length[:, None] / 2.0
    towards = np.column_stack([-across / width, np.zeros(len(across))])
    tint = np.full(3, 0.88 + 0.12 * (lane.road_id * 7 % 5) / 2)
    top = np.array([0.0, 0.0, KERB_M])
    kinds = {"median": (looks.at(lane.road_id, 0).verge, Tag.TERRAIN)}
    layer, tag = kinds.get(lane.kind, (style.SIDEWALK, Tag.SIDEWALKS))

    def strip(
        left: Floats, right: Floats, u: tuple[float, float], normals: Floats, face: int, tag: int
    ) -> None:
        builder.add_strip(
            left,
            right,
            uv_left=np.column_stack([v, np.full_like(v, u[0])]),
            uv_right=np.column_stack([v, np.full_like(v, u[1])]),
            normals=normals,
            tag=tag,
            layer=face,
            tint=tint,
            keep=keep,
        )

    up = np.array([0.0, 0.0, 1.0])
    down = np.array([0.0, 0.0, 0.08])  # the faces reach below the ground: no gap on a slope
    strip(inner + top, edge + top, (0.0, 0.1), up, style.KERB, Tag.SIDEWALKS)
    strip(edge + top, outer + top, (0.1, float(width.mean()) / 2), up, layer, tag)
    strip(inner - down, inner + top, (0.0, 0.1), towards, style.KERB, Tag.SIDEWALKS)
    strip(outer - down, outer + top, (0.0, 0.1), -towards, style.KERB, Tag.SIDEWALKS)


def add_junction_floors(
    builder: MeshBuilder, network: RoadNetwork, site: Site, looks: Looks
) -> None:
    """Close the gaps between the lanes of each junction with asphalt just below them."""
    groups: dict[int, list[LaneStrip]] = defaultdict(list)
    for lane in network.lanes:
        if lane.junction_id >= 0 and lane.kind in ASPHALT_KINDS:
            groups[lane.junction_id].append(lane)
    for lanes in groups.values():
        shapes = [
            shapely.Polygon(np.concatenate([lane.inner[p, :2], lane.outer[p, :2][::-1]])).buffer(0)
            for lane in lanes
            for p in [thin([lane])]
            if len(p) > 1
        ]
        area = shapely.union_all(shapes).buffer(2.5, quad_segs=3).buffer(-2.5, quad_segs=3)
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(area.simplify(0.08)))
        if len(triangles) == 0:
            continue
        corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3].reshape(-1, 2)
        z = site.height(corners, below_m=0.02) + FILL_M
        look = looks.at(lanes[0].road_id, 0)
        builder.add(
            np.column_stack([corners, z]),
            np.arange(len(corners)).reshape(-1, 3),
            uv=corners / ASPHALT_TEXTURE_M,
            normals=(0, 0, 1),
            tag=Tag.ROADS,
            layer=look.asphalt,
            tint=look.asphalt_tint,
        )


def add_verges(builder: MeshBuilder, edges: list[Edge], site: Site, looks: Looks) -> None:
    """Add a strip of grass, gravel, ... along every road outside junctions."""
    for edge in edges:
        if edge.junction_id >= 0:
            continue
        pick = np.unique(np.append(np.arange(0, len(edge.s), 3), len(edge.s) - 1))
        inner, outward = edge.points[pick], edge.outward[pick]
        number = stretches(0.5 * (edge.s[pick][1:] + edge.s[pick][:-1]))
        # Verges of two roads may overlap: not at the same height.
        down = VERGE_DOWN_M - 0.005 * (edge.road_id % 4)
        for stretch in np.unique(number):
            look = looks.at(edge.road_id, int(stretch))
            outer_xy = inner[:, :2] + outward * look.verge_m
            free = site.distance(outer_xy) > 0.4 * look.verge_m
            slope = site.height(outer_xy, below_m=0.35)
            outer = np.column_stack([outer_xy, slope + (down if site.flat else 0.0)])
            builder.add_strip(
                inner + np.array([0, 0, down]),
                outer,
                uv_left=inner[:, :2] / 5.0,
                uv_right=outer_xy / 5.0,
                normals=(0, 0, 1),
                tag=Tag.SIDEWALKS
                if look.verge == style.VERGE + looks.palette.paved_verge
                else Tag.TERRAIN,
                layer=look.verge,
                tint=look.verge_tint,
                keep=(number == stretch) & (free[1:] & free[:-1]),
            )


def add_land(builder: MeshBuilder, network: RoadNetwork, site: Site, palette: Palette) -> None:
    """Add the land around and under the roads, fine near them and coarse far away."""
    x_min, y_min, x_max, y_max = network.bounds
    coarse = 3 * LAND_CELL_M
    columns = np.arange(np.floor((x_min - SIGHT_M) / coarse), np.ceil((x_max + SIGHT_M) / coarse))
    rows = np.arange(np.floor((y_min - SIGHT_M) / coarse), np.ceil((y_max + SIGHT_M) / coarse))
    corners = np.asarray(
        np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2) * coarse, np.float64
    )
    near, _ = site.nearest_edge(corners + coarse / 2)
    fine = near < 60 + coarse
    cells = [(corners[~fine], coarse)]
    part = LAND_CELL_M if site.flat else LAND_CELL_M / 2
    steps = np.arange(0, coarse, part)
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    cells.append(((corners[fine][:, None] + offsets).reshape(-1, 2), part))
    for low, size in cells:
        if len(low) == 0:
            continue
        square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
        points = (low[:, None] + square).reshape(-1, 2)
        near, _ = site.nearest_edge(points)
        z = site.height(points) + LAND_DOWN_M
        if not site.flat:
            z -= np.where(near < 20, 0.5, 0.2)
        wave = 0.06 * np.sin(points[:, 0] / 47) + 0.06 * np.sin(
            points[:, 1] / 31 + points[:, 0] / 83
        )
        first = 4 * np.arange(len(low))[:, None]
        builder.add(
            np.column_stack([points, z]),
            (first[:, None] + QUAD).reshape(-1, 3),
            uv=points / 6.0,
            normals=(0, 0, 1),
            tag=Tag.TERRAIN,
            layer=style.VERGE + palette.terrain,
            tint=(1 + wave)[:, None] * np.ones(3),
        )


def add_horizon(builder: MeshBuilder, palette: Palette, rng: np.random.Generator) -> None:
    """Add far ground and a ring of hills; drawn around the camera, wherever it is."""
    count = 96
    angle = np.linspace(0, 2 * np.pi, count + 1)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    low, high = palette.hills
    wave = sum(
        np.sin(angle * k + rng.uniform(0, 2 * np.pi)) / k**0.7 for k in (2, 3, 5, 8, 13, 21, 34)
    )
    wave = (wave - np.min(wave)) / np.ptp(wave)
    foot, top = np.zeros((count + 1, 3)), np.zeros((count + 1, 3))
    foot[:, :2], top[:, :2] = circle * 640, circle * 700
    foot[:, 2] = -3.0
    top[:, 2] = low + (high - low) * wave
    u = angle / (2 * np.pi) * 40
    builder.add_strip(
        foot,
        top,
        uv_left=np.column_stack([u, np.full(count + 1, 0.02)]),
        uv_right=np.column_stack([u, np.full(count + 1, 0.98)]),
        normals=np.column_stack([-0.8 * circle, np.full(count + 1, 0.6)]),
        tag=Tag.VEGETATION if palette is style.TEMPERATE else Tag.TERRAIN,
        layer=style.FOREST,
    )
    near, far = np.zeros((count + 1, 3)), np.zeros((count + 1, 3))
    near[:, :2], far[:, :2] = circle * 150, circle * 660
    near[:, 2] = far[:, 2] = -1.2
    builder.add_strip(
        near,
        far,
        uv_left=near[:, :2] / 6,
        uv_right=far[:, :2] / 6,
        normals=(0, 0, 1),
        tag=Tag.TERRAIN,
        layer=style.VERGE + palette.terrain,
    )
