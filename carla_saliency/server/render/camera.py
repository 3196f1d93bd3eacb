"""The renderer: a scene, actors and a camera -> colour, semantic tag and depth from one pass.

There is one colour attachment. The tag is its alpha: what blends (paint, shadows) blends the colour
with a second output of the shader as factor, and leaves the tag whole or replaces it. There is no
multisampling, which would double the time on a CPU; paint, where it matters, is smoothed by its
shader instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import moderngl
import numpy as np
from numpy.typing import NDArray

from carla_saliency.errors import SimulatorError
from carla_saliency.server.nouns import Camera, DrawnActor, Pixels, Weather
from carla_saliency.server.render.context import compile_program, open_context, put
from carla_saliency.server.render.dome import SkyDome
from carla_saliency.server.render.light import Light, light_of
from carla_saliency.server.render.projection import (
    clip_matrix,
    metres_of,
    model_matrix,
    rotation_of,
)
from carla_saliency.server.render.shadows import ShadowMap
from carla_saliency.server.render.stock import Stock, View
from carla_saliency.server.scene.builder import Scene
from carla_saliency.server.scene.models import Model, model_of

SIGHT_M = 350.0
NEAR_SIGHT_M = 110.0
HEADLIGHT_M = 12.0  # the nearest vehicle within this distance of the camera lights the road

# OpenGL's second-source blend factors, which moderngl has no names for.
SRC1_COLOR, ONE_MINUS_SRC1_COLOR, SRC1_ALPHA, ONE_MINUS_SRC1_ALPHA = 0x88F9, 0x88FA, 0x8589, 0x88FB


class Renderer:
    """Draws a scene; belongs to the thread that made it.

    Raises:
        SimulatorError: If there is no EGL or no OpenGL 4.3.
    """

    def __init__(self) -> None:
        self._context = open_context()
        self._frame = self._context.buffer(reserve=256)
        self._frame.bind_to_uniform_block(0)
        self._programs: dict[tuple[str, bool], moderngl.Program] = {}
        self._targets: dict[tuple[int, int], moderngl.Framebuffer] = {}
        self._models: dict[int, tuple[Model, moderngl.Buffer]] = {}
        square = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32)
        self._square = self._context.buffer(square.tobytes())
        self._dome = SkyDome(self._context, self._program("dome", False), self._square)
        self._weather: Weather | None = None  # whose sky the dome shows
        self._stock: Stock | None = None
        self._shadows: ShadowMap | None = None
        self._arrays: dict[tuple[str, bool, int], moderngl.VertexArray] = {}

    def load(self, scene: Scene) -> None:
        """Upload a scene; the one before is forgotten."""
        with self._context:
            self._forget()
            self._stock = Stock(self._context, scene)
            self._shadows = ShadowMap(self._context, scene)

    def render(self, camera: Camera, actors: Sequence[DrawnActor], weather: Weather) -> Pixels:
        """Draw one picture.

        Args:
            camera: From where.
            actors: What moves; the nearest vehicle to the camera has its headlights on at night.
            weather: Light and air.

        Returns:
            New arrays that the caller may keep.

        Raises:
            SimulatorError: If no scene is loaded.
        """
        if self._stock is None or self._shadows is None:
            raise SimulatorError("load a scene before rendering")
        with self._context:  # there may be other contexts in this process
            return self._render(self._stock, self._shadows, camera, actors, weather)

    def close(self) -> None:
        """Free everything."""
        with self._context:
            self._forget()
        self._context.release()

    # -------------------------------------------------------------- private

    def _render(
        self,
        stock: Stock,
        shadows: ShadowMap,
        camera: Camera,
        actors: Sequence[DrawnActor],
        weather: Weather,
    ) -> Pixels:
        light = light_of(weather, stock.scene.haze)
        shadows.cast(light.cast)
        self._write_frame(camera, actors, light, shadows)
        stock.bind()
        shadows.bind(1)
        self._dome.bind(4)
        if weather != self._weather:
            self._dome.draw(light)
            self._weather = weather
        target = self._target(camera.width, camera.height)
        target.use()
        target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._context.enable_only(moderngl.DEPTH_TEST)
        target.depth_mask = True
        view = stock.view(camera, SIGHT_M)
        self._context.enable(moderngl.CULL_FACE)
        self._context.front_face = "ccw"
        self._draw_actors(actors, light)
        self._draw_scene(stock, camera, view, light.night)
        self._draw_sky(camera)
        target.depth_mask = False
        self._context.enable(moderngl.BLEND)
        self._context.blend_func = (  # type: ignore[assignment]  # moderngl takes four, too
            SRC1_COLOR, ONE_MINUS_SRC1_COLOR, SRC1_ALPHA, ONE_MINUS_SRC1_ALPHA,
        )  # fmt: skip
        stock.draw_marks(self._program("mark", light.night), view)
        self._draw_blobs(actors, light)
        self._context.disable(moderngl.BLEND)
        target.depth_mask = True
        return self._read(target, camera.width, camera.height)

    def _forget(self) -> None:
        for owner in (self._stock, self._shadows):
            if owner is not None:
                owner.release()
        self._stock = self._shadows = self._weather = None

    def _program(self, name: str, night: bool) -> moderngl.Program:
        key = (name, night)
        if key not in self._programs:
            self._programs[key] = compile_program(self._context, name, night=night)
        return self._programs[key]

    def _target(self, width: int, height: int) -> moderngl.Framebuffer:
        if (width, height) not in self._targets:
            self._targets[(width, height)] = self._context.framebuffer(
                [self._context.renderbuffer((width, height), 4)],
                self._context.depth_renderbuffer((width, height)),
            )
        return self._targets[(width, height)]

    def _write_frame(
        self, camera: Camera, actors: Sequence[DrawnActor], light: Light, shadows: ShadowMap
    ) -> None:
        block = np.zeros((13, 4), np.float32)
        block[:4] = clip_matrix(camera).T
        block[4, :3] = camera.pose.x, camera.pose.y, camera.pose.z
        block[5, :3] = light.sun_dir
        block[6, :3] = light.sun_colour
        block[7, :3] = light.sky_colour
        block[8, :3] = light.fog_colour
        pixel = 2 * np.tan(np.radians(camera.fov) / 2) / camera.width
        block[9] = light.fog_per_m, light.fog_from_m, pixel, light.wet
        block[10] = shadows.world_to_texture
        lit = _headlights(camera, actors) if light.night else None
        if lit is not None:
            block[11, :3], block[12, :2] = lit
        self._frame.write(block.tobytes())

    def _draw_actors(self, actors: Sequence[DrawnActor], light: Light) -> None:
        program = self._program("actor", light.night)
        for actor in actors:
            model = model_of(actor.blueprint, actor.extent)
            array = self._model_array(model, program, light.night)
            put(
                program,
                model=tuple(model_matrix(actor.pose).T.ravel()),
                body=tuple(c / 255 for c in actor.colour),
                brake=float(actor.brake_lights),
                lamps=float(light.night),
                tag=model.tag / 255,
            )
            array.render()

    def _model_array(
        self, model: Model, program: moderngl.Program, night: bool
    ) -> moderngl.VertexArray:
        key = ("actor", night, id(model))
        if key not in self._arrays:
            if id(model) not in self._models:  # the model is kept, so that its id stays its own
                buffer = self._context.buffer(model.vertices.tobytes())
                self._models[id(model)] = (model, buffer)
            content = (self._models[id(model)][1], "3f 4f1 4f1", "position", "colour", "normal")
            self._arrays[key] = self._context.vertex_array(program, [content])
        return self._arrays[key]

    def _draw_scene(self, stock: Stock, camera: Camera, view: View, night: bool) -> None:
        solid = self._program("solid", night)
        put(solid, origin=(0.0, 0.0, 0.0))
        stock.draw_solid(solid, view, NEAR_SIGHT_M)
        put(solid, origin=(camera.pose.x, camera.pose.y, stock.scene.base_z))
        self._context.disable(moderngl.CULL_FACE)
        stock.draw_boards(self._program("board", night), view)
        stock.draw_horizon(solid)

    def _draw_sky(self, camera: Camera) -> None:
        program = self._program("sky", False)
        axes = rotation_of(camera.pose)
        wide = np.tan(np.radians(camera.fov) / 2)
        high = wide * camera.height / camera.width
        self._context.depth_func = "<="
        put(
            program,
            forward=tuple(axes[:, 0]),
            right=tuple(axes[:, 1] * wide),
            down=tuple(-axes[:, 2] * high),
        )
        self._plain_array("sky", program).render(moderngl.TRIANGLE_STRIP)

    def _draw_blobs(self, actors: Sequence[DrawnActor], light: Light) -> None:
        """Darken the ground under actors: a soft box, drawn out away from the sun."""
        program = self._program("blob", False)
        array = self._plain_array("blob", program)
        sun = float(light.sun_colour.max())
        put(program, strength=min(0.30 + 0.40 * sun, 0.66))
        for actor in actors:
            pose, (length, width, height) = actor.pose, actor.extent
            drift = np.clip(light.cast * height * 1.4, -3.0, 3.0) * min(sun * 1.3, 1.0)
            put(
                program,
                place=(pose.x, pose.y, pose.z + 0.02, float(np.radians(pose.yaw))),
                half_size=(length, width),
                drift=tuple(drift),
            )
            array.render(moderngl.TRIANGLE_STRIP)

    def _plain_array(self, name: str, program: moderngl.Program) -> moderngl.VertexArray:
        key = (name, False, 0)
        if key not in self._arrays:
            self._arrays[key] = self._context.vertex_array(
                program, [(self._square, "2f", "corner")]
            )
        return self._arrays[key]

    def _read(self, target: moderngl.Framebuffer, width: int, height: int) -> Pixels:
        bgra = np.empty((height, width, 4), np.uint8)
        depth = np.empty((height, width), np.float32)
        target.read_into(bgra, components=4, alignment=1)
        target.read_into(depth, components=1, attachment=-1, dtype="f4", alignment=1)
        tag = bgra[..., 3].copy()
        bgra[..., 3] = 255
        return Pixels(bgra, tag, metres_of(depth))


def _headlights(
    camera: Camera, actors: Sequence[DrawnActor]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return position and direction of the headlights of the vehicle nearest to the camera."""
    eye = np.array([camera.pose.x, camera.pose.y])
    best, result = HEADLIGHT_M, None
    for actor in actors:
        if not actor.blueprint.startswith("vehicle."):
            continue
        distance = float(np.hypot(actor.pose.x - eye[0], actor.pose.y - eye[1]))
        if distance < best:
            ahead = rotation_of(actor.pose)[:, 0]
            place = np.array([actor.pose.x, actor.pose.y, actor.pose.z])
            best, result = distance, (place + ahead * actor.extent[0], ahead[:2])
    return result
