"""Where and how a session is wanted, and what it became; plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """Where the server is, and how the ego vehicle is wanted.

    Attributes:
        host: Name or address of the server.
        port: Of its RPC.
        timeout_s: Of every call.
        any_version: Go on although server and client are of different versions.
        take_over: Use a world that is synchronous already; it's left asynchronous.
        map_name: A map's name, or an OpenDRIVE file ending in ".xodr"; None keeps the map.
        weather: One of CARLA's presets, for example "WetSunset"; None keeps the weather.
        lights: Whether red lights are obeyed.
        filter: CARLA's wildcard pattern for the vehicle.
        rolename: Of the vehicle.
        spawn: Index of the spawn point; None takes a free one.
        camera: (width, height) of the pictures in pixels; None takes the contract's.
        fps: Ticks per simulated second.
        seed: Of the spawn point and the way at junctions; None draws one.
        junctions: Who steers where a picture can't say where to go.
        semantic: Whether there is a semantic camera.
        attach: Role name of a vehicle that somebody else spawned and ticks: it is driven, and left
            where it is. The world is not ours then: its settings, map and weather stay.
        follow: Role name of a vehicle that somebody else drives: it is only looked at.
        on_failure: What becomes of a car that the network brought to an intervention: it is put
            back at once ("put-back"), when `put_back_now` is called ("pause"), or never ("stop").
        autopilot_kmh: How fast CARLA's autopilot drives.

    Raises:
        ValueError: If a number is out of range, or two settings contradict each other.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    timeout_s: float = 10.0
    any_version: bool = False
    take_over: bool = False
    map_name: str | None = None
    weather: str | None = None
    lights: Literal["ignore", "obey"] = "ignore"
    filter: str = "vehicle.tesla.model3"
    rolename: str = "hero"
    spawn: int | None = None
    camera: tuple[int, int] | None = None
    fps: float = 20.0
    seed: int | None = None
    junctions: Literal["expert", "network"] = "expert"
    semantic: bool = True
    attach: str | None = None
    follow: str | None = None
    on_failure: Literal["put-back", "pause", "stop"] = "put-back"
    autopilot_kmh: float = 30.0

    @property
    def guest_of(self) -> str | None:
        """Role name of the vehicle, where the world is somebody else's."""
        return self.follow if self.attach is None else self.attach

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ValueError(f"port must be in 1..65535, received {self.port}")
        if not 0 < self.timeout_s < float("inf"):
            raise ValueError(f"timeout_s must be above 0 and finite, received {self.timeout_s}")
        if not 1.0 <= self.fps <= 1000.0:
            raise ValueError(f"fps must be in [1, 1000], received {self.fps}")
        if self.camera is not None and min(self.camera) < 1:
            raise ValueError(f"camera must be at least 1x1 pixels, received {self.camera}")
        if not 0.0 < self.autopilot_kmh < 200.0:
            raise ValueError(f"autopilot_kmh must be in (0, 200), received {self.autopilot_kmh}")
        if self.attach is not None and self.follow is not None:
            raise ValueError("attach and follow exclude each other: drive a car, or look at one")
        if self.guest_of is not None and (self.map_name, self.weather, self.spawn) != (None,) * 3:
            raise ValueError(
                "map_name, weather and spawn must be None with attach or follow: that world is "
                "somebody else's"
            )


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """What a session became.

    Attributes:
        host: Of the server.
        port: Of its RPC.
        server_version: For example "0.9.16".
        client_version: Of the `carla` wheel.
        map_name: Of the map that is driven on, without its folder.
        weather: The preset that was set; None if the weather was kept.
        spawn_index: Of the spawn point; -1 where somebody else put the car there.
        delta_s: Simulated seconds per tick; where somebody else ticks, of the first one.
        seed: The one that was given, or drawn.
        ego_id: The vehicle's actor id.
        traffic_lights: How many there are in the world.
        semantic_trouble: Why there are no tags although they were wanted, one line; "" if all is
            well.
        guest_text: Whose car is driven or looked at, and what that adds to the server, one line;
            "" where the world is ours.
        physics: Of the car, by CARLA's names: its physics control as it was read at the start.
        weather_values: By CARLA's names, as they were at the start.
    """

    host: str
    port: int
    server_version: str
    client_version: str
    map_name: str
    weather: str | None
    spawn_index: int
    delta_s: float
    seed: int
    ego_id: int
    traffic_lights: int
    semantic_trouble: str = ""
    guest_text: str = ""
    physics: Mapping[str, object] = field(default_factory=dict)
    weather_values: Mapping[str, float] = field(default_factory=dict)
