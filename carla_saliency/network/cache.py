"""Keeps between runs what was written or measured, by the hash of all that it was made from.

The folder is `carla-saliency/graphs` in XDG_CACHE_HOME (~/.cache). Only bytes that this program
wrote are read back, and a file that is damaged is written anew. Without a folder that can be
written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 2**20
"""What is larger is written anew each time."""

MOST_FILES = 200


def folder() -> Path:
    """Return where graphs are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "carla-saliency" / "graphs"


def digest_of(*parts: bytes) -> str:
    """Return a name for what is made from these parts by this version of the code."""
    digest = hashlib.sha256(_code())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


@cache
def _code() -> bytes:
    """Return the hash of the modules that write graphs: a change of them makes other graphs."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def stored(digest: str, what: object, write: Callable[[], bytes]) -> bytes:
    """Return what was kept in the folder, or write it and keep it there.

    Args:
        digest: From `digest_of`; "" = it is not kept.
        what: Tells things with the same digest apart, by its `repr`.
        write: Makes it.
    """
    if not digest:
        return write()
    name = hashlib.sha256(f"{digest} {what!r}".encode()).hexdigest()
    path = folder() / f"{name}.kept"
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    checksum, model = content[:32], content[32:]
    if model and hashlib.sha256(model).digest() == checksum:
        return model
    model = write()
    if len(model) <= LARGEST_BYTES:
        _keep(path, hashlib.sha256(model).digest() + model)
    return model


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files = sorted(path.parent.glob("*.kept"), key=lambda each: each.stat().st_mtime)
        for old in files[: max(0, len(files) - MOST_FILES + 1)]:
            old.unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)  # at once: another process may be reading
    except OSError as error:
        logger.info("nothing is kept: %s", error)
