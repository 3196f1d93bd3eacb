"""A picture to draw on, in units of a 1280x720 window: OpenCV and pygame share its memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pygame

from carla_saliency.core import Image
from carla_saliency.draw.layout import Box, Layout, Pixels
from carla_saliency.draw.palette import Colour
from carla_saliency.draw.text import CAP_HEIGHT, MAX_CACHED, SMALL, Align, Style, Type

ROOMY = 0.7  # pixels per unit: in a smaller window, lines of text touch each other
FINE = 8  # shapes are drawn this many times larger, then made small: smooth edges


class Pens:
    """What every picture of one size is drawn with: fonts and shapes, kept between pictures.

    Args:
        layout: The size of the pictures.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.type = Type(layout.k)
        self._shapes: dict[tuple[object, ...], pygame.Surface] = {}
        self._pixels: dict[Box, Pixels] = {}
        self._texts: dict[tuple[object, ...], tuple[pygame.Surface, tuple[int, int], Pixels]] = {}

    def pixels(self, box: Box) -> Pixels:
        """Return `layout.pixels(box)`, remembered: most boxes stay where they are."""
        if box not in self._pixels:
            if len(self._pixels) >= MAX_CACHED:
                self._pixels.clear()
            self._pixels[box] = self.layout.pixels(box)
        return self._pixels[box]

    def text(
        self,
        slot: Box,
        text: str | tuple[str, ...],
        colour: Colour,
        style: Style,
        align: Align,
        on: Colour | None,
    ) -> tuple[pygame.Surface, tuple[int, int], Pixels]:
        """Return a text as a surface, where it is blitted, and the pixels of its capitals.

        Remembered: from picture to picture nearly all texts stay as they are.
        """
        key = (slot, text, colour, style, align, on)
        if key not in self._texts:
            if len(self._texts) >= MAX_CACHED:
                self._texts.clear()
            self._texts[key] = self._set_text(*key)
        return self._texts[key]

    def _set_text(
        self,
        slot: Box,
        text: str | tuple[str, ...],
        colour: Colour,
        style: Style,
        align: Align,
        on: Colour | None,
    ) -> tuple[pygame.Surface, tuple[int, int], Pixels]:
        p, type_ = self.pixels(slot), self.type
        on = on if self.layout.k >= ROOMY else None
        if isinstance(text, str):  # nearly all fit: they are written before they are measured
            sprite = type_.surface(text, style, colour, on)
            variants: tuple[str, ...] = () if sprite.get_width() <= p.w else (text,)
        else:
            variants = text
        if variants:
            sprite = type_.surface(type_.choose(variants, style, p.w), style, colour, on)
        free = p.w - sprite.get_width()
        x = p.x + {"left": 0, "centre": free // 2, "right": free}[align]
        capital = round(CAP_HEIGHT * type_.size_px(style))
        box = Pixels(x, p.y + (p.h - capital) // 2, sprite.get_width(), capital)
        return sprite, (x, type_.top_px(p.y + p.h / 2, style)), box

    def _sprite(self, key: tuple[object, ...], mask: Image, colour: Colour) -> pygame.Surface:
        small = cv2.resize(mask, None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA)
        rgba = np.empty((*small.shape, 4), np.uint8)
        rgba[..., :3] = colour
        rgba[..., 3] = small
        height, width = small.shape
        self._shapes[key] = pygame.image.frombuffer(rgba.tobytes(), (width, height), "RGBA")
        return self._shapes[key]

    def plate(self, w: int, h: int, colour: Colour, radius: float, edge: float) -> pygame.Surface:
        """Return a rectangle with round corners; edge 0 is filled, else that wide an outline."""
        key = ("plate", w, h, colour, radius, edge)
        if key in self._shapes:
            return self._shapes[key]
        mask = np.zeros((h * FINE, w * FINE), np.uint8)
        _round_rectangle(mask, 0.0, radius * FINE, 255)
        if edge:
            _round_rectangle(mask, edge * FINE, max(0.0, radius - edge) * FINE, 0)
        return self._sprite(key, mask, colour)

    def disc(self, radius: float, colour: Colour, edge: float) -> pygame.Surface:
        """Return a disc, or a ring with that wide an edge."""
        key = ("disc", radius, colour, edge)
        if key in self._shapes:
            return self._shapes[key]
        side = int(2 * radius + 2)
        mask = np.zeros((side * FINE, side * FINE), np.uint8)
        middle = (side * FINE // 2, side * FINE // 2)
        cv2.circle(mask, middle, int(radius * FINE), 255, -1)
        if edge:
            cv2.circle(mask, middle, int((radius - edge) * FINE), 0, -1)
        return self._sprite(key, mask, colour)

    def diamond(self, radius: float, colour: Colour, edge: float) -> pygame.Surface:
        """Return a square on its corner; edge 0 is filled, else that wide an outline."""
        key = ("diamond", radius, colour, edge)
        if key in self._shapes:
            return self._shapes[key]
        side = int(2 * radius + 3) | 1
        mask = np.zeros((side * FINE, side * FINE), np.uint8)
        c = side * FINE / 2
        for r, value in ((radius * FINE, 255), ((radius - edge * 1.41) * FINE, 0))[
            : 1 + bool(edge)
        ]:
            points = np.array([(c, c - r), (c + r, c), (c, c + r), (c - r, c)])
            cv2.fillConvexPoly(mask, points.round().astype(np.int32), value)
        return self._sprite(key, mask, colour)


def _round_rectangle(mask: Image, inset: float, radius: float, value: int) -> None:
    height, width = mask.shape
    i, r = round(inset), round(radius)
    cv2.rectangle(mask, (i + r, i), (width - 1 - i - r, height - 1 - i), value, -1)
    cv2.rectangle(mask, (i, i + r), (width - 1 - i, height - 1 - i - r), value, -1)
    for x in (i + r, width - 1 - i - r):
        for y in (i + r, height - 1 - i - r):
            cv2.circle(mask, (x, y), r, value, -1)


class Canvas:
    """One picture while it is drawn. All places are in units unless a name ends in `_px`.

    Args:
        pens: Fonts and shapes for this size.
        array: RGB, uint8, (H, W, 3), contiguous; drawn on in place.
    """

    def __init__(self, pens: Pens, array: Image) -> None:
        height, width, _ = array.shape
        self.array = array
        self.pens = pens
        self.layout = pens.layout
        self.surface = pygame.image.frombuffer(array.data, (width, height), "RGB")

    def view(self, box: Box | Pixels) -> Image:
        """Return the pixels of a box; writing to them draws."""
        p = box if isinstance(box, Pixels) else self.pens.pixels(box)
        return self.array[p.rows, p.columns]

    def fill(self, box: Box | Pixels, colour: Colour) -> None:
        """Fill a box."""
        self.surface.fill(colour, box if isinstance(box, Pixels) else self.pens.pixels(box))

    def outline(self, box: Box, colour: Colour, width_px: int = 1) -> None:
        """Draw the edge of a box, inside it."""
        pygame.draw.rect(self.surface, colour, self.pens.pixels(box), width_px)

    def vertical(self, x: float, top: float, bottom: float, colour: Colour, w_px: int = 1) -> None:
        """Draw an upright line, its middle at x."""
        left = self.layout.x(x) - w_px // 2
        y = self.layout.y(top)
        self.surface.fill(colour, (left, y, w_px, self.layout.y(bottom) - y))

    def horizontal(self, y: float, left: float, right: float, colour: Colour) -> None:
        """Draw a level line, one pixel high."""
        x = self.layout.x(left)
        self.surface.fill(colour, (x, self.layout.y(y), self.layout.x(right) - x, 1))

    def plate(self, box: Box, colour: Colour, radius: float = 4, edge: float = 0) -> None:
        """Draw a box with round corners, filled or (edge > 0) as an outline."""
        p = self.pens.pixels(box)
        k = self.layout.k
        sprite = self.pens.plate(p.w, p.h, colour, radius * k, edge and max(1, edge * k))
        r = math.ceil(radius * k) + 1
        if edge or 2 * r >= min(p.w, p.h):
            self.surface.blit(sprite, p)
            return
        # only the corners have an edge to be blended: that takes four times as long as filling
        self.surface.fill(colour, (p.x, p.y + r, p.w, p.h - 2 * r))
        self.surface.fill(colour, (p.x + r, p.y, p.w - 2 * r, r))
        self.surface.fill(colour, (p.x + r, p.y + p.h - r, p.w - 2 * r, r))
        for x in (0, p.w - r):
            for y in (0, p.h - r):
                self.surface.blit(sprite, (p.x + x, p.y + y), (x, y, r, r))

    def disc(self, x: float, y: float, radius: float, colour: Colour, edge: float = 0) -> None:
        """Draw a disc or (edge > 0) a ring around a point."""
        k = self.layout.k
        self._centred(self.pens.disc(radius * k, colour, edge * k), x, y)

    def diamond(self, x: float, y: float, radius: float, colour: Colour, edge: float = 0) -> None:
        """Draw a diamond around a point, filled or (edge > 0) as an outline."""
        k = self.layout.k
        self._centred(self.pens.diamond(radius * k, colour, edge * k), x, y)

    def _centred(self, sprite: pygame.Surface, x: float, y: float) -> None:
        left = self.layout.left_px + x * self.layout.k - sprite.get_width() / 2
        top = self.layout.top_px + y * self.layout.k - sprite.get_height() / 2
        self.surface.blit(sprite, (round(left), round(top)))

    def width(self, text: str, style: Style = SMALL) -> float:
        """Return how wide a text is, in units."""
        return self.pens.type.width_px(text, style) / self.layout.k

    def text(
        self,
        slot: Box,
        text: str | Sequence[str],
        colour: Colour,
        style: Style = SMALL,
        align: Align = "left",
        on: Colour | None = None,
    ) -> Pixels:
        """Write a text into its slot, never beyond its sides, centred between top and bottom.

        Args:
            slot: Where it may be.
            text: What to write, or variants of it, longest first: the first that fits is taken.
            colour: Of the letters.
            style: Size and weight.
            align: To which side of the slot.
            on: What is below it, where that is one colour and nothing else: it takes less time.

        Returns:
            The pixels that it took, from the top to the bottom of its capitals.
        """
        words = text if isinstance(text, str | tuple) else tuple(text)
        sprite, place, box = self.pens.text(slot, words, colour, style, align, on)
        self.surface.blit(sprite, place)
        return box
