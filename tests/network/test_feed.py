from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from carla_saliency.core import Contract, Feed, Frame, Seen
from carla_saliency.network.contract import DEFAULT_CONTRACT
from carla_saliency.network.feed import KEPT, ContractFeed
from carla_saliency.network.preprocess import ContractPreprocess

CONTRACT = dataclasses.replace(
    DEFAULT_CONTRACT,
    width_px=12,
    height_px=8,
    crop=(2, 8, 0, 12),
    input_height_px=6,
    input_width_px=12,
    scale=1 / 255,
)


def make_feed(
    frames: int = 1, takes_speed: bool = False, contract: Contract = CONTRACT
) -> ContractFeed:
    return ContractFeed(ContractPreprocess(contract), frames, takes_speed)


def make_frame(number: int, level: int | None = None, sim_s: float | None = None) -> Frame:
    """Return a frame of one grey level, which is its number if not given."""
    image = np.full((8, 12, 3), number if level is None else level, np.uint8)
    return Frame(number, number * 0.05 if sim_s is None else sim_s, image, speed_mps=5.0)


def levels(seen: Seen) -> list[int]:
    """Return the grey levels of the pictures that the network is given, oldest first."""
    image = seen.inputs.image
    assert image.dtype == np.float32
    assert image.shape[0] == 1
    pictures = image[0] if image.ndim == 5 else image
    assert pictures.shape[1:] == (6, 12, 3)
    return [round(float(picture.mean()) * 255) for picture in pictures]


def test_it_is_a_feed() -> None:
    feed: Feed = make_feed()
    assert feed.look(make_frame(3)).frame_id == 3


def test_a_frame_is_cropped_and_encoded_as_the_contract_says() -> None:
    frame = Frame(7, 0.35, np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8))
    seen = make_feed().look(frame)
    assert np.array_equal(seen.rgb, frame.image[2:])
    assert seen.inputs.image == pytest.approx(frame.image[None, 2:] / 255)
    assert seen.inputs.speed is None


def test_the_speed_is_given_in_the_networks_unit() -> None:
    assert make_feed(takes_speed=True).look(make_frame(1)).inputs.speed == pytest.approx(18.0)
    feed = ContractFeed(ContractPreprocess(CONTRACT), takes_speed=True, speed_scale=1.0)
    speed = feed.look(make_frame(1)).inputs.speed
    assert speed is not None
    assert speed.shape == (1, 1)
    assert speed.dtype == np.float32
    assert speed[0, 0] == 5.0


def test_the_last_frames_come_oldest_first_and_the_first_is_repeated() -> None:
    feed = make_feed(frames=3)
    assert [levels(feed.look(make_frame(n))) for n in (10, 20, 30, 40)] == [
        [10, 10, 10],
        [10, 10, 20],
        [10, 20, 30],
        [20, 30, 40],
    ]


def test_the_same_frame_twice_is_seen_once() -> None:
    feed = make_feed(frames=2)
    feed.look(make_frame(10))
    frame = make_frame(20)
    assert feed.look(frame) is feed.look(frame)
    assert levels(feed.look(make_frame(30))) == [20, 30]


def test_a_frame_that_was_seen_some_frames_ago_keeps_its_own_past() -> None:
    feed = make_feed(frames=2)
    feed.look(make_frame(10))
    asked = make_frame(20)
    first = feed.look(asked)
    for number in (30, 40):
        feed.look(make_frame(number))
    assert feed.look(asked) is first
    assert levels(feed.look(make_frame(50))) == [40, 50]


def test_another_picture_under_the_newest_number_takes_its_place() -> None:
    feed = make_feed(frames=2)
    feed.look(make_frame(10))
    feed.look(make_frame(20))
    assert levels(feed.look(make_frame(20, level=99))) == [10, 99]
    assert levels(feed.look(make_frame(30))) == [99, 30]


def test_at_the_start_too_another_picture_takes_the_place_of_the_newest_only() -> None:
    feed = make_feed(frames=2)
    feed.look(make_frame(10))
    assert levels(feed.look(make_frame(10, level=99))) == [10, 99]


def test_a_step_back_in_time_forgets() -> None:
    feed = make_feed(frames=3)
    for number in (10, 20, 30):
        feed.look(make_frame(number))
    assert levels(feed.look(make_frame(40, sim_s=0.0))) == [40, 40, 40]
    assert levels(feed.look(make_frame(50, sim_s=0.05))) == [40, 40, 50]


def test_it_can_be_told_to_forget() -> None:
    feed = make_feed(frames=2)
    feed.look(make_frame(10))
    feed.forget()
    assert levels(feed.look(make_frame(20))) == [20, 20]


def test_a_variation_changes_the_newest_picture_only() -> None:
    feed = make_feed(frames=3, takes_speed=True)
    feed.look(make_frame(10))
    seen = feed.look(make_frame(20))
    pictures = np.stack([np.full((6, 12, 3), level, np.float32) for level in (1.5, 77, 5, 6)])
    inputs = feed.vary(seen, pictures)
    assert inputs.image.shape == (4, 3, 6, 12, 3)
    assert inputs.image.dtype == np.float32
    assert inputs.image[:, 0] * 255 == pytest.approx(10)
    assert inputs.image[:, 1] * 255 == pytest.approx(10)
    assert inputs.image[:, 2] * 255 == pytest.approx(pictures)
    assert inputs.speed is not None
    assert inputs.speed.tolist() == [[18.0]] * 4


@pytest.mark.parametrize("frames", [1, 3])
def test_the_seen_picture_itself_is_the_unchanged_variation(frames: int) -> None:
    feed = make_feed(frames=frames)
    feed.look(make_frame(10))
    seen = feed.look(make_frame(20))
    assert np.array_equal(feed.vary(seen, seen.rgb[None]).image, seen.inputs.image)


def test_of_several_frames_the_newest_ones_gradient_comes_back() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 6, 12, 3), np.uint8)
    gradient = rng.normal(size=(2, 3, 6, 12, 3)).astype(np.float32)
    got = make_feed(frames=3).pull_back(pictures, gradient)
    assert got == pytest.approx(gradient[:, -1] / 255)
    assert make_feed().pull_back(pictures, gradient[:, 0]) == pytest.approx(gradient[:, 0] / 255)


def test_a_network_for_grey_pictures_is_fed_one_channel_and_explained_in_three() -> None:
    feed = make_feed(frames=2, contract=dataclasses.replace(CONTRACT, colour="grey"))
    seen = feed.look(make_frame(51))
    assert seen.inputs.image.shape == (1, 2, 6, 12, 1)
    assert seen.inputs.image == pytest.approx(0.2)
    ones = np.ones(seen.inputs.image.shape, np.float32)
    back = feed.pull_back(seen.rgb[None], ones)
    assert back[0, 0, 0] == pytest.approx(np.array([0.299, 0.587, 0.114]) / 255)


def test_its_memory_does_not_grow() -> None:
    feed = make_feed(frames=3)
    frames = [make_frame(number, level=number) for number in range(100)]
    for frame in frames:
        feed.look(frame)
    assert len(feed._looks) == KEPT
    assert len(feed._pictures) == 3
    frames.clear()
    del frame
    feed.look(make_frame(101))
    assert len(feed._looks) == 1, "pictures that nobody has any more are not kept for their looks"


def test_a_frame_that_somebody_explains_for_seconds_disturbs_no_newer_one() -> None:
    feed = make_feed(frames=3)
    explained = make_frame(10)
    first = feed.look(explained)
    for number in range(11, 50):
        feed.look(make_frame(number))
    assert feed.look(explained) is first
    assert levels(feed.look(make_frame(50))) == [48, 49, 50]


def test_threads_may_share_it() -> None:
    feed = make_feed(frames=2)
    frames = [make_frame(number) for number in range(200)]
    broken: list[int] = []

    def ask_again() -> None:
        for frame in frames[:100]:
            if levels(feed.look(frame))[-1] != frame.frame_id:
                broken.append(frame.frame_id)

    workers = [threading.Thread(target=ask_again) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not broken


def test_a_network_takes_at_least_one_frame() -> None:
    with pytest.raises(ValueError, match="at least 1, received 0"):
        make_feed(frames=0)
