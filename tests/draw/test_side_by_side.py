from __future__ import annotations

import numpy as np
import pytest

from carla_saliency.core import Explanation, Image, Meaning
from carla_saliency.draw.side_by_side import SideBySide, usual_size
from carla_saliency.draw.words import Degrees
from carla_saliency.network.contract import DEFAULT_CONTRACT

DEGREES = Degrees(70.0, 70.0)


def explanation(values: np.ndarray, steering: float = 0.1) -> Explanation:
    return Explanation(1, "contrast", steering, values.astype(np.float32), Meaning(title="a map"))


def picture(height: int = 360, width: int = 640) -> Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def painted(values: np.ndarray, own: bool = False, size: tuple[int, int] = (1280, 360)) -> Image:
    painter = SideBySide(size, DEGREES, own)
    return painter.paint(picture(), "a.mp4", DEFAULT_CONTRACT, explanation(values), 70.0)


@pytest.mark.parametrize(
    ("shape", "size"), [((360, 640), (1280, 360)), ((160, 320), (1280, 320)), ((9, 1), (1280, 720))]
)
def test_the_usual_size_has_the_shape_of_two_pictures(shape, size) -> None:
    assert usual_size(np.zeros((*shape, 3), np.uint8)) == size


def test_the_camera_stands_on_the_left_as_it_is() -> None:
    frame = painted(np.zeros((66, 200)))
    assert frame.shape == (360, 1280, 3)
    assert np.array_equal(frame[30:130, 20:620], picture()[30:130, 20:620])


def test_the_map_lies_over_the_region_that_the_network_sees() -> None:
    values = np.zeros((66, 200))
    values[20:40, :100] = -1
    frame = painted(values).astype(int)
    blue = frame[..., 2] - frame[..., 0] > 100
    top, bottom, _, _ = DEFAULT_CONTRACT.crop
    first = top + (bottom - top) * 20 / 66
    rows = np.flatnonzero(blue[30:, 640:960].mean(axis=1) > 0.9) + 30
    assert abs(rows[0] - first) <= 3
    assert not blue[30:, 970:].any()


def test_a_map_of_nothing_has_no_colour_below_the_words() -> None:
    frame = painted(np.zeros((66, 200)))[30:, 642:].astype(int)
    assert np.ptp(frame, axis=2).max() < 20  # the corners of what the network sees


def test_a_scale_of_its_own_is_said() -> None:
    values = np.zeros((66, 200))
    shared, own = painted(values), painted(values, own=True)
    assert not np.array_equal(shared[:26, 1100:], own[:26, 1100:])
    assert np.array_equal(shared[26:], own[26:])


def test_pictures_of_another_shape_get_borders() -> None:
    frame = painted(np.zeros((66, 200)), size=(640, 640))
    assert (frame[560:] == frame[560, 0]).all()
    assert not (frame[250:400] == frame[560, 0]).all()


def test_two_frames_do_not_share_their_memory() -> None:
    painter = SideBySide((1280, 360), DEGREES)
    nothing = explanation(np.zeros((66, 200)))
    first = painter.paint(picture(), "a", DEFAULT_CONTRACT, nothing, 1.0)
    kept = first.copy()
    painter.paint(255 - picture(), "b", DEFAULT_CONTRACT, nothing, 1.0)
    assert np.array_equal(first, kept)
