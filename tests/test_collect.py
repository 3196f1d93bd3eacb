from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from carla_saliency.collect import (
    DrivingRecipe,
    PoseRecipe,
    Teacher,
    collect_driving,
    collect_poses,
    curve_speed,
    is_ambiguous,
)
from carla_saliency.core import (
    Car,
    Contract,
    Control,
    Decision,
    Event,
    EventKind,
    Frame,
    LaneView,
    Observation,
    Pose,
)
from carla_saliency.data.dataset import Dataset, DatasetWriter
from carla_saliency.errors import SimulatorError

CONTRACT = Contract("test", Pose(), 32, 20, 100.0, (10, 20, 0, 32), 10, 32)
CAR = Car("vehicle.tesla.model3", 70.0, 2.87, -1.4, ((0.0, 1.0),), 4.8, 2.2)


@dataclass(frozen=True)
class FakePlace:
    pose: Pose = field(default_factory=Pose)
    curvature: float = 0.0
    width_m: float = 3.5
    must_turn: bool = False


PLACES = [FakePlace(Pose(x_m=x), curvature=c) for x, c in ((0, 0.0), (100, 0.02), (200, 0.06))]


def a_lane(pose: Pose) -> LaneView:
    """The lane along y = 0."""
    path = np.stack([pose.x_m + np.arange(30.0), np.zeros(30)], axis=1).astype(np.float32)
    return LaneView(
        offset_m=pose.y_m,
        heading_error_deg=pose.yaw_deg,
        width_m=3.5,
        in_junction=False,
        path=path,
        path_curvature=np.full(30, 0.01, np.float32),
    )


class FakeSession:
    """A car on an endless straight lane; the picture's grey is the number of the tick."""

    def __init__(self) -> None:
        self.pose, self.speed = Pose(), 8.0
        self.tick = 0
        self.sent: list[Decision] = []
        self.lane = a_lane
        self.events: tuple[Event, ...] = ()

    def start(self) -> Observation:
        return self._observe()

    def place(self, pose: Pose, speed_mps: float = 0.0) -> None:
        self.pose, self.speed = pose, speed_mps

    def send(self, decision: Decision) -> None:
        assert len(self.sent) == self.tick, "a tick was begun before the last one was received"
        self.sent.append(decision)

    def receive(self) -> Observation:
        assert len(self.sent) == self.tick + 1
        self.tick += 1
        self.pose = replace(self.pose, x_m=self.pose.x_m + self.speed / 20)
        return self._observe()

    def _observe(self) -> Observation:
        image = np.full((20, 32, 3), self.tick % 250, np.uint8)
        frame = Frame(self.tick, self.tick / 20, image)
        return Observation(frame, self.pose, self.speed, self.lane(self.pose), self.events)


class Weathers:
    def __init__(self) -> None:
        self.set: list[bool] = []

    def __call__(self, rng: np.random.Generator | None) -> str:
        self.set.append(rng is not None)
        return "random" if rng is not None else "clear"


def a_teacher(weather: Weathers | None = None, **changes) -> Teacher:
    values = {
        "car": CAR,
        "expert": lambda pose, speed_mps, lane, car: -pose.y_m / 10,
        "speed_at": curve_speed(8.0, 2.5),
        "set_weather": weather or Weathers(),
    }
    return Teacher(**(values | changes))


def poses(folder: Path, session: FakeSession, frames: int, teacher=None, **more) -> int:
    with DatasetWriter(folder, CONTRACT, CAR) as writer:
        return collect_poses(
            session,
            PLACES,
            writer,
            teacher or a_teacher(),
            map_name="curvy",
            look=2,
            frames=frames,
            progress=False,
            **more,
        )


def pictures(dataset: Dataset) -> list[int]:
    greys = [p[15, 15, 0] for shard in dataset.shards for p in dataset.pictures(shard)]
    return [int(grey) for grey in greys]


def test_a_frame_has_the_experts_label_for_the_pose_that_it_shows(tmp_path: Path) -> None:
    shown: list[float] = []

    def expert(pose: Pose, speed_mps: float, lane: LaneView, car: Car) -> float:
        assert speed_mps == 8.0
        shown.append(-pose.y_m / 10)
        return -pose.y_m / 10

    assert poses(tmp_path / "d", FakeSession(), 40, a_teacher(expert=expert)) == 40
    dataset = Dataset(tmp_path / "d")
    assert len(dataset.labels) == 40
    for label in dataset.labels:
        assert label.steering == pytest.approx(-label.offset_m / 10)
        assert (label.map_name, label.look, label.source) == ("curvy", 2, "poses")
    # the picture of tick n has the label of tick n: they were not swapped by working ahead
    assert pictures(dataset) == list(range(1, 41))
    assert [label.steering for label in dataset.labels] == shown


def test_stopping_leaves_no_answer_behind_in_the_session(tmp_path: Path) -> None:
    session = FakeSession()
    poses(tmp_path / "d", session, 5)
    assert session.tick == len(session.sent)
    poses(tmp_path / "other", session, 5)


def test_a_second_run_collects_what_is_missing_at_other_poses(tmp_path: Path) -> None:
    poses(tmp_path / "d", FakeSession(), 10)
    assert poses(tmp_path / "d", FakeSession(), 25) == 15
    assert poses(tmp_path / "d", FakeSession(), 25) == 0
    offsets = [label.offset_m for label in Dataset(tmp_path / "d").labels]
    assert len(set(offsets)) == 25


def test_the_car_is_placed_at_the_speed_that_the_curve_allows(tmp_path: Path) -> None:
    speeds = []

    class Watching(FakeSession):
        def place(self, pose: Pose, speed_mps: float = 0.0) -> None:
            speeds.append((round(pose.x_m), speed_mps))
            super().place(pose, speed_mps)

    poses(tmp_path / "d", Watching(), 60)
    assert dict(speeds)[200] == pytest.approx(math.sqrt(2.5 / 0.06))
    assert dict(speeds)[0] == 8.0


def test_three_quarters_of_the_frames_have_a_random_weather(tmp_path: Path) -> None:
    weather = Weathers()
    poses(tmp_path / "d", FakeSession(), 400, a_teacher(weather), recipe=PoseRecipe())
    labels = Dataset(tmp_path / "d").labels
    share = sum(label.weather == "random" for label in labels) / len(labels)
    assert share == pytest.approx(0.75, abs=0.12)
    assert len(weather.set) == pytest.approx(100, abs=2)


def test_frames_of_another_lane_a_collision_or_no_lane_are_left_out(tmp_path: Path) -> None:
    session = FakeSession()
    lanes = iter(range(10**6))

    def sometimes(pose: Pose) -> LaneView | None:
        match next(lanes) % 3:
            case 0:
                return None
            case 1:
                return replace(a_lane(pose), offset_m=pose.y_m - 3.5)
        return a_lane(pose)

    session.lane = sometimes  # type: ignore[assignment]
    poses(tmp_path / "d", session, 10)
    assert session.tick >= 29
    assert all(abs(label.offset_m) < 1.5 for label in Dataset(tmp_path / "d").labels)


@pytest.mark.parametrize("why", ["collision", "off the road", "no expert"])
def test_a_map_that_gives_no_frames_is_an_error_and_no_endless_loop(
    tmp_path: Path, why: str
) -> None:
    session, teacher = FakeSession(), a_teacher()
    if why == "collision":
        session.events = (Event(EventKind.COLLISION, 0, "wall"),)
    elif why == "off the road":
        session.lane = lambda pose: None  # type: ignore[assignment, return-value]
    else:
        teacher = a_teacher(expert=lambda *_: None)
    with pytest.raises(SimulatorError, match="of no use"):
        poses(tmp_path / "d", session, 10, teacher)


def test_a_turn_in_a_junction_is_ambiguous_from_14_m_before_it() -> None:
    def turning(begin_m: int) -> LaneView:
        heading = np.clip((np.arange(50) - begin_m) / 8, 0, np.pi / 2)  # 8 m radius
        path = np.stack([np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading))], axis=1)
        return replace(a_lane(Pose()), path=path.astype(np.float32), turn_ahead="right")

    assert is_ambiguous(turning(5))
    assert is_ambiguous(turning(13))
    assert not is_ambiguous(turning(20))
    assert not is_ambiguous(replace(turning(5), turn_ahead=None))  # a bend, no junction
    assert is_ambiguous(replace(a_lane(Pose()), expert_must_steer=True))
    assert not is_ambiguous(a_lane(Pose()))


class FakePilot:
    """Drives at a set offset, so that the expert would steer."""

    def decide(self, observation: Observation) -> Decision:
        return Decision(Control(steering=0.5), "network", None)


def driving(folder: Path, session: FakeSession, frames: int) -> int:
    with DatasetWriter(folder, CONTRACT, CAR) as writer:
        return collect_driving(
            session,
            FakePilot(),
            writer,
            a_teacher(),
            map_name="curvy",
            look=0,
            frames=frames,
            recipe=DrivingRecipe(every=4),
            progress=False,
        )


def test_the_network_drives_and_every_fourth_frame_has_the_experts_label(tmp_path: Path) -> None:
    session = FakeSession()
    session.pose = Pose(y_m=0.5)
    assert driving(tmp_path / "d", session, 10) == 10
    assert {decision.control.steering for decision in session.sent} == {0.5}
    assert {decision.driver for decision in session.sent} == {"network"}
    dataset = Dataset(tmp_path / "d")
    assert pictures(dataset) == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    assert {label.steering for label in dataset.labels} == {-0.05}
    assert {label.source for label in dataset.labels} == {"driving"}
    assert session.tick == len(session.sent)


def test_a_standing_car_gives_no_frames(tmp_path: Path) -> None:
    session = FakeSession()
    session.speed = 0.0
    with pytest.raises(SimulatorError, match="standing"):
        driving(tmp_path / "d", session, 10)
