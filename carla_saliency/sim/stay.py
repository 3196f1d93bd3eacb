"""A stay at a CARLA server, as the thread that waits for it may know it."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from typing import Any

import carla

from carla_saliency.core import Car, Observation, Pose
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.connect import probe, server_calls
from carla_saliency.sim.lane_places import LanePlace, spread_lane_poses
from carla_saliency.sim.orders import Orders
from carla_saliency.sim.settings import SessionInfo, SessionSettings

logger = logging.getLogger(__name__)

LAST_WORD_S = 0.5  # what a server gets at least to answer when we leave

Opened = tuple[Car, SessionInfo, Observation]


class Stay(ABC):
    """What every stay is like, whoever ticks the world.

    Every method runs in the same thread. The attributes below may be read by another one.

    Args:
        settings: Where and how.

    Attributes:
        doing: What the server, or whoever ticks it, is waited for just now.
        began_s: Since when, on the monotonic clock; ticks are not counted one by one.
        limit_s: When it counts as lost; infinite where there is no such limit.
        leave_by_s: When leaving must end, on the monotonic clock; set by whoever wants to leave.
        restored: One line about what was put back, after `close`.
        weather: The preset that the world had on arrival, or that was set; "" for any other.
        spawn_points: Of the map, in the map's order; none where the car is not ours to place.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._client: Any = None
        self._world: Any = None
        self.doing = "connecting"
        self.began_s = time.monotonic()
        self.limit_s = settings.timeout_s
        self.leave_by_s: float | None = None
        self.restored = ""
        self.weather = ""
        self.spawn_points: tuple[Pose, ...] = ()

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far."""
        return 0

    @property
    def others_at_m(self) -> tuple[tuple[float, float], ...]:
        """(x, y) of all other vehicles and walkers."""
        return ()

    @property
    def autopilot_trouble(self) -> str:
        """Why CARLA's autopilot can't drive, one line; "" as long as it can."""
        return ""

    @abstractmethod
    def open(self) -> Opened:
        """Do all that comes before the first decision; return what is there then.

        Raises:
            BadInputError: If a setting can't be fulfilled.
            SimulatorError: If the server fails.
        """

    @abstractmethod
    def tick(self, orders: Orders) -> Observation | None:
        """Do what is ordered, let one tick pass, and return what is seen then.

        Returns:
            None where somebody else ticks: `newest` says what is seen, when it is wanted.

        Raises:
            SimulatorError: If the server fails, or the car is gone.
        """

    def newest(self) -> Observation:
        """Return the newest tick of somebody else that was not returned yet.

        Raises:
            SimulatorError: If the server fails, or nobody else ticks.
        """
        raise not_open()

    def places(self, spacing_m: float) -> list[LanePlace]:
        """Return places on every driving lane of the map, this far apart.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._world is None:
            raise not_open()
        with server_calls("asking for the map"):
            carla_map = self._world.get_map()
        return spread_lane_poses(carla_map, spacing_m)

    def close(self) -> None:
        """Stop and destroy what is ours and put the world back, if the server still answers.

        Never raises for a server that doesn't: that would hide why we leave.
        """
        self.doing, self.began_s = "putting the server back", time.monotonic()
        leave_by_s = self.leave_by_s or time.monotonic() + self._settings.timeout_s
        try:
            self._stop()  # before anything else: callbacks must not outlive the interpreter
            if self._has_changed_anything():
                self._require_answer(leave_by_s)
                self.restored = self._put_back()
                logger.info("%s", self.restored)
        except SimulatorError as error:
            self.restored = f"The server could not be put back as it was: {error}"
            logger.info("%s", self.restored)
        finally:
            # The library's objects die here, in the thread that used them.
            self._forget()
            self._world = self._client = None

    @abstractmethod
    def _stop(self) -> None:
        """End all callbacks; nothing is asked of the server."""

    @abstractmethod
    def _has_changed_anything(self) -> bool:
        """Return whether there is something to put back."""

    @abstractmethod
    def _put_back(self) -> str:
        """Put everything back on a server that answers; return one line that says so."""

    @abstractmethod
    def _forget(self) -> None:
        """Let go of all that belongs to the library."""

    def _begin(self, what: str) -> None:
        """Say what comes next; stop here if nobody waits for it any more."""
        if self.leave_by_s is not None:
            raise SimulatorError(f"The session was left before {what}.")
        self.doing, self.began_s = what, time.monotonic()

    def _require_answer(self, leave_by_s: float) -> None:
        def left_s() -> float:
            return max(leave_by_s - time.monotonic(), LAST_WORD_S)

        try:  # without the library, which would wait for each call to a dead or stopped server
            probe(self._settings.host, self._settings.port, left_s())
        except BadInputError:
            raise SimulatorError("it does not answer any more.") from None
        self._client.set_timeout(left_s())

    def _count_lights(self) -> int:
        with server_calls("asking for the traffic lights"):
            return len(self._world.get_actors().filter("traffic.traffic_light*"))

    def _destroy(self, spawned: list[int]) -> None:
        with server_calls("destroying what was spawned"):
            # Sensors first. A batch is silent about what somebody else destroyed already.
            destroy = [carla.command.DestroyActor(actor) for actor in reversed(spawned)]
            self._client.apply_batch_sync(destroy, False)


def not_open() -> SimulatorError:
    """Return the error of a session that is used too early or too late."""
    return SimulatorError("The session is not open: use it in a `with` block.")
