"""Reads a saved clip."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from carla_saliency.core import Frame
from carla_saliency.errors import CarlaSaliencyError
from carla_saliency.output.clip_folder import FACTS, FRAMES, TABLE, TAGS
from carla_saliency.output.png import read_png


class ClipFrames:
    """The frames of a saved clip, read when they are asked for.

    Args:
        path: The clip's folder.

    Attributes:
        index: Of the event's own frame; the last one if it is not there.

    Raises:
        CarlaSaliencyError: If that is no clip, or can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            event_frame = int(json.loads((path / FACTS).read_text(encoding="utf-8"))["frame"])
            with (path / TABLE).open(newline="", encoding="utf-8") as file:
                self._rows = [
                    (int(row["frame"]), float(row["sim_s"]), float(row["speed_mps"]))
                    for row in csv.DictReader(file)
                ]
        except (OSError, ValueError, KeyError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CarlaSaliencyError(
                f"{path} can't be read as the clip of an event ({reason}); choose another event"
            ) from error
        ids = [frame_id for frame_id, _, _ in self._rows]
        self.index = ids.index(event_frame) if event_frame in ids else len(ids) - 1

    def __len__(self) -> int:
        """Return how many frames there are."""
        return len(self._rows)

    def at(self, index: int) -> Frame:
        """Return one frame as the camera gave it.

        Args:
            index: 0 is the oldest, -1 the newest.

        Raises:
            IndexError: If there are not so many.
            CarlaSaliencyError: If it can't be read.
        """
        frame_id, sim_s, speed_mps = self._rows[index]
        name = f"{frame_id:06d}.png"
        tags = self._path / TAGS / name
        return Frame(
            frame_id,
            sim_s,
            read_png(self._path / FRAMES / name),
            read_png(tags) if tags.exists() else None,
            speed_mps,
        )
