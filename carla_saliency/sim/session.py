"""The session with a CARLA server: the only thing that the rest of the program knows about it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Self

from carla_saliency.core import Car, Contract, Decision, Observation, Pose
from carla_saliency.sim.calls import CallThread, Waiting
from carla_saliency.sim.guest import Guest, SessionOverError
from carla_saliency.sim.lane_places import LanePlace
from carla_saliency.sim.orders import Orders
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.signals import SignalGuard
from carla_saliency.sim.simulation import Simulation
from carla_saliency.sim.stay import Stay, not_open
from carla_saliency.sim.views import FRONT, VIEWS
from carla_saliency.sim.world import weather_after

__all__ = ["CarlaSession", "SessionInfo", "SessionOverError", "SessionSettings", "Waiting"]

logger = logging.getLogger(__name__)

NOT_OURS = "the world is somebody else's: its weather, the car's place and autopilot are theirs"

_FREE_M = 8.0  # from a spawn point to the next car


class CarlaSession:
    """One ego vehicle on a CARLA server, driven tick by tick; a `core.Session`.

    Use it as a context manager. Entering connects, makes the world synchronous, spawns the car and
    its sensors, and ticks until the first picture; leaving, in whatever way, destroys what was
    spawned and puts the world back. All of it happens in one thread of its own. In between SIGTERM,
    if nobody handles it, raises SystemExit.

    With `attach` or `follow` the car and the world are somebody else's, who ticks: then nothing is
    changed but the car's control (`attach`), or nothing at all (`follow`).

    Args:
        settings: Where and how.
        contract: The camera's pose, size and field of view.
        on_wait: Called in the calling thread every 50 ms while it waits for the server.

    Attributes:
        car: What the ego vehicle is; from entering on.
        info: What the session became; from entering on.
    """

    car: Car
    info: SessionInfo

    def __init__(
        self,
        settings: SessionSettings,
        contract: Contract,
        on_wait: Callable[[Waiting], None] | None = None,
    ) -> None:
        self._settings = settings
        is_guest = settings.guest_of is not None
        self._stay: Stay = (Guest if is_guest else Simulation)(settings, contract)
        self._on_wait = on_wait
        self._calls: CallThread | None = None
        self._guard = SignalGuard()
        self._seen: Observation | None = None
        self._placed: tuple[Pose, float] | None = None
        self._spawn: int | None = None
        self._last_spawn: int | None = None
        self._put_back = False
        self._weather: str | Mapping[str, float] | None = None
        self._weather_name: str | None = None
        self._view = FRONT

    def __enter__(self) -> Self:
        if self._calls is not None:
            raise RuntimeError("a session can be entered only once")
        try:
            self._guard.install()
            self._guard.hold()
            self._calls = CallThread(last=self._stay.close)
            self._guard.deliver()
            self._calls.post(self._stay.open)
            self.car, self.info, self._seen = self._calls.wait(self._wake)
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(error)

    def start(self) -> Observation:
        """Return the latest observation: at first, what the ego vehicle sees before it moves.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._seen is None:
            raise not_open()
        return self._seen

    def send(self, decision: Decision) -> None:
        """Apply the control and begin one tick; returns at once.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._calls is None:
            raise not_open()
        self._guard.carry_on()
        orders = Orders(
            decision=decision,
            placed=self._placed,
            spawn=self._spawn,
            put_back=self._put_back,
            weather=self._weather,
            view=self._view,
        )
        self._placed = self._spawn = self._weather = None
        self._put_back = False
        self._calls.post(lambda: self._stay.tick(orders))

    def receive(self) -> Observation:
        """Return what is seen after that tick.

        Raises:
            SimulatorError: If the server doesn't answer in time, lost the picture of the tick, or
                the ego vehicle is gone.
            SessionOverError: If the ego vehicle was somebody else's and is gone for good.
        """
        if self._calls is None:
            raise not_open()
        seen: Observation | None = self._calls.wait(self._wake)
        if seen is None:  # somebody else ticks: what is newest now counts, not what was then
            self._calls.post(self._stay.newest)
            seen = self._calls.wait(self._wake)
        self._seen = seen
        return seen

    def place(self, pose: Pose, speed_mps: float = 0.0) -> None:
        """Put the car somewhere else before the next tick.

        Args:
            pose: Of the vehicle's origin.
            speed_mps: Along its heading.
        """
        self._placed, self._spawn = (pose, speed_mps), None

    def put_back_now(self) -> None:
        """Put the car back before the next tick, if an intervention left it where it was."""
        self._put_back = True

    def next_spawn_point(self) -> int | None:
        """Put the car, standing, at the next free spawn point before the next tick.

        Returns:
            Its index; None if none is free, or the car is not ours to place.
        """
        points, others = self._stay.spawn_points, self._stay.others_at_m
        last = self.info.spawn_index if self._last_spawn is None else self._last_spawn
        for step in range(1, len(points) + 1):
            index = (last + step) % len(points)
            at = points[index]
            if all(math.hypot(x - at.x_m, y - at.y_m) > _FREE_M for x, y in others):
                self._spawn = self._last_spawn = index
                self._placed = None
                return index
        return None

    def next_weather(self, by: int = 1) -> str | None:
        """Change to one of CARLA's weather presets before the next tick.

        Leaving puts the weather that was found back.

        Args:
            by: How many presets further, back if negative; in the order of the alphabet.

        Returns:
            Its name; None if the world is somebody else's.
        """
        if self.not_ours:
            return None
        before = self._stay.weather if self._weather_name is None else self._weather_name
        self._weather = self._weather_name = weather_after(before, by)
        return self._weather_name

    def next_view(self, by: int = 1) -> str:
        """Look at the car from somewhere else, from the next tick on: `Observation.view`.

        A camera of its own is there as long as the view isn't "front"; no network sees its picture.

        Args:
            by: How many views further, back if negative.

        Returns:
            One of `views.VIEWS`.
        """
        self._view = VIEWS[(VIEWS.index(self._view) + by) % len(VIEWS)]
        return self._view

    def change_weather(self, values: Mapping[str, float]) -> None:
        """Change the weather before the next tick; leaving puts the one that was found back.

        Args:
            values: What differs from CARLA's preset ClearNoon, by CARLA's names.
        """
        self._weather, self._weather_name = values, ""

    def places(self, spacing_m: float) -> list[LanePlace]:
        """Return places on every driving lane of the map; not between `send` and `receive`.

        Args:
            spacing_m: Along each lane.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._calls is None:
            raise not_open()
        self._calls.post(lambda: self._stay.places(spacing_m))
        places: list[LanePlace] = self._calls.wait(self._wake)
        return places

    @property
    def guest(self) -> Literal["", "attach", "follow"]:
        """Whether the car is somebody else's, and what we do with it."""
        if self._settings.guest_of is None:
            return ""
        return "follow" if self._settings.attach is None else "attach"

    @property
    def not_ours(self) -> str:
        """Why weather, place and autopilot are left alone, one line; "" where they are ours."""
        return NOT_OURS if self.guest else ""

    @property
    def autopilot_trouble(self) -> str:
        """Why CARLA's autopilot can't drive, one line; "" as long as it can.

        A decision for the autopilot is then carried out with the decision's own control.
        """
        return self.not_ours or self._stay.autopilot_trouble

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far."""
        return self._stay.lines_crossed

    @property
    def restored(self) -> str:
        """One line about what was put back on the server; empty until the session was left."""
        return self._stay.restored

    def _wake(self, waited_s: float) -> None:
        if self._on_wait is not None:
            server = f"{self._settings.host}:{self._settings.port}"
            stay = self._stay
            waited_s = min(waited_s, time.monotonic() - stay.began_s)
            self._on_wait(Waiting(stay.doing, server, waited_s, stay.limit_s))

    def _leave(self, error: BaseException | None) -> None:
        """Put everything back, and let neither a signal nor a second error come between."""
        self._guard.hold()
        calls, self._calls = self._calls, None
        fault = woken = None
        if calls is not None:
            self._stay.leave_by_s = time.monotonic() + self._settings.timeout_s
            fault, woken = calls.leave(self._wake)
        self._guard.remove()
        if error is None:
            self._guard.deliver()
            if (late := fault or woken) is not None:
                raise late
        elif fault is not None:  # whoever leaves because of an error must see that one
            logger.error("Leaving the server failed, too.", exc_info=fault)
