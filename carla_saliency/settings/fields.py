"""How a setting becomes a flag, and what is refused at once."""

from __future__ import annotations

import os
import re
from dataclasses import field
from pathlib import Path
from typing import Any

from carla_saliency.errors import BadInputError

DEFAULT_PORT = 2000
DEFAULT_HOST = "127.0.0.1"


def positional(text: str, metavar: str) -> Any:
    """Return a dataclass field for words without a flag, with its help text."""
    return field(metadata={"help": text, "metavar": metavar, "bare": None})


def flag(default: Any, text: str, metavar: str | None = None, bare: Any = None) -> Any:
    """Return a dataclass field with its help text and what stands for its value there.

    Args:
        default: Without the flag.
        text: Its help.
        metavar: Stands for the value.
        bare: With the flag but without a value; None = it must have one.
    """
    return field(default=default, metadata={"help": text, "metavar": metavar, "bare": bare})


def parse_size(flag: str, text: str, example: str) -> tuple[int, int]:
    """Return (width, height) in pixels of a text such as "1280x720".

    Raises:
        BadInputError: If it is not two positive even numbers (H.264's yuv420p has even sizes).
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match:
        width, height = int(match[1]), int(match[2])
        if 32 <= width <= 7680 and 32 <= height <= 4320 and width % 2 == height % 2 == 0:
            return width, height
    raise BadInputError(
        f"{flag} must be WIDTHxHEIGHT, even numbers of pixels from 32x32 to 7680x4320, "
        f"for example {example}; received {text!r}"
    )


def parse_endpoint(flag: str, text: str) -> tuple[str, int]:
    """Return host and port of a text such as "8000" or "0.0.0.0:8000"; 0 is any free port.

    Raises:
        BadInputError: If it is something else.
    """
    host, _, port = text.strip().rpartition(":")
    if port.isascii() and port.isdecimal() and int(port) <= 65535 and not host.endswith(":"):
        return host.removeprefix("[").removesuffix("]") or DEFAULT_HOST, int(port)
    raise BadInputError(
        f"{flag} must be PORT or HOST:PORT, for example 8000 or 0.0.0.0:8000; received {text!r}"
    )


def require(flag: str, value: float | None, low: float, high: float, unit: str = "") -> None:
    """Refuse a number outside [low, high]; None passes, NaN does not.

    Raises:
        BadInputError: If it is outside.
    """
    if value is None or low <= value <= high:
        return
    wanted = f"at least {low:g}" if value < low else f"from {low:g} to {high:.0f}"
    raise BadInputError(f"{flag} must be {wanted}{unit and ' ' + unit}, received {value:g}")


def check_output(flag: str, name: str, suffix: str) -> None:
    """Refuse a file that can't be written, before the drive that would fill it.

    Raises:
        BadInputError: If the suffix is another, the folder is missing or nothing can be written.
    """
    path = Path(name)
    if path.suffix.lower() != suffix:
        raise BadInputError(f"{flag} must end in {suffix}, received {name!r}")
    if path.is_dir():
        raise BadInputError(f"{flag} {name} is a folder: give a file name")
    if not path.parent.is_dir():
        raise BadInputError(
            f"{flag} {name}: the folder {path.parent} does not exist: make it first"
        )
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise BadInputError(f"{flag} {name} can't be written: {error.strerror}") from None


def check_output_folder(flag: str, name: str) -> None:
    """Refuse a folder that can't be made or written to, before the drive that would fill it.

    Raises:
        BadInputError: If it is a file, or inside of one, or nothing can be written there.
    """
    path = Path(name).absolute()
    there = next(one for one in (path, *path.parents) if one.exists())
    if not there.is_dir():
        raise BadInputError(f"{flag} {name}: {there} is a file, expected a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadInputError(f"{flag} {name}: nothing can be written in {there}: choose another")
