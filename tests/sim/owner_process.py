"""Somebody else: spawns a car in a process of its own, ticks, and does what its stdin says.

`python owner_process.py PORT OPTIONS`, with OPTIONS as JSON: `synchronous`, `pace_s`, `role`,
`cameras` (blueprint, attributes, and place: x, z, pitch), `control` (throttle, steer; None: sends
none). Each command gets one line of JSON in reply.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any

import carla


class Owner:
    def __init__(self, port: int, options: dict[str, Any]) -> None:
        self.options = options
        self.client = carla.Client("127.0.0.1", port)
        self.client.set_timeout(20.0)
        self.world = self.client.get_world()
        self.found = self.world.get_settings()
        self.car: Any = None
        self.sensors: list[Any] = []
        self.pictures = 0
        self.frame = 0
        self.ticks = True
        self.synchronise()

    def synchronise(self) -> None:
        settings = self.world.get_settings()
        settings.synchronous_mode = bool(self.options.get("synchronous", True))
        settings.fixed_delta_seconds = 0.05
        self.world.apply_settings(settings)

    def spawn(self, point: int = 0) -> int:
        library = self.world.get_blueprint_library()
        blueprint = library.find("vehicle.tesla.model3")
        blueprint.set_attribute("role_name", self.options.get("role", "hero"))
        place = self.world.get_map().get_spawn_points()[point]
        self.car = self.world.spawn_actor(blueprint, place)
        for name, attributes, (x, z, pitch) in self.options.get("cameras", []):
            camera = library.find(name)
            for key, value in attributes.items():
                camera.set_attribute(key, value)
            where = carla.Transform(carla.Location(x=x, z=z), carla.Rotation(pitch=pitch))
            sensor = self.world.spawn_actor(camera, where, attach_to=self.car)
            sensor.listen(self.on_picture)
            self.sensors.append(sensor)
        return int(self.car.id)

    def on_picture(self, _picture: Any) -> None:
        self.pictures += 1

    def destroy(self) -> None:
        for actor in [*self.sensors, self.car]:
            if actor is not None:
                actor.destroy()
        self.sensors.clear()
        self.car = None

    def tick(self) -> None:
        control = self.options.get("control")
        if control is not None and self.car is not None:
            self.car.apply_control(carla.VehicleControl(throttle=control[0], steer=control[1]))
        if self.options.get("synchronous", True):
            self.frame = self.world.tick()
        else:
            self.frame = self.world.wait_for_tick(20.0).frame

    def obey(self, command: str) -> object:
        match command.split():
            case ["spawn", point]:
                return self.spawn(int(point))
            case ["destroy"]:
                self.destroy()
            case ["pause"]:
                self.ticks = False
            case ["go"]:
                self.ticks = True
            case ["pace", seconds]:
                self.options["pace_s"] = float(seconds)
            case ["load", name]:
                self.destroy()
                self.world = self.client.load_world(name)
                self.synchronise()
            case ["tell"]:
                sent = None if self.car is None else self.car.get_control()
                return {
                    "pictures": self.pictures,
                    "frame": self.frame,
                    "control": None if sent is None else [sent.throttle, sent.steer, sent.brake],
                    "weather": str(self.world.get_weather()),
                    "settings": str(self.world.get_settings().synchronous_mode),
                    "actors": sorted(
                        actor.type_id
                        for actor in self.world.get_actors()
                        if actor.type_id.startswith(("vehicle.", "sensor."))
                    ),
                }
            case _:
                raise SystemExit(f"what is {command!r}?")
        return "done"

    def leave(self) -> None:
        self.destroy()
        self.world.apply_settings(self.found)


def tell(reply: object) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def main() -> None:
    commands: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            commands.put(line.strip())
        commands.put("end")

    threading.Thread(target=read, daemon=True).start()
    owner = Owner(int(sys.argv[1]), json.loads(sys.argv[2]))
    tell("ready")
    while True:
        begin_s = time.monotonic()
        if owner.ticks:
            owner.tick()
        while not commands.empty():
            if (command := commands.get()) == "end":
                owner.leave()
                return
            tell(owner.obey(command))
        time.sleep(max(0.001, owner.options.get("pace_s", 0.02) - (time.monotonic() - begin_s)))


main()
