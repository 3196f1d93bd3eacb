"""A picture file as a source of one picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from carla_saliency.errors import BadInputError
from carla_saliency.pictures import read_picture
from carla_saliency.sources.source import Broken, Picture


class PictureFile:
    """One picture file.

    Args:
        path: PNG, JPEG, ...

    Attributes:
        path: The file.
    """

    moving = keeps_times = False
    rate = 1.0
    count: int | None = 1

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, every: int = 1) -> Iterator[Picture | Broken]:
        """Yield the picture, or why it is none."""
        del every  # there is one
        try:
            yield Picture(0, self.path.name, read_picture(self.path))
        except BadInputError as error:
            yield Broken(str(error))
