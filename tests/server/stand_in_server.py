"""The server with real roads and vehicles, but scenery and renderer that need no graphics.

    python stand_in_server.py PORT MAP [--end-with-stdin]

The scenery is one parked car ahead of the first spawn point and a wall beside it; the renderer
paints each picture in one colour that depends on the camera, the actors and the weather.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carla_saliency.server.nouns import (
    Camera,
    DrawnActor,
    Obstacle,
    ParkedCar,
    Pixels,
    RoadNetwork,
    Tag,
    Transform,
    Weather,
)
from carla_saliency.server.roads.network import Ground, load_map, map_names, network_from_xodr
from carla_saliency.server.world.maps import Parts, Scene

PARKED_AHEAD_M = 30.0
STRAIGHT = """<?xml version="1.0"?>
<OpenDRIVE>
 <header revMajor="1" revMinor="4"><geoReference>+proj=tmerc +lat_0=42 +lon_0=2</geoReference>
 </header>
 <road name="r" length="400" id="1" junction="-1">
  <planView><geometry s="0" x="0" y="0" hdg="0" length="400"><line/></geometry></planView>
  <lanes><laneSection s="0">
   <left><lane id="1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/>
    <roadMark sOffset="0" type="solid" weight="standard" color="white" width="0.15"/></lane></left>
   <center><lane id="0" type="none" level="false">
    <roadMark sOffset="0" type="broken" weight="standard" color="white" width="0.15"/></lane>
   </center>
   <right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/>
    <roadMark sOffset="0" type="solid" weight="standard" color="white" width="0.15"/></lane></right>
  </laneSection></lanes>
 </road>
</OpenDRIVE>
"""


@dataclass(frozen=True)
class StandInScene:
    obstacles: tuple[Obstacle, ...]
    parked: tuple[ParkedCar, ...]


def build_scene(network: RoadNetwork, seed: int) -> StandInScene:
    start = network.spawn_points[0]
    yaw = math.radians(start.yaw)
    x = start.x + PARKED_AHEAD_M * math.cos(yaw)
    y = start.y + PARKED_AHEAD_M * math.sin(yaw)
    return StandInScene(
        (Obstacle(x, y + 20.0, start.yaw, 10.0, 0.5, Tag.WALLS),),
        (ParkedCar("vehicle.audi.tt", Transform(x, y, yaw=start.yaw)),),
    )


class StandInRenderer:
    def __init__(self) -> None:
        self.cameras: list[Camera] = []
        self.scenes = 0
        self.closed = False
        self._flat: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def load(self, scene: Scene) -> None:
        assert isinstance(scene, StandInScene)
        self.scenes += 1

    def render(self, camera: Camera, actors: Sequence[DrawnActor], weather: Weather) -> Pixels:
        self.cameras.append(camera)
        size = camera.height, camera.width
        place = camera.pose.x + camera.pose.y + sum(actor.pose.x for actor in actors)
        blue, green, red = int(place * 10) % 256, len(actors), int(weather.cloudiness)
        packed = np.full(size, 255 << 24 | red << 16 | green << 8 | blue, "<u4")
        if size not in self._flat:
            tag = np.full(size, Tag.ROADS, np.uint8)
            tag[: camera.height // 2] = Tag.SKY
            self._flat[size] = tag, np.full(size, 25.0, np.float32)
        bgra, (tag, depth) = packed.view(np.uint8).reshape(*size, 4), self._flat[size]
        return Pixels(bgra, tag, depth)

    def close(self) -> None:
        self.closed = True


def load_straight_or_real(name: str) -> RoadNetwork:
    return network_from_xodr("straight", STRAIGHT) if name == "straight" else load_map(name)


def stand_in_parts() -> Parts:
    return Parts(
        lambda: ("straight", *map_names()),
        load_straight_or_real,
        network_from_xodr,
        Ground,
        build_scene,
        StandInRenderer,
    )


if __name__ == "__main__":
    from carla_saliency.server.serve import run_parts

    port, map_name, *flags = sys.argv[1:]
    sys.exit(
        run_parts(stand_in_parts, "127.0.0.1", int(port), map_name, 0, "--end-with-stdin" in flags)
    )
