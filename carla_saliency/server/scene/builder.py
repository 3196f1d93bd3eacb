"""RoadNetwork -> Scene: everything of a map that does not move, ready for the renderer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Obstacle, ParkedCar, RoadNetwork
from carla_saliency.server.scene import dressing, ground, style
from carla_saliency.server.scene.dressing import BOARD_VERTEX
from carla_saliency.server.scene.markings import MARK_VERTEX, build_marks
from carla_saliency.server.scene.materials import board_layers, cloud_picture, surface_layers
from carla_saliency.server.scene.mesh import VERTEX, Mesh, MeshBuilder
from carla_saliency.server.scene.site import Site

CHUNK_M = 60.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """What stands on one square of ground.

    Attributes:
        centre: Of its bounding sphere, (3,).
        radius_m: Of its bounding sphere.
        near: Detail that is only worth drawing close by (parked cars).
        mesh: Everything else that is solid.
        marks: Painted lines, `MARK_VERTEX`, four vertices a piece.
        boards: Plants, `BOARD_VERTEX`, four vertices each.
    """

    centre: NDArray[np.float64]
    radius_m: float
    near: Mesh
    mesh: Mesh
    marks: NDArray[np.void]
    boards: NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Scene:
    """A dressed map.

    Attributes:
        map_name: Of the network.
        seed: That it was dressed with.
        chunks: Static triangles, in squares of `CHUNK_M`.
        horizon: Far ground and hills, to be drawn around the camera.
        base_z: Height of the lowest road.
        surfaces: Texture array, uint8 (layers, rows, columns, 4).
        plants: Texture array of the boards, alpha is the outline.
        clouds: Thickness, uint8 (rows, columns).
        casters: Triangles that throw shadows, x, y, z above the ground, float32 (T, 3, 3).
        lamps: x, y of street lamps' heads, (L, 2).
        bounds: x_min, y_min, x_max, y_max of what may be in shadow.
        haze: Factor on the colour of the air.
        obstacles: What a car can hit.
        parked: Cars of the scenery.
    """

    map_name: str
    seed: int
    chunks: tuple[Chunk, ...]
    horizon: Mesh
    base_z: float
    surfaces: NDArray[np.uint8]
    plants: NDArray[np.uint8]
    clouds: NDArray[np.uint8]
    casters: NDArray[np.float32]
    lamps: NDArray[np.float64]
    bounds: tuple[float, float, float, float]
    haze: tuple[float, float, float]
    obstacles: tuple[Obstacle, ...]
    parked: tuple[ParkedCar, ...]


def build_scene(network: RoadNetwork, seed: int) -> Scene:
    """Dress a map.

    Args:
        network: The map: lines, lanes and widths come from here.
        seed: Everything else; the same seed gives the same scene.

    Returns:
        The scene. Nothing of it stands on, or hangs into, a driving lane.
    """
    palette = style.palette_of(network.name)
    site = Site(network)
    looks = ground.Looks(network, palette, seed)
    edges = ground.road_edges(network, looks)

    solid = MeshBuilder()
    dressed = dressing.dress(network, edges, site, looks, seed)
    ground.add_roads(solid, network, site, looks)
    ground.add_junction_floors(solid, network, site, looks)
    ground.add_verges(solid, edges, site, looks)
    ground.add_land(solid, network, site, palette)

    horizon = MeshBuilder()
    ground.add_horizon(horizon, palette, style.dice(seed, network.name, "horizon"))
    textures = style.dice(seed, network.name, "textures")
    x_min, y_min, x_max, y_max = network.bounds
    return Scene(
        map_name=network.name,
        seed=seed,
        chunks=_chunks(dressed, solid, build_marks(network, looks, CHUNK_M)),
        horizon=horizon.whole(),
        base_z=site.base_z,
        surfaces=surface_layers(palette, textures),
        plants=board_layers(palette, textures),
        clouds=cloud_picture(textures),
        casters=dressed.shadow_triangles(),
        lamps=np.array(dressed.lamps, np.float64).reshape(-1, 2),
        bounds=(x_min - 40, y_min - 40, x_max + 40, y_max + 40),
        haze=palette.haze,
        obstacles=tuple(dressed.obstacles),
        parked=tuple(dressed.parked),
    )


def _chunks(
    dressed: dressing.Dressing,
    ground_mesh: MeshBuilder,
    marks: dict[tuple[int, int], NDArray[np.void]],
) -> tuple[Chunk, ...]:
    """Cut everything into squares; what stands comes first, for it hides what lies."""
    standing, lying = dressed.solid.chunks(CHUNK_M), ground_mesh.chunks(CHUNK_M)
    near, boards = dressed.near.chunks(CHUNK_M), dressed.board_chunks(CHUNK_M)
    empty = Mesh(np.zeros(0, VERTEX), np.zeros((0, 3), np.uint32))
    chunks = []
    for key in sorted({*standing, *lying, *near, *boards, *marks}):
        mesh = _join(part for part in (standing.get(key), lying.get(key)) if part)
        detail = near.get(key, empty)
        plants = boards.get(key, np.zeros(0, BOARD_VERTEX))
        paint = marks.get(key, np.zeros(0, MARK_VERTEX))
        places = np.concatenate(
            [
                mesh.vertices["position"],
                detail.vertices["position"],
                paint["position"],
                plants["foot"],
                plants["foot"]
                + np.stack([0 * plants["size"][:, 1]] * 2 + [plants["size"][:, 1]], 1),
            ]
        )
        centre = 0.5 * (places.min(axis=0) + places.max(axis=0)).astype(np.float64)
        radius = float(np.linalg.norm(places - centre, axis=1).max()) + 3.0
        chunks.append(Chunk(centre, radius, detail, mesh, paint, plants))
    return tuple(chunks)


def _join(meshes: Iterable[Mesh]) -> Mesh:
    parts = list(meshes)
    if not parts:
        return Mesh(np.zeros(0, VERTEX), np.zeros((0, 3), np.uint32))
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate(
            [part.indices + np.uint32(start) for part, start in zip(parts, starts, strict=True)]
        ),
    )
