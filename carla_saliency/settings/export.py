"""Settings of `export`."""

from __future__ import annotations

from dataclasses import dataclass

from carla_saliency.errors import BadInputError
from carla_saliency.settings.fields import flag, positional

EXPORT_FORMATS = ("csv", "parquet", "udacity", "donkey", "lerobot", "rerun")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Write a recorded drive in another program's format."""

    folder: tuple[str, ...] = positional("of a drive that was kept with drive --record", "DIR")
    to: str | None = flag(
        None,
        "csv, parquet: a table, one row for each tick; udacity: a log as its simulator writes it; "
        "donkey: a tub of donkeycar; lerobot: a dataset (v3.0); rerun: a recording (.rrd)",
        "FORMAT",
    )
    out: str | None = flag(None, "file or folder to write (DIR.FORMAT beside the record)", "PATH")
    force: bool = flag(False, "replace an export that is there")

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            BadInputError: With the flag, what it must be and what was received.
        """
        if len(self.folder) != 1:
            raise BadInputError(
                f"export takes one DIR with a recorded drive, received {len(self.folder)}"
            )
        if self.to not in EXPORT_FORMATS:
            received = "nothing" if self.to is None else repr(self.to)
            raise BadInputError(
                f"--to must be one of {', '.join(EXPORT_FORMATS)}, received {received}"
            )
