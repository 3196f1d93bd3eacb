from itertools import islice

import numpy as np

from carla_saliency.core import Control, Decision, Explanation, Frame, Observation, Pose
from carla_saliency.drive import drive


class FakeSession:
    """Gives numbered frames; refuses a second control before the first was answered."""

    def __init__(self) -> None:
        self.sent: list[Decision] = []
        self.received = 0

    def observation(self) -> Observation:
        frame = Frame(self.received, self.received * 0.05, np.zeros((4, 4, 3), np.uint8))
        return Observation(frame, Pose(), 0.0, None)

    def start(self) -> Observation:
        return self.observation()

    def send(self, decision: Decision) -> None:
        assert len(self.sent) == self.received, "one control per tick"
        self.sent.append(decision)

    def receive(self) -> Observation:
        assert len(self.sent) == self.received + 1, "nothing was sent for this tick"
        self.received += 1
        return self.observation()


class FakePilot:
    def decide(self, observation: Observation) -> Decision:
        frame_id = observation.frame.frame_id
        explanation = Explanation(frame_id, "fake", 0.0, np.zeros((2, 2), np.float32))
        return Decision(Control(frame_id / 100), "network", explanation)


def test_every_map_explains_the_frame_of_its_own_step() -> None:
    steps = list(islice(drive(FakeSession(), FakePilot()), 4))
    assert [step.observation.frame.frame_id for step in steps] == [0, 1, 2, 3]
    assert [step.decision.explanation.frame_id for step in steps] == [0, 1, 2, 3]


def test_a_control_is_sent_once_in_order_and_before_its_step_is_yielded() -> None:
    session = FakeSession()
    for number, step in enumerate(islice(drive(session, FakePilot()), 4)):
        assert session.sent[-1] is step.decision
        assert len(session.sent) == number + 1
    assert [decision.control for decision in session.sent] == [
        Control(0.0),
        Control(0.01),
        Control(0.02),
        Control(0.03),
    ]
