"""Starts and stops videos while a drive goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.names import free_name
from carla_saliency.output.video import Video

Status = Literal["off", "on", "saved"]


class Recorder:
    """At most one video at a time; use it as a context manager.

    Args:
        size: (width, height) of the pictures, even.
        rate: Pictures per simulated second.
        say: Receives one line when a file is complete.
        fail: Receives one line when recording could not begin, or had to stop.

    Attributes:
        status: For the window.
        seconds: Simulated seconds in the file at hand, or in the last one.
    """

    def __init__(
        self,
        size: tuple[int, int],
        rate: float,
        say: Callable[[str], None],
        fail: Callable[[str], None],
    ) -> None:
        self._size, self._rate, self._say, self._fail = size, rate, say, fail
        self._video: Video | None = None
        self.status: Status = "off"
        self.seconds = 0.0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, path: Path) -> None:
        """Begin a video.

        Raises:
            BadInputError: If it can't be written.
        """
        self.stop()
        self._video = Video(path, self._size, self._rate)
        self.status, self.seconds = "on", 0.0

    def stop(self) -> None:
        """Finish the video, if there is one."""
        video, self._video = self._video, None
        if video is None:
            return
        self.status = "off"
        try:
            video.close()
        except CarlaSaliencyError as error:
            self._fail(str(error))
            return
        if video.count:
            self.status = "saved"
            self._say(f"video: {video.path}, {video.count} frames, {video.seconds:.1f} s")

    def toggle(self) -> None:
        """Begin a video with a free name here, or finish the one at hand."""
        if self._video is not None:
            self.stop()
            return
        try:
            self.start(free_name())
        except BadInputError as error:  # the drive goes on without it
            self._fail(str(error))

    def write(self, picture: Image) -> None:
        """Hand on one picture; a full disk ends the recording, not the drive."""
        if self._video is None:
            return
        try:
            self._video.write(picture)
        except CarlaSaliencyError:
            self.stop()  # says why
            return
        self.seconds = self._video.seconds
