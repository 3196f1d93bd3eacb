"""Opens an OpenGL context without a window, and compiles the shaders."""

from __future__ import annotations

from importlib.resources import files

import moderngl

from carla_saliency.errors import SimulatorError
from carla_saliency.server.nouns import Tag

SHADERS = files("carla_saliency.server.render").joinpath("shaders")
# Texture units; worn paint is chipped by the noise of the clouds.
UNITS = {"surfaces": 0, "shadows": 1, "plants": 2, "cloud": 3, "worn": 3, "dome": 4}
VERSION = "#version 330\n"
REMEDY = "install Mesa's EGL and software renderer: apt-get install libegl1 libgl1-mesa-dri"


def open_context() -> moderngl.Context:
    """Return an offscreen context: a GPU where there is one, Mesa's llvmpipe where not.

    Raises:
        SimulatorError: If EGL or a driver is missing, with the packages that bring them.
    """
    try:
        # moderngl's stub says that the backend is a dictionary
        return moderngl.create_context(require=430, standalone=True, backend="egl")  # type: ignore[arg-type]
    except (ImportError, OSError) as error:  # libEGL or libGL can't be loaded
        raise SimulatorError(f"the renderer needs EGL, received {error}; {REMEDY}") from None
    # moderngl and glcontext raise a bare Exception where EGL finds no display or driver
    except Exception as error:  # noqa: BLE001
        raise SimulatorError(
            f"the renderer needs OpenGL 4.3 over EGL, received {error}; {REMEDY}"
        ) from None


def put(program: moderngl.Program, **values: float | tuple[float, ...]) -> None:
    """Set uniforms of a program by name."""
    for name, value in values.items():
        uniform = program[name]
        assert isinstance(uniform, moderngl.Uniform), f"{name} is not a uniform"
        uniform.value = value


def compile_program(context: moderngl.Context, name: str, *, night: bool) -> moderngl.Program:
    """Return the program of two shader files.

    Args:
        context: To compile in.
        name: The files' stem.
        night: Compile with headlights and street lamps, which cost time by day.
    """
    tags = {"ROAD_LINES": Tag.ROAD_LINES, "VEGETATION": Tag.VEGETATION, "SKY": Tag.SKY}
    head = VERSION + ("#define NIGHT\n" if night else "")
    head += "".join(f"#define TAG_{tag} ({value}.0 / 255.0)\n" for tag, value in tags.items())
    head += SHADERS.joinpath("air.glsl").read_text(encoding="utf-8")
    vertex, fragment = (
        head + SHADERS.joinpath(f"{name}.{stage}").read_text(encoding="utf-8")
        for stage in ("vert", "frag")
    )
    program = context.program(vertex_shader=vertex, fragment_shader=fragment)
    frame = program.get("Frame", None)
    if isinstance(frame, moderngl.UniformBlock):
        frame.binding = 0
    put(program, **{sampler: unit for sampler, unit in UNITS.items() if sampler in program})
    return program
