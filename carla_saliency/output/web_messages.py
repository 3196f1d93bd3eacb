"""What the page in the browser may say, as small JSON texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

PointKind = Literal["press", "move", "release"]
LONGEST_KEY = 32
FURTHEST_PX = 1e5


@dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up; its name is one of `output.keys`, its text what it writes."""

    key: str
    down: bool
    text: str
    shift: bool
    ctrl: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The left button or a finger, in pixels of the picture."""

    x: float
    y: float
    kind: PointKind


@dataclass(frozen=True, slots=True)
class LetGo:
    """The page is no longer looked at: what was held there is not."""


@dataclass(frozen=True, slots=True)
class Awake:
    """The page is there, and something is held."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The last picture is on the screen; the next one may come."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The viewer wants to be in control."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the viewer in control gives it to the one who asks."""

    give: bool


Message = Key | Point | LetGo | Awake | Drawn | Ask | Answer
PLAIN: dict[str, Message] = {
    "let go": LetGo(),
    "awake": Awake(),
    "drawn": Drawn(),
    "ask": Ask(),
    "give": Answer(True),
    "keep": Answer(False),
}


def read(text: str) -> Message | None:
    """Return what a text says; None if it is none of ours."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    match said.get("do"):
        case "key":
            return _key(said)
        case "point":
            return _point(said)
        case str(word):
            return PLAIN.get(word)
    return None


def _key(said: dict[str, Any]) -> Key | None:
    key, text = said.get("key"), said.get("text", "")
    if not isinstance(key, str) or not isinstance(text, str):
        return None
    if max(len(key), len(text)) > LONGEST_KEY:
        return None
    down, shift, ctrl = (said.get(name) is True for name in ("down", "shift", "ctrl"))
    return Key(key, down, text, shift, ctrl)


def _point(said: dict[str, Any]) -> Point | None:
    kind: PointKind
    match said.get("kind"):
        case "press" | "move" | "release" as kind:
            pass
        case _:
            return None
    x, y = _place(said.get("x")), _place(said.get("y"))
    return None if x is None or y is None else Point(x, y, kind)


def _place(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= FURTHEST_PX else None  # NaN is not
