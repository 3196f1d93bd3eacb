"""A recorded drive in other people's formats.

`FORMATS` has a function for each: it is handed a `Drive` and a path that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from carla_saliency.export.drive import Drive


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        ending: Of a name for it.
        lacks: What of a drive it can't hold, for people.
        mark: A file that every such folder has; "" where it is a single file.
        module: Where its function is; imported when it is wanted.
        function: Its name.
    """

    ending: str
    lacks: str
    mark: str
    module: str
    function: str

    def write(self, drive: Drive, target: Path, advance: Callable[[], None]) -> None:
        """Write a drive.

        Args:
            drive: All of it.
            target: A file or folder that does not exist yet.
            advance: Is called after each step.

        Raises:
            BadInputError: If something is missing that this format needs.
            OSError: If it can't be written.
        """
        function = getattr(import_module(f"carla_saliency.export.{self.module}"), self.function)
        function(drive, target, advance)


FORMATS = {
    "csv": Format(".csv", "no pictures, no maps, no facts of the drive", "", "tables", "write_csv"),
    "parquet": Format(".parquet", "no pictures, no maps", "", "tables", "write_parquet"),
    "udacity": Format(
        ".udacity",
        "pictures are JPEG (quality 95) of one camera; no maps, tags, poses or events; its speed "
        "is in miles per hour",
        "driving_log.csv",
        "udacity",
        "write_udacity",
    ),
    "donkey": Format(
        ".donkey",
        "pictures are JPEG (quality 95); no maps, tags, poses or events; user/throttle is throttle "
        "minus brake",
        "manifest.json",
        "donkey",
        "write_donkey",
    ),
    "lerobot": Format(
        ".lerobot",
        "pictures are a video (H.264); no maps, tags or events; numbers have 32 bits, and times "
        "are the frame's number / rate",
        "meta/info.json",
        "lerobot",
        "write_lerobot",
    ),
    "rerun": Format(
        ".rrd",
        "pictures are JPEG (quality 95), maps are coloured as in the window; no tags",
        "",
        "rerun_file",
        "write_rerun",
    ),
}
