"""Keeps which frames a network learned from, so that a drive can tell what is new to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carla_saliency.core import Inputs, Query
from carla_saliency.data.grids import Grids
from carla_saliency.insight.calibration import (
    Calibration,
    calibration_path,
    network_digest,
    write_calibration,
)
from carla_saliency.insight.novelty import KNOWN_FRAMES, known_frames, penultimate
from carla_saliency.network.loading import load_network
from carla_saliency.network.preprocess import ContractPreprocess

BATCH = 50


def save_known_frames(model_path: Path, grids: Grids, learned: NDArray[np.intp]) -> Path | None:
    """Write features and thumbnails of 500 frames of the training beside a network.

    They come from the network as a drive loads it. What a calibration said about older weights is
    replaced.

    Args:
        model_path: Of the network; its contract is beside it.
        grids: All frames.
        learned: Which of them it was trained on.

    Returns:
        The calibration's file; None if the network has no layer to tell frames apart by, or too
        few frames.

    Raises:
        BadInputError: If the network can't be read, or the file not be written.
    """
    loaded = load_network(model_path)
    layer = penultimate(loaded.network.layers)
    if layer is None or len(learned) < 2:
        return None
    evenly = np.linspace(0, len(learned) - 1, min(KNOWN_FRAMES, len(learned)))
    pictures = grids.take(learned[evenly.round().astype(int)])
    encode, query = ContractPreprocess(loaded.contract).encode, Query(targets=(), keep=(layer,))
    outputs = [
        loaded.network.run(query, Inputs(encode(pictures[i : i + BATCH]))).outputs[layer]
        for i in range(0, len(pictures), BATCH)
    ]
    features = np.concatenate(outputs).reshape(len(pictures), -1)
    known = known_frames(layer, features, list(pictures), "training")
    digest = network_digest(model_path, loaded.contract)
    path = calibration_path(model_path)
    write_calibration(path, Calibration(digest, known))
    return path
