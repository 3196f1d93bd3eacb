"""What stands beside the roads: walls, rails, hedges, houses, plants, lamps, parked cars."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Obstacle, ParkedCar, RoadNetwork, Tag, Transform
from carla_saliency.server.scene import barriers, houses, style
from carla_saliency.server.scene.barriers import BarrierPlan
from carla_saliency.server.scene.ground import Edge, Looks, stretches, walk
from carla_saliency.server.scene.mesh import Floats, MeshBuilder, add_box
from carla_saliency.server.scene.models import FIXED, PAINT, PARKED_EXTENTS, Model, model_of
from carla_saliency.server.scene.site import Site, box_corners

BOARD_VERTEX = np.dtype(
    [
        ("foot", "<f4", 3),
        ("size", "<f4", 2),  # half width, height
        ("corner", "<f4", 2),  # (-1 or 1, 0 or 1)
        ("layer", "<f4"),
        ("shade", "<f4"),
    ]
)
# Widest part of a plant as a part of its height: it must not hang into a lane.
SPREAD = {"poplar": 0.18, "conifer": 0.31, "palm": 0.42, "cactus": 0.30, "bush": 0.52}
CAR_COLOURS = (
    (235, 235, 232), (20, 20, 24), (150, 153, 158), (96, 100, 108), (140, 24, 24),
    (28, 52, 110), (190, 186, 172), (36, 74, 58), (176, 96, 30), (70, 120, 170),
)  # fmt: skip
COUNTRY_LIMIT = 4000  # plants on one map: beyond this a large map would take too long


class Dressing:
    """Collects what stands on a map."""

    def __init__(self) -> None:
        self.solid = MeshBuilder()
        self.near = MeshBuilder()
        self.obstacles: list[Obstacle] = []
        self.parked: list[ParkedCar] = []
        self.lamps: list[tuple[float, float]] = []
        self._boards: list[tuple[float, ...]] = []
        self._casters: list[Floats] = []

    def add_obstacle(self, corners_of: tuple[float, float, float, float, float], tag: int) -> None:
        """Add (x, y, yaw, half length, half width)."""
        self.obstacles.append(Obstacle(*corners_of, tag))

    def add_shadow(self, triangles: Floats) -> None:
        """Add triangles (T, 3, 3) of x, y and height above the ground."""
        self._casters.append(np.asarray(triangles, np.float32))

    def add_box_shadow(self, corners: Floats, height: float) -> None:
        """Add the shadow of an upright box over four corners (4, 2)."""
        low = np.column_stack([corners, np.zeros(4)])
        high = np.column_stack([corners, np.full(4, height)])
        faces = [np.stack([high[0], high[1], high[2]]), np.stack([high[0], high[2], high[3]])]
        for side in range(4):
            a, b = side, (side + 1) % 4
            faces += [np.stack([low[a], low[b], high[b]]), np.stack([low[a], high[b], high[a]])]
        self.add_shadow(np.stack(faces))

    def add_board(
        self, foot: Floats, height: float, layer: int, shade: float, crown: tuple[float, float]
    ) -> None:
        """Add a plant; `crown` is its radius and its middle's height as parts of its height."""
        self._boards.append((*foot, height / 2, height, layer, shade))
        angle = np.linspace(0, 2 * np.pi, 9)
        ring = np.column_stack([np.cos(angle), np.sin(angle)])
        for level, part in ((0.62, 0.75), (1.0, 1.0), (1.32, 0.7)):
            z = crown[1] * height * level
            rim = np.column_stack([foot[:2] + ring * crown[0] * height * part, np.full(9, z)])
            middle = np.broadcast_to([foot[0], foot[1], z], (8, 3))
            self.add_shadow(np.stack([middle, rim[:-1], rim[1:]], axis=1))

    def board_chunks(self, size_m: float) -> dict[tuple[int, int], NDArray[np.void]]:
        """Return the plants by the square of ground they stand on."""
        if not self._boards:
            return {}
        boards = np.array(self._boards)
        quads = np.zeros((len(boards), 4), BOARD_VERTEX)
        quads["foot"] = boards[:, None, :3]
        quads["size"] = boards[:, None, 3:5]
        quads["corner"] = [(-1, 0), (1, 0), (1, 1), (-1, 1)]
        quads["layer"] = boards[:, None, 5]
        quads["shade"] = boards[:, None, 6]
        keys = np.floor(boards[:, :2] / size_m).astype(np.int64)
        result = {}
        for column, row in np.unique(keys, axis=0).tolist():
            mine = (keys == (column, row)).all(axis=1)
            result[(column, row)] = quads[mine].reshape(-1)
        return result

    def shadow_triangles(self) -> NDArray[np.float32]:
        """Return all shadow casters, float32 (T, 3, 3)."""
        if not self._casters:
            return np.zeros((0, 3, 3), np.float32)
        return np.concatenate(self._casters).astype(np.float32)


def dress(network: RoadNetwork, edges: list[Edge], site: Site, looks: Looks, seed: int) -> Dressing:
    """Place everything that stands on a map.

    Args:
        network: The map.
        edges: Both sides of its roads.
        site: Its free ground; what is placed is taken from it.
        looks: The look of its stretches.
        seed: Of the scene.
    """
    made = Dressing()
    sides = [part for edge in edges if edge.junction_id < 0 for part in _parts(edge, looks)]
    for edge, side, number in sides:
        rng = style.dice(seed, network.name, "barrier", edge.road_id, edge.side, number)
        plan = BarrierPlan.draw(side, rng)
        if plan is not None:
            barriers.add_barrier(made, plan, edge, site)
    for edge, side, number in sides:
        rng = style.dice(seed, network.name, "houses", edge.road_id, edge.side, number)
        houses.add_houses(made, side, edge, site, looks.palette, rng)
    for edge, side, number in sides:
        rng = style.dice(seed, network.name, "street", edge.road_id, edge.side, number)
        if edge.town:
            _add_lamps(made, edge, site, rng)
        _add_verge_cars(made, edge, site, rng)
        _add_trees(made, side, edge, site, looks, rng)
    _park_in_lanes(made, network, site, style.dice(seed, network.name, "parking"))
    _add_country_plants(made, network, site, looks, style.dice(seed, network.name, "country"))
    return made


def _parts(edge: Edge, looks: Looks) -> Iterator[tuple[Edge, style.SideLook, int]]:
    """Cut an edge at the ends of its road's stretches."""
    number = stretches(edge.s)
    for stretch in np.unique(number).tolist():
        mine = np.flatnonzero(number == stretch)
        mine = np.append(mine, mine[-1] + 1) if mine[-1] + 1 < len(edge.s) else mine
        if len(mine) < 2:
            continue
        piece = Edge(
            edge.road_id, edge.side, edge.s[mine], edge.points[mine], edge.outward[mine],
            edge.town, edge.junction_id,
        )  # fmt: skip
        yield piece, looks.at(edge.road_id, stretch).sides[edge.side], stretch


def _spread(palette: style.Palette, layer: int) -> float:
    look = palette.plants[layer]
    return SPREAD.get(look.kind, look.crown + 0.03)


def _plant(
    made: Dressing,
    xy: Floats,
    site: Site,
    palette: style.Palette,
    layer: int,
    rng: np.random.Generator,
) -> bool:
    """Plant one, unless it would stand in the way or hang over a lane."""
    look = palette.plants[layer]
    height = float(rng.uniform(*look.height_m))
    spread = _spread(palette, layer)
    reach = spread * height
    if not site.take(box_corners(xy, 0.0, 0.5, 0.5), gap_m=reach + 0.3):
        return False
    z = float(site.height(xy[None], below_m=0.3)[0]) + (-0.05 if site.flat else -0.3)
    middle = 0.5 if look.kind in ("bush", "poplar", "conifer", "cactus") else 0.95 - look.crown
    made.add_board(
        np.array([*xy, z]), height, layer, float(rng.uniform(0.85, 1.1)), (0.85 * spread, middle)
    )
    if look.kind != "bush":
        made.add_obstacle((float(xy[0]), float(xy[1]), 0.0, 0.2, 0.2), Tag.VEGETATION)
    return True


def _add_trees(
    made: Dressing,
    side: style.SideLook,
    edge: Edge,
    site: Site,
    looks: Looks,
    rng: np.random.Generator,
) -> None:
    if not np.isfinite(side.tree_gap_m):
        return
    at = float(rng.uniform(0, side.tree_gap_m))
    while (here := walk(edge, at)) is not None:
        point, outward, _ = here
        layer = side.plant if rng.random() < 0.7 else int(rng.integers(len(looks.palette.plants)))
        away = side.tree_m + float(rng.exponential(2.0))
        for more in (0.0, 2.0, 4.5):  # a wide crown stands farther back
            if _plant(made, point[:2] + outward * (away + more), site, looks.palette, layer, rng):
                break
        at += side.tree_gap_m * float(rng.uniform(0.6, 1.4))


def _add_country_plants(
    made: Dressing, network: RoadNetwork, site: Site, looks: Looks, rng: np.random.Generator
) -> None:
    """Scatter trees and bushes over the land, in groves."""
    x_min, y_min, x_max, y_max = network.bounds
    area = (x_max - x_min + 80) * (y_max - y_min + 80)
    groves = min(int(area / 5000), COUNTRY_LIMIT // 5)
    for _ in range(groves):
        middle = np.array(
            [rng.uniform(x_min - 40, x_max + 40), rng.uniform(y_min - 40, y_max + 40)]
        )
        layer = int(rng.integers(len(looks.palette.plants)))
        for _ in range(int(rng.integers(1, 7))):
            xy = middle + rng.normal(0, 9, 2)
            if site.distance(xy[None])[0] > 6:
                _plant(made, xy, site, looks.palette, layer, rng)


def _add_lamps(made: Dressing, edge: Edge, site: Site, rng: np.random.Generator) -> None:
    at = float(rng.uniform(5, 20))
    while (here := walk(edge, at)) is not None:
        point, outward, yaw = here
        xy = point[:2] + outward * 0.35
        at += float(rng.uniform(24, 34))
        if not site.take(box_corners(xy, yaw, 0.12, 0.12), gap_m=0.1):
            continue
        z = float(point[2])
        grey = (0.30, 0.32, 0.34)
        add_box(
            made.solid,
            (*xy, z - 0.2),
            yaw,
            (0.07, 0.07, 6.2),
            tag=Tag.POLES,
            layer=style.PLAIN,
            tint=grey,
        )
        head = xy - outward * 0.25
        add_box(
            made.solid,
            (*head, z + 5.9),
            yaw,
            (0.16, 0.45, 0.14),
            tag=Tag.POLES,
            layer=style.PLAIN,
            tint=grey,
        )
        made.add_box_shadow(box_corners(xy, yaw, 0.1, 0.1), 6.0)
        made.add_obstacle((float(xy[0]), float(xy[1]), yaw, 0.1, 0.1), Tag.POLES)
        made.lamps.append((float(head[0]), float(head[1])))


def _park(made: Dressing, xy: Floats, z: float, yaw: float, rng: np.random.Generator) -> None:
    blueprint = str(rng.choice(list(PARKED_EXTENTS)))
    colour = CAR_COLOURS[int(rng.integers(len(CAR_COLOURS)))]
    pose = Transform(float(xy[0]), float(xy[1]), z, 0.0, yaw, 0.0)
    extent = PARKED_EXTENTS[blueprint]
    bake(made.near, model_of(blueprint, extent, fine=False), pose, colour)
    made.parked.append(ParkedCar(blueprint, pose, colour))
    made.add_box_shadow(box_corners(xy, yaw, 0.95 * extent[0], 0.95 * extent[1]), 1.3 * extent[2])


def bake(builder: MeshBuilder, model: Model, pose: Transform, colour: tuple[int, int, int]) -> None:
    """Add a model to static geometry."""
    cos, sin = np.cos(np.radians(pose.yaw)), np.sin(np.radians(pose.yaw))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    vertices = model.vertices
    tint = vertices["colour"][:, :3] / 255.0
    material = vertices["colour"][:, 3:4]
    tint = np.where(material == PAINT, tint * np.array(colour) / 255.0, tint)
    normal = (vertices["normal"][:, :3] / 127.5 - 1.0) @ turn
    builder.add(
        vertices["position"] @ turn + [pose.x, pose.y, pose.z],
        np.arange(len(vertices)).reshape(-1, 3),
        uv=np.full((len(vertices), 2), 0.5),
        normals=normal,
        tag=model.tag,
        layer=style.PLAIN,
        tint=np.where(material == FIXED, tint, tint * 1.0),
    )


def _add_verge_cars(made: Dressing, edge: Edge, site: Site, rng: np.random.Generator) -> None:
    """Leave a car on the verge now and then, well off the lanes."""
    at = float(rng.uniform(0, 160))
    while (here := walk(edge, at)) is not None:
        point, outward, yaw = here
        at += float(rng.uniform(70, 240))
        xy = point[:2] + outward * float(rng.uniform(1.7, 2.3))
        if site.take(box_corners(xy, yaw, 2.7, 1.15), gap_m=0.35):
            heading = yaw if edge.side == 1 else yaw + 180.0
            z = site.height(xy[None], below_m=0.2)[0]
            _park(made, xy, float(z), heading, rng)


def _park_in_lanes(
    made: Dressing, network: RoadNetwork, site: Site, rng: np.random.Generator
) -> None:
    """Fill parking lanes about half."""
    for lane in network.lanes:
        if lane.kind != "parking":
            continue
        middle = 0.5 * (lane.inner + lane.outer)
        width = np.linalg.norm(lane.outer - lane.inner, axis=1)
        index = 0
        while index < len(middle) - 1:
            along = middle[index + 1] - middle[index]
            yaw = float(np.degrees(np.arctan2(along[1], along[0])))
            if width[index] > 2.15 and rng.random() < 0.55:
                corners = box_corners(middle[index, :2], yaw, 2.6, min(1.08, width[index] / 2))
                if not site.on_driving_lanes([corners], 0.02)[0]:
                    heading = yaw if lane.lane_id < 0 else yaw + 180.0
                    _park(made, middle[index, :2], float(middle[index, 2]), heading, rng)
            travelled = 0.0
            while index < len(middle) - 1 and travelled < 6.4:
                travelled += float(np.linalg.norm(middle[index + 1] - middle[index]))
                index += 1
