"""From the pieces that a recording is written in to an ordinary MP4 file."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import av


def make_faststart(path: Path) -> None:
    """Write an MP4 file anew, its index first, so that players begin and seek at once.

    Nothing is encoded again; a last piece that is not whole is left out. The file is replaced when
    the new one is whole on the disk, so that nothing is lost in between.

    Args:
        path: Of the file.

    Raises:
        OSError: If it can't be read or written, or there is no room for both; it is as it was.
        FFmpegError: If it is no video; it is as it was.
    """
    path = path.resolve()  # a link stays one
    if shutil.disk_usage(path.parent).free < path.stat().st_size:  # others need what there is
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finished = path.with_name(f".{path.name}.part")
    try:
        _write_anew(path, finished)
        shutil.copymode(path, finished)
        with finished.open("rb+") as file:
            os.fsync(file.fileno())
        finished.replace(path)
    finally:
        finished.unlink(missing_ok=True)


def _write_anew(path: Path, finished: Path) -> None:
    options = {"movflags": "faststart"}
    with (
        av.open(str(path)) as old,
        av.open(str(finished), "w", format="mp4", options=options) as new,
    ):
        video = old.streams.video[0]
        stream = new.add_stream_from_template(video, opaque=True)  # needs no encoder of its kind
        if video.codec_context.codec_tag == "hev1":
            stream.codec_context.codec_tag = "hvc1"  # Apple's players know it only by this name
        for packet in old.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
