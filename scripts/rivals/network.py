"""The network that everybody is timed on: DAVE-2 with ELU, random weights, one steering output.

python network.py FOLDER writes dave2.h5 (for Keras) and dave2.npz (for PyTorch) there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

CONVOLUTIONS = ((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1))
DENSE = (100, 50, 10)
LAYERS = [f"conv{i}" for i in range(1, 6)] + [f"dense{i}" for i in range(1, 4)] + ["steering"]
INPUT = (66, 200, 3)


def picture() -> np.ndarray:
    """Return the input, (1, 66, 200, 3) float32 in [0, 1)."""
    return np.random.default_rng(1).random((1, *INPUT), np.float32)


def write(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(INPUT)])
    for number, (filters, kernel, stride) in enumerate(CONVOLUTIONS, start=1):
        model.add(
            keras.layers.Conv2D(filters, kernel, stride, activation="elu", name=f"conv{number}")
        )
    model.add(keras.layers.Flatten())
    for number, units in enumerate(DENSE, start=1):
        model.add(keras.layers.Dense(units, activation="elu", name=f"dense{number}"))
    model.add(keras.layers.Dense(1, name="steering"))
    model.save(folder / "dave2.h5")
    weights = {
        f"{layer.name}.{i}": weight
        for layer in model.layers
        for i, weight in enumerate(layer.get_weights())
    }
    np.savez(folder / "dave2.npz", **weights)


def multiplications() -> int:
    """Return the multiply-adds of one forward pass."""
    rows, columns, channels = INPUT
    total = 0
    for filters, kernel, stride in CONVOLUTIONS:
        rows, columns = (rows - kernel) // stride + 1, (columns - kernel) // stride + 1
        total += rows * columns * filters * kernel * kernel * channels
        channels = filters
    size = rows * columns * channels
    for units in (*DENSE, 1):
        total += size * units
        size = units
    return total


if __name__ == "__main__":
    write(Path(sys.argv[1]))
