"""The newest encoded pictures, for a file of the last seconds."""

from __future__ import annotations

from collections import deque

from carla_saliency.output.encoder import Piece


class Recent:
    """The newest pieces of an encoder, from a key picture on.

    Args:
        pictures: At least so many of the newest are kept.
        limit_bytes: Fewer where they are larger than this; the last second always stays.

    Attributes:
        size_bytes: Of what is kept.
    """

    def __init__(self, pictures: int, limit_bytes: int) -> None:
        self._pictures, self._limit_bytes = pictures, limit_bytes
        self._groups: deque[list[Piece]] = deque()  # each from one key picture to the next
        self.size_bytes = 0

    def add(self, piece: Piece) -> None:
        """Keep one piece, and forget what is too old."""
        if piece.key:
            self._groups.append([])
        self._groups[-1].append(piece)
        self.size_bytes += len(piece.data)
        oldest = piece.number - self._pictures + 1
        while len(self._groups) > 1 and (
            self._groups[1][0].number <= oldest or self.size_bytes > self._limit_bytes
        ):
            self.size_bytes -= sum(len(one.data) for one in self._groups.popleft())

    def since(self, number: int) -> list[Piece]:
        """Return the pieces from the last key picture on that is no later than this one."""
        chosen: list[Piece] = []
        for group in reversed(self._groups):
            chosen = group + chosen
            if group[0].number <= number:
                break
        return chosen
