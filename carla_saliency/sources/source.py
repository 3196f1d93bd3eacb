"""What every source of pictures is, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that could be read.

    Attributes:
        number: Of the picture in its source, rising; a log counts its lines, broken ones too.
        name: What a person finds it by: the file's name, or the video's.
        image: RGB, uint8, (H, W, 3); those of one source that moves all have one size.
        time_s: Seconds since the first picture of the source; None if nobody wrote them down.
        recorded: Steering that a log has for it, [-1, 1], left negative; None without.
        speed_mps: Of the car at that moment; None if nobody wrote it down.
        tags: Semantic tag of each pixel, uint8, (H, W); None without.
    """

    number: int
    name: str
    image: Image
    time_s: float | None = None
    recorded: float | None = None
    speed_mps: float | None = None
    tags: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """What could not be read, where a picture should have been.

    Attributes:
        text: One line that names it and says why.
    """

    text: str


class Source(Protocol):
    """Pictures in their order, read one after the other: they need not fit into memory."""

    @property
    def path(self) -> Path:
        """The file or the folder."""

    @property
    def moving(self) -> bool:
        """Whether each picture follows the one before: a video or a log, not a picture file."""

    @property
    def rate(self) -> float:
        """Pictures per second, as it was recorded or as is usual."""

    @property
    def keeps_times(self) -> bool:
        """Whether each picture has its own time, which rises; else they come evenly, at the rate.

        A film's do; the clock of a log may stand still for an hour, or be set back.
        """

    @property
    def count(self) -> int | None:
        """How many pictures there will be, about; None if only reading all of it would say."""

    def read(self, every: int = 1) -> Iterator[Picture | Broken]:
        """Yield the pictures, and what is broken in its place; raises nothing for a bad file.

        Args:
            every: Of so many pictures the first one is read; what is broken among the others may
                be left out too.
        """
