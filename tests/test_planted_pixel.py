"""The whole way: camera picture, crop, network, map, colours in the window's pane.

A network that looks at one block of its input must colour that block's place in the picture, and
nothing else, whatever the crop, the camera and the window.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from carla_saliency.core import Control, Decision, DriveStep, Frame, Observation, Place, Pose
from carla_saliency.draw.layout import PANE_R, Layout
from carla_saliency.draw.painter import Painter
from carla_saliency.draw.state import UiState
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.feed import ContractFeed
from carla_saliency.network.layers import Layer, chain
from carla_saliency.network.preprocess import ContractPreprocess
from carla_saliency.network.runtime import OnnxNetwork
from carla_saliency.saliency import METHODS, Options

ROWS, COLUMNS = 66, 200
BLOCK = (20, 28, 150, 166)  # rows and columns of the grid that the network looks at
CROPS = [(140, 360, 0, 640), (0, 360, 0, 640), (100, 300, 60, 500), (150, 249, 240, 440)]
CAMERAS = [(640, 360), (320, 180), (854, 480), (1280, 720), (640, 480)]  # width, height
QUICK = Options(steps=4, samples=4)
INEXACT = {
    "vargrad": "the gradient of this network does not vary",
    "visualbackprop": "does not ask what follows the last convolution",
    "gradcam": "weighs whole feature maps",
    "gradcam++": "weighs whole feature maps",
    "occlusion": "hides cells that are larger than the block",
    "rise": "hides at random",
}
EXACT = [name for name in METHODS if name not in INEXACT]


@cache
def blind_but_for_the_block() -> OnnxNetwork:
    """Return a convolution whose cells are the pixels, and a dense layer that reads the block."""
    weights = np.zeros((ROWS, COLUMNS, 1), np.float32)
    top, bottom, left, right = BLOCK
    weights[top:bottom, left:right] = 1e-3
    pixels = {"filters": 1, "kernel_size": [1, 1], "strides": [1, 1], "activation": "linear"}
    kernel = (np.ones((1, 1, 3, 1), np.float32), np.full(1, 1e-3, np.float32))
    dense = (weights.reshape(-1, 1), np.zeros(1, np.float32))
    layers = (
        Layer("Conv2D", "pixels", pixels, kernel),
        Layer("Flatten", "flatten", {}),
        Layer("Dense", "steering", {"units": 1}, dense),
    )
    return OnnxNetwork(chain((ROWS, COLUMNS, 3), layers))


def coloured(pane: np.ndarray) -> np.ndarray:
    """Return where a pane has colour: the camera under the map is grey."""
    values = pane.astype(int)
    return values.max(axis=2) - values.min(axis=2) > 40


def paint(
    method: str,
    crop: tuple[int, int, int, int],
    camera: tuple[int, int],
    window: tuple[int, int],
    network: OnnxNetwork,
    options: Options = QUICK,
) -> np.ndarray:
    """Return the pane with the map that a method gives for a picture of noise."""
    contract = dataclasses.replace(DEFAULT_CONTRACT, crop=crop)
    width, height = camera
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    explainer = METHODS[method](network, ContractFeed(ContractPreprocess(contract)), options)
    frame = Frame(1, 0.05, picture)
    step = DriveStep(
        Observation(frame, Pose(), 8.0, None),
        Decision(Control(), "network", explainer.explain(frame)),
    )
    painter = Painter(window, contract, 70.0, 50.0)
    painted = painter.paint(step, UiState(method=explainer.meaning))
    whole = Layout.of(window).pixels(PANE_R)
    return painted[whole.y : whole.y + whole.h, whole.x : whole.x + whole.w]


def in_pane(
    block: Place,
    crop: tuple[int, int, int, int],
    camera: tuple[int, int],
    window: tuple[int, int],
) -> tuple[Place, tuple[float, float]]:
    """Return where a part of the grid is in the pane, and how large one of its pixels is.

    From the camera's rays alone: the picture is as large as fits, in the middle, and one row of the
    contract is as many pixels as one column.
    """
    whole = Layout.of(window).pixels(PANE_R)
    scale = min(whole.w / camera[0], whole.h / camera[1]) * camera[0] / 640
    top, bottom, left, right = crop
    y, x = (bottom - top) / ROWS * scale, (right - left) / COLUMNS * scale
    first_y = whole.h / 2 + (top - 180) * scale
    first_x = whole.w / 2 + (left - 320) * scale
    place = (
        first_y + block[0] * y,
        first_y + block[1] * y,
        first_x + block[2] * x,
        first_x + block[3] * x,
    )
    return place, (y, x)


def check(
    method: str,
    crop: tuple[int, int, int, int],
    camera: tuple[int, int],
    window: tuple[int, int],
) -> None:
    pane = paint(method, crop, camera, window, blind_but_for_the_block())
    seen = coloured(pane)
    assert seen.any()
    (y0, y1, x0, x1), (cell_y, cell_x) = in_pane(BLOCK, crop, camera, window)
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


@pytest.mark.parametrize("method", ["contrast", "gradient", "layercam"])
@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("camera", CAMERAS, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("window", [(1280, 720), (960, 540)], ids=lambda size: f"{size[0]}")
def test_the_colour_is_on_what_the_network_looks_at(method, crop, camera, window) -> None:
    check(method, crop, camera, window)


@pytest.mark.parametrize("method", EXACT)
def test_it_is_so_for_every_method_that_sees_pixels(method) -> None:
    check(method, CROPS[2], CAMERAS[4], (1280, 720))


@cache
def one_cell(row: int, column: int) -> OnnxNetwork:
    """Return a network of two convolutions with strides that reads one of the last one's cells."""
    rng = np.random.default_rng(0)
    config = {"filters": 2, "strides": [2, 2], "activation": "relu"}
    first = (rng.uniform(0.01, 0.1, (5, 5, 3, 2)).astype(np.float32), np.zeros(2, np.float32))
    second = (rng.uniform(0.01, 0.1, (3, 3, 2, 2)).astype(np.float32), np.zeros(2, np.float32))
    cells = np.zeros((15, 48, 2), np.float32)  # (66 - 5) // 2 + 1 = 31 rows, then 15
    cells[row, column] = 1e-6
    dense = (cells.reshape(-1, 1), np.zeros(1, np.float32))
    layers = (
        Layer("Conv2D", "one", config | {"kernel_size": [5, 5]}, first),
        Layer("Conv2D", "two", config | {"kernel_size": [3, 3]}, second),
        Layer("Flatten", "flatten", {}),
        Layer("Dense", "steering", {"units": 1}, dense),
    )
    return OnnxNetwork(chain((ROWS, COLUMNS, 3), layers))


@pytest.mark.parametrize("cell", [(0, 0), (14, 47), (7, 20)])
@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam"])
@pytest.mark.parametrize("crop", CROPS)
def test_a_cell_of_a_layer_is_painted_around_the_middle_of_what_it_sees(method, crop, cell) -> None:
    """A cell of the second layer sees 9 pixels from 4 x its number on: its middle is at 4.5."""
    options = dataclasses.replace(QUICK, layer="two")
    row, column = cell
    middle_y, middle_x = 4 * row + 4.5, 4 * column + 4.5
    network, camera, window = one_cell(row, column), CAMERAS[0], (1280, 720)
    seen = coloured(paint(method, crop, camera, window, network, options))
    block = (middle_y - 2, middle_y + 2, middle_x - 2, middle_x + 2)
    (y0, y1, x0, x1), _ = in_pane(block, crop, camera, window)
    ys, xs = np.nonzero(seen)
    if method == "layercam":  # Grad-CAM's weights are means over all cells: it colours others too
        assert (ys.mean() + 0.5, xs.mean() + 0.5) == pytest.approx(
            ((y0 + y1) / 2, (x0 + x1) / 2), abs=1.0
        )
        soft = (y1 - y0) / 4  # at the edge of a cell that is small enough to be smoothed
        assert (ys.min(), ys.max() + 1) == pytest.approx((y0, y1), abs=1.5 + soft)
        assert (xs.min(), xs.max() + 1) == pytest.approx((x0, x1), abs=1.5 + soft)
    else:
        assert seen[round((y0 + y1) / 2), round((x0 + x1) / 2)]
