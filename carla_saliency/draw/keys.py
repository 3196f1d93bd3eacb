"""The keys of the window and what they do, for the help."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """Keys that belong together.

    Attributes:
        name: Above them.
        rows: The keys, and what they do.
    """

    name: str
    rows: tuple[tuple[str, str], ...]


DRIVE = Group(
    "Drive",
    (
        ("P", "network or expert drives"),
        ("Shift+P", "CARLA's autopilot, and back"),
        ("W A S D, arrows", "take over; P gives back"),
        ("Space", "hand brake"),
        ("Q", "reverse"),
        ("Backspace", "next spawn point"),
        ("C, Shift+C", "next, previous weather"),
        ("Tab", "next camera on the left, for you alone"),
    ),
)
EXPLAIN = Group(
    "Explain",
    (
        ("K, Shift+K", "next, previous method"),
        ("J, Shift+J", "next, previous layer"),
        ("[  ]", "overlay weaker, stronger"),
        ("0", "overlay off, on"),
        ("F", "lock the colour scale"),
        ("T", "lower strip: by class, or lane or layers"),
        ("F2", "check the blobs while driving"),
        ("U", "show, hide the shadow network"),
        ("Shift+U", "the shadow drives, and back"),
    ),
)
INSPECT = Group(
    "Inspect",
    (
        ("E", "pause and inspect, go on"),
        ("Enter", "one tick further"),
        ("PgUp, PgDn", "back, forward in the last 20 s"),
        ("Shift+PgUp, PgDn", "the same by one second"),
        ("drag on camera", "mask a region, steer again"),
        ("Delete", "remove the last mask"),
        ("Insert", "drive on with the masks, or without"),
        ("click", "a layer, an event, a moment: show it"),
        ("Shift+E", "save frame, map and numbers"),
    ),
)
RECORD = Group(
    "Record",
    (
        ("R", "start, stop the video"),
        ("Y", "bookmark this moment"),
        ("Shift+Y", "show the last event"),
        ("F12", "save a screenshot"),
    ),
)
WINDOW = Group(
    "Window",
    (
        ("F1", "hide, show the text"),
        ("H  ?", "this help"),
        ("Esc, Ctrl+Q", "quit; the server is put back as it was"),
    ),
)
REPLAY = Group(
    "Replay",
    (
        ("E, Space", "pause and inspect, go on from there"),
        ("PgUp, PgDn", "a tick back, forward"),
        ("←, →", "the same by one second"),
        (".  ,", "play faster, slower"),
        ("N, Shift+N", "next, previous event"),
    ),
)
COLUMNS = (DRIVE, EXPLAIN), (INSPECT, RECORD, WINDOW)

REPLAY_COLUMNS = (
    (
        REPLAY,
        Group(
            EXPLAIN.name,
            (
                *EXPLAIN.rows[:-3],
                ("F2", "check the blobs while it plays"),
                ("U", "show, hide the other network"),
                ("Shift+U", "inspect the other network"),
            ),
        ),
    ),
    (
        Group(
            INSPECT.name,
            (
                ("drag on camera", "mask a region, steer again"),
                ("Delete", "remove the last mask"),
                ("Insert", "play on with the masks, or without"),
                ("click", "a layer, an event, a moment: show it"),
                ("Shift+E", "save frame, map and numbers"),
            ),
        ),
        RECORD,
        Group(WINDOW.name, (*WINDOW.rows[:-1], ("Esc, Ctrl+Q", "quit"))),
    ),
)
"""For a recorded drive: nobody can drive."""
