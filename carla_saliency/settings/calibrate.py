"""Settings of `calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    check_output,
    flag,
    require,
)
from carla_saliency.settings.network import METHOD_HELP, NetworkSettings


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings(NetworkSettings):
    """Drive nominally and write what is usual for a network, NAME.calibration.npz beside it."""

    method: str = flag("contrast", METHOD_HELP, "NAME")
    map: tuple[str, ...] = flag(
        (),
        "NAMEs of maps of the server, or OpenDRIVE FILEs.xodr, driven one after the other, space "
        "separated (the one that is there)",
        "MAP",
    )
    ticks: int = flag(3000, "ticks on each map", "N")
    data: tuple[str, ...] = flag(
        (),
        "folders of frames that the network was trained on: datasets of `collect`, or pictures "
        "(PNG, JPEG); those that `train` wrote if not given, else frames of this drive",
        "FOLDER",
    )
    out: str | None = flag(None, "file to write (NAME.calibration.npz beside the model)", "FILE")
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
    speed: float = flag(30.0, "set speed in km/h", "KM/H")
    fps: float = flag(20.0, "ticks per simulated second", "HZ")
    seed: int = flag(0, "of all that is drawn by chance: spawn point, turns, look of the road", "N")

    def check(self) -> None:
        """Refuse what can't work, before anything is started.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        require("--ticks", self.ticks, 20, 10**7, "ticks")
        require("--port", self.port, 1, 65535)
        require("--timeout", self.timeout, 0.1, 3600, "seconds")
        require("--speed", self.speed, 1, 200, "km/h")
        require("--fps", self.fps, 1, 200, "ticks per second")
        require("--seed", self.seed, 0, 2**31 - 1)
        if self.embedded == "always" and (self.host or self.port):
            raise BadInputError(
                "--embedded always starts a server of its own: leave out --host and --port"
            )
        if self.out is not None:
            check_output("--out", self.out, ".npz")
