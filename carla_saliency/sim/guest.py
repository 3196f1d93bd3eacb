"""A stay in somebody else's world: their car is driven or looked at, and they tick."""

from __future__ import annotations

import logging
import math
import random
import time
from contextlib import suppress
from typing import Any

from carla_saliency.core import Contract, Control, Driver, Observation
from carla_saliency.errors import BadInputError, CarlaSaliencyError, SimulatorError
from carla_saliency.sim.connect import connect, listens, server_calls
from carla_saliency.sim.encounter import Encounter, Parts
from carla_saliency.sim.guest_rig import SNAPSHOT
from carla_saliency.sim.orders import Orders
from carla_saliency.sim.owner import Told, find_car
from carla_saliency.sim.plain import physics_of, weather_now
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.stay import Opened, Stay, not_open
from carla_saliency.sim.world import last_part

logger = logging.getLogger(__name__)

_WAKE_S = 0.05
_LOOK_AFTER_S = 1.0  # without a complete tick for so long, one looks what is the matter
_BRAKE = Control(brake=1.0)
_WAITING = "waiting for the owner's tick"


class SessionOverError(CarlaSaliencyError):
    """The car was somebody else's and is gone for good; nothing is wrong."""


class Guest(Stay):
    """Finds somebody else's car, and sees it tick by tick as its owner ticks.

    Never ticks, and changes neither settings nor weather. Of each tick all is of the same frame; a
    tick that is not complete when a newer one is, is dropped.

    If the car vanishes, or the owner loads another map, a new one of the same role name is waited
    for up to the time-out. While the owner does not tick, a car that is driven is given up after
    the time-out; one that is only looked at is waited for as long as the server is there.

    Args:
        settings: Where and how.
        contract: The camera's pose, size and field of view.
    """

    def __init__(self, settings: SessionSettings, contract: Contract) -> None:
        super().__init__(settings)
        self._contract = contract
        self._role = settings.guest_of or ""
        self._drives = settings.attach is not None
        seed = settings.seed
        self._seed = random.SystemRandom().randrange(2**31) if seed is None else seed
        self._met: Encounter | None = None
        self._frame_id = -1
        self._driver: Driver = "manual"  # whoever drives may drive where they like
        self._sent_s = 0.0
        self._version = ""

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far; 0 where it is only looked at."""
        return 0 if self._met is None else self._met.lines_crossed

    def open(self) -> Opened:
        """Find the car and return what is there at first.

        Raises:
            BadInputError: If there is no such car.
            SimulatorError: If the server fails.
        """
        settings = self._settings
        met, text, parts = self._meet()
        met.learn_road(parts)
        told: Told = parts[SNAPSHOT]
        with server_calls("asking for the map"):
            map_name = last_part(self._world.get_map().name)
        info = SessionInfo(
            host=settings.host,
            port=settings.port,
            server_version=self._version,
            client_version=self._client.get_client_version(),
            map_name=map_name,
            weather=None,
            spawn_index=-1,
            delta_s=told.snapshot.timestamp.delta_seconds,
            seed=self._seed,
            ego_id=met.ego.id,
            traffic_lights=self._count_lights(),
            semantic_trouble=met.semantic_trouble,
            guest_text=text,
            physics=physics_of(met.ego),
            weather_values=weather_now(self._world),
        )
        return met.car, info, met.observe(parts, self._driver, time.monotonic())

    def tick(self, orders: Orders) -> None:
        """Send the control if the car is driven; the owner ticks, so `newest` says what is seen.

        Raises:
            SimulatorError: If the server fails.
        """
        if self._met is None:
            raise not_open()
        self._sent_s = time.monotonic()
        if self._drives:
            self._met.send(orders.decision.control)
            self._driver = orders.decision.driver
        self._met.side.show(orders.view)

    def newest(self) -> Observation:
        """Return the newest complete tick that was not returned yet; wait for it if need be.

        Raises:
            SimulatorError: If the server fails, or nobody ticks for too long.
            SessionOverError: If the car is gone for good.
        """
        parts = self._next_tick()
        if self._met is None:
            raise not_open()
        return self._met.observe(parts, self._driver, self._sent_s)

    # -------------------------------------------------------------- arriving

    def _meet(self) -> tuple[Encounter, str, Parts]:
        """Find the car and listen to its sensors; return it, a line about it, its first tick."""
        ego = self._find()
        self._begin(_WAITING)
        self._met = met = Encounter(self._world, ego, self._contract, self._settings, self._seed)
        text = met.attach(self._is_wanted)
        self._frame_id = -1
        return met, text, self._next_tick()

    def _find(self) -> Any:
        timeout_s = self._settings.timeout_s
        self._begin(f"waiting for a car with the role name {self._role!r}")
        deadline_s = time.monotonic() + timeout_s
        while True:
            # A fresh client each time: an old one may not notice that another map was loaded.
            self._connect()
            until_s = min(deadline_s, time.monotonic() + _LOOK_AFTER_S)
            ego, roles = find_car(self._world, self._role, until_s, self._is_wanted)
            if ego is not None:
                return ego
            if time.monotonic() >= deadline_s:
                raise BadInputError(
                    f"No vehicle has the role name {self._role!r} after {timeout_s:g} s; "
                    f"there are: {', '.join(roles) or 'none'}. Start what spawns it, or give "
                    "another role name."
                )

    def _connect(self) -> None:
        settings = self._settings
        self._client, self._version = connect(
            settings.host, settings.port, settings.timeout_s, settings.any_version
        )
        with server_calls("connecting"):
            self._world = self._client.get_world()

    def _is_wanted(self) -> bool:
        return self.leave_by_s is None

    # -------------------------------------------------------------- ticks

    def _next_tick(self) -> Parts:
        """Return the parts of the newest complete tick after the last one."""
        self._begin(_WAITING)
        looked_s = self.began_s
        self.limit_s = self._settings.timeout_s if self._drives else math.inf
        while (met := self._met) is not None:
            parts = met.owner.latest.take(self._frame_id, _WAKE_S)
            if parts is not None and parts[SNAPSHOT].state is not None:
                self.limit_s = self._settings.timeout_s
                self._frame_id = parts[SNAPSHOT].frame
                return parts
            if not self._is_wanted():
                raise SimulatorError("The session was left before the owner's tick.")
            if met.owner.car_is_gone:
                return self._meet_again(met)
            if time.monotonic() - looked_s > _LOOK_AFTER_S:
                looked_s = time.monotonic()
                if self._must_meet_again(met):
                    return self._meet_again(met)
        raise not_open()

    def _must_meet_again(self, met: Encounter) -> bool:
        """Look what is the matter while nothing comes; return whether the car must be found anew.

        Raises:
            SimulatorError: If there is nothing to wait for any more.
        """
        settings, waited_s = self._settings, time.monotonic() - self.began_s
        if not listens(settings.host, settings.port):
            raise SimulatorError(
                f"The server at {settings.host}:{settings.port} is gone: nothing listens there "
                "any more. Start again when it is back."
            )
        ticks = met.owner.latest.newest(SNAPSHOT) > self._frame_id
        if ticks and met.cameras_are_gone:
            return True
        if waited_s > settings.timeout_s and (ticks or self._drives):
            raise SimulatorError(
                f"The owner ticks, but no camera picture came within {settings.timeout_s:g} s. "
                "Look whether the server still renders."
                if ticks
                else f"The owner of this world did not tick for {settings.timeout_s:g} s. "
                "Let it go on, or give a longer --timeout."
            )
        return not ticks and self._is_another_world(met)

    def _is_another_world(self, met: Encounter) -> bool:
        with server_calls("asking for the world"):
            return bool(self._client.get_world().id != met.world.id)

    def _meet_again(self, met: Encounter) -> Parts:
        """Find the car anew; return its first tick."""
        logger.info("The car %r is gone: waiting for another one.", self._role)
        self._met = None
        met.stop()
        with suppress(SimulatorError):
            self._destroy_ours(met)
        self.limit_s = self._settings.timeout_s
        try:
            _, text, parts = self._meet()
        except BadInputError:
            raise SessionOverError(
                f"The car {self._role!r} is gone, and no other one came within "
                f"{self._settings.timeout_s:g} s: the session is over."
            ) from None
        logger.info("%s", text)
        return parts

    # -------------------------------------------------------------- leaving

    def _stop(self) -> None:
        if self._met is not None:
            self._met.stop()

    def _has_changed_anything(self) -> bool:
        return self._met is not None and (self._drives or bool(self._met.spawned))

    def _put_back(self) -> str:
        if (met := self._met) is None:
            return ""
        if self._drives:
            with suppress(SimulatorError):  # gone; else the last control would hold for ever
                met.send(_BRAKE)
        count = len(met.spawned)
        self._destroy_ours(met)
        left = (
            f"left {self._role!r} where it is, braked" if self._drives else "changed nothing else"
        )
        return f"Destroyed the {count} sensors that were added; {left}."

    def _destroy_ours(self, met: Encounter) -> None:
        if not self._is_another_world(met):  # else they died with theirs, and ids may be reused
            self._destroy(met.spawned)
        met.spawned.clear()

    def _forget(self) -> None:
        self._met = None
