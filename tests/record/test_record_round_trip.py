from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich_steps import (
    EXTRAS,
    FACTS,
    SIGNED,
    UNSIGNED,
    bare_step,
    differences,
    frame_of,
    keep,
    map_of,
    rich_step,
)

from carla_saliency.core import Explanation, Image, SideView
from carla_saliency.record.pixels import from_grey, to_grey
from carla_saliency.record.reader import Record, is_record


def test_all_that_a_step_has_comes_back(tmp_path: Path) -> None:
    steps = [rich_step(number) for number in range(100, 104)]
    with Record(keep(tmp_path, steps)) as record:
        assert len(record) == 4
        for i, step in enumerate(steps):
            assert differences(step, record.at(i)) == []
            assert record.extras(i) == EXTRAS


def test_what_a_step_has_not_is_missing_when_it_comes_back(tmp_path: Path) -> None:
    step = bare_step(7)
    with Record(keep(tmp_path, [step])) as record:
        assert differences(step, record.at(0)) == []


def test_steps_with_and_without_things_do_not_mix(tmp_path: Path) -> None:
    steps = [rich_step(1), bare_step(2), rich_step(3), bare_step(4)]
    with Record(keep(tmp_path, steps)) as record:
        assert [differences(a, b) for a, b in zip(steps, record.steps(), strict=True)] == [[]] * 4


def test_the_picture_of_another_camera_is_not_kept(tmp_path: Path) -> None:
    step = bare_step(7)
    view = SideView("chase", np.zeros((4, 4, 3), np.uint8))
    with_view = replace(step, observation=replace(step.observation, view=view))
    with Record(keep(tmp_path, [with_view])) as record:
        assert differences(step, record.at(0)) == []


def test_a_slow_methods_map_brings_the_frame_that_it_is_of(tmp_path: Path) -> None:
    steps = [bare_step(number) for number in range(5)]
    old = frame_of(1)
    steps[1] = replace(steps[1], observation=replace(steps[1].observation, frame=old))
    late = replace(steps[4].decision, explanation=map_of(1, SIGNED), explained=old, every=3)
    steps[4] = replace(steps[4], decision=late)
    with Record(keep(tmp_path, steps)) as record:
        assert differences(steps[4], record.at(4)) == []
        assert record.at(4).decision.explained is record.at(1).observation.frame


def test_a_frame_from_before_the_record_is_kept_for_its_map(tmp_path: Path) -> None:
    step, old = bare_step(7), frame_of(3, tags=False)
    late = replace(step.decision, explanation=map_of(3, SIGNED), explained=old, every=5)
    step = replace(step, decision=late)
    with Record(keep(tmp_path, [step])) as record:
        assert differences(step, record.at(0)) == []


def test_the_training_picture_is_found_wherever_one_looks(tmp_path: Path) -> None:
    first, other = rich_step(1), rich_step(2)
    same = [replace(rich_step(n), findings=first.findings) for n in (3, 4)]
    steps = [first, *same, other, same[0], bare_step(9)]
    folder = keep(tmp_path, steps)
    for i, step in enumerate(steps):
        with Record(folder) as record:  # anew, so that nothing is remembered
            assert differences(step.findings, record.at(i).findings) == []


def test_with_network_frames_only_what_the_network_saw_is_kept(tmp_path: Path) -> None:
    def crop(picture: Image) -> Image:
        return picture[32:, ::2].copy()

    step = rich_step(5)
    folder = keep(tmp_path, [step], replace(FACTS, frames="network"), crop=crop)
    with Record(folder) as record:
        back = record.at(0)
    assert record.facts.frames == "network"
    np.testing.assert_array_equal(back.observation.frame.image, crop(step.observation.frame.image))
    assert back.observation.frame.tags is None
    assert step.decision.masked is not None
    assert back.decision.masked is not None
    np.testing.assert_array_equal(back.decision.masked.image, crop(step.decision.masked.image))


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_in_16_bits_is_off_by_half_a_step_and_zero_stays_zero(signed: bool) -> None:
    values = map_of(1, SIGNED if signed else UNSIGNED, (50, 40)).attribution
    values[3] = 0
    pixels, zero, step = to_grey(values, signed)
    back = from_grey(pixels, zero, step)
    assert pixels.dtype == np.uint16
    assert (zero, pixels.max()) == (
        (32768, 65535) if signed and values.max() > 0 else (0, 65535)
    ) or (signed and pixels.min() == 1)
    assert np.abs(back - values).max() <= step / 2 * 1.001
    assert (back[3] == 0).all()
    again = to_grey(back, signed)
    np.testing.assert_array_equal(again[0], pixels)


def test_a_map_without_a_sign_keeps_negative_values_all_the_same() -> None:
    values = np.array([[-2.0, 0.0, 1.0]], np.float32)
    np.testing.assert_allclose(from_grey(*to_grey(values, signed=False)), values, atol=4e-5)


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_of_zeros_comes_back_as_zeros(signed: bool) -> None:
    zeros = np.zeros((2, 3), np.float32)
    np.testing.assert_array_equal(from_grey(*to_grey(zeros, signed)), zeros)


def test_maps_of_any_place_shape_and_meaning_come_back(tmp_path: Path) -> None:
    maps: list[Explanation] = [
        map_of(1, UNSIGNED, (1, 18), (3.5, 60.25, 0.0, 200.0)),
        map_of(2, SIGNED, (66, 200)),
        Explanation(3, "flat", -0.5, np.zeros((3, 4), np.float32), UNSIGNED),
    ]
    steps = [
        replace(bare_step(one.frame_id), decision=replace(bare_step(1).decision, explanation=one))
        for one in maps
    ]
    with Record(keep(tmp_path, steps)) as record:
        for i, one in enumerate(maps):
            assert differences(one, record.at(i).decision.explanation, "map") == []


def test_the_index_says_times_numbers_and_events_of_all_steps(tmp_path: Path) -> None:
    steps = [bare_step(100), rich_step(101), bare_step(102), rich_step(103)]
    with Record(keep(tmp_path, steps)) as record:
        assert record.frame_ids.tolist() == [100, 101, 102, 103]
        assert record.times_s.tolist() == [step.observation.frame.sim_s for step in steps]
        told = [
            (i, event)
            for i, step in enumerate(steps)
            for event in (*step.observation.events, *step.findings.events)
        ]
        assert record.events == tuple(told)


def test_steps_can_begin_and_end_anywhere(tmp_path: Path) -> None:
    with Record(keep(tmp_path, [bare_step(n) for n in range(6)])) as record:
        assert [step.observation.frame.frame_id for step in record.steps(2, 5)] == [2, 3, 4]
        assert [step.observation.frame.frame_id for step in record.steps(4)] == [4, 5]
        assert record.at(-1).observation.frame.frame_id == 5
        with pytest.raises(IndexError, match="6 steps, received index 6"):
            record.at(6)


def test_facts_come_back(tmp_path: Path) -> None:
    with Record(keep(tmp_path, [bare_step(0)])) as record:
        assert record.facts == FACTS
        assert record.folder == tmp_path
    assert is_record(tmp_path)
    assert not is_record(tmp_path / "other")
