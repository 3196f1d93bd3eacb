"""A scene on the graphics card: buffers, textures, and which chunks a camera sees.

All chunks of one kind share a vertex and an index buffer, so that one indirect call draws every
visible one, nearest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moderngl
import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.nouns import Camera
from carla_saliency.server.render.projection import rotation_of
from carla_saliency.server.scene.builder import Scene
from carla_saliency.server.scene.mesh import Mesh

FORMATS = {
    "solid": ("3f 2f 4f1 4f1", ("position", "uv", "tint", "normal")),
    "mark": ("3f 2f 1f 1f 3f 4f1", ("position", "across", "side", "along", "shape", "paint")),
    "board": ("3f 2f 2f 1f 1f", ("foot", "size", "corner", "layer", "shade")),
}
QUAD = np.array([0, 1, 2, 0, 2, 3], np.uint32)


@dataclass(frozen=True, slots=True)
class View:
    """What a camera sees.

    Attributes:
        chunks: Numbers of the chunks, nearest first.
        distances: From the camera to their bounding spheres, metres.
    """

    chunks: NDArray[np.int64]
    distances: NDArray[np.float64]


class _Pool:
    """Meshes of one kind in one pair of buffers.

    Args:
        context: Of the renderer.
        meshes: One per chunk; may be empty.
    """

    def __init__(self, context: moderngl.Context, meshes: Sequence[Mesh]) -> None:
        vertices, indices = [m.vertices for m in meshes], [m.indices.ravel() for m in meshes]
        counts = np.array([len(i) for i in indices], np.int64)
        bases = np.concatenate([[0], np.cumsum([len(v) for v in vertices])[:-1]])
        # Of OpenGL's DrawElementsIndirectCommand: count, instances, first index, base vertex, 0.
        self._commands = np.zeros((len(meshes), 5), np.uint32)
        self._commands[:, 0], self._commands[:, 1] = counts, 1
        self._commands[:, 2] = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._commands[:, 3] = bases
        self._context = context
        self.empty = int(counts.sum()) == 0
        if self.empty:
            return
        self._vertices = context.buffer(np.concatenate(vertices).tobytes())
        self._indices = context.buffer(np.concatenate(indices).astype(np.uint32).tobytes())
        self._orders = context.buffer(reserve=20 * len(meshes))
        self._arrays: dict[int, moderngl.VertexArray] = {}

    def draw(self, layout: str, program: moderngl.Program, chunks: NDArray[np.int64]) -> None:
        """Draw the meshes of some chunks, in that order."""
        if self.empty:
            return
        orders = self._commands[chunks]
        orders = orders[orders[:, 0] > 0]
        if len(orders) == 0:
            return
        if program.glo not in self._arrays:
            form, names = FORMATS[layout]
            self._arrays[program.glo] = self._context.vertex_array(
                program, [(self._vertices, form, *names)], self._indices
            )
        self._orders.write(orders.tobytes())
        self._arrays[program.glo].render_indirect(self._orders, count=len(orders))

    def release(self) -> None:
        """Free the buffers."""
        if self.empty:
            return
        for array in self._arrays.values():
            array.release()
        for buffer in (self._vertices, self._indices, self._orders):
            buffer.release()


class Stock:
    """Uploads a scene.

    Args:
        context: Of the renderer.
        scene: To be uploaded.
    """

    def __init__(self, context: moderngl.Context, scene: Scene) -> None:
        self.scene = scene
        self._context = context
        self._centres = np.array([chunk.centre for chunk in scene.chunks]).reshape(-1, 3)
        self._radii = np.array([chunk.radius_m for chunk in scene.chunks])
        chunks = scene.chunks
        self._solid = _Pool(
            context, [c.mesh for c in chunks] + [c.near for c in chunks] + [scene.horizon]
        )
        self._marks = _Pool(context, [_quads(c.marks) for c in chunks])
        self._boards = _Pool(context, [_quads(c.boards) for c in chunks])
        self._textures: tuple[moderngl.TextureArray | moderngl.Texture, ...] = (
            self._array(scene.surfaces, repeat=True),
            self._array(scene.plants, repeat=False),
            self._clouds(scene),
        )

    def _array(self, layers: NDArray[np.uint8], *, repeat: bool) -> moderngl.TextureArray:
        count, rows, columns, _ = layers.shape
        texture = self._context.texture_array((columns, rows, count), 4, layers.tobytes())
        # Anisotropic filtering would sharpen far asphalt, and take minutes per picture on a CPU.
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = repeat
        return texture

    def _clouds(self, scene: Scene) -> moderngl.Texture:
        rows, columns = scene.clouds.shape
        texture = self._context.texture((columns, rows), 1, scene.clouds.tobytes(), alignment=1)
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture

    def bind(self) -> None:
        """Put the textures where the programs look for them."""
        for texture, unit in zip(self._textures, (0, 2, 3), strict=True):
            texture.use(unit)

    def view(self, camera: Camera, sight_m: float) -> View:
        """Return which chunks are in a camera's view and nearer than a distance."""
        eye = np.array([camera.pose.x, camera.pose.y, camera.pose.z])
        local = (self._centres - eye) @ rotation_of(camera.pose)
        ahead = local[:, 0]
        wide = np.radians(camera.fov) / 2
        high = np.arctan(np.tan(wide) * camera.height / camera.width)
        centre_m = np.linalg.norm(local, axis=1)
        distances = np.maximum(centre_m - self._radii, 0)
        seen = (ahead > -self._radii) & (distances < sight_m)
        for axis, half in ((1, wide), (2, high)):
            beyond = np.abs(local[:, axis]) * np.cos(half) - ahead * np.sin(half)
            seen &= beyond < self._radii
        chunks = np.flatnonzero(seen)
        chunks = chunks[np.argsort(centre_m[chunks], kind="stable")]
        return View(chunks, distances[chunks])

    def draw_solid(self, program: moderngl.Program, view: View, near_m: float) -> None:
        """Draw the triangles in view, with detail where it is near enough to be seen."""
        detail = view.chunks[view.distances < near_m] + len(self._radii)
        # Detail stands on the near chunks: what it hides need not be shaded.
        self._solid.draw("solid", program, np.concatenate([detail, view.chunks]))

    def draw_horizon(self, program: moderngl.Program) -> None:
        """Draw the far land and its hills."""
        self._solid.draw("solid", program, np.array([2 * len(self._radii)]))

    def draw_boards(self, program: moderngl.Program, view: View) -> None:
        """Draw the plants in view."""
        self._boards.draw("board", program, view.chunks)

    def draw_marks(self, program: moderngl.Program, view: View) -> None:
        """Draw the paint in view."""
        self._marks.draw("mark", program, view.chunks)

    def release(self) -> None:
        """Free everything."""
        for pool in (self._solid, self._marks, self._boards):
            pool.release()
        for texture in self._textures:
            texture.release()


def _quads(vertices: NDArray[np.void]) -> Mesh:
    first = 4 * np.arange(len(vertices) // 4, dtype=np.uint32)[:, None]
    return Mesh(vertices, (first + QUAD).reshape(-1, 3).astype(np.uint32))
