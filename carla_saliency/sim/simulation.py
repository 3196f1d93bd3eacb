"""Arriving at a CARLA server and leaving it as it was; only one thread touches this."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from typing import Any

import carla

from carla_saliency.core import Car, Contract, Decision, Observation, Pose
from carla_saliency.errors import BadInputError, SimulatorError
from carla_saliency.sim.connect import connect, probe, server_calls
from carla_saliency.sim.ego import choose_blueprint, read_car, spawn
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.lane_places import LanePlace, spread_lane_poses
from carla_saliency.sim.sensors import SensorRig
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.ticker import Ticker
from carla_saliency.sim.world import (
    LOADING_S,
    FoundWorld,
    choose_map,
    last_part,
    opendrive_of,
    weather_named,
    weather_of,
)

logger = logging.getLogger(__name__)

_LAST_WORD_S = 0.5  # what a server gets at least to answer when we leave


class Simulation:
    """Connects, spawns, ticks, and puts everything back.

    Every method runs in the same thread. The attributes below may be read by another one.

    Args:
        settings: Where and how.
        contract: The camera's pose, size and field of view.

    Attributes:
        doing: What the server is waited for just now.
        began_s: Since when, on the monotonic clock; ticks are not counted one by one.
        limit_s: When it counts as lost.
        leave_by_s: When leaving must end, on the monotonic clock; set by whoever wants to leave.
        restored: One line about what was put back, after `close`.
    """

    def __init__(self, settings: SessionSettings, contract: Contract) -> None:
        self._settings = settings
        self._contract = contract
        self._client: Any = None
        self._world: Any = None
        self._found: FoundWorld | None = None
        self._spawned: list[int] = []
        self._rig: SensorRig | None = None
        self._ticker: Ticker | None = None
        self._road: RoadSense | None = None
        self.doing = "connecting"
        self.began_s = time.monotonic()
        self.limit_s = settings.timeout_s
        self.leave_by_s: float | None = None
        self.restored = ""

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far."""
        return 0 if self._ticker is None else self._ticker.lines_crossed

    def open(self) -> tuple[Car, SessionInfo, Observation]:
        """Do all that comes before the first decision; return what is there then.

        Raises:
            BadInputError: If a setting can't be fulfilled.
            SimulatorError: If the server fails.
        """
        settings = self._settings
        server_version, blueprint = self._arrive()
        self._begin("spawning the car")
        seed = random.SystemRandom().randrange(2**31) if settings.seed is None else settings.seed
        ego, spawn_index = spawn(self._world, blueprint, settings.spawn, seed)
        self._spawned.append(ego.id)
        ticker = self._attach(ego)
        self._begin("waiting for the first picture")
        frame_id = ticker.settle()
        car = read_car(ego)
        with server_calls("asking for the map"):
            carla_map = self._world.get_map()
            lights = len(self._world.get_actors().filter("traffic.traffic_light*"))
        delta_s = 1.0 / settings.fps
        self._road = RoadSense(carla_map, car, seed, delta_s, settings.junctions)
        info = SessionInfo(
            host=settings.host,
            port=settings.port,
            server_version=server_version,
            client_version=self._client.get_client_version(),
            map_name=last_part(carla_map.name),
            weather=settings.weather,
            spawn_index=spawn_index,
            delta_s=delta_s,
            seed=seed,
            ego_id=ego.id,
            traffic_lights=lights,
        )
        self._begin("waiting for the next frame")
        return car, info, ticker.observe(frame_id, "expert", self._road, time.monotonic())

    def _arrive(self) -> tuple[str, Any]:
        """Connect and set up the world; return the server's version and the car's blueprint."""
        settings = self._settings
        # What is wrong without asking a server is said before one is disturbed.
        weather = None if settings.weather is None else weather_named(settings.weather)
        opendrive = opendrive_of(settings.map_name)
        self._client, server_version = connect(
            settings.host, settings.port, settings.timeout_s, settings.any_version
        )
        with server_calls("connecting"):
            self._world = self._client.get_world()
        found = FoundWorld(self._world, settings.take_over)
        self._load_map(found, opendrive)
        blueprint = choose_blueprint(self._world, settings.filter, settings.rolename)
        self._begin("setting up the world")
        self._found = found  # from here on there is something to put back
        found.synchronise(self._world, 1.0 / settings.fps)
        if weather is not None:
            found.change_weather(self._world, weather)
        return server_version, blueprint

    def places(self, spacing_m: float) -> list[LanePlace]:
        """Return places on every driving lane of the map, this far apart.

        Raises:
            SimulatorError: If the session is not open.
        """
        if self._world is None:
            raise SimulatorError("The session is not open: use it in a `with` block.")
        with server_calls("asking for the map"):
            carla_map = self._world.get_map()
        return spread_lane_poses(carla_map, spacing_m)

    def tick(
        self,
        decision: Decision,
        placed: tuple[Pose, float] | None,
        weather: Mapping[str, float] | None,
    ) -> Observation:
        """Apply a decision, let one tick pass, and return what is seen then.

        Args:
            decision: Its control and driver count.
            placed: Where to put the car first, and its speed in m/s.
            weather: What differs from ClearNoon from now on; None changes nothing.

        Raises:
            SimulatorError: If the server fails, or the car is gone.
        """
        if self._ticker is None or self._road is None:
            raise SimulatorError("The session is not open: use it in a `with` block.")
        if weather is not None and self._found is not None:
            self._found.change_weather(self._world, weather_of(weather))
        return self._ticker.tick(decision.control, decision.driver, placed, self._road)

    def close(self) -> None:
        """Stop and destroy what is ours and put the world back, if the server still answers.

        Never raises for a server that doesn't: that would hide why we leave.
        """
        leave_by_s = self.leave_by_s or time.monotonic() + self._settings.timeout_s
        try:
            if self._rig is not None:
                self._rig.stop()  # before anything else: callbacks must not outlive the interpreter
            if self._found is not None:
                self.restored = self._put_back(self._found, leave_by_s)
                logger.info("%s", self.restored)
        except SimulatorError as error:
            self.restored = f"The server could not be put back as it was: {error}"
            logger.info("%s", self.restored)
        finally:
            # The library's objects die here, in the thread that used them.
            self._road = self._ticker = self._rig = self._found = None
            self._world = self._client = None

    def _begin(self, what: str) -> None:
        """Say what comes next; stop here if nobody waits for it any more."""
        if self.leave_by_s is not None:
            raise SimulatorError(f"The session was left before {what}.")
        self.doing, self.began_s = what, time.monotonic()

    def _load_map(self, found: FoundWorld, opendrive: str | None) -> None:
        settings = self._settings
        if found.taken_over:
            self._found = found
            found.release(self._world)
        self._begin("loading the map")
        self.limit_s = max(LOADING_S, settings.timeout_s)
        self._world = choose_map(
            self._client, self._world, settings.map_name, opendrive, settings.timeout_s
        )
        self.limit_s = settings.timeout_s

    def _attach(self, ego: Any) -> Ticker:
        contract, settings = self._contract, self._settings
        self._rig = SensorRig(
            contract.camera,
            settings.camera or (contract.width_px, contract.height_px),
            contract.fov_deg,
            settings.semantic,
        )
        self._rig.attach(self._world, ego, lambda sensor: self._spawned.append(sensor.id))
        self._ticker = Ticker(self._world, ego, self._rig, settings)
        return self._ticker

    def _put_back(self, found: FoundWorld, leave_by_s: float) -> str:
        """Return the line that says so."""

        def left_s() -> float:
            return max(leave_by_s - time.monotonic(), _LAST_WORD_S)

        try:  # without the library, which would wait for each call to a dead or stopped server
            probe(self._settings.host, self._settings.port, left_s())
        except BadInputError:
            raise SimulatorError("it does not answer any more.") from None
        self._client.set_timeout(left_s())
        with server_calls("destroying what was spawned"):
            # Sensors first. A batch is silent about what somebody else destroyed already.
            destroy = [carla.command.DestroyActor(actor) for actor in reversed(self._spawned)]
            self._client.apply_batch_sync(destroy, False)
        return found.put_back(self._world)
