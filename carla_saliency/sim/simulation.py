"""A stay in a world that is ours: we spawn the car and tick, and leave all as it was."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from carla_saliency.core import Contract, Observation
from carla_saliency.sim.autopilot import Autopilot
from carla_saliency.sim.connect import connect, server_calls
from carla_saliency.sim.ego import choose_blueprint, read_car, spawn
from carla_saliency.sim.lane import RoadSense
from carla_saliency.sim.orders import Orders
from carla_saliency.sim.plain import physics_of, weather_now
from carla_saliency.sim.poses import to_pose
from carla_saliency.sim.referee import RescueWhen
from carla_saliency.sim.sensors import SensorRig
from carla_saliency.sim.settings import SessionInfo, SessionSettings
from carla_saliency.sim.stay import Opened, Stay, not_open
from carla_saliency.sim.ticker import Ticker
from carla_saliency.sim.views import SideCamera
from carla_saliency.sim.world import (
    LOADING_S,
    FoundWorld,
    choose_map,
    last_part,
    name_of,
    opendrive_of,
    weather_named,
    weather_of,
)

logger = logging.getLogger(__name__)

_STREAM_TRIES_AGAIN_S = 1.5

_RESCUE: dict[str, RescueWhen] = {
    "put-back": "at once",
    "pause": "when asked",
    "stop": "when asked",
}


class Simulation(Stay):
    """Connects, spawns, ticks, and puts everything back.

    Args:
        settings: Where and how.
        contract: The camera's pose, size and field of view.
    """

    def __init__(self, settings: SessionSettings, contract: Contract) -> None:
        super().__init__(settings)
        self._contract = contract
        self._size_px = settings.camera or (contract.width_px, contract.height_px)
        self._found: FoundWorld | None = None
        self._spawned: list[int] = []
        self._rig: SensorRig | None = None
        self._side: SideCamera | None = None
        self._ticker: Ticker | None = None
        self._road: RoadSense | None = None
        self._autopilot: Autopilot | None = None
        self._trouble = ""

    @property
    def lines_crossed(self) -> int:
        """How many times the car crossed a marked line so far."""
        return 0 if self._ticker is None else self._ticker.lines_crossed

    @property
    def others_at_m(self) -> tuple[tuple[float, float], ...]:
        """(x, y) of all other vehicles and walkers."""
        return () if self._ticker is None else self._ticker.others_at_m

    @property
    def autopilot_trouble(self) -> str:
        """Why CARLA's autopilot can't drive, one line; "" as long as it can."""
        return self._trouble

    def open(self) -> Opened:
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
        rig, ticker = self._attach(ego)
        self._begin("waiting for the first picture")
        frame_id = ticker.settle()
        car = read_car(ego)
        with server_calls("asking for the map"):
            carla_map = self._world.get_map()
        self.spawn_points = tuple(to_pose(point) for point in carla_map.get_spawn_points())
        delta_s = 1.0 / settings.fps
        rescue = _RESCUE[settings.on_failure]
        self._road = RoadSense(carla_map, car, seed, delta_s, settings.junctions, rescue)
        self._autopilot = Autopilot(self._client, ego, seed, settings)
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
            traffic_lights=self._count_lights(),
            semantic_trouble=rig.semantic_trouble,
            physics=physics_of(ego),
            weather_values=weather_now(self._world),
        )
        self._begin("waiting for the next frame")
        return car, info, ticker.observe(frame_id, "expert", self._road, time.monotonic())

    def tick(self, orders: Orders) -> Observation:
        """Do what is ordered, let one tick pass, and return what is seen then.

        Raises:
            SimulatorError: If the server fails, or the car is gone.
        """
        road, ticker, side, autopilot = self._road, self._ticker, self._side, self._autopilot
        if road is None or ticker is None or side is None or autopilot is None:
            raise not_open()
        self._change_weather(orders)
        side.show(orders.view)
        self._place(orders, road, ticker)
        driver = orders.decision.driver
        has_it = autopilot.drives(driver == "autopilot")
        self._trouble = autopilot.trouble
        return ticker.tick(None if has_it else orders.decision.control, driver, road)

    def _change_weather(self, orders: Orders) -> None:
        weather, found = orders.weather, self._found
        if weather is None or found is None:
            return
        wanted = weather_named(weather) if isinstance(weather, str) else weather_of(weather)
        found.change_weather(self._world, wanted)

    def _place(self, orders: Orders, road: RoadSense, ticker: Ticker) -> None:
        placed = orders.placed
        if orders.spawn is not None:  # they lie half a metre above the road: nobody is dropped
            placed = road.on_road(self.spawn_points[orders.spawn]), 0.0
        if placed is not None:
            ticker.place(*placed)
            road.place(placed[0])
        elif orders.put_back and (rescue := road.put_back()) is not None:
            ticker.place(*rescue)

    # -------------------------------------------------------------- arriving

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
        with server_calls("asking for the weather"):
            self.weather = name_of(self._world.get_weather())
        return server_version, blueprint

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

    def _attach(self, ego: Any) -> tuple[SensorRig, Ticker]:
        contract = self._contract
        self._rig = rig = SensorRig(
            contract.camera, self._size_px, contract.fov_deg, self._settings.semantic
        )
        rig.attach(self._world, ego, lambda sensor: self._spawned.append(sensor.id))
        self._side = SideCamera(
            self._world, ego, self._size_px, self._spawned.append, self._spawned.remove
        )
        self._ticker = Ticker(self._world, ego, rig, self._side, self._settings)
        return rig, self._ticker

    # -------------------------------------------------------------- leaving

    def _stop(self) -> None:
        for part in (self._rig, self._side):
            if part is not None:
                part.stop()
        if self._autopilot is not None:
            self._autopilot.release()

    def _has_changed_anything(self) -> bool:
        return self._found is not None

    def _put_back(self) -> str:
        if self._autopilot is not None:
            self._autopilot.end()
        self._destroy(self._spawned)
        return "" if self._found is None else self._found.put_back(self._world)

    def _forget(self) -> None:
        if self._autopilot is not None and self._autopilot.must_rest:
            # It keeps the library's streams alive. One that has lost its server lets go of our
            # callback when it tries again; amid the interpreter's end that would be a crash.
            time.sleep(_STREAM_TRIES_AGAIN_S)
        self._road = self._ticker = self._rig = self._side = self._autopilot = None
        self._found = None
