"""CARLA's own autopilot: its Traffic Manager, which lives in this process."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from carla_saliency.errors import SimulatorError
from carla_saliency.sim.connect import server_calls, timed_out
from carla_saliency.sim.settings import SessionSettings


class Autopilot:
    """Lets a Traffic Manager steer the ego vehicle of a world that we tick.

    The Traffic Manager is started when it is first wanted. It works in a thread of its own, one
    step at the end of each of our ticks, and what it asks the server then ends the whole process
    with "terminate called" if no answer comes. That is a fault of the client library, in a window
    of a few milliseconds; outside of it a server that is lost costs nothing but the session.

    Starting it resets the traffic lights, as CARLA does where a seed is set.

    Args:
        client: Of the server.
        ego: The vehicle, in a world that we tick.
        seed: Of the ways that it takes.
        settings: Its speed, and whether it stops at red lights.

    Attributes:
        trouble: Why it can't drive, one line; "" as long as it can.
    """

    def __init__(self, client: Any, ego: Any, seed: int, settings: SessionSettings) -> None:
        self._client = client
        self._ego = ego
        self._seed = seed
        self._speed_kmh = settings.autopilot_kmh
        self._obey_lights = settings.lights == "obey"
        self._manager: Any = None
        self._port = 0
        self._drives = False
        self.trouble = ""

    def drives(self, wanted: bool) -> bool:
        """Give it the car or take it away before a tick; return whether it has it.

        Raises:
            SimulatorError: If the server does not answer.
        """
        if wanted and not self._drives and not self.trouble:
            try:
                with server_calls("starting CARLA's autopilot"):
                    self._give()
            except SimulatorError as error:
                if isinstance(error.__cause__, Exception) and timed_out(error.__cause__):
                    raise
                self.release()
                text = " ".join(str(error.__cause__).split())
                self.trouble = f"CARLA's autopilot can't drive on this server: {text}"
        elif not wanted:
            self.release()
        return self._drives

    def release(self) -> None:
        """Take the car away from it. Nothing is asked of the server."""
        if self._drives:
            with suppress(RuntimeError):  # destroyed by somebody else
                self._ego.set_autopilot(False, self._port)
            self._drives = False

    @property
    def must_rest(self) -> bool:
        """Whether a Traffic Manager stays behind, since `end` was not possible."""
        return self._manager is not None

    def end(self) -> None:
        """End it. The server must answer: it is asked something for the last time.

        Raises:
            SimulatorError: If the server does not answer.
        """
        self.release()
        manager, self._manager = self._manager, None
        if manager is not None:
            with server_calls("ending CARLA's autopilot"):
                manager.shut_down()

    def _give(self) -> None:
        if self._manager is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self._port = free.getsockname()[1]
            self._manager = self._client.get_trafficmanager(self._port)
            self._manager.set_synchronous_mode(True)  # without it, it would run all the time
            self._manager.set_random_device_seed(self._seed)
        self._ego.set_autopilot(True, self._port)
        self._drives = True
        self._manager.auto_lane_change(self._ego, False)
        self._manager.set_desired_speed(self._ego, self._speed_kmh)
        self._manager.ignore_lights_percentage(self._ego, 0.0 if self._obey_lights else 100.0)
