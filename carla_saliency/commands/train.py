"""`carla-saliency train`: a DAVE-2 from collected frames."""

from __future__ import annotations

import logging
import os
import sys

from carla_saliency.settings import TrainSettings


def run(settings: TrainSettings) -> int:
    """Train, and print how well the network steers after each epoch; return the exit code.

    Raises:
        BadInputError: If a dataset or a network can't be used.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it calls a missing GPU an error
    from carla_saliency.training.train import Recipe, train

    recipe = Recipe(
        epochs=settings.epochs, batch=settings.batch, lr=settings.rate, seed=settings.seed
    )
    logging.getLogger("carla_saliency").setLevel(logging.INFO)  # an hour without a word is long
    train(settings.data, settings.out, recipe, settings.init)
    sys.stdout.write(
        f"{settings.out} is written, its camera contract and frames that it knows beside it; "
        "carla-saliency calibrate adds what is usual in a drive\n"
    )
    return 0
