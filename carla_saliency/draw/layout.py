"""Where everything is: one frame of fixed boxes for all states, in units of a 1280x720 window.

A state changes what a box holds, never where it is, so that the eye always knows where to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

UNITS = (1280, 720)


class Box(NamedTuple):
    """A rectangle: left, top, width, height; y points down."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        """Return the first column beyond it."""
        return self.x + self.w

    @property
    def bottom(self) -> float:
        """Return the first row below it."""
        return self.y + self.h

    def inside(self, other: Box, slack: float = 0.0) -> bool:
        """Return whether no part of it lies outside the other box."""
        return (
            self.x >= other.x - slack
            and self.y >= other.y - slack
            and self.right <= other.right + slack
            and self.bottom <= other.bottom + slack
        )

    def overlaps(self, other: Box) -> bool:
        """Return whether they share any area."""
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )


class Pixels(NamedTuple):
    """A rectangle of whole pixels, as `Box`."""

    x: int
    y: int
    w: int
    h: int

    @property
    def rows(self) -> slice:
        """Return its rows, to index an array."""
        return slice(self.y, self.y + self.h)

    @property
    def columns(self) -> slice:
        """Return its columns, to index an array."""
        return slice(self.x, self.x + self.w)


TOP = Box(0, 0, 1280, 36)
TITLE_L = Box(12, 39, 620, 22)
TITLE_R = Box(648, 39, 620, 22)
PANE_L = Box(12, 62, 620, 349)
PANE_R = Box(648, 62, 620, 349)
CONTROLS_L = Box(12, 420, 620, 66)
CONTROLS_R = Box(648, 420, 620, 66)
MAP_CHECK = Box(1040, 420, 228, 66)  # the right end of CONTROLS_R
STRIP_A = Box(60, 496, 964, 72)
STRIP_B = Box(60, 576, 964, 88)
STRIP_OFFSET = Box(60, 576, 964, 58)  # strip B may hold two: the place in the lane, and the speed
STRIP_SPEED = Box(60, 638, 964, 26)
AXIS = Box(60, 665, 964, 22)
LEGEND_A = Box(1036, 496, 232, 72)
LEGEND_B = Box(1036, 576, 232, 88)
LEGEND_NOTE = Box(1036, 665, 232, 22)
FOOT = Box(0, 690, 1280, 30)


@dataclass(frozen=True, slots=True)
class Layout:
    """The frame of boxes on a picture of another size.

    Attributes:
        width_px: Of the picture.
        height_px: Of the picture.
        k: Pixels per unit; the same in both directions, so other shapes get empty borders.
        left_px: Width of the empty border on the left.
        top_px: Height of the empty border at the top.
    """

    width_px: int
    height_px: int
    k: float
    left_px: int
    top_px: int

    @classmethod
    def of(cls, size: tuple[int, int]) -> Layout:
        """Return the layout for a picture of (width, height) pixels.

        Raises:
            ValueError: If there is not at least one pixel.
        """
        width, height = size
        if width < 1 or height < 1:
            raise ValueError(f"a picture needs at least 1x1 pixel, received {width}x{height}")
        k = min(width / UNITS[0], height / UNITS[1])
        left, top = (width - k * UNITS[0]) / 2, (height - k * UNITS[1]) / 2
        return cls(width, height, k, round(left), round(top))

    def x(self, units: float) -> int:
        """Return the pixel column of a horizontal place."""
        return self.left_px + round(units * self.k)

    def y(self, units: float) -> int:
        """Return the pixel row of a vertical place."""
        return self.top_px + round(units * self.k)

    def pixels(self, box: Box) -> Pixels:
        """Return the whole pixels of a box; boxes that touch still touch, none vanishes."""
        x, y = self.x(box.x), self.y(box.y)
        return Pixels(x, y, max(1, self.x(box.right) - x), max(1, self.y(box.bottom) - y))


def fit(shape: tuple[int, int], pane: Pixels) -> Pixels:
    """Return the largest place of a picture's (height, width) shape in the middle of a pane."""
    height, width = shape
    k = min(pane.w / width, pane.h / height)
    w, h = min(pane.w, max(1, round(width * k))), min(pane.h, max(1, round(height * k)))
    if pane.w - w <= 1 and pane.h - h <= 1:  # 16:9 to a pixel: no hair-thin border
        return pane
    return Pixels(pane.x + (pane.w - w) // 2, pane.y + (pane.h - h) // 2, w, h)


def part(whole: Pixels, shape: tuple[int, int], crop: tuple[int, int, int, int]) -> Pixels:
    """Return where a crop of a picture lies on the screen, to the nearest pixel.

    The camera's field of view is horizontal: in a picture of another shape the crop is where the
    same rays fall.

    Args:
        whole: Where the whole picture is drawn.
        shape: (height, width) that the crop is measured in.
        crop: (top, bottom, left, right) rows and columns of the picture.
    """
    height, width = shape
    top, bottom, left, right = crop
    x0, x1 = (whole.x + round(whole.w * c / width) for c in (left, right))
    y0, y1 = (
        whole.y + round(whole.h / 2 + (r - height / 2) * whole.w / width) for r in (top, bottom)
    )
    return Pixels(x0, y0, max(1, x1 - x0), max(1, y1 - y0))
