"""From camera frames to all that a network takes: pictures, older pictures, the speed."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array, Frame, Image, Inputs, Preprocess, Seen

# A slow method, and what examines its map, asks again for a frame of some seconds ago: it must find
# the older frames of that moment, and must not be taken for a step back in time. A frame is known
# as long as somebody has its picture, and so many of them at most.
KEPT = 64


@dataclass(frozen=True)
class _Look:
    image: weakref.ref[Image]  # another picture may have its address later, but not be it
    sim_s: float
    seen: Seen


class ContractFeed:
    """Feeds a network as its contract says; implements `core.Feed`.

    Threads may share it. Its memory does not grow.

    Args:
        preprocess: From a camera picture to the network's picture.
        frames: How many pictures the network takes in a row; 1 for most.
        takes_speed: Whether it is told the speed.
        speed_scale: From m/s to what it takes; 3.6 for km/h.

    Raises:
        ValueError: If `frames` is less than 1.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        frames: int = 1,
        takes_speed: bool = False,
        speed_scale: float = 3.6,
    ) -> None:
        if frames < 1:
            raise ValueError(f"frames must be at least 1, received {frames}")
        self.preprocess = preprocess
        self.frames = frames
        self.takes_speed = takes_speed
        self.speed_scale = speed_scale
        self._pictures: deque[Array] = deque(maxlen=frames)
        self._looks: list[_Look] = []
        self._lock = threading.Lock()

    def anew(self) -> ContractFeed:
        """Return one of the same kind with a memory of its own."""
        return ContractFeed(self.preprocess, self.frames, self.takes_speed, self.speed_scale)

    def forget(self) -> None:
        """Begin anew: the next frame follows no other."""
        with self._lock:
            self._forget()

    def look(self, frame: Frame) -> Seen:
        """Return what the network is given for this frame.

        The same frame again gives the same again, also seconds later. Another picture under
        the newest frame's number takes its place. At the start the first picture stands for the
        older ones too; after a step back in time it is the start again.

        Args:
            frame: Of the camera. A network that remembers must be shown every frame, in order.
        """
        with self._lock:
            for look in self._looks:
                if look.seen.frame_id == frame.frame_id and look.image() is frame.image:
                    return look.seen
            seen = self._see(frame)
            known = [look for look in self._looks if look.image() is not None]
            newest = _Look(weakref.ref(frame.image), frame.sim_s, seen)
            self._looks = [*known, newest][-KEPT:]
            return seen

    def vary(self, seen: Seen, pictures: NDArray[Any]) -> Inputs:
        """Return a batch with other pictures in place of the seen one.

        Args:
            seen: Gives the older pictures and the speed.
            pictures: RGB on the network's grid, 0..255, uint8 or float, (N, H, W, 3).
        """
        image, count = self.preprocess.encode(pictures), len(pictures)
        if self.frames > 1:
            older = seen.inputs.image[:, :-1]
            older = np.broadcast_to(older, (count, *older.shape[1:]))
            image = np.concatenate([older, image[:, None]], axis=1)
        speed = seen.inputs.speed
        return Inputs(image, None if speed is None else np.repeat(speed, count, axis=0))

    def pull_back(self, pictures: NDArray[Any], gradient: Array) -> Array:
        """Return the gradient per grey level of the newest pictures' R, G, B, (N, H, W, 3).

        Args:
            pictures: Where it was taken: RGB on the network's grid, 0..255, (N, H, W, 3).
            gradient: To `Inputs.image` of those pictures, (N, H, W, C) or (N, frames, H, W, C).
        """
        newest = gradient[:, -1] if self.frames > 1 else gradient
        return self.preprocess.pull_back(pictures, newest)

    def _see(self, frame: Frame) -> Seen:
        newest = self._looks[-1] if self._looks else None
        if newest is not None and frame.frame_id == newest.seen.frame_id:
            self._pictures.pop()
        elif newest is not None and frame.sim_s < newest.sim_s:
            self._forget()
        rgb = self.preprocess.crop(frame.image)
        encoded = self.preprocess.encode(rgb)
        self._pictures.append(encoded)
        while len(self._pictures) < self.frames:
            self._pictures.append(self._pictures[0])
        image = encoded if self.frames == 1 else np.stack(self._pictures)
        speed = None
        if self.takes_speed:
            speed = np.array([[frame.speed_mps * self.speed_scale]], np.float32)
        return Seen(frame.frame_id, rgb, Inputs(image[None], speed))

    def _forget(self) -> None:
        self._pictures.clear()
        self._looks.clear()
