"""A stay in somebody else's world: their car is driven or looked at, and they tick."""

from __future__ import annotations

import logging
import math
import random
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from carla_saliency.core import Car, Contract, Control, Driver, Observation, Pose
from carla_saliency.errors import BadInputError, CarlaSaliencyError, SimulatorError
from carla_saliency.sim.connect import connect, listens, server_calls
from carla_saliency.sim.ego import read_car
from carla_saliency.sim.guest_rig import SNAPSHOT, GuestRig
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.latest import LatestTick
from carla_saliency.sim.orders import Orders
from carla_saliency.sim.owner import Owner, Told, find_car
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.stay import Opened, Stay, not_open
from carla_saliency.sim.ticker import to_vehicle_control
from carla_saliency.sim.views import SideCamera
from carla_saliency.sim.witness import Witness, observation_of
from carla_saliency.sim.world import last_part

logger = logging.getLogger(__name__)

_WAKE_S = 0.05
_LOOK_AFTER_S = 1.0  # without a complete tick for so long, one looks what is the matter
_VIEW_S = 0.05  # the side view is for people: nobody waits longer for it
_LEAST_COST_MS = 0.1
_JUMP_M = 10.0  # somebody put the car elsewhere, or many ticks were missed
_BRAKE = Control(brake=1.0)


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
        self._size_px = settings.camera or (contract.width_px, contract.height_px)
        self._role = settings.guest_of or ""
        self._drives = settings.attach is not None
        seed = settings.seed
        self._seed = random.SystemRandom().randrange(2**31) if seed is None else seed
        self._ego: Any = None
        self._owner: Owner | None = None
        self._rig: GuestRig | None = None
        self._side: SideCamera | None = None
        self._witness: Witness | None = None
        self._road: RoadSense | None = None
        self._pose: Pose | None = None
        self._frame_id = -1
        self._crossed = 0
        self._version = ""

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far; 0 where it is only looked at."""
        return self._crossed

    def open(self) -> Opened:
        """Find the car and return what is there at first.

        Raises:
            BadInputError: If there is no such car.
            SimulatorError: If the server fails.
        """
        settings = self._settings
        car, text, parts = self._meet()
        told: Told = parts[SNAPSHOT]
        with server_calls("asking for the map"):
            map_name = last_part(self._world.get_map().name)
            lights = len(self._world.get_actors().filter("traffic.traffic_light*"))
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
            ego_id=self._ego.id,
            traffic_lights=lights,
            semantic_trouble="" if self._rig is None else self._rig.semantic_trouble,
            guest_text=text,
        )
        return car, info, self._observe(parts, "manual", time.monotonic())

    def tick(self, orders: Orders) -> Observation:
        """Send the control if the car is driven, and return the newest tick that is complete.

        Raises:
            SimulatorError: If the server fails, or nobody ticks for too long.
            SessionOverError: If the car is gone for good.
        """
        if self._side is None:
            raise not_open()
        start_s = time.monotonic()
        if self._drives:
            self._send(orders.decision.control)
        self._side.show(orders.view)
        parts = self._next_tick()
        return self._observe(parts, orders.decision.driver if self._drives else "manual", start_s)

    # -------------------------------------------------------------- arriving

    def _meet(self) -> tuple[Car, str, dict[str, Any]]:
        """Find the car and all that belongs to it; return it, a line, and its first tick."""
        settings = self._settings
        self._begin(f"waiting for a car with the role name {self._role!r}")
        deadline_s = time.monotonic() + settings.timeout_s
        while True:
            # A fresh client each time: an old one may not notice that another map was loaded.
            self._connect()
            until_s = min(deadline_s, time.monotonic() + _LOOK_AFTER_S)
            self._ego, others = find_car(self._world, self._role, until_s, self._is_wanted)
            if self._ego is not None:
                break
            if time.monotonic() >= deadline_s:
                raise BadInputError(
                    f"No vehicle has the role name {self._role!r} after {settings.timeout_s:g} s; "
                    f"there are: {', '.join(others) or 'none'}. Start what spawns it, or give "
                    "another role name."
                )
        self._begin("waiting for the owner's tick")
        world, ego = self._world, self._ego
        with server_calls("reading the world's settings"):
            if world.get_settings().no_rendering_mode:
                raise SimulatorError(
                    "The owner of this world turned rendering off (no_rendering_mode): cameras "
                    "see nothing. Let the owner turn it on."
                )
        self._witness = Witness(world, ego.id, settings.lights == "obey")
        self._rig = GuestRig(
            world, ego, self._contract, self._size_px, settings.semantic, not self._drives
        )
        self._side = SideCamera(
            world, ego, self._size_px, self._spawned.append, self._spawned.remove
        )
        self._owner = owner = Owner(world, ego, LatestTick(*self._rig.parts))
        text = self._attach(self._rig, owner)
        self._frame_id, self._pose = -1, None
        parts = self._next_tick()
        car = read_car(ego)
        with server_calls("asking for the map"):
            carla_map = world.get_map()
        delta_s = parts[SNAPSHOT].snapshot.timestamp.delta_seconds
        self._road = RoadSense(carla_map, car, self._seed, delta_s, settings.junctions, "never")
        return car, text, parts

    def _connect(self) -> None:
        settings = self._settings
        self._begin(self.doing)
        self._client, self._version = connect(
            settings.host, settings.port, settings.timeout_s, settings.any_version
        )
        with server_calls("connecting"):
            self._world = self._client.get_world()

    def _attach(self, rig: GuestRig, owner: Owner) -> str:
        """Listen to the sensors; return the line about it."""
        who = f"{self._role!r} ({self._ego.type_id}, actor {self._ego.id})"
        if self._drives:
            rig.attach(owner.latest, self._spawned.append)
            return f"Drives somebody else's car {who}; its owner ticks the world."
        before_s = owner.pace_s(self._is_wanted, rig.has_all)
        rig.attach(owner.latest, self._spawned.append)
        if not rig.added:
            return f"Follows {who} through the owner's cameras: nothing is added to be rendered."
        after_s = None if before_s is None else owner.pace_s(self._is_wanted, lambda: False)
        width_px, height_px = self._size_px
        adds = f"Follows {who}: adds {' and '.join(rig.added)} of {width_px}x{height_px}"
        if before_s is None or after_s is None:
            return f"{adds} to the server; the cost was not measured: the owner does not tick."
        cost_ms = (after_s - before_s) * 1000.0
        if cost_ms < _LEAST_COST_MS:  # an owner who keeps to a pace has time to spare
            return f"{adds} to the server: ticks did not become longer by it, measured."
        return f"{adds} to the server: about {cost_ms:.1f} ms per tick, measured."

    def _is_wanted(self) -> bool:
        return self.leave_by_s is None

    # -------------------------------------------------------------- ticks

    def _send(self, control: Control) -> None:
        with server_calls("sending the control"):
            self._ego.apply_control(to_vehicle_control(control))

    def _next_tick(self) -> dict[str, Any]:
        """Return the parts of the newest complete tick after the last one."""
        self.began_s = looked_s = time.monotonic()
        self._begin("waiting for the owner's tick")
        self.limit_s = self._settings.timeout_s if self._drives else math.inf
        while True:
            if self._owner is None:
                raise not_open()
            parts = self._owner.latest.take(self._frame_id, _WAKE_S)
            if parts is not None and parts[SNAPSHOT].state is not None:
                self.limit_s = self._settings.timeout_s
                return parts
            self._begin_again_if_left()
            if self._owner.car_is_gone:
                return self._meet_again()
            if time.monotonic() - looked_s > _LOOK_AFTER_S:
                looked_s = time.monotonic()
                if self._must_meet_again(self._owner):
                    return self._meet_again()

    def _begin_again_if_left(self) -> None:
        if not self._is_wanted():
            raise SimulatorError("The session was left before the owner's tick.")

    def _must_meet_again(self, owner: Owner) -> bool:
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
        ticks = owner.latest.newest(SNAPSHOT) > self._frame_id
        if ticks and owner.cameras_are_gone(self._rig):
            return True
        if waited_s > settings.timeout_s and (ticks or self._drives):
            raise SimulatorError(
                f"The owner ticks, but no camera picture came within {settings.timeout_s:g} s. "
                "Look whether the server still renders."
                if ticks
                else f"The owner of this world did not tick for {settings.timeout_s:g} s. "
                "Let it go on, or give a longer --timeout."
            )
        return not ticks and self._is_another_world()

    def _is_another_world(self) -> bool:
        with server_calls("asking for the world"):
            return bool(self._client.get_world().id != self._world.id)

    def _meet_again(self) -> dict[str, Any]:
        """Find the car anew; return its first tick."""
        logger.info("The car %r is gone: waiting for another one.", self._role)
        self._stop()
        with suppress(SimulatorError):
            self._destroy_ours()
        self._spawned.clear()
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

    def _observe(self, parts: dict[str, Any], driver: Driver, start_s: float) -> Observation:
        told: Told = parts[SNAPSHOT]
        witness, rig, side, road = self._witness, self._rig, self._side, self._road
        if witness is None or rig is None or side is None or road is None:
            raise not_open()
        facts = witness.facts(told.snapshot, told.state, driver, told.red_light)
        last, self._pose = self._pose, facts.pose
        if last is not None and _distance_m(last, facts.pose) > _JUMP_M:
            road.place(facts.pose)
        self._frame_id = told.frame
        frame = rig.frame(told.frame, facts.sim_s, parts)
        view = side.take(told.frame, _VIEW_S)
        self._crossed += rig.lines_crossed(told.frame)
        verdict = road.observe(replace(facts, collided=rig.collided(told.frame)))
        applied = None if self._drives else told.control
        return observation_of(facts, frame, verdict, start_s, view, applied)

    # -------------------------------------------------------------- leaving

    def _stop(self) -> None:
        for part in (self._owner, self._rig, self._side):
            if part is not None:
                part.stop()

    def _has_changed_anything(self) -> bool:
        return bool(self._spawned) or (self._drives and self._ego is not None)

    def _put_back(self) -> str:
        if self._drives:
            with suppress(RuntimeError):  # gone; the last control would hold for ever
                self._ego.apply_control(to_vehicle_control(_BRAKE))
        count = len(self._spawned)
        self._destroy_ours()
        left = (
            f"left {self._role!r} where it is, braked" if self._drives else "changed nothing else"
        )
        return f"Destroyed the {count} sensors that were added; {left}."

    def _destroy_ours(self) -> None:
        if not self._is_another_world():  # else they died with theirs, and the ids are others' now
            self._destroy_spawned()

    def _forget(self) -> None:
        self._owner = self._rig = self._side = self._witness = self._road = self._ego = None


def _distance_m(a: Pose, b: Pose) -> float:
    return math.hypot(a.x_m - b.x_m, a.y_m - b.y_m)
