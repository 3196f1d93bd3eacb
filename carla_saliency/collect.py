"""Collects labelled frames through a session: at independent poses, or while a network drives.

The label of a frame is always what the expert would steer from the very pose that the frame shows,
at the speed that the road allows there: a network that isn't told its speed needs one answer per
picture.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from carla_saliency.core import (
    Car,
    Control,
    Decision,
    EventKind,
    LaneView,
    Observation,
    Pilot,
    Pose,
    Session,
)
from carla_saliency.data.dataset import DatasetWriter
from carla_saliency.data.labels import Label, place_of
from carla_saliency.data.poses import Place, PoseDrawer, PoseRecipe
from carla_saliency.errors import SimulatorError

TURN_SEEN_POINTS = 18  # path points, 1 m apart: a turn that begins within 14 m shows by then
TURN_SEEN_DEG = 10.0
SPEED_POINTS = 6  # of the path: what the speed is chosen for
OTHER_LANE_M = 0.6  # further than this from the lane that was meant: another lane was matched
LOST_M = 2.0  # a driving car further from its lane's centre gives no frames
PATIENCE = 500  # frames in a row that may be of no use

ExpertSteering = Callable[[Pose, float, LaneView, Car], float | None]
SpeedAt = Callable[[float], float]
SetWeather = Callable[[np.random.Generator | None], str]


def curve_speed(set_speed_mps: float, sideways_mps2: float) -> SpeedAt:
    """Return the speed for a curvature: the set one, or what keeps the sideways acceleration."""

    def speed_at(curvature: float) -> float:
        return min(set_speed_mps, math.sqrt(sideways_mps2 / max(abs(curvature), 1e-6)))

    return speed_at


class PlacingSession(Session, Protocol):
    """A session whose car can be put anywhere."""

    def place(self, pose: Pose, speed_mps: float) -> None:
        """Put the car somewhere else before the next tick."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """What labels are made of, handed in.

    Attributes:
        car: The ego vehicle.
        expert: The network's target in [-1, 1] from (pose, speed in m/s, lane, car); None where
            it has none.
        speed_at: Speed in m/s that the speed control would choose for a curvature in 1/m.
        set_weather: Sets a random weather drawn from a generator, or clear weather for None;
            returns its name.
    """

    car: Car
    expert: ExpertSteering
    speed_at: SpeedAt
    set_weather: SetWeather


@dataclass(frozen=True, kw_only=True)
class DrivingRecipe:
    """How frames are taken while a network drives.

    Attributes:
        every: Ticks between frames.
        weather_share: Share of the weathers that are random.
        weather_ticks: Ticks for which a weather stays.
        least_speed_mps: A slower car gives no frames: they would all be the same.
    """

    every: int = 4
    weather_share: float = 0.75
    weather_ticks: int = 100
    least_speed_mps: float = 1.0


def collect_poses(
    session: PlacingSession,
    places: Sequence[Place],
    writer: DatasetWriter,
    teacher: Teacher,
    *,
    map_name: str,
    look: int,
    frames: int,
    seed: int = 0,
    recipe: PoseRecipe | None = None,
    progress: bool = True,
) -> int:
    """Collect frames at independent poses around the lanes, until there are enough.

    Args:
        session: Open; its car is put about.
        places: On the map's lanes.
        writer: Receives the frames; those of this map and look that it already has count.
        teacher: Labels them.
        map_name: For the labels.
        look: Seed of the map's appearance, for the labels.
        frames: Of this map and look, in all.
        seed: Of poses and weather.
        recipe: How poses are spread.
        progress: Show a bar.

    Returns:
        How many frames were added.

    Raises:
        SimulatorError: If hardly any pose gives a frame.
        ValueError: If there is no place.
    """
    recipe = recipe or PoseRecipe()
    have = writer.count(map_name, look, "poses")
    rng = _rng(seed, map_name, look, have)
    draw = PoseDrawer(places, recipe, rng)
    weather = _Weather(teacher, recipe.weather_share, recipe.weather_frames, rng)
    if have >= frames:
        return 0
    added, useless = 0, 0
    with (
        _bar(f"{map_name} {look}", frames, have, progress) as advance,
        closing(_look_around(session, draw, weather, teacher)) as pictures,
    ):
        for asked, seen in pictures:
            label = _label_pose(asked, seen, teacher, map_name, look)
            if label is None:
                useless = _one_more(useless, map_name)
                continue
            writer.add(seen.frame.image, label)
            added, useless = added + 1, 0
            advance()
            if have + added == frames:
                break
    return added


def collect_driving(
    session: Session,
    pilot: Pilot,
    writer: DatasetWriter,
    teacher: Teacher,
    *,
    map_name: str,
    look: int,
    frames: int,
    seed: int = 0,
    recipe: DrivingRecipe | None = None,
    progress: bool = True,
) -> int:
    """Collect frames where a network brings itself, labelled by the expert.

    This is DAgger: Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured
    Prediction to No-Regret Online Learning", 2011.

    Args:
        session: Open; it puts the car back after an intervention.
        pilot: Drives; the network steers, something else holds the speed.
        writer: Receives the frames; those of this map and look that it already has count.
        teacher: Labels them.
        map_name: For the labels.
        look: Seed of the map's appearance, for the labels.
        frames: Of this map and look, in all.
        seed: Of the weather.
        recipe: Which frames.
        progress: Show a bar.

    Returns:
        How many frames were added.

    Raises:
        SimulatorError: If the car hardly moves.
    """
    recipe = recipe or DrivingRecipe()
    have = writer.count(map_name, look, "driving")
    rng = _rng(seed, map_name, look, have)
    weather = _Weather(teacher, recipe.weather_share, recipe.weather_ticks, rng)
    added, useless, tick = 0, 0, 0
    name = weather.next()
    observation = session.start()
    with _bar(f"{map_name} {look} driving", frames, have, progress) as advance:
        while have + added < frames:
            session.send(pilot.decide(observation))
            if tick % recipe.every == 0:
                label = _label_driving(observation, teacher, recipe, map_name, look, name)
                if label is None:
                    useless = _one_more(useless, map_name)
                else:
                    writer.add(observation.frame.image, label)
                    added, useless = added + 1, 0
                    advance()
            observation = session.receive()
            name = weather.next()
            tick += 1
    return added


def is_ambiguous(lane: LaneView) -> bool:
    """Say whether a picture can't show where to go: in, or 14 m before, a junction's turn."""
    if lane.expert_must_steer:
        return True
    if lane.turn_ahead is None or len(lane.path) < 3:
        return False
    steps = np.diff(lane.path[:TURN_SEEN_POINTS], axis=0)
    headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    return bool(np.degrees(abs(headings - headings[0]).max()) > TURN_SEEN_DEG)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a frame was asked for."""

    offset_m: float
    weather: str


class _Weather:
    """Changes the weather every so often."""

    def __init__(
        self, teacher: Teacher, share: float, lasts: int, rng: np.random.Generator
    ) -> None:
        self._set, self._share, self._lasts, self._rng = teacher.set_weather, share, lasts, rng
        self._calls, self._name = 0, ""

    def next(self) -> str:
        """Return the name of the weather from the next tick on."""
        if self._calls % self._lasts == 0:
            is_random = self._rng.random() < self._share
            self._name = self._set(self._rng if is_random else None)
        self._calls += 1
        return self._name


def _look_around(
    session: PlacingSession, draw: PoseDrawer, weather: _Weather, teacher: Teacher
) -> Generator[tuple[_Asked, Observation], None, None]:
    """Yield what is seen at one pose after the other, while the server works on the next one."""
    last: tuple[_Asked, Observation] | None = None
    while True:
        place, pose, offset_m = draw()
        asked = _Asked(offset_m, weather.next())
        session.place(pose, teacher.speed_at(place.curvature))
        session.send(Decision(Control(), "expert", None))
        try:
            if last is not None:
                yield last
        finally:  # whoever stops here must not leave an answer behind in the session
            seen = session.receive()
        last = asked, seen


def _label_pose(
    asked: _Asked, seen: Observation, teacher: Teacher, map_name: str, look: int
) -> Label | None:
    """Return the label, or None if the frame shows something else than what was asked for."""
    lane = seen.lane
    if lane is None or any(event.kind is EventKind.COLLISION for event in seen.events):
        return None
    if not lane.in_junction and abs(lane.offset_m - asked.offset_m) > OTHER_LANE_M:
        return None
    return _label(seen, lane, teacher, map_name, look, asked.weather, "poses")


def _label_driving(
    seen: Observation,
    teacher: Teacher,
    recipe: DrivingRecipe,
    map_name: str,
    look: int,
    weather: str,
) -> Label | None:
    lane = seen.lane
    if lane is None or abs(lane.offset_m) > LOST_M or seen.speed_mps < recipe.least_speed_mps:
        return None
    return _label(seen, lane, teacher, map_name, look, weather, "driving")


def _label(
    seen: Observation,
    lane: LaneView,
    teacher: Teacher,
    map_name: str,
    look: int,
    weather: str,
    source: str,
) -> Label | None:
    ahead = np.abs(lane.path_curvature[:SPEED_POINTS])
    speed_mps = teacher.speed_at(float(ahead.max(initial=0.0)))
    steering = teacher.expert(seen.pose, speed_mps, lane, teacher.car)
    if steering is None:
        return None
    return Label(
        steering=float(np.clip(steering, -1, 1)),
        speed_mps=speed_mps,
        curvature=float(lane.path_curvature[0]) if len(lane.path_curvature) else 0.0,
        offset_m=lane.offset_m,
        heading_error_deg=lane.heading_error_deg,
        in_junction=lane.in_junction,
        ambiguous=is_ambiguous(lane),
        map_name=map_name,
        look=look,
        weather=weather,
        place=place_of(map_name, seen.pose),
        source=source,
    )


def _one_more(useless: int, map_name: str) -> int:
    if useless + 1 >= PATIENCE:
        raise SimulatorError(
            f"{PATIENCE} pictures in a row on {map_name} were of no use (off the road, on another "
            "lane or standing): look at the map in `drive`"
        )
    return useless + 1


def _rng(seed: int, map_name: str, look: int, have: int) -> np.random.Generator:
    """A continued run must not repeat the poses that it already has."""
    return np.random.default_rng((seed, zlib.crc32(map_name.encode()), look, have))


@contextmanager
def _bar(text: str, total: int, done: int, show: bool) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), disable=not show, transient=True) as progress:
        task = progress.add_task(text, total=total, completed=done)
        yield lambda: progress.advance(task)
