"""Starts and stops videos while a drive goes on, and remembers the last seconds of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Literal

from carla_saliency.core import Image
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.output.codecs import H264, VideoOptions
from carla_saliency.output.encoder import Encoder, Piece, exact_rate, wait_for
from carla_saliency.output.names import free_name
from carla_saliency.output.recent import Recent
from carla_saliency.output.video import Excerpt, VideoFile

Status = Literal["off", "on", "saved"]

PAST_BYTES = 30_000_000  # ten times the last 20 s of a usual 1280x720


class Recorder:
    """At most one video at a time; use it as a context manager.

    A video that is stopped can be played at once. What makes an ordinary file of it may take
    seconds after an hour: the drive goes on meanwhile, only leaving waits for it.

    Args:
        size: (width, height) of the pictures, even.
        rate: Pictures per simulated second.
        say: Receives one line when a file is complete.
        fail: Receives one line when recording could not begin, or had to stop.
        past_s: So many seconds are remembered for `last`, whether or not there is a video, from at
            most 30 MB; then every picture is encoded, once for both. 0: only videos are encoded.
        may_skip: As long as there is no video, pictures are left out of the past rather than waited
            for while the encoder is behind; those around them keep their times. A video has every
            picture.
        options: How they are encoded, also the last seconds.

    Attributes:
        status: For the window.
        seconds: Simulated seconds in the file at hand, or in the last one.
        to_the_end: The video at hand belongs to a record of the whole drive.

    Raises:
        BadInputError: With a past, if the size is odd, the rate not positive, or there is no such
            encoder.
    """

    def __init__(
        self,
        size: tuple[int, int],
        rate: float,
        say: Callable[[str], None],
        fail: Callable[[str], None],
        past_s: float = 0.0,
        may_skip: bool = True,
        options: VideoOptions = H264,
    ) -> None:
        self._size, self._rate, self._say, self._fail = size, rate, say, fail
        self._may_skip, self._options = may_skip, options
        self._recent: Recent | None = None
        self._encoder: Encoder | None = None
        if past_s > 0:
            self._encoder = Encoder(size, rate, options)
            self._recent = Recent(round(past_s * rate) + 1, PAST_BYTES)
            self._encoder.sinks.append(self._recent.add)
        self._file: VideoFile | None = None
        self._finishing: list[tuple[Thread, VideoFile]] = []
        self._count = 0
        self.status: Status = "off"
        self.seconds = 0.0
        self.to_the_end = False

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._drop_encoder()
        for thread, _ in self._finishing:
            thread.join()
        self._tell_finished()

    @property
    def wants_pictures(self) -> bool:
        """Whether `write` does anything: there is a video, or a past to be remembered."""
        return self._encoder is not None

    def start(self, path: Path, to_the_end: bool = False) -> None:
        """Begin a video.

        Args:
            path: An .mp4 file.
            to_the_end: It belongs to a record of the whole drive: nobody should end it before.

        Raises:
            BadInputError: If it can't be written.
        """
        self.stop()
        for thread, old in self._finishing:
            if old.path == path:  # it would replace the new one
                thread.join()
        encoder = self._encoder or Encoder(self._size, self._rate, self._options)
        file = VideoFile(path, self._size, self._rate, self._options)
        encoder.between(lambda: encoder.sinks.append(file.write))
        self._encoder, self._file = encoder, file
        self._count = 0
        self.status, self.seconds, self.to_the_end = "on", 0.0, to_the_end

    def stop(self) -> None:
        """Finish the video, if there is one."""
        file, self._file = self._file, None
        if file is None:
            return
        self.status, self.to_the_end = "off", False
        try:
            self._end(file)
        finally:  # also if a person stops the drive just now
            self._settle(file)

    def _settle(self, file: VideoFile) -> None:
        """Say what became of a file that has all its pictures, and put its index first."""
        try:
            file.check()
        except CarlaSaliencyError as error:
            self._fail(str(error))
            return
        if self._count:
            self.status = "saved"
            self._say(f"video: {file.path}, {self._count} frames, {self.seconds:.1f} s")
            thread = Thread(target=file.finish, name="video file")  # no daemon: is never broken off
            thread.start()
            self._finishing.append((thread, file))

    def toggle(self) -> None:
        """Begin a video with a free name here, or finish the one at hand."""
        if self._file is not None:
            self.stop()
            return
        try:
            self.start(free_name())
        except BadInputError as error:  # the drive goes on without it
            self._fail(str(error))

    def write(self, picture: Image) -> None:
        """Hand on one picture; a full disk ends the recording, not the drive.

        With a past it must be called once for every step, whether or not there is a video.

        Args:
            picture: RGB, uint8; must not be changed afterwards.
        """
        self._tell_finished()
        if self._encoder is None:
            return
        try:
            if self._file is not None:
                self._file.check()
        except CarlaSaliencyError:
            self.stop()  # says why
        if self._encoder is None:
            return
        try:
            self._encoder.write(picture, wait=self._file is not None or not self._may_skip)
        except CarlaSaliencyError as error:
            self._fail(str(error))
            self._recent = None
            self.stop()
            self._drop_encoder()
            return
        if self._file is not None:
            self._count += 1
            self.seconds = float(self._count / exact_rate(self._rate))

    def last(self, pictures: int) -> Excerpt | None:
        """Return the newest pictures up to now, for a file of their own.

        Args:
            pictures: How many of those handed in; it begins with the key picture at or before the
                first of them, at most a second earlier.

        Returns:
            None if no past is remembered.
        """
        encoder, recent = self._encoder, self._recent
        if encoder is None or recent is None:
            return None
        pieces: SimpleQueue[list[Piece]] = SimpleQueue()
        first = encoder.count - pictures
        encoder.between(lambda: pieces.put(recent.since(first)))
        return Excerpt(pieces, self._size, self._rate, self._options)

    # -------------------------------------------------------------- inside

    def _end(self, file: VideoFile) -> None:
        """Wait until the file has all its pictures, and close it."""
        encoder = self._encoder
        assert encoder is not None
        done: SimpleQueue[None] = SimpleQueue()

        def leave() -> None:
            encoder.sinks.remove(file.write)
            file.end()
            done.put(None)

        encoder.between(leave)
        try:
            wait_for(done)
        finally:
            if self._recent is None:
                self._drop_encoder()

    def _tell_finished(self) -> None:
        for one in [one for one in self._finishing if not one[0].is_alive()]:
            self._finishing.remove(one)
            if note := one[1].note:
                self._say(f"video: {one[1].path} plays, but {note}")

    def _drop_encoder(self) -> None:
        encoder, self._encoder = self._encoder, None
        self._recent = None
        if encoder is not None:
            encoder.close()
