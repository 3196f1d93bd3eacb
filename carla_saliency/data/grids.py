"""Frames as a network sees them: pictures on its grid, kept beside the dataset for next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Contract, Image
from carla_saliency.data.dataset import Dataset, Shard
from carla_saliency.data.labels import Label, same_camera
from carla_saliency.errors import BadInputError

ToGrid = Callable[[Image], Image]
CACHE_FOLDER = "grids"


class Grids:
    """The pictures of some datasets on one network's grid, mapped from the disk as they are needed.

    Args:
        datasets: Taken with the same camera.
        contract: Of the network: crop, grid and resize.
        to_grid: From the camera's picture to the grid (H, W, 3), uint8 RGB.

    Attributes:
        labels: Of all frames.

    Raises:
        BadInputError: If cameras differ, or the crop is not on the disk.
    """

    def __init__(self, datasets: Sequence[Dataset], contract: Contract, to_grid: ToGrid) -> None:
        for dataset in datasets:
            _require_fit(dataset, contract)
        self.labels = [label for dataset in datasets for label in dataset.labels]
        jobs = [(dataset, shard) for dataset in datasets for shard in dataset.shards]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV releases the GIL
            self._shards = list(
                pool.map(lambda job: _cached(job[0], job[1], contract, to_grid), jobs)
            )
        sizes = [len(shard) for shard in self._shards]
        self._shard_of = np.repeat(np.arange(len(sizes)), sizes)
        self._row_of = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, int)])

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return some grids, (len(indices), H, W, 3), a copy."""
        return np.stack([self._shards[self._shard_of[i]][self._row_of[i]] for i in indices])


def split_places(
    labels: Sequence[Label], share: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split frames into training and validation, each piece of road as a whole.

    Args:
        labels: Of all frames; ambiguous ones are in neither part.
        share: Of the places that are kept out of training.
        seed: Of the choice.

    Returns:
        Indices of the training frames and of the validation frames.

    Raises:
        BadInputError: If there are too few places for two parts.
    """
    usable = [index for index, label in enumerate(labels) if not label.ambiguous]
    places = sorted({labels[index].place for index in usable})
    if len(places) < 2:
        raise BadInputError(
            f"frames of at least two places are needed to train and to validate, "
            f"received {len(usable)} usable frames of {len(places)}: collect more"
        )
    count = min(max(round(share * len(places)), 1), len(places) - 1)
    chosen = np.random.default_rng(seed).permutation(len(places))[:count]
    kept_out = {places[i] for i in chosen}
    is_kept_out = np.array([labels[index].place in kept_out for index in usable])
    indices = np.array(usable)
    return indices[~is_kept_out], indices[is_kept_out]


def _require_fit(dataset: Dataset, contract: Contract) -> None:
    difference = same_camera(dataset.header.contract, contract)
    if difference:
        raise BadInputError(f"{dataset.folder} was taken with another camera: {difference}")
    top, bottom, left, right = dataset.header.stored
    crop = contract.crop
    if crop[0] < top or crop[1] > bottom or crop[2] < left or crop[3] > right:
        raise BadInputError(
            f"{dataset.folder} has rows {top} to {bottom} and columns {left} to {right} of each "
            f"picture, the crop {crop} needs more"
        )


def _cached(dataset: Dataset, shard: Shard, contract: Contract, to_grid: ToGrid) -> Image:
    """Return all grids of a shard, (N, H, W, 3), from the cache if they are there."""
    shape = (len(shard.labels), contract.input_height_px, contract.input_width_px, 3)
    key = repr((contract.crop, contract.resize, shape, shard.path.stat().st_size))
    name = f"{shard.path.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npy"
    path = dataset.folder / CACHE_FOLDER / name
    if not path.exists():
        grids = np.stack([to_grid(picture) for picture in dataset.pictures(shard)])
        if grids.shape != shape:
            raise ValueError(f"to_grid must give {shape}, received {grids.shape}")
        _save(path, grids)
    mapped: Image = np.load(path, mmap_mode="r")
    return mapped


def _save(path: Path, grids: Image) -> None:
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(exist_ok=True)
        with part.open("wb") as file:
            np.save(file, grids)
        part.replace(path)
    except OSError as error:
        raise BadInputError(f"{path} can't be written: {error.strerror}") from None
