"""The line at the bottom: where the milliseconds of a tick go, and one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from carla_saliency.core import Driver
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.hud import TONES
from carla_saliency.draw.layout import FOOT, Box
from carla_saliency.draw.palette import (
    FAILURE,
    GRID,
    HIGH,
    LOW,
    MID,
    ON_BADGE,
    PANEL,
    PARTS,
    WARNING,
)
from carla_saliency.draw.state import EventEntry, Tone, UiState
from carla_saliency.draw.text import SMALL, STRONG
from carla_saliency.draw.words import NONE

BAR = Box(12, 698, 240, 14)
P_DOES: dict[Driver, str] = {
    "network": "expert",
    "expert": "network",
    "manual": "give back",
    "autopilot": "network",
    "owner": "",  # the car is somebody else's
}
INSPECT_KEYS = (
    "Enter next tick   PgUp PgDn history   E resume",
    "Enter tick   PgUp PgDn history   E resume",
    "Enter tick   E resume",
    "E resume",
)
EVENTS = "events"
EVENTS_RIGHT = 900.0  # units: the keys need the rest
CHIP_INSET, CHIP_GAP = 8.0, 6.0
EVERY = 10  # ticks: digits that change twice a second can be read


class Budget:
    """Milliseconds of the parts of a tick, as means of half a second.

    Args:
        tick_ms: What a tick may take: the right end of the bar.
    """

    def __init__(self, tick_ms: float) -> None:
        self.tick_ms = tick_ms
        self._names: tuple[str, ...] = ()
        self._sums: list[float] = []
        self._count = 0
        self._shown: list[float] = []
        self._digits = 2

    def add(self, parts: tuple[tuple[str, float], ...]) -> None:
        """Take one tick into account."""
        names = tuple(name for name, _ in parts)
        if names != self._names:
            self._names, self._sums, self._count, self._shown = names, [0.0] * len(parts), 0, []
        self._sums = [total + ms for total, (_, ms) in zip(self._sums, parts, strict=True)]
        self._count += 1
        if self._count >= EVERY or not self._shown:
            self._shown = [total / self._count for total in self._sums]
            # slots only grow: nothing moves to and fro when 99 becomes 100
            self._digits = max(self._digits, len(f"{sum(self._shown):.0f}"))
        if self._count >= EVERY:
            self._sums, self._count = [0.0] * len(parts), 0

    def draw(self, canvas: Canvas, known: bool = True) -> float:
        """Draw the bar and the numbers; return where they end."""
        canvas.fill(BAR, GRID)
        values = self._shown if known else []
        total = sum(values)
        x = BAR.x
        for ms, colour in zip(values, PARTS, strict=False):
            end = min(BAR.right, x + BAR.w * ms / self.tick_ms)
            if end > x:
                canvas.fill(Box(x, BAR.y, end - x, BAR.h), colour)
            x = end
        if total > self.tick_ms:
            canvas.fill(Box(BAR.right - 6, BAR.y, 6, BAR.h), FAILURE)
        canvas.vertical(BAR.right, BAR.y - 3, BAR.bottom + 3, HIGH)
        return self._numbers(canvas, values)

    def _numbers(self, canvas: Canvas, values: list[float]) -> float:
        x = BAR.right + 12
        slot = canvas.width("8" * self._digits) + 1
        for i, name in enumerate(self._names):
            canvas.fill(Box(x, FOOT.y + 10, 10, 10), PARTS[i % len(PARTS)])
            width = canvas.width(name) + 1
            canvas.text(Box(x + 15, FOOT.y, width, FOOT.h), name, MID, on=PANEL)
            x += 15 + width + 6
            text = f"{values[i]:.0f}" if values else NONE
            canvas.text(Box(x, FOOT.y, slot, FOOT.h), text, HIGH, align="right", on=PANEL)
            x += slot + 12
        return self._total(canvas, values, x) if self._names else x

    def _total(self, canvas: Canvas, values: list[float], x: float) -> float:
        over = sum(values) > self.tick_ms
        width = canvas.width("=") + 1
        canvas.text(Box(x, FOOT.y, width, FOOT.h), "=", MID, on=PANEL)
        x += width + 6
        width = canvas.width("8" * self._digits, STRONG) + 1
        text = f"{sum(values):.0f}" if values else NONE
        colour = FAILURE if over else HIGH
        canvas.text(Box(x, FOOT.y, width, FOOT.h), text, colour, STRONG, "right", on=PANEL)
        x += width + 5
        limit = f"of {self.tick_ms:.0f} ms"
        width = canvas.width(limit) + 1
        canvas.text(Box(x, FOOT.y, width, FOOT.h), limit, MID, on=PANEL)
        return x + width


def base(canvas: Canvas) -> None:
    """Draw the empty line."""
    canvas.fill(FOOT, PANEL)


def keys(driver: Driver, replay: bool = False) -> tuple[str, ...]:
    """Return the most useful keys while somebody drives, or did; longest first."""
    if replay:
        most = "H help   E inspect   N next event"
        return (f"{most}   . , speed", most, "H help")
    hands = f"   P {P_DOES[driver]}" if P_DOES[driver] else ""
    most = f"H help   E inspect{hands}"
    return (f"{most}   R record", most, "H help")


def event_boxes(
    events: Sequence[EventEntry], width: Callable[[str], float], right: float = EVENTS_RIGHT
) -> tuple[tuple[int, Box], ...]:
    """Return the numbers of the events in the list while paused, and where each is, in units.

    As many of the last ones as fit; if one of before is looked at, then as many up to that one.

    Args:
        events: Of the drive, oldest first.
        width: Of a text, in units, as `Canvas.width` says.
        right: Where the list ends at the latest.
    """
    x = FOOT.x + 12 + width(EVENTS) + 10
    shown = next((i for i, event in enumerate(events) if event.shown), None)
    widths = [width(_event_words(event)) + 2 * CHIP_INSET + CHIP_GAP for event in events]
    end = len(events)
    if shown is not None and x + sum(widths[shown:]) > right:
        end = shown + 1
    first = end
    while first > 0 and x + sum(widths[first - 1 : end]) - CHIP_GAP <= right:
        first -= 1
    boxes = []
    for event, wide in zip(events[first:end], widths[first:end], strict=True):
        boxes.append((event.number, Box(x, FOOT.y + 4, wide - CHIP_GAP, FOOT.h - 8)))
        x += wide
    return tuple(boxes)


def _event_words(event: EventEntry) -> str:
    mark = {"coming": " …", "failed": " ▲"}.get(event.clip, "")
    return f"{event.number} {event.kind.value} {event.sim_s:.1f} s{mark}"


def events(canvas: Canvas, entries: Sequence[EventEntry]) -> float:
    """Draw the list of the events while paused; return where it ends."""
    x = FOOT.x + 12
    width = canvas.width(EVENTS) + 1
    if not entries:
        text = "no events yet: Y keeps this moment"
        width = canvas.width(text) + 1
        canvas.text(Box(x, FOOT.y, width, FOOT.h), text, LOW)
        return x + width
    canvas.text(Box(x, FOOT.y, width, FOOT.h), EVENTS, LOW)
    by_number = {entry.number: entry for entry in entries}
    end = x + width
    for number, box in event_boxes(entries, canvas.width):
        entry = by_number[number]
        canvas.plate(box, HIGH if entry.shown else GRID)
        failed = entry.clip == "failed"
        colour = ON_BADGE if entry.shown else WARNING if failed else MID
        canvas.text(box, _event_words(entry), colour, align="centre")
        end = box.right
    return end


def notice(of_the_step: str, state: UiState) -> tuple[str, Tone]:
    """Return the one message and its tone: the state's, else that of the step."""
    if state.notice:
        return state.notice, state.notice_tone
    if state.inspection is not None:
        return "", "mid"  # the keys are worth more
    if state.paused:
        return "paused: Enter for one tick, E goes on", "high"
    return of_the_step, "mid"


def message(canvas: Canvas, left: float, text: str, tone: Tone, hints: tuple[str, ...]) -> None:
    """Draw the one message at the right; if there is none, the first of the hints that fits."""
    slot = Box(left + 16, FOOT.y, FOOT.right - 12 - left - 16, FOOT.h)
    if text:
        mark = "▲ " if tone == "warning" else ""
        canvas.text(slot, f"{mark}{text}", TONES[tone], SMALL, "right", on=PANEL)
    else:
        canvas.text(slot, hints, LOW, SMALL, "right", on=PANEL)
