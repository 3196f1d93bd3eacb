"""Which key asks for what. CARLA's own meanings are kept, ours are on free keys.

A key has the name that browsers give it, letters small: "e", "ArrowLeft", "PageUp", " ".
"""

from __future__ import annotations

from carla_saliency.core import (
    Autopilot,
    Bookmark,
    ChangeLayer,
    ChangeMethod,
    ChangePace,
    ChangeStrip,
    ChangeWeather,
    CheckBlobs,
    DriveMasked,
    HandOver,
    LockScale,
    NextCamera,
    NextEvent,
    NextSpawnPoint,
    OpenEvent,
    Pause,
    Quit,
    RemoveMask,
    Request,
    SaveFrame,
    Screenshot,
    Scrub,
    ShowShadow,
    StepOnce,
    SwapDrivers,
    ToggleRecording,
)

STEER = {
    "ArrowLeft": "left",
    "a": "left",
    "ArrowRight": "right",
    "d": "right",
    "ArrowUp": "throttle",
    "w": "throttle",
    "ArrowDown": "brake",
    "s": "brake",
    " ": "hand_brake",
}
"""The driving keys, which count as long as they are down."""

ASK: dict[str, Request] = {
    "Escape": Quit(),
    "p": HandOver(),
    "e": Pause(),
    "Enter": StepOnce(),
    "PageUp": Scrub(-1),
    "PageDown": Scrub(1),
    "r": ToggleRecording(),
    "k": ChangeMethod(1),
    "j": ChangeLayer(1),
    "f": LockScale(),
    "F2": CheckBlobs(),
    "t": ChangeStrip(),
    "u": ShowShadow(),
    "c": ChangeWeather(1),
    "Backspace": NextSpawnPoint(),
    "Tab": NextCamera(),
    "y": Bookmark(),
    "n": NextEvent(1),
    ".": ChangePace(1),
    ",": ChangePace(-1),
    "Delete": RemoveMask(),
    "Insert": DriveMasked(),
    "F12": Screenshot(),
}
ASK_WITH_SHIFT: dict[str, Request] = {
    "p": Autopilot(),
    "e": SaveFrame(),
    "PageUp": Scrub(-1, seconds=True),
    "PageDown": Scrub(1, seconds=True),
    "k": ChangeMethod(-1),
    "j": ChangeLayer(-1),
    "u": SwapDrivers(),
    "c": ChangeWeather(-1),
    "y": OpenEvent(),
    "n": NextEvent(-1),
}
"""Takes the place of `ASK` while Shift is down, for these keys; other keys don't care."""

WATCH: dict[str, Request] = {
    " ": Pause(),
    "ArrowLeft": Scrub(-1, seconds=True),
    "ArrowRight": Scrub(1, seconds=True),
}
"""What driving keys ask for where nobody can drive: in a recorded drive."""

REPEAT = frozenset({"PageUp", "PageDown"})
"""Held down, they ask again and again."""

LOOK = frozenset({"h", "?", "F1", "[", "]", "0"})
"""They change the look of the picture."""

REVERSE = "q"
"""The reverse gear while a person drives; with Ctrl it quits."""
