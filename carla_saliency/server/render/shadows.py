"""The shadow map: the ground from above, darkened where scenery stands between it and the sun.

Scenery doesn't move and the ground is flat enough, so one picture per direction of the sun replaces
blended shadow polygons: it falls on roads, paint, kerbs and grass alike, and costs one look-up.
"""

from __future__ import annotations

import moderngl
import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.render.context import compile_program, put
from carla_saliency.server.scene.builder import Scene

CELL_M = 0.3
MOST_CELLS = 3072
SUN_STEP = 0.01  # a smaller change of the sun is not worth a new map


class ShadowMap:
    """Draws and holds the shadows (red: sun, 1 = lit) and the street lamps' light (green).

    Args:
        context: Of the renderer.
        scene: Its casters and lamps.
    """

    def __init__(self, context: moderngl.Context, scene: Scene) -> None:
        self._context = context
        x_min, y_min, x_max, y_max = scene.bounds
        span = np.array([x_max - x_min, y_max - y_min])
        size = np.clip(np.ceil(span / CELL_M), 16, MOST_CELLS).astype(int)
        scale = 1 / span
        offset = -np.array([x_min, y_min]) * scale
        self.world_to_texture = (*scale.tolist(), *offset.tolist())
        self._texture = context.texture((int(size[0]), int(size[1])), 2, alignment=1)
        self._texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._texture.repeat_x = self._texture.repeat_y = False
        self._target = context.framebuffer([self._texture])
        area = (*(2 * scale).tolist(), *(2 * offset - 1).tolist())
        self._casting = compile_program(context, "shadow", night=False)
        self._pooling = compile_program(context, "pool", night=False)
        put(self._casting, area=area)
        put(self._pooling, area=area)
        self._casters = self._array(scene)
        self._pools = self._lamp_array(scene)
        self._cast: NDArray[np.float64] | None = None

    def _array(self, scene: Scene) -> moderngl.VertexArray | None:
        if len(scene.casters) == 0:
            return None
        buffer = self._context.buffer(np.ascontiguousarray(scene.casters, np.float32).tobytes())
        return self._context.vertex_array(self._casting, [(buffer, "3f", "caster")])

    def _lamp_array(self, scene: Scene) -> moderngl.VertexArray | None:
        if len(scene.lamps) == 0:
            return None
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, -1], [1, 1], [-1, 1]], np.float32)
        data = np.zeros((len(scene.lamps), 6, 4), np.float32)
        data[..., :2] = square
        data[..., 2:] = scene.lamps[:, None]
        buffer = self._context.buffer(data.tobytes())
        return self._context.vertex_array(self._pooling, [(buffer, "2f 2f", "corner", "lamp")])

    def cast(self, cast: NDArray[np.float64]) -> None:
        """Draw the shadows for a sun, unless they are there already.

        Args:
            cast: Metres that a shadow moves per metre of height, (2,).
        """
        if self._cast is not None and np.abs(cast - self._cast).max() < SUN_STEP:
            return
        self._cast = cast.copy()
        self._target.use()
        self._context.enable_only(moderngl.NOTHING)
        self._target.clear(1.0, 0.0, 0.0, 0.0)
        if self._casters is not None:
            put(self._casting, lean=tuple(cast))
            self._target.color_mask = (True, False, False, False)
            self._casters.render(moderngl.TRIANGLES)
            self._target.color_mask = (True, True, True, True)
        if self._pools is not None:
            self._context.enable(moderngl.BLEND)
            self._context.blend_func = moderngl.ONE, moderngl.ONE
            self._pools.render(moderngl.TRIANGLES)
            self._context.disable(moderngl.BLEND)
        # Walls look up the first texel: it is always lit.
        self._target.clear(1.0, 0.0, 0.0, 0.0, viewport=(0, 0, 2, 2))

    def bind(self, unit: int) -> None:
        """Put the map where the programs look for it."""
        self._texture.use(unit)

    def release(self) -> None:
        """Free everything."""
        for array in (self._casters, self._pools):
            if array is not None:
                array.release()
        self._target.release()
        self._texture.release()
