"""The flags of `carla-saliency drive`, their defaults and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    check_output,
    check_output_folder,
    flag,
    parse_endpoint,
    parse_size,
    require,
)
from carla_saliency.settings.network import MethodSettings, NetworkSettings

DEFAULT_ROLE = "hero"
VIDEO, OTHER_VIDEOS = ".mp4", (".avi", ".mkv", ".mov", ".m4v", ".webm", ".mcap")
DEFAULT_WEB_PORT = "8080"
DEFAULT_LIVE_PORT = "8765"


@dataclass(frozen=True, kw_only=True)
class DriveSettings(NetworkSettings, MethodSettings):
    """Drive a car with a steering network and show, live, what moved the steering."""

    host: str | None = flag(None, f"computer that runs the CARLA server ({DEFAULT_HOST})", "HOST")
    port: int | None = flag(None, f"TCP port of the CARLA server ({DEFAULT_PORT})", "N")
    timeout: float = flag(10.0, "seconds to wait for any answer of the server", "SECONDS")
    any_version: bool = flag(False, "go on although client and server versions differ")
    embedded: Literal["auto", "always", "never"] = flag(
        "auto",
        "start the embedded server: auto = only if no --host or --port is given and none answers",
    )
    take_over: bool = flag(
        False, "drive although the world is already synchronous; leaves it asynchronous"
    )
    weather: str | None = flag(
        None, "a CARLA preset such as ClearNoon; as found if not given", "NAME"
    )
    lights: Literal["ignore", "obey"] = flag("ignore", "whether red lights are obeyed")
    map: str | None = flag(None, "NAME of a map of the server, or an OpenDRIVE FILE.xodr", "MAP")
    filter: str | None = flag(
        None,
        "blueprint of the ego vehicle (the contract's; vehicle.tesla.model3 for the shipped one)",
        "BLUEPRINT",
    )
    rolename: str = flag(DEFAULT_ROLE, "role name of the ego vehicle", "NAME")
    spawn: int | None = flag(None, "number of the spawn point; drawn with --seed if not given", "N")
    camera: str | None = flag(None, "size of the camera's picture (the network's contract)", "WxH")
    res: str = flag("1280x720", "size of the window and of the video", "WxH")
    fps: float = flag(20.0, "ticks per simulated second", "HZ")
    pace: float | None = flag(
        None,
        "simulated seconds per real second, 0 = as fast as it can (1 with a window, else 0)",
        "X",
    )
    every: int | None = flag(
        None,
        "map for every n-th frame only, for slow methods (measured at the start if not given)",
        "N",
    )
    shadow: str | None = flag(
        None,
        "a second network that looks on, or expert: both are compared on the same drive; with "
        "--target difference the map is of the first minus this",
        "FILE|expert",
    )
    semantic: Literal["on", "off"] = flag(
        "on", "whether a semantic camera tells which class the attention lies on"
    )
    classes_every: int | None = flag(
        None,
        "paint each class over in every n-th map and ask again (as often as fits if not given)",
        "N",
    )
    blobs: bool = flag(
        False, "ask every tenth frame whether its strongest blobs move the steering, from the start"
    )
    calibration: str | None = flag(
        None, "what is usual for this network (MODEL.calibration.npz beside it)", "FILE.npz"
    )
    events: str | None = flag(
        None,
        "folder for a clip of every event, or none (events with a window, else none)",
        "DIR|none",
    )
    on_failure: Literal["put-back", "pause", "stop"] = flag(
        "put-back", "what follows an intervention; pause inspects the frame one second before"
    )
    attach: str | None = flag(
        None,
        "drive the vehicle with this role name, which another client spawned and ticks",
        "ROLE",
    )
    follow: str | None = flag(
        None, "only look at the vehicle with this role name: never tick, never steer", "ROLE"
    )
    longitudinal: Literal["speed", "network"] = flag(
        "speed", "who works the pedals: the speed control, or the network's throttle"
    )
    junctions: Literal["expert", "network"] = flag(
        "expert", "who steers where the road turns at a junction"
    )
    speed: float = flag(30.0, "set speed in km/h", "KM/H")
    ticks: int | None = flag(None, "stop after this many ticks", "N")
    seconds: float | None = flag(None, "stop after this many simulated seconds", "S")
    record: str | None = flag(
        None,
        "keep the drive: a folder for all of it (drive.mcap and drive.mp4), or FILE.mp4 for the "
        "video alone",
        "DIR|FILE.mp4",
    )
    record_frames: Literal["camera", "network"] = flag(
        "camera",
        "what --record DIR keeps of each frame: all that the camera saw, or what the network did",
    )
    codec: Literal["h264", "hevc", "av1"] = flag("h264", "how the video is encoded")
    crf: int | None = flag(
        None, "quality of the video, 0 = best (23; 28 for hevc, 43 for av1)", "N"
    )
    web: str | None = flag(
        None,
        f"show the window in any browser, with its keys and mouse (port {DEFAULT_WEB_PORT} of this "
        "computer; 0 = any free one)",
        "[HOST:]PORT",
        bare=DEFAULT_WEB_PORT,
    )
    live: str | None = flag(
        None,
        f"stream to Foxglove by its web socket (port {DEFAULT_LIVE_PORT} of this computer)",
        "[HOST:]PORT",
        bare=DEFAULT_LIVE_PORT,
    )
    rerun: bool = flag(False, "stream to Rerun's viewer (needs the extra carla-saliency[rerun])")
    headless: bool = flag(False, "no window")
    seed: int = flag(0, "of all that is drawn by chance: spawn point, turns, look of the road", "N")
    summary: str | None = flag(
        None, "write the numbers of the drive to this FILE.json", "FILE.json"
    )

    def check(self) -> None:
        """Refuse what can't work, before anything is started.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        self.check_method()
        require("--every", self.every, 1, 10**6, "frames")
        require("--classes-every", self.classes_every, 1, 10**6, "maps")
        require("--port", self.port, 1, 65535)
        require("--timeout", self.timeout, 0.1, 3600, "seconds")
        require("--fps", self.fps, 1, 200, "ticks per second")
        require("--pace", self.pace, 0, 1000, "times real time")
        require("--speed", self.speed, 1, 200, "km/h")
        require("--ticks", self.ticks, 1, 10**9, "ticks")
        require("--seconds", self.seconds, 0.001, 10**7, "seconds")
        require("--spawn", self.spawn, 0, 10**6)
        require("--seed", self.seed, 0, 2**31 - 1)
        parse_size("--res", self.res, "1280x720")
        if self.camera is not None:
            parse_size("--camera", self.camera, "640x360")
        if self.embedded == "always" and (self.host or self.port):
            raise BadInputError(
                "--embedded always starts a server of its own: leave out --host and --port"
            )
        self._check_others_world()
        if self.headless and self.web is None and self.on_failure == "pause":
            raise BadInputError(
                "--on-failure pause lets a person look, in a window: leave out --headless, or "
                "choose --on-failure stop"
            )
        if self.events is not None and self.events != "none":
            check_output_folder("--events", self.events)
        self._check_record()
        for name, endpoint in (("--web", self.web), ("--live", self.live)):
            if endpoint is not None:
                parse_endpoint(name, endpoint)
        if self.summary is not None:
            check_output("--summary", self.summary, ".json")

    @property
    def record_folder(self) -> Path | None:
        """The folder for the whole drive; None if at most a video is wanted."""
        if self.record is None or self.record.lower().endswith(VIDEO):
            return None
        return Path(self.record)

    @property
    def record_video(self) -> Path | None:
        """The video that is written from the start; None if none is."""
        if (folder := self.record_folder) is not None:
            return folder / "drive.mp4"
        return None if self.record is None else Path(self.record)

    def _check_record(self) -> None:
        """Refuse what can't be written, or is there already.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        folder = self.record_folder
        if folder is not None and folder.suffix.lower() in OTHER_VIDEOS:
            raise BadInputError(
                f"--record must be FILE.mp4 for a video, or a folder for the whole drive, "
                f"received {str(folder)!r}"
            )
        if folder is not None:
            check_output_folder("--record", str(folder))
            if any((folder / name).exists() for name in ("drive.mcap", "drive.mp4")):
                raise BadInputError(
                    f"--record {folder} has a drive already: give another folder, or remove it"
                )
            return
        if self.record_frames != "camera":
            raise BadInputError(
                "--record-frames network is about a whole drive: give a folder by --record DIR"
            )
        if self.record is not None:
            check_output("--record", self.record, VIDEO)

    def _check_others_world(self) -> None:
        """Refuse to change what belongs to the client whose vehicle is driven or looked at.

        Raises:
            BadInputError: With the flag that does not go with it.
        """
        role = "--attach" if self.attach is not None else "--follow"
        if self.attach is not None and self.follow is not None:
            raise BadInputError("--attach drives a vehicle and --follow only looks: give one")
        if self.attach is None and self.follow is None:
            return
        if not (self.attach or self.follow):
            raise BadInputError(f"{role} must be a role name, received an empty one")
        given = {
            "--embedded always": self.embedded == "always",
            "--map": self.map is not None,
            "--weather": self.weather is not None,
            "--spawn": self.spawn is not None,
            "--filter": self.filter is not None,
            "--take-over": self.take_over,
            "--rolename": self.rolename != DEFAULT_ROLE,
            "--pace": self.pace is not None,
            "--on-failure": self.on_failure != "put-back",
        }
        for name, is_given in given.items():
            if is_given:
                raise BadInputError(
                    f"{role} uses a world that belongs to another client: leave out {name}"
                )
