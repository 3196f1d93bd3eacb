"""The sky as a picture of the whole upper half, drawn once per weather and then only looked up."""

from __future__ import annotations

import moderngl

from carla_saliency.server.render.context import put
from carla_saliency.server.render.light import Light

SIZE_PX = 768  # 0.23 degrees a pixel, near the camera's own 0.16


class SkyDome:
    """Draws and holds the sky: stereographic, direction (x, y, z) is at (x, y) / (1 + z).

    Args:
        context: Of the renderer.
        program: Compiled from dome.vert and dome.frag.
        square: Buffer of a square's corners.
    """

    def __init__(
        self, context: moderngl.Context, program: moderngl.Program, square: moderngl.Buffer
    ) -> None:
        self._context = context
        self._program = program
        self._array = context.vertex_array(program, [(square, "2f", "corner")])
        self._texture = context.texture((SIZE_PX, SIZE_PX), 4)
        self._texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._texture.repeat_x = self._texture.repeat_y = False
        self._target = context.framebuffer([self._texture])

    def draw(self, light: Light) -> None:
        """Draw the sky of a weather; the frame's uniforms must be written before."""
        put(
            self._program,
            zenith=tuple(light.zenith),
            horizon=tuple(light.horizon),
            cloud_light=tuple(light.cloud_light),
            cloudy=(light.cover, light.cover, *light.cloud_drift),
            sun_glow=light.glow,
        )
        self._target.use()
        self._context.enable_only(moderngl.NOTHING)
        self._array.render(moderngl.TRIANGLE_STRIP)

    def bind(self, unit: int) -> None:
        """Put the picture where the sky's program looks for it."""
        self._texture.use(unit)
