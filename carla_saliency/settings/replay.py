"""The flags of `carla-saliency replay`, their defaults and their help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import (
    check_output,
    flag,
    parse_size,
    positional,
    require,
)
from carla_saliency.settings.network import METHOD_HELP, MethodSettings, NetworkSettings

AS_RECORDED = "recorded"


@dataclass(frozen=True, kw_only=True)
class ReplaySettings(NetworkSettings, MethodSettings):
    """Look at a recorded drive again, with any method, or beside another network."""

    folder: tuple[str, ...] = positional("of a drive that was kept with drive --record", "DIR")
    model: str | None = flag(
        None,
        "another network, which is shown the same frames and compared with the drive's (B beside "
        "A); or where the drive's own is now",
        "FILE",
    )
    method: str = flag(
        AS_RECORDED, f"{METHOD_HELP}; {AS_RECORDED} = that of the drive, with its settings", "NAME"
    )
    every: int | None = flag(
        None, "map for every n-th frame only, for slow methods (measured if not given)", "N"
    )
    classes_every: int | None = flag(
        None,
        "paint each class over in every n-th map and ask again (as often as fits if not given)",
        "N",
    )
    blobs: bool = flag(False, "ask every tenth frame whether its strongest blobs move the steering")
    calibration: str | None = flag(
        None, "what is usual for this network (MODEL.calibration.npz beside it)", "FILE.npz"
    )
    start: float = flag(0.0, "seconds after its beginning at which the drive is entered", "S")
    pace: float | None = flag(
        None, "recorded seconds per real second, 0 = as fast as it can (1 with a window)", "X"
    )
    res: str = flag("1280x720", "size of the window and of the video", "WxH")
    record: str | None = flag(None, "write the annotated video of the replay", "FILE.mp4")
    codec: Literal["h264", "hevc", "av1"] = flag("h264", "how the video is encoded")
    crf: int | None = flag(
        None, "quality of the video, 0 = best (23; 28 for hevc, 43 for av1)", "N"
    )
    headless: bool = flag(False, "no window: all frames as fast as they can be read")
    summary: str | None = flag(None, "write the numbers to this FILE.json", "FILE.json")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        self.check_method()
        if len(self.folder) != 1:
            raise BadInputError(
                f"replay takes one DIR with a recorded drive, received {len(self.folder)}"
            )
        if self.model is None and (self.contract_parts() or self.arch or self.contract):
            raise BadInputError(
                "--arch, --contract and the like are about the file of --model: give one, or leave "
                "them out (the drive's own network is read as it was in the drive)"
            )
        require("--every", self.every, 1, 10**6, "frames")
        require("--classes-every", self.classes_every, 1, 10**6, "maps")
        require("--start", self.start, 0, 10**7, "seconds")
        require("--pace", self.pace, 0, 1000, "times real time")
        parse_size("--res", self.res, "1280x720")
        if self.record is not None:
            check_output("--record", self.record, ".mp4")
        if self.summary is not None:
            check_output("--summary", self.summary, ".json")
