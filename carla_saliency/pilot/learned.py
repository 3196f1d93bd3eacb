"""The network steers; the expert steers where a picture can't say where to go; a person may."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

from carla_saliency.core import (
    DEAD_END_M,
    Autopilot,
    Car,
    ChangeMethod,
    Contract,
    Control,
    Decision,
    Driver,
    Explainer,
    Explanation,
    Frame,
    HandOver,
    LaneView,
    Manual,
    Observation,
    Request,
    Shadow,
    SwapDrivers,
)
from carla_saliency.errors import BadInputError
from carla_saliency.pilot.expert import OFF_ROAD, expert_steering
from carla_saliency.pilot.explaining import Explaining, Look
from carla_saliency.pilot.seat import Seat
from carla_saliency.pilot.speed import SpeedControl

TURN = "turn ahead: the expert steers"
ROAD_END = "the road ends here"

REMEMBERED_FRAMES = 1000


class LearnedPilot:
    """Steers by a network, and explains every frame, whoever steers.

    Args:
        explainers: The saliency methods by name, in the order that a key walks through them.
        explaining: Asks them; by default each frame in its tick.
        car: The live one.
        contract: Of the network; None if nobody knows what it learned on: then its output is sent
            as it is, as steering.
        speed: Works the pedals.
        method: Name of the first method; the first of `explainers` if not given.
        driver: Who begins.
        throttle: The network's own throttle for a frame, in [-1, 1], negative brakes; None = the
            speed control works the pedals.
        compared: Makes of an explanation and (network - expert) one of their difference; None
            leaves it as it is.
        clock: Seconds; for the milliseconds that are reported.
        title: The network's name, for the window.
        shadow: A second network, which `explaining` asks beside the first; or "expert".

    Attributes:
        masking: Makes of a frame the one that the network is given; None = it sees all.

    Raises:
        BadInputError: If there is no such method.
    """

    def __init__(
        self,
        explainers: Mapping[str, Explainer],
        car: Car,
        contract: Contract | None,
        speed: SpeedControl,
        method: str | None = None,
        driver: Driver = "network",
        clock: Callable[[], float] = time.perf_counter,
        explaining: Explaining | None = None,
        throttle: Callable[[Frame], float] | None = None,
        compared: Callable[[Explanation, float], Explanation] | None = None,
        title: str = "",
        shadow: Seat | Literal["expert"] | None = None,
    ) -> None:
        self._seats = [Seat(title, explainers, car, contract)]
        self._shadow = shadow
        if isinstance(shadow, Seat):
            self._seats.append(shadow)
        self._at = 0  # which of them drives
        self._explaining = explaining or Explaining(
            explainers, beside=shadow.explainers if isinstance(shadow, Seat) else None
        )
        self.masking: Callable[[Frame], Frame] | None = None
        self._throttle, self._compared = throttle, compared
        self._differences: dict[int, float] = {}  # frame -> network - expert, of the last frames
        self._methods = list(explainers)
        method = method or self._methods[0]
        if method not in explainers:
            raise BadInputError(f"--method must be one of {', '.join(explainers)}; got {method!r}")
        self._method = method
        self._car = car
        self._speed = speed
        self._driver: Driver = driver
        self._driver_before: Driver = "network"
        self._by_hand = Control()
        self._clock = clock

    @property
    def method(self) -> str:
        """Name of the saliency method in use."""
        return self._method

    @property
    def driver(self) -> Driver:
        """Who is meant to drive; in turning junctions the expert steers for the network."""
        return self._driver

    @property
    def seat(self) -> Seat:
        """The network that drives, or would."""
        return self._seats[self._at]

    @property
    def letter(self) -> Literal["A", "B"]:
        """Of the network that drives, or would: "A" is the one that did at the start."""
        return "B" if self._at else "A"

    def handle(self, request: Request) -> bool:
        """Do what a window asks, if it is the pilot's to do.

        Returns:
            Whether it was.
        """
        match request:
            case HandOver():
                self._hand_over()
            case Autopilot():
                self._driver = "network" if self._driver == "autopilot" else "autopilot"
            case SwapDrivers():
                self._swap()
            case Manual(control):
                if self._driver != "manual":
                    self._driver_before = self._driver
                self._driver, self._by_hand = "manual", control
            case ChangeMethod(by):
                self._change_method(by)
            case _:
                return False
        return True

    def decide(self, observation: Observation) -> Decision:
        """Return the control, the network's steering for this frame, and what moved it.

        Raises:
            BadInputError: If the network gives NaN.
        """
        begin_s = self._clock()
        frame = observation.frame
        masked = None if self.masking is None else self.masking(frame)
        look = self._explaining.look(self._method, masked or frame)
        network_ms = (self._clock() - begin_s) * 1000.0
        lane, speed_mps = observation.lane, observation.speed_mps
        expert = expert_steering(observation.pose, speed_mps, lane, self._car)
        network = self.seat.command(look.steering)
        driver, notice = self._who(lane)
        if driver == "manual":  # the speed control must not learn from somebody else's pedals
            control = self._by_hand
        elif driver in ("autopilot", "owner") and observation.applied is not None:
            control = observation.applied
        else:
            steering = expert if driver == "expert" else network
            throttle, brake = self._pedals(observation, masked or frame, driver)
            control = Control(steering or 0.0, throttle, brake)
        return Decision(
            control=control,
            driver=driver,
            explanation=self._compare(frame, look, network, expert),
            expert_steering=expert,
            network_steering=network,
            timing_ms={"network": network_ms},
            notice=notice,
            explained=look.explained,
            every=look.every,
            shadow=self._shadow_of(look, expert),
            masked=masked,
        )

    def _shadow_of(self, look: Look, expert: float | None) -> Shadow | None:
        if self._shadow == "expert":
            return Shadow(title="expert", command=expert)
        if look.beside is None:
            return None
        other = self._seats[1 - self._at]
        return Shadow(
            letter="A" if self._at else "B",
            title=other.title,
            command=other.command(look.beside.steering),
            explanation=look.beside.explanation,
        )

    def _swap(self) -> None:
        """Let the shadow drive."""
        if self._shadow == "expert":
            self._driver = "network" if self._driver == "expert" else "expert"
        elif len(self._seats) > 1:
            self._at = 1 - self._at
            self._explaining.swap()
            try:
                self.seat.explainers[self._method]
            except BadInputError:  # what the one can be asked, the other perhaps can't
                self._change_method(1)

    def _pedals(
        self, observation: Observation, frame: Frame, driver: Driver
    ) -> tuple[float, float]:
        """Return throttle and brake: the speed control's, or the first network's own."""
        speed_mps = observation.speed_mps
        pedals = self._speed.pedals(speed_mps, observation.lane, frame.sim_s)
        if self._throttle is None or driver != "network" or self.letter != "A":
            return pedals.throttle, pedals.brake
        asked = self._throttle(frame)
        return min(max(asked, 0.0), 1.0), min(max(-asked, 0.0), 1.0)

    def _compare(
        self, frame: Frame, look: Look, network: float, expert: float | None
    ) -> Explanation | None:
        """Return the explanation of the difference to the expert, if that is what is wanted."""
        if self._compared is None or look.explanation is None:
            return look.explanation
        self._differences[frame.frame_id] = 0.0 if expert is None else network - expert
        while len(self._differences) > REMEMBERED_FRAMES:
            del self._differences[next(iter(self._differences))]
        difference = self._differences.get(look.explanation.frame_id, 0.0)
        return self._compared(look.explanation, difference)

    def _change_method(self, by: int) -> None:
        """Go on to the next method that can explain this network."""
        at = self._methods.index(self._method)
        for _ in self._methods:
            at = (at + by) % len(self._methods)
            with suppress(BadInputError):  # it needs layers or a gradient that are not there
                self.seat.explainers[self._methods[at]]
                self._method = self._methods[at]
                return

    def _hand_over(self) -> None:
        match self._driver:
            case "manual":
                self._driver = self._driver_before
            case "network":
                self._driver = "expert"
            case "expert" | "autopilot":
                self._driver = "network"

    def _who(self, lane: LaneView | None) -> tuple[Driver, str]:
        if self._driver in ("manual", "autopilot", "owner"):
            return self._driver, ""
        if lane is None:
            return self._driver, OFF_ROAD
        if self._driver == "network" and lane.expert_must_steer:
            return "expert", TURN
        return self._driver, ROAD_END if len(lane.path) < DEAD_END_M else ""
