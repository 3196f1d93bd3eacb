from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from carla_saliency.core import (
    GROUPS,
    Array,
    Control,
    Decision,
    DriveStep,
    EventKind,
    Explanation,
    Frame,
    Inputs,
    Observation,
    Pose,
    Seen,
    Shadow,
)
from carla_saliency.insight.analyst import Analyst
from carla_saliency.insight.classes import tag_table
from carla_saliency.insight.comparing import Comparing
from carla_saliency.insight.examiner import Examiner
from carla_saliency.insight.probe import Probe
from carla_saliency.insight.triggers import Triggers

GRID = (24, 48)
ROAD, LINE, SKY = 1, 24, 11  # CARLA's tags since 0.9.14
ROAD_GREY, YELLOW, BLUE = (90, 90, 90), (250, 200, 20), (120, 170, 230)


def scene(frame_id: int = 1) -> Frame:
    """Sky over a road with one yellow line right of the middle."""
    image = np.empty((48, 96, 3), np.uint8)
    tags = np.empty((48, 96), np.uint8)
    image[:16], tags[:16] = BLUE, SKY
    image[16:], tags[16:] = ROAD_GREY, ROAD
    image[20:44, 60:64], tags[20:44, 60:64] = YELLOW, LINE
    return Frame(frame_id, frame_id * 0.05, image, tags)


def follows_yellow(pictures: NDArray[Any]) -> Array:
    """A planted network: it steers to the side where there is more of exactly this yellow."""
    yellow = (np.abs(pictures.astype(int) - YELLOW).max(axis=-1) <= 2).astype(np.float32)
    middle = pictures.shape[2] // 2
    sides = yellow[:, :, middle:].sum((1, 2)) - yellow[:, :, :middle].sum((1, 2))
    return np.asarray(sides / 100, np.float32)


def probe(network: Callable[[NDArray[Any]], Array] = follows_yellow) -> Probe:
    def look(frame: Frame) -> Seen:
        rgb = frame.image[::2, ::2]
        return Seen(frame.frame_id, rgb, Inputs(rgb[None].astype(np.float32)))

    return Probe(
        grid=GRID,
        lock_deg=70.0,
        look=look,
        vary=lambda seen, pictures: network(pictures),
        region=lambda size: (0, size[0], 0, size[1]),
        random_map=lambda seen, explanation: None,
        features=lambda seen, name: None,
    )


def yellow_map(frame: Frame) -> Explanation:
    rgb = frame.image[::2, ::2]
    attribution = (rgb == YELLOW).all(-1).astype(np.float32) / 100
    return Explanation(frame.frame_id, "planted", float(follows_yellow(rgb[None])[0]), attribution)


def step(frame_id: int, **decision: Any) -> DriveStep:
    frame = scene(frame_id)
    explanation = decision.pop("explanation", yellow_map(frame))
    return DriveStep(
        Observation(frame, Pose(), 8.0, None),
        Decision(Control(0.1), "network", explanation, network_steering=0.24, **decision),
    )


def analyst(**more: Any) -> Analyst:
    examiner = Examiner(probe(), tag_table("0.9.16"))
    more = {"effects_every": 1} | more
    return Analyst({"A": examiner, "B": examiner}, triggers(), **more)


def triggers() -> dict[Literal["A", "B"], Triggers]:
    return {"A": Triggers(None, 70.0), "B": Triggers(None, 70.0)}


def test_a_network_that_follows_yellow_lines_looks_at_lines_and_depends_on_them_alone() -> None:
    one = analyst()
    for frame_id in range(1, 10):  # a floor is measured for one class after the other
        found = one.examine(step(frame_id)).findings
    assert found.shares is not None
    assert found.shares.share.tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 0], abs=1e-6)
    assert found.effects is not None
    steering = 12 * 2 / 100
    expected = dict.fromkeys(GROUPS, np.nan) | {"lines": -steering, "road": 0.0, "sky": 0.0}
    assert found.effects.change == pytest.approx(
        np.array([expected[name] for name in GROUPS]), abs=1e-6, nan_ok=True
    )
    assert found.effects.floor[0] == 0.0


def test_blobs_are_asked_about_at_once_and_then_every_tenth_frame_if_somebody_wants_that() -> None:
    one = analyst()
    assert one.examine(step(1)).findings.causal is None
    one.checks_blobs = True
    ids = [one.examine(step(i)).findings.causal for i in range(2, 32)]
    asked = sorted({check.frame_id for check in ids if check is not None})
    assert asked == [2, 12, 22]
    assert ids[-1] is not None
    (blob,) = [blob for blob in ids[-1].blobs if blob.moves]
    top, bottom, left, right = blob.place
    assert (top, bottom, left, right) == pytest.approx((10, 22, 30, 32), abs=3)
    one.checks_blobs = False
    assert one.examine(step(32)).findings.causal is None


def test_blobs_of_maps_that_take_longer_than_ten_frames_are_asked_about_in_each_of_them() -> None:
    one = analyst()
    one.checks_blobs = True
    for frame_id in (1, 41, 81):
        causal = one.examine(step(frame_id)).findings.causal
        assert causal is not None
        assert causal.frame_id == frame_id


def test_a_map_that_is_shown_for_several_frames_is_examined_once() -> None:
    one, first = analyst(), step(1)
    found = one.examine(first).findings
    later = step(2, explanation=first.decision.explanation, explained=first.observation.frame)
    again = one.examine(later).findings
    assert again.shares is found.shares
    assert again.check is found.check


def test_without_a_semantic_camera_there_are_no_classes_and_all_the_rest_goes_on() -> None:
    blind = step(1)
    frame = replace(blind.observation.frame, tags=None)
    blind = replace(blind, observation=replace(blind.observation, frame=frame))
    found = analyst().examine(blind).findings
    assert found.shares is None
    assert found.effects is None
    assert found.check is not None


def test_classes_are_painted_over_as_often_as_there_is_time_for() -> None:
    now_s, said = [0.0], []

    def slow(pictures: NDArray[Any]) -> Array:
        now_s[0] += 0.040  # of a tick of 50 ms
        return follows_yellow(pictures)

    examiner = Examiner(probe(slow), tag_table("0.9.16"))
    one = Analyst({"A": examiner}, triggers(), say=said.append, clock=lambda: now_s[0])
    ids = [one.examine(step(i)).findings.effects for i in range(1, 20)]
    frames = sorted({effects.frame_id for effects in ids if effects is not None})
    assert frames == [1, 2, 3, 5, 9, 13, 17]
    assert said == [
        "painting the classes over takes 40 ms: done for one map in 4 "
        "(--classes-every 4 does the same again)"
    ]


def test_an_absent_map_is_no_reason_to_stop() -> None:
    found = analyst().examine(step(1, explanation=None)).findings
    assert found.shares is None
    assert found.check is None


def test_the_network_that_drives_is_the_one_that_is_examined() -> None:
    ours, theirs = Examiner(probe(), None), Examiner(probe(), None)
    asked = []
    ours.novelty = lambda frame: asked.append("A")  # type: ignore[method-assign]
    theirs.novelty = lambda frame: asked.append("B")  # type: ignore[method-assign]
    one = Analyst({"A": ours, "B": theirs}, triggers())
    one.examine(step(1))
    one.examine(step(3, shadow=Shadow(letter="A", title="a", command=0.1)))
    one.examine(step(5, shadow=Shadow(letter="B", title="b", command=0.1)))
    assert asked == ["A", "B", "A"]


def test_networks_that_disagree_make_an_event() -> None:
    one = analyst(comparing=Comparing(5 / 70, 70.0))
    events = []
    for frame_id in range(1, 30):
        other = 0.0 if 10 <= frame_id < 20 else 0.24
        found = one.examine(step(frame_id, shadow=Shadow(title="b", command=other))).findings
        assert found.comparison is not None
        assert found.comparison.difference == pytest.approx(other - 0.24)
        events += found.events
    assert [event.kind for event in events] == [EventKind.NETWORKS]


def test_what_takes_long_in_an_inspected_check_does_not_hold_up_the_drive() -> None:
    drive = Examiner(probe(), None)
    found = []

    def slow_random_map(seen: Seen, explanation: Explanation) -> None:
        worker = Thread(
            target=lambda: found.append(drive.check(scene(), yellow_map(scene()), "cheap"))
        )
        worker.start()
        worker.join(5.0)

    inspected = drive.for_one_frame(replace(probe(), random_map=slow_random_map))
    inspected.check(scene(), yellow_map(scene()), "once")
    assert len(found) == 1


def test_the_limits_of_a_calibration_are_those_of_maps_of_the_steering() -> None:
    asked: list[str] = []

    def limits(method: str) -> None:
        asked.append(method)

    examiner, explanation = Examiner(probe(), None, limits), yellow_map(scene())
    examiner.check(scene(), explanation, "cheap")
    assert asked == ["planted"]
    of_a_layer = replace(explanation.meaning, title="planted · of conv1", of="conv1")
    examiner.check(scene(), replace(explanation, meaning=of_a_layer), "cheap")
    assert asked == ["planted"]
