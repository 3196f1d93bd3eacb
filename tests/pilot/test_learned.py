from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from carla_saliency.core import (
    Autopilot,
    Car,
    ChangeMethod,
    Contract,
    Control,
    Explanation,
    Frame,
    HandOver,
    Inputs,
    LaneView,
    Manual,
    Meaning,
    Observation,
    Pause,
    Pose,
    Seen,
    SwapDrivers,
)
from carla_saliency.errors import BadInputError
from carla_saliency.pilot.learned import TURN, LearnedPilot
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl

CAR = Car("vehicle.tesla.model3", 70.0, 3.0, -1.43, ((0.0, 1.0), (100.0, 0.5)), 4.79, 2.16)
CONTRACT = Contract(
    name="dave2",
    camera=Pose(1.5, 0.0, 1.6),
    width_px=640,
    height_px=360,
    fov_deg=100.0,
    crop=(148, 360, 0, 640),
    input_height_px=66,
    input_width_px=200,
    max_steer_deg=70.0,
    wheelbase_m=3.0,
)


class FixedExplainer:
    """A network that always commands the same; checks that it is asked for the right frame."""

    slow = False
    meaning = Meaning(title="fixed")

    def __init__(self, name: str, steering: float) -> None:
        self.name = name
        self.steering = steering
        self.frames: list[int] = []

    def explain(self, frame: Frame) -> Explanation:
        self.frames.append(frame.frame_id)
        return self.explain_seen(self.look(frame))

    def look(self, frame: Frame) -> Seen:
        return Seen(frame.frame_id, frame.image, Inputs(np.zeros((1, 4, 4, 3), np.float32)))

    def steer(self, seen: Seen) -> float:
        return self.steering

    def explain_seen(self, seen: Seen) -> Explanation:
        return Explanation(seen.frame_id, self.name, self.steering, np.zeros((66, 200), np.float32))


def view(**more: Any) -> LaneView:
    path = np.stack([np.arange(51.0), np.full(51, -0.3)], axis=1).astype(np.float32)
    return LaneView(0.3, 0.0, 3.5, False, path, np.zeros(51, np.float32), **more)


def observation(frame_id: int = 0, speed_mps: float = 0.0, **lane: Any) -> Observation:
    frame = Frame(frame_id, frame_id * 0.05, np.zeros((4, 4, 3), np.uint8))
    return Observation(frame, Pose(), speed_mps, view(**lane))


def pilot(steering: float = 0.1, car: Car = CAR, **more: Any) -> LearnedPilot:
    explainers = {name: FixedExplainer(name, steering) for name in ("contrast", "gradient")}
    more = {"contract": CONTRACT} | more
    return LearnedPilot(explainers, car, speed=SpeedControl(8.0), **more)


def test_the_networks_steering_is_sent_and_its_map_is_of_the_same_frame() -> None:
    decision = pilot().decide(observation(7))
    assert decision.driver == "network"
    assert decision.control.steering == pytest.approx(0.1)
    assert decision.explanation is not None
    assert decision.explanation.frame_id == 7
    assert decision.explanation.method == "contrast"
    assert decision.expert_steering is not None
    assert decision.expert_steering < 0.0  # the car is right of the path


def test_the_steering_curve_is_not_divided_out_twice() -> None:
    """What was learned is what the expert sent, at about this speed."""
    decision = pilot().decide(observation(speed_mps=50.0 / 3.6))
    assert decision.control.steering == pytest.approx(0.1)


@pytest.mark.parametrize("steering", [-0.3, 0.02, 0.3])
def test_another_car_drives_the_same_arc(steering: float) -> None:
    other = replace(CAR, max_steer_deg=45.0, wheelbase_m=2.5)
    sent = pilot(steering, other).decide(observation()).control.steering
    arc = math.tan(math.radians(steering * 70.0)) / 3.0
    assert math.tan(math.radians(sent * 45.0)) / 2.5 == pytest.approx(arc)


def test_what_another_car_cannot_steer_is_clipped() -> None:
    other = replace(CAR, max_steer_deg=20.0)
    assert pilot(-0.9, other).decide(observation()).control.steering == -1.0


def test_a_network_beyond_its_range_is_clipped() -> None:
    assert pilot(1.7).decide(observation()).control.steering == 1.0
    assert pilot(1.7, contract=None).decide(observation()).control.steering == 1.0


def test_rescaling_is_said_only_where_there_is_some() -> None:
    assert pilot().seat.rescaling is None
    assert pilot().seat.rescaling_text == ""
    other = pilot(car=replace(CAR, blueprint="vehicle.mini.cooper", max_steer_deg=35.0))
    assert other.seat.rescaling == pytest.approx(2.0)
    assert other.seat.rescaling_text.startswith(
        "steering × 2.00: vehicle.mini.cooper turns its wheels"
    )


def test_without_a_contract_the_output_is_sent_as_it_is() -> None:
    unknown = pilot(contract=None)
    assert unknown.seat.rescaling is None
    assert unknown.decide(observation(speed_mps=14.0)).control.steering == 0.1


def test_the_expert_steers_through_a_turn_and_gives_back() -> None:
    learned = pilot()
    turns = [False, True, True, False]
    decisions = [
        learned.decide(observation(i, expert_must_steer=turn)) for i, turn in enumerate(turns)
    ]
    assert [decision.driver for decision in decisions] == [
        "network",
        "expert",
        "expert",
        "network",
    ]
    assert [decision.notice for decision in decisions] == ["", TURN, TURN, ""]
    for decision in decisions:
        assert decision.explanation is not None
        assert decision.explanation.steering == 0.1
    assert decisions[1].control.steering == decisions[1].expert_steering


def test_handing_over_goes_to_the_expert_and_back() -> None:
    learned = pilot()
    drivers = []
    for _ in range(2):
        assert learned.handle(HandOver())
        drivers.append(learned.decide(observation()).driver)
    assert drivers == ["expert", "network"]


@pytest.mark.parametrize("before", ["network", "expert"])
def test_a_person_drives_until_handing_over_back_to_who_drove_before(before: str) -> None:
    learned = pilot(driver=before)
    by_hand = Control(-0.4, 0.3)
    assert learned.handle(Manual(Control(0.2)))
    assert learned.handle(Manual(by_hand))
    for i in range(3):
        decision = learned.decide(observation(i, expert_must_steer=i == 1))
        assert decision.driver == "manual"
        assert decision.control == by_hand
    learned.handle(HandOver())
    assert learned.decide(observation()).driver == before


def test_a_key_walks_through_the_methods() -> None:
    learned = pilot()
    names = []
    for by in (1, 1, -1):
        assert learned.handle(ChangeMethod(by))
        names.append(learned.method)
    assert names == ["gradient", "contrast", "gradient"]
    explanation = learned.decide(observation()).explanation
    assert explanation is not None
    assert explanation.method == "gradient"


def test_what_is_not_the_pilots_to_do_is_left() -> None:
    assert not pilot().handle(Pause())


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(BadInputError, match="contrast, gradient; got 'grad'"):
        pilot(method="grad")


def test_off_the_road_the_car_brakes_whoever_steers() -> None:
    for driver in ("network", "expert"):
        learned = pilot(driver=driver)
        for i in range(4):
            frame = Frame(i, i * 0.05, np.zeros((4, 4, 3), np.uint8))
            decision = learned.decide(Observation(frame, Pose(), 8.0, None))
        assert decision.control.brake > 0.2
        assert decision.expert_steering is None
        assert "off the road" in decision.notice


def test_a_network_that_gives_nan_is_an_error_that_says_so() -> None:
    with pytest.raises(ValueError, match="NaN or infinity for frame 3"):
        pilot(math.nan).decide(observation(3))


def test_the_milliseconds_are_the_clocks() -> None:
    times = iter([1.0, 1.0025])
    learned = pilot(clock=lambda: next(times))
    assert learned.decide(observation()).timing_ms == pytest.approx({"network": 2.5})


# ------------------------------------------------------------------ who else drives


def test_carlas_autopilot_drives_until_it_is_asked_back() -> None:
    one = pilot()
    one.handle(Autopilot())
    applied = Control(0.4, throttle=0.5)
    decision = one.decide(replace(observation(), applied=applied))
    assert (decision.driver, decision.control) == ("autopilot", applied)
    assert decision.network_steering == pytest.approx(0.1)  # it is asked and explained all the same
    one.handle(Autopilot())
    assert one.decide(observation(1)).driver == "network"
    one.handle(Autopilot())
    one.handle(HandOver())
    assert one.decide(observation(2)).driver == "network"


def shadow(steering: float, contract: Contract = CONTRACT, car: Car = CAR) -> Seat:
    explainers = {name: FixedExplainer(name, steering) for name in ("contrast", "gradient")}
    return Seat("b.keras", explainers, car, contract)


def test_a_shadow_sees_the_same_frame_and_does_not_steer() -> None:
    decision = pilot(0.1, shadow=shadow(-0.2)).decide(observation(5))
    assert decision.control.steering == pytest.approx(0.1)
    assert decision.shadow is not None
    assert (decision.shadow.letter, decision.shadow.title) == ("B", "b.keras")
    assert decision.shadow.command == pytest.approx(-0.2)
    assert decision.shadow.explanation is not None
    assert decision.shadow.explanation.frame_id == 5


def test_a_shadows_command_is_for_the_live_car_too() -> None:
    half = replace(CONTRACT, max_steer_deg=35.0)
    decision = pilot(0.1, shadow=shadow(0.2, half)).decide(observation())
    assert decision.shadow is not None
    assert decision.shadow.command == pytest.approx(0.1)


def test_drivers_swap_and_the_letters_stay_with_the_networks() -> None:
    one = pilot(0.1, shadow=shadow(-0.2), title="a.keras")
    one.handle(SwapDrivers())
    decision = one.decide(observation())
    assert decision.control.steering == decision.network_steering == pytest.approx(-0.2)
    assert decision.shadow is not None
    assert (decision.shadow.letter, decision.shadow.title) == ("A", "a.keras")
    assert decision.shadow.command == pytest.approx(0.1)
    one.handle(SwapDrivers())
    decision = one.decide(observation(1))
    assert decision.control.steering == pytest.approx(0.1)


def test_a_swap_leads_to_a_method_that_the_other_network_can_be_asked_by() -> None:
    class Some(dict[str, FixedExplainer]):
        def __getitem__(self, name: str) -> FixedExplainer:
            if name == "contrast":
                raise BadInputError("it has no gradient")
            return super().__getitem__(name)

    other = Seat("b.onnx", Some(gradient=FixedExplainer("gradient", -0.2)), CAR, CONTRACT)
    one = pilot(0.1, shadow=other)
    assert one.method == "contrast"
    one.handle(SwapDrivers())
    assert one.method == "gradient"
    assert one.decide(observation()).control.steering == pytest.approx(-0.2)


def test_the_expert_can_be_the_shadow() -> None:
    one = pilot(shadow="expert")
    decision = one.decide(observation())
    assert decision.shadow is not None
    assert decision.shadow.command == decision.expert_steering
    assert decision.shadow.explanation is None
    one.handle(SwapDrivers())
    assert one.decide(observation(1)).driver == "expert"


def test_what_is_masked_is_hidden_from_the_network_and_said() -> None:
    one = pilot()
    hidden = np.ones((4, 4, 3), np.uint8)
    one.masking = lambda frame: replace(frame, image=hidden)
    decision = one.decide(observation(3))
    assert decision.masked is not None
    assert decision.masked.image is hidden
    assert decision.masked.frame_id == 3
    one.masking = None
    assert one.decide(observation(4)).masked is None
