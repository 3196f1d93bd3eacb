"""Text on pictures: two fonts that come with the package, no font system, no display.

The fonts are Inter (SIL Open Font License 1.1) with digits made equally wide, so that numbers don't
dance, and with only the characters of `CHARACTERS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pygame
import pygame.font

from carla_saliency.draw.palette import Colour

FONTS = Path(__file__).with_name("fonts")
CHARACTERS = frozenset(
    "".join(map(chr, range(32, 127))) + "°±²³µ·¹×ßäéöüΔΣσ–—…⁻←↑→↓∂−≈≤≥■□▲△▶◀◆◇○●✓"
)
CAP_HEIGHT = 0.727  # of the font's size, from Inter's OS/2 table
MAX_CACHED = 1_500

Align = Literal["left", "centre", "right"]


class Style(NamedTuple):
    """A font: size in units of a 1280x720 window, weight."""

    size: int
    bold: bool = False


SMALL = Style(14)
STRONG = Style(14, bold=True)
TAG = Style(15)
TAG_STRONG = Style(15, bold=True)
BAND = Style(16, bold=True)
HEADING = Style(20, bold=True)
BIG = Style(26, bold=True)


def clean(text: str) -> str:
    """Return the text with an empty square for each character that the fonts don't have."""
    return "".join(c if c in CHARACTERS else "□" for c in text)


class Type:
    """Writes text on a surface; remembers what it wrote, since most of it stays the same.

    Args:
        k: Pixels per unit of the layout.
    """

    def __init__(self, k: float) -> None:
        pygame.font.init()
        self._k = k
        self._fonts: dict[Style, pygame.font.Font] = {}
        self._written: dict[tuple[str, Style, Colour, Colour | None], pygame.Surface] = {}
        self._widths: dict[tuple[str, Style], int] = {}

    def size_px(self, style: Style) -> int:
        """Return the font's size in pixels; never under 12, where letters fall apart."""
        return max(12, round(style.size * self._k))

    def _font(self, style: Style) -> pygame.font.Font:
        if style not in self._fonts:
            file = FONTS / f"ui-{'SemiBold' if style.bold else 'Medium'}.otf"
            self._fonts[style] = pygame.font.Font(str(file), self.size_px(style))
        return self._fonts[style]

    def width_px(self, text: str, style: Style) -> int:
        """Return how wide a text is."""
        key = (text, style)
        if key not in self._widths:
            if len(self._widths) >= MAX_CACHED:
                self._widths.clear()
            self._widths[key] = self._font(style).size(clean(text))[0]
        return self._widths[key]

    def choose(self, variants: Sequence[str], style: Style, width_px: int) -> str:
        """Return the first variant that fits into a width, or what fits of the last one."""
        for text in variants:
            if self.width_px(text, style) <= width_px:
                return text
        text = variants[-1]
        while text and self.width_px(text.rstrip() + "…", style) > width_px:
            text = text[:-1]
        return text.rstrip() + "…" if text else ""

    def surface(
        self, text: str, style: Style, colour: Colour, on: Colour | None = None
    ) -> pygame.Surface:
        """Return a text as a surface with an alpha channel, or opaque on a colour; don't change it.

        An opaque one is the same on a picture of that colour, but is drawn in a tenth of the time.
        """
        key = (text, style, colour, on)
        if key not in self._written:
            if len(self._written) >= MAX_CACHED:  # numbers change for ever: start again
                self._written.clear()
            letters = self._font(style).render(clean(text), True, colour)
            if on is not None and letters.get_width():
                letters = _opaque(letters, on)
            self._written[key] = letters
        return self._written[key]

    def top_px(self, middle_px: float, style: Style) -> int:
        """Return where a surface must begin for its capitals to be centred on a row."""
        capital = CAP_HEIGHT * self.size_px(style)
        return round(middle_px + capital / 2 - self._font(style).get_ascent())


def _opaque(letters: pygame.Surface, on: Colour) -> pygame.Surface:
    """Return letters on a colour, in the format of the pictures."""
    width, height = letters.get_size()
    surface = pygame.image.frombuffer(bytearray(3 * width * height), (width, height), "RGB")
    surface.fill(on)
    surface.blit(letters, (0, 0))
    return surface
