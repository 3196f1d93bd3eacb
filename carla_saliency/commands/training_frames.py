"""Frames that a network was trained on, from folders of datasets or pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carla_saliency.core import Contract, Image
from carla_saliency.data.dataset import HEADER_FILE, Dataset
from carla_saliency.data.labels import same_camera
from carla_saliency.errors import BadInputError
from carla_saliency.insight.calibration import Source
from carla_saliency.pictures import read_picture

PICTURES = frozenset({".png", ".jpg", ".jpeg"})


@dataclass(frozen=True, slots=True)
class TrainingFrame:
    """One frame of the training.

    Attributes:
        image: Of the camera, RGB, uint8, (H, W, 3).
        speed_mps: Of the car; None if nobody knows.
        where: The file that it is from.
    """

    image: Image
    speed_mps: float | None
    where: Path


class TrainingFrames:
    """Chooses frames evenly from folders.

    Args:
        folders: Datasets of `collect`, or folders with pictures in them.
        contract: Of the network.
        most: How many frames are chosen.

    Attributes:
        source: "training" if all of the folders are datasets.

    Raises:
        BadInputError: If a folder has no frames, or those of another camera.
    """

    def __init__(self, folders: Sequence[str], contract: Contract, most: int) -> None:
        self._parts = [_part(Path(folder), contract) for folder in folders]
        counts = [part.count for part in self._parts]
        total = sum(counts)
        chosen = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(int))
        ends = np.cumsum(counts)
        self._chosen = [
            set((chosen[(chosen >= end - count) & (chosen < end)] - (end - count)).tolist())
            for count, end in zip(counts, ends, strict=True)
        ]
        datasets = all(isinstance(part, _Frames) for part in self._parts)
        self.source: Source = "training" if datasets else "pictures"

    def __len__(self) -> int:
        return sum(map(len, self._chosen))

    def __iter__(self) -> Iterator[TrainingFrame]:
        """Yield the chosen frames.

        Raises:
            BadInputError: If one can't be read.
        """
        for part, chosen in zip(self._parts, self._chosen, strict=True):
            yield from part.read(chosen)


class _Frames:
    """The frames of a dataset that are of use for training."""

    def __init__(self, folder: Path, contract: Contract) -> None:
        self._dataset = Dataset(folder)
        header = self._dataset.header
        difference = same_camera(header.contract, contract)
        if difference:
            raise BadInputError(f"--data {folder} was taken with another camera: {difference}")
        top, bottom, left, right = header.stored
        crop = contract.crop
        if crop[0] < top or crop[1] > bottom or crop[2] < left or crop[3] > right:
            raise BadInputError(
                f"--data {folder} has rows {top} to {bottom} and columns {left} to {right} of each "
                f"picture, the crop {crop} needs more"
            )
        self.count = sum(not label.ambiguous for label in self._dataset.labels)
        if not self.count:
            raise BadInputError(f"--data {folder} has no frame that is of use: collect more")

    def read(self, chosen: set[int]) -> Iterator[TrainingFrame]:
        number = -1
        for shard in self._dataset.shards:
            last = number + sum(not label.ambiguous for label in shard.labels)
            if not chosen.intersection(range(number + 1, last + 1)):
                number = last
                continue
            for label, image in zip(shard.labels, self._dataset.pictures(shard), strict=True):
                number += not label.ambiguous
                if not label.ambiguous and number in chosen:
                    yield TrainingFrame(image, label.speed_mps, shard.path)


class _Pictures:
    """The pictures in a folder, and in those inside it."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        self.count = len(self._paths)

    def read(self, chosen: set[int]) -> Iterator[TrainingFrame]:
        for number in sorted(chosen):
            path = self._paths[number]
            yield TrainingFrame(read_picture(path), None, path)


def _part(folder: Path, contract: Contract) -> _Frames | _Pictures:
    if not folder.is_dir():
        raise BadInputError(
            f"--data must be a folder of pictures or a dataset of `collect`, received {folder}"
        )
    if (folder / HEADER_FILE).exists():
        return _Frames(folder, contract)
    pictures = _Pictures(folder)
    if not pictures.count:
        raise BadInputError(
            f"--data {folder} has no PNG or JPEG picture and is no dataset of `collect`: name "
            "another folder"
        )
    return pictures
