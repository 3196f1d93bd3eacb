"""Sensor data is matched to its tick, and turned into arrays."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from carla_saliency.errors import SimulatorError
from carla_saliency.sim.latest import LatestTick
from carla_saliency.sim.sensors import TickQueue, to_rgb, to_tags


@dataclass(frozen=True)
class Data:
    frame: int


@dataclass(frozen=True)
class Picture:
    """What the converters read of a `carla.Image`, which Python can't make."""

    raw_data: bytes
    width: int
    height: int


def filled(*frames: int, size: int = 8) -> TickQueue[Data]:
    queue: TickQueue[Data] = TickQueue("camera picture", size)
    for frame in frames:
        queue.put(Data(frame))
    return queue


def test_the_data_of_the_very_tick_is_taken() -> None:
    queue = filled(7, 8)
    assert queue.take(7, 0.0) == Data(7)
    assert queue.take(8, 0.0) == Data(8)


def test_older_data_is_forgotten() -> None:
    assert filled(5, 6, 7).take(7, 0.0) == Data(7)


def test_late_data_is_waited_for() -> None:
    queue = filled(6)
    late = threading.Timer(0.05, queue.put, [Data(7)])
    late.start()
    assert queue.take(7, 30.0) == Data(7)
    late.join()


def test_newer_data_is_never_used_for_an_older_tick() -> None:
    with pytest.raises(SimulatorError, match="camera picture of frame 7 is lost: 8 came instead"):
        filled(8).take(7, 30.0)


def test_data_that_does_not_come_is_an_error() -> None:
    with pytest.raises(SimulatorError, match="camera picture of frame 7 did not come within 0 s"):
        filled(6).take(7, 0.0)


def test_a_full_queue_drops_the_oldest_and_its_tick_notices() -> None:
    queue = filled(1, 2, 3, 4, size=3)
    with pytest.raises(SimulatorError, match="frame 1 is lost"):
        queue.take(1, 0.0)
    assert queue.take(4, 0.0) == Data(4)


def test_blue_green_red_alpha_becomes_red_green_blue() -> None:
    bgra = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    rgb = to_rgb(Picture(bgra.tobytes(), 3, 2), 3, 2)
    np.testing.assert_array_equal(rgb, bgra[:, :, 2::-1])
    assert rgb.flags.c_contiguous
    assert rgb.flags.owndata


def test_the_tag_is_the_red_channel() -> None:
    bgra = np.zeros((2, 3, 4), np.uint8)
    bgra[1, 2] = (9, 8, 24, 255)
    tags = to_tags(Picture(bgra.tobytes(), 3, 2), 3, 2)
    np.testing.assert_array_equal(tags, [[0, 0, 0], [0, 0, 24]])
    assert tags.flags.owndata


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(SimulatorError, match="must give 640x360 pictures, the server sent 3x2"):
        to_rgb(Picture(bytes(24), 3, 2), 640, 360)


def test_data_that_came_instead_of_a_lost_one_is_there_for_its_own_tick() -> None:
    queue = filled(8, 9)
    with pytest.raises(SimulatorError, match="frame 7 is lost: 8 came instead"):
        queue.take(7, 0.0)
    assert queue.take(8, 0.0) == Data(8)
    assert queue.take(9, 0.0) == Data(9)


def latest(**parts: list[int]) -> LatestTick:
    ticks = LatestTick(*parts)
    for part, frames in parts.items():
        for frame in frames:
            ticks.put(part, Data(frame))
    return ticks


def test_the_newest_tick_of_which_all_has_come_is_taken() -> None:
    ticks = latest(picture=[1, 2, 3], tags=[1, 2], snapshot=[1, 2, 3, 4])
    taken = {part: Data(2) for part in ("picture", "tags", "snapshot")}
    assert ticks.take(0, 0.0) == taken
    assert ticks.take(2, 0.0) is None  # 3 has no tags yet
    ticks.put("tags", Data(3))
    assert ticks.take(2, 0.0) == {part: Data(3) for part in taken}
    assert ticks.newest("snapshot") == 4


def test_a_tick_is_taken_once_and_never_an_older_one() -> None:
    ticks = latest(picture=[5], tags=[5])
    assert ticks.take(5, 0.0) is None
    ticks.put("picture", Data(4))
    ticks.put("tags", Data(4))
    assert ticks.take(5, 0.0) is None


def test_what_nobody_takes_does_not_pile_up() -> None:
    ticks = latest(picture=list(range(1000)), tags=[0, 999])
    assert ticks.take(-1, 0.0) == {"picture": Data(999), "tags": Data(999)}
    assert latest(picture=list(range(1000)), tags=[0]).take(-1, 0.0) is None


def test_a_tick_that_is_completed_by_another_thread_is_waited_for() -> None:
    ticks = latest(picture=[1], tags=[])
    late = threading.Timer(0.05, ticks.put, ("tags", Data(1)))
    late.start()
    assert ticks.take(0, 30.0) == {"picture": Data(1), "tags": Data(1)}
    late.join()
