"""Batches of augmented frames for Keras, made in threads while the network learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Array
from carla_saliency.data.augment import Augmentation, augment
from carla_saliency.data.grids import Grids


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Shuffled, augmented batches; the same seed gives the same ones, whatever the threads do.

    Args:
        grids: The frames.
        steering: Of all frames, (N,).
        indices: Of the frames to learn from.
        batch: Frames in one batch; the rest of an epoch that fills none is left out.
        augmentation: How frames are changed.
        encode: From grids, RGB 0..255, to the network's input.
        seed: Of order and augmentation.
    """

    def __init__(
        self,
        grids: Grids,
        steering: Array,
        indices: NDArray[np.intp],
        batch: int,
        augmentation: Augmentation,
        encode: Callable[[NDArray[Any]], Array],
        seed: int,
    ) -> None:
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=8)
        self._grids, self._steering, self._indices = grids, steering, indices
        self._batch = min(batch, len(indices))
        self._augmentation, self._encode, self._seed = augmentation, encode, seed
        self._epoch = 0
        self._shuffle()

    def __len__(self) -> int:
        return len(self._indices) // self._batch

    def __getitem__(self, number: int) -> tuple[Array, Array]:
        chosen = self._order[number * self._batch : (number + 1) * self._batch]
        rng = np.random.default_rng((self._seed, self._epoch, number))
        images = self._grids.take(chosen)
        targets = np.empty((len(chosen), 1), np.float32)
        for row, index in enumerate(chosen):
            images[row], targets[row] = augment(
                images[row], float(self._steering[index]), self._augmentation, rng
            )
        return self._encode(images), targets

    def on_epoch_end(self) -> None:
        """Shuffle anew; Keras calls this between epochs."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        rng = np.random.default_rng((self._seed, self._epoch))
        self._order = rng.permutation(self._indices)
