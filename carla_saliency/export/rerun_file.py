"""A drive as a recording of Rerun, .rrd, laid out for its viewer."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

from carla_saliency.export.drive import Drive

# Rerun writes in a thread of its own. Where the disk is full that ends in silence, and the next
# call may wait for it for ever: so it is stopped before.
ROOM_BYTES, CHECK_EVERY = 32_000_000, 10


def write_rerun(drive: Drive, target: Path, advance: Callable[[], None]) -> None:
    """Write a recording.

    Raises:
        BadInputError: If Rerun is not installed.
        OSError: If it can't be written.
    """
    from carla_saliency import rerun_log  # an extra

    _require_room(target)
    recording = rerun_log.open_recording(drive.title)
    try:
        recording.save(target, default_blueprint=rerun_log.blueprint())
        for i, step in enumerate(drive.steps(), 1):
            rerun_log.log_step(recording, step, drive.map_picture(step))
            if i % CHECK_EVERY == 0:
                _require_room(target)
                recording.flush()
            advance()
        recording.flush()
    except RuntimeError as error:  # all that Rerun raises where its file can't be written
        raise OSError(errno.EIO, "the disk is full or gone") from error
    finally:
        recording.disconnect()


def _require_room(target: Path) -> None:
    """Refuse to go on where the disk is all but full.

    Raises:
        OSError: If so.
    """
    if shutil.disk_usage(target.parent).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, "less than 32 MB are free")
