from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.server.scene import materials, style, textures
from carla_saliency.server.scene.style import DESERT, TEMPERATE


@pytest.mark.parametrize("cells", [3, 8, 48, 100, 256, 512])
def test_noise_repeats_without_a_seam(cells: int) -> None:
    values = textures.noise(np.random.default_rng(0), cells, 1)
    inside = np.abs(np.diff(values, axis=1)).mean()
    assert np.abs(values[:, 0] - values[:, -1]).mean() < 1.6 * inside
    assert np.abs(values[0] - values[-1]).mean() < 1.6 * inside
    assert values.mean() == pytest.approx(0, abs=1e-3)
    assert values.std() == pytest.approx(1, abs=1e-3)


def test_asphalt_has_the_mean_colour_that_was_asked_for() -> None:
    picture = textures.asphalt(np.random.default_rng(1), (0.30, 0.31, 0.33), 0.1, 0.05, 8)
    np.testing.assert_allclose(picture.mean(axis=(0, 1)), [0.30, 0.31, 0.33], rtol=0.01)


@pytest.mark.parametrize("palette", [TEMPERATE, DESERT])
def test_every_layer_of_a_palette_is_drawn(palette: style.Palette) -> None:
    layers = materials.surface_layers(palette, np.random.default_rng(2))
    assert layers.shape == (style.LAYERS, textures.SIZE_PX, textures.SIZE_PX, 4)
    assert (layers[..., 3] == 255).all()
    plain = layers[style.PLAIN, ..., :3]
    assert (plain == 255).all()
    for number, layer in enumerate(layers):
        assert layer[..., :3].std() > 1 or number == style.PLAIN


@pytest.mark.parametrize("palette", [TEMPERATE, DESERT])
def test_every_plant_stands_on_the_ground_and_has_an_outline(palette: style.Palette) -> None:
    boards = materials.board_layers(palette, np.random.default_rng(3))
    assert len(boards) == len(palette.plants)
    for board in boards:
        opaque = board[..., 3] > 127
        assert 0.03 < opaque.mean() < 0.8
        assert opaque[:30].any()
        assert set(np.unique(board[..., 3])) == {0, 255}
