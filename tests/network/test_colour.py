"""The layer "Colour" is what OpenCV computes, and what the contract's preprocessing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from layer_harness import emit

from carla_saliency.core import Contract, Pose
from carla_saliency.network.layers import Layer
from carla_saliency.network.preprocess import ContractPreprocess

CODES = {
    "bgr": cv2.COLOR_RGB2BGR,
    "grey": cv2.COLOR_RGB2GRAY,
    "yuv": cv2.COLOR_RGB2YUV,
    "hsv": cv2.COLOR_RGB2HSV,
}
SHAPE = (24, 32, 3)
PLAIN = Contract(
    name="plain",
    camera=Pose(),
    width_px=32,
    height_px=24,
    fov_deg=90.0,
    crop=(0, 24, 0, 32),
    input_height_px=24,
    input_width_px=32,
)


def colour(space: str) -> Layer:
    return Layer("Colour", "colour", {"space": space})


def pictures() -> np.ndarray:
    """Colours of all kinds, also grey, black, white, pure ones, and two channels alike."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, SHAPE, np.uint8)
    picture[0] = picture[0, :, :1]
    picture[1] = 0
    picture[2] = 255
    picture[3] = (255, 0, 0)
    picture[4] = (0, 0, 255)
    picture[5] = (0, 255, 0)
    picture[6, :, 1] = picture[6, :, 0]
    picture[7, :, 2] = picture[7, :, 1]
    picture[8, :, 2] = picture[8, :, 0]
    return picture


@pytest.mark.parametrize("space", CODES)
def test_values_are_opencvs_but_for_the_rounding(space: str) -> None:
    picture = pictures()
    (ours,) = emit([colour(space)], [SHAPE]).forward(picture[None])
    theirs = cv2.cvtColor(picture, CODES[space]).reshape(ours.shape).astype(np.float32)
    differences = np.abs(ours - theirs)
    if space == "hsv":  # on a circle of 180
        differences[..., 0] = np.minimum(differences[..., 0], 180 - differences[..., 0])
    assert differences.max() < 1.01


@pytest.mark.parametrize("space", CODES)
def test_the_contracts_preprocessing_does_the_same(space: Any) -> None:
    preprocess = ContractPreprocess(replace(PLAIN, colour=space))
    picture = pictures()
    emitted = emit([colour(space)], [SHAPE])
    (ours,) = emitted.forward(picture[None])
    assert ours == pytest.approx(preprocess.encode(picture), abs=1e-3)
    g = np.random.default_rng(1).normal(0, 1, ours.shape).astype(np.float32)
    ((gradient,),) = emitted.backward([picture[None]], g[None])
    expected = preprocess.pull_back(picture, g)
    assert np.abs(gradient - expected).max() < 1e-4 * np.abs(expected).max()
