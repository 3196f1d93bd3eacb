"""Numbers and facts as they are written on pictures; needs no pygame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from carla_saliency.core import Contract, Decision, Explanation, Image, Meaning
from carla_saliency.draw.heatmap import COARSE_PX
from carla_saliency.draw.layout import PANE_R

NONE = "—"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign, as wide as any other: the minus is as wide as the plus."""
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{'−' if rounded < 0 else '+'}{abs(rounded):.{digits}f}"


@dataclass(frozen=True, slots=True)
class Degrees:
    """Steering as degrees at the wheels, without the steering curve; or as it is.

    Attributes:
        car: Of the live car at steering 1; None if degrees are not known.
        network: Of the car that the network learned on.
    """

    car: float | None
    network: float

    @property
    def suffix(self) -> str:
        """Return what stands behind a number."""
        return "" if self.car is None else "°"

    @property
    def digits(self) -> int:
        """Return how many digits behind the point."""
        return 3 if self.car is None else 1

    def of_command(self, steering: float) -> float:
        """Return what a command to the live car is."""
        return steering * (1.0 if self.car is None else self.car)

    def of_network(self, steering: float) -> float:
        """Return what the network's own output, or its map, is."""
        return steering * (1.0 if self.car is None else self.network)

    def of_map(self, meaning: Meaning) -> float:
        """Return what a map's values are multiplied by to be shown in `unit`."""
        return float(self.of_network(1.0) ** _power(meaning))

    def unit(self, meaning: Meaning) -> str:
        """Return the unit in which a map is shown."""
        if self.car is not None or not _power(meaning):
            return meaning.unit
        return f"steering{meaning.unit.removeprefix('deg')}"

    def text(self, value: float | None) -> str:
        """Return a signed number in this unit."""
        return NONE if value is None else f"{signed(value, self.digits)}{self.suffix}"

    @property
    def strip_limit(self) -> float:
        """Return the value at the top of the steering strip."""
        return 0.3 if self.car is None else 20.0


def _power(meaning: Meaning) -> int:
    """Return with which power degrees stand in a unit; 0: it has none."""
    return {"deg": 1, "deg²": 2}.get(meaning.unit.partition(" ")[0], 0)


# ------------------------------------------------------------------ scales


def exponent(scale: float) -> int:
    """Return the power of ten, a multiple of 3, in which a scale is easy to read."""
    if scale <= 0:
        return -3
    if scale >= 1000:
        return 3 * math.floor((math.log10(scale) + 1e-9) / 3)
    if scale >= 0.1:
        return 0
    return max(-12, -3 * math.ceil((-math.log10(scale) - 1e-9 - 1) / 3))


def unit(scale: float, what: str) -> tuple[str, ...]:
    """Return the unit on the bar with its power of ten, and shorter ones."""
    power = exponent(scale)
    written = {0: "", -3: "10⁻³ ", 3: "10³ "}  # the fonts have no other superscripts
    factor = written.get(power, f"1e{'−' if power < 0 else ''}{abs(power)} ")
    short = what if "(" in what else what.partition(" / ")[0]
    return (f"{factor}{what}", f"{factor}{short}", factor.strip() or short)


def number(value: float, scale: float, signed: bool) -> str:
    """Return a value as it stands below the bar."""
    shown = value / 10.0 ** exponent(scale)
    text = f"{abs(shown):.3g}"
    if not signed or value == 0:
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def plain(number: float) -> str:
    """Return a number with three digits, and the minus that is as wide as a plus."""
    return f"{number:.3g}".replace("-", "−")


def value(scale: float, what: str, signed: bool = False) -> str:
    """Return a scale in one text, for example "±0.005 deg / pixel"."""
    return f"{'±' if signed else ''}{plain(scale)} {what}"


def steering(value: float, degrees: Degrees) -> str:
    """Return the network's own steering in words, for example "steering +7.0° right"."""
    shown = degrees.of_network(value)
    side = "left" if shown < 0 else "right"
    straight = round(shown, degrees.digits) == 0
    return f"steering {degrees.text(shown)}{'' if straight else f' {side}'}"


# ------------------------------------------------------------------ titles


def camera_facts(picture: Image, contract: Contract, every: int = 1) -> tuple[str, ...]:
    """Return what the camera's pane shows."""
    height, width = picture.shape[:2]
    size, fov = f"{width}×{height}", f"fov {contract.fov_deg:g}°"
    if every > 1:  # it stands still in between: say so first
        size = f"{nth(every)} · {size}"
    return (
        f"front · {size} · {fov} · corners: what the network sees",
        f"{size} · {fov} · corners: seen by the network",
        f"{size} · {fov}",
    )


def nth(every: int) -> str:
    """Return "every 3rd frame"."""
    tens = every % 100 in (11, 12, 13)
    ending = "th" if tens else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return f"every {every}{ending} frame"


def resolution(shape: tuple[int, ...]) -> str:
    """Return how fine a map of (rows, columns) really is."""
    rows, columns = shape
    if rows == 1:
        return f"map {columns}×{rows}, no vertical detail"
    coarse = columns * COARSE_PX < PANE_R.w  # so it is drawn as the cells that it has
    return f"map {columns}×{rows}{', coarse' if coarse else ''}"


def map_facts(decision: Decision, to_come: Meaning, opacity: float = 1.0) -> tuple[str, ...]:
    """Return what the map's pane shows; variants, longest first.

    Args:
        decision: Of the step.
        to_come: Of the first map, while there is none.
        opacity: Of the overlay.
    """
    if decision.explanation is not None:
        extra = "" if opacity >= 1 else f" · overlay {opacity * 100:.0f} %"
        extra = " · overlay off" if opacity <= 0 else extra
        extra += f" · {nth(decision.every)}" if decision.every > 1 else ""
        return facts(decision.explanation, extra)
    if decision.network_steering is None:
        return ("no map: no network",)
    return (f"{to_come.title} · no map yet", "no map yet")


def facts(explanation: Explanation, extra: str = "") -> tuple[str, ...]:
    """Return what a map is: method, layer, true resolution; variants, longest first.

    The titles of methods that explain, or look at, another layer than the output name it.
    """
    meaning, shape = explanation.meaning, explanation.attribution.shape
    title, size = meaning.title, f"map {shape[1]}×{shape[0]}"
    first = title.partition(" · ")[0]
    if size in title:
        long = title.replace(size, resolution(shape))
        return (f"{long}{extra}", f"{title}{extra}", f"{first} · {size}{extra}", f"{first}{extra}")
    outer = " · layer output" if meaning.of == "steering" and " layer " not in title else ""
    return (
        f"{title}{outer} · {resolution(shape)}{extra}",
        f"{title} · {resolution(shape)}{extra}",
        f"{title} · {size}{extra}",
        f"{first} · {size}{extra}",
        f"{first}{extra}",
    )
