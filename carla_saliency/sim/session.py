"""The session with a CARLA server: the only thing that the rest of the program knows about it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from carla_saliency.core import Car, Contract, Decision, Observation, Pose
from carla_saliency.errors import SimulatorError
from carla_saliency.sim.calls import CallThread, Waiting
from carla_saliency.sim.lane_places import LanePlace
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.signals import SignalGuard
from carla_saliency.sim.simulation import Simulation

__all__ = ["CarlaSession", "SessionInfo", "SessionSettings", "Waiting"]

logger = logging.getLogger(__name__)


class CarlaSession:
    """One ego vehicle on a CARLA server, driven tick by tick; a `core.Session`.

    Use it as a context manager. Entering connects, makes the world synchronous, spawns the car and
    its sensors, and ticks until the first picture; leaving, in whatever way, destroys what was
    spawned and puts the world back. All of it happens in one thread of its own. In between SIGTERM,
    if nobody handles it, raises SystemExit.

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
        self._simulation = Simulation(settings, contract)
        self._on_wait = on_wait
        self._calls: CallThread | None = None
        self._guard = SignalGuard()
        self._seen: Observation | None = None
        self._placed: tuple[Pose, float] | None = None
        self._weather: Mapping[str, float] | None = None

    def __enter__(self) -> Self:
        if self._calls is not None:
            raise RuntimeError("a session can be entered only once")
        try:
            self._guard.install()
            self._guard.hold()
            self._calls = CallThread(last=self._simulation.close)
            self._guard.deliver()
            self._calls.post(self._simulation.open)
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
            raise _not_open()
        return self._seen

    def send(self, decision: Decision) -> None:
        """Apply the control and begin one tick; returns at once.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._calls is None:
            raise _not_open()
        self._guard.carry_on()
        placed, self._placed = self._placed, None
        weather, self._weather = self._weather, None
        self._calls.post(lambda: self._simulation.tick(decision, placed, weather))

    def receive(self) -> Observation:
        """Return what is seen after that tick.

        Raises:
            SimulatorError: If the server doesn't answer in time, lost the picture of the tick, or
                the ego vehicle is gone.
        """
        if self._calls is None:
            raise _not_open()
        self._seen = self._calls.wait(self._wake)
        return self._seen

    def place(self, pose: Pose, speed_mps: float = 0.0) -> None:
        """Put the car somewhere else before the next tick.

        Args:
            pose: Of the vehicle's origin.
            speed_mps: Along its heading.
        """
        self._placed = pose, speed_mps

    def change_weather(self, values: Mapping[str, float]) -> None:
        """Change the weather before the next tick; leaving puts the one that was found back.

        Args:
            values: What differs from CARLA's preset ClearNoon, by CARLA's names.
        """
        self._weather = values

    def places(self, spacing_m: float) -> list[LanePlace]:
        """Return places on every driving lane of the map; not between `send` and `receive`.

        Args:
            spacing_m: Along each lane.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._calls is None:
            raise _not_open()
        self._calls.post(lambda: self._simulation.places(spacing_m))
        places: list[LanePlace] = self._calls.wait(self._wake)
        return places

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far."""
        return self._simulation.lines_crossed

    @property
    def restored(self) -> str:
        """One line about what was put back on the server; empty until the session was left."""
        return self._simulation.restored

    def _wake(self, waited_s: float) -> None:
        if self._on_wait is not None:
            server = f"{self._settings.host}:{self._settings.port}"
            simulation = self._simulation
            waited_s = min(waited_s, time.monotonic() - simulation.began_s)
            self._on_wait(Waiting(simulation.doing, server, waited_s, simulation.limit_s))

    def _leave(self, error: BaseException | None) -> None:
        """Put everything back, and let neither a signal nor a second error come between."""
        self._guard.hold()
        calls, self._calls = self._calls, None
        fault = None
        if calls is not None:
            self._simulation.leave_by_s = time.monotonic() + self._settings.timeout_s
            fault = calls.leave()
        self._guard.remove()
        if error is None:
            self._guard.deliver()
            if fault is not None:
                raise fault
        elif fault is not None:  # whoever leaves because of an error must see that one
            logger.error("Leaving the server failed, too.", exc_info=fault)


def _not_open() -> SimulatorError:
    return SimulatorError("The session is not open: use it in a `with` block.")
