"""Triangles on their way to the renderer: the vertex format, a builder, and its chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

QUAD = np.array([[0, 1, 2], [0, 2, 3]])  # triangles of four corners

# A tint is stored as a byte and doubled by the shader, so that it can brighten a texture, too.
TINT_UNIT = 127.5

VERTEX = np.dtype(
    [
        ("position", "<f4", 3),
        ("uv", "<f4", 2),
        ("tint", "u1", 4),  # r, g, b (127.5 = as the texture), layer of the texture array
        ("normal", "u1", 4),  # x, y, z (127.5 = 0), semantic tag
    ]
)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles of one chunk.

    Attributes:
        vertices: Structured array of `VERTEX`, (V,).
        indices: uint32, (T, 3).
    """

    vertices: NDArray[np.void]
    indices: NDArray[np.uint32]


class MeshBuilder:
    """Collects quads and triangles; `chunks` hands them out by the square of ground they lie on."""

    def __init__(self) -> None:
        self._vertices: list[NDArray[np.void]] = []
        self._indices: list[NDArray[np.uint32]] = []
        self._count = 0

    def add(
        self,
        positions: ArrayLike,
        triangles: ArrayLike,
        *,
        uv: ArrayLike,
        normals: ArrayLike,
        tag: int | ArrayLike,
        layer: int | ArrayLike,
        tint: ArrayLike = (1.0, 1.0, 1.0),
    ) -> None:
        """Add a piece of mesh.

        Args:
            positions: World metres, (V, 3).
            triangles: Indices into positions, (T, 3).
            uv: Texture coordinates, (V, 2); one texture is 1 x 1.
            normals: Unit vectors, (V, 3) or (3,).
            tag: Semantic tag, one or (V,).
            layer: Layer of the texture array, one or (V,).
            tint: Factor on the texture's colour, 0 to 2, (V, 3) or (3,).
        """
        positions = np.asarray(positions, np.float32).reshape(-1, 3)
        vertices = np.zeros(len(positions), VERTEX)
        vertices["position"] = positions
        vertices["uv"] = uv
        vertices["tint"][:, :3] = np.clip(np.asarray(tint) * TINT_UNIT, 0, 255)
        vertices["tint"][:, 3] = layer
        vertices["normal"][:, :3] = np.clip(np.asarray(normals) * 127.5 + 127.5, 0, 255).round()
        vertices["normal"][:, 3] = tag
        self._vertices.append(vertices)
        self._indices.append(np.asarray(triangles, np.uint32).reshape(-1, 3) + self._count)
        self._count += len(positions)

    def add_strip(
        self,
        left: Floats,
        right: Floats,
        *,
        uv_left: ArrayLike,
        uv_right: ArrayLike,
        normals: ArrayLike,
        tag: int,
        layer: int | ArrayLike,
        tint: ArrayLike = (1.0, 1.0, 1.0),
        keep: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add the quads between two polylines of equal length.

        Args:
            left: One side, (N, 3).
            right: The other side, (N, 3).
            uv_left: (N, 2).
            uv_right: (N, 2).
            normals: (N, 3) or (3,).
            tag: Semantic tag.
            layer: One or (N,).
            tint: (N, 3) or (3,).
            keep: Which of the N - 1 quads to add; all by default.
        """
        count = len(left)
        if count < 2:
            return
        quads = np.arange(count - 1) if keep is None else np.flatnonzero(keep)
        if len(quads) == 0:
            return
        a, b = quads, quads + 1
        c, d = quads + count, quads + count + 1
        triangles = np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])

        def both(values: ArrayLike, width: int) -> ArrayLike:
            values = np.asarray(values)
            return np.concatenate([values, values]) if values.shape == (count, width) else values

        layers = np.asarray(layer)
        self.add(
            np.concatenate([left, right]),
            triangles,
            uv=np.concatenate([np.asarray(uv_left), np.asarray(uv_right)]),
            normals=both(normals, 3),
            tag=tag,
            layer=np.concatenate([layers, layers]) if layers.ndim else layers,
            tint=both(tint, 3),
        )

    def chunks(self, size_m: float) -> dict[tuple[int, int], Mesh]:
        """Return the triangles by square cells of the ground, each with its own vertices."""
        if not self._vertices:
            return {}
        whole = self.whole()
        vertices, indices = whole.vertices, whole.indices
        middle = vertices["position"][indices].mean(axis=1)
        cells = np.floor(middle[:, :2] / size_m).astype(np.int64)
        keys, inverse = np.unique(cells, axis=0, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable")
        bounds = np.searchsorted(inverse.ravel()[order], np.arange(len(keys) + 1))
        result = {}
        for number, (column, row) in enumerate(keys.tolist()):
            mine = indices[order[bounds[number] : bounds[number + 1]]]
            used, local = np.unique(mine, return_inverse=True)
            result[(column, row)] = Mesh(vertices[used], local.reshape(-1, 3).astype(np.uint32))
        return result

    def whole(self) -> Mesh:
        """Return everything as one mesh, wound alike: the renderer leaves out backs."""
        if not self._vertices:
            return Mesh(np.zeros(0, VERTEX), np.zeros((0, 3), np.uint32))
        vertices, indices = np.concatenate(self._vertices), np.concatenate(self._indices)
        return Mesh(vertices, _wound(vertices, indices))


def _wound(vertices: NDArray[np.void], indices: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the triangles so that (b - a) x (c - a) points where their normals point."""
    a, b, c = (vertices["position"][indices[:, k]] for k in range(3))
    normals = vertices["normal"][indices[:, 0], :3].astype(np.float32) - 127.5
    back = (np.cross(b - a, c - a) * normals).sum(axis=1) < 0
    result = indices.copy()
    result[back, 1], result[back, 2] = indices[back, 2], indices[back, 1]
    return result


def add_box(
    builder: MeshBuilder,
    centre: tuple[float, float, float],
    yaw_deg: float,
    half: tuple[float, float, float],
    *,
    tag: int,
    layer: int,
    tint: ArrayLike = (1.0, 1.0, 1.0),
    metres_per_texture: tuple[float, float] = (1.0, 1.0),
    top_layer: int | None = None,
    top_tint: ArrayLike | None = None,
) -> None:
    """Add an upright box without its floor.

    Args:
        builder: Receives it.
        centre: Of the floor (not of the volume).
        yaw_deg: Clockwise seen from above.
        half: Half length, half width and full height.
        tag: Semantic tag.
        layer: Texture of the four walls; its rows run up.
        tint: Of the walls.
        metres_per_texture: Along and up.
        top_layer: Texture of the lid, by default as the walls.
        top_tint: Of the lid, by default as the walls.
    """
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    length, width, height = half
    corners = np.array([[-length, -width], [length, -width], [length, width], [-length, width]])
    ground = corners @ np.array([[cos, sin], [-sin, cos]]) + np.array(centre[:2])
    along, up = metres_per_texture
    for side in range(4):
        a, b = ground[side], ground[(side + 1) % 4]
        span = float(np.hypot(*(b - a)))
        normal = np.array([b[1] - a[1], a[0] - b[0], 0.0]) / max(span, 1e-9)
        low, high = centre[2], centre[2] + height
        builder.add(
            [(*a, low), (*b, low), (*b, high), (*a, high)],
            [(0, 1, 2), (0, 2, 3)],
            uv=[(0, 0), (span / along, 0), (span / along, height / up), (0, height / up)],
            normals=normal,
            tag=tag,
            layer=layer,
            tint=tint,
        )
    builder.add(
        np.column_stack([ground, np.full(4, centre[2] + height)]),
        [(0, 1, 2), (0, 2, 3)],
        uv=ground / along,
        normals=(0, 0, 1),
        tag=tag,
        layer=layer if top_layer is None else top_layer,
        tint=tint if top_tint is None else top_tint,
    )
