"""The map check: whether the map could be had without this network, or without this picture."""

from __future__ import annotations

from carla_saliency.core import MapCheck
from carla_saliency.draw.canvas import Canvas
from carla_saliency.draw.layout import CONTROLS_R, MAP_CHECK, Box
from carla_saliency.draw.palette import BACKGROUND, GRID, HIGH, LOW, MID, ON_BADGE, WARNING
from carla_saliency.draw.text import STRONG
from carla_saliency.draw.words import NONE, Degrees

Row = tuple[tuple[str, ...], str, bool]  # what is compared (variants), the number, in doubt
_DOUBTS = ("edge", "random", "other pictures", "telling")  # a word of each, in this order


def draw(canvas: Canvas, check: MapCheck | None, calibrated: bool, degrees: Degrees) -> None:
    """Draw the verdict, and two numbers behind it.

    Args:
        canvas: Is drawn on.
        check: None if there is none.
        calibrated: Its limits are of a nominal drive of this network.
        degrees: Of the network's steering.
    """
    canvas.vertical(CONTROLS_R.x + 382, CONTROLS_R.y + 2, CONTROLS_R.bottom - 1, GRID)
    _verdict(canvas, check, calibrated)
    for i, (names, number, doubt) in enumerate(rows(check, degrees)):
        row = _row(i + 1)
        colour = WARNING if doubt else MID
        width = canvas.width(number) + 1
        canvas.text(Box(row.x, row.y, row.w - width - 6, row.h), names, colour, on=BACKGROUND)
        canvas.text(
            Box(row.right - width, row.y, width, row.h),
            number,
            WARNING if doubt else HIGH,
            align="right",
            on=BACKGROUND,
        )


def _row(i: int) -> Box:
    return Box(MAP_CHECK.x, MAP_CHECK.y + 2 + 21 * i, MAP_CHECK.w, 20)


def _verdict(canvas: Canvas, check: MapCheck | None, calibrated: bool) -> None:
    row = _row(0)
    if check is None:
        width = canvas.width(NONE) + 1
        canvas.text(Box(row.right - width, row.y, width, row.h), NONE, LOW, align="right")
    elif check.doubts:
        width = canvas.width("▲ DOUBT", STRONG) + 20
        badge = Box(row.right - width, row.y - 1, width, 21)
        canvas.plate(badge, WARNING)
        canvas.text(badge, "▲ DOUBT", ON_BADGE, STRONG, "centre")
    else:
        width = canvas.width("passed", STRONG) + 1
        canvas.text(Box(row.right - width, row.y, width, row.h), "passed", HIGH, STRONG, "right")
    names: tuple[str, ...] = ("map check",)
    if not calibrated:
        names = ("map check · not calibrated", "check · not calibrated", "not calibrated")
    canvas.text(Box(row.x, row.y, row.w - width - 8, row.h), names, LOW, on=BACKGROUND)


def rows(check: MapCheck | None, degrees: Degrees) -> tuple[Row, Row]:
    """Return the two rows of numbers: what is in doubt first of all, else edges and random weights.

    Args:
        check: None if there is none.
        degrees: Of the network's steering.
    """
    texts = _names(None if check is None else check.deletion, degrees)
    if check is None:
        return (texts[0], NONE, False), (texts[1], NONE, False)
    numbers = (
        _correlation(check.edges),
        _correlation(check.random),
        _correlation(check.others),
        "",
    )
    found = [i for i, word in enumerate(_DOUBTS) if any(word in text for text in check.doubts)]
    usual = [i for i in (0, 1) if i not in found]
    first, second = ((texts[i], numbers[i], i in found) for i in sorted((found + usual)[:2]))
    plain = [text for text in check.doubts if not any(word in text for word in _DOUBTS)]
    if plain:  # a doubt without a number is said as it is
        return ((plain[0],), "", True), first if first[2] or not second[2] else second
    return first, second


def _correlation(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}".replace("-", "−")


def _names(
    deletion: tuple[float, float] | None, degrees: Degrees
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    here, there = (NONE, NONE) if deletion is None else map(degrees.of_network, deletion)
    if deletion is not None:
        here, there = (f"{float(value):.{degrees.digits}f}" for value in (here, there))
    unit = degrees.suffix
    return (
        ("like an edge detector, r", "like edges, r"),
        ("like a random network, r", "like random, r"),
        ("like other pictures' maps, r", "like other maps, r"),
        (
            f"top 5 % moves {here}{unit}, another's {there}{unit}",
            f"moves {here}{unit}, another's {there}{unit}",
        ),
    )
