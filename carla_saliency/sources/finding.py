"""From what stands on the command line to sources of pictures."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2

from carla_saliency.errors import BadInputError
from carla_saliency.sources import donkey, udacity
from carla_saliency.sources.files import PictureFile
from carla_saliency.sources.source import Source
from carla_saliency.sources.videos import VideoFile, is_video

PICTURES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"}
)
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"})
RECORD = ".mcap"
EXPECTED = (
    "a picture, a video, a folder of them, a recorded drive, a Udacity log (driving_log.csv) or a "
    "donkey tub"
)


def find_sources(
    names: Sequence[str],
    folder_source: Callable[[Path], Source | None] = lambda path: None,
    is_left_out: Callable[[Path], bool] = lambda path: False,
) -> list[Source]:
    """Return all sources, in the order of the names and then of the file names.

    A file is what its name says (so that a broken one is told when it is read), and if that says
    nothing, what is in it. Of a folder that is no log its pictures and videos are taken, without
    those in folders inside; of a pattern such as "frames/*" all that match, logs first.

    Args:
        names: Files, folders, patterns.
        folder_source: Is asked first whether a folder is a log of some other kind.
        is_left_out: Whether a file in a folder, or that matches a pattern, is not meant.

    Raises:
        BadInputError: If one of them does not exist or has nothing to explain.
    """
    find = _Finder(folder_source, is_left_out)
    return [source for name in names for source in find.all_of(name)]


class _Finder:
    """Finds sources.

    Args:
        folder_source: Is asked first whether a folder is a log.
        is_left_out: Whether a file that nobody named is not meant.
    """

    def __init__(
        self,
        folder_source: Callable[[Path], Source | None],
        is_left_out: Callable[[Path], bool],
    ) -> None:
        self._folder_source, self._is_left_out = folder_source, is_left_out

    def all_of(self, name: str) -> Iterator[Source]:
        """Yield the sources that a name on the command line means.

        Raises:
            BadInputError: If there are none.
        """
        if not name.strip():
            raise BadInputError(f"an input is empty: give {EXPECTED}")
        path = Path(name)
        try:
            exists = path.exists()
        except (OSError, ValueError) as error:
            raise BadInputError(f"{name!r} can't be used: {error}") from None
        if path.is_dir():
            yield from self._of_folder(path)
        elif exists:
            yield self._of_file(path)
        elif glob.has_magic(name):
            yield from self._of_pattern(name)
        else:
            shown = name if name.isprintable() else repr(name)
            raise BadInputError(f"{shown}: No such file or folder: give {EXPECTED}")

    def _of_file(self, path: Path) -> Source:
        suffix = path.suffix.lower()
        if suffix == ".csv":
            return udacity.udacity_log(path)
        if suffix == RECORD and (record := self._folder_source(path.parent)) is not None:
            return record
        if path.name == donkey.MANIFEST and donkey.is_tub(path.parent):
            return donkey.tub(path.parent)
        known = _by_name(path)
        if known is not None:
            return known
        if path.is_file() and path.stat().st_size:  # else reading could wait for ever
            if cv2.haveImageReader(str(path)):
                return PictureFile(path)
            if is_video(path):
                return VideoFile(path)
        raise BadInputError(f"{path} can't be explained: expected {EXPECTED}")

    def _of_folder(self, folder: Path) -> list[Source]:
        log = self._log_in(folder)
        sources = [log] if log is not None else self._by_names(_files_in(folder))
        if not sources:
            raise BadInputError(f"the folder {folder} has nothing to explain: expected {EXPECTED}")
        return sources

    def _of_pattern(self, pattern: str) -> list[Source]:
        found = [Path(name) for name in glob.glob(pattern, recursive=True)]
        folders = {path for path in found if path.is_dir()}
        files = {path for path in found if path.is_file()}
        kept = {path.parent for path in files if path.name == udacity.NAME or path.suffix == RECORD}
        known = {path: self._log_in(path) for path in folders | kept}
        logs = {path: log for path, log in known.items() if log is not None}
        files |= {file for folder in folders - logs.keys() for file in _files_in(folder)}
        # a log has its own pictures
        files = {file for file in files if logs.keys().isdisjoint(file.parents)}
        sources = [*(logs[path] for path in sorted(logs, key=_in_order)), *self._by_names(files)]
        if not sources:
            raise BadInputError(f"{pattern} matches nothing to explain: expected {EXPECTED}")
        return sources

    def _by_names(self, files: Iterable[Path]) -> list[Source]:
        """Return those that are pictures or videos by their names, in the order of these."""
        meant = (file for file in files if not self._is_left_out(file))
        sources = map(_by_name, sorted(meant, key=_in_order))
        return [source for source in sources if source is not None]

    def _log_in(self, folder: Path) -> Source | None:
        """Return the log that a folder is; None if it is none.

        Raises:
            BadInputError: If it can't be read.
        """
        source = self._folder_source(folder)
        if source is not None:
            return source
        if (folder / udacity.NAME).is_file():
            return udacity.udacity_log(folder / udacity.NAME)
        return donkey.tub(folder) if donkey.is_tub(folder) else None


def _by_name(path: Path) -> Source | None:
    """Return the source that a file's name promises; None if it promises none.

    A pipe or a device promises none: reading it could wait for ever.
    """
    if path.exists() and not path.is_file():
        return None
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return PictureFile(path)
    return VideoFile(path) if suffix in VIDEOS else None


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Return a key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
