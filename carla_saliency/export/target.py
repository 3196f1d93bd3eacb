"""Where an export goes: all of it or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carla_saliency.errors import BadInputError, CarlaSaliencyError


@contextmanager
def whole(path: Path, ending: str, mark: str, force: bool) -> Iterator[Path]:
    """Hand out a path beside the wanted one, to be filled; it takes its place if all went well.

    Args:
        path: Wanted; an empty folder there does not matter.
        ending: That a file's name must have to be replaced: nobody loses another one by a slip.
        mark: A file that a folder must have to be replaced; "" = a file is wanted.
        force: Replace what is there.

    Raises:
        BadInputError: If something is there that may not be replaced, or nothing can be written.
        CarlaSaliencyError: If the disk became full; nothing is left behind then.
    """
    require_free(path, ending, mark, force)
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        yield part
        _replace(path, part)
    except OSError as error:
        raise CarlaSaliencyError(
            f"{path} can't be written ({error.strerror or error}): nothing of it was kept; free "
            "some space, or choose another --out"
        ) from error
    finally:
        _remove(part)


def require_free(path: Path, ending: str, mark: str, force: bool) -> None:
    """Refuse a place where nothing can be written, or where something is.

    Raises:
        BadInputError: With what to do instead.
    """
    if not path.parent.is_dir():
        raise BadInputError(f"--out {path}: the folder {path.parent} does not exist: make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInputError(f"--out {path}: nothing can be written in {path.parent}")
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if path.is_dir() != bool(mark):
        kind = "a folder" if mark else "a file"
        raise BadInputError(f"--out {path} must be {kind}, and something else is there")
    if not force:
        raise BadInputError(f"{path} is there already: --force replaces it, --out names another")
    if not mark and path.suffix != ending:
        raise BadInputError(
            f"--force: {path} does not end in {ending} and is not replaced: choose another --out, "
            "or remove it yourself"
        )
    if mark and not (path / mark).is_file():
        raise BadInputError(
            f"--force: {path} is no such export (it has no {mark}) and is not replaced: choose "
            "another --out, or remove it yourself"
        )


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _replace(path: Path, part: Path) -> None:
    old = path.with_name(f".{path.name}.old-{os.getpid()}")
    if path.exists():
        path.rename(old)
    try:
        part.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
