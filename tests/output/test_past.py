from __future__ import annotations

import gc
import threading
from dataclasses import replace

import numpy as np
import pytest
from made_steps import FPS, frame_of, step_of

from carla_saliency.core import DriveStep, Frame
from carla_saliency.output.lossless import Packed, Packer, pack, unpack
from carla_saliency.output.past import Past


class Last(Packed):
    """Says when its turn has come."""

    def __init__(self) -> None:
        super().__init__(np.zeros((2, 2), np.uint8))
        self.reached = threading.Event()

    def shrink(self) -> None:
        self.reached.set()


def settle(past: Past) -> None:
    """Wait until everything is packed."""
    last = Last()
    past._packer.put(last)
    assert last.reached.wait(60)


def same_frame(one: Frame | None, other: Frame | None) -> bool:
    if one is None or other is None:
        return one is other
    assert (one.frame_id, one.sim_s, one.speed_mps) == (
        other.frame_id,
        other.sim_s,
        other.speed_mps,
    )
    assert (one.tags is None) == (other.tags is None)
    tags = one.tags is None or np.array_equal(one.tags, other.tags)  # type: ignore[arg-type]
    return tags and one.image.dtype == np.uint8 and np.array_equal(one.image, other.image)


# ------------------------------------------------------------------ lossless


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (17, 33), (36, 64), (64, 36), (360, 640)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["flat", "noise", "ramp"])
def test_a_picture_of_any_size_comes_back_bit_for_bit(
    shape: tuple[int, int], channels: int, kind: str
) -> None:
    whole = shape if channels == 1 else (*shape, 3)
    pixels = {
        "flat": np.full(whole, 200, np.uint8),
        "noise": np.random.default_rng(0).integers(0, 256, whole, np.uint8),
        "ramp": (np.arange(np.prod(whole)) % 256).astype(np.uint8).reshape(whole),
    }[kind]
    back = unpack(pack(pixels))
    assert back.dtype == np.uint8
    assert np.array_equal(back, pixels)


def test_a_view_of_a_bgra_buffer_comes_back_too() -> None:
    buffer = np.random.default_rng(0).integers(0, 256, (30, 40, 4), np.uint8)
    assert np.array_equal(unpack(pack(buffer[:, :, 2::-1])), buffer[:, :, 2::-1])


def test_what_would_grow_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    packed = Packed(pixels)
    packed.shrink()
    assert packed.size_bytes == pixels.nbytes
    assert packed.pixels() is pixels


def test_an_empty_picture_stays_as_it_is() -> None:
    packed = Packed(np.zeros((0, 0, 3), np.uint8))
    packed.shrink()
    assert packed.pixels().shape == (0, 0, 3)


def test_a_picture_that_can_not_be_packed_does_not_end_the_packer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    packer = Packer()
    strange, usual = Packed(np.zeros((4, 4, 7), np.uint8)), Packed(np.zeros((64, 64), np.uint8))
    for packed in (strange, usual):
        packer.put(packed)
    packer.close()
    assert strange.pixels().shape == (4, 4, 7)
    assert usual.size_bytes < 64 * 64
    assert "could not be packed" in caplog.text


# ------------------------------------------------------------------ the past


def test_every_step_comes_back_bit_for_bit_once_it_is_packed() -> None:
    with Past() as past:
        for number in range(30):
            past.add(step_of(number))
        settle(past)
        for number in range(30):
            back, wanted = past.at(number), step_of(number)
            assert same_frame(back.observation.frame, wanted.observation.frame)
            assert back.observation.pose == wanted.observation.pose
            assert back.decision.explanation is not None
            assert wanted.decision.explanation is not None
            assert np.array_equal(
                back.decision.explanation.attribution, wanted.decision.explanation.attribution
            )


def test_a_step_can_be_looked_at_before_it_is_packed() -> None:
    with Past() as past:
        step = step_of(1, (640, 360))
        past.add(step)
        assert same_frame(past.at(-1).observation.frame, step.observation.frame)


def test_packing_makes_it_smaller() -> None:
    with Past() as past:
        past.add(step_of(1, (640, 360)))
        before = past.size_bytes
        settle(past)
        assert past.size_bytes < before / 1.8


def test_the_side_view_is_not_kept() -> None:
    with Past() as past:
        past.add(step_of(1))
        assert past.at(0).observation.view is None


def test_it_reaches_back_twenty_seconds_and_no_further() -> None:
    with Past() as past:
        for number in range(25 * FPS):
            past.add(step_of(number, (8, 8), tags=False))
        assert len(past) == 20 * FPS + 1
        assert past.span_s == pytest.approx(20.0)
        assert past.at(0).observation.frame.frame_id == 5 * FPS - 1
        assert past.back_s(-1) == 0
        assert past.back_s(-1 - FPS) == pytest.approx(1.0)
        with pytest.raises(IndexError):
            past.at(20 * FPS + 1)


def test_a_frame_is_found_by_its_number() -> None:
    with Past() as past:
        for number in range(10, 20):
            past.add(step_of(number))
        assert past.find(13) == 3
        assert past.find(9) is None


def test_an_empty_past_says_so() -> None:
    with Past() as past:
        assert len(past) == 0
        assert past.span_s == 0
        assert past.newest is None
        assert past.find(1) is None
        with pytest.raises(IndexError):
            past.at(-1)


def test_since_begins_with_the_very_frame_of_that_time() -> None:
    with Past() as past:
        for number in range(100):
            past.add(step_of(number, (8, 8)))
        assert [kept.frame_id for kept in past.since(97 / FPS)] == [97, 98, 99]


def test_the_same_frame_again_replaces_the_last_step() -> None:
    with Past() as past:
        past.add(step_of(1))
        step = step_of(2)
        past.add(step)
        bytes_before = past.size_bytes
        again = replace(step, decision=replace(step.decision, notice="looked at again"))
        past.add(again)
        assert len(past) == 2
        assert past.at(-1).decision.notice == "looked at again"
        assert past.size_bytes <= bytes_before  # the picture is there once


def test_time_that_goes_back_begins_a_new_past() -> None:
    with Past() as past:
        for number in range(50, 60):
            past.add(step_of(number))
        past.add(step_of(3))
        assert len(past) == 1
        restarted = step_of(70)
        frame = replace(restarted.observation.frame, sim_s=0.0)
        past.add(replace(restarted, observation=replace(restarted.observation, frame=frame)))
        assert len(past) == 1
        assert past.at(0).observation.frame.frame_id == 70


def with_frames(step: DriveStep, explained: Frame | None, masked: Frame | None) -> DriveStep:
    return replace(step, decision=replace(step.decision, explained=explained, masked=masked))


def test_explained_and_masked_frames_come_back_and_are_kept_once() -> None:
    with Past() as past:
        steps = [step_of(number) for number in range(6)]
        past.add(steps[0])
        alone = past.size_bytes
        older = steps[0].observation.frame
        for step in steps[1:]:
            masked = replace(step.observation.frame, image=frame_of(77).image)
            past.add(with_frames(step, older, masked))
        settle(past)
        size = past.size_bytes
        for number in range(1, 6):
            back = past.at(number).decision
            assert same_frame(back.explained, frame_of(0))
            assert back.masked is not None
            assert np.array_equal(back.masked.image, frame_of(77).image)
            assert same_frame(past.at(number).observation.frame, frame_of(number))
        assert size < 6 * alone  # five more frames and one masked picture each, all packed


def test_an_explained_frame_outlives_its_own_step() -> None:
    with Past(seconds=3 / FPS) as past:
        first = step_of(0)
        past.add(first)
        for number in range(1, 10):
            past.add(with_frames(step_of(number), first.observation.frame, None))
        settle(past)
        assert past.at(0).observation.frame.frame_id == 6
        assert same_frame(past.at(0).decision.explained, frame_of(0))


def test_an_array_that_died_is_never_taken_for_a_new_one() -> None:
    with Past() as past:
        for number in range(300):  # addresses are used again and again
            past.add(step_of(number, (16, 16)))
            if number % 10 == 0:
                settle(past)
                gc.collect()
        for number in range(0, 300, 7):
            assert same_frame(past.at(number).observation.frame, frame_of(number, (16, 16)))


# ------------------------------------------------------------------ how much it takes


def test_a_large_camera_has_fewer_seconds() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    limit_bytes = 40_000_000
    with Past(limit_bytes=limit_bytes) as past:
        for number in range(20):
            step = step_of(number)
            frame = replace(step.observation.frame, image=noise + np.uint8(number), tags=None)
            past.add(replace(step, observation=replace(step.observation, frame=frame)))
            assert past.size_bytes <= limit_bytes
        assert len(past) == 6  # 6.2 MB each: noise does not shrink
        assert past.at(-1).observation.frame.frame_id == 19
        assert np.array_equal(past.at(0).observation.frame.image, noise + np.uint8(14))


def test_the_newest_step_is_kept_whatever_it_takes() -> None:
    with Past(limit_bytes=10) as past:
        past.add(step_of(1))
        past.add(step_of(2))
        assert len(past) == 1
        assert past.at(0).observation.frame.frame_id == 2


def test_the_maps_are_counted() -> None:
    with Past() as past, Past() as other:
        past.add(step_of(1))
        step = step_of(1)
        other.add(replace(step, decision=replace(step.decision, explanation=None, shadow=None)))
        settle(past)
        settle(other)
        assert past.size_bytes - other.size_bytes == 2 * 6 * 8 * 4


def test_nothing_is_left_when_it_is_cleared() -> None:
    with Past() as past:
        first = step_of(0)
        for number in range(50):
            past.add(with_frames(step_of(number), first.observation.frame, first.observation.frame))
        past.clear()
        assert past.size_bytes == 0
        settle(past)
        assert past.size_bytes == 0
        assert not past._uses
        assert not past._counted


def test_a_forgotten_past_ends_its_thread() -> None:
    past = Past()
    thread = past._packer._thread
    past.add(step_of(1))
    del past
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()
