"""One dataclass per command: its flags, their defaults and their help, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    check_output,
    check_output_folder,
    flag,
    parse_size,
    positional,
    require,
)
from carla_saliency.settings.network import MethodSettings, NetworkSettings


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(NetworkSettings, MethodSettings):
    """Explain pictures: each becomes a PNG with the camera beside what moved the steering."""

    images: tuple[str, ...] = positional(
        "of the front camera: pictures, videos, folders or patterns of them (each picture becomes "
        "a PNG, each video an MP4), recorded drives, logs of Udacity's simulator "
        "(driving_log.csv), donkey tubs; "
        "what is broken is named and left out, and the exit code is 1",
        "INPUT",
    )
    layer: str | None = flag(
        None,
        "layer that is explained (at which, for gradcam, gradcam++ and layercam) instead of the "
        "steering; all = a sheet with every convolution, dense layer and the steering",
        "NAME|all",
    )
    activations: str | None = flag(None, "draw the feature maps of this layer", "NAME")
    speed: float = flag(30.0, "km/h, for a network that is told the speed", "KM/H")
    out: str = flag(
        ".",
        "folder for NAME.METHOD.png or .mp4, and explain.csv and explain.parquet with the numbers "
        "of each map",
        "DIR",
    )
    table_only: bool = flag(False, "write the tables, but no pictures and no videos")
    res: str | None = flag(
        None, "size of the videos: the camera beside the map (1280x360 for 16:9)", "WxH"
    )
    codec: Literal["h264", "hevc", "av1"] = flag(
        "h264", "of the videos: h264 plays everywhere, the others are smaller and take longer"
    )
    crf: int | None = flag(None, "quality of the videos, 0 = best (h264 23, hevc 28, av1 35)", "N")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        self.check_method()
        require("--speed", self.speed, 0, 1000, "km/h")
        if self.res is not None:
            parse_size("--res", self.res, "1280x360")
        if not self.images:
            raise BadInputError(
                "give at least one picture or video: carla-saliency explain INPUT..."
            )
        check_output_folder("--out", self.out)


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(NetworkSettings):
    """Say what a model file is, what it needs, and what is wrong with it."""

    frames: tuple[str, ...] = positional("picture of the front camera to try it on", "FRAME")
    save: bool = flag(False, "write the contract beside the model, NAME.contract.json")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        if len(self.frames) > 1:
            raise BadInputError(f"doctor takes one FRAME, received {len(self.frames)}")


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Run the embedded CARLA server alone, for this or any other CARLA client."""

    host: str = flag(DEFAULT_HOST, "address to listen on", "HOST")
    port: int = flag(DEFAULT_PORT, "TCP port for clients, 0 = any free one", "N")
    map: str | None = flag(None, "NAME of a shipped map, or an OpenDRIVE FILE.xodr (town)", "MAP")
    seed: int = flag(0, "the look of the road: asphalt, lines, dressing", "N")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        require("--port", self.port, 0, 65535)
        require("--seed", self.seed, 0, 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """Collect labelled frames through the CARLA client, at poses around the lanes of many maps."""

    out: str = flag(
        "datasets/poses", "folder of the dataset; an unfinished one is continued", "PATH"
    )
    maps: tuple[str, ...] = flag(
        ("town", "curvy", "country", "highway", "village"),
        "maps to collect on, space separated",
        "MAP",
    )
    frames: int = flag(30000, "frames in all", "N")
    seeds: int = flag(6, "looks of each map: the embedded server is started with each", "N")
    seed: int = flag(0, "of all that is drawn by chance", "N")
    speed: float = flag(30.0, "set speed in km/h that the labels are for", "KM/H")
    fps: float = flag(20.0, "ticks per simulated second", "HZ")
    policy: str | None = flag(
        None, "a network that drives while the expert labels (DAgger); poses if not given", "FILE"
    )
    model: str | None = flag(
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

    data: tuple[str, ...] = flag(("datasets/poses",), "folders of datasets, space separated", "DIR")
    out: str = flag("dave2.keras", "network to write; its camera contract goes beside it", "PATH")
    epochs: int = flag(4, "passes over the frames", "N")
    batch: int = flag(96, "frames per step", "N")
    rate: float = flag(2e-3, "highest learning rate (Adam, cosine decay)", "X")
    init: str | None = flag(None, "network to go on from", "FILE")
    seed: int = flag(0, "of weights, order and augmentation", "N")

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
