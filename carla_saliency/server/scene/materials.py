"""A palette's pictures: one texture array of surfaces, one of plants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_saliency.server.scene import foliage, style, textures
from carla_saliency.server.scene.style import Palette, PlantLook


def surface_layers(palette: Palette, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the surfaces in the order of `style`'s layers, uint8 (LAYERS, rows, columns, 4)."""
    brick, joint, concrete, stone = palette.walls
    pictures = {
        style.SIDEWALK: textures.slabs(rng, palette.sidewalk, 4, 4),
        style.KERB: textures.slabs(rng, palette.kerb, 4, 1),
        style.BRICK: textures.bricks(rng, brick, joint),
        style.CONCRETE: textures.plaster(rng, concrete),
        style.STONE: textures.slabs(rng, stone, 5, 6) * 1.02,
        style.HEDGE: textures.hedge(rng, palette.hedge),
        style.PLANKS: textures.planks(rng, palette.planks),
        style.ROOF: textures.roof(rng, palette.roof),
        style.PLAIN: textures.flat((1.0, 1.0, 1.0)),
        style.FOREST: textures.forest(rng, palette.forest),
    }
    for number, look in enumerate(palette.asphalts):
        pictures[style.ASPHALT + number] = textures.asphalt(
            rng, look.colour, look.grain, look.patches, look.cracks
        )
    for number, (first, second) in enumerate(palette.verges):
        if number == palette.paved_verge:
            picture = textures.slabs(rng, first, 8, 8)
        elif first == second:
            picture = textures.gravel(rng, first)
        else:
            picture = textures.grass(rng, first, second)
        pictures[style.VERGE + number] = picture
    for number, (width, height, frame, arched) in enumerate(palette.windows):
        wall = (0.98, 0.98, 0.98)
        pictures[style.FACADE + number] = textures.facade(rng, wall, frame, (width, height), arched)
    return np.stack([textures.to_bytes(pictures[layer]) for layer in range(style.LAYERS)])


def board_layers(palette: Palette, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the plants in the palette's order, uint8 (plants, rows, columns, 4)."""
    return np.stack([_plant(look, rng) for look in palette.plants])


def _plant(look: PlantLook, rng: np.random.Generator) -> foliage.Board:
    if look.kind == "broadleaf":
        return foliage.broadleaf(rng, look.leaves, look.bark, look.crown)
    if look.kind == "poplar":
        return foliage.poplar(rng, look.leaves, look.bark)
    if look.kind == "conifer":
        return foliage.conifer(rng, look.leaves, look.bark)
    if look.kind == "palm":
        return foliage.palm(rng, look.leaves, look.bark)
    if look.kind == "cactus":
        return foliage.cactus(rng, look.leaves)
    return foliage.bush(rng, look.leaves)


def cloud_picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the clouds' thickness, uint8 (rows, columns)."""
    return textures.clouds(rng)
