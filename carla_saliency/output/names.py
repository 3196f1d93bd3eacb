"""Names of files that do not exist yet."""

from __future__ import annotations

from pathlib import Path

DEFAULT_NAME = "drive.mp4"


def free_name(name: str = DEFAULT_NAME) -> Path:
    """Return the path, or "NAME-2", "NAME-3", ... where that is taken: nothing is overwritten."""
    path = wanted = Path(name)
    number = 2
    while path.exists():
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        number += 1
    return path
