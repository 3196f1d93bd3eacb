"""The whole way: camera picture, crop, network, map, colours in the window's pane.

A network that looks at one block of its input must colour that block's place in the picture, and
nothing else, whatever the crop, the camera and the window.
"""

import dataclasses

import numpy as np
import pytest

from carla_saliency.commands.screen import method_view
from carla_saliency.core import Control, Decision, DriveStep, Frame, Observation, Pose
from carla_saliency.draw.layout import PANE_R, Layout
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.layers import Layer, LayerGraph
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork
from carla_saliency.saliency import METHODS

ROWS, COLUMNS = 66, 200
BLOCK = (20, 28, 150, 166)  # rows and columns of the grid that the network looks at
CROPS = [(140, 360, 0, 640), (0, 360, 0, 640), (100, 300, 60, 500), (150, 249, 240, 440)]
CAMERAS = [(640, 360), (320, 180), (854, 480), (1280, 720), (640, 480)]  # width, height


def blind_but_for_the_block() -> OnnxNetwork:
    weights = np.zeros((ROWS, COLUMNS, 3), np.float32)
    top, bottom, left, right = BLOCK
    weights[top:bottom, left:right] = 1e-3
    dense = (weights.reshape(-1, 1), np.zeros(1, np.float32))
    layers = (Layer("Flatten", "f", {}), Layer("Dense", "d", {"units": 1}, dense))
    return OnnxNetwork(LayerGraph(weights.shape, layers))


def coloured(pane: np.ndarray) -> np.ndarray:
    """Return where a pane has colour: the camera under the map is grey."""
    values = pane.astype(int)
    return values.max(axis=2) - values.min(axis=2) > 40


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("camera", CAMERAS, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("window", [(1280, 720), (960, 540)], ids=lambda size: f"{size[0]}")
def test_the_colour_is_on_what_the_network_looks_at(method, crop, camera, window) -> None:
    contract = dataclasses.replace(DEFAULT_CONTRACT, crop=crop)
    width, height = camera
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    explainer = METHODS[method](blind_but_for_the_block(), ContractPreprocess(contract))
    frame = Frame(1, 0.05, picture)
    explanation = explainer.explain(frame)
    step = DriveStep(
        Observation(frame, Pose(), 8.0, None), Decision(Control(), "network", explanation)
    )
    painted = Painter(window, contract, 70.0, 50.0).paint(step, UiState(method=method_view(method)))

    whole = Layout.of(window).pixels(PANE_R)
    pane = painted[whole.y : whole.y + whole.h, whole.x : whole.x + whole.w]
    seen = coloured(pane)
    assert seen.any()
    # Where the block is in the pane, from the camera's rays alone: the picture is as large as fits,
    # in the middle, and one row of the contract is as many pixels as one column.
    scale = min(whole.w / width, whole.h / height) * width / 640
    top, bottom, left, right = crop
    cell_y, cell_x = (bottom - top) / ROWS * scale, (right - left) / COLUMNS * scale
    middle_x, middle_y = whole.w / 2, whole.h / 2
    x0 = middle_x + (left - 320) * scale + BLOCK[2] * cell_x
    x1 = middle_x + (left - 320) * scale + BLOCK[3] * cell_x
    y0 = middle_y + (top - 180) * scale + BLOCK[0] * cell_y
    y1 = middle_y + (top - 180) * scale + BLOCK[1] * cell_y
    ys, xs = np.nonzero(seen)
    # one cell and two pixels to spare: colours are enlarged smoothly, edges fall between pixels
    assert x0 - cell_x - 2 <= xs.min()
    assert xs.max() <= x1 + cell_x + 2
    assert y0 - cell_y - 2 <= ys.min()
    assert ys.max() <= y1 + cell_y + 2
    assert seen.sum() > 0.3 * (x1 - x0) * (y1 - y0)
    if method in ("gradient", "abs-gradient"):  # even over the block, so its middle is the block's
        assert xs.mean() + 0.5 == pytest.approx((x0 + x1) / 2, abs=2)
        assert ys.mean() + 0.5 == pytest.approx((y0 + y1) / 2, abs=2)
    blue = pane[..., 2].astype(int) - pane[..., 0] > 40
    assert METHODS[method].signed or not (blue & seen).any()  # blue means left and nothing else
