"""Datasets on disk: a folder with `dataset.json` and shards, each a zip of JPEGs and their labels.

A shard gets its name when it is complete, so whatever ends the program, all that is in the folder
is valid; at most the frames of the shard at hand are lost, and the next run goes on from there.
"""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from carla_saliency.core import Car, Contract, Image
from carla_saliency.data.labels import (
    Header,
    Label,
    label_from_json,
    label_to_json,
    read_header,
    same_camera,
    same_car,
    write_header,
)
from carla_saliency.errors import BadInputError

logger = logging.getLogger(__name__)

HEADER_FILE = "dataset.json"
LABELS_FILE = "labels.jsonl"
SHARD_FRAMES = 500
MARGIN_PX = 40  # rows kept above the crop, so that another crop can be tried
JPEG = (
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,  # yellow lines are thin: keep the colour's resolution
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)


def part_to_store(contract: Contract) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of the picture that is worth keeping."""
    return max(contract.crop[0] - MARGIN_PX, 0), contract.crop[1], 0, contract.width_px


class DatasetWriter:
    """Adds frames to a dataset; goes on with one that is there.

    Use it as a context manager: leaving writes the last, shorter shard.

    Args:
        folder: Of the dataset; made if it isn't there.
        contract: The camera, and the crop that the frames are meant for.
        car: The car that carries it.
        made_with: Versions and settings, for a person; kept from the first run.
        shard_frames: Frames per file.

    Attributes:
        labels: Of all frames that are safe on disk or wait for it.

    Raises:
        BadInputError: If the folder can't be written, or holds frames of another camera or car.
    """

    def __init__(
        self,
        folder: str | Path,
        contract: Contract,
        car: Car,
        made_with: dict[str, object] | None = None,
        shard_frames: int = SHARD_FRAMES,
    ) -> None:
        self._folder = Path(folder)
        self._shard_frames = shard_frames
        self._waiting: list[tuple[bytes, Label]] = []
        self.labels: list[Label] = []
        if (self._folder / HEADER_FILE).exists():
            self._continue(contract, car)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if any(self._folder.iterdir()):
                raise BadInputError(f"{folder} holds something else: give an empty or new folder")
            self._header = Header(contract, car, part_to_store(contract), made_with or {})
            write_header(self._folder / HEADER_FILE, self._header)
        except OSError as error:
            raise BadInputError(f"{folder} can't be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flush()

    def count(self, map_name: str, look: int, source: str) -> int:
        """Return how many frames there are of one map in one look from one source."""
        wanted = (map_name, look, source)
        return sum((one.map_name, one.look, one.source) == wanted for one in self.labels)

    def add(self, picture: Image, label: Label) -> None:
        """Add one frame.

        Args:
            picture: The camera's whole picture, RGB.
            label: What is known of it.

        Raises:
            ValueError: If the picture has another size than the camera's.
        """
        contract = self._header.contract
        if picture.shape != (contract.height_px, contract.width_px, 3):
            raise ValueError(
                f"expected a picture of {contract.width_px}x{contract.height_px}, "
                f"received shape {picture.shape}"
            )
        top, bottom, left, right = self._header.stored
        part = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", part, JPEG)
        self._waiting.append((jpeg.tobytes(), label))
        self.labels.append(label)
        if len(self._waiting) >= self._shard_frames:
            self.flush()

    def flush(self) -> None:
        """Write the frames that wait as a shard, if there are any.

        Raises:
            BadInputError: If the disk does not take them.
        """
        if not self._waiting:
            return
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:  # JPEGs don't get smaller: stored
            lines = (label_to_json(label) for _, label in self._waiting)
            archive.writestr(LABELS_FILE, "\n".join(lines) + "\n")
            for index, (jpeg, _) in enumerate(self._waiting):
                archive.writestr(_member(index), jpeg)
        number = 1 + max((_number(path) for path in _shards(self._folder)), default=-1)
        path = self._folder / f"shard-{number:05d}.zip"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(data.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            raise BadInputError(f"{path} can't be written: {error.strerror}") from None
        self._waiting.clear()

    def _continue(self, contract: Contract, car: Car) -> None:
        found = Dataset(self._folder)
        difference = same_camera(found.header.contract, contract)
        difference = difference or same_car(found.header.car, car)
        if difference:
            raise BadInputError(
                f"{self._folder} has other frames ({difference}): give a new folder"
            )
        for rest in self._folder.glob("*.part"):  # of a run that was killed
            rest.unlink()
        self._header = found.header
        self.labels = list(found.labels)
        logger.info("Going on with %s: %d frames are there.", self._folder, len(self.labels))


class Dataset:
    """Reads a dataset.

    Args:
        folder: Of the dataset.

    Attributes:
        folder: Of the dataset.
        header: What all frames share.
        shards: The files, in order.

    Raises:
        BadInputError: If the folder is not a dataset, or a shard is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.header = read_header(self.folder / HEADER_FILE)
        self.shards = tuple(Shard(path) for path in _shards(self.folder))

    @property
    def labels(self) -> list[Label]:
        """Of all frames."""
        return [label for shard in self.shards for label in shard.labels]

    def pictures(self, shard: Shard) -> Iterator[Image]:
        """Yield the camera's pictures of one shard, RGB; black where nothing was stored.

        Raises:
            BadInputError: If a picture is damaged.
        """
        contract = self.header.contract
        top, bottom, left, right = self.header.stored
        for part in shard.parts():
            if part.shape != (bottom - top, right - left, 3):
                raise BadInputError(
                    f"{shard.path}: expected pictures of {right - left}x{bottom - top}, "
                    f"received {part.shape[1]}x{part.shape[0]}: delete this file"
                )
            picture = np.zeros((contract.height_px, contract.width_px, 3), np.uint8)
            picture[top:bottom, left:right] = part
            yield picture


class Shard:
    """One file of a dataset.

    Args:
        path: Of the zip.

    Attributes:
        path: Of the zip.
        labels: In the order of the pictures.

    Raises:
        BadInputError: If it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                text = archive.read(LABELS_FILE).decode("utf-8")
                pictures = len(archive.namelist()) - 1
            self.labels = tuple(label_from_json(line) for line in text.splitlines())
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise BadInputError(f"{path} is damaged ({error}): delete it") from None
        if len(self.labels) != pictures:
            raise BadInputError(
                f"{path} is damaged: {len(self.labels)} labels for {pictures} pictures: delete it"
            )

    def parts(self) -> Iterator[Image]:
        """Yield what was stored of each picture, RGB.

        Raises:
            BadInputError: If a picture is damaged.
        """
        with zipfile.ZipFile(self.path) as archive:
            for index in range(len(self.labels)):
                try:
                    data = np.frombuffer(archive.read(_member(index)), np.uint8)
                    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
                except (KeyError, zipfile.BadZipFile, cv2.error):
                    bgr = None
                if bgr is None:
                    raise BadInputError(
                        f"{self.path} is damaged: picture {index} can't be read: delete this file"
                    )
                yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _member(index: int) -> str:
    return f"{index:05d}.jpg"


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-[0-9]*.zip"))


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("shard-"))
