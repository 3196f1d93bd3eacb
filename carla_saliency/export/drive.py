"""What is handed to a format: a drive, as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import DriveStep, Image

Value = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """A recorded drive.

    Attributes:
        title: For people, for example the name of its folder.
        began: When, with a time zone.
        rate_hz: Steps per simulated second.
        times_s: Simulated seconds of each step, rising, float64 (N,).
        steps: Reads the steps from the first on; each call begins anew.
        facts: What is known of the drive as a whole, as JSON.
        map_name: Of the simulator's map.
        network: Name of the network that drove at the start.
        columns: Of a table of the drive.
        row: The numbers of a step, by column; "" where one is not known.
        map_picture: The map of a step in colours over what the network was given, RGB, uint8
            (h, w, 3); None without a map. Is asked for each step once, in order.
    """

    title: str
    began: datetime
    rate_hz: float
    times_s: NDArray[np.float64]
    steps: Callable[[], Iterator[DriveStep]]
    facts: str
    map_name: str
    network: str
    columns: Sequence[str]
    row: Callable[[DriveStep], Mapping[str, Value]]
    map_picture: Callable[[DriveStep], Image | None]

    def __len__(self) -> int:
        return len(self.times_s)

    def since_s(self, index: int) -> float:
        """Return the simulated seconds from the first step to this one."""
        return float(self.times_s[index] - self.times_s[0])
