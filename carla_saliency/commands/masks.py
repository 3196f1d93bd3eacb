"""Rectangles that a person drags over the camera's picture, and what they do to the steering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Frame, Place
from carla_saliency.draw.state import MaskBox
from carla_saliency.insight.filling import filled

LEAST_PX = 3.0  # a smaller rectangle was a click
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Masks:
    """Rectangles in pixels of the camera's picture.

    Attributes:
        in_force: The network drives with them.
        revision: Grows with every change.
    """

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._from: tuple[float, float] | None = None
        self._asked: tuple[int, str] | None = None  # frame and network of the answers
        self._told: dict[tuple[Place, ...], float] = {}  # with these masks -> steering
        self.in_force = False
        self.revision = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def dragging(self) -> bool:
        """Whether a rectangle is being dragged."""
        return self._from is not None

    @property
    def rectangles(self) -> tuple[tuple[int, int, int, int], ...]:
        """(left, top, right, bottom) of each, in whole pixels of the camera's picture."""
        return tuple(
            (round(left), round(top), round(right), round(bottom))
            for top, bottom, left, right in self._places
        )

    def press(self, x_px: float, y_px: float) -> None:
        """Begin a rectangle."""
        if len(self._places) < len(LETTERS):
            self._from = x_px, y_px
            self._places.append((y_px, y_px, x_px, x_px))

    def move(self, x_px: float, y_px: float) -> None:
        """Drag its other corner."""
        if self._from is not None:
            x, y = self._from
            self._places[-1] = min(y, y_px), max(y, y_px), min(x, x_px), max(x, x_px)
            self.revision += 1

    def release(self) -> bool:
        """Let the rectangle be; return whether it was one, and not a click."""
        if self._from is None:
            return False
        self._from = None
        top, bottom, left, right = self._places[-1]
        if min(bottom - top, right - left) < LEAST_PX:
            self.remove()
            return False
        return True

    def remove(self) -> None:
        """Take the last one away."""
        if self._places:
            self._places.pop()
            self.revision += 1
            self.in_force = self.in_force and bool(self._places)

    def hide(self, frame: Frame, count: int | None = None) -> Frame:
        """Return a frame in which what is under the first masks is filled in from around it.

        Args:
            frame: Of the camera.
            count: How many masks; None = all.
        """
        hole: NDArray[np.bool_] = np.zeros(frame.image.shape[:2], bool)
        for top, bottom, left, right in self._places[:count]:
            hole[_pixels(top, bottom, hole.shape[0]), _pixels(left, right, hole.shape[1])] = True
        return replace(frame, image=filled(frame.image, hole)) if hole.any() else frame

    def boxes(
        self, frame: Frame, steer: Callable[[Frame], float], whose: str = "A"
    ) -> tuple[MaskBox, ...]:
        """Return the masks with what each adds to those before it; asks only for what is new.

        Args:
            frame: As it is without masks.
            steer: Asks the network.
            whose: Letter of that network.
        """
        if self._asked != (frame.frame_id, whose):
            self._asked, self._told = (frame.frame_id, whose), {}
        before, told = self._told, []
        self._told = {}
        for count in range(len(self._places) + 1):
            masks = tuple(self._places[:count])
            steering = before.get(masks)
            told.append(steer(self.hide(frame, count)) if steering is None else steering)
            self._told[masks] = told[-1]
        return tuple(
            MaskBox(letter=letter, place=place, before=told[i], after=told[i + 1])
            for i, (letter, place) in enumerate(zip(LETTERS, self._places, strict=False))
        )

    def plain(self) -> tuple[MaskBox, ...]:
        """Return the masks without what they do."""
        return tuple(
            MaskBox(letter=letter, place=place)
            for letter, place in zip(LETTERS, self._places, strict=False)
        )


def _pixels(first: float, last: float, count: int) -> slice:
    return slice(max(0, round(first)), min(count, round(last)))
