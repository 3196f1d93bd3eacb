"""A recorded drive as a source of pictures to explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from carla_saliency.core import Contract, DriveStep
from carla_saliency.errors import BadInputError, CarlaSaliencyError
from carla_saliency.record.reader import Record, is_record
from carla_saliency.sources import Broken, Picture


class RecordedDrive:
    """The camera's pictures of a recorded drive, as the network was given them.

    Args:
        path: The record's folder.

    Attributes:
        path: The same.
        rate: Ticks per simulated second.
        count: How many pictures there are.
        server_version: Of the simulator, which numbers the semantic tags.
        on_grid: Only what the network saw was kept, on its own grid.

    Raises:
        BadInputError: If the record was not finished.
    """

    moving, keeps_times = True, False

    def __init__(self, path: Path) -> None:
        self.path = path
        with Record(path) as record:
            facts = record.facts
            self.rate = facts.rate_hz
            self.count: int | None = len(record)
            self.server_version = facts.server_version
            self.on_grid = facts.frames == "network"
            self._network = facts.network

    def require(self, contract: Contract) -> None:
        """Refuse a network that would have seen another part of the camera's picture.

        Raises:
            BadInputError: If only what the drive's network saw was kept, and this one's contract is
                another.
        """
        given = json.loads(json.dumps(asdict(contract), default=str))
        kept = json.loads(json.dumps(self._network.contract, default=str))
        others = sorted(key for key in given | kept if given.get(key) != kept.get(key))
        if self.on_grid and others:
            raise BadInputError(
                f"{self.path} has only what its network saw (--record-frames network), so it is "
                f"for the contract of {self._network.title}: {', '.join(others)} of this one "
                "differ; give that --model, or a drive with the camera's pictures"
            )

    def read(self, every: int = 1) -> Iterator[Picture | Broken]:
        """Yield the pictures, or of so many the first one, and what is broken."""
        with Record(self.path) as record:
            for index in range(0, len(record), every):
                try:
                    step = record.at(index)
                except CarlaSaliencyError as error:
                    yield Broken(str(error))
                    continue
                yield self._picture(index, float(record.times_s[index] - record.times_s[0]), step)

    def _picture(self, index: int, time_s: float, step: DriveStep) -> Picture:
        frame, decision = step.observation.frame, step.decision
        image = frame.image if decision.masked is None else decision.masked.image
        return Picture(
            index,
            self.path.resolve().name,
            image,
            time_s,
            decision.control.steering,
            step.observation.speed_mps,
            frame.tags,
        )


def recorded_drive(folder: Path) -> RecordedDrive | None:
    """Return the drive that is recorded in a folder; None if there is none.

    Raises:
        BadInputError: If the record was not finished.
    """
    return RecordedDrive(folder) if is_record(folder) else None
