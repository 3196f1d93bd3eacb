"""The newest picture, as a JPEG for those who want it."""

from __future__ import annotations

import cv2

from carla_saliency.core import Image

# Thin coloured letters on black need the colours at full size.
HOW = (
    cv2.IMWRITE_JPEG_QUALITY,
    85,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


class NewestJpeg:
    """Keeps one picture. `put` is for one thread, `encoded` for another.

    Attributes:
        number: Of the picture; 0 = there is none yet.
    """

    def __init__(self) -> None:
        self._picture: tuple[int, Image | None] = (0, None)
        self._encoded: tuple[int, bytes] = (0, b"")

    @property
    def number(self) -> int:
        """Of the newest picture; 0 = there is none yet."""
        return self._picture[0]

    def put(self, picture: Image) -> None:
        """Keep a picture, RGB uint8 (H, W, 3), that is not changed afterwards."""
        self._picture = self._picture[0] + 1, picture

    def encoded(self) -> tuple[int, bytes]:
        """Return the newest picture's number and JPEG; encoded once, however many want it.

        Raises:
            ValueError: If there is none yet.
        """
        number, picture = self._picture
        if picture is None:
            raise ValueError("there is no picture yet: call put first")
        if number != self._encoded[0]:
            done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), HOW)
            if not done:
                raise ValueError(f"a picture of {picture.shape} could not be encoded as JPEG")
            self._encoded = number, data.tobytes()
        return self._encoded
