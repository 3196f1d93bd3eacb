"""Numbers, words and bars around the pictures."""

from __future__ import annotations

from carla_saliency.core import Control, Driver
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import CONTROLS_L, TOP, Box
from carla_saliency.draw.palette import (
    BACKGROUND,
    FAILURE,
    GRID,
    HIGH,
    LEFT,
    LOW,
    MID,
    ON_BADGE,
    PANEL,
    RIGHT,
    WARNING,
    Colour,
)
from carla_saliency.draw.state import Recording, Tone
from carla_saliency.draw.text import BIG, SMALL, STRONG
from carla_saliency.draw.titles import Title
from carla_saliency.draw.words import NONE, Degrees, signed

TONES: dict[Tone, Colour] = {
    "high": HIGH,
    "mid": MID,
    "low": LOW,
    "warning": WARNING,
    "failure": FAILURE,
}
BADGES: dict[Driver, str] = {
    "network": "NETWORK",
    "expert": "EXPERT",
    "manual": "MANUAL",
    "autopilot": "AUTOPILOT",
    "owner": "OWNER",
}
STEERING_RANGE = 0.5  # at the ends of the bar


# ------------------------------------------------------------------ top


def badge(canvas: Canvas, text: str, style: str) -> None:
    """Draw who steers: filled "white", "grey" or "red", or an "outline"."""
    box = Box(12, 6, 118, 24)
    if style == "outline":
        canvas.plate(box, MID, edge=1)
    else:
        canvas.plate(box, {"white": HIGH, "grey": MID, "red": FAILURE}[style])
    canvas.text(box, text, HIGH if style == "outline" else ON_BADGE, STRONG, "centre")


def driver_badge(canvas: Canvas, driver: Driver, still: str = "") -> None:
    """Draw the badge of a drive.

    Args:
        canvas: Is drawn on.
        driver: Who steers.
        still: Why the picture stands still, for example "PAUSED"; "" if it does not.
    """
    if still:
        badge(canvas, still, "grey")
    else:
        badge(canvas, BADGES[driver], "white" if driver == "network" else "outline")


def recording(canvas: Canvas, state: Recording) -> None:
    """Draw the recording's dot and time."""
    if state.status == "on":
        canvas.disc(148, 18, 6, FAILURE)
        canvas.text(Box(160, 6, 60, 24), "REC", FAILURE, STRONG)
        left = 160 + canvas.width("REC", STRONG) + 6
        canvas.text(Box(left, 6, 80, 24), clock(state.seconds), HIGH)
        return
    ring = LOW if state.status == "off" else FAILURE
    canvas.disc(148, 18, 6, ring, edge=1.5)
    text = {"off": "not recording", "held": "REC held", "saved": "REC saved"}[state.status]
    colour = LOW if state.status == "off" else HIGH
    canvas.text(Box(160, 6, 116, 24), text, colour, SMALL if state.status == "off" else STRONG)


def clock(seconds: float) -> str:
    """Return minutes, seconds and tenths, as 02:14.6."""
    tenths = int(seconds * 10 + 1e-6)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def _counters(canvas: Canvas) -> tuple[Box, Box, Box]:
    """Return the slots of frame, simulated time and rate, as wide as their widest values."""
    gap, right, slots = 16.0, TOP.right - 12, []
    for label, widest in (("", "000.0 fps"), ("sim", "0000.00 s"), ("frame", "0000000")):
        width = canvas.width(widest) + 1
        slots.append(Box(right - width, 6, width, 24))
        right -= width + (canvas.width(label) + gap + 2 if label else 4)
    return slots[2], slots[1], slots[0]


def world(canvas: Canvas, variants: tuple[str, ...]) -> None:
    """Draw where we drive."""
    left = 160 + max(canvas.width("REC", STRONG) + canvas.width(" 000:00.0"), 90) + 12
    frame = _counters(canvas)[0]
    canvas.text(Box(left, 6, frame.x - canvas.width("frame") - 20 - left, 24), variants, MID)


def counters(canvas: Canvas, frame_id: int | None, sim_s: float | None, fps: float | None) -> None:
    """Draw the frame's number, the simulated time and the rate; a dash for what is not known."""
    texts = (
        NONE if frame_id is None else f"{frame_id:06d}",
        NONE if sim_s is None else f"{sim_s:.2f} s",
        NONE if fps is None else f"{fps:.1f} fps",
    )
    for slot, text in zip(_counters(canvas), texts, strict=True):
        canvas.text(slot, text, HIGH, align="right", on=PANEL)


def title(canvas: Canvas, slot: Box, words: Title) -> None:
    """Draw what a pane shows, over it: its name, and facts at the right."""
    canvas.text(slot, words.name, HIGH, STRONG)
    width = canvas.width(words.name, STRONG) + 12
    rest = Box(slot.x + width, slot.y, slot.w - width, slot.h)
    canvas.text(rest, words.facts, TONES[words.tone], align="right")


# ------------------------------------------------------------------ steering, speed, pedals

_BAR = Box(CONTROLS_L.x + 128, CONTROLS_L.y + 14, 290, 18)
_PEDALS = (Box(558, 434, 74, 12), Box(558, 462, 74, 12))


def controls_base(canvas: Canvas, degrees: Degrees) -> None:
    """Draw the empty bars and their labels."""
    canvas.fill(_BAR, GRID)
    for pedal in _PEDALS:
        canvas.fill(pedal, GRID)
    end = degrees.of_command(STEERING_RANGE)
    for fraction in (0.0, 0.25, 0.75, 1.0):
        canvas.vertical(_BAR.x + _BAR.w * fraction, _BAR.y, _BAR.bottom + 6, LOW)
    slot = Box(_BAR.x, 460, _BAR.w, 18)
    canvas.text(slot, f"L {end:g}{degrees.suffix}", MID)
    canvas.text(slot, "0", MID, align="centre")
    canvas.text(slot, f"R {end:g}{degrees.suffix}", MID, align="right")
    canvas.text(Box(452, 461, 60, 18), "km/h", MID, align="right")


def controls(
    canvas: Canvas,
    control: Control,
    speed_mps: float,
    ghost: float | None,
    degrees: Degrees,
    ghost_colour: Colour = HIGH,
) -> None:
    """Draw the command that was sent, the speed and the pedals.

    Args:
        canvas: Is drawn on.
        control: What was sent to the car.
        speed_mps: Backwards negative.
        ghost: What the one who does not steer would have sent, as a command; None: nobody.
        degrees: Of the wheels.
        ghost_colour: Of the ghost's diamond.
    """
    steering = control.steering
    value = degrees.of_command(steering)
    colour = LEFT if steering < 0 else RIGHT
    canvas.text(Box(12, 426, 104, 30), signed(steering, 3), HIGH, BIG, "right", on=BACKGROUND)
    if degrees.car is not None:
        shown = f"{abs(value):.1f}"
        side = "left" if steering < 0 else "right"
        straight = shown == "0.0"
        text = "0.0°" if straight else f"{shown}° {side}"
        canvas.text(Box(12, 461, 104, 18), text, MID if straight else colour, align="right")
    else:
        canvas.text(Box(12, 461, 104, 18), "steering", MID, align="right")

    _bar(canvas, steering, colour, ghost, ghost_colour)
    canvas.text(
        Box(440, 426, 72, 30), f"{speed_mps * 3.6 + 0.0:.1f}".replace("-", "−"), HIGH, BIG, "right"
    )
    for pedal, share in zip(_PEDALS, (control.throttle, control.brake), strict=True):
        if share > 0:
            canvas.fill(Box(pedal.x, pedal.y, pedal.w * share, pedal.h), MID)
    pedal_names(canvas, "hand" if control.hand_brake else "brk")


def _bar(
    canvas: Canvas, steering: float, colour: Colour, ghost: float | None, ghost_colour: Colour
) -> None:
    x, middle = _place(steering), _BAR.x + _BAR.w / 2
    canvas.fill(Box(min(x, middle), _BAR.y, abs(x - middle), _BAR.h), colour)
    canvas.vertical(middle, _BAR.y - 4, _BAR.bottom + 6, HIGH)
    canvas.vertical(x, _BAR.y - 3, _BAR.bottom + 3, HIGH, 3)
    if ghost is not None:
        y = _BAR.y + _BAR.h / 2
        canvas.diamond(_place(ghost), y, 8, BACKGROUND)
        canvas.diamond(_place(ghost), y, 8, ghost_colour, edge=1.5)


def controls_unknown(canvas: Canvas) -> None:
    """Draw the controls while nothing is known."""
    canvas.text(Box(12, 426, 104, 30), NONE, LOW, BIG, "right")
    canvas.text(Box(12, 461, 104, 18), "steering", LOW, align="right")
    canvas.vertical(_BAR.x + _BAR.w / 2, _BAR.y - 4, _BAR.bottom + 6, HIGH)
    canvas.text(Box(440, 426, 72, 30), NONE, LOW, BIG, "right")
    pedal_names(canvas, "brk")


def pedal_names(canvas: Canvas, brake: str) -> None:
    """Draw the names of the pedals."""
    for pedal, name in zip(_PEDALS, ("thr", brake), strict=True):
        canvas.text(Box(pedal.x - 42, pedal.y - 2, 37, 16), name, MID, align="right", on=BACKGROUND)


def _place(steering: float) -> float:
    share = max(-1.0, min(1.0, steering / STEERING_RANGE))
    return _BAR.x + _BAR.w / 2 * (1 + share)


def base(canvas: Canvas) -> None:
    """Draw what never changes outside the panes."""
    canvas.fill(TOP, PANEL)
    for slot, text in zip(_counters(canvas), ("frame", "sim"), strict=False):
        left = slot.x - canvas.width(text) - 2
        canvas.text(Box(left, 6, canvas.width(text) + 1, 24), text, LOW)
