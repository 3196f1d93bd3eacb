from __future__ import annotations

import pytest

from carla_saliency.core import Control, HeldKeys
from carla_saliency.pilot.manual import ManualDriving


def test_steering_grows_while_a_key_is_held_and_has_an_end() -> None:
    driving = ManualDriving()
    steering = [driving.move(HeldKeys(left=True), 0.1).steering for _ in range(20)]
    assert steering[0] == pytest.approx(-0.05)
    assert steering[1] == pytest.approx(-0.1)
    assert steering[-1] == pytest.approx(-0.7)


def test_steering_goes_back_to_the_middle_smoothly_and_stays_there() -> None:
    driving = ManualDriving()
    driving.move(HeldKeys(right=True), 1.0)
    back = [driving.move(HeldKeys(), 0.1).steering for _ in range(4)]
    assert back == pytest.approx([0.3, 0.1, 0.0, 0.0])


def test_the_other_key_begins_in_the_middle() -> None:
    driving = ManualDriving()
    driving.move(HeldKeys(right=True), 1.0)
    assert driving.move(HeldKeys(left=True), 0.1).steering == pytest.approx(-0.05)


def test_both_keys_are_none() -> None:
    driving = ManualDriving()
    assert driving.move(HeldKeys(left=True, right=True), 1.0).steering == 0.0


def test_pedals_grow_while_held_and_are_left_at_once() -> None:
    driving = ManualDriving()
    assert driving.move(HeldKeys(throttle=True), 0.1).throttle == pytest.approx(0.2)
    assert driving.move(HeldKeys(throttle=True), 9.0).throttle == 1.0
    braking = driving.move(HeldKeys(brake=True), 0.1)
    assert (braking.throttle, braking.brake) == (0.0, pytest.approx(0.4))
    assert driving.move(HeldKeys(), 0.1) == Control()


def test_hand_brake_and_reverse_are_as_held() -> None:
    control = ManualDriving().move(HeldKeys(hand_brake=True, reverse=True), 0.0)
    assert control.hand_brake
    assert control.reverse


def test_the_same_time_in_smaller_pieces_gives_the_same_control() -> None:
    coarse, fine = ManualDriving(), ManualDriving()
    keys = HeldKeys(right=True, throttle=True)
    one = coarse.move(keys, 0.4)
    for _ in range(8):
        many = fine.move(keys, 0.05)
    assert many.steering == pytest.approx(one.steering)
    assert many.throttle == pytest.approx(one.throttle)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="at least 0, received -1"):
        ManualDriving().move(HeldKeys(), -1.0)
