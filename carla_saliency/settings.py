"""One dataclass per command: its flags, their defaults and their help, in one place.

A field `take_over` is the flag `--take-over` and the key `take_over` in a YAML file. A field
without a default is for words that are given without a flag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from carla_saliency.errors import BadInputError

DEFAULT_PORT = 2000
DEFAULT_HOST = "127.0.0.1"
METHOD_HELP = "saliency method: contrast, gradient, gradient-x-input or abs-gradient"


def _positional(text: str, metavar: str) -> Any:
    """Return a dataclass field for words without a flag, with its help text."""
    return field(metadata={"help": text, "metavar": metavar})


def _flag(default: Any, text: str, metavar: str | None = None) -> Any:
    """Return a dataclass field with its help text and what stands for its value there."""
    return field(default=default, metadata={"help": text, "metavar": metavar})


def parse_size(flag: str, text: str, example: str) -> tuple[int, int]:
    """Return (width, height) in pixels of a text such as "1280x720".

    Raises:
        BadInputError: If it is not two positive even numbers (H.264's yuv420p has even sizes).
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match:
        width, height = int(match[1]), int(match[2])
        if 32 <= width <= 7680 and 32 <= height <= 4320 and width % 2 == height % 2 == 0:
            return width, height
    raise BadInputError(
        f"{flag} must be WIDTHxHEIGHT, even numbers of pixels from 32x32 to 7680x4320, "
        f"for example {example}; received {text!r}"
    )


def require(flag: str, value: float | None, low: float, high: float, unit: str = "") -> None:
    """Refuse a number outside [low, high]; None passes, NaN does not.

    Raises:
        BadInputError: If it is outside.
    """
    if value is None or low <= value <= high:
        return
    wanted = f"at least {low:g}" if value < low else f"from {low:g} to {high:.0f}"
    raise BadInputError(f"{flag} must be {wanted}{unit and ' ' + unit}, received {value:g}")


@dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """Drive a car with a steering network and show, live, what moved the steering."""

    host: str | None = _flag(None, f"computer that runs the CARLA server ({DEFAULT_HOST})", "HOST")
    port: int | None = _flag(None, f"TCP port of the CARLA server ({DEFAULT_PORT})", "N")
    timeout: float = _flag(10.0, "seconds to wait for any answer of the server", "SECONDS")
    any_version: bool = _flag(False, "go on although client and server versions differ")
    embedded: Literal["auto", "always", "never"] = _flag(
        "auto",
        "start the embedded server: auto = only if no --host or --port is given and none answers",
    )
    take_over: bool = _flag(
        False, "drive although the world is already synchronous; leaves it asynchronous"
    )
    weather: str | None = _flag(
        None, "a CARLA preset such as ClearNoon; as found if not given", "NAME"
    )
    lights: Literal["ignore", "obey"] = _flag("ignore", "whether red lights are obeyed")
    map: str | None = _flag(None, "NAME of a map of the server, or an OpenDRIVE FILE.xodr", "MAP")
    filter: str | None = _flag(
        None,
        "blueprint of the ego vehicle (the contract's; vehicle.tesla.model3 for the shipped one)",
        "BLUEPRINT",
    )
    rolename: str = _flag("hero", "role name of the ego vehicle", "NAME")
    spawn: int | None = _flag(
        None, "number of the spawn point; drawn with --seed if not given", "N"
    )
    camera: str | None = _flag(None, "size of the camera's picture (the network's contract)", "WxH")
    res: str = _flag("1280x720", "size of the window and of the video", "WxH")
    fps: float = _flag(20.0, "ticks per simulated second", "HZ")
    pace: float | None = _flag(
        None,
        "simulated seconds per real second, 0 = as fast as it can (1 with a window, else 0)",
        "X",
    )
    model: str | None = _flag(None, "steering network, .keras or .h5 (the shipped DAVE-2)", "FILE")
    method: str = _flag("contrast", METHOD_HELP, "NAME")
    junctions: Literal["expert", "network"] = _flag(
        "expert", "who steers where the road turns at a junction"
    )
    speed: float = _flag(30.0, "set speed in km/h", "KM/H")
    ticks: int | None = _flag(None, "stop after this many ticks", "N")
    seconds: float | None = _flag(None, "stop after this many simulated seconds", "S")
    record: str | None = _flag(None, "video file to write, FILE.mp4", "FILE.mp4")
    headless: bool = _flag(False, "no window")
    seed: int = _flag(
        0, "of all that is drawn by chance: spawn point, turns, look of the road", "N"
    )
    summary: str | None = _flag(
        None, "write the numbers of the drive to this FILE.json", "FILE.json"
    )

    def check(self) -> None:
        """Refuse what can't work, before anything is started.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
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
        if self.record is not None:
            check_output("--record", self.record, ".mp4")
        if self.summary is not None:
            check_output("--summary", self.summary, ".json")


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """Explain pictures: each becomes a PNG with the camera beside what moved the steering."""

    images: tuple[str, ...] = _positional("pictures of the front camera, PNG or JPEG", "IMAGE")
    model: str | None = _flag(None, "steering network, .keras or .h5 (the shipped DAVE-2)", "FILE")
    method: str = _flag("contrast", METHOD_HELP, "NAME")
    out: str = _flag(".", "folder for the PNG files, NAME.METHOD.png", "DIR")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        if not self.images:
            raise BadInputError("give at least one picture: carla-saliency explain IMAGE...")
        if not Path(self.out).is_dir():
            raise BadInputError(f"--out must be a folder that exists, received {self.out!r}")


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Run the embedded CARLA server alone, for this or any other CARLA client."""

    host: str = _flag(DEFAULT_HOST, "address to listen on", "HOST")
    port: int = _flag(DEFAULT_PORT, "TCP port for clients, 0 = any free one", "N")
    map: str | None = _flag(None, "NAME of a shipped map, or an OpenDRIVE FILE.xodr (town)", "MAP")
    seed: int = _flag(0, "the look of the road: asphalt, lines, dressing", "N")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        require("--port", self.port, 0, 65535)
        require("--seed", self.seed, 0, 2**31 - 1)


def check_output(flag: str, name: str, suffix: str) -> None:
    """Refuse a file that can't be written, before the drive that would fill it.

    Raises:
        BadInputError: If the suffix is another, the folder is missing or nothing can be written.
    """
    path = Path(name)
    if path.suffix.lower() != suffix:
        raise BadInputError(f"{flag} must end in {suffix}, received {name!r}")
    if path.is_dir():
        raise BadInputError(f"{flag} {name} is a folder: give a file name")
    if not path.parent.is_dir():
        raise BadInputError(
            f"{flag} {name}: the folder {path.parent} does not exist: make it first"
        )
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise BadInputError(f"{flag} {name} can't be written: {error.strerror}") from None


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """Collect labelled frames through the CARLA client, at poses around the lanes of many maps."""

    out: str = _flag(
        "datasets/poses", "folder of the dataset; an unfinished one is continued", "PATH"
    )
    maps: tuple[str, ...] = _flag(
        ("town", "curvy", "country", "highway", "village"),
        "maps to collect on, space separated",
        "MAP",
    )
    frames: int = _flag(30000, "frames in all", "N")
    seeds: int = _flag(6, "looks of each map: the embedded server is started with each", "N")
    seed: int = _flag(0, "of all that is drawn by chance", "N")
    speed: float = _flag(30.0, "set speed in km/h that the labels are for", "KM/H")
    fps: float = _flag(20.0, "ticks per simulated second", "HZ")
    policy: str | None = _flag(
        None, "a network that drives while the expert labels (DAgger); poses if not given", "FILE"
    )
    model: str | None = _flag(
        None, "network whose camera contract is used (the shipped DAVE-2)", "FILE"
    )

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        if self.policy is not None and self.model is not None:
            raise BadInputError("--policy brings its own camera contract: leave out --model")
        require("--frames", self.frames, 1, 10**8, "frames")
        require("--seeds", self.seeds, 1, 10**4, "looks")
        require("--seed", self.seed, 0, 2**31 - 1)
        require("--speed", self.speed, 1, 200, "km/h")
        require("--fps", self.fps, 1, 200, "ticks per second")


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Train a DAVE-2 on collected frames with Keras."""

    data: tuple[str, ...] = _flag(
        ("datasets/poses",), "folders of datasets, space separated", "DIR"
    )
    out: str = _flag("dave2.keras", "network to write; its camera contract goes beside it", "PATH")
    epochs: int = _flag(4, "passes over the frames", "N")
    batch: int = _flag(96, "frames per step", "N")
    rate: float = _flag(2e-3, "highest learning rate (Adam, cosine decay)", "X")
    init: str | None = _flag(None, "network to go on from", "FILE")
    seed: int = _flag(0, "of weights, order and augmentation", "N")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        require("--epochs", self.epochs, 1, 10**4, "epochs")
        require("--batch", self.batch, 1, 10**5, "frames")
        require("--rate", self.rate, 1e-8, 1)
        require("--seed", self.seed, 0, 2**31 - 1)
        check_output("--out", self.out, ".keras")
