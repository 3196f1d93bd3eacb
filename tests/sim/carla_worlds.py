"""An embedded server in a process of its own, and how sessions are tried on it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import carla

from carla_saliency.core import Contract, Control, Decision, Observation, Pose
from carla_saliency.sim.session import CarlaSession, SessionSettings

CONTRACT = Contract(
    name="test",
    camera=Pose(x_m=1.0, z_m=1.6, pitch_deg=-5.0),
    width_px=160,
    height_px=90,
    fov_deg=90.0,
    crop=(30, 90, 0, 160),
    input_height_px=66,
    input_width_px=200,
)
LACKING = Path(__file__).with_name("lacking_server.py")
OWNER = Path(__file__).with_name("owner_process.py")
ROLL = Decision(Control(throttle=0.4), "network", None)
STAND = Decision(Control(brake=1.0), "expert", None)


class Server:
    def __init__(self, process: subprocess.Popen[str], port: int, map_name: str) -> None:
        self.process = process
        self.port = port
        self.map_name = map_name

    def client(self) -> Any:
        client = carla.Client("127.0.0.1", self.port)
        client.set_timeout(20.0)
        return client

    def settings(self, **changes: Any) -> SessionSettings:
        return SessionSettings(**{"port": self.port, "timeout_s": 20.0, "seed": 1, **changes})


@contextmanager
def serving(map_name: str = "curvy", without: Sequence[str] = ()) -> Iterator[Server]:
    """Start a server; it lacks the blueprints and the calls that `without` names."""
    program = [str(LACKING), *without, "--"] if without else ["-m", "carla_saliency.server"]
    arguments = ["--port", "0", "--map", map_name, "--seed", "0", "--end-with-stdin"]
    with subprocess.Popen(
        [sys.executable, *program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            told = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+), map (\w+), seed 0\n", line)
            assert told, line
            yield Server(process, int(told[1]), told[2])
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def look(client: Any) -> dict[str, Any]:
    """Everything about a world that a session could spoil."""
    world = client.get_world()
    world.wait_for_tick(20.0)
    return {
        "settings": settings_of(world),
        "weather": str(world.get_weather()),
        "actors": {actor.id: (actor.type_id, place(actor)) for actor in world.get_actors()},
    }


def settings_of(world: Any) -> dict[str, Any]:
    settings = world.get_settings()
    names = [name for name in dir(settings) if not name.startswith("_")]
    return {name: getattr(settings, name) for name in names}


def place(actor: Any) -> tuple[float, ...]:
    at = actor.get_transform()
    turn = at.rotation
    return (at.location.x, at.location.y, at.location.z, turn.pitch, turn.yaw, turn.roll)


def drive(session: CarlaSession, ticks: int, decision: Decision = ROLL) -> list[Observation]:
    seen = [session.start()]
    for _ in range(ticks):
        session.send(decision)
        seen.append(session.receive())
    return seen


class Owner:
    """Somebody else, who spawns and ticks in a process of their own; see `owner_process.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert self.reply() == "ready"

    def reply(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.reply()


@contextmanager
def owning(server: Server, **options: Any) -> Iterator[Owner]:
    with subprocess.Popen(
        [sys.executable, str(OWNER), str(server.port), json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Owner(process)
            if process.poll() is None:
                assert process.stdin is not None
                process.stdin.close()
                assert process.wait(30.0) == 0
        finally:
            process.kill()
