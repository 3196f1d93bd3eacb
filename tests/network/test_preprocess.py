from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from carla_saliency.core import Contract
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.preprocess import ContractPreprocess


def variant(**changes: object) -> Contract:
    return dataclasses.replace(DEFAULT_CONTRACT, **changes)  # type: ignore[arg-type]


def every_colour() -> np.ndarray:
    """Return a picture, (N, 1, 3), with the corners of the colour cube and many colours between."""
    steps = np.array([0, 1, 40, 128, 200, 254, 255], np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 1, 3)


def test_a_picture_is_cropped_and_made_smaller_as_opencv_does_it() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    for resize, how in (("area", cv2.INTER_AREA), ("linear", cv2.INTER_LINEAR)):
        got = ContractPreprocess(variant(resize=resize)).crop(picture)
        assert got.dtype == np.uint8
        assert np.array_equal(got, cv2.resize(picture[140:360], (200, 66), interpolation=how))


def test_a_picture_that_is_a_view_of_another_is_taken() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    preprocess = ContractPreprocess(variant(crop=(140, 350, 10, 600)))
    got = preprocess.crop(bgr[..., ::-1])
    assert np.array_equal(got, preprocess.crop(bgr[..., ::-1].copy()))


def test_a_picture_of_another_size_is_cropped_in_proportion() -> None:
    preprocess = ContractPreprocess(variant(crop=(140, 350, 10, 600)))
    assert preprocess.grid_rect((360, 640)) == (140, 350, 10, 600)
    assert preprocess.grid_rect((180, 320)) == (70, 175, 5, 300)
    assert preprocess.grid_rect((720, 1280)) == (280, 700, 20, 1200)
    assert preprocess.crop(np.zeros((720, 1280, 3), np.uint8)).shape == (66, 200, 3)


def test_a_picture_with_nothing_left_is_one_clear_line() -> None:
    with pytest.raises(BadInputError, match="1x1 is too small"):
        ContractPreprocess(variant(crop=(140, 150, 0, 640))).crop(np.zeros((1, 1, 3), np.uint8))


def test_rgb_and_bgr_are_told_apart() -> None:
    red = np.array([[[200, 10, 30]]], np.uint8)
    assert ContractPreprocess(variant()).encode(red).ravel().tolist() == [200, 10, 30]
    bgr = ContractPreprocess(variant(colour="bgr")).encode(red)
    assert bgr.ravel().tolist() == [30, 10, 200]
    assert bgr.dtype == np.float32
    assert bgr.flags.c_contiguous


def test_scale_and_offset_are_applied_in_this_order() -> None:
    encoded = ContractPreprocess(variant(scale=1 / 127.5, offset=-1.0)).encode(every_colour())
    assert encoded.min() == -1
    assert encoded.max() == pytest.approx(1)


def test_yuv_is_opencvs_within_one_level() -> None:
    colours = every_colour()
    expected = cv2.cvtColor(colours, cv2.COLOR_RGB2YUV).astype(float)
    got = ContractPreprocess(variant(colour="yuv")).encode(colours)
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("colour", ["rgb", "bgr", "yuv"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1 / 127.5, -1.0), (-2.0, 3.0)])
def test_pull_back_is_the_transpose_of_encode(colour: str, scale: float, offset: float) -> None:
    preprocess = ContractPreprocess(variant(colour=colour, scale=scale, offset=offset))
    rng = np.random.default_rng(1)
    rgb = rng.uniform(20, 235, (66, 200, 3)).astype(np.float32)
    rgb[:5, :5] = [250, 5, 5]  # so red that V is cut at 255: the derivative is that of a cut value
    gradient = rng.normal(size=rgb.shape).astype(np.float32)
    push = rng.normal(0, 0.25, rgb.shape).astype(np.float32)
    change = preprocess.encode(rgb + push) - preprocess.encode(rgb - push)
    expected = float((gradient.astype(float) * change).sum()) / 2
    got = float((preprocess.pull_back(rgb, gradient).astype(float) * push).sum())
    assert got == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(
    ("size", "rect"),
    [
        ((360, 640), (140, 360, 0, 640)),
        ((180, 320), (70, 180, 0, 320)),
        ((480, 640), (200, 420, 0, 640)),  # 4:3 shows 60 rows more above and below
        ((720, 1280), (280, 720, 0, 1280)),
    ],
)
def test_the_crop_is_where_the_same_rays_fall(size, rect) -> None:
    assert ContractPreprocess(DEFAULT_CONTRACT).grid_rect(size) == rect


def test_a_camera_that_is_too_flat_is_refused_with_the_height_that_it_needs() -> None:
    with pytest.raises(BadInputError, match=r"640x200 does not show .* at least 640x360"):
        ContractPreprocess(DEFAULT_CONTRACT).grid_rect((200, 640))
