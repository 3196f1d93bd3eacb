from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from carla_saliency.core import Contract
from carla_saliency.errors import BadInputError
from carla_saliency.network.contract import DEFAULT_CONTRACT, contract_from
from carla_saliency.network.preprocess import ContractPreprocess

MATERIAL = Path(__file__).parents[2].parent / "shared" / "material"


def variant(**changes: object) -> Contract:
    return dataclasses.replace(DEFAULT_CONTRACT, **changes)  # type: ignore[arg-type]


def every_colour() -> np.ndarray:
    """Return a picture, (N, 1, 3), with the corners of the colour cube and many colours between."""
    steps = np.array([0, 1, 40, 128, 200, 254, 255], np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 1, 3)


def test_a_picture_is_cropped_and_made_smaller_as_opencv_does_it() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    for resize, how in (
        ("area", cv2.INTER_AREA),
        ("linear", cv2.INTER_LINEAR),
        ("nearest", cv2.INTER_NEAREST),
        ("cubic", cv2.INTER_CUBIC),
    ):
        got = ContractPreprocess(variant(resize=resize)).crop(picture)
        assert got.dtype == np.uint8
        assert np.array_equal(got, cv2.resize(picture[140:360], (200, 66), interpolation=how))


def test_a_picture_is_blurred_before_it_is_made_smaller() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
    got = ContractPreprocess(variant(blur_px=5, resize="linear")).crop(picture)
    blurred = cv2.GaussianBlur(picture[140:360], (5, 5), 0)
    assert np.array_equal(got, cv2.resize(blurred, (200, 66)))


def test_a_published_pipeline_is_met_within_its_rounding() -> None:
    # no colour so strong that V is cut before the blur
    picture = np.random.default_rng(0).integers(40, 200, (160, 320, 3), np.uint8)
    contract = variant(
        width_px=320,
        height_px=160,
        crop=(60, 135, 0, 320),
        blur_px=3,
        resize="linear",
        colour="yuv",
        scale=1 / 255,
    )
    theirs = cv2.cvtColor(picture[60:135], cv2.COLOR_RGB2YUV)
    theirs = cv2.resize(cv2.GaussianBlur(theirs, (3, 3), 0), (200, 66)) / 255
    preprocess = ContractPreprocess(contract)
    assert np.abs(preprocess.encode(preprocess.crop(picture)) - theirs).max() <= 2.5 / 255


@pytest.mark.skipif(not MATERIAL.is_dir(), reason=f"the published frames are not at {MATERIAL}")
def test_a_published_networks_input_is_made_again_by_a_preset() -> None:
    parts = {"blur_px": "3", "scale": "1/255"}
    contract = contract_from("udacity", parts, None, (66, 200, 3))
    preprocess = ContractPreprocess(contract)
    inputs = sorted(MATERIAL.glob("oracle/vdesmond/*/input.npy"))
    assert inputs
    for path in inputs:
        picture = cv2.imread(str(MATERIAL / "frames/udacity/IMG" / f"{path.parent.name}.jpg"))
        got = preprocess.encode(preprocess.crop(picture[..., ::-1]))
        assert np.abs(got - np.load(path).reshape(66, 200, 3)).max() < 2.5 / 255


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


def test_grey_is_opencvs_within_half_a_level() -> None:
    colours = every_colour()
    expected = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY).astype(float)[..., None]
    got = ContractPreprocess(variant(colour="grey")).encode(colours)
    assert got.shape == (*colours.shape[:2], 1)
    assert np.abs(got - expected).max() <= 0.51


def test_hsv_is_opencvs_within_its_rounding() -> None:
    rng = np.random.default_rng(0)
    colours = np.concatenate([every_colour(), rng.integers(0, 256, (20000, 1, 3), np.uint8)])
    expected = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV).astype(float)
    got = ContractPreprocess(variant(colour="hsv")).encode(colours)
    assert np.abs(got - expected).max() <= 0.7
    assert got[..., 0].min() >= -0.5
    assert got[..., 0].max() <= 180


@pytest.mark.parametrize(
    ("rgb", "hsv"),
    [
        ([255, 0, 0], [0, 255, 255]),
        ([0, 255, 0], [60, 255, 255]),
        ([0, 0, 255], [120, 255, 255]),
        ([200, 100, 200], [150, 127.5, 200]),
        ([90, 90, 90], [0, 0, 90]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_hsv_of_known_colours(rgb: list[int], hsv: list[float]) -> None:
    encoded = ContractPreprocess(variant(colour="hsv")).encode(np.array([[rgb]], np.uint8))
    assert encoded.ravel().tolist() == pytest.approx(hsv)


@pytest.mark.parametrize("colour", ["rgb", "bgr", "yuv", "grey", "hsv"])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1 / 127.5, -1.0), (-2.0, 3.0)])
def test_pull_back_is_the_transpose_of_encode(colour: str, scale: float, offset: float) -> None:
    preprocess = ContractPreprocess(variant(colour=colour, scale=scale, offset=offset))
    rng = np.random.default_rng(1)
    rgb = rng.uniform(20, 235, (66, 200, 3)).astype(np.float32)
    rgb[:5, :5] = [250, 5, 5]  # so red that V is cut at 255: the derivative is that of a cut value
    push = rng.normal(0, 0.05, rgb.shape).astype(np.float32)
    if colour == "hsv":  # no corner of its hexagon within the push
        ranks = np.sort(rgb, axis=-1)
        smooth = np.minimum(ranks[..., 1] - ranks[..., 0], ranks[..., 2] - ranks[..., 1]) > 5
        push[~smooth] = 0
    encoded = preprocess.encode(rgb)
    gradient = rng.normal(size=encoded.shape).astype(np.float32)
    change = preprocess.encode(rgb + push).astype(float) - preprocess.encode(rgb - push)
    expected = float((gradient * change).sum()) / 2
    pulled = preprocess.pull_back(rgb, gradient)
    assert pulled.shape == rgb.shape
    assert pulled.dtype == np.float32
    got = float((pulled.astype(float) * push).sum())
    assert got == pytest.approx(expected, rel=2e-3)


def test_noise_that_takes_luma_out_of_its_range_is_cut_also_on_the_way_back() -> None:
    preprocess = ContractPreprocess(variant(colour="yuv"))
    rgb = np.array([[[255, 255, 255], [0, 0, 0], [310, 300, 290], [-40, -30, -50]]], np.float32)
    gradient = np.zeros(rgb.shape, np.float32)
    gradient[..., 0] = 1  # of the luma
    pulled = preprocess.pull_back(rgb, gradient).sum(axis=-1)
    assert pulled[0].tolist() == pytest.approx([1, 1, 0, 0], abs=1e-6)


def test_the_way_back_of_hsv_is_exact_for_each_of_its_numbers() -> None:
    preprocess = ContractPreprocess(variant(colour="hsv"))
    rng = np.random.default_rng(2)
    rgb = rng.permuted(np.tile([[30.0, 90.0, 220.0]], (600, 1)), axis=1)
    rgb = (rgb + rng.uniform(-20, 20, rgb.shape)).astype(np.float32)[:, None]
    for number in range(3):
        gradient = np.zeros_like(rgb)
        gradient[..., number] = 1
        pulled = preprocess.pull_back(rgb, gradient)
        for channel in range(3):
            step = np.zeros(3, np.float32)
            step[channel] = 0.5
            ends = [preprocess.encode(rgb + s * step)[..., number] for s in (1, -1)]
            change = ends[0].astype(float) - ends[1]
            change = (change + 90) % 180 - 90 if number == 0 else change  # red is 0 and 180
            assert pulled[..., channel] == pytest.approx(change, abs=2e-3)


@pytest.mark.parametrize("colour", ["rgb", "bgr", "yuv", "grey", "hsv"])
def test_the_way_back_is_finite_for_every_colour(colour: str) -> None:
    preprocess = ContractPreprocess(variant(colour=colour))
    tiny = np.array([[[0, 0, 1e-30]], [[1e-7, 0, 0]], [[100, 100, 100.00001]]], np.float32)
    for rgb in (every_colour(), tiny):
        gradient = np.ones_like(preprocess.encode(rgb))
        assert np.isfinite(preprocess.encode(rgb)).all()
        assert np.isfinite(preprocess.pull_back(rgb, gradient)).all()


def test_grey_pixels_have_no_hue_and_no_saturation_to_change() -> None:
    preprocess = ContractPreprocess(variant(colour="hsv"))
    grey = np.full((1, 1, 3), 90, np.uint8)
    to_both = preprocess.pull_back(grey, np.array([[[1, 1, 0]]], np.float32))
    assert to_both.tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("colour", ["rgb", "bgr", "yuv", "grey", "hsv"])
def test_a_batch_is_as_many_single_pictures(colour: str) -> None:
    preprocess = ContractPreprocess(variant(colour=colour, scale=1 / 255))
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (2, 3, 6, 7, 3), np.uint8)
    encoded = preprocess.encode(rgb)
    gradient = rng.normal(size=encoded.shape).astype(np.float32)
    pulled = preprocess.pull_back(rgb, gradient)
    for place in np.ndindex(2, 3):
        assert np.allclose(encoded[place], preprocess.encode(rgb[place]), atol=1e-6)
        one = preprocess.pull_back(rgb[place], gradient[place])
        assert np.allclose(pulled[place], one, atol=1e-6)


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
