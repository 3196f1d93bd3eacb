"""A scene on the graphics card: buffers, textures, and which chunks a camera sees."""

from __future__ import annotations

import moderngl
import numpy as np

from carla_saliency.server.nouns import Camera
from carla_saliency.server.render.projection import rotation_of
from carla_saliency.server.scene.builder import Scene
from carla_saliency.server.scene.mesh import Mesh

FORMATS = {
    "solid": ("3f 2f 4f1 4f1", ("position", "uv", "tint", "normal")),
    "mark": ("3f 2f 1f 1f 3f 4f1", ("position", "across", "side", "along", "shape", "paint")),
    "boards": ("3f 2f 2f 1f 1f", ("foot", "size", "corner", "layer", "shade")),
}
Parts = tuple[moderngl.Buffer, moderngl.Buffer]


class Stock:
    """Uploads a scene.

    Args:
        context: Of the renderer.
        scene: To be uploaded.
    """

    def __init__(self, context: moderngl.Context, scene: Scene) -> None:
        self.scene = scene
        self._context = context
        self._parts: dict[tuple[str, int], Parts] = {}
        self._arrays: dict[tuple[str, int, int], moderngl.VertexArray] = {}
        self._centres = np.array([chunk.centre for chunk in scene.chunks]).reshape(-1, 3)
        self._radii = np.array([chunk.radius_m for chunk in scene.chunks])
        for number, chunk in enumerate(scene.chunks):
            self._add_mesh("mesh", number, chunk.mesh)
            self._add_mesh("near", number, chunk.near)
            self._add_quads("mark", number, chunk.marks)
            self._add_quads("boards", number, chunk.boards)
        self._add_mesh("horizon", 0, scene.horizon)
        self._textures = [
            self._array(scene.surfaces, repeat=True),
            self._array(scene.plants, repeat=False),
            self._clouds(scene),
        ]

    def _add_mesh(self, kind: str, number: int, mesh: Mesh) -> None:
        if len(mesh.indices):
            self._parts[(kind, number)] = (
                self._context.buffer(mesh.vertices.tobytes()),
                self._context.buffer(np.ascontiguousarray(mesh.indices, np.uint32).tobytes()),
            )

    def _add_quads(self, kind: str, number: int, vertices: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        if len(vertices):
            first = 4 * np.arange(len(vertices) // 4, dtype=np.uint32)[:, None]
            indices = (first + np.array([0, 1, 2, 0, 2, 3], np.uint32)).astype(np.uint32)
            self._parts[(kind, number)] = (
                self._context.buffer(vertices.tobytes()),
                self._context.buffer(indices.tobytes()),
            )

    def _array(self, layers: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], *, repeat: bool) -> moderngl.TextureArray:
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

    def visible(self, camera: Camera, sight_m: float) -> list[tuple[int, float]]:
        """Return number and distance of the chunks in view, nearest first."""
        eye = np.array([camera.pose.x, camera.pose.y, camera.pose.z])
        local = (self._centres - eye) @ rotation_of(camera.pose)
        ahead = local[:, 0]
        wide = np.radians(camera.fov) / 2
        high = np.arctan(np.tan(wide) * camera.height / camera.width)
        seen = (ahead > -self._radii) & (ahead < sight_m + self._radii)
        for axis, half in ((1, wide), (2, high)):
            beyond = np.abs(local[:, axis]) * np.cos(half) - ahead * np.sin(half)
            seen &= beyond < self._radii
        distance = np.linalg.norm(local, axis=1)
        near = np.maximum(distance - self._radii, 0)
        order = np.argsort(distance, kind="stable")
        return [(int(i), float(near[i])) for i in order if seen[i] and near[i] < sight_m]

    def draw(self, kind: str, number: int, program: moderngl.Program) -> None:
        """Draw one part of a chunk, if it has that part."""
        parts = self._parts.get((kind, number))
        if parts is None:
            return
        key = (kind, number, program.glo)
        if key not in self._arrays:
            layout, names = FORMATS.get(kind, FORMATS["solid"])
            self._arrays[key] = self._context.vertex_array(
                program, [(parts[0], layout, *names)], parts[1]
            )
        self._arrays[key].render()

    def release(self) -> None:
        """Free everything."""
        for array in self._arrays.values():
            array.release()
        for parts in self._parts.values():
            for buffer in parts:
                buffer.release()
        for texture in self._textures:
            texture.release()
