"""xplique, with a call of the model for the steering. python time_xplique.py FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from clock import measure
from network import picture
from xplique.attributions import Saliency, SmoothGrad


def main() -> None:
    model = keras.models.load_model(Path(sys.argv[1]) / "dave2.h5", compile=False)
    image, target = picture(), np.ones((1, 1), np.float32)
    saliency = Saliency(model, operator="regression")
    smooth = SmoothGrad(model, operator="regression", nb_samples=25, noise=0.15)

    def with_steering(explain: object) -> object:
        model(image)
        return explain(image, target)  # type: ignore[operator]

    measure(
        {
            "steering": lambda: model(image),
            "steering + map": lambda: with_steering(saliency.explain),
            "SmoothGrad(25)": lambda: with_steering(smooth.explain),
        }
    )


main()
